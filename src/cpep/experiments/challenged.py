"""The windows of the challenge, and the poses that a model predicts for them; see ``cpep.evaluate.challenge``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import predict_pose
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.data.window_facts import all_valid
from cpep.data.windows import AnchorReader, Windows, frames_of
from cpep.evaluate.challenge import ChallengeError, at_times, offsets, scored
from cpep.models.baselines.regressor import PoseRegressor
from cpep.types import REST, UNKNOWN, BoolArray, FloatArray

WINDOW_S = 5.0
CONTEXT_S = 0.895
"""Seconds of a recording before its first window: the context of the benchmark's models."""
MEAN_WINDOWS = 2048
"""Training windows of which the mean pose is taken, at equal distances."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The windows of a challenge.

    Attributes:
        windows: with a valid pose throughout, of ``WINDOW_S``.
        excluded: windows without.
        short: recordings that are too short for one.
    """

    windows: Windows
    excluded: int
    short: int


def challenge(
    model: Model, store: Store, split: Split, every: Windows, draws: int, seed: int
) -> ChallengeError | None:
    """Score a model that predicts poses; ``None`` where nothing can be asked.

    Nothing is asked where poses are not in rad, where no test person has a window of a held-out stage, and of a
    model whose window is longer than context and window together.

    Args:
        model: whose network is a ``PoseRegressor``.
        store: prepared recordings.
        split: held-out people and unseen gestures.
        every: windows of the model's length, for the mean pose of training people.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    asked = asked_of(store, split) if store.device.anchor.unit == "rad" else None
    if asked is None or every.frames + every.lag_frames > asked.windows.frames + context_of(store):
        return None
    found = scored(
        predicted(model, store, asked.windows, every.lag_frames),
        AnchorReader(store, asked.windows.frames)(asked.windows).numpy(),
        mean_pose(store, split, every),
        asked.windows.users(store),
        draws=draws,
        seed=seed,
    )
    return replace(found, n_excluded=asked.excluded, n_short=asked.short)


def held_out(store: Store, split: Split) -> BoolArray:
    """Tell, (E,), which recordings are of test people in stages that training does not have.

    A stage counts as held out where metadata.csv keeps it from all training people; and, in every recording, where
    its labels are of unseen gestures alone.
    """
    open_E = split.open_to_training(store)
    stages = {
        e.stage for e, is_open in zip(store.entries, open_E, strict=True) if is_open and e.user in split.users_train
    }

    def is_new(index: int) -> bool:
        entry = store.entries[index]
        made = set(np.unique(store.label_M[entry.start : entry.start + entry.frames]).tolist()) - {REST, UNKNOWN}
        return entry.stage not in stages or (bool(made) and made <= set(split.unseen))

    return np.array([e.user in split.users_test and is_new(i) for i, e in enumerate(store.entries)])


def context_of(store: Store) -> int:
    """Return the frames of a recording before its first window."""
    return math.ceil(CONTEXT_S * store.frame_rate)


def asked_of(store: Store, split: Split) -> Asked | None:
    """Return the windows that are asked; ``None`` where there are none."""
    frames, context = frames_of(store, WINDOW_S), context_of(store)
    starts, entries, valid, short = [], [], [], 0
    for index in np.flatnonzero(held_out(store, split)):
        entry = store.entries[index]
        first_N = np.arange(context, entry.frames - frames + 1, frames)
        short += not len(first_N)
        starts.append(entry.start + first_N)
        entries.append(np.full(len(first_N), index))
        valid.append(all_valid(np.asarray(store.valid_M[entry.start : entry.start + entry.frames]), first_N, frames))
    if not starts or not (valid_N := np.concatenate(valid)).any():
        return None
    none_N = np.zeros(len(valid_N), np.int64)
    windows = Windows(np.concatenate(starts), np.concatenate(entries), none_N + UNKNOWN, valid_N, none_N, frames)
    return Asked(windows.select(valid_N), int((~valid_N).sum()), short)


def mean_pose(store: Store, split: Split, every: Windows) -> FloatArray:
    """Return the mean pose (J,) of windows that may train."""
    open_N = split.allowed(store, every, "train")
    open_N = open_N.select(open_N.valid_N)
    some = open_N.select(np.unique(np.linspace(0, len(open_N) - 1, MEAN_WINDOWS).astype(int)))
    mean_J: FloatArray = AnchorReader(store, some.frames)(some).numpy().mean(axis=(0, 1), dtype=np.float64)
    return mean_J


def predicted(model: Model, store: Store, windows: Windows, lag_frames: int = 0) -> FloatArray:
    """Return the poses (N, S, J) that a model predicts for windows of any length, at every frame.

    Each frame takes the first of the model's windows that has an output for it; between outputs poses are
    interpolated linearly, and before the first and after the last they stay.

    Args:
        model: whose network is a ``PoseRegressor``.
        store: prepared recordings.
        windows: what is predicted; ``context_of`` frames before each are in the recording.
        lag_frames: the model's pose is this much later than its EMG.
    """
    net, rate = model.net, store.frame_rate
    assert isinstance(net, PoseRegressor)
    times_S, length = net.times_S.cpu().numpy().astype(np.float64), windows.frames
    frames = frames_of(store, model.card.window_s)
    first = min(math.ceil(round(times_S[0] * rate, 6)), frames - 1)
    found = np.zeros((len(windows), length, net.joints), np.float32)
    begin = 0
    for offset in offsets(frames, first, length, context_of(store) - lag_frames):
        end = min(offset + frames, length)
        part = replace(windows, start_N=windows.start_N + offset - lag_frames, frames=frames)
        found[:, begin:end] = at_times(
            predict_pose(model, store, part), times_S, (np.arange(begin, end) - offset) / rate
        )
        begin = end
    return found
