"""The files of a cohort: people, sessions, stages and lengths."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.simulate.variability import CONTROL_RATE, Variability
from cpep.types import UserError

VERSION = 1
"""Raised whenever the same seed gives other recordings than before."""
SIDES = ("right", "left")
SESSIONS = 2
START = 1_600_000_000.0
"""Time of the first recording, unix seconds; a session takes place every day, a person every week."""
DAY = 86_400.0
MOST_USERS = 10_000
MINUTES = 6.0
"""Length of the plan below."""

_SEEN_S, _UNSEEN_S, _OTHER_S = 25.0, 20.0, 30.0
# Half of the time holds neither seen nor unseen gestures but free movement and extras: as in emg2pose, where the
# evaluated gestures are few among many behaviours. From these an encoder learns what it knows of unseen gestures.
# Within a session, the seen stages hold every seen gesture and the unseen stages every unseen one, combined in
# another way in each session, so that neither session nor stage gives a gesture away.
PLAN: tuple[tuple[tuple[str, float], ...], ...] = (
    (
        ("HandClawGraspFlicks", _SEEN_S),
        ("FingerPinchesSingleFingerPinchesMultiple", _SEEN_S),
        ("ShakaVulcanPeace", _UNSEEN_S),
        ("HookEmHornsOKScissors", _UNSEEN_S),
    ),
    (
        ("GraspPunchCloseFar", _SEEN_S),
        ("IndividualFingerPointingSnap", _SEEN_S),
        ("CountingUpDownFaceSideAway", _UNSEEN_S),
        ("CountingUpDownFingerWigglingSpreading", _UNSEEN_S),
    ),
)
"""Stages with seen or unseen gestures of each session, and their length, s."""
_OTHERS: tuple[tuple[str, ...], ...] = (
    ("FingerFreeform", "OneHandedFreeStyle", "unconstrained", "CoffeePanicPete"),
    (
        "PlayBlocksChess",
        "TwoHandedFreeStyle",
        "HandDeskSeparateClaspedChest",
        "FastPongFronthandBackhandThrowing",
    ),
    (
        "ThumbsUpDownThumbRotationsCWCCWP",
        "FingerWigglingSpreading",
        "WristFlexionAbduction",
        "IndexPinchesMiddlePinchesThumbswipes",
    ),
)
"""Further stages of each session, one from each row above by user in turn: free-form twice, then extras."""


@dataclass(frozen=True)
class Take:
    """One file of a cohort.

    Attributes:
        user: id.
        session: id, unique in the cohort.
        side: ``right`` or ``left``.
        stage: name.
        repetition: counts the takes of this stage in this session.
        seconds: length.
        start: unix seconds.
    """

    user: str
    session: str
    side: str
    stage: str
    repetition: int
    seconds: float
    start: float

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return f"{self.session}-{self.stage}-{self.repetition}_{self.side}"

    @property
    def samples(self) -> int:
        """Number of EMG samples."""
        return round(self.seconds * CONTROL_RATE) * round(SAMPLE_RATE / CONTROL_RATE)


@dataclass(frozen=True)
class Cohort:
    """What a folder of simulated recordings holds; two cohorts of the same fields are the same bytes.

    Attributes:
        users: number of people.
        minutes: of each person and side, over all sessions.
        seed: of everything.
        sides: which wrists.
        variability: how much people, sessions and repetitions differ.

    Raises:
        UserError: a field makes no sense.
    """

    users: int = 24
    minutes: float = MINUTES
    seed: int = 0
    sides: tuple[str, ...] = ("right",)
    variability: Variability = field(default_factory=Variability)

    def __post_init__(self) -> None:
        if not 1 <= self.users <= MOST_USERS:
            raise UserError(f"a cohort of {self.users} users cannot be made; give 1 to {MOST_USERS}")
        if not 0.05 <= self.minutes < 10_000:
            raise UserError(f"{self.minutes:g} minutes per user cannot be made; give 0.05 to 10000")
        if self.seed < 0:
            raise UserError(f"seed is {self.seed}; give a number of at least 0")
        if not self.sides or len(set(self.sides)) < len(self.sides) or set(self.sides) - set(SIDES):
            raise UserError(f"sides are {self.sides}; give right, left or both, each once")

    def takes(self) -> list[Take]:
        """Return all files, by user, session and side."""
        return [
            take
            for user in range(self.users)
            for session in range(SESSIONS)
            for side in self.sides
            for take in self._takes(user, session, side)
        ]

    def _takes(self, user: int, session: int, side: str) -> list[Take]:
        others = tuple((stages[(user + session) % len(stages)], _OTHER_S) for stages in _OTHERS)
        plan = (*PLAN[session], *others)
        repetitions = max(1, round(self.minutes / MINUTES))
        scale = self.minutes / (MINUTES * repetitions)
        name, start = f"user_{user:02d}", START + user * 7 * DAY + session * DAY
        takes = []
        for repetition in range(repetitions):
            for stage, length in plan:
                seconds = round(length * scale * CONTROL_RATE) / CONTROL_RATE
                takes.append(Take(name, f"{name}_s{session}", side, stage, repetition, seconds, start))
                start += seconds + 20
        return takes

    def describe(self) -> dict[str, Any]:
        """Return the cohort as JSON."""
        return {"simulator": VERSION, **asdict(self), "sides": list(self.sides)}
