"""Records a live stream to files from which all but the last moment survives a kill or a cut of the power."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cpep.data.bids.files import refuse_without_edfio
from cpep.data.bids.grow import refuse_foreign
from cpep.data.recording import Device
from cpep.live.record.about import ABOUT, About, PoseColumns, Said, beyond
from cpep.live.record.appending import Appending
from cpep.live.record.rows import CHUNKS, EMG, PHASES, POSE, PROMPTS, Prompt, chunk_row, plain, pose_row
from cpep.runtime.locks import Hold, is_held
from cpep.types import FloatArray, UserError
from cpep.version import __version__

PREFIX = ".recording-"
"""Begins the name of the folder of a recording that is not yet in the data set."""
LOCK, WAIT_S = "lock", 0.5


class Recorder:
    """Appends EMG, prompts and pose to files in ``HOME/.recording-<time>``; ``finish`` makes a data set of them.

    Samples go to the system ten times a second and to the disk once a second, in a thread of its own: a kill loses a
    tenth of a second, a cut of the power one second. Several recorders may record into one home, each into its own
    folder. Methods may be called from any thread.

    Args:
        home: folder of the data set; it is made where it is missing.
        about: who, which session, which arm.
        device: of the EMG; its anchor, if it has one, is left out.
        source: of the EMG, as a user writes it.
        protocol: name of what the person is asked to do.
        pose: columns of the pose; ``None`` where none is recorded.

    Attributes:
        folder: of the files.
        samples: recorded so far, lost ones counted.
        lost: samples that were lost so far.
        seen_s: when the last frame with a pose came, monotonic clock; before the first, when the recorder began.
        odd: what is odd about the last frame, a sentence; empty where nothing is.

    Raises:
        UserError: the folder cannot be written, or holds something else than a data set of cpep.
    """

    def __init__(
        self,
        home: Path,
        about: About,
        device: Device,
        *,
        source: str,
        protocol: str = "free",
        pose: PoseColumns | None = None,
    ) -> None:
        refuse_foreign(home)
        refuse_without_edfio()
        self.device, self.pose = replace(device, anchor_names=(), anchor_unit="", anchor_kind=""), pose
        now = datetime.now(UTC)
        self.said = Said(
            about,
            self.device,
            source,
            protocol,
            pose,
            now.isoformat(timespec="milliseconds"),
            time.monotonic(),
            __version__,
        )
        self.samples = self.lost = 0
        self.seen_s, self.odd = time.monotonic(), ""
        self._rest = threading.Lock()  # of prompts and chunks, which come from several threads
        self.folder = _own_folder(home.resolve(), f"{PREFIX}{now:%Y%m%dT%H%M%S}")
        self._hold = Hold(self.folder / LOCK, self.folder)
        self._appending = Appending(self.folder, (EMG, CHUNKS, POSE, PROMPTS))
        self.said.write(self.folder)  # last: a folder without it was never begun

    @property
    def seconds(self) -> float:
        """Length so far, with what was lost."""
        return self.samples / self.device.emg_rate

    def take(self, emg_TC: FloatArray, lost: int = 0, stamp_s: float = float("nan")) -> None:
        """Record a chunk; it returns before the chunk is on the disk.

        Args:
            emg_TC: samples as the source gives them, float32; none where there is only a loss to tell.
            lost: samples that were lost before the first.
            stamp_s: time of the last sample on the monotonic clock; not a number where the source has none.

        Raises:
            UserError: another number of channels than the device's, or the disk is full.
        """
        if emg_TC.ndim != 2 or emg_TC.shape[1] != self.device.channels:
            raise UserError(f"EMG of shape {emg_TC.shape}, expected (samples, {self.device.channels} channels)")
        emg, row = chunk_row(emg_TC, lost, stamp_s, time.monotonic())
        with self._rest:
            self._appending.add(emg=emg, chunks=row)
            self.samples += lost + len(emg_TC)
            self.lost += lost

    def prompt(self, phase: str, name: str = "", repetition: int = 0, sample: int | None = None) -> None:
        """Record what the person is asked from a sample on.

        Args:
            phase: one of ``rows.PHASES``.
            name: of the gesture; empty where there is none.
            repetition: its number, from 1; 0 where there is none.
            sample: number of the first sample, lost ones counted; the next one unless given.

        Raises:
            UserError: a name that BIDS cannot hold, or the disk is full.
        """
        assert phase in PHASES, phase
        with self._rest:
            prompt = Prompt(
                self.samples if sample is None else sample, time.monotonic(), phase, plain(name), repetition
            )
            self._appending.add(prompts=prompt.line())

    def frame(self, stamp_s: float, pose_J: FloatArray | None) -> None:
        """Record a frame of the pose.

        Args:
            stamp_s: its time on the monotonic clock.
            pose_J: values; ``None``, or not a number, where the pose is not known.

        Raises:
            UserError: another number of columns than was said, or the disk is full.
        """
        assert self.pose is not None, "the recorder was made without a pose"
        columns = len(self.pose.names)
        pose_J = np.full(columns, np.nan, np.float32) if pose_J is None else np.asarray(pose_J, np.float32)
        if pose_J.shape != (columns,):
            raise UserError(f"a pose of shape {pose_J.shape}, expected ({columns} columns)")
        self._appending.add(pose=pose_row(stamp_s, pose_J))
        self.odd = beyond(self.pose, pose_J)
        if np.isfinite(pose_J).all() and not self.odd:
            self.seen_s = time.monotonic()

    def close(self) -> None:
        """Write all that was recorded and let go of the files; ``finish`` takes the folder from here.

        Raises:
            UserError: the disk is full; what could be written is kept.
        """
        try:
            self._appending.close()
        finally:
            self._hold.close()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of a recorder that is closed, so that no other process adds the recording to its data set, too.

    Raises:
        UserError: a recorder still writes it, or another process holds it, or is done with it.
    """
    gone = f"{folder} is there no more; another process has added it"
    try:
        hold = Hold(folder / LOCK, folder, WAIT_S)  # ``is_open`` has it for a moment
    except UserError as error:
        raise UserError(str(error) if folder.is_dir() else gone) from error
    with hold:
        if not (folder / ABOUT).is_file():
            raise UserError(gone)
        yield


def is_open(folder: Path) -> bool:
    """Tell whether a recorder, of this process or another one, is writing a folder."""
    return is_held(folder / LOCK)


def _own_folder(home: Path, name: str) -> Path:
    """Make a folder that nobody else has."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = home / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UserError(f"cannot record into {home}: {error.strerror or error}; name another folder") from error
    raise UserError(f"cannot record into {home}: too many recordings began this second")
