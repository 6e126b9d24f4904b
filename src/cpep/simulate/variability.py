"""How much a simulated cohort varies, and the random numbers that make it vary."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from scipy import signal

from cpep.types import FloatArray, UserError

CONTROL_RATE = 100
"""Frames per second of movement, torque and drive."""


@dataclass(frozen=True)
class Variability:
    """Scale of every source of variation; 1 is the default cohort, 0 switches a source off.

    Attributes:
        anatomy: bodies of people: wrist, fat, place and size of muscles, moment arms, strength.
        style: how people make a gesture: posture, range, speed, vigour, which muscles they prefer.
        repetition: one execution and the next.
        session: how the band is put on, gains of channels.
        noise: sensor noise, powerline, artefacts, bad contacts.
        fatigue: slower conduction and stronger drive.
        drift: within a recording, forearm rotation and slip of the band.
        wrong_prompts: share of prompts that are executed wrongly.
        muscle: scale of the muscle signal; with 0 only noise and artefacts are left (a control).
        rest: length of the rests between gestures over that of the default cohort (0.25 to 0.8 s).

    Raises:
        UserError: a value is negative, or ``wrong_prompts`` exceeds 1.
    """

    anatomy: float = 1.0
    style: float = 1.0
    repetition: float = 1.0
    session: float = 1.0
    noise: float = 1.0
    fatigue: float = 1.0
    drift: float = 1.0
    wrong_prompts: float = 0.02
    muscle: float = 1.0
    rest: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < float("inf"):
                raise UserError(f"variability.{name} is {value}; give a number of at least 0")
        if self.wrong_prompts > 1:
            raise UserError(f"variability.wrong_prompts is {self.wrong_prompts}; it is a share from 0 to 1")


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """Return the generator of one thing; nothing that is drawn elsewhere changes its random numbers.

    >>> float(generator(0, "user_00").random()) == float(generator(0, "user_00").random())
    True
    """
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])


def smooth_noise(
    rng: np.random.Generator, frames: int, cutoff: float, columns: int, rate: float = CONTROL_RATE
) -> FloatArray:
    """Return low-pass noise (frames, columns) of unit variance; ``cutoff`` and ``rate`` in Hz."""
    b, a, sd = _low_pass(cutoff, rate)
    lead = _lead(cutoff, rate)
    noise = signal.lfilter(b, a, rng.standard_normal((frames + lead, columns)), axis=0)[lead:]
    scaled: FloatArray = noise / sd
    return scaled


def _lead(cutoff: float, rate: float) -> int:
    """Return after how many frames the low-pass filter has forgotten its start."""
    return int(4 * rate / cutoff) + 20


@cache
def _low_pass(cutoff: float, rate: float) -> tuple[FloatArray, FloatArray, float]:
    """Return a low-pass filter (b, a), and the SD that it leaves of unit white noise."""
    b, a = signal.butter(2, min(2 * cutoff / rate, 0.95))
    impulse = np.zeros(_lead(cutoff, rate))
    impulse[0] = 1
    return b, a, float(np.sqrt((signal.lfilter(b, a, impulse) ** 2).sum()))


def minimum_jerk(x: FloatArray) -> FloatArray:
    """Return the minimum-jerk course from 0 to 1 over ``0 <= x <= 1``, constant beyond.

    >>> minimum_jerk(np.array([-1.0, 0.5, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    x = np.clip(x, 0, 1)
    course: FloatArray = x**3 * (10 - 15 * x + 6 * x**2)
    return course
