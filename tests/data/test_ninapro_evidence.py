"""Which NinaPro database a file is from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpep.data.readers.ninapro_databases import (
    ABC,
    BCD,
    DATABASES,
    DB1,
    DB2,
    DB3,
    DB4,
    DB5,
    DB6,
    DB7,
    DB8,
    Database,
)
from cpep.data.readers.ninapro_evidence import contradiction, database_of, is_ninapro, look
from cpep.data.readers.ninapro_movements import DECODED, FINGER_MOVEMENTS, FORCES, GRASPS, HAND_AND_WRIST
from cpep.types import UserError
from tests.data.ninapro_files import fields, protocol, write_5

NAMES = {DB1: "S1_A1_E{}.mat", DB6: "S1_D1_T1.mat"}


def write(path: Path, channels: int, sensors: int, movements: tuple[int, ...], rate: float, **more: Any) -> Path:
    """Write a file whose movements last 5 s at a rate; ``hold`` among ``more`` is another length."""
    label = protocol(rate, movements, more.pop("hold", 5.0), rest=0.5)
    return write_5(path, fields(label, channels, sensors) | more)


def as_distributed(folder: Path, database: Database, exercise: int, channels: int) -> Path:
    """Write a file as a database has it: two movements of an exercise, ``frequency`` where it has that."""
    numbers = sorted(database.exercises[exercise])
    more: dict[str, Any] = {"hold": database.movement_s}
    if database.sensor:
        more |= {"frequency": database.emg_rate, "sensor": database.sensor}
    name = NAMES.get(database, "S1_E{}_A1.mat").format(exercise)
    sensors = 0 if exercise in database.bare else database.glove
    return write(folder / name, channels, sensors, (numbers[0], numbers[-1]), database.emg_rate, **more)


CASES = [(one, exercise, count) for one in DATABASES for exercise in one.exercises for count in one.rings]


@pytest.mark.parametrize(
    ("database", "exercise", "channels"), CASES, ids=lambda value: getattr(value, "title", value)
)
def test_every_database_is_known_by_what_it_is(
    tmp_path: Path, database: Database, exercise: int, channels: int
) -> None:
    path = as_distributed(tmp_path, database, exercise, channels)
    found, notes = database_of(look(path))
    if database is DB3 and channels == 12:  # the files of DB2 and DB3 are alike
        assert found is DB2 and "DB2 and DB3, whose files are alike" in notes[0]
        found, notes = database_of(look(as_distributed(tmp_path / "DB3_s1", database, exercise, channels)))
    assert is_ninapro(path) and found is database
    assert bool(notes) == (database is DB2)


def test_people_tell_db2_from_db3(tmp_path: Path) -> None:
    path = write(tmp_path / "S12_E1_A1.mat", 12, 22, (1, 17), 2000)
    assert database_of(look(path)) == (DB2, ())


def test_a_folder_that_is_named_after_another_database_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "DB5" / "S1_E1_A1.mat", 16, 18, (1, 9), 2000)
    assert database_of(look(path)) == (DB8, ("it lies in a folder that is named after DB5",))


@pytest.mark.parametrize(
    ("name", "channels", "sensors", "movements", "rate", "more", "why"),
    [
        ("S1_E1_A1.mat", 16, 22, (1, 3), 2000, {}, "DB5 has 200 Hz, at which a movement would last 50 s here"),
        ("S1_E1_A1.mat", 16, 22, (1, 3), 2000, {"hold": 1.5}, "DB5 has 200 Hz, .* last 15 s here .*about 5 s there"),
        (
            "S1_E1_A1.mat",
            16,
            22,
            (1, 3),
            2000,
            {"frequency": 2000.0},
            "2000 Hz by its frequency.* DB5 has 200 Hz, DB8",
        ),
        ("S1_E1_A1.mat", 16, 18, (1, 3), 200, {}, "DB8 has 2000 Hz, at which a movement would last 0.5 s"),
        ("S1_E1_A1.mat", 12, 22, (1, 3), 200, {}, "DB2 has 2000 Hz, at which a movement would last 0.5 s"),
        ("S1_E1_A1.mat", 12, 22, (1, 18), 2000, {}, "DB2 numbers its movements there 1 to 17"),
        ("S1_E2_A1.mat", 12, 22, (1, 23), 2000, {}, "movements 1 to 23.* DB2 numbers its movements there 18 to 40"),
        ("S1_E1_A1.mat", 12, 0, (1, 17), 2000, {}, "fits DB2 and DB3 and DB7"),
        ("S1_E1_A1.mat", 12, 0, (1, 12), 2000, {}, "fits DB2 and DB3 and DB4 and DB7"),  # whose movements differ
        ("S1_A1_E1.mat", 10, 22, (1, 17), 100, {}, "DB1 numbers its movements there 1 to 12"),
        (
            "S1_A1_E1.mat",
            10,
            22,
            (1, 3),
            100,
            {"acc": np.ones((9, 36))},
            "DB1 has no field acc; if you know",
        ),
        ("S1_A1_E1.mat", 10, 22, (1, 3), 2000, {}, "DB1 has 100 Hz, at which a movement would last 100 s"),
        ("S1_A1_E1.mat", 12, 22, (1, 3), 2000, {}, "DB2 has files called like S1_E1_A1.mat"),
        ("S1_E1_A1.mat", 8, 22, (1, 3), 2000, {}, "8 EMG channels.* files of such a name have 10, 12, 16 of them"),
        ("S1_E4_A1.mat", 12, 22, (1, 3), 2000, {}, "DB2 has no exercise 4"),
        ("S1_E1_A1.mat", 16, 22, (1, 3), 200, {"sensor": "Cometa"}, "DB5 was recorded with Double Myo"),
        ("S1_E1_A1.mat", 12, 0, (1, 3), 2000, {"acc": np.ones((9, 36))}, "fits DB2 and DB3 and DB7"),
    ],
)
def test_what_fits_none_or_several_is_refused(
    tmp_path: Path,
    name: str,
    channels: int,
    sensors: int,
    movements: tuple[int, ...],
    rate: float,
    more: Any,
    why: str,
) -> None:
    path = write(tmp_path / name, channels, sensors, movements, rate, **more)
    with pytest.raises(UserError, match=why) as found:
        database_of(look(path))
    assert str(found.value).startswith(f"{path} fits ") and f"a name like {name[:2]}" in str(found.value)
    assert '{"database": "ninapro_db' in str(found.value) and "\n" not in str(found.value)


@settings(max_examples=40, deadline=None)
@example(seconds=0.8, rate=2000.0, glove=22, said=False)
@example(seconds=8.0, rate=200.0, glove=0, said=False)
@given(
    seconds=st.floats(0.8, 8.0),
    rate=st.sampled_from([200.0, 2000.0]),
    glove=st.sampled_from([0, 18, 22]),
    said=st.booleans(),
)
def test_16_channels_are_never_read_at_another_rate(
    tmp_path_factory: pytest.TempPathFactory, seconds: float, rate: float, glove: int, said: bool
) -> None:
    """What holds for every length of movement: the rate that is read is the rate that was recorded."""
    more: dict[str, Any] = {"hold": seconds} | ({"frequency": rate} if said else {})
    path = write(tmp_path_factory.mktemp("nina") / "S1_E1_A1.mat", 16, glove, (1, 9), rate, **more)
    try:
        found, _ = database_of(look(path))
    except UserError:
        return
    assert found.emg_rate == rate


def test_what_is_declared_decides_but_for_what_contradicts_it(tmp_path: Path) -> None:
    path = write(tmp_path / "S1_A1_E2.mat", 12, 0, (18, 40), 2000, inclin=np.ones((4, 2)))
    seen = look(path)
    assert database_of(seen, DB3)[0] is DB3 and database_of(seen, DB7)[0] is DB7
    for database, why in (
        (DB5, "DB5 has 16 EMG channels"),
        (DB4, "DB4 numbers its movements there 1 to 17"),
        (DB6, "DB6 has 14 or 16 EMG channels"),
    ):
        with pytest.raises(
            UserError, match=f"is no file of {database.title}, as its sidecar says: {why}; it has 12 EMG"
        ):
            database_of(seen, database)
    slow = look(write(tmp_path / "S1_E1_A1.mat", 16, 22, (1, 3), 2000))
    with pytest.raises(UserError, match="as its sidecar says: DB5 has 200 Hz"):
        database_of(slow, DB5)


def test_databases_that_are_not_read_are_named(tmp_path: Path) -> None:
    kinematic = write_5(tmp_path / "S1_E1_A1.mat", {"glove": np.ones((9, 22)), "angles": np.ones((9, 22))})
    with pytest.raises(UserError, match=r"no field 'emg' .*; DB9 holds hand kinematics alone"):
        look(kinematic)
    megane = write_5(tmp_path / "S010_ex1.mat", {"emg": np.ones((9, 12)), "regrasp": np.ones((9, 1))})
    with pytest.raises(UserError, match="cpep does not read DB10 by itself") as found:
        look(megane)
    assert json.loads(str(found.value).partition("beside it: ")[2])["rate"] == 1926


def test_movements_have_names_of_their_own() -> None:
    names = (*FINGER_MOVEMENTS, *HAND_AND_WRIST, *GRASPS, *FORCES, *DECODED)
    assert len(set(names)) == len(names) == 12 + 17 + 23 + 9 + 9
    assert [list(BCD[k])[:: len(BCD[k]) - 1] for k in (1, 2, 3)] == [[1, 17], [18, 40], [41, 49]]
    assert [list(ABC[k])[:: len(ABC[k]) - 1] for k in (1, 2, 3)] == [[1, 12], [1, 17], [1, 23]]
    assert BCD[2][22] == ABC[3][5] == "medium_wrap"


def test_every_database_contradicts_every_other_but_its_twin(tmp_path: Path) -> None:
    for database in DATABASES:
        exercise, channels = max(database.exercises), max(database.rings)
        seen = look(as_distributed(tmp_path / database.name, database, exercise, channels))
        fitting = [other.title for other in DATABASES if not contradiction(seen, other)]
        assert fitting == (["DB2", "DB3"] if database in (DB2, DB3) else [database.title])
