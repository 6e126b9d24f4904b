"""Windows of a prepared store: which exist, and readers of their EMG and anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cpep.config.schema import DataConfig
from cpep.data.normalise import Normaliser, PerSession
from cpep.data.statistics import CentreSpread
from cpep.data.store.finite import all_finite, first_bad, not_finite
from cpep.data.store.store import Store
from cpep.data.window_facts import all_valid, one_label
from cpep.types import BoolArray, FloatArray, IntArray, StrArray, UserError


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows on a regular grid, each within one recording.

    Attributes:
        start_N: first frame, counted over the whole store.
        entry_N: index of the recording in ``store.entries``.
        label_N: the label that every frame of the window carries; UNKNOWN where they differ.
        valid_N: whether the anchor is valid throughout.
        phase_N: windows of one phase and one recording never overlap.
        frames: length of a window.
        lag_frames: the anchor is read this much later than EMG.
    """

    start_N: IntArray
    entry_N: IntArray
    label_N: IntArray
    valid_N: BoolArray
    phase_N: IntArray
    frames: int
    lag_frames: int = 0

    def __len__(self) -> int:
        return len(self.start_N)

    def select(self, mask_N: BoolArray | IntArray) -> Windows:
        """Return some of the windows, by mask or by index."""
        return Windows(
            self.start_N[mask_N],
            self.entry_N[mask_N],
            self.label_N[mask_N],
            self.valid_N[mask_N],
            self.phase_N[mask_N],
            self.frames,
            self.lag_frames,
        )

    def users(self, store: Store) -> StrArray:
        """Return the user of every window."""
        return np.array([entry.user for entry in store.entries], dtype=np.str_)[self.entry_N]


def frames_of(store: Store, seconds: float) -> int:
    """Return a duration in frames of the store."""
    return round(seconds * store.frame_rate)


def list_windows(store: Store, window_s: float, hop_s: float, lag_frames: int = 0) -> Windows:
    """List every window of the store.

    Args:
        store: prepared recordings.
        window_s: length, seconds.
        hop_s: time from the start of one window to the start of the next, seconds.
        lag_frames: the anchor is read this much later than EMG, and must exist there.

    Raises:
        UserError: no recording is as long as one window, or window or hop are shorter than a frame.
    """
    known = all(isinstance(time, int | float | np.number) and np.isfinite(time) for time in (window_s, hop_s))
    frames, hop = (frames_of(store, window_s), frames_of(store, hop_s)) if known else (0, 0)
    if hop < 1 or frames < 1:
        raise UserError(
            f"window {window_s} s and hop {hop_s} s must each be at least one frame of {1 / store.frame_rate} s"
        )
    phases = -(-frames // hop)
    parts = []
    for index, entry in enumerate(store.entries):
        first = np.arange(0, entry.frames - frames - lag_frames + 1, hop)
        if not len(first):
            continue
        rows = slice(entry.start, entry.start + entry.frames)
        label_N = one_label(np.asarray(store.label_M[rows]), first, frames)
        valid_N = all_valid(np.asarray(store.valid_M[rows]), first + lag_frames, frames)
        phase_N = np.arange(len(first)) % phases
        parts.append((entry.start + first, np.full(len(first), index), label_N, valid_N, phase_N))
    if not parts:
        raise UserError(f"{store.path}: no recording is as long as one window of {window_s} s")
    start, entry_of, label, valid, phase = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Windows(start, entry_of, label, valid, phase, frames, lag_frames)


def windows_of(store: Store, config: DataConfig) -> Windows:
    """List the windows of a run, with its lag of the anchor."""
    lag_frames = round(config.pose_lag_ms / 1000 * store.frame_rate)
    return list_windows(store, config.window_s, config.hop_s, lag_frames)


def second_of(store: Store, windows: Windows, number: int) -> float:
    """Return the second of its recording at which a window begins."""
    start = int(windows.start_N[number]) - store.entries[int(windows.entry_N[number])].start
    return start / store.frame_rate


def hop_of(store: Store, windows: Windows) -> float:
    """Return the hop of a list of windows, seconds."""
    steps = np.diff(windows.start_N)
    return float(steps[steps > 0].min(initial=windows.frames)) / store.frame_rate


def touches(store: Store, windows: Windows, labels: tuple[int, ...], guard_s: float) -> BoolArray:
    """Tell, (N,), which windows have one of ``labels`` as label or prompt in EMG or anchor, or within ``guard_s``."""
    guard = frames_of(store, guard_s)
    out = np.zeros(len(windows), dtype=bool)
    if not len(windows):
        return out
    order_N = np.argsort(windows.entry_N, kind="stable")
    found_E, first_E = np.unique(windows.entry_N[order_N], return_index=True)
    for index, mine in zip(found_E, np.split(order_N, first_E[1:]), strict=True):
        entry = store.entries[index]
        rows = slice(entry.start, entry.start + entry.frames)
        hit = np.isin(store.label_M[rows], labels) | np.isin(store.prompt_M[rows], labels)
        count = np.concatenate([[0], np.cumsum(hit)])
        first = windows.start_N[mine] - entry.start
        low = np.maximum(first - guard, 0)
        high = np.minimum(first + windows.frames + windows.lag_frames + guard, entry.frames)
        out[mine] = count[high] > count[low]
    return out


class WindowReader(Protocol):
    """Reads what a network takes of windows."""

    def __call__(self, windows: Windows) -> Tensor:
        """Return it, (B, ...)."""

    def ahead(self, windows: Windows) -> None:
        """Ask the system for windows that will be read soon."""


class SampleReader:
    """Reads scaled EMG of windows from the store; EMG that is not finite is a ``UserError``.

    Each sample is copied once, and nothing is held in memory, so that a process does not grow with the store.

    Args:
        store: prepared recordings.
        frames: length of a window.
        normaliser: gives the level that EMG is divided by; without one EMG stays in the device's unit.
    """

    def __init__(self, store: Store, frames: int, normaliser: Normaliser | None) -> None:
        self.store, self.frames, self.normaliser = store, frames, normaliser

    def __call__(self, windows: Windows) -> Tensor:
        """Return EMG (B, T, C), float32."""
        first_N = windows.start_N * self.store.ratio
        emg_BTC = torch.from_numpy(self.store.emg_TC.windows(first_N, self.frames * self.store.ratio))
        if not all_finite(emg_BTC):
            store, (window, sample, channel) = self.store, first_bad(emg_BTC.numpy())
            seconds = second_of(store, windows, window) + sample / store.device.emg_rate
            raise not_finite(store, int(windows.entry_N[window]), "EMG", seconds, f"channel {channel}")
        if self.normaliser is None:
            return emg_BTC
        level_BC = self.normaliser.of(windows.entry_N, windows.start_N + self.frames).spread_F
        return emg_BTC.div_(torch.from_numpy(level_BC)[:, None])

    def ahead(self, windows: Windows) -> None:
        """Ask the system for windows that will be read soon."""
        self.store.emg_TC.ahead(windows.start_N * self.store.ratio, self.frames * self.store.ratio)


class AnchorScale:
    """Label-free centre and spread of the anchor, of all files of one session together, as its kind says.

    A file may hold a single gesture: centred on its own mean it would lose its posture. A session in which no frame
    is valid is left as it is.

    Args:
        store: prepared recordings.

    Raises:
        UserError: the store has no anchor.
    """

    def __init__(self, store: Store) -> None:
        if store.anchor_MJ is None:
            raise UserError(f"{store.path} has no pose, nor another anchor")
        self.store, self.anchor_MJ, self.standardise = store, store.anchor_MJ, store.device.anchor.kind.standardise
        self._sessions = PerSession(store, self.anchor_MJ.shape[1], self._session)

    def of(self, entry_N: IntArray) -> CentreSpread:
        """Return centre and spread (N, J) of the sessions of windows, given the indices of their recordings."""
        return self._sessions.of(entry_N)

    def _session(self, files: list[int]) -> CentreSpread:
        columns = self.anchor_MJ.shape[1]
        as_it_is = CentreSpread(np.zeros(columns, np.float32), np.ones(columns, np.float32))
        if self.standardise is None:
            return as_it_is
        measured_MJ = np.concatenate([self._measured(file) for file in files])
        return CentreSpread(*self.standardise(measured_MJ)) if len(measured_MJ) else as_it_is

    def _measured(self, file: int) -> FloatArray:
        """Return the valid frames of the anchor of a recording."""
        entry = self.store.entries[file]
        rows = slice(entry.start, entry.start + entry.frames)
        valid_M = np.asarray(self.store.valid_M[rows])
        found_MJ: FloatArray = self.anchor_MJ[rows][valid_M]
        if not all_finite(found_MJ):
            row, column = first_bad(found_MJ)
            seconds = int(np.flatnonzero(valid_M)[row]) / self.store.frame_rate
            raise not_finite(self.store, file, "the anchor", seconds, self.store.device.anchor_names[column])
        return found_MJ


class AnchorReader:
    """Reads the normalised anchor of windows from the store, as ``SampleReader`` reads EMG.

    Args:
        store: prepared recordings.
        frames: length of a window.

    Raises:
        UserError: the store has no anchor.
    """

    def __init__(self, store: Store, frames: int) -> None:
        self.scale, self.frames = AnchorScale(store), frames

    def __call__(self, windows: Windows) -> Tensor:
        """Return the anchor (B, S, J), as much later than EMG as the windows say."""
        first_N = windows.start_N + windows.lag_frames
        anchor_BSJ = torch.from_numpy(self.scale.anchor_MJ.windows(first_N, self.frames))
        if not all_finite(anchor_BSJ):
            store, (window, frame, column) = self.scale.store, first_bad(anchor_BSJ.numpy())
            seconds = second_of(store, windows, window) + (windows.lag_frames + frame) / store.frame_rate
            name = store.device.anchor_names[column]
            raise not_finite(store, int(windows.entry_N[window]), "the anchor", seconds, name)
        found = self.scale.of(windows.entry_N)
        centre_BJ, spread_BJ = torch.from_numpy(found.centre_F), torch.from_numpy(found.spread_F)
        return anchor_BSJ.sub_(centre_BJ[:, None]).div_(spread_BJ[:, None])

    def ahead(self, windows: Windows) -> None:
        """Ask the system for windows that will be read soon."""
        self.scale.anchor_MJ.ahead(windows.start_N + windows.lag_frames, self.frames)


def anchor_at(anchor_BFJ: Tensor, times_S: Tensor, frame_rate: float) -> Tensor:
    """Interpolate the anchor of windows linearly at given times: (B, S, J).

    Args:
        anchor_BFJ: one row a frame, measured at the frame's start (see ``Frames``). Within the window's last frame
            the anchor is extrapolated from the last two rows.
        times_S: seconds from the window's start, within the window.
        frame_rate: frames per second.
    """
    last = anchor_BFJ.shape[1] - 1
    place_S = (times_S.to(anchor_BFJ.device, torch.float64) * frame_rate).clamp(0, last + 1)
    low_S = place_S.floor().long().clamp(max=max(last - 1, 0))
    high_S = (low_S + 1).clamp(max=last)
    share_S1 = (place_S - low_S).to(anchor_BFJ.dtype)[:, None]
    return anchor_BFJ[:, low_S].lerp(anchor_BFJ[:, high_S], share_S1)
