"""HDF5 files that others made: opened once it is known that they hold all of their data themselves.

HDF5 can name other files, and its library opens them unasked: a link may lead into one, a data set may have its
samples in one, a virtual data set is put together from several, and a filter is a library that HDF5 looks for. So a
recording from elsewhere could bring any file of this machine into a store, or onto the page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from cpep.runtime.files import refuse_special
from cpep.types import UserError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
PLACES = (0, 512)
"""Bytes before the signature: none, or as many as MATLAB puts its header into."""
MOST = 100
"""Links in a file; a recording has up to five."""
FILTERS = {1, 2, 3, 4, 5, 6, 32000}
"""Filters that come with HDF5 and h5py: deflate, shuffle, fletcher32, szip, nbit, scaleoffset and lzf."""
PACKED, SPARE = 1032, 64 * 2**20
"""Bytes that a byte of a file can unpack to at most (of deflate), and bytes that any file may have."""
LONGEST_NAME = 100
"""Letters of a name that a sentence shows."""
REMEDY = "cpep opens no file that a recording names, so write all of the data into one file"

Link = tuple[bytes, int]
"""Name in its group, and kind."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Yield a file that refers to no other one; turn every damage, also one found while reading, into a sentence.

    Args:
        path: of the file.

    Raises:
        UserError: the file is missing, a device or a pipe, no HDF5, damaged, of more than ``MOST`` links, is said to
            hold more than it can, or refers to another file or to a filter that is a library of its own. None of the
            files that it names has been opened by then.
    """
    refuse_special(path)
    try:
        with path.open("rb") as plain:
            head = plain.read(max(PLACES) + len(SIGNATURE))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if not head:
        raise UserError(
            f"{path} is not an HDF5 file, as it is empty; wait if it is being copied, else fetch it again"
        )
    if not any(head.startswith(SIGNATURE, place) for place in PLACES):
        raise UserError(f"{path} is not an HDF5 file; fetch it again, or remove it")
    try:
        with h5py.File(path, "r") as file:
            _refuse_references(file, path)
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    text = str(error)
    if isinstance(error, BlockingIOError) or "unable to lock file" in text:
        return UserError(f"{path} is open for writing in another process; wait until that has ended")
    if "file is already open for write" in text:
        return UserError(
            f"{path} was not closed by the process that wrote it; wait until that has ended, or, if it was stopped, "
            "run h5clear -s on the file"
        )
    if cut := re.search(r"truncated file: eof = (\d+), .*stored_eof = (\d+)", text):
        return UserError(
            f"{path} is truncated or damaged: it has {int(cut[1]):,} of the {int(cut[2]):,} bytes that it should "
            "have; wait if it is still being copied, else fetch it again"
        )
    return UserError(f"{path} is truncated or damaged ({error}); fetch it again")


def _refuse_references(file: h5py.File, path: Path) -> None:
    try:
        for name, dataset in _datasets(h5py.h5g.open(file.id, b"/"), path):
            _refuse_foreign_samples(dataset, name, path)
            _refuse_filters(dataset, name, path)
            _refuse_size(dataset, name, path)
    except UserError:
        raise
    except (ValueError, TypeError) as error:  # h5py knows no class of its own for damage
        raise _damaged(path, error) from error


def _datasets(root: Any, path: Path) -> Iterator[tuple[bytes, Any]]:
    """Yield every data set, with its name, along hard links; soft links lead to nothing else, so they are skipped."""
    groups: list[tuple[bytes, Any]] = [(b"", root)]
    seen: set[int] = set()
    count = 0
    while groups:
        place, group = groups.pop()
        links = _links(group, MOST - count)
        count += len(links)
        if count > MOST:
            raise UserError(f"{path} holds over {MOST} groups and data sets, a recording up to five; choose another")
        _refuse_leading_out(links, place, path)
        for name in (name for name, kind in links if kind == h5py.h5l.TYPE_HARD):
            item = h5py.h5o.open(group, name)
            if (address := h5py.h5o.get_info(item).addr) in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.h5g.GroupID):
                groups.append((place + name + b"/", item))
            elif isinstance(item, h5py.h5d.DatasetID):
                yield place + name, item


def _links(group: Any, most: int) -> list[Link]:
    """Return the links of a group, one more than ``most`` where there are more."""
    links: list[Link] = []

    def note(name: bytes, info: Any) -> bool:
        links.append((name, info.type))
        return len(links) > most

    # In the order of the file: for any other, HDF5 believes the number of links that the file states.
    group.links.iterate(note, info=True, order=h5py.h5.ITER_NATIVE)
    return links


def _refuse_leading_out(links: list[Link], place: bytes, path: Path) -> None:
    """Refuse links to other files, before any link of their group is followed."""
    for name, kind in links:
        if kind not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            raise UserError(f"{path}: the link {_shown(place + name)} leads to another file; {REMEDY}")
        if b"/" in name:  # HDF5 would look for it in another group, which may not have been walked yet
            raise RuntimeError(f"the link {_shown(place + name)} has a slash in its name")


def _refuse_foreign_samples(dataset: Any, name: bytes, path: Path) -> None:
    created = dataset.get_create_plist()
    if created.get_layout() == h5py.h5d.VIRTUAL:
        raise UserError(f"{path}: the data set {_shown(name)} is virtual, put together from other files; {REMEDY}")
    if created.get_external_count() > 0:
        raise UserError(f"{path}: the data set {_shown(name)} has its samples in another file; {REMEDY}")


def _refuse_filters(dataset: Any, name: bytes, path: Path) -> None:
    """Refuse filters that HDF5 would look for among the libraries of the machine."""
    created = dataset.get_create_plist()
    for number in (created.get_filter(k)[0] for k in range(created.get_nfilters())):
        if number not in FILTERS:
            raise UserError(
                f"{path}: the data set {_shown(name)} is packed by the filter {number}, which HDF5 itself does not "
                "have; pack it by gzip: h5repack -f GZIP=4"
            )


def _refuse_size(dataset: Any, name: bytes, path: Path) -> None:
    """Refuse a data set that says it is larger than its file can be, before memory is taken for it."""
    created, file_size = dataset.get_create_plist(), path.stat().st_size
    shapes = [dataset.get_space().get_simple_extent_dims()]
    if created.get_layout() == h5py.h5d.CHUNKED:
        shapes.append(created.get_chunk())
    size = max(map(math.prod, shapes)) * dataset.get_type().get_size()
    if size > SPARE + PACKED * file_size:
        raise UserError(
            f"{path}: the data set {_shown(name)} is said to hold {size / 1e9:,.1f} GB, more than can be packed into "
            f"the {file_size / 1e6:,.2f} MB of the file; it is damaged, so fetch it again"
        )


def _shown(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return repr(text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}...")
