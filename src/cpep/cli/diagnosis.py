"""What ``cpep doctor`` finds out about a machine, and how it is told."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import time
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill

from cpep.runtime.jobs import cores, threads_alone
from cpep.types import UserError

PAGE_PORT = 8080
NAMES = 13
"""Characters that the name of a check is given."""
GB = 1e9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: heading under which it stands.
        name: what was looked at.
        found: what was found, in words.
        lost: what does not work because of it; empty where all is well.
        mend: what to do about it.
        broken: whether cpep itself is damaged, and not only without something that may be added.
    """

    group: str
    name: str
    found: str
    lost: str = ""
    mend: str = ""
    broken: bool = False


@dataclass(frozen=True)
class Extra:
    """An extra of the package: its name, the packages that it brings, and what they are for."""

    name: str
    packages: tuple[str, ...]
    use: str


EXTRAS = (
    Extra("web", ("nicegui",), "the live page (cpep serve)"),
    Extra("live", ("pylsl",), "live EMG by Lab Streaming Layer"),
    Extra("brainflow", ("brainflow",), "boards by BrainFlow, OpenBCI among them"),
    Extra("mindrove", ("mindrove",), "MindRove bands"),
    Extra("myo", ("pymyo",), "Myo bands"),
    Extra("camera", ("mediapipe",), "poses by a camera (cpep record)"),
    Extra("bids", ("edfio",), "EMG-BIDS (reading, recording, export)"),
    Extra("xdf", ("pyxdf",), "XDF files of LabRecorder"),
    Extra("export", ("onnx", "onnxruntime", "onnxscript"), "ONNX (cpep export)"),
    Extra("hub", ("huggingface_hub",), "models on the Hugging Face hub"),
    Extra("sim", ("myo-sim", "mujoco"), "moment arms of the simulator, computed again"),
    Extra("cluster", ("submitit",), "jobs of Slurm (cpep submit)"),
    Extra("loops", ("pytorch-lightning", "skorch"), "training loops of Lightning and skorch"),
)


def checks(data: Path | None = None) -> Iterator[Check]:
    """Look at the machine, and at a folder of recordings where one is given; the slow ones come last."""
    versions = list(_versions())
    yield from versions
    if any(check.broken for check in versions):  # nothing else could be asked
        return
    yield from _machine()
    yield from _extras()
    yield from _places()
    yield _devices()
    yield from _model()
    if data is not None:
        yield _recordings(data)


def _versions() -> Iterator[Check]:
    from cpep.version import __version__

    inside = "in a virtual environment" if sys.prefix != sys.base_prefix else "in no virtual environment"
    yield Check("Versions", "cpep", f"{__version__}, {inside}")
    yield Check("Versions", "Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for package in ("torch", "numpy", "scipy", "scikit-learn"):
        found = _version(package)
        lost = "" if found else "everything but this help"
        yield Check("Versions", package, found or "not installed", lost, f"pip install {package}", broken=not found)
    if not shutil.which("cpep"):
        mend = "source .venv/bin/activate, or write python -m cpep"
        yield Check("Versions", "command", "cpep is not on the path of this shell", "the command cpep", mend)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _machine() -> Iterator[Check]:
    import torch

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield Check("Machine", "cores", f"{cores()} of {os.cpu_count()}{load}")
    given = os.environ.get("OMP_NUM_THREADS")
    try:
        threads = f"{threads_alone()} for a stage that trains alone"
        yield Check("Machine", "threads", threads + (f", as OMP_NUM_THREADS={given} says" if given else ""))
    except UserError as error:
        yield Check("Machine", "threads", "not known", "training", str(error), broken=True)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
        yield Check("Machine", "memory", f"{memory:.0f} GB")
    yield Check("Machine", "disk", f"{shutil.disk_usage(Path.cwd()).free / GB:.0f} GB free in this folder")
    if torch.cuda.is_available():
        room = torch.cuda.get_device_properties(0).total_memory / GB
        more = f", {torch.cuda.device_count()} of them" if torch.cuda.device_count() > 1 else ""
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        yield Check("Machine", "GPU", f"{torch.cuda.get_device_name()}, {room:.0f} GB{more}")
    else:
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
        yield Check("Machine", "GPU", "none that torch can use; small models train on the processor")
    yield Check("Machine", "bf16", "yes" if native else "no; training computes in fp32")


def _extras() -> Iterator[Check]:
    for extra in EXTRAS:
        found = {package: _version(package) for package in extra.packages}
        missing = not all(found.values())
        said = "not installed" if missing else ", ".join(f"{name} {number}" for name, number in found.items())
        lost, mend = (extra.use, f'pip install "cpep[{extra.name}]"') if missing else ("", "")
        yield Check("Extras", extra.name, f"{extra.use}: {said}", lost, mend)


def _places() -> Iterator[Check]:
    writable = os.access(Path.cwd(), os.W_OK)
    mend = "change to a folder of your own"
    said = "can be written" if writable else "cannot be written"
    yield Check("Places", "this folder", said, "" if writable else "writing books, enrolments and runs here", mend)
    if _version("huggingface_hub"):
        from huggingface_hub.constants import HF_HUB_CACHE

        place = Path(HF_HUB_CACHE)
        there = next(folder for folder in (place, *place.parents) if folder.exists())
        able = os.access(there, os.W_OK)
        lost = "" if able else "opening models of the hub"
        yield Check(
            "Places", "hub cache", f"{_short(place)} {'can' if able else 'cannot'} be written", lost, "set HF_HOME"
        )
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", PAGE_PORT)) != 0
    lost = "" if free else "a second page on the usual port"
    yield Check(
        "Places", "page's port", f"{PAGE_PORT} is {'free' if free else 'in use'}", lost, "cpep serve --port 0"
    )
    try:
        webbrowser.get()
        yield Check("Places", "browser", "found; cpep serve opens the page in it")
    except webbrowser.Error:
        yield Check("Places", "browser", "none here; cpep serve prints the address, to be opened by hand")


def _short(path: Path) -> str:
    """Return a path without the name of its owner."""
    with suppress(ValueError, RuntimeError):
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    return str(path)


def _devices() -> Check:
    """Look for streams of LSL and for serial ports; a board or band is not opened."""
    from cpep.live.sources.lsl import there

    ports = len([*Path("/dev").glob("ttyUSB*"), *Path("/dev").glob("ttyACM*"), *Path("/dev").glob("tty.usb*")])
    serial = f"; {ports} serial port{'s' * (ports > 1)} of boards" if ports else ""
    if not _version("pylsl"):
        return Check("Devices", "LSL", f"not looked for{serial}")
    try:
        streams = [f"{written}: {says}" for written, says in there()]
    except (UserError, OSError, RuntimeError) as error:
        mend = "install liblsl (https://github.com/sccn/liblsl/releases)"
        return Check("Devices", "LSL", f"cannot be used: {error}", "live EMG by Lab Streaming Layer", mend)
    return Check("Devices", "LSL", ("; ".join(streams) or "no stream is there now; the simulator always is") + serial)


def _model() -> Iterator[Check]:
    import torch

    from cpep.checkpoints.checkpoint import load
    from cpep.live.demo import demo_paths

    try:
        model = load(demo_paths()[0])
        device = model.card.device
        samples = round(model.card.window_s * device.emg_rate)
        emg = torch.zeros(1, device.channels, samples).normal_(generator=torch.Generator().manual_seed(0))
        model.encode_emg(emg)
        began = time.monotonic()
        found = model.encode_emg(emg)
        took = 1e3 * (time.monotonic() - began)
    except (UserError, OSError, RuntimeError, ValueError) as error:
        yield Check("Model", "shipped", f"does not run: {error}", "every model", "install cpep again", broken=True)
        return
    sound = bool(torch.as_tensor(found).isfinite().all())
    said = (
        f"{device.channels} channels at {device.emg_rate:g} Hz; {model.card.window_s:g} s of EMG take {took:.0f} ms"
    )
    lost = "" if sound else "every model"
    yield Check(
        "Model", "shipped", said if sound else "gives no numbers", lost, "install torch again", broken=not sound
    )


def _recordings(data: Path) -> Check:
    """Look at a store, or at the first recording of a folder."""
    from cpep.data.readers.folder import find_recordings
    from cpep.data.store.store import is_store, open_store

    try:
        if is_store(data):
            store = open_store(data)
            bare = "" if store.emg_TC.sum_K is not None else "; of an older version, without checksums"
            said = f"a store of {len(store.entries)} recordings, {len(store.users)} people{bare}"
            return Check("Data", data.name, said)
        sources = find_recordings(data)
        device = sources[0].parts()[0].device
    except UserError as error:
        return Check("Data", data.name, "cannot be read", "training on these recordings", str(error), broken=True)
    said = f"{len(sources)} recordings; the first has {device.channels} channels at {device.emg_rate:g} Hz"
    return Check("Data", data.name, f"{said} (cpep data inspect says more)")


def text_of(found: Iterable[Check], width: int) -> str:
    """Return the checks as text: what was found under headings, then what would not work and how to mend it."""
    all_of_them = list(found)
    parts = []
    for group in dict.fromkeys(check.group for check in all_of_them):
        lines = [_line(check, width) for check in all_of_them if check.group == group]
        parts.append("\n".join([group, *lines]))
    lost = [check for check in all_of_them if check.lost]
    parts.append(_end([check for check in lost if check.broken], "Broken", width))
    parts.append(_end([check for check in lost if not check.broken], "Would not work here", width))
    if not lost:
        parts.append("Everything works here.")
    return "\n\n".join(part for part in parts if part)


def _line(check: Check, width: int) -> str:
    mark = "!" if check.broken else "-" if check.lost else " "
    return _hung(f"{mark} {check.name:<{NAMES}}", check.found, width)


def _end(lost: list[Check], title: str, width: int) -> str:
    if not lost:
        return ""
    longest = max(len(check.lost) for check in lost) + 2
    return "\n".join([title, *(_hung(f"  {check.lost:<{longest}}", check.mend, width) for check in lost)])


def _hung(head: str, text: str, width: int) -> str:
    """Return a text after a head, with later lines under its beginning."""
    room = " " * (len(head) + 1)
    return fill(text, width, initial_indent=f"{head} ", subsequent_indent=room, break_long_words=False)
