"""Formats and data sets from outside the package, end to end: each is one file, defined here or in docs/extending."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs" / "how-to"

HEADED = '''
"""A .csv without names of columns, with a header beside each that gives the gain; and a table of splits."""
import struct
from pathlib import Path

import numpy as np

from bands import DEVICE, GESTURES
from cpep.plugins import DATASETS, READERS, DataSet, Found, Missing, Reader, Recording, SplitTable, Terms


def find(path):
    if path.suffix != ".csv":
        return None
    header = path.with_suffix(".head")
    lacks = Missing(".csv", "header", f"copy {header.name} too")
    return Found(path.stem, (header,)) if header.is_file() else Found(path.stem, missing=lacks)


def read(path, header):
    (gain,) = struct.unpack("<d", header.read_bytes())
    rows = np.loadtxt(path, dtype=np.float32, delimiter=",")
    return Recording(
        name=path.stem, user=path.stem, session="1", stage="all", side="right", device=DEVICE,
        emg_TC=gain * rows, anchor_SJ=None, anchor_rate=DEVICE.emg_rate, valid_S=np.zeros(0, bool),
        label_T=np.zeros(len(rows), np.int16), vocabulary=GESTURES,
    )


def splits(path):
    return dict(line.split() for line in path.read_text().splitlines())


TABLE = SplitTable("who.txt", splits)
READERS.add("headed", Reader("headed", "text with a header", find, read, tables=(TABLE,), priority=1))
DATASETS.add("own", DataSet(unseen=("fist",), caution="own"))
'''

PREPARE = """
import json
from pathlib import Path
from cpep.cli.main import main
from cpep.data.licences import terms_of
from cpep.data.splits import make_splits
from cpep.data.store.store import open_store
from cpep.runtime import jobs

jobs.cores = lambda: 2
assert main(["data", "inspect", "raw"]) == 0
assert main(["data", "prepare", "raw", "store"]) == 0
store = open_store(Path("store"))
(split,) = make_splits(store)
names = [[store.vocabulary[label] for label in labels] for labels in (split.seen, split.unseen)]
print(json.dumps([store.name, len(store.users), *names, terms_of(store.name).weights, float(store.emg_TC[:].sum())]))
"""

FIND = """
import json
from pathlib import Path
from cpep.data.readers.folder import find_recordings, list_folder
from cpep.data.readers.registry import data_set
from cpep.data.store.prepare import prepare
from cpep.types import UserError

def sentence(call, *arguments, **more):
    try:
        return repr(call(*arguments, **more))
    except UserError as error:
        return str(error)

raw, head = Path("raw"), Path("raw/p1.head")
said = [sentence(find_recordings, raw)]
head.write_bytes(b"short")
Path("raw/cpep.json").write_text("{}")
said.append(sentence(find_recordings(raw)[0].parts))
head.write_bytes(bytes.fromhex("0000000000000040"))
store = prepare(raw, Path("store"))
head.touch()
said.append(sentence(prepare, raw, Path("store")))
Path("raw/who.txt").write_text("p1 exam")
said.append(sentence(prepare, raw, Path("other")))
listing = list_folder(raw)
seen = [store.name, store.emg_TC[0].tolist(), store.entries[0].split, len(listing.ignored), data_set("own").unseen]
print(json.dumps([*said, *seen]))
"""


def example() -> str:
    """Return the reader that the documentation shows."""
    pages = [DOCS / "extending.md", *sorted((DOCS / "extending").glob("*"))]
    text = "".join(page.read_text() for page in pages if page.is_file())
    (code,) = re.findall(r"```python\n(# bands\.py.*?)```", text, re.DOTALL)
    return code


def run(folder: Path, code: str, **modules: str) -> str:
    """Run code in a process to which these modules are plugins."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"CPEP_PLUGINS": ",".join(modules), "PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_format_of_ones_own_is_inspected_prepared_and_split(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    rng, total = np.random.default_rng(0), 0.0
    for user in ("anna", "ben", "cleo", "dan", "eve"):
        rows = np.column_stack([rng.integers(-9, 9, (1000, 4)), np.repeat([0, 1, 2, 3, 4], 200)])
        np.savetxt(tmp_path / "raw" / f"{user}_day1.band", rows, "%d")
        total += rows[:, :4].sum()
    (tmp_path / "raw" / "notes.txt").touch()
    text = run(tmp_path, PREPARE, bands=example())
    assert (
        "bands in raw" in text
        and "5 by 5 users in 5 sessions" in text
        and "1 file of other kinds (notes.txt)" in text
    )
    known = ["bands", 5, ["fist", "spread"], ["point", "pinch"], "cc-by-4.0"]
    assert json.loads(text.splitlines()[-1]) == [*known, pytest.approx(total)]


def test_a_reader_of_higher_priority_with_headers_and_a_table_of_splits(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    np.savetxt(raw / "p1.csv", np.ones((400, 4)), "%d", ",")
    (raw / "who.txt").write_text("p1 val")
    unread, damaged, changed, exam, *seen = json.loads(
        run(tmp_path, FIND, bands=example(), headed=HEADED).splitlines()[-1]
    )
    assert unread == "raw/p1.csv has no header; copy p1.head too"
    assert damaged.startswith("raw/p1.csv is no headed recording as cpep knows them (unpack requires")
    assert "store of other recordings, or they changed since" in changed
    assert exam == "raw/who.txt: the split of p1 is 'exam'; it must be train, val, test or empty"
    assert seen == ["raw", [2.0] * 4, "val", 0, ["fist"]]
