"""One recording as it runs: chunks and frames to the recorder, prompts from the protocol, and what to show."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from cpep.hand.joints import JOINTS
from cpep.live.enrol.enroller import Hand
from cpep.live.poses.source import PoseSource
from cpep.live.record.about import FOLLOW, PoseColumns
from cpep.live.record.leader import Cue, Leader, Shown
from cpep.live.record.protocol import Protocol
from cpep.live.record.recorder import Recorder
from cpep.live.runs import no_numbers
from cpep.live.signals import Chunk, Source
from cpep.live.sources.fit import origin
from cpep.signal.quality import quality
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError

DRAWN = PoseColumns(tuple(JOINTS), "rad", "", FOLLOW)
"""Columns of the drawn hand."""
JUDGED_S = 2.0
"""Length of the EMG by which the quality of channels is judged, once a second."""

UNSEEN_S = 2.0
"""A hand that was not seen for so long is told."""


class Taking:
    """Records chunks, and leads the person through a protocol on their clock.

    Args:
        recorder: of a device; it is closed by ``close``.
        protocol: what the person is asked to do.
        pose: where the pose comes from; ``None`` where it is the drawn hand's, or none is recorded.
        cue: is called with every prompt that begins, such as to have a simulated hand follow it.
        now: the time on the monotonic clock.

    Attributes:
        leader: through the protocol.
        marks: for each channel what is wrong with it, as ``signal.quality`` says; empty until there is enough EMG.
    """

    def __init__(
        self,
        recorder: Recorder,
        protocol: Protocol,
        pose: PoseSource | None = None,
        cue: Callable[[Cue], None] = lambda cue: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recorder, self.leader = recorder, Leader(protocol, recorder.device.emg_rate)
        self.marks: tuple[str, ...] = ()
        self._cue, self._pose, self._now, self._error = cue, pose, now, ""
        self._draws = pose is None and recorder.pose is not None and recorder.pose.source == FOLLOW
        self._recent: deque[Chunk] = deque()
        self._kept, self._unjudged, self._odd = 0, 0, ""
        self._thread = threading.Thread(target=self._follow_pose, name="pose", daemon=True)
        self._tell([self.leader.begin()])
        if pose is not None:
            self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the protocol is over."""
        return self.leader.done

    def run(
        self, chunks: Iterable[Chunk], seconds: float = float("inf"), shown: Callable[[], None] = lambda: None
    ) -> None:
        """Take chunks until there are no more, the protocol is over, or so many seconds are recorded.

        Args:
            chunks: of the source.
            seconds: of the stream.
            shown: is called after each chunk.

        Raises:
            UserError: what is wrong with a source or the disk.
        """
        for chunk in chunks:
            self.take(chunk)
            shown()
            if self.done or self.recorder.seconds >= seconds:
                return

    def take(self, chunk: Chunk) -> None:
        """Record a chunk, and go on in the protocol.

        Raises:
            UserError: the source of the pose failed, or the disk is full.
        """
        if self._error:
            raise UserError(self._error)
        before = self.recorder.samples
        self.recorder.take(chunk.emg_TC, chunk.lost, chunk.stamp_s)
        self._tell(self.leader.advance(len(chunk.emg_TC), chunk.lost), before)
        if self._draws and (pose_J := self.leader.shown().pose_J) is not None:
            self.recorder.frame(self._now(), pose_J)
        self._judge(chunk)

    def troubles(self) -> list[str]:
        """Return what is wrong with channels, from 1, and with the pose, in words."""
        marks = {mark: [str(c) for c, one in enumerate(self.marks, 1) if one == mark] for mark in self.marks if mark}
        words = [f"channel{'s' * (len(which) > 1)} {', '.join(which)}: {mark}" for mark, which in marks.items()]
        words += [self._odd] if self._odd else []
        if self._pose is not None and time.monotonic() - self.recorder.seen_s > UNSEEN_S:
            words.append(self.recorder.odd or f"no pose from {self._pose.name}")
        return words

    def redo(self) -> None:
        """Have the hold that is going on, or else the last one, made again."""
        self._tell(self.leader.redo(), self.recorder.samples)

    def shown(self) -> Shown:
        """Return what the person is shown now."""
        return self.leader.shown()

    def close(self) -> None:
        """End the source of the pose, and bring all to the disk.

        Raises:
            UserError: the disk is full; what could be written is kept.
        """
        if self._pose is not None:
            self._pose.close()
            self._thread.join()
        self.recorder.close()

    def _tell(self, cues: list[Cue], before: int = 0) -> None:
        for cue in cues:
            self.recorder.prompt(cue.phase, cue.name, cue.repetition, before + cue.after)
            self._cue(cue)

    def _follow_pose(self) -> None:
        assert self._pose is not None
        try:
            for frame in self._pose.frames():
                self.recorder.frame(frame.stamp_s, frame.pose_J)
        except UserError as error:
            self._error = str(error)

    def _judge(self, chunk: Chunk) -> None:
        device = self.recorder.device
        self._recent.append(chunk)
        self._kept += len(chunk.emg_TC)
        self._unjudged += len(chunk.emg_TC)
        while self._kept - len(self._recent[0].emg_TC) >= JUDGED_S * device.emg_rate:
            self._kept -= len(self._recent.popleft().emg_TC)
        if self._unjudged >= device.emg_rate and self._kept >= JUDGED_S * device.emg_rate:
            emg_TC = np.concatenate([one.emg_TC for one in self._recent])
            self.marks, self._unjudged = quality(emg_TC, device.emg_rate, device.emg_kind), 0
            self._odd = no_numbers(emg_TC)


def follower(source: Source) -> Callable[[Cue], None]:
    """Return what has a simulated hand do what a person is asked to; a real one needs nothing.

    Args:
        source: of the EMG.

    Returns:
        the ``cue`` of ``Taking``.
    """
    hand, attends = origin(source), False
    if not isinstance(hand, Hand):
        return lambda cue: None

    def follow(cue: Cue) -> None:
        nonlocal attends
        alone = cue.phase in ("free", "end") and cue.pose_J is None
        if attends == alone:
            attends = not alone
            hand.attend(attends)
        if cue.pose_J is not None:
            hand.make(cue.name or "free", cue.pose_J, cue.hold_s)
        elif cue.phase == "hold" and cue.name in GESTURES:
            hand.make(cue.name, hold_s=cue.hold_s)

    return follow
