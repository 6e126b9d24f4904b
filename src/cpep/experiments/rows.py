"""The rows of a table under the settings of a run: the stages that each row needs, and which stages rows share."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cpep.config.presets import override
from cpep.config.rows import ROWS, Costs, Row, groups
from cpep.config.schema import RunConfig
from cpep.config.serialise import fingerprint
from cpep.data.splits import Split, nested
from cpep.data.store.store import Store
from cpep.experiments.asked import listed
from cpep.train.stage import STAGES, Stage
from cpep.types import UserError


@dataclass(frozen=True)
class StageRun:
    """A stage under the settings of a row.

    Attributes:
        stage: the stage.
        config: settings of the row.
        starts: stages that it starts from.
    """

    stage: Stage
    config: RunConfig
    starts: tuple[StageRun, ...] = ()

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.stage.name

    @property
    def settings(self) -> list[Any]:
        """All settings on which its result depends, including those of the stages before it."""
        return [self.stage.settings(self.config), *(start.settings for start in self.starts)]

    def folder(self, base: RunConfig) -> str:
        """Return the name of its folder: the stage, and a hash where settings differ from those of the run."""
        own, usual = fingerprint(self.settings), fingerprint(stage_run(self.name, base).settings)
        return self.name if own == usual else f"{self.name}-{own[:6]}"

    def chain(self) -> list[StageRun]:
        """Return the stages that it starts from and itself, in the order of training."""
        return [*(one for start in self.starts for one in start.chain()), self]


@dataclass(frozen=True)
class RowRun:
    """A row under the settings of a run.

    Attributes:
        row: the declared row.
        config: settings of the run with the changes of this row.
    """

    row: Row
    config: RunConfig

    @property
    def name(self) -> str:
        """Name of the row."""
        return self.row.name

    @property
    def last(self) -> StageRun | None:
        """The stage whose checkpoint is evaluated; a row without a network has none."""
        return stage_run(self.row.stage, self.config) if self.row.stage else None

    def choice(self, split: Split) -> StageRun | None:
        """Return the stage whose model chooses its read-outs; ``None`` if it has none, or too few people for it."""
        return stage_run(self.row.choice, self.config) if self.row.choice and nested(split) else None

    def chain(self) -> list[StageRun]:
        """Return its stages in the order of training."""
        return self.last.chain() if self.last else []


def stage_run(name: str, config: RunConfig) -> StageRun:
    """Return a stage with the stages that it starts from.

    Raises:
        UserError: there is no such stage.
    """
    stage = STAGES.get(name)
    return StageRun(stage, config, tuple(stage_run(start, config) for start in stage.starts(config)))


def names_of(asked: Sequence[str], anchored: bool = True) -> tuple[str, ...]:
    """Return names of rows, each once; ``default``, ``all``, ``ablations`` and ``objectives`` stand for several.

    Args:
        asked: names of rows and of groups.
        anchored: see ``groups``.

    Raises:
        UserError: there is no such row; the nearest is named.
    """
    known, several = ROWS.names(), groups(anchored)
    names: dict[str, None] = {}
    for name in asked:
        if name not in known and name not in several:
            near = difflib.get_close_matches(name, [*known, *several], n=1, cutoff=0.0)[0]
            raise UserError(f"no model {name}; did you mean {near}? There are {', '.join(sorted(known))}")
        names |= dict.fromkeys(several.get(name, (name,)))
    return tuple(names)


def rows_for(asked: Sequence[str], store: Store, config: RunConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the rows that recordings allow, and of those that are left out for want of an anchor.

    Rows that a group stands for are left out where the recordings have no anchor and the rows need one.

    Args:
        asked: names of rows and of groups.
        store: the recordings.
        config: settings of the run.

    Raises:
        UserError: there is no such row; or a row that is asked for by its name, or all rows of a group, need an
            anchor that is not there.
    """
    names = names_of(asked)
    if store.anchor_MJ is not None:
        return names, ()
    by_name = [name for name in asked if name in ROWS]
    refused = [name for name in by_name if needs_anchor(name, config)]
    made = tuple(name for name in names_of(asked, anchored=False) if not needs_anchor(name, config))
    if refused or not made:
        needed = "all rows asked for need"
        if refused:
            needed = f"the row {refused[0]} needs" if len(refused) == 1 else f"the rows {', '.join(refused)} need"
        able = ",".join(name for name in ROWS.names() if not needs_anchor(name, config))
        raise UserError(
            f"{store.path} has no pose, nor another anchor, which {needed}; `cpep reproduce --models {able}` takes "
            "rows that need none"
        )
    return made, tuple(name for name in names if name not in made)


def left_out(bare: Sequence[str]) -> list[str]:
    """Return a sentence on the rows that are left out for want of an anchor; none where there are none."""
    return [f"rows left out, as they need a pose: {listed(bare)}"] if bare else []


def needs_anchor(name: str, config: RunConfig) -> bool:
    """Tell whether a row reads an anchor: by itself, or in a stage that it is trained by."""
    row = ROWS.get(name)
    chain = stage_run(row.stage, config).chain() if row.stage else []
    return row.needs_anchor or any(one.stage.needs_anchor for one in chain)


def row_of(name: str, config: RunConfig, costs: Costs = lambda _: {}) -> RowRun:
    """Return a row under the settings of a run.

    Args:
        name: name of the row.
        config: settings of the run.
        costs: from settings to the cost of the stages, for rows whose changes depend on it.

    Raises:
        UserError: there is no such row, or its changes do not fit the settings of the run.
    """
    row = ROWS.get(name)
    try:
        return RowRun(row, override(config, row.changes_of(config, costs)))
    except UserError as error:
        raise UserError(f"{name} cannot be derived from these settings: {error}") from error
