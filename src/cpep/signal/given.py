"""What callers give as numbers: lists, NumPy arrays, tensors, integers and floats of any kind, taken alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.types import FloatArray, UserError


def array_in(value: Any, what: str) -> npt.NDArray[Any]:
    """Return numbers as a NumPy array of their own kind; an array of numbers is returned as it is.

    Args:
        value: nested lists, an array, a tensor on any device, or a list of these of one shape. Masked values of
            masked arrays become NaN.
        what: name of the argument, for the sentence.

    Raises:
        UserError: it holds no real numbers, or rows of different lengths.
    """
    try:
        array = np.asarray([_plain(one) for one in value] if isinstance(value, list | tuple) else _plain(value))
    except ValueError as error:
        raise UserError(f"{what} holds rows of different lengths; give numbers in a regular array") from error
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"{what} holds something that is no number ({error}); give numbers") from error
    if array.dtype.kind not in "biuf":
        raise UserError(f"{what} is of type {array.dtype}; give real numbers")
    return array


def floats_in(value: Any, what: str) -> FloatArray:
    """Return numbers as a float32 array; see ``array_in``.

    Raises:
        UserError: as ``array_in``.
    """
    return np.asarray(array_in(value, what), np.float32)


def _plain(value: Any) -> Any:
    """Return tensors as arrays of NumPy, which knows no bfloat16, masked arrays with NaN, and all else as it is."""
    if isinstance(value, np.ma.MaskedArray):
        return np.ma.filled(value.astype(np.float64), np.nan)
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    return (tensor if "bfloat16" not in str(tensor.dtype) else tensor.float()).numpy()
