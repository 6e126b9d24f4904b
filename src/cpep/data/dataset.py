"""The windows of a store as a map-style data set of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cpep.data.frontend import Frontend
from cpep.data.normalise import sessions
from cpep.data.splits import Role, Split, gesture_labels
from cpep.data.store.store import Store, open_store
from cpep.data.windows import AnchorReader, SampleReader, Windows, list_windows
from cpep.types import IntArray, Normalisation, UserError

HOP_S = 0.25


class WindowDataset(Dataset[dict[str, Tensor]]):
    """Windows of EMG with label, person, session and pose, for ``torch.utils.data.DataLoader``.

    An item is a dictionary of tensors:

    - ``emg``: (C, T), float32, in the store's unit, filtered as the store is;
    - ``label``: index into ``vocabulary`` of the label that the whole window carries; -1 where there is none;
    - ``person``: index into ``people``;
    - ``session``: index of the session, that is of person, session and side;
    - ``standard``: (2, F), centre and spread of the session, as ``Model.forward`` takes them, where ``frontend`` is
      given;
    - ``pose``: (J, S), normalised as its kind says, as ``Model.encode_anchor`` takes it, and ``valid``: whether it
      was measured throughout; where the store has poses, or another anchor.

    It can be pickled, and any number of workers of a ``DataLoader`` gives the same items: a pickle holds the path of
    the store and the list of windows, and each process maps the arrays anew.

    Args:
        store: prepared recordings, or the path of a store.
        window_s: length, seconds; without it a whole recording, where all are of one length.
        hop_s: time from the start of one window to the start of the next, seconds.
        split: who and which gestures are held out; see ``make_splits``.
        role: which side of ``split``. ``train`` or ``val``: the windows that ``Split.allowed`` lets training or a
            choice use, of no held-out person and near no unseen gesture; ``test``: all windows of the test people, to
            evaluate on.
        gestures: names of the labels to take; without it all windows, labelled or not.
        frontend: of the model that will read the windows; ``Model.dataset`` gives it.
        pose_lag_s: the pose is read this much later than EMG, seconds.

    Attributes:
        windows: the windows, in the order of the items.
        label_N: label of each item; ``person_N`` and ``session_N`` likewise.

    Raises:
        UserError: no window is left, or an argument does not fit the store.
    """

    def __init__(
        self,
        store: Store | str | Path,
        *,
        window_s: float | None = None,
        hop_s: float = HOP_S,
        split: Split | None = None,
        role: Role = "train",
        gestures: Sequence[str] | None = None,
        frontend: Frontend | None = None,
        pose_lag_s: float = 0.0,
    ) -> None:
        self.store = store if isinstance(store, Store) else open_store(Path(store))
        self.vocabulary, self.people = self.store.vocabulary, self.store.users
        if pose_lag_s < 0:
            raise UserError(f"pose_lag_s is {pose_lag_s:g}; give 0 or more: the pose is read later than EMG")
        lag_frames = round(pose_lag_s * self.store.frame_rate)
        every = list_windows(self.store, _whole_s(self.store) if window_s is None else window_s, hop_s, lag_frames)
        self.windows = _chosen(self.store, every, split, role, gestures)
        self.label_N: IntArray = self.windows.label_N.astype(np.int64)
        person_E = np.array([self.people.index(entry.user) for entry in self.store.entries])
        self.person_N: IntArray = person_E[self.windows.entry_N]
        session_E = np.zeros(len(person_E), np.int64)
        for index, files in enumerate(sessions(self.store)):
            session_E[files] = index
        self.session_N: IntArray = session_E[self.windows.entry_N]
        self._standard_E2F = None if frontend is None else _standards(self.store, frontend)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return the window of that number.

        Raises:
            IndexError: there is none.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Tensor]]:
        """Return several windows; a ``DataLoader`` reads a batch so."""
        index_B = np.asarray(indices, np.int64) % len(self)
        chosen = self.windows.select(index_B)
        read_emg, read_pose = self._readers
        batch = {
            "emg": read_emg(chosen).transpose(1, 2).contiguous(),
            "label": torch.from_numpy(self.label_N[index_B]),
            "person": torch.from_numpy(self.person_N[index_B]),
            "session": torch.from_numpy(self.session_N[index_B]),
        }
        if self._standard_E2F is not None:
            batch["standard"] = torch.from_numpy(self._standard_E2F[chosen.entry_N])
        if read_pose is not None:
            batch["pose"] = read_pose(chosen).transpose(1, 2).contiguous()
            batch["valid"] = torch.from_numpy(chosen.valid_N)
        return [{name: values[row] for name, values in batch.items()} for row in range(len(index_B))]

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: no mapped array."""
        return {name: value for name, value in self.__dict__.items() if name != "_readers"}

    @cached_property
    def _readers(self) -> tuple[SampleReader, Callable[[Windows], Tensor] | None]:
        """What reads EMG and pose of windows, in this process."""
        frames, bare = self.windows.frames, self.store.anchor_MJ is None
        return SampleReader(self.store, frames, None), None if bare else AnchorReader(self.store, frames)


def _whole_s(store: Store) -> float:
    """Return the length of the recordings of a store, seconds.

    Raises:
        UserError: they have several.
    """
    lengths = {entry.frames for entry in store.entries}
    if len(lengths) > 1:
        raise UserError(f"the recordings of {store.path} have {len(lengths)} lengths; give window_s")
    return float(lengths.pop() / store.frame_rate)


def _chosen(store: Store, every: Windows, split: Split | None, role: Role, gestures: Sequence[str] | None) -> Windows:
    """Return the windows of a role and of some gestures.

    Raises:
        UserError: no window is left, or the store has no such gesture.
    """
    chosen = every
    if role not in ("train", "val", "test"):
        raise UserError(f"role is {role!r}; give train, val or test")
    if split is None and role != "train":
        raise UserError(f"role {role!r} is a side of a split; give split, too, such as make_splits(store)[0]")
    if isinstance(gestures, str):
        raise UserError(f"gestures is {gestures!r}; give a list, [{gestures!r}]")
    if split is not None and role == "test":
        chosen = every.select(np.isin(every.users(store), split.users_test))
    elif split is not None:
        chosen = split.allowed(store, every, role)
        split.refuse_leak(store, chosen, role)
    if gestures is not None:
        rest = [0] if "rest" in gestures else []
        labels = gesture_labels(store, [name for name in gestures if name != "rest"])
        chosen = chosen.select(np.isin(chosen.label_N, [*rest, *labels]))
    if not len(chosen):
        raise UserError(f"{store.path} has no window for role {role!r} and these gestures; {len(every)} in all")
    return chosen


def _standards(store: Store, frontend: Frontend) -> Any:
    """Return centre and spread of the session of each recording, (E, 2, F), float32."""
    kind: Normalisation = "none" if frontend.normalisation == "none" else "recording"
    index_E = np.arange(len(store.entries))
    found = frontend.normaliser(store, kind).of(index_E, index_E)
    return np.stack([found.centre_F, found.spread_F], axis=1).astype(np.float32)
