from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import savemat

from cpep.data.readers.mat import read_mat, shapes
from cpep.types import UserError
from tests.data.ninapro_files import write_5, write_7_3

TYPES = st.sampled_from([np.float64, np.float32, np.int16, np.uint8, np.int8])
ARRAYS = TYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.integers(0, 99))
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(["emg", "glove", "x1"]), ARRAYS, min_size=1))
def test_both_versions_give_the_same_arrays(tmp_path_factory: pytest.TempPathFactory, values: dict) -> None:
    folder = tmp_path_factory.mktemp("mat")
    for path in (write_5(folder / "5.mat", values), write_7_3(folder / "73.mat", values)):
        read = read_mat(path)
        assert read.keys() == values.keys() and shapes(path) == {name: array.shape for name, array in values.items()}
        for name, array in values.items():
            assert read[name].dtype == array.dtype and np.array_equal(read[name], array)


@pytest.mark.parametrize("write", [write_5, write_7_3])
def test_names_texts_and_missing_ones(tmp_path: Path, write) -> None:
    path = write(tmp_path / "a.mat", {"emg": np.ones((3, 2)), "sensor": "Cometa", "more": np.zeros((2, 2))})
    read = read_mat(path, ["emg", "sensor", "glove"])
    assert read.keys() == {"emg", "sensor"} and read["sensor"].tolist() == ["Cometa"]


def test_a_matrix_of_letters_is_a_text_a_row(tmp_path: Path) -> None:
    """As ``char(["rest"; "fist"])`` has it, which is what labels of text are in a .mat."""
    words = ["rest ", "fist ", "spread"]
    savemat(tmp_path / "5.mat", {"label": np.array(words)})
    write_7_3(tmp_path / "73.mat", {"emg": np.ones((3, 2))})
    with h5py.File(tmp_path / "73.mat", "a") as file:
        file["label"] = np.array([[ord(letter) for letter in word.ljust(6)] for word in words], np.uint16).T
        file["label"].attrs["MATLAB_class"] = np.bytes_("char")
    for name in ("5.mat", "73.mat"):
        assert [word.strip() for word in read_mat(tmp_path / name)["label"]] == ["rest", "fist", "spread"]


def test_fields_of_structures(tmp_path: Path) -> None:
    inner = {"emg": np.arange(6.0).reshape(2, 3), "who": {"age": 30.0}}
    savemat(tmp_path / "5.mat", {"data": inner, "cell": np.array([1, "x"], object)})
    write_7_3(tmp_path / "73.mat", {"top": np.ones((1, 1))})
    with h5py.File(tmp_path / "73.mat", "a") as file:
        file["data/emg"] = inner["emg"].T
        file["data/who/age"] = 30.0
        file["data/again"] = file["data"]  # a group within itself
        file["empty"] = np.array([0, 3], np.uint64)
        file["empty"].attrs["MATLAB_empty"] = 1
        file["#refs#/a"] = 1.0
    five, seven = read_mat(tmp_path / "5.mat"), read_mat(tmp_path / "73.mat")
    assert five.keys() == {"data.emg", "data.who.age"}
    assert seven.keys() == {"data.emg", "data.who.age", "top", "empty"} and seven["empty"].size == 0
    assert np.array_equal(five["data.emg"], inner["emg"]) and np.array_equal(seven["data.emg"], inner["emg"])


def test_hdf5_of_others_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["emg"] = np.ones((3, 2))
    with pytest.raises(UserError, match=r"a\.mat is HDF5, but MATLAB did not write it; save its arrays as \.npz"):
        read_mat(tmp_path / "a.mat")


@pytest.mark.parametrize("size", [0, 10, 200, 512, 600, 1500])
def test_truncated_7_3_is_a_sentence(tmp_path: Path, size: int) -> None:
    path = write_7_3(tmp_path / "a.mat", {"emg": np.ones((100, 12))})
    path.write_bytes(path.read_bytes()[:size])
    for read in (read_mat, shapes):
        with pytest.raises(UserError, match=r"a\.mat"):
            read(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*a\.mat: No such file"):
        read_mat(tmp_path / "a.mat")
