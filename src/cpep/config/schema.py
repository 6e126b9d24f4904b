"""Every setting of a run, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

LATER = "later"
"""Marks a field that older checkpoints and runs do not have: at its default it is in no fingerprint."""


def later(default: Any) -> Any:
    """Return a field that was added after the first checkpoints were written."""
    return field(default=default, metadata={LATER: True})


SCALES = (0.01, 0.1, 1.0)
"""Output scales of pose decoders: emg2pose's two have 0.01, the others 1."""


class Normalise(Enum):
    """Label-free centre and scale of the EMG; see ``cpep.data.normalise``."""

    none = "none"
    recording = "recording"
    causal = "causal"


class AnchorView(Enum):
    """Columns of the anchor that models read: those recorded, demands of the forearm's muscles, or both."""

    recorded = "recorded"
    muscles = "muscles"
    both = "both"


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


class Contrast(Enum):
    """Contrastive loss: a softmax over the batch (the paper's), or a sigmoid of every pair by itself."""

    info_nce = "info_nce"
    sigmoid = "sigmoid"


class Targets(Enum):
    """Which poses share the target of the softmax with a window's own pose.

    ``own``: none; ``even``: all poses of the batch alike (label smoothing); ``pose``: similar poses (SoftCLIP);
    ``community``: poses of the same community (supervised contrast).
    """

    own = "own"
    even = "even"
    pose = "pose"
    community = "community"


class Readout(Enum):
    """Linear classifier on frozen vectors (docs/results/tables.md): logistic regression, or linear discriminant."""

    logistic = "logistic"
    lda = "lda"


class Readouts(Enum):
    """Which read-outs answer (docs/explanation/readouts.md): the paper's, or those chosen inside training people."""

    paper = "paper"
    chosen = "chosen"


@dataclass(frozen=True)
class DataConfig:
    """Which windows exist and how the EMG is scaled."""

    window_s: float = 2.0
    hop_s: float = 0.25
    normalisation: Normalise = Normalise.recording
    pose_lag_ms: float = 0.0  # pose this much later than EMG (EMG leads motion by about 55 ms)
    guard_s: float = 0.5  # a training window stays this far from any sample of an unseen gesture
    # what cpep's pose encoder, ridge and cca read: the anchor as recorded, what the pose asks of muscles, or both
    anchor_view: AnchorView = field(default=AnchorView.recorded, metadata={LATER: True})


@dataclass(frozen=True)
class EncoderConfig:
    """One encoder: which one it is, and its sizes."""

    # by the name of cpep.models.encoder.ENCODERS: patch (raw samples, the paper's), log_rms (energies of bins), conv
    tokens: str = "log_rms"
    token_ms: float = 200.0  # length of one token
    bin_ms: float = 10.0  # length of one energy bin of log_rms and conv
    rates: bool = False  # zero crossings and slope sign changes of raw EMG, beside the energies of log_rms
    width: int = 128
    depth: int = 4
    heads: int = 4
    dropout: float = 0.1


@dataclass(frozen=True)
class AugmentConfig:
    """EMG augmentation, drawn anew for every window."""

    gain: float = 0.15  # SD of the log gain of one channel (raw), or of the shift of its log energy, in SDs
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
    scalar_rate: float = 10.0  # learning rate of the temperature, as a multiple of lr
    checks: int = 10  # validations over the stage
    patience: int = 0  # checks without progress after which early stopping ends the stage; 0 for no early stopping


@dataclass(frozen=True)
class MaeConfig:
    """Masked autoencoder of one modality (CPEP section 1: mask 0.5)."""

    mask: float = 0.5
    decoder_depth: int = 1
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: bool = True
    start: str = later(
        ""
    )  # checkpoint of other people, with the same device and sizes, whose encoder it goes on with


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the alignment minimises: a contrastive loss, and other terms by their weights."""

    contrast: Contrast = Contrast.info_nce
    targets: Targets = Targets.own
    share: float = 0.3  # share of the target that goes to similar poses, the own pose among them
    target_temperature: float = 0.1  # of the softmax over similarities of poses
    communities: int = 64  # k-means on pose embeddings of training users
    keep: int = 4  # communities that a pose belongs to
    cascle: float = 0.0  # weight of the community-aware soft contrastive loss (EMBridge)
    reconstruct: float = 0.0  # weight of masked pose reconstruction (EMBridge); needs queries
    mask: float = 0.5  # share of the pose tokens that this reconstruction masks
    regress: float = 0.0  # weight of predicting the pose from the EMG embedding
    adversary: float = 0.0  # weight of a classifier of people, from which the EMG embedding must hide them
    moments: float = 0.0  # weight of the distance between people in mean and covariance of the EMG embedding
    mixup: float = 0.0  # share of windows that are mixed with one of another person at the same pose
    terms: tuple[str, ...] = later(())  # other terms, as name=weight, that a module of your own registers


@dataclass(frozen=True)
class AlignConfig:
    """Contrastive alignment to the frozen pose encoder (CPEP section 2)."""

    temperature: float = 0.02
    temperature_min: float = 0.02
    temperature_max: float = 0.5
    learn_temperature: bool = True
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    queries: int = 0  # queries of a Q-Former on the EMG encoder (EMBridge has 16); 0 for none: see pool
    optim: OptimConfig = field(default_factory=OptimConfig)
    people: int = 0  # users of a batch; 0 for all
    rest: bool = False  # whether windows that are labelled rest throughout take part
    pool: Pool = Pool.cls
    projection: Projection = Projection.linear
    start_emg: bool = True  # from the masked autoencoder, or from random weights
    start_pose: bool = True
    freeze_emg: bool = False  # train the projection alone
    train_pose: bool = False  # train the pose encoder too
    pairs: float = 1.0  # share of the paired recordings, in pieces of 10 s at equal distances
    shuffled: bool = False  # shuffle the poses of each batch: the control that must stay at chance


@dataclass(frozen=True)
class BaselineConfig:
    """Models trained on equal terms with CPEP: the emg2pose recipe (Adam, L1, fingertips, rotation by a channel)."""

    optim: OptimConfig = field(default_factory=OptimConfig)  # steps: at most; compute and patience may end it before
    compute: float = 1.0  # at most this many times the floating-point operations of CPEP's three stages
    fingertip: float = 0.01  # weight of the mean distance of fingertips, mm, beside the L1 of joint angles, rad
    scales: tuple[float, ...] = later(SCALES)  # of a decoder's output; validation people choose; [] for the usual
    freeze: bool = later(False)  # cpep/pose_head: train the head alone, with CPEP's encoder as it is


@dataclass(frozen=True)
class FinetuneConfig:
    """Training of a checkpoint on a new person (``cpep finetune``); sizes and objective are the checkpoint's."""

    optim: OptimConfig = OptimConfig(steps=100, batch=128, lr=3e-4)


FINETUNE = FinetuneConfig()


@dataclass(frozen=True)
class EvaluateConfig:
    """Read-outs of frozen embeddings (docs/results/tables.md)."""

    neighbours: int = 10
    bootstrap: int = 1000
    probe: Readout = Readout.logistic
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)  # penalty of logistic regression
    ridge_strengths: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    adapt: bool = False  # adapt cpep's rows and features to each test person's recording, without labels
    # paper: the paper's; chosen: inside training people (the row cpep/best)
    readouts: Readouts = later(Readouts.paper)  # noqa: RUF009  (a field, as the others)
    gallery: float = 1.0  # share of the gallery's poses, drawn at random
    # most poses of the gallery whose nearest vote, drawn evenly over gestures and people; one of each gesture remains
    gallery_most: int = later(30_000)
    protocols: tuple[str, ...] = later(("default",))  # of cpep.evaluate.protocols; "default": those of the table


@dataclass(frozen=True)
class RunConfig:
    """One run: a preset with overrides."""

    preset: str = "small"
    recipe: str = "paper"
    threads: int = 1  # of one stage; several stages run side by side on the other cores
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
    finetune: FinetuneConfig = later(FINETUNE)  # noqa: RUF009  (a field, as the others)
