from __future__ import annotations

import pytest

from cpep.simulate.record import Session, wear
from cpep.simulate.variability import Variability


@pytest.fixture(scope="session")
def session() -> Session:
    return wear(3, "user_00", "user_00_s0", "right", Variability())
