"""The log of a stage: a row a check, none twice after a resume; the files of TensorBoard, read by a slow parser."""

import csv
import struct

import pytest

from cpep.runtime.tfevents import crc32c, event, first_event
from cpep.train.log import EVENTS, HEAD, NAME, Log, read_log
from tests.train.test_loop import CONFIG, Toy


def records(content):
    """Return the contents of the records of a file of events; their checksums must hold."""
    found = []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        for part, crc in (
            (content[:8], content[8:12]),
            (content[12 : 12 + length], content[12 + length : 16 + length]),
        ):
            masked = (struct.unpack("<I", crc)[0] - 0xA282EAD8) % 2**32
            assert (masked << 15 | masked >> 17) % 2**32 == crc32c(part)
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def fields_of(content):
    """Return (field, value) of a protocol buffer: whole numbers, floats, or bytes."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = content[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(content):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            size, form = {1: (8, "<d"), 5: (4, "<f"), 2: (None, "")}[key & 7]
            size = varint() if size is None else size
            value, at = content[at : at + size], at + size
            value = struct.unpack(form, value)[0] if form else value
        found.append((key >> 3, value))
    return found


def scalars(content):
    """Return {(step, name): value} of a file of events."""
    first, *rest = records(content)
    assert (3, b"brain.Event:2") in fields_of(first)
    found = {}
    for one in rest:
        fields = dict(fields_of(one))
        for _, value in fields_of(fields[5]):
            inner = dict(fields_of(value))
            found[fields[2], inner[1].decode()] = inner[2]
    return found


def test_an_event_is_what_tensorboard_reads():
    content = first_event(1.5) + event(2.0, 300, {"loss/training": 0.25, "rate": -2.0})
    assert scalars(content) == {(300, "loss/training"): 0.25, (300, "rate"): -2.0}
    assert fields_of(records(content)[1])[0] == (1, 2.0)


def test_a_run_and_a_resumed_one_have_the_same_log_but_for_seconds(tmp_path):
    whole, killed, resumed = Toy(), Toy(die_at=13), Toy()
    notes = []
    (tmp_path / "whole").mkdir()
    (tmp_path / "part").mkdir()
    history = whole.fit(tmp_path / "whole" / "state", note=notes.append)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(tmp_path / "part" / "state")
    with (tmp_path / "part" / NAME).open(
        "a"
    ) as log:  # a check after the last saved state, and a row that was cut off
        log.write("14,1,2,3,4,1\n15,0.")
    resumed.fit(tmp_path / "part" / "state")
    one, other = (read_log(tmp_path / name / NAME) for name in ("whole", "part"))
    assert [row.step for row in one] == [row.step for row in other] == [5, 10, 15, 20]
    for row, again, point in zip(one, other, history.points, strict=True):
        assert (row.training_loss, row.validation_loss, row.learning_rate) == (
            again.training_loss, again.validation_loss, again.learning_rate,
        )  # fmt: skip
        assert (row.training_loss, row.validation_loss) == pytest.approx(point[1:], rel=1e-5)
    assert [row.kept for row in one][-1] == (history.kept_step == 20)
    assert max(row.step for row in one if row.kept) == history.kept_step
    assert sorted(row.seconds for row in other) == [row.seconds for row in other]
    assert one[-1].learning_rate < one[1].learning_rate <= CONFIG.lr
    assert len(notes) == 4 and notes[-1] == one[-1].text
    drawn = scalars((tmp_path / "part" / EVENTS).read_bytes())
    assert drawn[15, "loss/validation"] == pytest.approx(other[2].validation_loss) and len(drawn) == 12


def test_the_log_opens_in_a_spreadsheet(tmp_path):
    log = Log(tmp_path, 0)
    log.add(5, 0.123456789, 1e-7, 0.001, kept=True)
    (row,) = csv.DictReader((tmp_path / NAME).read_text().splitlines())
    assert list(row) == HEAD.strip().split(",")
    assert (row["step"], row["training_loss"], row["validation_loss"], row["kept"]) == ("5", "0.123457", "1e-07", "1")
    Log(tmp_path, 0)  # another run from its beginning
    assert read_log(tmp_path / NAME) == []
