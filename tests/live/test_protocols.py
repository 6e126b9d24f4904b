"""Files of protocols, and how a person is led through them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from cpep.live.record.leader import Cue, Leader
from cpep.live.record.protocol import Follow, Free, Gestures, Protocol, read_protocol, shipped
from cpep.types import UserError

RATE = 100
FIST = """
[[steps]]
kind = "gestures"
names = ["fist"]
repetitions = 1
hold_s = 2
rest_s = 1
ready_s = 1
"""


def led(protocol, chunks, rate=RATE):
    """Return (sample, cue) of all prompts while chunks of (samples, lost) pass."""
    leader, place = Leader(protocol, rate), 0
    found = [(0, leader.begin())]
    for samples, lost in chunks:
        found += [(place + cue.after, replace(cue, after=0)) for cue in leader.advance(samples, lost)]
        place += samples + lost
    return leader, found


def written(tmp_path, text, name="my.toml"):
    (tmp_path / name).write_text(text)
    return read_protocol(str(tmp_path / name))


def test_the_protocols_that_are_shipped_can_be_made():
    assert shipped() == ("follow", "free", "gestures")
    free, gestures, follow = (read_protocol(name) for name in ("free", "gestures", "follow"))
    assert math.isinf(free.seconds) and not free.follows
    assert gestures.seconds == 6 * 5 * 7.5 and follow.seconds == 180 and follow.follows
    for protocol in (gestures, follow):
        leader, found = led(protocol, [(round(protocol.seconds * RATE) + 1, 0)])
        assert leader.done and found[-1] == (round(protocol.seconds * RATE), Cue("end"))


def test_gestures_come_as_often_and_as_long_as_they_are_asked_for(tmp_path):
    text = FIST.replace('"fist"', '"fist", "point"').replace("repetitions = 1", "repetitions = 3")
    rng = np.random.default_rng(0)
    plain = written(tmp_path, text)
    shuffled = written(tmp_path, text + "shuffled = true\nseed = 4\n")
    chunks = [(int(n), 0) for n in rng.integers(1, 150, 80)]
    _, found = led(plain, chunks)
    holds = [(at, cue.name, cue.repetition) for at, cue in found if cue.phase == "hold"]
    assert holds == [
        (100 + 400 * (3 * g + r), name, r + 1) for g, name in enumerate(("rest", "fist", "point")) for r in range(3)
    ]
    assert [at for at, cue in found if cue.phase == "rest"] == [at + 200 for at, *_ in holds]
    _, other = led(shuffled, chunks)
    mixed = [(cue.name, cue.repetition) for _, cue in other if cue.phase == "hold"]
    assert sorted(mixed) == sorted((name, k) for _, name, k in holds) and mixed != [(n, k) for _, n, k in holds]
    assert [k for _, k in mixed] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert other == led(shuffled, [(1, 0)] * sum(n for n, _ in chunks))[1]


def test_a_hold_with_a_loss_is_made_again(tmp_path):
    leader, _ = led(written(tmp_path, FIST), [(350, 0)])
    assert leader.shown().words == "Let go, and rest. Next: fist."
    leader, found = led(written(tmp_path, FIST), [(250, 0), (10, 90), (1000, 0)])
    assert found[:5] == [
        (0, Cue("ready", "rest", 1)), (100, Cue("hold", "rest", 1)), (340, Cue("redo", "rest", 1)),
        (340, Cue("ready", "rest", 1)), (440, Cue("hold", "rest", 1)),
    ]  # fmt: skip
    assert leader.done


def test_what_is_asked_to_be_made_again_is(tmp_path):
    leader, _ = led(written(tmp_path, FIST), [(750, 0)])
    assert leader.shown().phase == "rest" and leader.shown().words == "Let go, and rest."
    assert [(cue.phase, cue.name) for cue in leader.redo()] == [("redo", "fist"), ("ready", "fist")]


def test_steps_follow_on_each_other(tmp_path):
    text = '[[steps]]\nkind = "free"\nseconds = 2\nsay = "Wave."\n[[steps]]\nkind = "follow"\nseconds = 20\n'
    text += '[[steps]]\nkind = "free"\n'
    protocol = written(tmp_path, text, "two_days.toml")
    assert protocol.name == "two_days" and [type(step) for step in protocol.steps] == [Free, Follow, Free]
    leader = Leader(protocol, RATE)
    leader.advance(150)
    assert (leader.shown().words, leader.shown().left_s) == ("Wave.", 0.5)
    cues = leader.advance(100, 50)
    assert cues == [Cue("rest", after=50)] and leader.shown().phase == "follow"
    script = protocol.steps[1].script
    assert np.array_equal(leader.shown().pose_J, script.pose_at(1.0))
    shown = [(cue.after / RATE - 1.0, cue) for cue in leader.advance(1900)]
    begins = [step for step in script.script.steps[1:]]
    assert len(shown) == len(begins) + 1 and shown[-1][1].phase == "free"
    for (second, cue), step in zip(shown, begins, strict=False):
        assert abs(second + 2.0 - step.begin_s) < 0.006
        assert cue.phase == {"rest": "rest", "free": "free"}.get(step.name, "hold")
    leader.advance(10**6)
    assert not leader.done and math.isinf(leader.shown().left_s)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps = 3", r"my.toml: 'steps' is 3; it must be a list of dict"),
        ("", r"my.toml: 'steps' is missing; it must be one step or more, each under \[\[steps\]\]"),
        ("[[steps]\n", r"my.toml is not readable as TOML \(.*line 1.*\); repair it"),
        ('kind = "dance"', r"'steps\[1\].kind' is 'dance'; it must be free or gestures or follow"),
        ('kind = "free"\nsecond = 3', r"unknown key 'steps\[1\].second'; did you mean 'seconds'"),
        ('kind = "free"\n[[steps]]\nkind = "free"\nsay = 1', r"'steps\[2\].say' is 1; it must be a text"),
        ('kind = "free"\nseconds = -3', r"'steps\[1\].seconds' is -3; it must be a positive number"),
        ('kind = "gestures"', r"'steps\[1\].names' is missing; it must be a list of names"),
        ('kind = "gestures"\nnames = ["a", "a"]', r"my.toml: 'steps\[1\]': a is asked for twice"),
        ('kind = "gestures"\nnames = ["n/a"]', r"'steps\[1\]': 'n/a' is no name of a gesture in BIDS"),
        ('kind = "gestures"\nnames = ["a"]\nhold_s = 0.1', r"'steps\[1\]': takes of 0.1 s; give 1 to 30 s"),
        ('kind = "gestures"\nnames = ["a"]\nseed = 1.5', r"'steps\[1\].seed' is 1.5; it must be a whole"),
        ('kind = "follow"\ngestures = ["kick"]', r"'steps\[1\]': the drawn hand cannot show kick"),
        ('kind = "follow"\nseconds = 3', r"'steps\[1\]': .*no gesture fits in"),
        ('kind = "free"\nsay = "${HOME}"', r"holds '\$\{HOME\}'"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        written(tmp_path, f"[[steps]]\n{text}" if text.startswith("kind") else text)


def test_a_protocol_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"--protocol gym: write follow, free, gestures, or the path of a file"):
        read_protocol("gym")


def test_a_protocol_knows_its_length():
    one = Gestures(read_protocol("gestures").steps[0].plan, read_protocol("gestures").steps[0].order[:4])
    assert Protocol("x", (one, Free(10.0, "a"))).seconds == 4 * 7.5 + 10
