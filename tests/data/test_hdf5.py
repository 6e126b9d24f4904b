"""HDF5 files that would have other files read."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cpep.data.inspect import inspect_folder
from cpep.data.readers import hdf5
from cpep.data.readers.emg2pose import check_file, is_simulated, read_recording, write_recording
from cpep.data.readers.folder import Source, find_recordings
from cpep.data.readers.hdf5 import MOST, open_hdf5
from cpep.data.store.prepare import prepare
from cpep.types import UserError
from tests.data.leading_out import SAMPLES, TABLE, WAYS, leading_out, untouched, whole_file
from tests.data.samples import emg2pose_like, write_emg2pose, write_generic

SECRET = "secret.hdf5"


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_refers_to_another_is_refused_before_that_is_opened(tmp_path: Path, way: str) -> None:
    other = tmp_path / SECRET
    path = leading_out(tmp_path, way, other)
    for read in (read_recording, check_file, is_simulated):
        with untouched(other), pytest.raises(UserError) as found:
            read(path)
        assert str(found.value).startswith(f"{path}: {WAYS[way][1]}") and "write all of the data" in str(found.value)


@pytest.mark.parametrize("way", WAYS)
def test_no_command_reads_another_file(tmp_path: Path, way: str) -> None:
    (tmp_path / "raw").mkdir()
    other = tmp_path / SECRET
    leading_out(tmp_path / "raw", way, other)
    with untouched(other):
        with pytest.raises(UserError, match=WAYS[way][1]):
            prepare(tmp_path / "raw", tmp_path / "store")
        ((name, reason),) = inspect_folder(tmp_path / "raw").unreadable
    assert name == "r0" and WAYS[way][1] in reason and "\n" not in reason


def test_links_within_a_file_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    expected = read_recording(path)
    with h5py.File(path, "a") as file:
        file.move("emg2pose", "stored/here")
        file["emg2pose"] = h5py.SoftLink("/stored/here")
        file["stored/here/again"] = file["stored"]  # a cycle
        file["round"] = h5py.SoftLink("/round")
        file["nowhere"] = h5py.SoftLink("/not/there")
        file["stored/type"] = np.dtype("f4")
    np.testing.assert_array_equal(read_recording(path).emg_TC, expected.emg_TC)


def test_a_link_that_leads_to_itself_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["emg2pose"] = h5py.SoftLink("/emg2pose")
    with pytest.raises(UserError, match=r"a\.hdf5 is truncated or damaged .*too many links"):
        read_recording(path)


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_of_very_many_objects_is_not_walked_to_its_end(tmp_path: Path, nested: bool) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        group = file
        for k in range(MOST + 1):
            made = group.create_group(f"g{k}")
            group = made if nested else file
        group["out"] = h5py.ExternalLink("other.hdf5", "/")
    with pytest.raises(UserError, match=rf"a\.hdf5 holds over {MOST} groups and data sets"):
        read_recording(tmp_path / "a.hdf5")


def test_names_that_are_odd_make_one_short_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["\x1b[31m\n" + 500 * "x"] = h5py.ExternalLink("other.hdf5", "/")
    with pytest.raises(UserError, match=r"the link '\\x1b\[31m\\nx+\.\.\.' leads to another file") as found:
        read_recording(tmp_path / "a.hdf5")
    assert "\n" not in str(found.value) and len(str(found.value)) < 400


def test_references_are_not_followed(tmp_path: Path) -> None:
    other = tmp_path / SECRET
    path = leading_out(tmp_path, "labels", other)
    with h5py.File(path, "a") as file:
        away = file["emg2pose/gesture"].ref
        del file["emg2pose/gesture"]  # no link leads there any more, but the reference does
        file.create_dataset("emg2pose/gesture", (SAMPLES,), h5py.ref_dtype)[:] = away
    with untouched(other), pytest.raises(UserError, match=r"r0\.hdf5: emg2pose/gesture is no row"):
        Source(path, "emg2pose", "r0").parts()


def test_a_name_with_a_slash_does_not_lead_through_a_link(tmp_path: Path) -> None:
    other, path = tmp_path / SECRET, tmp_path / "a.hdf5"
    whole_file(other)
    with h5py.File(path, "w") as file:
        file["way/out"] = h5py.ExternalLink(other, "/")
        file.create_group("way!out!emg2pose")
    path.write_bytes(path.read_bytes().replace(b"way!out!emg2pose", b"way/out/emg2pose"))
    with untouched(other), pytest.raises(UserError, match=r"damaged \(the link 'way/out/emg2pose' has a slash"):
        read_recording(path)


def test_a_link_is_found_that_the_count_of_links_leaves_out(tmp_path: Path) -> None:
    other, path = tmp_path / SECRET, tmp_path / "a.hdf5"
    whole_file(other)
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(12):  # so many that the group has a tree of them
            file[f"link {k}"] = h5py.SoftLink("/nowhere")
        file["emg2pose"] = h5py.ExternalLink(other, "emg2pose")
    content = bytearray(path.read_bytes())
    head = content.index(b"BTHD")
    content[head + 26 : head + 34] = bytes(8)  # records in the tree
    content[head + 34 : head + 38] = struct.pack("<I", lookup3(bytes(content[head : head + 34])))
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert list(file) == [] and list(file["emg2pose"]) != []
    with untouched(other), pytest.raises(UserError, match="the link 'emg2pose' leads to another file"):
        read_recording(path)


def lookup3(data: bytes) -> int:
    """The checksum of HDF5, by Bob Jenkins (public domain), of data whose length is no multiple of 12."""
    a = b = c = (0xDEADBEEF + len(data)) % 2**32
    mix = ((0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4))
    last = ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24))
    state = [a, b, c]

    def rotated(k: int, by: int) -> int:
        return (state[k] << by | state[k] >> 32 - by) % 2**32

    for first in range(0, len(data), 12):
        words = struct.unpack("<III", data[first : first + 12].ljust(12, b"\0"))
        state = [(one + word) % 2**32 for one, word in zip(state, words, strict=True)]
        if first + 12 < len(data):
            for x, y, z, by in mix:
                state[x] = (state[x] - state[y]) % 2**32 ^ rotated(y, by)
                state[y] = (state[y] + state[z]) % 2**32
    for x, y, by in last:
        state[x] = ((state[x] ^ state[y]) - rotated(y, by)) % 2**32
    return state[2]


def test_damage_that_h5py_calls_otherwise_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_group("emg2pose")
    content = bytearray(path.read_bytes())
    content[content.index(b"OHDR") + 6] ^= 0xFF  # of the root, which h5py opens late
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.hdf5 is truncated or damaged"), open_hdf5(path):
        pass


def test_a_filter_that_is_another_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    write_recording(path, emg2pose_like(samples=100), start=0, simulated=True, compression="lzf")
    packed = path.read_bytes()
    lzf = struct.pack("<HH", 32000, 8)  # its number and the length of its name
    assert packed.count(lzf) > 1
    path.write_bytes(packed.replace(lzf, struct.pack("<HH", 32001, 8)))
    with pytest.raises(
        UserError, match=r"'emg2pose/\w+' is packed by the filter 32001, which HDF5 itself does not have"
    ):
        find_recordings(tmp_path)[0].parts()


@pytest.mark.parametrize(
    "how",
    [
        {"shape": (2**40,), "chunks": (1000,), "compression": "gzip"},
        {"shape": (2**30, 2**33), "chunks": (1000, 1)},
        {"shape": (SAMPLES,), "chunks": (2**28,), "maxshape": (None,)},
    ],
)
def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path, how: dict[str, Any]) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    with h5py.File(path, "a") as file:
        del file["emg2pose/gesture"]
        file.create_dataset("emg2pose/gesture", dtype="i2", **how)
    with pytest.raises(UserError, match=r"'emg2pose/gesture' is said to hold [\d,.]+ GB, more than can be packed"):
        find_recordings(tmp_path)[0].parts()


def test_a_size_that_a_packed_file_may_have_takes_no_more_memory_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    with h5py.File(path, "a") as file:
        file["padding"] = np.zeros(2**20, np.uint8)
        del file["emg2pose/prompt"]
        file.create_dataset("emg2pose/prompt", (2**29 + 2**26,), "i2", chunks=(2**20,), compression="gzip")
    with pytest.raises(UserError, match=r"takes over 1\.1 GB of memory to be read"):
        find_recordings(tmp_path)[0].parts()


texts = h5py.string_dtype()
whole_numbers = h5py.vlen_dtype(np.int16)


@pytest.mark.parametrize(
    "dtype", [texts, whole_numbers, [("a", "i2"), ("b", texts)], "S8", h5py.regionref_dtype, ("i2", (3,)), "c8"]
)
def test_labels_of_other_types_are_refused(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    with h5py.File(path, "a") as file:
        names = file["emg2pose/gesture"].attrs["names"]
        del file["emg2pose/gesture"]
        file.create_dataset("emg2pose/gesture", (SAMPLES,), np.dtype(dtype)).attrs["names"] = names
    with pytest.raises(UserError, match=r"a\.hdf5: emg2pose/gesture is no row of whole numbers"):
        find_recordings(tmp_path)[0].parts()


@pytest.mark.parametrize("dtype", [texts, whole_numbers, "S8", "c8", h5py.ref_dtype])
@pytest.mark.parametrize("field", ["emg", "joint_angles"])
def test_signals_of_other_types_are_refused(tmp_path: Path, field: str, dtype: Any) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    types = {"emg": ("f4", (16,)), "joint_angles": ("f4", (20,))}
    types[field] = (dtype, types[field][1])
    with h5py.File(path, "a") as file:
        del file[TABLE]
        file.create_dataset(TABLE, (SAMPLES,), np.dtype([(name, *kind) for name, kind in types.items()]))
    with pytest.raises(UserError, match=rf"a\.hdf5: {field} is of type .* where emg2pose has real numbers"):
        find_recordings(tmp_path)[0].parts()


def test_a_link_of_a_kind_that_a_program_defined_is_refused(tmp_path: Path) -> None:
    other, path = tmp_path / SECRET, tmp_path / "a.hdf5"
    whole_file(other)
    with h5py.File(path, "w") as file:
        file["mine"] = h5py.ExternalLink(other, "/")
    external, mine = b"\x40\x04mine", b"\x46\x04mine"  # kind, and length of the name
    content = path.read_bytes()
    assert content.count(external) == 1
    path.write_bytes(content.replace(external, mine))
    with untouched(other), pytest.raises(UserError, match="the link 'mine' leads to another file"):
        read_recording(path)


def test_bytes_before_the_file_are_those_of_matlab_alone(tmp_path: Path) -> None:
    whole_file(tmp_path / "plain.hdf5")
    expected = read_recording(tmp_path / "plain.hdf5")
    for size, fits in ((512, True), (1024, False)):
        path = tmp_path / f"after{size}.hdf5"
        with h5py.File(path, "w", userblock_size=size) as file, h5py.File(tmp_path / "plain.hdf5") as plain:
            plain.copy("emg2pose", file)
        if fits:
            np.testing.assert_array_equal(read_recording(path).emg_TC, expected.emg_TC)
        else:
            with pytest.raises(UserError, match="is not an HDF5 file"):
                read_recording(path)


@contextmanager
def pipe(path: Path) -> Iterator[None]:
    """A named pipe that ends as soon as someone reads it, so that who does so does not wait for ever."""
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.open("wb").close(), daemon=True)
    writer.start()
    try:
        yield
    finally:
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody read keeps its writer waiting
        writer.join()
        os.close(reader)


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@needs_pipes
@pytest.mark.parametrize("name", ["a.hdf5", "S1_A1_E1.mat", "a.npz", "a.csv", "a.csv.gz"])
def test_pipes_and_devices_are_not_read(tmp_path: Path, name: str) -> None:
    write_generic(tmp_path, {"emg": {"field": "e"}, "rate": 10, "kind": "raw", "unit": "V", "user": "1"})
    (tmp_path / "a.npz").unlink()
    path = tmp_path / name
    with pipe(path), pytest.raises(UserError, match=rf"{name} is a device, a pipe or a socket"):
        find_recordings(tmp_path)[0].parts()
    path.unlink()
    path.symlink_to(os.devnull)  # which ends, as /dev/zero does not
    with pytest.raises(UserError, match=rf"{name} is a device, a pipe or a socket"):
        find_recordings(tmp_path)[0].parts()


@needs_pipes
@pytest.mark.parametrize("name", ["a.hdf5", "S1_A1_E1.mat"])
def test_a_pipe_among_recordings_is_passed_over_where_asked(tmp_path: Path, name: str) -> None:
    write_emg2pose(tmp_path / "raw", count=2)
    with pipe(tmp_path / "raw" / name):
        with pytest.raises(UserError, match=rf"{name} is a device, a pipe or a socket"):
            prepare(tmp_path / "raw", tmp_path / "store")
        store = prepare(tmp_path / "raw", tmp_path / "store", skip_bad=True)
        assert store.name == "emg2pose_simulated"
    assert [skipped for skipped, _ in store.skipped] == [name.partition(".")[0]]


def test_matlab_7_3_may_not_refer_to_another_file_either(tmp_path: Path) -> None:
    other, path = tmp_path / SECRET, tmp_path / "S1_E1_A1.mat"
    whole_file(other)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["emg"] = h5py.ExternalLink(other, TABLE)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with untouched(other), pytest.raises(UserError, match="the link 'emg' leads to another file"):
        find_recordings(tmp_path)[0].parts()


def test_one_module_alone_opens_hdf5_files() -> None:
    package = Path(hdf5.__file__).parents[2]
    opening = {
        (path.name, line.strip())
        for path in package.rglob("*.py")
        for line in path.read_text().splitlines()
        if "h5py.File(" in line
    }
    assert opening == {
        ("hdf5.py", 'with h5py.File(path, "r") as file:'),
        ("emg2pose.py", 'with h5py.File(image, "w") as file:'),  # in memory
    }


def test_a_file_that_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    writes = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+', locking=True); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", writes, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(
            UserError, match=r"a\.hdf5 is open for writing in another process; wait until that has ended$"
        ):
            read_recording(path)
        process.communicate("\n")
    assert read_recording(path).name == "a"


def test_a_file_that_is_still_being_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    whole_file(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    sizes = (
        f"it has {len(data) // 2:,} of the {len(data):,} bytes that it should have; wait if it is still being copied"
    )
    with pytest.raises(UserError, match=sizes):
        read_recording(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is not an HDF5 file, as it is empty; wait if it is being copied"):
        read_recording(path)
