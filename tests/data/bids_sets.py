"""Small EMG-BIDS data sets, written by edfio, for tests of the reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from edfio import Bdf, BdfSignal, Edf, EdfAnnotation, EdfSignal

from cpep.data.bids.files import tsv
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Recording

EMG_JSON: dict[str, object] = {
    "TaskName": "grasp",
    "SamplingFrequency": 1000,
    "EMGReference": "n/a",
    "HandSide": "left",
}


def write_signals(
    path: Path,
    columns: Mapping[str, tuple[str, np.ndarray]],
    rate: float = 1000.0,
    rates: Mapping[str, float] | None = None,
    annotations: Sequence[EdfAnnotation] | None = None,
    record_s: float = 1.0,
) -> Path:
    """Write channels (unit and samples, by label) as .bdf or .edf; the samples must fill whole data records."""
    kind, file = (BdfSignal, Bdf) if path.suffix == ".bdf" else (EdfSignal, Edf)
    signals = []
    for label, (unit, values) in columns.items():
        most = float(np.abs(values).max()) or 1.0
        signals.append(
            kind(
                values.astype(np.float64),
                (rates or {}).get(label, rate),
                label=label,
                physical_dimension=unit,
                physical_range=(-most, 2 * most),
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    file(signals, annotations=annotations, data_record_duration=record_s).write(path)
    return path


def emg(channels: int = 3, samples: int = 3000, seed: int = 0, scale: float = 50.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (samples, channels)).astype(np.float32)


def as_columns(
    emg_TC: np.ndarray, unit: str = "uV", **more: tuple[str, np.ndarray]
) -> dict[str, tuple[str, np.ndarray]]:
    return {f"emg{k}": (unit, emg_TC[:, k]) for k in range(emg_TC.shape[1])} | more


def write_set(
    top: Path,
    emg_TC: np.ndarray | None = None,
    *,
    stem: str = "sub-01_task-grasp",
    unit: str = "uV",
    columns: Mapping[str, tuple[str, np.ndarray]] | None = None,
    channels: Sequence[Mapping[str, str]] | None = None,
    said: Mapping[str, object] | None = None,
    events: Sequence[Sequence[str]] = (),
    ending: str = ".bdf",
    **signals: object,
) -> Path:
    """Write one recording with its sidecars and return the path of its signals.

    ``events`` has a first row of names; ``channels`` is channels.tsv, by default of the types that labels tell.
    """
    columns = columns or as_columns(emg() if emg_TC is None else emg_TC, unit)
    parts = [part for part in stem.split("_") if part.startswith(("sub-", "ses-"))]
    folder = top.joinpath(*parts, "emg")
    path = write_signals(folder / f"{stem}_emg{ending}", columns, **signals)  # type: ignore[arg-type]
    (folder / f"{stem}_emg.json").write_text(json.dumps({**EMG_JSON, **(said or {})}))
    if channels is None:
        channels = [
            {"name": name, "type": "EMG" if name.startswith("emg") else "MISC", "units": unit or "n/a"}
            for name, (unit, _) in columns.items()
        ]
    if channels:
        rows = [list(channels[0]), *(list(row.values()) for row in channels)]
        (folder / f"{stem}_channels.tsv").write_text(tsv(rows))
    if events:
        (folder / f"{stem}_events.tsv").write_text(tsv(events))
    return path


def read_set(top: Path) -> Recording:
    """Read the only recording of a data set, which is whole."""
    (source,) = find_recordings(top)
    (recording,) = source.parts()
    return recording
