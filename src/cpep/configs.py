"""Every setting of a run, as frozen dataclasses; three presets; typed overrides.

``small()`` builds a complete run; ``override(small(), ["align.lr=3e-4"])`` changes a field and refuses an
unknown one by naming the nearest. A preset sets sizes, a recipe sets the objective: only ``paper`` (hard
InfoNCE, as published) exists so far.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from cpep.plain import fields_of, nearest_field, with_tuples
from cpep.ranges import out_of_range
from cpep.types import UserError

C = TypeVar("C")


class Normalise(Enum):
    """Label-free centre and scale of the EMG; see ``cpep.data.standards``."""

    none = "none"
    recording = "recording"
    causal = "causal"


class Tokens(Enum):
    """How a window becomes tokens: raw samples (the paper's) or log energy in 10-ms bins."""

    patch = "patch"
    log_rms = "log_rms"


class Precision(Enum):
    """Number format of the matrix products: bf16 where the processor has it (``auto``), or always fp32."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Hardware(Enum):
    """Where networks run: on a GPU where there is one (``auto``), or as named."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Pool(Enum):
    """What an encoder gives to the alignment: its [CLS] token, or the mean of the others."""

    cls = "cls"
    mean = "mean"


class Projection(Enum):
    """Head of the EMG side in the alignment: nothing, one layer (the paper's), or two with a GELU between."""

    none = "none"
    linear = "linear"
    mlp = "mlp"


class Readout(Enum):
    """Linear classifier on frozen vectors: logistic regression (results.md), or linear discriminant analysis."""

    logistic = "logistic"
    lda = "lda"


@dataclass(frozen=True)
class DataConfig:
    """Which windows exist and how the EMG is scaled."""

    window_s: float = 2.0
    hop_s: float = 0.25
    normalisation: Normalise = Normalise.recording
    pose_lag_ms: float = 0.0  # pose this much later than EMG (EMG leads motion by about 55 ms)
    guard_s: float = 0.5  # a training window stays this far from any sample of an unseen gesture


@dataclass(frozen=True)
class EncoderConfig:
    """One Transformer encoder with its tokeniser."""

    tokens: Tokens = Tokens.log_rms
    token_ms: float = 200.0  # length of one token
    bin_ms: float = 10.0  # length of one energy bin of log_rms
    rates: bool = False  # of raw EMG, zero crossings and slope sign changes beside log_rms
    width: int = 128
    depth: int = 4
    heads: int = 4
    dropout: float = 0.1


@dataclass(frozen=True)
class AugmentConfig:
    """EMG augmentation, drawn anew for every window."""

    gain: float = 0.15  # SD of the log gain of one channel; of log energies, of their shift in SDs
    common_gain: float = 0.15  # SD of the log gain shared by all channels
    noise: float = 0.05  # SD of noise added to every value, in units of the recording's level or SDs
    rotate_deg: float = 10.0  # a ring turns by up to this angle; raw signals by whole channels
    drop: float = 0.1  # probability that a channel is silent


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay."""

    steps: int = 400
    batch: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.1  # share of the steps
    clip: float = 1.0  # largest gradient norm
    scalar_rate: float = 10.0  # learning rate of the temperature over lr
    checks: int = 10  # validations over the run
    patience: int = 0  # stop once the best of this many checks is no lower than what was before; 0 never stops


@dataclass(frozen=True)
class MaeConfig:
    """Masked autoencoder of one modality (CPEP section 1: mask 0.5)."""

    mask: float = 0.5
    decoder_depth: int = 1
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: bool = True


@dataclass(frozen=True)
class AlignConfig:
    """Contrastive alignment to the frozen pose encoder (CPEP section 2)."""

    temperature: float = 0.02
    temperature_min: float = 0.02
    temperature_max: float = 0.5
    learn_temperature: bool = True
    optim: OptimConfig = field(default_factory=OptimConfig)
    people: int = 0  # users of a batch; 0 for all
    rest: bool = False  # whether windows that are labelled rest throughout take part
    pool: Pool = Pool.cls
    projection: Projection = Projection.linear
    start_emg: bool = True  # from the masked autoencoder, or from random weights
    start_pose: bool = True
    freeze_emg: bool = False  # train the projection alone
    train_pose: bool = False  # train the pose encoder too
    pairs: float = 1.0  # share of the paired recordings, in pieces of 10 s spread evenly
    shuffled: bool = False  # deal the poses of a batch at random: the control that must stay at chance


@dataclass(frozen=True)
class BaselineConfig:
    """Models trained on equal terms with CPEP: the emg2pose recipe (Adam, L1, fingertips, turned by a channel)."""

    optim: OptimConfig = field(default_factory=OptimConfig)  # steps: at most; compute and patience may end it before
    compute: float = 1.0  # at most this many times the floating-point operations of CPEP's three stages
    fingertip: float = 0.01  # weight of the mean distance of fingertips, mm, beside the L1 of joint angles, rad


@dataclass(frozen=True)
class EvaluateConfig:
    """Read-outs of frozen embeddings (results.md)."""

    neighbours: int = 10
    bootstrap: int = 1000
    probe: Readout = Readout.logistic
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)  # penalty of logistic regression
    ridge_strengths: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    gallery: float = 1.0  # share of the gallery's poses, drawn at random


@dataclass(frozen=True)
class RunConfig:
    """One run: a preset with overrides."""

    preset: str = "small"
    recipe: str = "paper"
    threads: int = 1  # a stage; several stages run side by side on the other cores
    precision: Precision = Precision.auto
    device: Hardware = Hardware.auto
    data: DataConfig = field(default_factory=DataConfig)
    emg: EncoderConfig = field(default_factory=EncoderConfig)
    pose: EncoderConfig = field(default_factory=EncoderConfig)
    emg_mae: MaeConfig = field(default_factory=MaeConfig)
    pose_mae: MaeConfig = field(default_factory=MaeConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    baselines: BaselineConfig = field(default_factory=BaselineConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)


def small() -> RunConfig:
    """Two CPU cores, all stages in minutes; why these values is in LOG.md."""
    # the pose encoder trains as long as the EMG encoder beside it, so that no core waits
    emg_mae, pose_mae, alignment = OptimConfig(steps=300), OptimConfig(steps=200), OptimConfig(steps=400)
    baseline = OptimConfig(steps=100_000, batch=64, weight_decay=0.0, patience=3)
    return RunConfig(
        emg=EncoderConfig(bin_ms=50.0, rates=True, dropout=0.2),
        pose=EncoderConfig(tokens=Tokens.patch, token_ms=100.0, dropout=0.0),
        emg_mae=MaeConfig(optim=emg_mae),
        pose_mae=MaeConfig(optim=pose_mae, augment=False),
        align=AlignConfig(people=2, optim=alignment),
        baselines=BaselineConfig(optim=baseline),
    )


def tiny() -> RunConfig:
    """Tests: seconds. Learns next to nothing, and takes every path that ``small`` takes."""
    optim = OptimConfig(steps=6, batch=16, checks=2)
    emg = EncoderConfig(width=16, depth=1, heads=2, token_ms=250.0, dropout=0.0)
    return RunConfig(
        preset="tiny",
        precision=Precision.fp32,
        emg=emg,
        pose=dataclasses.replace(emg, tokens=Tokens.patch),
        emg_mae=MaeConfig(optim=optim),
        pose_mae=MaeConfig(optim=optim, augment=False),
        align=AlignConfig(optim=optim),
        baselines=BaselineConfig(optim=OptimConfig(steps=4, batch=8, weight_decay=0.0, checks=2)),
        evaluate=EvaluateConfig(bootstrap=50, strengths=(0.1,), ridge_strengths=(0.1,)),
    )


def paper() -> RunConfig:
    """The published sizes: raw patches, depth 4, width 256, batch 256; for GPUs, unmeasured on two cores.

    100 epochs of emg2pose's training split: 250.9 h in 2-s windows without overlap are 451,620 windows, 1,764
    batches of 256.
    """
    optim = OptimConfig(steps=176_400, batch=256, lr=3e-4, checks=100)
    emg = EncoderConfig(tokens=Tokens.patch, token_ms=20.0, width=256, heads=8)
    return RunConfig(
        preset="paper",
        emg=emg,
        pose=dataclasses.replace(emg, token_ms=50.0, dropout=0.0),
        emg_mae=MaeConfig(optim=optim),
        pose_mae=MaeConfig(optim=optim, augment=False),
        align=AlignConfig(optim=optim),
        baselines=BaselineConfig(
            optim=OptimConfig(steps=10_000_000, batch=512, weight_decay=0.0, checks=100, patience=4)
        ),
    )


PRESETS = {"tiny": tiny, "small": small, "paper": paper}


def preset(name: str, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the preset of that name with ``field=value`` overrides.

    Raises:
        UserError: no such preset or field, or a value of the wrong type.
    """
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return override(PRESETS[name](), overrides)


def override(config: C, assignments: Sequence[str]) -> C:
    """Return ``config`` with typed ``field=value`` assignments applied.

    >>> override(small(), ["align.optim.lr=3e-4"]).align.optim.lr
    0.0003

    Raises:
        UserError: unknown field (the nearest is named), missing ``=``, or a value of the wrong type.
    """
    known = fields_of(config)
    for assignment in assignments:
        path, sign, _ = assignment.partition("=")
        if not sign or not path:
            raise UserError(f"--set {assignment}: write field=value, for example align.optim.lr=3e-4")
        if path not in known:
            near = " or ".join(nearest_field(path, known))
            raise UserError(f"--set {assignment}: there is no field {path}; did you mean {near}?")
        if path in ("preset", "recipe"):
            raise UserError(f"--set {assignment}: a name alone changes nothing; use --{path}")
        try:
            merged = OmegaConf.merge(OmegaConf.structured(config), OmegaConf.from_dotlist([assignment]))
            config = with_tuples(OmegaConf.to_object(merged))
        except (OmegaConfBaseException, YAMLError) as error:
            raise UserError(f"--set {assignment}: {str(error).splitlines()[0]}") from error
        if expected := out_of_range(path, attrgetter(path)(config)):
            raise UserError(f"--set {assignment}: {path} must be {expected}")
    _check_together(config)
    return config


def _check_together(config: Any) -> None:
    """Check what fields of a run must be to each other."""
    if not isinstance(config, RunConfig):
        return
    for name in ("emg", "pose"):
        encoder: EncoderConfig = getattr(config, name)
        if encoder.width % encoder.heads:
            raise UserError(f"{name}.heads={encoder.heads} must divide {name}.width={encoder.width}; set both")
    align = config.align
    if not align.temperature_min <= align.temperature <= align.temperature_max:
        raise UserError(
            f"align.temperature={align.temperature:g} must lie between temperature_min={align.temperature_min:g} "
            f"and temperature_max={align.temperature_max:g}; set all three"
        )


def from_dict(plain: dict[str, Any]) -> RunConfig:
    """Rebuild a configuration from what ``as_dict`` returned."""
    merged = OmegaConf.merge(OmegaConf.structured(RunConfig()), plain)
    return with_tuples(OmegaConf.to_object(merged))  # type: ignore[no-any-return]
