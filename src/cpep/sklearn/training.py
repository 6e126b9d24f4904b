"""An encoder that is trained on arrays, by the stages of ``cpep train``, in a folder that goes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cpep.checkpoints.checkpoint import Model, load
from cpep.config.presets import override, preset
from cpep.config.schema import RunConfig
from cpep.data.arrays import from_arrays
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.hand.joints import JOINTS
from cpep.train.running import run
from cpep.train.stage import STAGES, chain
from cpep.train.task import Task
from cpep.types import BoolArray, EmgKind, FloatArray, StrArray, UserError

FEWEST_PEOPLE = 3
"""So many people, and some of them validate; of fewer, the end of what each person made of each class."""
SHARE = 0.2
"""Share of people, or of the windows of a person, that validate."""
TOKEN_MS, BIN_MS = 100.0, 50.0
"""Longest token and bin; a window has at least four tokens, and a token two bins."""
FEWEST_FRAMES = 2
"""Shorter windows have one token, of which none can be hidden."""
STEPS = {"emg_mae": 300, "pose_mae": 200, "align": 160}
"""Steps of the stages under the preset ``small``, as in `cpep train`."""
NOBODY = "held out by the caller"
"""Test people of the split: those whom scikit-learn does not show to ``fit``."""
_TRAIN, _VALIDATE = " (train)", " (validate)"


@dataclass(frozen=True, eq=False)
class Examples:
    """What an encoder is trained on.

    Attributes:
        emg_NCT: windows.
        name_N: class of each.
        group_N: person of each.
        session_N: session of each.
        pose_NJF: poses of the same windows, or ``None``.
        rate: EMG samples per second.
        kind: of the EMG.
        unit: of the EMG; empty where it is not known.
    """

    emg_NCT: FloatArray
    name_N: StrArray
    group_N: StrArray
    session_N: StrArray
    pose_NJF: FloatArray | None
    rate: float
    kind: EmgKind
    unit: str


@dataclass(frozen=True)
class Wish:
    """How an encoder is trained.

    Attributes:
        sizes: name of a preset.
        sets: further settings, as ``field=value``.
        max_steps: most steps of each stage; without it, those of ``STEPS`` or of the preset.
        seed: of all random numbers.
        threads: of PyTorch.
    """

    sizes: str
    sets: tuple[str, ...]
    max_steps: int | None
    seed: int
    threads: int


def validating(name_N: StrArray, group_N: StrArray, seed: int) -> BoolArray:
    """Tell which windows validate, (N,): those of a fifth of the people, at least one.

    Of fewer than ``FEWEST_PEOPLE`` people, the last fifth of the windows of each class of each person.
    """
    people = np.unique(group_N)
    if len(people) >= FEWEST_PEOPLE:
        chosen = np.random.default_rng(seed).permutation(people)[: max(1, round(SHARE * len(people)))]
        return np.isin(group_N, chosen)
    out_N = np.zeros(len(name_N), bool)
    for group in people:
        for name in np.unique(name_N):
            own = np.flatnonzero((group_N == group) & (name_N == name))
            out_N[own[len(own) - round(SHARE * len(own)) :]] = True
    return out_N


def settings_of(wish: Wish, window_s: float) -> RunConfig:
    """Return the settings of the stages for windows of that length."""
    token_ms = min(TOKEN_MS, 1000 * window_s / 4)
    sets = [
        *(f"data.window_s={window_s!r}", f"data.hop_s={window_s!r}", "data.normalisation=recording"),
        *("align.rest=true", f"emg.token_ms={token_ms!r}", f"emg.bin_ms={min(BIN_MS, token_ms / 2)!r}"),
        *(f"pose.token_ms={token_ms!r}", f"threads={wish.threads}"),
        *(f"{stage}.optim.steps={count}" for stage, count in STEPS.items() if wish.sizes == "small"),
        *wish.sets,
    ]
    config = preset(wish.sizes, sets, "best")
    if wish.max_steps is None:
        return config
    counts = {stage: min(getattr(config, stage).optim.steps, wish.max_steps) for stage in STEPS}
    return override(config, [f"{stage}.optim.steps={count}" for stage, count in counts.items()])


def trained(examples: Examples, validates_N: BoolArray, wish: Wish, say: Callable[[str], None]) -> Model:
    """Train an EMG encoder and, where there are poses, align it to an encoder of poses.

    Args:
        examples: windows of at least two classes.
        validates_N: windows on which the stages are validated.
        wish: how.
        say: called with a sentence before each stage.

    Raises:
        UserError: too few windows to train or to validate on, or too short ones; or arrays that do not fit
            (``from_arrays``).
    """
    if not 2 <= validates_N.sum() <= len(validates_N) - 2:
        raise UserError(
            f"{len(validates_N)} windows, of which {int(validates_N.sum())} validate, are too few to train an "
            "encoder; give more windows, or a checkpoint"
        )
    if examples.pose_NJF is not None:
        whole_N = np.asarray(np.isfinite(examples.pose_NJF).all(axis=(1, 2)))
        if min((whole_N & validates_N).sum(), (whole_N & ~validates_N).sum()) < 2:
            raise UserError(
                f"pose is finite in every frame of {int(whole_N.sum())} of {len(whole_N)} windows, and only these "
                "are aligned: two or more must train, and two or more validate; interpolate the missing frames"
            )
    with TemporaryDirectory(prefix="cpep-sklearn-") as folder:
        store = _store(examples, validates_N)
        if store.entries[0].frames < FEWEST_FRAMES:
            given_s, least_s = examples.emg_NCT.shape[2] / examples.rate, FEWEST_FRAMES / store.frame_rate
            raise UserError(
                f"windows of {given_s:.3g} s are too short to train an encoder; give windows of {least_s:.3g} s or "
                "more, and check sfreq"
            )
        split, config = _split(store), settings_of(wish, store.entries[0].frames / store.frame_rate)
        checkpoints: dict[str, Path] = {}
        last = "emg_mae" if examples.pose_NJF is None else "cpep"
        for name in chain(last, config):
            say(f"training {name} on {len(examples.emg_NCT)} windows")
            checkpoints[name] = run(
                STAGES.get(name), Task(store, split, config, wish.seed, Path(folder) / name), checkpoints
            )
        return load(checkpoints[last]).in_unit(examples.unit)  # a store has uV where V or mV were given


def _store(examples: Examples, validates_N: BoolArray) -> Store:
    """Return the windows as a store in which the name of a person says whether the windows validate."""
    pose_NJF = examples.pose_NJF
    joints = JOINTS if pose_NJF is not None and pose_NJF.shape[1] == len(JOINTS) else None
    window_s = examples.emg_NCT.shape[2] / examples.rate
    return from_arrays(
        examples.emg_NCT,
        examples.name_N,
        rate=examples.rate,
        people=np.char.add(examples.group_N, np.where(validates_N, _VALIDATE, _TRAIN)),
        sessions=examples.session_N,
        pose=pose_NJF,
        pose_rate=None if pose_NJF is None else pose_NJF.shape[2] / window_s,
        kind=examples.kind,
        unit=examples.unit,
        anchor_names=joints,
    )


def _split(store: Store) -> Split:
    train, val = (tuple(user for user in store.users if user.endswith(ending)) for ending in (_TRAIN, _VALIDATE))
    return Split(train, val, (NOBODY,), tuple(range(1, len(store.vocabulary))), (), 0.0)
