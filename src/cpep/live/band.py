"""A simulated person with a band and a glove over LSL, in real time: for tests, and for people without hardware.

In Python::

    with SimulatedBand("my-band", channels=8, rate=500) as band:  # streams my-band, and my-band-pose of joint angles
        band.make("fist", 3.0)  # it rests until it is asked

On the command line, one JSON object a line of what is made, and gestures by name from stdin (``fist``, ``fist 3``)::

    python -m cpep.live.band my-band --channels 8 --rate 500 --pose landmarks
    python -m cpep.live.band my-band --follow 0 --seconds 300 --lag 0.35

Both streams carry the stamps of ``pylsl.local_clock``, and the pose is the true one at that moment.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from cpep.live.lsl import pylsl_module
from cpep.live.poses.follow import MOVES, FollowScript
from cpep.simulate.band import COLUMNS, UNITS, Piece, PoseKind, Wearer
from cpep.simulate.gestures import GESTURES
from cpep.simulate.script import AT_REST, REST_NAME, Script, Step
from cpep.simulate.variability import CONTROL_RATE
from cpep.types import UserError

IDLE_S = 10.0
"""Rest is made in pieces of this length."""
TICK_S = 0.01


@dataclass(frozen=True)
class Made:
    """What the hand begins to make.

    Attributes:
        time_s: by ``pylsl.local_clock``.
        gesture: its name, or ``rest``.
    """

    time_s: float
    gesture: str


class SimulatedBand:
    """Two LSL streams of one simulated person, from ``start`` (or ``with``) to ``stop``.

    The hand rests until ``make`` asks for a gesture, or follows a script from the moment it starts and rests then.

    Args:
        name: of the stream of EMG (type ``EMG``, microvolts); the pose is ``name-pose`` (type ``MoCap``).
        channels: 1 to 16, evenly spaced round the wrist.
        rate: EMG samples per second.
        pose: ``angles`` (20 joints, rad), ``landmarks`` (63 columns: wrist and 20 landmarks, x, y, z, mm), or
            ``none``.
        pose_rate: frames per second of the pose, at most 100.
        seed: who the person is.
        script: what the person follows, or ``None``.
        lag_s: how much later than the script the person is, on average.
        side: ``right`` or ``left``.

    Attributes:
        made: what was made so far, each with its time.
        script_begins_s: when the script began, by ``pylsl.local_clock``; ``nan`` before ``start`` and without
            a script.

    Raises:
        UserError: a number of channels or a rate that the simulated wristband cannot give, or pylsl is missing.
    """

    def __init__(
        self,
        name: str,
        channels: int = 8,
        rate: float = 500.0,
        pose: PoseKind = "angles",
        pose_rate: float = 60.0,
        seed: int = 0,
        script: FollowScript | None = None,
        lag_s: float = 0.35,
        side: str = "right",
    ) -> None:
        if not 1 <= pose_rate <= CONTROL_RATE:
            raise UserError(f"{pose_rate:g} poses a second of a simulated hand; it has 1 to {CONTROL_RATE}")
        self._lsl = pylsl_module()
        self.name, self.rate, self.pose, self.pose_rate, self.side = name, float(rate), pose, float(pose_rate), side
        self.made: list[Made] = []
        self.script_begins_s = float("nan")
        self._channels, self._wearer = channels, Wearer(channels, rate, pose, seed, side)
        self._script, self._lag_s = script, lag_s
        self._maker = ThreadPoolExecutor(1)
        self._wishes: deque[Future[Piece]] = deque()
        self._over, self._mute_until = threading.Event(), 0.0
        self._heard: Callable[[Made], None] | None = None
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> SimulatedBand:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, heard: Callable[[Made], None] | None = None) -> None:
        """Publish the streams, and begin; ``heard`` is called when a gesture begins."""
        self._heard = heard
        script, lag_s = (self._script.script, self._lag_s) if self._script else (_still(1.0), 0.0)
        self._first = self._wearer.piece(script, lag_s)
        self._idle = self._submit(_still(IDLE_S))
        self._emg = self._outlet(self.name, "EMG", [f"EMG{c + 1}" for c in range(self._channels)], self.rate, "uV")
        columns = COLUMNS[self.pose]
        named = f"{self.name}-pose", "MoCap", columns, self.pose_rate, UNITS[self.pose]
        self._hand = self._outlet(*named) if columns else None
        self._thread.start()

    def make(self, gesture: str, seconds: float = 3.0) -> None:
        """Ask the hand to leave what it does and to make a gesture, about 0.2 s from now, then rest.

        Args:
            gesture: one of the simulator's, a move of a finger (``cpep.live.poses.follow.MOVES``), or ``rest``.
            seconds: how long it is held, after the move to it.

        Raises:
            UserError: no such gesture.
        """
        known = {REST_NAME: AT_REST, **GESTURES, **MOVES}
        if gesture not in known:
            raise UserError(f"the simulated hand has no gesture {gesture}; it has {', '.join(known)}")
        there = Step(gesture, known[gesture], 0.05, 0.4)
        back = Step(REST_NAME, AT_REST, 0.45 + seconds, 0.45)
        steps = (Step(REST_NAME, AT_REST, 0.0, 0.4), there, back)
        self._wishes.append(self._submit(Script(steps, back.begin_s + 1.0)))

    def drop(self, seconds: float) -> None:
        """Send nothing for a while, as a radio that is out of reach: the hand goes on, its samples are lost."""
        self._mute_until = time.monotonic() + seconds

    def stop(self) -> None:
        """End both streams; they vanish from the network."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._maker.shutdown(wait=True, cancel_futures=True)
        self._emg, self._hand = None, None

    def _submit(self, script: Script) -> Future[Piece]:
        return self._maker.submit(self._wearer.piece, script)

    def _outlet(self, name: str, kind: str, columns: Sequence[str], rate: float, unit: str) -> Any:
        info = self._lsl.StreamInfo(name, kind, len(columns), rate, "float32", f"cpep-{name}")
        described = info.desc().append_child("channels")
        for column in columns:
            channel = described.append_child("channel")
            channel.append_child_value("label", column)
            channel.append_child_value("unit", unit)
        info.desc().append_child_value("side", self.side)
        return self._lsl.StreamOutlet(info)

    def _play(self) -> None:
        """Send what is due, until the end."""
        piece, began_s = self._first, self._lsl.local_clock()
        self.script_begins_s = began_s if self._script else float("nan")
        told, sent_samples, sent_frames = "", 0, 0
        while not self._over.wait(TICK_S):
            passed_s = self._lsl.local_clock() - began_s
            samples = min(int(passed_s * self.rate), len(piece.emg_TC))
            frames = min(int(passed_s * self.pose_rate), int(len(piece.pose_SX) / CONTROL_RATE * self.pose_rate))
            self._send(piece, began_s, slice(sent_samples, samples), slice(sent_frames, frames))
            sent_samples, sent_frames = max(samples, sent_samples), max(frames, sent_frames)
            now = piece.name_S[min(int(passed_s * CONTROL_RATE), len(piece.name_S) - 1)]
            if now != told:
                told = now
                self._tell(Made(self._lsl.local_clock(), now))
            wished = bool(self._wishes) and self._wishes[0].done()
            if wished or samples == len(piece.emg_TC):
                left = Piece(piece.emg_TC[samples:], piece.pose_SX[int(samples / self.rate * CONTROL_RATE) :], [])
                began_s += samples / self.rate
                piece = self._wearer.faded(self._coming(wished), left)
                sent_samples, sent_frames = 0, 0

    def _coming(self, wished: bool) -> Piece:
        if wished:
            return self._wishes.popleft().result()
        idle, self._idle = self._idle.result(), self._submit(_still(IDLE_S))
        return idle

    def _send(self, piece: Piece, began_s: float, samples: slice, frames: slice) -> None:
        if time.monotonic() < self._mute_until:
            return
        emg_TC = piece.emg_TC[samples]
        if len(emg_TC):
            self._emg.push_chunk(emg_TC.tolist(), began_s + (samples.stop - 1) / self.rate)
        if self._hand is None:
            return
        for frame in range(frames.start, frames.stop):
            at_s = frame / self.pose_rate
            pose_X = piece.pose_SX[min(round(at_s * CONTROL_RATE), len(piece.pose_SX) - 1)]
            self._hand.push_sample(pose_X.tolist(), began_s + at_s)

    def _tell(self, made: Made) -> None:
        self.made.append(made)
        if self._heard:
            self._heard(made)


def _still(seconds: float) -> Script:
    return Script((Step(REST_NAME, AT_REST, 0.0, 0.4),), seconds)


def main(argv: Sequence[str] | None = None) -> None:
    """Publish until Ctrl-C, the end of ``--seconds``, or the end of stdin where gestures come from there."""
    parser = argparse.ArgumentParser("python -m cpep.live.band", description="A simulated band and hand over LSL.")
    parser.add_argument("name", help="of the stream of EMG; the pose is NAME-pose")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--rate", type=float, default=500.0, help="Hz")
    parser.add_argument("--pose", choices=("angles", "landmarks", "none"), default="angles")
    parser.add_argument("--seed", type=int, default=0, help="who the person is")
    parser.add_argument("--side", choices=("right", "left"), default="right")
    parser.add_argument("--follow", type=int, help="seed of a script to follow; without it, type gestures")
    parser.add_argument("--lag", type=float, default=0.35, help="of the person behind the script, s")
    parser.add_argument("--seconds", type=float, default=0.0, help="then stop; 0 goes on")
    given = parser.parse_args(argv)
    script = None if given.follow is None else FollowScript(given.seconds or 300.0, given.follow)
    band = SimulatedBand(
        given.name,
        given.channels,
        given.rate,
        given.pose,
        seed=given.seed,
        script=script,
        lag_s=given.lag,
        side=given.side,
    )
    if sys.stdout.isatty() and script is None:
        streams = given.name if given.pose == "none" else f"{given.name} and {given.name}-pose"
        print(f"streams over LSL: {streams}; Ctrl-C ends it", file=sys.stderr)
        print(f"type a gesture and its seconds, such as 'fist 3': {', '.join(GESTURES)}", file=sys.stderr)
    band.start(lambda made: print(json.dumps(asdict(made)), flush=True))
    try:
        if given.seconds or script:
            time.sleep(given.seconds or 300.0)
        else:
            for line in sys.stdin:
                _ask(band, line.split())
    except KeyboardInterrupt:
        pass
    finally:
        band.stop()


def _ask(band: SimulatedBand, words: list[str]) -> None:
    try:
        if words:
            band.make(words[0], *(float(word) for word in words[1:2]))
    except ValueError as error:  # UserError is one
        print(error, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
