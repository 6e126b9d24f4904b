"""JSON of our own files: read in the types of a dataclass, or refused with one sentence."""

import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from cpep.config.schema import Normalise
from cpep.runtime import plain
from cpep.runtime.checked import Count, Name, Positive, convert, decode, read, schema
from cpep.runtime.files import read_json
from cpep.types import UserError


@dataclass(frozen=True)
class Inner:
    rate: Positive
    kind: Literal["raw", "envelope"] = "raw"


@dataclass(frozen=True)
class Outer:
    name: Name
    counts: tuple[Count, ...] = ()
    inner: Inner | None = None
    by_name: dict[Name, Inner] = field(default_factory=dict)
    how: Normalise = Normalise.none
    anything: Any = None

    def __post_init__(self) -> None:
        if len(self.counts) == 13:
            raise UserError("EMG of 13 channels is refused")


WHOLE: dict[str, Any] = {
    "name": "a", "counts": [1, 2], "inner": {"rate": 3}, "by_name": {"x": {"rate": 0.5}}, "how": "causal",
}  # fmt: skip


def test_what_a_kind_describes_is_read_in_its_types() -> None:
    found = decode(json.dumps(WHOLE), Outer, "F")
    assert found == Outer("a", (1, 2), Inner(3.0), {"x": Inner(0.5)}, Normalise.causal)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 1}, "F: name: expected a text, got an integer; R"),
        ({"name": ""}, "F: name: expected a text of length >= 1; R"),
        ({"counts": [1, "2"]}, "F: counts[1]: expected an integer, got a text; R"),
        ({"counts": [True]}, "F: counts[0]: expected an integer, got true or false; R"),
        ({"counts": [-1]}, "F: counts[0]: expected an integer >= 0; R"),
        ({"counts": {}}, "F: counts: expected a list, got an object; R"),
        ({"inner": 3}, "F: inner: expected an object or null, got an integer; R"),
        ({"inner": {}}, "F: inner: the field rate is missing; R"),
        ({"inner": {"rate": 0}}, "F: inner.rate: expected a number > 0.0; R"),
        ({"inner": {"rate": 1, "kind": "x"}}, "F: inner.kind: invalid enum value 'x'; R"),
        ({"by_name": {"x": {"rate": None}}}, "F: by_name.*.rate: expected a number, got null; R"),
        ({"by_name": {"": {"rate": 1}}}, "F: a key of by_name: expected a text of length >= 1; R"),
        ({"counts": [0] * 13}, "F: EMG of 13 channels is refused; R"),
        ({"inner": {"rate": 1, "raet": 2}}, "F has a field inner.raet that this version of cpep does not know; R"),
        ({"anything": {"x": ["${HOME}"]}}, "F: anything.x[0] holds '${HOME}'"),
    ],
)
def test_each_mistake_is_a_sentence_with_its_place(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        decode(json.dumps(WHOLE | change), Outer, "F", remedy="R")
    assert str(refused.value).startswith(sentence)


def test_fields_of_other_versions_are_passed_over_where_a_file_may_have_them() -> None:
    assert convert(WHOLE | {"new": {"x": 1}}, Outer, "F", others=True).name == "a"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff", "can't decode"),
        (b"[" * 100_000, "deep"),
        (b"[" * 65 + b"]" * 65, "deep"),
        (b"1" * 5_000, "too many digits"),
        (b"[1e5, 99999999999999999999]", "[1] has too many digits"),
        (b'{"a": 1e999}', "a is too large"),
        (b"NaN", "NaN is no number"),
        (b"-Infinity", "is no number"),
        (b'{"a": "\\ud800"}', "a is no Unicode"),
        (b'{"\\udfff": 1}', "a key is no Unicode"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        (b'{"\\u0024{x}": 1}', "holds '${x}'"),
    ],
)
def test_what_is_no_json_of_ours_is_a_sentence(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match="F") as refused:
        plain.parse(data, "F")
    assert reason in str(refused.value)


@pytest.mark.parametrize("value", [1, "name1e999x", "\U0001f600", "12345678901234567890123", 1.5e300, [[[]]] * 3])
def test_what_only_looks_suspicious_is_read(value: Any) -> None:
    assert plain.parse(json.dumps(value).encode(), "F") == value
    assert plain.parse(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode(), "F") == value


def test_a_text_that_quotes_passes_where_the_caller_looks_itself() -> None:
    assert plain.parse(b'["${a}"]', "F", quoting=True) == ["${a}"]


def test_files_that_are_missing_or_huge_or_endless_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(UserError, match="does not exist"):
        read(path, Outer)
    path.write_text(json.dumps(WHOLE))
    assert read(path, Outer).name == "a"
    with pytest.raises(UserError, match="more than 0 MB"):
        read(path, Outer, most=10)
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe"):
        read(tmp_path / "pipe", Outer)


def test_damaged_bytes_are_read_or_refused() -> None:
    draw, whole = random.Random(20), json.dumps(WHOLE).encode()
    refused = 0
    for _ in range(2_000):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            decode(bytes(data[: draw.randint(1, len(data))] if draw.random() < 0.2 else data), Outer, "F")
        except UserError:
            refused += 1
    assert refused > 1_000


def test_a_kind_has_a_schema() -> None:
    found = schema(Outer)
    assert found["$defs"]["Outer"]["required"] == ["name"]
    assert found["$defs"]["Inner"]["properties"]["rate"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1e300,
    }
