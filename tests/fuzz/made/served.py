"""What comes from servers, and files of a recorder: tar, manifests, protocols, recordings to recover."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.recording import Device
from cpep.download.http import Version
from cpep.download.manifest import keep_manifest, mark, marked, parse_manifest
from cpep.download.nemar_rows import read_rows
from cpep.download.tar_index import load_index
from cpep.download.tar_walk import walk
from cpep.live.record.about import About, PoseColumns
from cpep.live.record.finish import recover
from cpep.live.record.protocol import read_protocol
from cpep.live.record.recorder import Recorder
from tests.download.nemar_set import entry, small_set
from tests.download.test_tar_walk import build
from tests.fuzz.formats import Format
from tests.live.record_until_killed import emg_at


class Local:
    """A file that looks like one on a server."""

    url = "http://127.0.0.1/a.tar"

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.size = len(self.content)
        self.version = Version(self.size, '"v1"')

    def read(self, start: int, stop: int) -> bytes:
        """Return a part; a server gives no more than there is."""
        assert 0 <= start <= stop <= self.size, f"asked for {start} to {stop} of {self.size}"
        return self.content[start:stop]

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def tar(folder: Path) -> None:
    """Write a tar, and the index of it that a download keeps."""
    (folder / "a.tar").write_bytes(build())
    remote: Any = Local(folder / "a.tar")
    walk(remote, load_index(folder / "index.json", remote), folder / "index.json", threads=1)


def indexed(folder: Path, out: Path) -> None:
    """Open the index, and say what is in it."""
    remote: Any = Local(folder / "a.tar")
    index = load_index(folder / "index.json", remote)
    index.members(), index.chain()
    walk(remote, index, out / "index.json", threads=1)


def walked(folder: Path, out: Path) -> None:
    """Find the headers anew, in threads."""
    remote: Any = Local(folder / "a.tar")
    index = load_index(out / "index.json", remote)
    walk(remote, index, out / "index.json", threads=2, piece=4096)
    index.members()


def nemar(folder: Path) -> None:
    """Write tables and manifest of a data set of NEMAR."""
    files = small_set(splits=True)
    for path, body in files.items():
        if path.startswith(("sub-00/ses-01/sub", "participants", "dataset_description")):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(body)
    listed = {path: entry(path, body) for path, body in files.items()}
    made = parse_manifest(
        json.dumps({"dataset_id": "nm1", "version": "1.0.0", "files": listed}).encode(), "http://x", "nm1", "v1.0.0"
    )
    keep_manifest(folder / "manifest.json", made, "nm1", "v1.0.0")
    mark(folder, "nm1", "v1.0.0")


def chosen(folder: Path, out: Path) -> None:
    """Read the manifest and the tables as a download does."""
    content = (folder / "manifest.json").read_bytes()
    made = parse_manifest(content, "http://x/manifest.json", "nm1", "v1.0.0")
    marked(folder)
    tables = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*_scans.tsv"))]
    known = sorted(path for path in made if path.endswith("_emg.bdf") and path.startswith("sub-"))
    read_rows(folder, tables, known, "nm1 v1.0.0", lambda _: None)
    for one in made.values():
        one.refuse_odd("nm1 v1.0.0")


PROTOCOL = """
[[steps]]
kind = "gestures"
names = ["fist", "point"]
repetitions = 2
hold_s = 2.0
ready_s = 1
rest_s = 1.5
shuffled = true
seed = 3

[[steps]]
kind = "free"
seconds = 60
say = "as you like"

[[steps]]
kind = "follow"
seconds = 12
gestures = ["fist", "spread"]
"""


def protocol(folder: Path) -> None:
    """Write a protocol of every kind of step."""
    (folder / "mine.toml").write_text(PROTOCOL)


def asked(folder: Path, out: Path) -> None:
    """Read it, and look at what it asks."""
    found = read_protocol(str(folder / "mine.toml"))
    found.seconds, found.follows, repr(found)


def recording(folder: Path) -> None:
    """Write what a recorder leaves that was killed."""
    device = Device(8, 500.0, "raw", "uV")
    pose = PoseColumns(("a", "b"), "count", "glove", "lsl:hand")
    recorder = Recorder(
        folder / "set", About("p0", "s0", notes="none"), device, source="known", protocol="gestures", pose=pose
    )
    start, place = time.monotonic(), 0
    for k in range(40):
        place += 25
        recorder.take(emg_at(np.arange(place - 25, place)), 3 * (k == 20), start + place / 500)
        place += 3 * (k == 20)
        recorder.frame(start + place / 500, np.array([place, -place], np.float32))
        if not k % 10:
            recorder.prompt(("hold", "rest")[k // 10 % 2], "fist", 1)
    recorder.close()
    recorder.folder.rename(folder / "set" / ".recording-20261130T000000")  # else it has the time in its name


def recovered(folder: Path, out: Path) -> None:
    """Recover it."""
    recover(folder / "set")


FORMATS = {
    "tar-index": Format(tar, indexed, ("index.json",)),
    "tar": Format(tar, walked, ("a.tar",)),
    "nemar": Format(nemar, chosen),
    "protocol": Format(protocol, asked),
    "recover": Format(recording, recovered, ("set/.record*/*.*",), changes=True),
}
