"""What callers give a model: windows and standards of any kind of numbers, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpep.data.statistics import CentreSpread, stacked
from cpep.signal.given import array_in, floats_in
from cpep.types import FloatArray, UserError

MOST_OFFSET = 1.0
"""Largest offset of a window of high-passed EMG, over its SD; even a jump in it makes less."""


def tensor_in(value: Any, what: str) -> Tensor:
    """Return numbers as a float32 tensor; a tensor stays on its device and in its graph.

    Args:
        value: see ``array_in``.
        what: name of the argument, for the sentence.

    Raises:
        UserError: as ``array_in``.
    """
    if isinstance(value, Tensor):
        if value.is_complex():
            raise UserError(f"{what} is of type {value.dtype}; give real numbers")
        return value.float()
    return torch.from_numpy(np.require(floats_in(value, what), requirements=("C", "W")))


def windows_in(value: Any, wanted: tuple[int, int], what: str, axes: str) -> Tensor:
    """Return windows (B, rows, times) as a float32 tensor.

    Args:
        value: see ``tensor_in``.
        wanted: rows and times of a window.
        what: it is, for sentences.
        axes: what rows and times are.

    Raises:
        UserError: another shape, or values that are not finite.
    """
    x = tensor_in(value, what)
    if x.ndim != 3 or tuple(x.shape[1:]) != wanted:
        remedy = ""
        if tuple(x.shape) == wanted:
            remedy = "; of one window give a list of it"
        elif tuple(x.shape[1:]) == wanted[::-1]:
            remedy = "; transpose the last two axes"
        takes = f"this checkpoint takes (windows, {wanted[0]}, {wanted[1]}): {axes}{remedy}"
        raise UserError(f"{what} of shape {tuple(x.shape)}; {takes}")
    if not len(x):
        raise UserError(f"{what} of shape {tuple(x.shape)} holds no windows; give at least one")
    if not bool(torch.isfinite(x).all()):
        raise UserError(f"{what}: some values are not finite (NaN or infinite); cut or interpolate these samples")
    return x


def recording_in(value: Any, channels: int, takes: str, axis: int) -> FloatArray:
    """Return a recording as an array of its own kind of numbers.

    Args:
        value: see ``array_in``.
        channels: of the device.
        takes: what takes which shape, for the sentence.
        axis: of the channels.

    Raises:
        UserError: another shape, or values that are not finite.
    """
    array = array_in(value, "the recording")
    if array.ndim != 2 or array.shape[axis] != channels:
        remedy = "; transpose it" if array.ndim == 2 and array.shape[1 - axis] == channels else ""
        raise UserError(f"a recording of shape {array.shape}; {takes}{remedy}")
    if not np.isfinite(array).all():
        raise UserError("the recording is not finite; cut or interpolate the samples that are NaN or infinite")
    return array


def standard_in(value: Any, windows: int, columns: int) -> CentreSpread | None:
    """Return centre and spread of windows: of one session (F,), or of each window (B, F).

    Args:
        value: ``CentreSpread``; a list of them, one for each window; an array or tensor (2, F) or (B, 2, F), as the
            items of a ``WindowDataset`` have it; or ``None``.
        windows: number of windows B.
        columns: F.

    Raises:
        UserError: another shape.
    """
    if value is None:
        return None
    if isinstance(value, list | tuple) and value and all(isinstance(one, CentreSpread) for one in value):
        value = stacked(value)
    if not isinstance(value, CentreSpread):
        array = floats_in(value, "standard")
        if array.ndim not in (2, 3) or array.shape[-2] != 2:
            raise UserError(f"standard of shape {array.shape}; give (2, {columns}) or ({windows}, 2, {columns})")
        value = CentreSpread(array[..., 0, :], array[..., 1, :])
    standard: CentreSpread = value
    for part in (standard.centre_F, standard.spread_F):
        if part.shape not in ((columns,), (windows, columns)):
            raise UserError(
                f"standard has a part of shape {part.shape}; this checkpoint takes ({columns},) of one session, or "
                f"({windows}, {columns}) of as many windows"
            )
    if not (np.isfinite(standard.centre_F).all() and (np.asarray(standard.spread_F) > 0).all()):
        raise UserError("standard has a centre that is not finite, or a spread that is not above 0; calibrate anew")
    return standard


def offset_in(emg_BCT: Tensor) -> tuple[int, float] | None:
    """Return a channel with an offset that a high-pass would have taken out, and the offset; ``None`` without one."""
    variance_BC, mean_BC = torch.var_mean(emg_BCT.detach(), dim=2, correction=0)
    found = (mean_BC.abs() > MOST_OFFSET * variance_BC.sqrt()).nonzero()
    if not len(found):
        return None
    window, channel = found[0].tolist()
    return channel, float(mean_BC[window, channel].abs())
