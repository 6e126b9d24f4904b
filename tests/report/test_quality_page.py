from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cpep.data.inspect import inspect_folder
from cpep.data.readers.folder import find_recordings
from cpep.report import quality as page
from cpep.report.quality import write_quality
from cpep.report.session import label_spells, ranges, session_of
from tests.data.samples import write_generic
from tests.data.test_marks import posed
from tests.signal.emg import emg_like, hum, protocol

NAMES = {"0": "rest", **{str(k): f"g{k}" for k in range(1, 6)}}


def write(folder: Path, name: str, hums: int = -1, seconds: float = 10.0, **changes: object) -> None:
    """Write S1_2.npz: person S1, session 2; one channel may hum."""
    emg_TC = emg_like(500.0, seconds, seed=len(name))
    if hums >= 0:
        emg_TC[:, hums] += hum(500.0, len(emg_TC), 60.0, 3.0)[:, 0]
    sidecar: dict[str, object] = {
        "emg": {"field": "emg"}, "rate": 500, "kind": "raw", "unit": "mV",
        "user": {"pattern": "^([A-Za-z0-9]+)"}, "session": {"pattern": "_(.+)"},
        "label": {"field": "label", "names": NAMES},
    }  # fmt: skip
    write_generic(folder, sidecar | changes, name, emg=emg_TC, label=protocol(500.0, seconds))


def render(folder: Path, out: Path, **options: bool) -> str:
    write_quality(inspect_folder(folder), out, **options)
    return out.read_text(encoding="utf-8")


class Ids(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_begins_with_the_verdict_and_needs_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "in", "S1_1")
    write(tmp_path / "in", "S2_<1>", hums=2)
    (tmp_path / "in" / "bad.hdf5").touch()
    text = render(tmp_path / "in", tmp_path / "page.html")
    order = [
        text.index(part)
        for part in ("Unusable", "is not an HDF5 file", "Unusual, but usable", "Channel 3 of S2", "Overview")
    ]
    assert order == sorted(order)
    assert "S2_<1>" not in text and "&lt;1&gt;" in text
    parser = Ids()
    parser.feed(text)
    assert not [a for _, a in parser.tags if a.get("src") or (a.get("href") or "").startswith("http")]
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)
    assert text.count('class="band marked"') == 2  # channel 3 in the session and from near
    assert "nan" not in "".join(re.findall(r' (?:d|points)="([^"]*)"', text))


def test_a_clean_folder_says_so(tmp_path: Path) -> None:
    recording = posed(0.055, 500.0)
    assert recording.anchor_SJ is not None
    sidecar: dict[str, object] = {
        "emg": {"field": "emg"}, "rate": 500, "kind": "raw", "unit": "mV", "user": "u",
        "label": {"field": "label", "names": NAMES},
        "pose": {"field": "pose", "rate": 100, "unit": "rad", "names": list("abcdef")},
    }  # fmt: skip
    pose = recording.anchor_SJ.copy()
    pose[1000:1500] = np.nan
    write_generic(tmp_path / "in", sidecar, "r", emg=recording.emg_TC, label=recording.label_T, pose=pose)
    text = render(tmp_path / "in", tmp_path / "page.html")
    assert "Nothing odd was found." in text and "Unusual, but usable" not in text
    assert "pose invalid" in text and "EMG changes 5" in text and 'class="usual"' in text
    assert text.count('class="curve pose-line"') == 6


def test_the_worst_and_some_typical_sessions_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(8):
        write(tmp_path / "in", f"S{k}_1", hums=k if k in (3, 6) else -1)
    monkeypatch.setattr(page, "SHOWN", 4)
    monkeypatch.setattr(page, "TYPICAL", 2)
    text = render(tmp_path / "in", tmp_path / "page.html")
    drawn = re.findall(r"<h3>(S\d) · 1 <span", text)
    assert len(drawn) == 4 and {"S3", "S6"} < set(drawn) and drawn == sorted(drawn)
    assert "4 of 8 sessions are drawn: the worst, and 2 typical ones" in text
    assert len(re.findall(r"<h3>S\d · 1 <span", render(tmp_path / "in", tmp_path / "all.html", everything=True))) == 8


def test_a_session_is_its_recordings_one_after_the_other(tmp_path: Path) -> None:
    for k in range(3):
        write(tmp_path, f"S1_{k}", seconds=10.0 + k, session="day")
    sources = find_recordings(tmp_path)
    session = session_of(sources, ["S1_0", "S1_2"], 22.0)
    assert session.seconds == 22.0 and session.edges == [10.0] and len(session.measures) == 2
    first, last = (sources[k].parts()[0] for k in (0, 2))
    assert session.labels == label_spells(first) + [(10 + a, 10 + b, name) for a, b, name in label_spells(last)]
    assert abs(len(session.low_KC) - 560) <= 2


def test_ranges_against_loops() -> None:
    emg_TC = np.random.default_rng(0).normal(size=(97, 3))
    low_KC, high_KC = ranges(emg_TC, 10)
    starts = [k * 97 // 10 for k in range(10)]
    for k, (start, end) in enumerate(zip(starts, [*starts[1:], 97], strict=True)):
        np.testing.assert_array_equal(low_KC[k], emg_TC[start:end].min(axis=0))
        np.testing.assert_array_equal(high_KC[k], emg_TC[start:end].max(axis=0))


def test_many_channels_and_recordings_without_labels(tmp_path: Path) -> None:
    emg_TC = emg_like(500.0, 8.0, channels=64)
    emg_TC[:, 40] = 0
    sidecar: dict[str, object] = {"emg": {"field": "emg"}, "rate": 500, "kind": "raw", "unit": "mV", "user": "u"}
    write_generic(tmp_path / "in", sidecar, "r", emg=emg_TC)
    text = render(tmp_path / "in", tmp_path / "page.html")
    assert "of 64 channels are drawn" in text and ">41</text>" in text
    write_generic(tmp_path / "short", sidecar, "r", emg=emg_TC[:300, :4])
    assert "R is too short: 0.60 s" in render(tmp_path / "short", tmp_path / "page.html")


def test_a_folder_without_a_readable_recording_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "bad.hdf5").touch()
    text = render(tmp_path, tmp_path / "page.html")
    assert "is not an HDF5 file" in text and "0 by 0 users" in text
