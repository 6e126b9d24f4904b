"""A protocol of evaluation from outside of the package: one file of one's own, named in CPEP_PLUGINS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.one_core import CPEP
from tests.synthetic import write_db1

PLUGIN = '''
"""Answers every test person's window by the nearest mean of training people's windows of a gesture."""

import numpy as np

from cpep.plugins import EMG, PROTOCOLS, Protocol


class NearestMean(Protocol):
    name, title = "nearest_mean", "nearest mean"
    sets = ("all",)
    needs = (EMG,)
    term = "Nearest mean"
    words = "A window takes the gesture whose mean over training people is nearest."

    def run(self, given):
        labels = self.asked(given)["all"]
        train, test = (given.part(EMG, role, labels) for role in ("train", "test"))
        mean_KD = np.stack([train.x_ND[train.label_N == label].mean(axis=0) for label in labels])
        away_NK = ((test.x_ND[:, None] - mean_KD) ** 2).sum(axis=2)
        yield self.outcome(given, "all", test, np.array(labels)[away_NK.argmin(axis=1)])


PROTOCOLS.add("nearest_mean", NearestMean())
'''


def test_a_protocol_of_ones_own_is_in_results_table_and_page(tmp_path: Path) -> None:
    raw, out = write_db1(tmp_path / "raw", users=5), tmp_path / "out"
    (tmp_path / "my_protocol.py").write_text(PLUGIN)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [*CPEP, "reproduce", "--data", str(raw), "--out", str(out)]
    command += ["--preset", "tiny", "--models", "features", "--unseen", "3,6"]
    command += ["--set", "evaluate.protocols=[zero_shot,linear_probe,nearest_mean]"]
    env = {**os.environ, "CPEP_PLUGINS": "my_protocol", "PYTHONPATH": path}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    found = {(row["model"], row["protocol"], row["gestures"]): row for row in results["rows"]}
    assert list(found) == [
        ("features", "linear_probe", "seen"),
        ("features", "linear_probe", "unseen"),
        ("features", "nearest_mean", "all"),
    ]
    row = found["features", "nearest_mean", "all"]
    assert row["chance"] == round(1 / 12, 4) and row["balanced_accuracy"] > 2 * row["chance"]
    head = next(line for line in done.stdout.splitlines() if "linear probe" in line)
    assert head.split("  ")[-1].strip() == "nearest mean"
    page = (out / "report.html").read_text()
    assert "<dt>Nearest mean</dt><dd>A window takes the gesture" in page and "<dt>Zero-shot</dt>" not in page
