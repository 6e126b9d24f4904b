"""The challenge for a model that cpep knows nothing of: any function from EMG to poses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cpep.config.schema import DataConfig
from cpep.data.splits import make_splits
from cpep.data.store.store import Store, open_store
from cpep.data.windows import AnchorReader, Windows, windows_of
from cpep.evaluate.challenge import ChallengeError, at_times, scored
from cpep.experiments.challenged import CONTEXT_S, asked_of, mean_pose
from cpep.types import FloatArray, UserError


def score_poses(
    store: Store | str | Path,
    predict: Callable[[FloatArray], Any],
    *,
    test_users: Sequence[str] = (),
    unseen: Sequence[str] = (),
    batch: int = 16,
    draws: int = 1000,
    seed: int = 0,
) -> ChallengeError:
    """Score any model that predicts poses, as NeuralBench's ``emg pose`` does (docs/results/challenge.md).

    It is asked for windows of 5 s of test people, in stages or of gestures that training people do not have. Nothing
    is known of how the model was trained: that it has not met these people is for you to say.

    Args:
        store: prepared recordings, whose poses are in rad; or their folder.
        predict: gets the EMG of some windows (B, C, T), float32, in the store's unit and rate, without any
            normalisation: 0.895 s of context, then the 5 s (at 2000 Hz T is 11,790). It returns the poses of the 5 s
            (B, S, J), rad, in the order of the store's joints, at any number of times S: pose k is that of
            ``5 k / S`` seconds. A NumPy array, or a torch tensor on any device.
        test_users: people who are tested; without them the split of metadata.csv, or else a quarter of the people.
        unseen: gestures that no training had; those that the data set has by default if empty.
        batch: windows that are given at a time.
        draws: of the bootstrap of the interval.
        seed: of the bootstrap.

    Raises:
        UserError: poses are not in rad, nothing can be asked, or what ``predict`` returns does not fit.
    """
    opened = store if isinstance(store, Store) else open_store(Path(store))
    if (unit := opened.device.anchor.unit) != "rad":
        raise UserError(f"{opened.path}: poses are in {unit or 'no unit'}; only joint angles in rad can be scored")
    (split,) = make_splits(opened, test_users=test_users, unseen=unseen)
    asked = asked_of(opened, split)
    if asked is None:
        raise UserError(
            f"{opened.path}: no test person has 5 s with a valid pose in a stage, or of gestures, that training "
            "people do not have; name others by test_users or unseen"
        )
    windows = asked.windows
    found = scored(
        np.concatenate(list(_predicted(opened, windows, predict, batch))),
        AnchorReader(opened, windows.frames)(windows).numpy(),
        mean_pose(opened, split, windows_of(opened, DataConfig())),
        windows.users(opened),
        draws=draws,
        seed=seed,
    )
    return replace(found, n_excluded=asked.excluded, n_short=asked.short)


def _predicted(
    store: Store, windows: Windows, predict: Callable[[FloatArray], Any], batch: int
) -> Iterator[FloatArray]:
    """Yield the poses (B, frames, J) of windows at every frame."""
    joints = len(store.device.anchor_names)
    seconds = windows.frames / store.frame_rate
    wanted_F = np.arange(windows.frames) / store.frame_rate
    for start in range(0, len(windows), batch):
        part = windows.select(np.arange(start, min(start + batch, len(windows))))
        given = predict(_emg_of(store, part))
        pose_BSJ = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, np.float32)
        if pose_BSJ.ndim != 3 or pose_BSJ.shape[::2] != (len(part), joints) or not pose_BSJ.shape[1]:
            raise UserError(
                f"predict returned an array of shape {pose_BSJ.shape}; it must be ({len(part)}, S, {joints}): "
                "windows, times, joints"
            )
        if not np.isfinite(pose_BSJ).all():
            raise UserError("predict returned poses that are not finite")
        times_S = np.arange(pose_BSJ.shape[1]) * (seconds / pose_BSJ.shape[1])
        yield at_times(pose_BSJ, times_S, wanted_F)


def _emg_of(store: Store, windows: Windows) -> FloatArray:
    """Return the EMG (B, C, T) of windows and of the context before them."""
    context = round(CONTEXT_S * store.frame_rate * store.ratio)
    first_B = windows.start_N * store.ratio - context
    length = context + windows.frames * store.ratio
    return np.stack([np.ascontiguousarray(store.emg_TC[first : first + length].T) for first in first_B])
