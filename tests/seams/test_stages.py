"""A stage, a term of the objective and rows of a module outside the package, from the command to the report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.one_core import CPEP
from tests.synthetic import write_db1

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "CPEP_PLUGINS": "tests.seams.my_stage", "OMP_NUM_THREADS": "1"}


def cpep(*argv):
    """Run a command in a process of its own, which loads the module by CPEP_PLUGINS."""
    done = subprocess.run(
        [*CPEP, *map(str, argv)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_db1(tmp_path_factory.mktemp("seam") / "raw", users=8)


def test_a_stage_a_term_and_rows_of_ones_own_run_from_the_command_to_the_report(raw, tmp_path):
    out = tmp_path / "out"
    asked = ("--data", raw, "--out", out, "--preset", "tiny", "--unseen", "3,6,9,12")
    said = cpep("reproduce", *asked, "--models", "two_views,cpep/spread")
    results = json.loads((out / "results.json").read_text())
    assert {row["model"] for row in results["rows"]} == {"two_views", "cpep/spread"}
    assert "two_views" in said and "every dimension of the embedding" in (out / "report.html").read_text()
    (folder,) = (out / "fold0" / "seed0").glob("cpep-*")
    config = json.loads((folder / "checkpoint" / "config.json").read_text())["config"]
    assert config["align"]["objective"]["terms"] == ["spread=0.5"]
    note = json.loads((out / "fold0" / "seed0" / "two_views" / "stage.json").read_text())
    assert note["gflop"] > 0 and note["stopped"] == "steps"
    again = cpep("evaluate", out / "fold0" / "seed0" / "two_views" / "checkpoint", raw, tmp_path / "evaluated")
    assert "two_views" in again


@pytest.mark.slow  # it measures steps: 15 s that CI lacks
def test_groups_and_the_dry_run_know_rows_of_ones_own(raw):
    said = cpep("reproduce", "--data", raw, "--preset", "tiny", "--dry-run", "--models", "two_views,cpep/spread")
    assert "\ntwo_views " in said and "cpep of cpep/spread" in said
    code = "import json; from cpep.config.rows import groups; print(json.dumps(groups()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert "two_views" in found["all"] and "cpep/spread" in found["objectives"]
