"""EMG windows of arrays as vectors of a model, each centred and scaled by the statistics of its person."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.data.frontend import Frontend
from cpep.data.statistics import PRIOR_S, CentreSpread, stacked
from cpep.signal.conditioning import Conditioner
from cpep.signal.rate import same_rate
from cpep.signal.resampler import resampled
from cpep.types import FloatArray, StrArray, UserError

BATCH = 64
UNLIKELY = 100.0
"""EMG that is so many times larger or smaller than what a model was trained on is in another unit."""


def threads_of(n_jobs: int | None) -> int:
    """Return the number of threads that ``n_jobs`` asks for: ``None`` for one, -1 for all cores, -2 for all but one.

    Raises:
        UserError: it is 0, or no whole number.
    """
    if n_jobs is not None and (not isinstance(n_jobs, numbers.Integral) or n_jobs == 0):
        raise UserError(f"n_jobs={n_jobs!r}: give a number of threads, or -1 for all cores")
    wanted = 1 if n_jobs is None else int(n_jobs)
    return wanted if wanted > 0 else max(1, (os.cpu_count() or 1) + 1 + wanted)


@contextmanager
def torch_as_asked(n_jobs: int | None) -> Iterator[None]:
    """Set the number of torch's threads, and leave threads and random numbers as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads_of(n_jobs))
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


def at_rate(emg_NCT: FloatArray, rate: float, new_rate: float) -> FloatArray:
    """Return windows (N, C, T) at another rate; at the same rate, within half a per cent, the windows themselves."""
    if same_rate(rate, new_rate):
        return emg_NCT
    windows, channels, _ = emg_NCT.shape
    # a resampler takes samples x channels: channels of all windows side by side
    flat_TX = emg_NCT.reshape(windows * channels, -1).T.astype(np.float32)
    return np.asarray(resampled(flat_TX, rate, new_rate).T.reshape(windows, channels, -1))


def ready(model: Model, emg_NCT: FloatArray, rate: float) -> FloatArray:
    """Return windows (N, T, C) as the model's front end takes them: at its rate, of its length, conditioned.

    A filter begins in each window as after an endless past of the window's mean.
    """
    card, device = model.card, model.card.device
    found_NCT = at_rate(emg_NCT, rate, device.emg_rate)[:, :, : card.samples]
    found_NTC = np.ascontiguousarray(found_NCT.transpose(0, 2, 1), np.float32)
    if not device.conditioning:
        return found_NTC
    for n, window_TC in enumerate(found_NTC):
        conditioner = Conditioner(device.conditioning, device.emg_rate, device.channels)
        conditioner.begin(window_TC.mean(axis=0, dtype=np.float64))
        found_NTC[n] = conditioner.whole(window_TC)
    return found_NTC


def refuse_other(model: Model, emg_NCT: FloatArray, rate: float) -> None:
    """Check that windows are such as a checkpoint takes.

    Raises:
        UserError: other channels, a lower rate, windows of another length, or EMG that must be in another unit.
    """
    card, device = model.card, model.card.device
    if emg_NCT.shape[1] != device.channels:
        raise UserError(
            f"X has {emg_NCT.shape[1]} channels, and the checkpoint takes {device.channels}; train one on "
            "your own EMG: CpepClassifier(checkpoint=None)"
        )
    if rate < device.emg_rate and not same_rate(rate, device.emg_rate):
        raise UserError(
            f"sfreq is {rate:g}, and the checkpoint was trained on {device.emg_rate:g} samples per second; train one "
            "on your own EMG (checkpoint=None)"
        )
    given_s = emg_NCT.shape[2] / rate
    if abs(given_s - card.window_s) >= 1 / card.frame_rate:
        raise UserError(
            f"windows of {given_s:g} s, and the checkpoint takes {card.window_s:g} s: cut windows of "
            f"{round(card.window_s * rate)} samples"
        )
    refuse_other_size(model, emg_NCT)


def refuse_other_size(model: Model, emg_NCT: FloatArray) -> None:
    """Check that windows are about as large as those that a model was trained on.

    Raises:
        UserError: they must be in another unit.
    """
    device = model.card.device
    level = float(np.median(model.emg_frontend.level_C.numpy()))
    raw = device.emg_kind == "raw"  # the offset of raw EMG is no part of its size; an envelope is its size
    squares_N = [
        np.square(one_CT - (one_CT.mean(axis=1, keepdims=True) if raw else 0.0), dtype=np.float64).mean()
        for one_CT in emg_NCT
    ]
    size = float(np.sqrt(np.mean(squares_N)))
    if size and not 1 / UNLIKELY < size / level < UNLIKELY:
        raise UserError(
            f"the RMS of X is {size:.3g}, and the encoder was trained on EMG of about {level:.3g} "
            f"{device.emg_unit or '(unit unknown)'}; give the unit of X, such as unit='uV', or multiply X"
        )


def standard_of(frontend: Frontend, emg_NTC: FloatArray, prior: CentreSpread) -> CentreSpread:
    """Return centre and spread (F,) of one person from any number of windows, without a label.

    They start from ``prior``, which counts like ``PRIOR_S`` of EMG, so that a single window does not decide.
    """
    if frontend.normalisation == "none":
        return prior
    statistic = frontend.statistic
    if frontend.bin_samples:
        rows_KF = frontend.rows(torch.from_numpy(emg_NTC)).flatten(0, 1).numpy()
    else:
        rows_KF = np.square(emg_NTC, dtype=np.float64).mean(axis=1)
    row_s = frontend.row_s if frontend.bin_samples else emg_NTC.shape[1] / frontend.rate
    moments_MF = statistic.start(prior)
    total_MF, row_MF = moments_MF * (PRIOR_S / row_s), np.empty_like(moments_MF)
    for row_F in rows_KF:
        statistic.write(row_F, row_MF)
        total_MF += row_MF
    return statistic.floored(statistic.at(total_MF / (PRIOR_S / row_s + len(rows_KF))), prior)


def standards_of(
    frontend: Frontend, emg_NTC: FloatArray, group_N: StrArray, prior: CentreSpread
) -> dict[str, CentreSpread]:
    """Return ``standard_of`` of each person."""
    return {str(group): standard_of(frontend, emg_NTC[group_N == group], prior) for group in np.unique(group_N)}


def middle(standards: Mapping[str, CentreSpread]) -> CentreSpread:
    """Return the median over people of centre and of spread."""
    of_people = stacked(list(standards.values()))
    return CentreSpread(np.median(of_people.centre_F, axis=0), np.median(of_people.spread_F, axis=0))


@torch.no_grad()
def vectors_of(model: Model, emg_NTC: FloatArray, standard_N: list[CentreSpread]) -> FloatArray:
    """Return the vectors (N, D) that a linear read-out reads, float32; the mean over queries where there are some."""
    parts = []
    for first in range(0, len(emg_NTC), BATCH):
        some_BTC = torch.from_numpy(emg_NTC[first : first + BATCH])
        signal = model.emg_frontend.signal(some_BTC, stacked(standard_N[first : first + BATCH])).to(model.device)
        x_BD = model.spec.probed(model.net, signal).float()
        parts.append((x_BD if x_BD.ndim == 2 else x_BD.mean(dim=1)).cpu().numpy())
    return np.concatenate(parts)
