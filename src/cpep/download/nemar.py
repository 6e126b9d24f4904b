"""The plan of a download of EMG-BIDS from NEMAR: which version, which recordings of it, and which files they need.

NEMAR holds emg2pose as nm000281: a file of EMG and joint angles for each recording, small files beside it, and a
manifest with the size and the checksum of each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cpep.data.readers.metadata import METADATA, MetadataRow
from cpep.download import manifest as manifests
from cpep.download import plan as tar
from cpep.download import subset
from cpep.download.connections import Limiter
from cpep.download.manifest import Entry, Manifest
from cpep.download.nemar_fetch import Release, fetch_files, left
from cpep.download.nemar_rows import by_name, read_rows, with_lengths, with_splits
from cpep.download.selection import Selection, choose
from cpep.download.site import Refused, Site
from cpep.runtime import plain
from cpep.runtime.files import parse_json, write_text
from cpep.types import Progress, UserError, no_progress

DATA = "https://data.nemar.org/"
STORAGE = "https://nemar.s3.us-east-2.amazonaws.com/"
EMG2POSE, VERSION = "nm000281", "v1.0.3"
DESCRIPTION = "dataset_description.json"
MINI = Selection(users=("1",), hours=0.5)
"""A part for a first look: half an hour of one person."""


@dataclass(frozen=True)
class Server:
    """Where NEMAR is.

    Attributes:
        data: address of the files of all data sets.
        storage: address of their manifests.
        table: address of the folder with emg2pose's own metadata.
    """

    data: str = DATA
    storage: str = STORAGE
    table: str = tar.PREFIX

    @classmethod
    def at(cls, url: str) -> Server:
        """Return a mirror that has all of this in one place."""
        return cls(url, url, url)


@dataclass(frozen=True, eq=False)
class NemarPlan:
    """The wanted files.

    Attributes:
        site: the server, with the bound on the rate.
        release: the version that they are of.
        out: the folder.
        rows: the wanted recordings; the name of each is that of emg2pose, or its path where it has none.
        files: all wanted files: tables first, then each recording after the files that belong to it.
        licence: terms of use, if this folder did not have them yet.
    """

    site: Site
    release: Release
    out: Path
    rows: tuple[MetadataRow, ...]
    files: tuple[Entry, ...]
    licence: str

    def left(self) -> dict[Entry, int]:
        """Return how many bytes of each file that is not there are still to come."""
        return left(self.out, self.files)

    def fetch(self, threads: int = 8, progress: Progress = no_progress) -> int:
        """Fetch what is not there, and return the number of these files; see ``fetch_files``."""
        return fetch_files(self.site, self.release, self.out, self.files, threads, progress)


def make_plan(
    selection: Selection | None,
    out: Path,
    *,
    dataset: str = EMG2POSE,
    version: str = "",
    server: Server | None = None,
    index: Path | None = None,
    bytes_per_s: float | None = None,
    threads: int = 8,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress = no_progress,
) -> NemarPlan:
    """Choose what to fetch: read the manifest, and the tables, which are fetched where they are not there.

    Args:
        selection: which recordings; ``None`` for the tables alone.
        out: folder for the files.
        dataset: id of the data set.
        version: which of its versions; the folder's, or else a fixed one of emg2pose and the newest of others.
        server: where NEMAR is.
        index: file in which the manifest is kept; in ``out`` unless given.
        bytes_per_s: bound on the rate.
        threads: files that are fetched at a time.
        note: called with a sentence about anything odd.
        progress: of the tables: called with bytes that are there and bytes wanted.

    Raises:
        UserError: the selection is empty, the server refuses, or the folder holds something else.
    """
    server = server or Server()
    site = Site(Limiter(bytes_per_s))
    _refuse_folder(out)
    with site:
        release = Release(dataset, _version(site, server, out, dataset, version), server.data)
        manifest = _manifest(site, server, release, index or out / manifests.KEPT, note)
        paths = subset.tables(manifest)
        known = subset.recordings(manifest)
        if not known:
            raise UserError(f"{release} holds no EMG recordings (sub-*/emg/*_emg.bdf or .edf)")
        manifests.mark(out, dataset, release.version)
        manifests.keep_manifest(index or out / manifests.KEPT, manifest, dataset, release.version)
        fetch_files(site, release, out, [manifest[path] for path in paths], threads, progress)
        rows, where = read_rows(out, paths, known, str(release), note)
        if dataset == EMG2POSE and not all(row.split for row in rows):
            rows = with_splits(rows, server.table, out, note)
        if selection is not None and selection.hours is not None:
            rows = with_lengths(rows, where, manifest, out, partial(fetch_files, site, release, out, threads=threads))
    chosen = (
        []
        if selection is None
        else choose(rows, by_name(selection, rows, where), "emg2pose" if dataset == EMG2POSE else dataset)
    )
    files = _with_belongings([where[row.filename] for row in chosen], paths, manifest)
    return NemarPlan(site, release, out, tuple(chosen or rows), files, _licence(out, release))


def _kept_manifest(kept: Path, dataset: str, version: str) -> Manifest:
    try:
        return manifests.parse_manifest(kept.read_bytes(), str(kept), dataset, version)
    except OSError as error:
        raise UserError(f"cannot read {kept}: {error.strerror or error}") from error
    except UserError as error:
        raise UserError(f"{error}; delete it, or name another with --index") from error


def _with_belongings(recordings: Sequence[str], tables: Sequence[str], manifest: Manifest) -> tuple[Entry, ...]:
    """Return tables, and each recording after the files that belong to it, each file once."""
    wanted = dict.fromkeys(tables)
    belongings = subset.Belongings.of(manifest)
    for path in recordings:
        wanted |= dict.fromkeys([*sorted(belongings.to(path)), path])
    return tuple(manifest[path] for path in wanted)


def _refuse_folder(out: Path) -> None:
    tar.refuse_folder(out)
    if (out / METADATA).exists() and manifests.marked(out) is None:
        raise UserError(
            f"{out} holds recordings of emg2pose from the tar; choose another folder, or go on there with --from tar"
        )


def _version(site: Site, server: Server, out: Path, dataset: str, asked: str) -> str:
    """Return the version that a folder is to hold."""
    if not re.fullmatch(r"[a-z]{2}\d{6}", dataset):
        raise UserError(
            f"{dataset}: cpep can download emg2pose, and EMG data sets of NEMAR by their ids, such as nm000105; "
            "others are fetched by hand"
        )
    wanted = asked and "v" + asked.removeprefix("v")
    if wanted and not re.fullmatch(r"v\d+\.\d+\.\d+", wanted):
        raise UserError(f"--version {asked}: give one such as {VERSION}")
    there = manifests.marked(out)
    if there is not None and there != (dataset, wanted or there[1]):
        raise UserError(f"{out} holds {' '.join(there)}; fetch {f'{dataset} {wanted}'.strip()} into another folder")
    return wanted or (there[1] if there else VERSION if dataset == EMG2POSE else _newest(site, server, dataset))


def _newest(site: Site, server: Server, dataset: str) -> str:
    url = f"{server.data}{dataset}"
    try:
        content = site.document(url)
    except Refused as error:
        raise UserError(f"{error}; look at https://nemar.org whether {dataset} is there for everybody") from error
    said = plain.parse(content, url, "give a version by --version")
    version = "v" + str(said.get("latest") if isinstance(said, dict) else None).removeprefix("v")
    if not re.fullmatch(r"v\d+\.\d+\.\d+", version):
        raise UserError(f"{url} does not say which version is the newest; give one by --version")
    return version


def _manifest(site: Site, server: Server, release: Release, kept: Path, note: Callable[[str], None]) -> Manifest:
    """Return the manifest that a file keeps; else that of the storage, or, up to 30,000 files, of the server."""
    dataset, version = release.dataset, release.version
    if kept.exists():
        return _kept_manifest(kept, dataset, version)
    long = " (43 MB)" if dataset == EMG2POSE else ""
    note(f"fetching the manifest of {release}{long}, once: it is kept in {kept}")
    refusals = []
    for url in (
        f"{server.storage}{dataset}/version/{version}.json",
        f"{server.data}{dataset}/{version}/manifest.json",
    ):
        try:
            content = site.document(url)
        except Refused as error:
            refusals.append(f"{error}" + (", since it has over 30,000 files" if error.status == 413 else ""))
            continue
        return manifests.parse_manifest(content, url, dataset, version)
    raise UserError(
        f"NEMAR gives no manifest of {release}: {'; '.join(refusals)}; look at https://nemar.org whether it has this "
        "version, or give another by --version"
    )


def _licence(out: Path, release: Release) -> str:
    """Put the terms of use beside the recordings; return them if they were not there."""
    if (out / tar.LICENSE_FILE).exists():
        return ""
    found: Any = parse_json(out / DESCRIPTION) if (out / DESCRIPTION).exists() else {}
    said = {
        name: str(found.get(name) or "").strip() if isinstance(found, dict) else "" for name in ("Name", "License")
    }
    text = _terms(release, said["Name"] or release.dataset, said["License"])
    write_text(out / tar.LICENSE_FILE, text)
    return text


def _terms(release: Release, name: str, licence: str) -> str:
    where = f"{release} of NEMAR (https://nemar.org)"
    if release.dataset == EMG2POSE and licence == "CC-BY-NC-SA-4.0":
        return f"The files in this folder are {where}, which is emg2pose in EMG-BIDS.\n" + tar.LICENSE.replace(
            " and metadata.csv", "", 1
        )
    if licence in ("", "n/a"):
        return (
            f"The files in this folder are {where}, {name}.\nIt names no licence: ask who published it before use.\n"
        )
    tag = f"\nSPDX-License-Identifier: {licence}\n" if re.fullmatch(r"[A-Za-z0-9.+-]+", licence) else ""
    return f"The files in this folder are {where}, {name}.\nIts {DESCRIPTION} gives the licence: {licence}\n{tag}"
