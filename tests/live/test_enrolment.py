"""The file of an enrolment."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from cpep.data.recording import Device
from cpep.live.enrol.enrolment import Enrolment, Take
from cpep.types import UserError
from tests.live.unsealed import unseal

DEVICE = Device(3, 200.0, "raw", "uV", ring=(0, 1, 2), notch_hz=50.0)
AT = "2026-11-30T08:00:00+00:00"


def take(name, repetition=1, session=1, samples=240):
    rng = np.random.default_rng(repetition)
    return Take(name, repetition, session, AT, rng.normal(size=(samples, 3)).astype(np.float32), 10)


@pytest.fixture
def enrolment():
    return Enrolment(DEVICE, (take("fist"), take("rest"), take("fist", 2), take("ok/√2", session=2)))


def test_what_is_saved_is_what_is_opened(enrolment, tmp_path):
    enrolment.save(tmp_path / "me.enrol")
    found = Enrolment.load(tmp_path / "me.enrol")
    assert found.device == DEVICE and found.names == ("rest", "fist", "ok/√2") and found.session == 2
    for a, b in zip(found.takes, enrolment.takes, strict=True):
        assert (a.key, a.made_at, a.lead) == (b.key, b.made_at, b.lead)
        np.testing.assert_array_equal(a.emg_TC, b.emg_TC)
    assert [path.name for path in tmp_path.iterdir()] == ["me.enrol"]


def test_a_take_takes_the_place_of_the_same_one(enrolment):
    more = enrolment.with_take(take("fist", 2, samples=250)).with_take(take("fist", 3))
    assert [len(one.emg_TC) for one in more.of("fist")] == [240, 250, 240]
    assert enrolment.keeping(enrolment.of("rest")).names == ("rest",)


def test_an_anchor_is_no_part_of_it():
    assert Enrolment(Device(3, 200.0, "raw", "uV", anchor_names=("a",), anchor_unit="rad")).device.anchor_names == ()


@pytest.mark.parametrize("name", ["", "unknown", "${HOME}"])
def test_bad_names_are_refused(name):
    with pytest.raises(UserError):
        Enrolment(DEVICE, (take(name),))


class Band:
    name, closed = "lsl:band", False

    def __init__(self, *device):
        self.device = Device(*device)

    def close(self):
        self.closed = True


def test_another_device_is_refused(enrolment):
    same = Band(3, 200.0, "raw", "")
    assert enrolment.fitted(same) is same
    assert enrolment.fitted(Band(3, 200.0, "raw", "mV")).device == DEVICE
    with pytest.raises(UserError, match=r"made with 3 channels of raw EMG at 200 Hz in uV; lsl:band has 8 channels"):
        enrolment.fitted(Band(8, 200.0, "raw", "uV"))
    other = Band(3, 200.0, "envelope", "uV")
    with pytest.raises(UserError, match="envelope"):
        enrolment.fitted(other)
    assert other.closed


def rewritten(path, change):
    """Save an enrolment anew with a note that is changed."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        note = json.loads(file.metadata()["cpep_enrolment"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(note, tensors)
    save_file(tensors, path, {"cpep_enrolment": json.dumps(note)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda note, tensors: note.update(format=9), "of format 9; this version of cpep reads formats 1 and 2"),
        (lambda note, tensors: note["takes"][0].update(name="${HOME}"), r"holds '\$\{HOME\}'"),
        (lambda note, tensors: note["takes"][0].update(name="unknown"), "me.enrol: 'unknown' cannot be"),
        (
            lambda note, tensors: note["takes"][0].update(lead=41),
            "take 1 of 240 .* is too short",
        ),
        (lambda note, tensors: note["takes"][0].pop("session"), r"takes\[0\]: the field session is missing"),
        (lambda note, tensors: note["takes"][0].update(session="1"), r"session: expected an integer, got a text"),
        (lambda note, tensors: note["takes"][0].update(lead=-1), r"lead: expected an integer >= 0"),
        (lambda note, tensors: note["takes"][0].update(lead=10**15), "begins at 1000000000000000"),
        (lambda note, tensors: note.update(takes={}), "takes: expected a list, got an object"),
        (lambda note, tensors: note["takes"].__setitem__(1, note["takes"][0]), "two takes have one session"),
        (lambda note, tensors: note["device"].update(ring=[0, 0]), "ring .* does not fit"),
        (lambda note, tensors: note["device"].update(emg_rate=1e300), "at up to 200,000 Hz"),
        (lambda note, tensors: note["device"].update(channels=10**9), "a device has 1 to 10,000 channels"),
        (lambda note, tensors: tensors.update({"emg.9": tensors["emg.0"]}), "'emg.9' is missing, or belongs to no"),
        (lambda note, tensors: tensors.update({"emg.0": tensors["emg.0"].astype(np.float64)}), "emg.0 is F64"),
        (lambda note, tensors: tensors.update({"emg.0": tensors["emg.0"].T}), "take 1 has EMG of shape"),
        (lambda note, tensors: note["device"].update(channels=4), "take 1 has EMG of shape"),
        (lambda note, tensors: note["device"].update(notch_hz=13.0), "me.enrol: device: a notch at 13 Hz"),
        (lambda note, tensors: tensors.pop("emg.2"), "'emg.2' is missing"),
        (lambda note, tensors: tensors["emg.0"].__setitem__((0, 0), np.nan), "not finite"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(enrolment, tmp_path, change, said):
    path = tmp_path / "me.enrol"
    enrolment.save(path)
    unseal(path)
    rewritten(path, change)
    with pytest.raises(UserError, match=said):
        Enrolment.load(path)


def test_other_files_are_refused(enrolment, tmp_path):
    path = tmp_path / "me.enrol"
    with pytest.raises(UserError, match="does not exist; make it with `cpep enrol"):
        Enrolment.load(path)
    enrolment.save(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"me\.enrol is no enrolment, or damaged"):
        Enrolment.load(path)
    path.write_text("hello")
    with pytest.raises(UserError, match=r"me\.enrol is no enrolment, or damaged"):
        Enrolment.load(path)


def test_an_enrolment_carries_a_checksum(enrolment, tmp_path):
    path = tmp_path / "me.enrol"
    enrolment.save(path)
    sound = path.read_bytes()
    for at in (len(sound) - 1, len(sound) // 2, sound.index(b"repetition") + 16):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(UserError, match=r"me\.enrol"):
            Enrolment.load(path)
    path.write_bytes(sound)
    unseal(path)
    assert len(Enrolment.load(path).takes) == len(enrolment.takes)
