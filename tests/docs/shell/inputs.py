"""What the pages presuppose: recordings, a run, a checkpoint, files of others. Every page gets a copy of them.

All of it is small and synthetic. Names are those that pages write, also the placeholders: ``FOLDER``, ``STORE``,
``CHECKPOINT`` and ``lsl:NAME`` are typed as they stand.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cpep.data.readers.emg2pose import write_recording
from cpep.hand.muscles import REST_J
from cpep.simulate.gestures import GESTURES
from tests.data.samples import emg2pose_like
from tests.docs.shell.blocks import blocks
from tests.docs.shell.runner import ROOT, Shell
from tests.synthetic import write_db1

SHORT = '[[steps]]\nkind = "gestures"\nnames = ["fist", "point"]\nrepetitions = 3\n'
PACKET = 10


def make(folder: Path, shell: Shell) -> Path:
    """Write what any page may name, and return the folder."""
    write_db1(folder / "data/ninapro_db1", users=8, repetitions=2)
    shutil.copytree(folder / "data/ninapro_db1", folder / "data/emg2pose")
    (folder / "runs/demo").mkdir(parents=True)
    for name in ("ninapro_db1", "runs/demo/cohort", "FOLDER", "RECORDINGS"):  # which no page writes to
        up = "../" * name.count("/")
        (folder / name).symlink_to(f"{up}data/ninapro_db1")
    for name in ("benchmarks", "src", "pyproject.toml", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    for name in (".venv", "venv-libemg"):
        _environment(folder / name / "bin", shell)
    _tables(folder)
    _recordings(folder / "recordings")
    _cohort(folder.with_name("cohort"))
    shipped = ROOT / "src/cpep/live/shipped"
    shutil.copytree(shipped / "checkpoint", folder / "CHECKPOINT")
    shutil.copytree(shipped / "checkpoint", folder / "my_recordings.live/checkpoint")
    shutil.copy(shipped / "gestures.book", folder / "my.book")
    shutil.copy(shipped / "gestures.book", folder / "my_recordings.live/gestures.book")
    (folder / "short.toml").write_text(SHORT)
    for text in (
        "cpep data prepare FOLDER STORE",
        "cpep reproduce --data runs/demo/cohort --out runs/demo/run --models cpep --unseen 3,6,9,12",
        "cpep record my_recordings --source lsl:NAME --pose lsl:HAND --protocol short.toml",
    ):
        done = shell.run(text, folder, {"DOC_EVERYTHING": "1"})
        assert done.status == 0, f"{text}: {done.said}"
    return folder


def _environment(programs: Path, shell: Shell) -> None:
    """An environment that can be activated: its programs are those of the pages."""
    shutil.copytree(shell.folder / "bin", programs)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')


def _tables(folder: Path) -> None:
    """``S1.csv`` and ``S2.csv``: four channels, a time, a gesture, as docs/how-to/data.md shows."""
    for number in (1, 2):
        rng, label = np.random.default_rng(number), np.repeat(["rest", "fist", "rest", "open hand"] * 2, 375)
        emg_TC = rng.normal(size=(len(label), 4)) * np.where(label == "rest", 20, 90)[:, None]
        rows = (f"{4 * n},{','.join(f'{v:.2f}' for v in emg_TC[n])},{label[n]}" for n in range(len(label)))
        head = "time_ms,emg0,emg1,emg2,emg3,gesture"
        (folder / f"S{number}.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")


def _recordings(folder: Path) -> None:
    """``S1.npz``: ten seconds of the band that the shipped checkpoint knows."""
    folder.mkdir()
    rng, label_T = np.random.default_rng(0), np.repeat(np.arange(5) % 2, 4000)
    emg_TC = rng.normal(size=(len(label_T), 16)) * (1 + 4 * label_T)[:, None]
    np.savez(folder / "S1.npz", emg=emg_TC.astype(np.float32), label=label_T)
    told = {"emg": {"field": "emg"}, "rate": 2000, "kind": "raw", "unit": "noise_sd", "user": "ann"}
    names = {"field": "label", "names": {"0": "rest", "1": "fist"}}
    (folder / "S1.json").write_text(json.dumps({**told, "label": names}))


def _cohort(folder: Path, users: int = 4) -> None:
    """Four people in the layout of the simulator, who make every simulated gesture for two and a half seconds."""
    rng = np.random.default_rng(0)
    names = ("rest", *GESTURES)
    pose_KJ = np.array([REST_J[:20], *(gesture.pose_J[:20] for gesture in GESTURES.values())])
    label_K = np.repeat([*range(1, len(names)), 0], 5)  # of half a second
    mixing_JC = rng.normal(size=(20, 16))
    for user in (f"user_{number:02d}" for number in range(users)):
        label_T = np.repeat(label_K, 1000)
        level_TC = 0.5 + np.abs(pose_KJ @ mixing_JC)[label_T] * rng.lognormal(0, 0.1, 16)
        recording = emg2pose_like(
            f"{user}_all",
            len(label_T),
            user=user,
            session=user,
            emg_TC=(level_TC * rng.normal(size=level_TC.shape)).astype(np.float32),
            anchor_SJ=(pose_KJ[label_T[::20]] + rng.normal(0, 0.02, (len(label_T) // 20, 20))).astype(np.float32),
            valid_S=np.ones(len(label_T) // 20, bool),
            label_T=label_T.astype(np.int16),
            vocabulary=names,
            prompt_T=label_T.astype(np.int16),
            repetition_T=(label_T > 0).astype(np.int16),
        )
        write_recording(folder / f"{user}.hdf5", recording, start=1e9, simulated=True)


def for_page(folder: Path, page: Path) -> None:
    """Write what one page alone presupposes: files that it shows (their first line is ``# NAME``), and its own."""
    for block in blocks(page):
        first = block.text.partition("\n")[0].removeprefix("# ").partition(",")[0].partition(":")[0]
        if block.language == "python" and first.endswith(".py") and " " not in first:
            (folder / first).write_text(block.text + "\n", encoding="utf-8")
    more = PAGES.get(page.relative_to(ROOT).as_posix())
    if more:
        more(folder)


def _bands(folder: Path) -> None:
    """Recordings of the reader in docs/how-to/extending.md."""
    shutil.rmtree(folder / "recordings")
    (folder / "recordings").mkdir()
    rng, label_T = np.random.default_rng(0), np.repeat(np.arange(5), 400)
    for user in ("anna", "bo"):
        emg_TC = rng.normal(size=(len(label_T), 4)) * (1 + label_T)[:, None]
        np.savetxt(folder / f"recordings/{user}_day1.band", np.column_stack([emg_TC, label_T]), fmt="%.3f")


def _csv(folder: Path) -> None:
    """Folders of tables without a sidecar, as docs/how-to/data.md describes them."""
    shutil.rmtree(folder / "recordings")
    for name in ("recordings/ann_day1", "recordings/ben_day1", "trials/ann1", "trials/ben1"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "S1.csv", folder / f"{name}.csv")


def _baseline(folder: Path) -> None:
    """Weights of others under other names."""
    from safetensors.torch import save_file

    from tests.checkpoints.test_import_weights import as_theirs, trained

    tensors, names = as_theirs(trained("vemg2pose"))
    save_file(tensors, folder / "theirs.safetensors")
    (folder / "map.json").write_text(json.dumps(names))


PAGES = {"docs/how-to/data.md": _csv, "docs/how-to/extending.md": _bands, "docs/explanation/baselines.md": _baseline}


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Serve two small data sets as NEMAR does, and packets of a band; yield how commands find them."""
    from cpep.download.plan import TABLE
    from tests.download.nemar_server import nemar
    from tests.download.nemar_set import SET, table
    from tests.download.test_nemar_versions import gestures

    renamed = {b"FistOpen": b"FingerFreeform", b"PinchAll": b"ShakaVulcanPeace"}  # stages that pages name
    content = dict(SET)
    for ours, theirs in renamed.items():
        content = {path: body.replace(ours, theirs) for path, body in content.items()}
    with nemar(content) as emg2pose, nemar(gestures(), dataset="nm000105", version="v2.1.0") as other, packets():
        emg2pose.files[TABLE] = table(content)
        yield {"DOC_NEMAR_EMG2POSE": emg2pose.url, "DOC_NEMAR_OTHER": other.url}


@contextmanager
def packets() -> Iterator[None]:
    """Send what the band of docs/how-to/sources.md sends: the number of a sample, and ten samples of 8 channels."""
    over = threading.Event()

    def send() -> None:
        rng, number = np.random.default_rng(0), 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not over.wait(PACKET / 500):
                values = np.concatenate([[number], rng.normal(size=PACKET * 8)]).astype("<f4")
                out.sendto(values.tobytes(), ("127.0.0.1", 5005))
                number += PACKET

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
