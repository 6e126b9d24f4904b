"""The files of a run: results and details, rows of folds, states of stages, and a whole folder that goes on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from cpep.cli.commands.figures import figures
from cpep.cli.commands.tables import table
from cpep.config.presets import preset
from cpep.data.store.prepare import prepare
from cpep.experiments import pipeline
from cpep.experiments.evaluators import Evaluation
from cpep.experiments.fold import Fold, evaluated, save_row
from cpep.experiments.runs import Request
from cpep.report import results as files
from cpep.report.frame import results
from cpep.report.html import write_report
from cpep.runtime.files import write_json
from cpep.share.card_results import read_results, results_text
from tests.experiments.test_results import CURVE, found, of_both
from tests.fuzz.formats import Format
from tests.report.fake_evaluation import everything
from tests.synthetic import write_db1
from tests.train.test_loop import Toy

SOME = ("cpep", "features", "ridge", "pose", "cpep/shuffled_pairs", "cpep/avg_pool", "vemg2pose", "emg2pose")


def finished(folder: Path) -> None:
    """Write results and details of a run of some models of each kind."""
    made, details = everything(folds=1, users=4, windows=3)
    kept = [k for k, row in enumerate(made["rows"]) if row["model"] in SOME]
    made["rows"] = [made["rows"][k] for k in kept]
    made["training"] = [one for one in made["training"] if one["model"] in SOME]
    made["comparisons"] = [one for one in made["comparisons"] if one["other"] in SOME]
    details["confusion"] = [
        one | {"row": kept.index(one["row"])} for one in details["confusion"] if one["row"] in kept
    ]
    made["summary"] = [
        {"model": "cpep", "protocol": "zero_shot", "gestures": "seen", "balanced_accuracy": 0.5, "ci95": [0.4, 0.6]}
        | {"people": 4, "seeds": [0]}
    ]
    write_json(folder / "results.json", made)
    write_json(folder / "details.json", details)


def tabled(folder: Path, out: Path) -> None:
    """Print the tables in all forms, and the numbers as a DataFrame; an error of one form hides none of another."""
    table(folder)
    table(folder, markdown=True)
    table(folder, latex=True)
    results(folder)
    results(folder, people=True)


def carded(folder: Path, out: Path) -> None:
    """Make the section of results of a model card, as `cpep push --results` does."""
    card: Any = SimpleNamespace(split={})
    results_text(read_results(folder / "results.json", card))


def drawn(folder: Path, out: Path) -> None:
    """Draw the figures."""
    figures(folder, out / "figures", form="svg", only="confusion-cpep-zero*,map-*,losses*")


def reported(folder: Path, out: Path) -> None:
    """Write the report."""
    results = files.read_results(folder)
    write_report(results, files.read_details(folder, results), out / "report.html")


def rows(folder: Path) -> None:
    """Write the rows of a fold."""
    names, curve = ("rest", "fist", "point"), {**CURVE, "stage": "emg_mae", "points": [], "kept_step": 0}
    for model, predicted in (("cpep", [1, 2]), ("cpep/window_0.5s", [1, 1])):
        training = {"parameters": 3, "steps": 2, "gflop": 0.1, "share": 0.5, "stopped": "steps"}
        save_row(folder, f"key of {model}", model, found(predicted), names, "recording", [curve], training)
    save_row(folder, "key of ridge", "ridge", Evaluation(of_both()), names, "recording", [], {})


def read_rows(folder: Path, out: Path) -> None:
    """Read them as a run does that goes on."""
    evaluated(folder, "cpep", "key of cpep")
    Fold.read(folder, 0, 0, ("cpep", "cpep/window_0.5s", "ridge"))


def state(folder: Path) -> None:
    """Write the state of a stage that was stopped."""
    with suppress(KeyboardInterrupt):
        Toy(die_at=13).fit(folder / "state.safetensors")


def resumed(folder: Path, out: Path) -> None:
    """Go on from it."""
    Toy().fit(folder / "state.safetensors")


def _request(folder: Path) -> Request:
    sets = ["threads=1", "emg_mae.optim.steps=2", "pose_mae.optim.steps=2", "align.optim.steps=2"]
    # it is named in run.json, so it lies where it lay
    return Request(
        STORE["path"], folder / "run", preset("tiny", sets), models=("cpep", "features"), unseen=("3", "6")
    )


STORE: dict[str, Path] = {}
"""Where the store of the run lies, once it is made."""


def run(folder: Path) -> None:
    """Write the folder of a run of one fold."""
    STORE["path"] = folder.with_name("run-store") / "store"
    prepare(write_db1(folder.with_name("run-store") / "raw", users=5), STORE["path"])
    _reproduce(folder)


def goes_on(folder: Path, out: Path) -> None:
    """Give the same command again."""
    _reproduce(folder)


def _reproduce(folder: Path) -> None:
    """Make all jobs in this process: a pool would import torch anew for each trial."""
    with mock.patch.object(pipeline, "cores", return_value=1):
        pipeline.reproduce(_request(folder), lambda _: None)


FORMATS = {
    "results-table": Format(finished, tabled, ("results.json",)),
    "results-card": Format(finished, carded, ("results.json",)),
    "results-report": Format(finished, reported),
    "results-figures": Format(finished, drawn),
    "rows": Format(rows, read_rows),
    "state": Format(state, resumed, ("*.safetensors",), changes=True),
    "run": Format(run, goes_on, ("run/run.json", "*/stage.json", "*/rows/*", "*/checkpoint/*"), changes=True),
}
