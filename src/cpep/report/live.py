"""The page of live scores, and their lines for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cpep.evaluate.events import NOTHING
from cpep.report.page import write_page
from cpep.report.plots import heat, reliability_diagram

STARRED = "* In recordings whose gestures are all in the book."


def write_live_report(results: dict[str, Any], path: Path) -> None:
    """Write ``live.html``: figures, confusion matrix and reliability diagram; nothing is loaded from elsewhere."""
    events = results["events"]
    names = events["confusion"]["names"]
    counts_KA = np.array(events["confusion"]["counts"], float).reshape(len(names), len(names) + 1)
    write_page(
        "live.html.jinja",
        path,
        results=results,
        lines=live_lines(results),
        starred=STARRED,
        confusion=heat(counts_KA, names, [*names, NOTHING], 0, "Gestures made, and what was told", "gestures"),
        reliability=reliability_diagram(events["calibration"]) if events["calibration"] else "",
    )


def live_lines(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the figures as (what, figure, explanation)."""
    events, windows, book = results["events"], results["windows"], results["book"]
    latency = events["latency_s"]
    lines = [
        ("F1 of events *", _interval(events["f1"]), "mean over gestures"),
        (
            "windows, as told *",
            _share(windows["told"]),
            "balanced accuracy of single windows; rejecting one is wrong",
        ),
        ("windows, likeliest *", _share(windows["named"]), "the same, where none may be rejected"),
        ("onset latency *", _latency(latency), "median and 90th percentile, from the beginning of the movement"),
    ]
    if events["calibration"]:
        lines.append(
            (
                "calibration error *",
                _share(events["calibration"]["ece"]),
                "of the confidence of events, ECE",
            )
        )
    lines += [
        (
            "F1, all recordings",
            _interval(events["f1_of_all_recordings"]),
            "with gestures that the book lacks",
        ),
        ("false events in rest", _interval(events["false_events_per_minute_of_rest"], 2), "per minute of rest"),
        ("rejected", _interval(events["rejected"]), "of gestures that the book lacks, those that raised no event"),
    ]
    if book["false_alarms"] is not None:
        stated, of_the_book = "windows accepted, outside", "windows accepted, inside"
        lines += [
            (stated, _share(book["false_alarms"]), "validation people's windows of no gesture of the book"),
            (of_the_book, _share(book["accepted"]), "validation people's windows that show a gesture of the book"),
        ]
    return lines


def live_text(results: dict[str, Any]) -> str:
    """Return the figures for the terminal."""
    lines = live_lines(results)
    wide = max(len(what) for what, _, _ in lines)
    far = max(len(figure) for _, figure, _ in lines)
    rows = "\n".join(f"{what:<{wide}}  {figure:<{far}}  {why}" for what, figure, why in lines)
    events = results["events"]
    people = f"{events['people']} people, {events['recordings']} recordings; 95 % intervals over people."
    return f"{rows}\n\n{people}\n{STARRED}"


def _interval(figure: dict[str, float | None], digits: int = 3) -> str:
    if figure["mean"] is None:
        return "-"
    return f"{figure['mean']:.{digits}f} ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _latency(latency: dict[str, float | None]) -> str:
    return "-" if latency["p50"] is None else f"{latency['p50']:.2f} s, {latency['p90']:.2f} s"
