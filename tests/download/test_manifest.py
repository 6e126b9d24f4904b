"""What a manifest may say, and what it may not."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.download.manifest import Entry, foreign, keep_manifest, mark, marked, parse_manifest
from cpep.types import UserError

PLACE = ("http://x/m.json", "nm000281", "v1.0.3")
SUM = "sha256:" + "0" * 64


def content(files, **head):
    return json.dumps({"dataset_id": "nm000281", "version": "1.0.3", **head, "files": files}).encode()


def test_both_shapes_are_one_manifest_and_what_is_kept_too(tmp_path):
    files = {"a.tsv": {"key": "git:" + "1" * 40, "size": 5, "checksum": "git:" + "1" * 40}}
    listed = [{"path": "a.tsv", "size": 5, "checksum_algorithm": "git", "checksum": "1" * 40, "url": None}]
    found = {"a.tsv": Entry("a.tsv", 5, "git:" + "1" * 40)}
    assert parse_manifest(content(files), *PLACE) == parse_manifest(json.dumps(listed).encode(), *PLACE) == found
    keep_manifest(tmp_path / "kept", found, *PLACE[1:])
    assert parse_manifest((tmp_path / "kept").read_bytes(), *PLACE) == found


@pytest.mark.parametrize("kind", ["sha256", "md5", "sha1", "sha512", "git"])
def test_checksums(kind):
    body = b"some text\n"
    number = hashlib.sha1(b"blob 10\0" + body) if kind == "git" else hashlib.new(kind, body)
    one = Entry("a.tsv", 10, f"{kind}:{number.hexdigest()}")
    one.refuse_odd("nm000281 v1.0.3")
    for text, right in ((body, True), (b"other text", False)):
        hasher = one.hasher()
        hasher.update(text)
        assert one.right(hasher) == right


@pytest.mark.parametrize("checksum", ["", "sha256:", "crc:" + "0" * 40, "sha256:" + "Z" * 64, "0" * 64])
def test_what_cannot_be_checked_is_refused_where_it_is_wanted(checksum):
    (one,) = parse_manifest(content({"a.bdf": {"size": 0, "checksum": checksum}}), *PLACE).values()
    with pytest.raises(UserError, match=r"gives a.bdf the checksum .* by which it cannot be checked"):
        one.refuse_odd("nm000281 v1.0.3")


@pytest.mark.parametrize("path", ["sub-01/a b.tsv", "sub-01/é.tsv", "a~", "sub-01/a*", "sourcedata/a:b"])
def test_odd_characters_are_refused_where_they_are_wanted(path):
    (one,) = parse_manifest(content({path: {"size": 1, "checksum": SUM}}), *PLACE).values()
    with pytest.raises(UserError, match=re.escape(f"has a file {path!r}")):
        one.refuse_odd("nm000281 v1.0.3")


OUTSIDE = [
    "../a",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "a/./b",
    "",
    ".",
    "..",
    "a\\..\\b",
    "C:/a",
    "C:a",
    "a\0b",
    "a\nb",
    "a/",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_out_of_the_folder_is_refused(path):
    files = {"participants.tsv": {"size": 1, "checksum": SUM}, path: {"size": 1, "checksum": SUM}}
    with pytest.raises(UserError, match="which would not lie in the folder; nothing is fetched"):
        parse_manifest(content(files), *PLACE)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "", "a", "b c", "C:", "\\", "sub-01"]), min_size=1, max_size=5))
def test_whatever_is_not_foreign_lies_below_the_folder(tmp_path_factory, parts):
    path = "/".join(parts)
    if not foreign(path):
        top = tmp_path_factory.getbasetemp()
        assert (top / path).resolve().is_relative_to(top.resolve()) and (top / path).resolve() != top.resolve()
        assert not {"..", ".", "", "\\"} & set(parts)


@pytest.mark.parametrize(
    "text",
    [
        b"<html>Log in</html>",
        b"[1]",
        b"{}",
        b"5",
        b"null",
        b'{"files": []}',
        b'{"files": {"a": 5}}',
        b'{"files": {"a": {"size": -1, "checksum": "x"}}}',
        b'{"files": {"a": {"size": true, "checksum": "x"}}}',
        b'{"files": {"a": {"size": "5", "checksum": "x"}}}',
        b'{"files": {"a": {"size": 5, "checksum": null}}}',
        b'[{"path": 5, "size": 5, "checksum_algorithm": "git", "checksum": "x"}]',
        b'{"files": {}}',
        b"[" * 100_000,
        b"\xff\xfe",
        content({"a": {"size": 1, "checksum": SUM}})[:-20],
    ],
)
def test_what_is_no_manifest_is_a_sentence(text):
    with pytest.raises(UserError, match=r"http://x/m.json is (no manifest of NEMAR|a manifest without files)"):
        parse_manifest(text, *PLACE)


@pytest.mark.parametrize("head", [{"dataset_id": "nm000105"}, {"version": "1.0.4"}, {"version": "v1.0.2"}])
def test_the_manifest_of_something_else_is_refused(head):
    with pytest.raises(UserError, match=r"is the manifest of .*, not of nm000281 v1.0.3"):
        parse_manifest(content({"a": {"size": 1, "checksum": SUM}}, **head), *PLACE)


def test_a_folder_is_marked_once(tmp_path):
    assert marked(tmp_path) is None
    mark(tmp_path, "nm000281", "v1.0.3")
    mark(tmp_path, "nm000281", "v1.0.4")
    assert marked(tmp_path) == ("nm000281", "v1.0.3")
    for text in ("5", "{}", "{"):
        (tmp_path / ".nemar.json").write_text(text)
        with pytest.raises(UserError, match=r"\.nemar\.json"):
            marked(tmp_path)
