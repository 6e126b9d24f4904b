"""A store from arrays in memory: windows, or whole recordings, with labels, people and poses beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.anchor import ANCHORS, refuse_degrees
from cpep.data.array_labels import labels_of, named
from cpep.data.rates import at_even_rate
from cpep.data.readers.sidecar import LOWEST_RATE, POSE_FRAMES, POSE_SLACK
from cpep.data.recording import Device, Recording, check_ring
from cpep.data.store.build import build
from cpep.data.store.frames import Frames, to_frames
from cpep.data.store.index import read_index
from cpep.data.store.store import Store, is_store, open_store
from cpep.runtime.leftovers import is_empty
from cpep.signal.given import array_in, floats_in
from cpep.signal.units import KNOWN, OF_EMG, converted, known_unit
from cpep.types import EmgKind, FloatArray, UserError


def from_arrays(
    emg: Any,
    labels: Any = None,
    *,
    rate: float,
    people: Any = None,
    sessions: Any = None,
    pose: Any = None,
    pose_rate: float | None = None,
    anchor_names: Sequence[str] | None = None,
    label_names: Mapping[Any, str] | Sequence[str] | None = None,
    kind: EmgKind = "raw",
    unit: str = "",
    ring: Sequence[int] | None = None,
    highpass_hz: float | None = None,
    notch_hz: float = 0.0,
    pose_unit: str = "rad",
    pose_kind: str = "",
    name: str = "arrays",
    folder: str | Path | None = None,
) -> Store:
    """Return a store of windows or recordings that are in memory, for everything that takes a store.

    Each window is a recording of its own, since nobody says what was between two windows. Centre and spread of EMG
    and pose are taken of all windows of one session (the normalisation ``recording``). The normalisation ``causal``
    knows the past of one window alone, and suits recordings.

    Each window also counts as a repetition of its own. If windows overlap, or if several are cut from one execution
    of a gesture, few-shot and fine-tuning show a window and test its neighbour, and their accuracy is too high: give
    whole recordings with a label for each sample.

    Raw EMG is high-passed, as in every store. In a recording the filter begins as after an endless past of the first
    sample. In a window it begins as after an endless past of the window's mean: the first sample of a window that was
    cut out of a movement says little about the offset, and would make a transient. Filter whole recordings before
    you cut them where you can, and say ``highpass_hz=0``.

    A window is cut to whole frames of about 10 ms. Where tokens are no whole number of samples at a rate, EMG is
    resampled to the nearest rate at which they are, and the repair is counted in the store.

    Args:
        emg: windows (windows, channels, samples); or a list of recordings, arrays (channels, samples) of any lengths.
            Lists, arrays and tensors of any kind of numbers; finite.
        labels: of each window or recording one name or number, or one for each of its samples. ``None``, NaN and an
            empty name stand for what nobody labelled. Names such as ``rest`` and ``relax`` are rest; a number is rest
            only where ``label_names`` says so.
        rate: EMG samples per second.
        people: who each window or recording is of, names or numbers; one name for all. Without it all are of one.
        sessions: name or number of the session of each; a new one begins where the band was put on anew. Without it
            each person has one session.
        pose: poses of the same form as EMG: (windows, joints, frames), or a list of (joints, frames). The first frame
            is at the first EMG sample. A frame with a value that is not finite was not measured.
        pose_rate: frames of the pose per second; without it the pose has a frame for each EMG sample.
        anchor_names: names of the joints, such as ``cpep.hand.joints.JOINTS``; without them ``pose_0``, ...
        label_names: names of the labels' values, as {0: "rest", 1: "fist"}, or a list of those of 0, 1, 2, ...
        kind: ``raw``, or ``envelope`` for a rectified and smoothed signal.
        unit: of the EMG: V, mV or uV, which are stored as uV; count, noise_sd or ratio; empty where it is not known.
        ring: channels that form a closed ring around the arm, in order.
        highpass_hz: cut-off of the high-pass, Hz; 0 where the EMG is high-passed already. Without it 20, or a tenth
            of a rate below 200.
        notch_hz: 50 or 60 where hum of the mains has to be taken out; 0 for none.
        pose_unit: rad, or deg, which is stored as rad; count, ratio, ...
        pose_kind: kind of another anchor than a pose, one of ``cpep.data.anchor.ANCHORS``.
        name: of the data set.
        folder: place of the store, where it is to stay; the store that was made there of the same arrays is opened.
            Without it the store is in a temporary folder, which goes with the store or the process.

    Raises:
        UserError: shapes, lengths, rates or units do not fit; EMG is not finite; or ``folder`` holds something else.
    """
    windows, blocks = _blocks(emg, "emg", "channels, samples")
    _check_emg(blocks, rate, kind)
    count, lengths = len(blocks), [block.shape[1] for block in blocks]
    label_N, vocabulary = labels_of(labels, lengths, label_names)
    user_N = named(people, count, "people", "person")
    session_N = named(sessions, count, "sessions", "session")
    emg_unit, times = converted(unit, OF_EMG, "uV") if unit else ("", 1.0)
    names: tuple[str, ...] = ()
    anchor_unit, anchor_times, frame_rate = "", 1.0, rate
    poses: list[Any] = [None] * count
    for what, cut_hz in (("highpass_hz", 0.0 if highpass_hz is None else highpass_hz), ("notch_hz", notch_hz)):
        if not isinstance(cut_hz, int | float | np.number):
            raise UserError(f"{what} is {cut_hz!r}; give a number of Hz, 0 for none")
    if pose is None and (pose_rate is not None or anchor_names is not None):
        raise UserError("pose_rate and anchor_names belong to a pose; give pose, too, or leave them out")
    if pose is not None:
        anchor_unit, anchor_times = _anchor_unit(pose_unit, pose_kind)
        poses, frame_rate = _poses(pose, lengths, rate, pose_rate)
        names = _joints(anchor_names, len(poses[0]))
    device = Device(
        *(len(blocks[0]), float(rate), kind, emg_unit, _ring(ring)),
        *(names, anchor_unit, pose_kind if names else "", highpass_hz, notch_hz),
    )
    check_ring(device)
    for index, joints in enumerate(poses if names else ()):
        refuse_degrees(device.anchor, joints * np.float32(anchor_times), f"pose[{index}]", "give pose_unit='deg'")
    what = "window" if windows else "recording"
    titles = [f"{what}_{index}" for index in range(count)]

    def recordings() -> Iterator[Frames]:
        for index, (block, joints) in enumerate(zip(blocks, poses, strict=True)):
            anchor_SJ = None if joints is None else np.ascontiguousarray(joints.T) * np.float32(anchor_times)
            recording = Recording(
                name=titles[index],
                user=user_N[index],
                session=session_N[index],
                stage=name,
                side="right",
                device=device,
                emg_TC=np.ascontiguousarray(block.T) * np.float32(times),
                anchor_SJ=anchor_SJ,
                anchor_rate=frame_rate,
                valid_S=np.zeros(0, bool) if anchor_SJ is None else np.asarray(np.isfinite(anchor_SJ).all(axis=1)),
                label_T=label_N[index],
                vocabulary=vocabulary,
            )
            yield to_frames(at_even_rate(recording), from_mean=windows)

    says = [windows, vocabulary, user_N, session_N, replace(device), times, anchor_times, frame_rate]
    digest = _digest([says], blocks, label_N, [joints for joints in poses if joints is not None])
    extra = {"arrays": digest}
    return (
        _temporary(name, titles, recordings(), extra)
        if folder is None
        else _kept(Path(folder), name, titles, recordings(), extra)
    )


def _kept(folder: Path, name: str, titles: list[str], pieces: Iterator[Frames], extra: dict[str, Any]) -> Store:
    """Return the store in a folder, which is written where nothing is there.

    Raises:
        UserError: something else is there, or it cannot be written.
    """
    out = folder.resolve()
    if is_store(out) and read_index(out).index.arrays == extra["arrays"]:
        return open_store(out)
    if out.exists() and not (out.is_dir() and is_empty(out)):
        raise UserError(f"{out} exists and is no store of these arrays; choose another folder, or delete it")
    try:
        return build(out, name, titles, pieces, {}, extra)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error


def _temporary(name: str, titles: list[str], pieces: Iterator[Frames], extra: dict[str, Any]) -> Store:
    """Return a store in a temporary folder, which is removed with the store, or else at the end of the process."""
    around = Path(tempfile.mkdtemp(prefix="cpep-arrays-"))
    try:
        store = build(around / "store", name, titles, pieces, {}, extra)
    except BaseException:
        shutil.rmtree(around, ignore_errors=True)
        raise
    weakref.finalize(store, _remove, around, os.getpid())
    return store


def _blocks(given: Any, what: str, axes: str) -> tuple[bool, list[FloatArray]]:
    """Return the arrays (rows, times) of each window or recording, and whether they are windows."""
    ragged = (
        isinstance(given, list | tuple) and len(given) and all(len(getattr(one, "shape", ())) == 2 for one in given)
    )
    if ragged:
        return False, [floats_in(one, f"{what}[{index}]") for index, one in enumerate(given)]
    array = floats_in(given, what)
    if array.ndim != 3:
        one = f"; of one recording give a list of it, [{what}]" if array.ndim == 2 else ""
        raise UserError(
            f"{what} has shape {array.shape}; give (windows, {axes}), or a list of recordings ({axes}){one}"
        )
    return True, list(array)


def _check_emg(blocks: list[FloatArray], rate: float, kind: str) -> None:
    """Check shapes, rate and kind of EMG.

    Raises:
        UserError: the sentence says what is wrong.
    """
    if not blocks:
        raise UserError("emg holds no windows; give at least one")
    if not isinstance(rate, int | float | np.integer | np.floating) or not LOWEST_RATE <= rate < float("inf"):
        raise UserError(f"a rate of {rate!r}; give the EMG's samples per second, at least {LOWEST_RATE:g}")
    if kind not in ("raw", "envelope"):
        raise UserError(f"kind is {kind!r}; give 'raw' or 'envelope'")
    channels = len(blocks[0])
    for index, block in enumerate(blocks):
        if len(block) > block.shape[1]:
            raise UserError(
                f"emg[{index}] has {len(block)} channels of {block.shape[1]} samples; cpep takes (channels, "
                "samples), so transpose it: numpy.swapaxes(emg, -1, -2)"
            )
        if len(block) != channels:
            raise UserError(f"emg[{index}] has {len(block)} channels, and emg[0] has {channels}; give one device's")


def _anchor_unit(unit: str, kind: str) -> tuple[str, float]:
    """Return the unit of the anchor as it is stored, and the factor to it."""
    unit, times = converted(unit, KNOWN, "rad", "mm") if not kind or known_unit(unit) else (unit, 1.0)
    if kind:
        ANCHORS.get(kind).check_unit(unit)
    return unit, times


def _poses(pose: Any, lengths: list[int], rate: float, pose_rate: float | None) -> tuple[list[Any], float]:
    """Return the pose (joints, frames) of each window or recording, and its rate.

    Raises:
        UserError: a number of poses, joints or frames that does not fit.
    """
    _, poses = _blocks(pose, "pose", "joints, frames")
    if len(poses) != len(lengths):
        raise UserError(f"pose has {len(poses)} entries for {len(lengths)} of emg; give one for each")
    found = rate if pose_rate is None else float(pose_rate)
    if not 0 < found < float("inf"):
        raise UserError(f"a pose_rate of {pose_rate!r}; give the frames of the pose per second")
    for index, (joints, samples) in enumerate(zip(poses, lengths, strict=True)):
        frames, wanted = joints.shape[1], samples * found / rate
        near = POSE_SLACK * wanted + POSE_FRAMES
        if len(joints) != len(poses[0]):
            raise UserError(f"pose[{index}] has {len(joints)} joints, and pose[0] has {len(poses[0])}")
        if abs(frames - wanted) <= near:
            continue
        if abs(len(joints) - wanted) <= near:
            raise UserError(
                f"pose[{index}] has {len(joints)} joints of {frames} frames; cpep takes (joints, "
                "frames), so transpose it: numpy.swapaxes(pose, -1, -2)"
            )
        remedy = f"give pose_rate, such as {rate * frames / samples:g}" if pose_rate is None else "check pose_rate"
        raise UserError(
            f"pose[{index}] has {frames} frames, and {samples} samples of EMG last {wanted:.0f} frames at "
            f"{found:g} Hz; {remedy}, or fill what was not measured with NaN"
        )
    return list(poses), found


def _ring(ring: Any) -> tuple[int, ...]:
    """Return the ring as whole numbers.

    Raises:
        UserError: it is no list of whole numbers.
    """
    channels = array_in([] if ring is None else list(ring) if isinstance(ring, range) else ring, "ring")
    if channels.ndim != 1 or (channels != channels.round()).any():
        raise UserError(f"ring is {ring!r}; give a list of channels in their order around the arm")
    return tuple(int(channel) for channel in channels)


def _joints(names: Sequence[str] | None, columns: int) -> tuple[str, ...]:
    """Return the names of the columns of the anchor.

    Raises:
        UserError: another number of names than columns.
    """
    if names is None:
        return tuple(f"pose_{column}" for column in range(columns))
    if isinstance(names, str) or len(names) != columns:
        raise UserError(f"{len(names)} anchor_names for {columns} joints of the pose; give a list of one for each")
    if len(set(names)) != columns:
        twice = max(names, key=list(names).count)
        raise UserError(f"anchor_names holds {twice!r} more than once; give each joint its own name")
    return tuple(map(str, names))


def _remove(folder: Path, process: int) -> None:
    """Remove a temporary store; a forked process that ends leaves it to the one that made it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(says: list[Any], *parts: Sequence[Any]) -> str:
    """Return a hash of arrays and of what was said of them."""
    found = hashlib.sha256(repr(says).encode())
    for part in parts:
        for array in part:
            found.update(f"{array.shape}{array.dtype}".encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
