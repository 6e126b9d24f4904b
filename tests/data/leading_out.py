"""Recordings that would have other files read, and a watch over those."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from cpep.data.readers.emg2pose import write_recording
from tests.data.samples import emg2pose_like

SAMPLES = 1000
TABLE = "emg2pose/timeseries"


def samples_outside(file: h5py.File, other: Path, name: str = TABLE) -> None:
    plain = file[name]
    size = plain.size * plain.dtype.itemsize
    del file[name]
    file.create_dataset(name, (SAMPLES,), plain.dtype, external=[(str(other), 0, size)])


def labels_outside(file: h5py.File, other: Path) -> None:
    samples_outside(file, other, "emg2pose/gesture")


def virtual(file: h5py.File, other: Path, name: str = TABLE) -> None:
    dtype = file[name].dtype
    del file[name]
    layout = h5py.VirtualLayout((SAMPLES,), dtype)
    layout[:] = h5py.VirtualSource(other, name, (SAMPLES,), dtype)
    file.create_virtual_dataset(name, layout)


def virtual_without_end(file: h5py.File, other: Path) -> None:
    dtype = file[TABLE].dtype
    del file[TABLE]
    layout = h5py.VirtualLayout((SAMPLES,), dtype, maxshape=(None,))
    source = h5py.VirtualSource(other, TABLE, (SAMPLES,), dtype, maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED :] = source[: h5py.h5s.UNLIMITED :]
    file.create_virtual_dataset(TABLE, layout)


def group_outside(file: h5py.File, other: Path) -> None:
    del file["emg2pose"]
    file["emg2pose"] = h5py.ExternalLink(other, "emg2pose")


def table_outside(file: h5py.File, other: Path) -> None:
    del file[TABLE]
    file[TABLE] = h5py.ExternalLink(other, TABLE)


def soft_link_outside(file: h5py.File, other: Path) -> None:
    del file[TABLE]
    file["way/out"] = h5py.ExternalLink(other, "/")
    file[TABLE] = h5py.SoftLink(f"/way/out/{TABLE}")


def deep_outside(file: h5py.File, other: Path) -> None:
    file["a/b/c"] = h5py.ExternalLink(other, "/")


WAYS: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "samples": (samples_outside, "the data set 'emg2pose/timeseries' has its samples in another file"),
    "labels": (labels_outside, "the data set 'emg2pose/gesture' has its samples in another file"),
    "virtual": (virtual, "the data set 'emg2pose/timeseries' is virtual"),
    "virtual without end": (virtual_without_end, "the data set 'emg2pose/timeseries' is virtual"),
    "group": (group_outside, "the link 'emg2pose' leads to another file"),
    "table": (table_outside, "the link 'emg2pose/timeseries' leads to another file"),
    "soft link": (soft_link_outside, "the link 'way/out' leads to another file"),
    "deep": (deep_outside, "the link 'a/b/c' leads to another file"),
}


def whole_file(path: Path) -> None:
    write_recording(path, emg2pose_like(samples=SAMPLES), start=0, simulated=True, compression=None)


def leading_out(folder: Path, way: str, other: Path) -> Path:
    """Write a recording that refers to another file."""
    whole_file(other)
    path = folder / "r0.hdf5"
    whole_file(path)
    with h5py.File(path, "a") as file:
        WAYS[way][0](file, other)
    return path


class Watch:
    """Tells whether a file was opened or read since it began to look (Linux)."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(path), 0x1 | 0x20) > 0  # IN_ACCESS, IN_OPEN

    def touched(self) -> bool:
        try:
            return len(os.read(self.descriptor, 4096)) > 0
        except BlockingIOError:
            return False


@contextmanager
def untouched(path: Path) -> Iterator[None]:
    """Assert that a file is not even opened."""
    if sys.platform != "linux":
        yield
        return
    watch = Watch(path)
    try:
        yield
        assert not watch.touched()
        path.read_bytes()
        assert watch.touched()  # so it would have been seen
    finally:
        os.close(watch.descriptor)
