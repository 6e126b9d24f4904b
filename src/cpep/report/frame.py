"""Results of a run as a pandas DataFrame, a row a number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cpep.report.names import TOGETHER
from cpep.report.results import ERRORS, read_results

KEYS = ("model", "normalisation", "protocol", "gestures", "metric", "fold", "seed")
POOLED = (*KEYS, "value", "low", "high", "baseline", "people", "windows")
OF_PEOPLE = (*KEYS, "user", "value")
ACCURACIES = ("balanced_accuracy", "macro_f1")


def results(run: str | Path, *, people: bool = False) -> pd.DataFrame:
    """Return the results of a run as a tidy table: one number a row, and what it is of in the other columns.

    The tables that cpep prints are means of it::

        cpep.results("runs/demo/run").pivot_table("value", "model", ["metric", "protocol", "gestures"])

    ============== =================================================================================================
    column         what it holds
    ============== =================================================================================================
    model          row of the table: ``cpep``, ``features``, ``cpep/adapted``, ...
    normalisation  where centre and spread of a session come from: ``recording``, ``causal`` or ``none``
    protocol       ``linear_probe``, ``zero_shot``, ``few_shot_1``, ..., ``pose_error``, ``challenge``
    gestures       the set that is asked: ``seen``, ``unseen``, ``all``, ...
    metric         ``balanced_accuracy`` or ``macro_f1``, between 0 and 1; of seen and unseen gestures together, on
                   lines with gestures ``all``, ``harmonic_mean`` and ``ausuc``, between 0 and 1; for ``pose_error``
                   ``angular_error_deg`` (degrees), ``landmark_mm`` (mm) or ``pose_nrmse`` (RMSE over the SD of the
                   poses); for ``challenge`` ``angular_error_rad`` (rad)
    fold, seed     of the training
    user           with ``people``: the test person
    value          the number
    low, high      its 95 % interval, over the people of the fold; NaN where it has none
    baseline       what is reached without EMG: chance, or the error of the mean pose; NaN for ``macro_f1``
    people         test people whose windows are in the value
    windows        windows in it
    ============== =================================================================================================

    Args:
        run: output folder of `cpep reproduce`, `ablate` or `evaluate`, or the ``results.json`` in it.
        people: whether there is a row for each test person, with the person's ``balanced_accuracy``,
            ``harmonic_mean``, ``ausuc`` or pose error, in place
            of a row for all test people of a fold; ``low`` to ``windows`` are left out then.

    Raises:
        UserError: there is no ``results.json``, or another version of cpep wrote it.
    """
    rows = [line for row in read_results(Path(run))["rows"] for line in (_people(row) if people else _pooled(row))]
    return pd.DataFrame(rows, columns=list(OF_PEOPLE if people else POOLED))


def _pooled(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    low, high = row.get("ci95", (np.nan, np.nan))
    many = {"people": row["n_users"], "windows": row["n_windows"]}
    for metric in (name for name in (*ACCURACIES, *ERRORS) if name in row):
        line = {**_keys(row, metric), "value": row[metric], "low": np.nan, "high": np.nan, **many}
        line["baseline"] = row.get("mean_pose", {}).get(metric, np.nan)
        if "error_ci95" in row:
            line |= dict(zip(("low", "high"), row["error_ci95"], strict=True))
        if metric == "balanced_accuracy":
            line |= {"low": low, "high": high, "baseline": row["chance"]}
        yield line
    for metric in _together(row):
        low, high = row.get(f"{metric}_ci95", (np.nan, np.nan))
        keys = {**_keys(row, metric), "gestures": "all"}
        yield {**keys, "value": row[metric], "low": low, "high": high, "baseline": row[f"{metric}_chance"], **many}


def _people(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    metric = next(name for name in (*ACCURACIES, *ERRORS) if name in row)
    for user, value in row["per_user"].items():
        yield {**_keys(row, metric), "user": user, "value": value}
    for figure in _together(row):
        for user, value in row[f"{figure}_per_user"].items():
            yield {**_keys(row, figure), "gestures": "all", "user": user, "value": value}


def _together(row: dict[str, Any]) -> list[str]:
    """Return the figures of seen and unseen gestures together, of one of the two rows that have them."""
    return [metric for metric in TOGETHER.values() if metric in row and row["gestures"] == "unseen"]


def _keys(row: dict[str, Any], metric: str) -> dict[str, Any]:
    return {**{name: row[name] for name in KEYS if name != "metric"}, "metric": metric}
