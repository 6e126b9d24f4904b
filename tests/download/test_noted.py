"""`cpep data verify` tells whether what was downloaded is as it came."""

from __future__ import annotations

import json

import pytest
import xxhash

from cpep.download.noted import NOTED, damage_of
from cpep.experiments.verify import verify
from cpep.types import UserError
from tests.download.mirror import part


def flip(path):
    """Change the last byte of a file."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_files_of_the_tar_are_as_they_came(tmp_path, server):
    part(server, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / NOTED).read_text().splitlines()]
    assert len(lines) == 4
    for line in lines:
        data = (tmp_path / line["name"]).read_bytes()
        assert (line["size"], line["sum"]) == (len(data), xxhash.xxh3_64(data).hexdigest())
    assert verify(tmp_path).sound == (f"{tmp_path}: download",)
    flip(tmp_path / lines[1]["name"])
    (tmp_path / lines[2]["name"]).unlink()
    (said,) = verify(tmp_path).damaged
    assert f"{lines[1]['name']} is not as it came: its content does not fit the checksum noted then" in said
    (tmp_path / NOTED).write_text(json.dumps(lines[0] | {"name": "../elsewhere"}))
    with pytest.raises(UserError, match="which is not in the folder"):
        damage_of(tmp_path)


def test_files_of_nemar_fit_its_manifest(tmp_path, nemar_cli):
    nemar_cli(tmp_path, "--users", "user1")
    assert damage_of(tmp_path) == []
    first = next(path for path in sorted(tmp_path.rglob("*")) if path.suffix in (".bdf", ".edf"))
    flip(first)
    (said,) = damage_of(tmp_path)
    assert said.startswith(f"{first} does not fit its checksum in NEMAR's manifest")
