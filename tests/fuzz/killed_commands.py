"""The commands that are killed, their inputs, and what of their output must be the same."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cpep.train.loop
from cpep.cli.main import main
from cpep.data.bids.export import export_bids
from cpep.data.store.prepare import prepare
from cpep.live.record import finish
from cpep.runtime import confined
from cpep.share import push  # noqa: F401  imported before a process is forked
from cpep.simulate.cohort import simulate_cohort
from tests.runtime.fake_hub import FakeHub
from tests.synthetic import write_db1

TIMES = re.compile(r'"(seconds|started|made_at|started_utc|started_s|acq_time|sum)": *("[^"]*"|[-\d.e]+)')
CLOCK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*Z?|\d+(\.\d+)? s\b|\d+:\d\d\b")


@dataclass(frozen=True)
class Inputs:
    """What the commands read; made once.

    Attributes:
        scratch: folder for their output.
    """

    scratch: Path

    @property
    def raw(self) -> Path:
        """Recordings of five people."""
        return self.scratch / "in" / "raw"

    @property
    def store(self) -> Path:
        """The same as a store."""
        return self.scratch / "in" / "store"

    def checkpoint(self, name: str) -> Path:
        """A checkpoint of a stage: ``emg``, ``pose`` or ``cpep``."""
        return self.scratch / "in" / name / "checkpoint"

    @classmethod
    @contextmanager
    def made(cls, what: str) -> Iterator[Inputs]:
        """Make the inputs, or ``raw`` ones alone, in a forked process, so that this one starts no threads."""
        shm = Path("/dev/shm")
        scratch = Path(tempfile.mkdtemp(prefix="cpep-kills-", dir=shm if shm.is_dir() else None))
        try:
            inputs = cls(scratch)
            pid = os.fork()
            if not pid:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                inputs._make(what)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0, "the inputs could not be made"
            yield inputs
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _make(self, what: str) -> None:
        write_db1(self.raw, users=5)
        if what == "raw":
            return
        prepare(self.raw, self.store)
        store, where = str(self.store), self.scratch / "in"
        for kind in ("emg", "pose"):
            assert main(["pretrain", kind, store, str(where / kind), *TINY]) == 0
        starts = [f"--{kind}={self.checkpoint(kind)}" for kind in ("emg", "pose")]
        assert main(["align", store, str(where / "cpep"), *TINY, *starts]) == 0


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        name: in the table.
        do: runs it; returns its exit status.
        begin: makes what it finds in its folder.
        there: exit status where its output is there already; 0 where the same command says so.
        timed: whether it is also killed at random moments.
        like: what of a file must be the same, by a part of its name; ``None`` for nothing.
        named: what of a name must be the same.
    """

    name: str
    do: Callable[[Inputs, Path], int | None]
    begin: Callable[[Inputs, Path], None] = lambda inputs, home: None
    there: int = 0
    timed: bool = True
    like: dict[str, Callable[[bytes], bytes] | None] = field(default_factory=dict)
    named: Callable[[str], str] = str

    def run(self, inputs: Inputs, home: Path) -> int:
        """Run it in this process."""
        (inputs.scratch / "tmp").mkdir(exist_ok=True)
        tempfile.tempdir = str(inputs.scratch / "tmp")  # of the system, which empties it
        cpep.train.loop.SAVE_EVERY_S = 0.0
        confined.inside = True  # to begin a process that reads takes longer than all else
        return self.do(inputs, home) or 0


def digests(command: Command, home: Path) -> dict[str, str]:
    """Return what of each file must be the same, by name; folders are named with a slash."""
    found = {}
    for path in sorted(home.rglob("*")):
        name = command.named(path.relative_to(home).as_posix())
        if path.is_dir():
            found[name + "/"] = ""
            continue
        content: bytes | None = path.read_bytes()
        like = {**USUAL, **command.like}
        for part, clean in like.items():
            if part in path.name and content is not None:
                content = clean(content) if clean else None
        found[name] = "" if content is None else hashlib.sha256(content).hexdigest()
    return found


def untimed(content: bytes) -> bytes:
    """Return JSON, or a page, without dates and seconds."""
    text = TIMES.sub("", content.decode())
    return CLOCK.sub("", text).encode()


def losses(content: bytes) -> bytes:
    """Return a log of a stage without its column of seconds."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    return repr([row[:1] + row[2:] for row in rows]).encode()


USUAL: dict[str, Callable[[bytes], bytes] | None] = {
    "run.json": untimed,
    "results.json": untimed,
    "report.html": untimed,
    "log.csv": losses,
    "tfevents": lambda content: str(len(content)).encode(),
}


def _cli(*argv: object) -> int:
    return main([str(one) for one in argv])


def _push(inputs: Inputs, home: Path) -> int:
    """Push to a hub that is kept in a file between processes."""
    import huggingface_hub

    class Patch:
        @staticmethod
        def setattr(where: Any, name: str, value: Any) -> None:
            setattr(where, name, value)

    hub, kept = FakeHub(home / "cache").install(Patch()), home / "hub"
    if kept.exists():
        hub.repositories = pickle.loads(kept.read_bytes())
    status = _cli("push", home / "checkpoint", "hf://org/name")
    del huggingface_hub
    kept.write_bytes(pickle.dumps(hub.repositories)) if status == 0 else None
    shutil.rmtree(home / "cache", ignore_errors=True)
    return status


def _copied(inputs: Inputs, home: Path) -> None:
    shutil.copytree(inputs.checkpoint("cpep"), home / "checkpoint")


def _simulate(inputs: Inputs, home: Path) -> None:
    simulate_cohort(home / "cohort", users=1, minutes=0.2, sides=("right",), workers=1)


def _prepare(workers: int) -> Callable[[Inputs, Path], None]:
    def run(inputs: Inputs, home: Path) -> None:
        prepare(inputs.raw, home / "store", workers=workers)

    return run


def _shards(inputs: Inputs, home: Path) -> None:
    for shard in ("1/2", "2/2"):
        _cli("data", "prepare", inputs.raw, home / "store", "--shard", shard)
    _cli("data", "prepare", inputs.raw, home / "store")


def _enrol(inputs: Inputs, home: Path) -> int:
    fast = ["--source", "sim", "--speed", 0, "--hold", 1, "--ready", 0.5, "--repetitions", 2]
    return _cli("enrol", home / "me.enrol", *fast, "--gestures", "rest,fist")


def _record(inputs: Inputs, home: Path) -> int:
    about = ["--person", "a", "--session", "1", "--arm", "right", "--protocol", "free"]
    return _cli("record", home / "set", "--source", "sim", "--seconds", 0.5, *about)


def _recover(inputs: Inputs, home: Path) -> int:
    _, failed = finish.recover(home / "set")
    return len(failed)


def _cut_off(inputs: Inputs, home: Path) -> None:
    """Leave a recording that was cut off, the same each time."""
    kept = inputs.scratch / "in" / "cut"
    if not kept.exists():
        pid = os.fork()
        if not pid:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            finish.finish = lambda folder: os._exit(0)
            _record(inputs, kept)
        os.waitpid(pid, 0)
    shutil.copytree(kept, home, dirs_exist_ok=True)


def _takes(content: bytes) -> bytes:
    """Return which takes an enrolment holds; their EMG is another one where the band went on after a kill."""
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    note = json.loads(head["__metadata__"]["cpep_enrolment"])
    made = sorted([take["name"], take["repetition"]] for take in note["takes"])
    return json.dumps([made, note["planned"], len(note["takes"])]).encode()


TINY = ("--preset", "tiny", "--set", "data.normalisation=causal")
COMMANDS = {
    one.name: one
    for one in (
        Command("simulate", _simulate),
        Command("prepare", _prepare(1)),
        Command("prepare 2", _prepare(2)),
        Command("shards", _shards),
        Command("reproduce", lambda i, h: _cli("reproduce", "--data", i.raw, "--out", h / "run", *TINY,
                                               "--unseen", "3,6", "--models", "features,cpep"), like={".npz": None}),
        Command("stage", lambda i, h: _cli("pretrain", "emg", i.store, h / "emg", *TINY)),
        Command("align", lambda i, h: _cli("align", i.store, h / "cpep", *TINY, "--emg", i.checkpoint("emg"),
                                           "--pose", i.checkpoint("pose"))),
        Command("book", lambda i, h: _cli("book", i.checkpoint("cpep"), i.store, h / "my.book"), there=2),
        Command("evaluate", lambda i, h: _cli("evaluate", i.checkpoint("cpep"), i.store, h / "run")),
        Command("bids", lambda i, h: print(export_bids(i.raw, h / "bids")), there=1),
        Command("push", _push, _copied, there=2),
        Command("enrol", _enrol, like={"me.enrol": _takes}, there=2),
        Command("record", _record, like={"": None}, named=lambda name: re.sub(r"run-\d+", "run", name)),
        Command("recover", _recover, _cut_off),
        Command("export", lambda i, h: _cli("export", i.checkpoint("cpep"), h / "onnx", "--onnx"), there=2),
    )
}  # fmt: skip
