"""Files of a few kB that would take gigabytes: each is refused before it does."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas  # noqa: F401  its import is not what is measured
import pytest
import scipy.io  # noqa: F401

from cpep.data.describe.command import look_at
from cpep.data.readers import unpacked
from cpep.data.readers.generic import read_recording
from cpep.data.readers.mat import read_mat, shapes
from cpep.data.readers.unpacked import read_npz
from cpep.types import UserError
from tests.data.ninapro_files import write_5

SIDECAR = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "count", "user": "ann"}
TABLE = {**SIDECAR, "emg": {"columns": ["a"]}, "label": {"field": "b", "names": {"x": "fist"}}}


@contextmanager
def within(megabytes: float) -> Iterator[None]:
    """Check that no more memory is taken at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


def npz_of(path: Path, header: bytes, data: bytes = b"", version: bytes = b"\1\0") -> Path:
    """Write an .npz with one array of a header."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("emg.npy", b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + data)
    return path


@pytest.fixture
def small_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test need not unpack 64 MB."""
    monkeypatch.setattr(unpacked, "BASE", 1 << 20)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 3)}\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-5, 3)}\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"9" * 30 + b",)}\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3)}\n",
        b"{'descr': '<U0', 'fortran_order': False, 'shape': (10000000000,)}\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (3\n",
        b"{'descr': '|V9999999999', 'fortran_order': False, 'shape': (3,)}\n",
        b"(" * 300 + b"\n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}\n",
    ],
)
def test_headers_of_arrays_that_lie(tmp_path: Path, header: bytes) -> None:
    """The shape is compared with the bytes that are there before memory is taken."""
    path = npz_of(tmp_path / "a.npz", header, bytes(24))
    with within(10), pytest.raises(UserError, match=r"damaged|Python objects"):
        read_npz(path)
    with pytest.raises(UserError, match=r"damaged|Python objects"):
        look_at(path)


def test_what_numpy_writes_is_read(tmp_path: Path) -> None:
    """In every order and type; what else lies in the archive is passed over."""
    given = {
        "a": np.arange(6).reshape(2, 3),
        "b": np.asfortranarray(np.ones((3, 2), ">f4")),
        "c": np.array(["x", "yz"]),
    }
    given |= {"d": np.float64(3), "e": np.zeros((0, 4)), "f": np.zeros(3, bool), "g.npy": np.ones(1)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **given)
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
            file.writestr("__MACOSX/._a", b"junk")
        found = read_npz(tmp_path / "a.npz")
        assert found.keys() == given.keys()
        for name, array in given.items():
            assert found[name].dtype == np.asarray(array).dtype and np.array_equal(found[name], array)


@pytest.mark.usefixtures("small_base")
def test_archives_that_unpack_to_far_more(tmp_path: Path) -> None:
    """By the sizes that they state, which Python holds them to."""
    np.savez_compressed(tmp_path / "a.npz", emg=np.zeros((1_000_000, 4)))
    with within(10), pytest.raises(UserError, match=r"a\.npz unpacks to more than"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.usefixtures("small_base")
def test_tables_that_unpack_to_far_more(tmp_path: Path) -> None:
    """They are refused while they are unpacked."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"0,x\n" * 600_000))
    (tmp_path / "a.json").write_text(json.dumps(TABLE))
    with pytest.raises(UserError, match=r"a\.csv\.gz unpacks to more than"):
        read_recording(path, tmp_path / "a.json")


@pytest.mark.usefixtures("small_base")
@pytest.mark.parametrize("read", [read_mat, shapes])
def test_matlab_files_that_unpack_to_far_more(tmp_path: Path, read: object) -> None:
    """Whatever their variables say of their size; what fits is read."""
    assert callable(read)
    path = write_5(tmp_path / "a.mat", {"emg": np.zeros((1_000_000, 4))}, compressed=True)
    with within(10), pytest.raises(UserError, match=r"a\.mat unpacks to more than"):
        read(path)
    bomb = zlib.compress(struct.pack("<II", 14, 100) + bytes(20_000_000))
    head = path.read_bytes()[:128]
    path.write_bytes(head + struct.pack("<II", 15, len(bomb)) + bomb)
    with within(10), pytest.raises(UserError, match=r"a\.mat unpacks to more than"):
        read(path)
    write_5(path, {"emg": np.random.default_rng(0).normal(size=(1000, 4))}, compressed=True)
    assert "emg" in read(path)


@pytest.mark.parametrize("column", ["a", "b"])
def test_a_cell_of_130_000_digits(tmp_path: Path, column: str) -> None:
    """An array of texts would take as much for each of the 2,000 cells."""
    rows = [f"{k},x" for k in range(2000)]
    rows[7] = f"{'1' * 130_000}x,x" if column == "a" else f"1,{'1' * 130_000}"
    (tmp_path / "a.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    (tmp_path / "a.json").write_text(json.dumps(TABLE))
    with within(50), pytest.raises(UserError, match=rf"a\.csv, line 9: '{column}' has a cell of 130,00\d characters"):
        read_recording(tmp_path / "a.csv", tmp_path / "a.json")
    with within(50):
        look_at(tmp_path / "a.csv")


def test_gzip_in_pieces_ends_where_it_may_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way it is read."""
    monkeypatch.setattr(unpacked, "BASE", 1000)
    monkeypatch.setattr(unpacked, "TIMES", 0)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(1000)))
    assert unpacked.gunzip(path) == bytes(1000)
    path.write_bytes(gzip.compress(bytes(1001)))
    for size in (-1, 600, 1 << 60):
        with unpacked.Unpacked(path) as file, pytest.raises(UserError, match="unpacks to more"):
            while file.read(size):
                pass
    with unpacked.Unpacked(path) as file, pytest.raises(UserError, match="unpacks to more"):
        list(io.TextIOWrapper(file))  # type: ignore[type-var]
