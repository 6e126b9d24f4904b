"""What a person is asked to do in a recording: a file in TOML, as a list of steps.

::

    [[steps]]
    kind = "gestures"            # names, repetitions, ready_s, hold_s, rest_s, shuffled, seed
    names = ["fist", "point"]

    [[steps]]
    kind = "free"                # seconds, say
    seconds = 60

    [[steps]]
    kind = "follow"              # seconds, seed, gestures
    seconds = 120
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.readers.keys import Keys
from cpep.live.enrol.guide import Plan, Prompt
from cpep.live.poses.follow import USUAL, FollowScript
from cpep.live.record.rows import plain
from cpep.runtime.files import read_bytes
from cpep.types import UserError, refuse_interpolation

SHIPPED = Path(__file__).parent / "protocols"
MOST_S = 24 * 3600.0
LONGEST_PAUSE_S = 3600.0
MOST_NAMES = 200
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Free:
    """The person does as they like.

    Attributes:
        seconds: how long; infinite until the recording is stopped.
        words: what the person is told.
    """

    seconds: float
    words: str


@dataclass(frozen=True)
class Gestures:
    """The person makes gestures that are named.

    Attributes:
        plan: which, how often and how long.
        order: of the takes.
    """

    plan: Plan
    order: tuple[Prompt, ...]

    @property
    def seconds(self) -> float:
        """How long it takes where no take is made again."""
        return len(self.order) * (self.plan.ready_s + self.plan.hold_s + self.plan.relax_s)


@dataclass(frozen=True, eq=False)
class Follow:
    """The person follows the drawn hand.

    Attributes:
        script: poses over time.
    """

    script: FollowScript

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.script.seconds


Step = Free | Gestures | Follow


@dataclass(frozen=True, eq=False)
class Protocol:
    """Steps of a recording.

    Attributes:
        name: of the file without its ending; the task in the data set.
        steps: at least one.
    """

    name: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(step.seconds for step in self.steps)

    @property
    def follows(self) -> bool:
        """Whether the drawn hand is followed in some step."""
        return any(isinstance(step, Follow) for step in self.steps)


def shipped() -> tuple[str, ...]:
    """Return the names of the protocols that cpep brings."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def read_protocol(text: str) -> Protocol:
    """Return a protocol.

    Args:
        text: the name of one that cpep brings, or the path of a file.

    Raises:
        UserError: there is no such protocol, or its file is wrong; the sentence names the key and what to do.
    """
    path = SHIPPED / f"{text}.toml" if text in shipped() else Path(text)
    if not path.is_file():
        raise UserError(
            f"--protocol {text}: write {', '.join(shipped())}, or the path of a file of your own; "
            f"those of cpep are in {SHIPPED}"
        )
    keys = Keys(path, "", _parsed(path))
    steps = keys.listed("steps", dict)
    if not steps:
        keys.wrong("steps", "one step or more, each under [[steps]]")
    keys.done()
    if not any(letter.isalnum() for letter in path.stem):
        raise UserError(f"{path}: the file's name is that of the task; give it a letter or a number")
    return Protocol(path.stem, tuple(_step(Keys(path, f"steps[{k}].", step)) for k, step in enumerate(steps, 1)))


def _parsed(path: Path) -> Any:
    """Return the plain values of a file in TOML."""
    data = read_bytes(path, MOST_BYTES)
    try:
        value = tomllib.loads(data.decode())
    except RecursionError:
        wrong = "lists or tables stand in each other too deeply"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        wrong = str(error)
    except ValueError:  # of Python's limit for texts of numbers, 4,300 digits
        wrong = "a number has too many digits"
    else:
        refuse_interpolation(value, path)
        return value
    raise UserError(f"{path} is not readable as TOML ({wrong}); repair it")


def _step(keys: Keys) -> Step:
    kind = keys.text("kind")
    if kind not in KINDS:
        keys.wrong("kind", " or ".join(KINDS))
    try:
        step = KINDS[kind](keys)
    except UserError as error:
        place = f"{keys.path}: "
        raise error if str(error).startswith(place) else UserError(f"{place}'{keys.where[:-1]}': {error}") from error
    keys.done()
    return step


def _free(keys: Keys) -> Free:
    return Free(_seconds(keys, math.inf), keys.text("say", "Move your hand as you like, and rest in between."))


def _gestures(keys: Keys) -> Gestures:
    names = tuple(plain(name) for name in keys.listed("names", str))
    if not 0 < len(names) <= MOST_NAMES:
        keys.wrong("names", f'a list of names, 1 to {MOST_NAMES}, such as ["fist", "point"]')
    repetitions = keys.number("repetitions", 5)
    if repetitions != int(repetitions):
        keys.wrong("repetitions", "a whole number")
    plan = Plan(
        names,
        int(repetitions),
        hold_s=keys.number("hold_s", 3.0),
        ready_s=_pause(keys, "ready_s", 1.5),
        relax_s=_pause(keys, "rest_s", 2.0),
    )
    rounds = [[Prompt(name, k) for name in plan.gestures] for k in range(1, plan.repetitions + 1)]
    if keys.flag("shuffled"):
        draw = np.random.default_rng(_seed(keys))
        order = [one[k] for one in rounds for k in draw.permutation(len(one))]
    else:
        _seed(keys)
        order = [one for same in zip(*rounds, strict=True) for one in same]
    return Gestures(plan, tuple(order))


def _follow(keys: Keys) -> Follow:
    return Follow(FollowScript(_seconds(keys, 180.0), _seed(keys), keys.listed("gestures", str) or USUAL))


def _seconds(keys: Keys, default: float) -> float:
    seconds = keys.number("seconds", default)
    if MOST_S < seconds < math.inf:
        keys.wrong("seconds", f"at most {MOST_S:.0f}")
    return seconds


def _pause(keys: Keys, key: str, default: float) -> float:
    seconds = keys.number(key, default)
    if seconds > LONGEST_PAUSE_S:
        keys.wrong(key, f"at most {LONGEST_PAUSE_S:,.0f} seconds")
    return seconds


def _seed(keys: Keys) -> int:
    seed = keys.get("seed")
    if seed is not None and (type(seed) is not int or seed < 0):
        keys.wrong("seed", "a whole number, 0 or more")
    return seed or 0


KINDS: dict[str, Callable[[Keys], Step]] = {"free": _free, "gestures": _gestures, "follow": _follow}
