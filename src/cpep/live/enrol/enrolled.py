"""A judge made of an enrolment: it tells the gestures that a person showed, and says how well."""

from __future__ import annotations

import numpy as np

from cpep.evaluate.adapting import Adapting
from cpep.evaluate.enrol_features import WINDOW_S
from cpep.evaluate.readout import ReadOut
from cpep.live.book.entries import REST
from cpep.live.enrol.enrolment import Enrolment
from cpep.live.enrol.examples import Examples, examples_of
from cpep.live.recogniser import Pace
from cpep.types import FloatArray, UserError

SMOOTH_S, HOLD_S, SWITCH_S = 0.2, 0.2, 0.5
"""Of ``Pace``: windows are shorter than those of a checkpoint, so that more of them are averaged."""
LATER_ALONE = 0.1
"""So much larger is the share of windows told right without earlier sessions where these do harm: the band sits in
another way. Not chosen on people: no set at hand has two sessions of a person."""
OF_REST, OF_GESTURES, BETWEEN = 0.95, 0.1, 0.3
"""The hand moves from this share of the way on from the loud windows of rest to the quiet ones of gestures."""


class Enrolled:
    """What was enrolled, as a judge for a ``Recogniser`` of ``FeatureStream``'s steps.

    Args:
        enrolment: with rest and at least one gesture.
        adapts: whether it follows the person without labels (``evaluate.adapting``). It then belongs to one stream.

    Attributes:
        enrolment: what it was made of.
        read: the read-out.
        examples: what it was fitted on.
        alone: whether takes of a gesture are left out that was made again in a later session (``LATER_ALONE``).
        pace: of its recogniser; energies are those of its own takes.

    Raises:
        UserError: rest or a gesture is missing.
    """

    def __init__(self, enrolment: Enrolment, *, adapts: bool = False) -> None:
        resting, moving = (
            {take.session for take in enrolment.takes if (take.name == REST) == rests} for rests in (True, False)
        )
        if not resting & moving:
            made = ", ".join(enrolment.names) or "nothing"
            raise UserError(f"rest and a gesture are needed in one session, and {made} was made; enrol more of them")
        self.enrolment = enrolment
        examples = examples_of(enrolment)
        self.pace = pace_of(examples)
        self.read, self.examples, self.alone = _of_wearings(examples)
        self._adapting = Adapting(self.read) if adapts else None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its entries, in the order of the probabilities."""
        return self.read.names

    @property
    def rest(self) -> int:
        """Index of rest."""
        return self.names.index(REST)

    @property
    def threshold(self) -> float:
        """Probability from which a gesture is accepted."""
        return self.read.threshold

    def judge(self, x_D: FloatArray) -> tuple[FloatArray, int]:
        """Return probabilities (E + 1,) of each entry and of none by the features of a window; and -1."""
        return (self._adapting.shares(x_D) if self._adapting else self.read.shares(x_D[None])[0]), -1

    def pose_at(self, nearest: int) -> None:
        """Return ``None``: nothing is known of poses."""


def _of_wearings(examples: Examples) -> tuple[ReadOut, Examples, bool]:
    """Return a read-out, what it was fitted on, and whether that is the last session of each gesture alone."""
    whole = ReadOut.fit(examples.x_NF, examples.name_N, examples.group_N)
    last = {name: examples.session_N[examples.name_N == name].max() for name in whole.names}
    kept_N = examples.session_N == [last[name] for name in examples.name_N.tolist()]
    if kept_N.all():
        return whole, examples, False
    later = Examples(**{name: value[kept_N] for name, value in vars(examples).items()})
    read = ReadOut.fit(later.x_NF, later.name_N, later.group_N)
    if read.checked is None or whole.checked is None or read.checked.accuracy < whole.checked.accuracy + LATER_ALONE:
        return whole, examples, False
    return read, later, True


def pace_of(examples: Examples) -> Pace:
    """Return how quickly to tell gestures, and the energy up to which the hand rests.

    Energies are those of the last session in which both rest and a gesture were made: the next one is likest to it.
    """
    rest_N = examples.name_N == REST
    session = max(set(examples.session_N[rest_N].tolist()) & set(examples.session_N[~rest_N].tolist()))
    mine_N = examples.session_N == session
    loud = float(np.quantile(examples.energy_N[mine_N & rest_N], OF_REST))
    quiet = min(
        float(np.quantile(examples.energy_N[mine_N & (examples.name_N == name)], OF_GESTURES))
        for name in np.unique(examples.name_N[mine_N & ~rest_N])
    )
    idle = loud + max(BETWEEN * (quiet - loud), 0.0)
    return Pace(smooth_s=SMOOTH_S, settle_s=WINDOW_S, hold_s=HOLD_S, switch_s=SWITCH_S, idle=idle)
