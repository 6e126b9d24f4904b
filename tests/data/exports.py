"""Files as recording programs write them, of a signal that is known; see ``cpep.data.describe.presets``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cpep.types import FloatArray, IntArray


def protocol(rate: float, gestures: int = 2, hold_s: float = 1.5, times: int = 2) -> IntArray:
    """Return labels (T,): rest, then gestures 1, 2, ... with a rest after each, several times."""
    order = [0, *[value for _ in range(times) for gesture in range(1, gestures + 1) for value in (gesture, 0)]]
    return np.repeat(order, round(hold_s * rate))


def emg(label_T: IntArray, channels: int, seed: int = 0) -> FloatArray:
    """Return EMG (T, C) in microvolts, five times as strong in a gesture, and each gesture on channels of its own."""
    rng = np.random.default_rng(seed)
    gain_KC = 1 + 4 * rng.uniform(0.5, 1, (int(label_T.max()) + 1, channels))
    gain_KC[0] = 1
    return rng.normal(0, 20, (len(label_T), channels)) * gain_KC[label_T]


def openbci(path: Path, emg_TC: FloatArray, rate: float = 250, stamps: FloatArray | None = None) -> Path:
    """Write a recording of the OpenBCI GUI (v5 and later)."""
    rows, channels = emg_TC.shape
    stamps = 1.7e9 + np.arange(rows) / rate if stamps is None else stamps
    names = [
        "Sample Index",
        *[f"EXG Channel {k}" for k in range(channels)],
        *[f"Accel Channel {k}" for k in range(3)],
        *["Other"] * 7,
        *[f"Analog Channel {k}" for k in range(3)],
        "Timestamp",
        "Marker Channel",
        "Timestamp (Formatted)",
    ]
    head = [
        "%OpenBCI Raw EXG Data",
        f"%Number of channels = {channels}",
        f"%Sample Rate = {rate:g} Hz",
        "%Board = OpenBCI_GUI$BoardCytonSerial",
        ", ".join(names),
    ]
    for k in range(rows):
        values = [f"{value:.6f}" for value in emg_TC[k]]
        rest = ["0.0"] * 3 + ["0.0"] * 7 + ["0.0"] * 3
        time = f"2024-05-01 12:{k // 60 % 60:02d}:{k % 60:02d}.000"
        head.append(", ".join([f"{k % 256}.0", *values, *rest, f"{stamps[k]:.6f}", "0.0", time]))
    path.write_text("\n".join(head) + "\n")
    return path


def old_openbci(path: Path, emg_TC: FloatArray) -> Path:
    """Write a recording of the OpenBCI GUI before v5, whose columns have no names."""
    lines = [
        "%OpenBCI Raw EEG Data",
        f"%Number of channels = {emg_TC.shape[1]}",
        "%Sample Rate = 250.0 Hz",
        "%First Column = SampleIndex",
        "%Last Column = Timestamp",
        "%Other Columns = EEG data in microvolts followed by Accel Data (in G) interleaved with Aux Data",
    ]
    for k, row in enumerate(emg_TC):
        values = ", ".join(f"{value:.2f}" for value in row)
        lines.append(f"{k % 256}, {values}, 0.000, 0.000, 0.000, 15:31:{23 + k // 250}.{k % 250 * 4:03d}")
    path.write_text("\n".join(lines) + "\n")
    return path


def brainflow(path: Path, emg_TC: FloatArray, columns: int = 24, clock: int = 22, rate: float = 250) -> Path:
    """Write a file of BrainFlow's ``DataFilter.write_file`` for a Cyton."""
    rows, channels = emg_TC.shape
    table = np.zeros((rows, columns))
    table[:, 0] = np.arange(rows) % 256
    table[:, 1 : 1 + channels] = emg_TC
    table[:, clock] = 1.7e9 + np.arange(rows) / rate
    np.savetxt(path, table, delimiter="\t", fmt="%.6f")
    return path


def myo(path: Path, emg_TC: FloatArray, label_T: IntArray, *, header: bool = True) -> Path:
    """Write a raw recording of a Myo: signed bytes, two samples a stamp; or columns without names and clock."""
    signed = np.clip(np.rint(emg_TC), -128, 127).astype(int)
    stamp = 1_500_000_000_000_000 + np.arange(len(signed)) // 2 * 10_000
    rows = [
        ",".join(map(str, [stamp[k], *row, label_T[k]] if header else [*row, label_T[k]]))
        for k, row in enumerate(signed)
    ]
    names = ["timestamp," + ",".join(f"emg{k}" for k in range(1, 9)) + ",label"] if header else []
    path.write_text("\n".join([*names, *rows]) + "\n")
    return path


def mindrove(path: Path, emg_TC: FloatArray, devices: int = 1) -> Path:
    """Write an export of MindRove: lines on the devices, then tabs."""
    lines = [f"Device {k + 1}: armband" for k in range(devices)]
    channels = [f"Channel{k}" for k in range(1, 9)]
    lines.append(
        "\t".join(["Device number", *channels, "GyroX", "GyroY", "GyroZ", "AccX", "AccY", "AccZ", "Timestamp"])
    )
    for k, row in enumerate(emg_TC):
        values = [f"{value:.4f}" for value in row]
        lines.append("\t".join([str(k % devices + 1), *values, *["0.1"] * 6, f"{1.7e9 + k / 500:.4f}"]))
    path.write_text("\n".join(lines) + "\n")
    return path


def _delsys_cells(emg_TC: FloatArray, rates: Sequence[float], per_volt: float, comma: bool) -> list[list[str]]:
    """Return (time, value) pairs for every EMG channel and an accelerometer of 148.148 Hz beside each."""
    pairs: list[tuple[FloatArray, FloatArray]] = []
    for channel, rate in enumerate(rates):
        rows = round(len(emg_TC) * rate / max(rates))
        pairs.append((np.arange(rows) / rate, emg_TC[:rows, channel] * per_volt))
        slow = round(rows * 148.148 / rate)
        pairs.append((np.arange(slow) / 148.148, np.full(slow, 0.98)))
    longest = max(len(times) for times, _ in pairs)
    table = []
    for k in range(longest):
        row = []
        for times, values in pairs:
            row += [f"{times[k]:.6f}", f"{values[k]:.9g}"] if k < len(times) else ["", ""]
        table.append([cell.replace(".", ",") for cell in row] if comma else row)
    return table


def emgworks(path: Path, emg_TC: FloatArray, rate: float = 1925.926, *, comma: bool = False) -> Path:
    """Write an export of Delsys EMGworks: a line on each channel, then times and values of each channel."""
    lines, names = [], []
    for k in range(emg_TC.shape[1]):
        for what, unit, hz in ((f"EMG {k + 1}", "V", rate), (f"ACC.X {k + 1}", "g", 148.148)):
            label = f"Avanti sensor {k + 1}: {what}"
            lines.append(
                f"Label: {label} Sampling frequency: {hz:.3f} Number of points: {len(emg_TC)} start: 0 "
                f"Unit: {unit} Domain Unit: s"
            )
            names += ["X [s]", f"{label} [{unit}]"]
    separator = ";" if comma else ","
    table = _delsys_cells(emg_TC, [rate] * emg_TC.shape[1], 1e-6, comma)
    path.write_text("\n".join([*lines, *[separator.join(row) for row in [names, *table]]]) + "\n")
    return path


def discover(path: Path, emg_TC: FloatArray, rates: Sequence[float]) -> Path:
    """Write an export of Trigno Discover: eight lines, the names of all sensors alike."""
    sensors, modes, names, hertz, periods = [], [], [], [], []
    for k, rate in enumerate(rates):
        sensors += [f"Avanti Sensor {k + 1} ({75923 + k})", "", "", ""]
        modes += ["sensor mode: 65", "", "", ""]
        names += ["EMG 1 Time Series (s)", "EMG 1 (mV)", "ACC X Time Series (s)", "ACC X (G)"]
        hertz += ["", f"{rate:.4f} Hz", "", "148.1481 Hz"]
        periods += ["", f"{1 / rate:.6f} s", "", "0.00675 s"]
    head = [
        ["Application:", "Trigno Discover (1.7.0)"],
        ["Date/Time:", "5/1/2024 12:00:00 PM"],
        ["Collection Length (seconds):", f"{len(emg_TC) / max(rates):.3f}"],
        sensors,
        modes,
        names,
        hertz,
        periods,
    ]
    table = _delsys_cells(emg_TC, rates, 1e-3, comma=False)
    path.write_text("\n".join(",".join(row) for row in [*head, *table]) + "\n")
    return path
