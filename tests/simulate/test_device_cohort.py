"""Simulated people with the device of NinaPro DB1: what they wear, make and deliver, and that a seed says all."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.cli.main import main
from cpep.data.readers.ninapro import read_recording
from cpep.data.readers.ninapro_movements import FINGER_MOVEMENTS, HAND_AND_WRIST
from cpep.data.store.store import open_store
from cpep.hand.muscles import ALL_JOINTS, HIGHEST_J, LOWEST_J, REST_J
from cpep.simulate.anatomy import PLACES
from cpep.simulate.device_cohort import DEVICE, VOCABULARY, DeviceCohort, name_of, record_user, script_of, worn_by
from cpep.simulate.forearm import BELOW_ELBOW
from cpep.simulate.glove import glove_counts
from cpep.simulate.movements import MISSING, MOVEMENTS
from cpep.simulate.variability import generator
from cpep.types import UserError
from tests.synthetic import write_db1


def test_the_device_and_its_first_labels_are_those_of_the_reader(tmp_path) -> None:
    read = read_recording(write_db1(tmp_path, users=1) / "S1_A1_E1.mat")
    assert read.device == DEVICE
    assert read.vocabulary == VOCABULARY[:13]
    assert set(VOCABULARY[1:]) == {*FINGER_MOVEMENTS, *HAND_AND_WRIST} - set(MISSING)
    assert all("nation" in name for name in MISSING) and len(MISSING) == 4


@pytest.mark.parametrize("finger", ["index", "middle", "ring", "little"])
def test_a_movement_of_a_finger_moves_that_finger(finger: str) -> None:
    knuckle = ALL_JOINTS.index(f"{finger.replace('little', 'pinky').upper()}_MCP_FE")
    change_J = {way: MOVEMENTS[f"{finger}_{way}"].pose_J - REST_J for way in ("flexion", "extension")}
    knuckles = [5, 9, 13, 17]
    assert (
        change_J["flexion"][knuckles].argmax() == change_J["extension"][knuckles].argmin() == knuckles.index(knuckle)
    )
    assert change_J["flexion"][knuckle] > 0.5 and change_J["extension"][knuckle] < -0.5


def test_every_pose_is_within_the_range_of_the_hand_but_for_thumbs_that_press() -> None:
    for movement in MOVEMENTS.values():
        assert (movement.pose_J[4:] >= LOWEST_J[4:]).all() and (movement.pose_J[4:] <= HIGHEST_J[4:]).all()
    assert list(BELOW_ELBOW.places) == list(PLACES)


def test_a_script_makes_every_movement_before_one_again() -> None:
    script = script_of(300.0, 1.0, generator(0, "x"))
    made = [step.name for step in script.steps if step.name != "rest"]
    assert sorted(made[:25]) == sorted(MOVEMENTS) and len(made) > 50
    assert [step.begin_s for step in script.steps] == sorted(step.begin_s for step in script.steps)
    assert all(step.name == "rest" for step in script.steps[::2])


def test_the_glove_reads_the_joint_that_it_lies_on() -> None:
    person = worn_by(DeviceCohort(1), 0).person
    pose_SJ = np.tile(REST_J, (2, 1))
    pose_SJ[1, ALL_JOINTS.index("RING_PIP_FE")] += 1.0
    still, bent = glove_counts(person, pose_SJ, generator(0, "y"))
    assert np.flatnonzero(np.abs(bent - still) > 15).tolist() == [12] and bent[12] > still[12]


def test_people_follow_from_the_seed_and_not_from_how_many_there_are() -> None:
    few, many = (record_user(DeviceCohort(users, 0.3), 1) for users in (2, 500))
    other = record_user(DeviceCohort(2, 0.3, seed=1), 1)
    np.testing.assert_array_equal(few.emg_TC, many.emg_TC)
    np.testing.assert_array_equal(few.anchor_SJ, many.anchor_SJ)
    assert few.user == name_of(1) and not np.array_equal(few.emg_TC, other.emg_TC)
    label_T, prompt_T, repetition_T = few.label_T, few.prompt_T, few.repetition_T
    assert prompt_T is not None and repetition_T is not None
    assert (prompt_T[label_T != 0] == label_T[label_T != 0]).all() and (prompt_T != 0).sum() > (label_T != 0).sum()
    assert ((repetition_T > 0) == (label_T != 0)).all()
    active_C, rest_C = (np.median(few.emg_TC[mask], axis=0) for mask in (label_T != 0, prompt_T == 0))
    assert active_C.mean() > rest_C.mean()


def test_a_cohort_is_a_store_and_is_made_once(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("cpep.simulate.device_cohort.cores", lambda: 1)
    words = ["simulate", str(tmp_path / "x"), "--device", "ninapro_db1", "--users", "2", "--minutes", "0.2"]
    assert main(words) == 0
    store, before = open_store(tmp_path / "x"), (tmp_path / "x" / "emg.npy").stat().st_mtime_ns
    assert store.users == ("sim_0000", "sim_0001") and store.name == "simulated_ninapro_db1"
    assert store.device == DEVICE and main(words) == 0
    assert (tmp_path / "x" / "emg.npy").stat().st_mtime_ns == before
    assert main([*words, "--seed", "1"]) == 2 and "no store of this cohort" in capsys.readouterr().err
    assert main(["simulate", str(tmp_path / "y"), "--device", "myo"]) == 2
    assert "there is ninapro_db1" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"users": 0}, {"users": 1, "minutes": 0.1}, {"users": 1, "rest": 0.0}])
def test_numbers_that_make_no_cohort_are_refused(wrong) -> None:
    with pytest.raises(UserError, match="give"):
        DeviceCohort(**wrong)
