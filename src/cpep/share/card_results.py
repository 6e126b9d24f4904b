"""Results of a run as a section of a model card, without the names of people."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

from cpep.checkpoints.card import Card
from cpep.checkpoints.modelcard import names
from cpep.report.markdown import tables_markdown
from cpep.report.results import AGAIN, results_in
from cpep.types import UserError

PEOPLE = ("--test-users", "--val-users", "--users")
"""Options that name people; a public card leaves the names out."""


def read_results(path: Path, card: Card) -> dict[str, Any]:
    """Read results.json of the run that a checkpoint is from, or of its evaluation.

    Raises:
        UserError: another file, or results of a model that was trained on other people or gestures.
    """
    results = results_in(path) if path.suffix == ".json" else {}
    if "summary" not in results:
        raise UserError(f"{path} is no results.json of `cpep reproduce` or `cpep evaluate`; give one that is")
    if card.split:
        data, mine = results["data"], set(card.split["users_train"])
        people = any(set(fold["users_train"]) == mine for fold in data["folds"])
        if not people or data["gestures_seen"] != names(card, "seen"):
            raise UserError(
                f"{path} is of models trained on other people or gestures than this checkpoint; leave it out"
            )
    return results


def results_text(results: dict[str, Any]) -> str:
    """Return the section of results of a model card, from the content of results.json."""
    run, folds = results["run"], results["data"]["folds"]
    people = {user for fold in folds for user in fold["users_test"]}
    seeds = sorted({row["seed"] for row in results["rows"]})
    tables, several = tables_markdown(results), len(folds) * len(seeds) > 1
    words = [
        f"On {results['data']['name']}: {len(people)} people, each absent from the training of what is tested "
        f"on them; {len(folds)} fold(s), seed(s) {', '.join(map(str, seeds))}."
    ]
    if several:
        words.append("The weights here are of one fold and one seed of these.")
    words.append("Accuracies are balanced, with 95 % intervals over people.")
    if "; paper " in tables:
        words.append("`paper` is what the paper reports, on emg2pose.")
    made = f"Preset {run['preset']}, recipe {run['recipe']}, cpep {run['version']} {run['git']}".rstrip()
    return "\n\n".join(
        [
            " ".join(words),
            f"```\n{without_people(run['command'])}\n```",
            f"{made}; {run['machine']}; {run['seconds'] / 60:.0f} minutes.",
            tables,
        ]
    )


def without_people(command: str) -> str:
    """Return a command with a count in place of the people that it names.

    >>> without_people("cpep evaluate here there --test-users ann,bob")
    'cpep evaluate here there --test-users <2 people>'

    Raises:
        UserError: it is no command, so that nobody knows which words name people.
    """
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise UserError(f"the command in results.json is damaged ({error}): {command[:200]!r}; {AGAIN}") from error
    for before, part in pairwise(["", *parts]):
        option, sign, value = part.partition("=")
        if before in PEOPLE:
            command = command.replace(f"{before} {shlex.quote(part)}", f"{before} {_count(part)}")
        elif option in PEOPLE and sign:
            command = command.replace(shlex.quote(part), f"{option}={_count(value)}")
    return command


def _count(listed: str) -> str:
    return f"<{len([name for name in listed.split(',') if name.strip()])} people>"
