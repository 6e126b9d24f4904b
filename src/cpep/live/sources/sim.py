"""The simulator as a source: one hand that goes on for ever and makes what it is asked to."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count
from threading import Event

import numpy as np

from cpep.data.readers.emg2pose import DEVICE, SAMPLE_RATE
from cpep.live.signals import Chunk
from cpep.live.sources.clock import PlaybackClock
from cpep.simulate.freeform import set_by_hand
from cpep.simulate.gestures import GESTURES
from cpep.simulate.live import LiveTake, live_takes, live_wearing, still_take, wished_take
from cpep.types import FloatArray, UserError

FADE_S = 0.15
"""An interrupted gesture fades this fast: about as fast as muscles relax."""


class SimulatedHand:
    """A simulated person who makes one gesture after another, in real time or faster.

    Takes are made ahead of time by a thread (0.2 s for each take of 20 s).

    Args:
        seed: who the person is, and what they do.
        speed: 1 for real time, more for faster, 0 for as fast as possible.

    Raises:
        UserError: a negative speed.
    """

    def __init__(self, seed: int = 0, speed: float = 1.0) -> None:
        self.name, self.device = f"sim:{seed}", DEVICE
        self._closed = Event()
        self._clock = PlaybackClock(DEVICE.emg_rate, speed, self._closed)
        self._wearing = live_wearing(seed)
        self._takes = live_takes(self._wearing)
        self._maker = ThreadPoolExecutor(1)
        self._next = self._maker.submit(next, self._takes)
        self._wishes: deque[Future[LiveTake]] = deque()
        self._wish_number, self._still_number = count(), count()
        self._attends = False
        self._quiet = self._next

    def attend(self, prompts: bool) -> None:
        """Rest from now on but for what ``make`` asks for; or go on by itself again."""
        if prompts:
            with suppress(RuntimeError):  # chunks has ended
                self._wishes.append(self._maker.submit(self._still))
                self._quiet = self._maker.submit(self._still)
        self._attends = prompts

    def make(self, name: str, pose_J: FloatArray | None = None, hold_s: float | None = None) -> None:
        """Ask the hand to make a gesture now; it leaves what it is doing, and begins after a short rest.

        Args:
            name: of a simulated gesture, or what to call the pose.
            pose_J: 20 joint angles, or 22 with the wrist, rad; held with moderate effort.
            hold_s: how long it is held; as it happens where it is not given.

        Raises:
            UserError: a gesture that the simulator does not know, or something else than a pose.
        """
        if pose_J is None:
            if name not in GESTURES:
                raise UserError(f"the simulator has no gesture {name}; it has {', '.join(GESTURES)}")
            gesture = GESTURES[name]
        else:
            pose_J = np.asarray(pose_J, float)
            if pose_J.shape not in ((20,), (22,)) or not np.isfinite(pose_J).all():
                raise UserError(f"a pose of shape {pose_J.shape}; give 20 finite joint angles, or 22 with the wrist")
            gesture = set_by_hand(pose_J)
        number = next(self._wish_number)
        with suppress(RuntimeError):  # chunks has ended
            self._wishes.append(self._maker.submit(wished_take, self._wearing, number, name, gesture, hold_s))

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks of about 20 ms, each with what the hand makes, without end."""
        try:
            take = self._next_take()
            while True:
                rest_TC = yield from self._play(take)
                if self._closed.is_set():
                    return
                take = _faded(self._wishes.popleft().result(), rest_TC) if self._wished() else self._next_take()
        finally:
            self._maker.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End ``chunks``."""
        self._closed.set()

    def _wished(self) -> bool:
        return bool(self._wishes) and (self._attends or self._wishes[0].done())

    def _still(self) -> LiveTake:
        return still_take(self._wearing, next(self._still_number))

    def _next_take(self) -> LiveTake:
        if self._attends:
            quiet, self._quiet = self._quiet, self._maker.submit(self._still)
            return quiet.result()
        take = self._next.result()
        self._next = self._maker.submit(next, self._takes)
        return take

    def _play(self, take: LiveTake) -> Generator[Chunk, None, FloatArray]:
        """Yield a take until it ends, a wish is ready or the source is closed; return the EMG that is left."""
        label_T, at = np.repeat(take.label_S, take.samples_per_label), 0
        for chunk in self._clock.deal(take.emg_TC, label_T, take.names):
            yield chunk
            at += len(chunk.emg_TC)
            if self._wished():
                break
        return take.emg_TC[at:]


def _faded(take: LiveTake, before_TC: FloatArray) -> LiveTake:
    """Let what was interrupted fade into a take."""
    samples = min(round(FADE_S * SAMPLE_RATE), len(before_TC))
    weight_T1 = np.linspace(0, 1, samples, dtype=np.float32)[:, None]
    emg_TC = take.emg_TC.copy()
    emg_TC[:samples] = weight_T1 * emg_TC[:samples] + (1 - weight_T1) * before_TC[:samples]
    return replace(take, emg_TC=emg_TC)
