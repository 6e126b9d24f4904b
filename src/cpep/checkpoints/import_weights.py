"""Imports published weights of the emg2pose benchmark's models as checkpoints of cpep.

We never read the reference code, so the names of tensors in a published file are not known here: the user maps them
to our names (docs/explanation/baselines.md).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from cpep.checkpoints.card import Card, git_commit
from cpep.checkpoints.checkpoint import Model, save
from cpep.checkpoints.weights import FLOATS
from cpep.config.presets import small
from cpep.config.schema import Normalise
from cpep.config.serialise import as_dict
from cpep.data.readers.emg2pose import DEVICE
from cpep.data.resample import frame_ratio
from cpep.runtime import checked
from cpep.runtime.files import refuse_special
from cpep.types import UserError
from cpep.version import __version__

IMPORTABLE: tuple[str, ...] = ("vemg2pose", "emg2pose")
"""Models whose published weights can be imported."""

PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
NAME_MAP = 'it is no name map; write {"their name": "our name", ...}, or null for no use'
KINDS = (*FLOATS, "F64", "I64", "I32", "I16", "I8", "U8", "BOOL")
"""Kinds of numbers that a file may hold; weights are of the first ones."""
FEW = 3
"""How many tensors an error names."""

MEAN_POSE = "mean_J"
"""Name of the mean pose, which published weights do not have: it is zero in an imported model."""

LAYERS = {
    "encoder.stem.#.conv": "stem, convolution {}",
    "encoder.stem.#.norm": "stem, LayerNorm {}",
    "encoder.stages.#.conv": "stage {}, convolution that strides",
    "encoder.stages.#.norm": "stage {}, LayerNorm after it",
    "encoder.stages.#.blocks.#.conv": "stage {}, block {}, convolution over time of 16 channels",
    "encoder.stages.#.blocks.#.norm_conv": "stage {}, block {}, LayerNorm after the convolution",
    "encoder.stages.#.blocks.#.up": "stage {}, block {}, linear layer 1",
    "encoder.stages.#.blocks.#.down": "stage {}, block {}, linear layer 2",
    "encoder.stages.#.blocks.#.norm_mlp": "stage {}, block {}, LayerNorm after the linear layers",
    "encoder.out": "linear layer to the 64 features",
    "decoder.cells.0": "LSTM layer 1 (reads features, then the previous pose)",
    "decoder.cells.1": "LSTM layer 2",
    "decoder.hidden.0": "linear layer 1 (reads features, then the previous pose)",
    "decoder.hidden.1": "LayerNorm 1",
    "decoder.hidden.3": "linear layer 2",
    "decoder.hidden.4": "LayerNorm 2",
    "decoder.head": "linear head (20 positions, then 20 velocities)",
}
"""Each layer of ``Emg2Pose`` in words; # is a number, which counts from 0 in the name and from 1 in the words."""

PARTS = {
    "weight": "weight",
    "bias": "bias",
    "weight_ih": "weight of the input",
    "weight_hh": "weight of the hidden state",
    "bias_ih": "bias of the input",
    "bias_hh": "bias of the hidden state",
}


def benchmark_kind(name: str) -> str:
    """Return the kind of a model by its name.

    Raises:
        UserError: weights of this model cannot be imported.
    """
    for kind in IMPORTABLE:
        if kind == name:
            return kind
    raise UserError(f"no published model {name!r} can be imported; there are {' and '.join(IMPORTABLE)}")


def names_text(name: str) -> str:
    """Return the weights of a model as a table: our name, shape, and what it is, in the order of the network."""
    rows = [("our name", "shape", "what it is")]
    rows += [(own, shape_of(x), describe(own)) for own, x in weights_of(untrained(benchmark_kind(name))).items()]
    wide, narrow = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{own:<{wide}}  {shape:<{narrow}}  {what}" for own, shape, what in rows)


def describe(name: str) -> str:
    """Return, in words, which weight of the network a name is.

    >>> describe("encoder.stages.1.blocks.0.up.bias")
    'stage 2, block 1, linear layer 1: bias'
    """
    layer, _, part = name.rpartition(".")
    words = LAYERS.get(layer) or LAYERS[re.sub(r"\d+", "#", layer)]
    numbers = [int(number) + 1 for number in re.findall(r"\d+", layer)]
    return f"{words.format(*numbers)}: {PARTS[part]}"


def shape_of(tensor: Tensor) -> str:
    """Return the shape of a tensor as text, such as 256x16x11."""
    return "x".join(map(str, tensor.shape)) or "scalar"


def untrained(kind: str, window_s: float = 2.0) -> Model:
    """Return a model of the benchmark for recordings in the emg2pose layout, with random weights.

    It reads EMG in the unit of the files, which is that of the noise; nothing is centred or scaled.

    Raises:
        UserError: the length of the window is not positive and finite, or is too short for the model.
    """
    if not 0 < window_s < float("inf"):
        raise UserError(f"--window-s {window_s:g}: give a positive number of seconds")
    base, ratio = small(), frame_ratio(DEVICE.emg_rate)
    frame_rate = DEVICE.emg_rate / ratio
    config = replace(base, data=replace(base.data, window_s=window_s, normalisation=Normalise.none))
    size: dict[str, Any] = {"channels": DEVICE.channels, "rate": DEVICE.emg_rate}
    frontend = {"emg_kind": DEVICE.emg_kind, "bin_samples": 0, "rates": False, "normalisation": "none"}
    card = Card(
        kind=kind,
        encoders={},
        frontend={**size, **frontend},
        regressor={**size, "samples": round(window_s * frame_rate) * ratio, "joints": len(DEVICE.anchor_names)},
        device=DEVICE,
        frame_rate=frame_rate,
        window_s=window_s,
        vocabulary=(),
        split={},
        config=as_dict(config),
        provenance={"data": "emg2pose (imported)", "version": __version__, "git": git_commit()},
    )
    return Model(card).eval()


def weights_of(model: Model) -> dict[str, Tensor]:
    """Return the weights that a file must hold, by our names."""
    return {name: tensor for name, tensor in model.net.state_dict().items() if name != MEAN_POSE}


def import_checkpoint(file: Path, out: Path, name: str, names: Path | None = None, window_s: float = 2.0) -> str:
    """Write a checkpoint with weights from a file, and return a sentence on it.

    Args:
        file: weights, safetensors.
        out: folder of the checkpoint, which must not exist.
        name: name of the model.
        names: JSON file that maps names of the file to ours; without it the names are ours, perhaps after a common
            prefix.
        window_s: length of the windows that the checkpoint reads, seconds.

    Raises:
        UserError: the file is pickled, damaged or of another model; ``names`` is faulty; or ``out`` exists.
    """
    kind = benchmark_kind(name)
    if out.exists():
        raise UserError(f"{out} exists; choose another folder or delete it")
    found, model = _read(file), untrained(kind, window_s)
    ours = weights_of(model)
    theirs = _mapped(found, file, names) if names else _without_prefix(found, ours)
    _refuse_other(theirs, ours, file, kind)
    model.net.load_state_dict({MEAN_POSE: model.net.state_dict()[MEAN_POSE], **theirs})
    model.card = replace(model.card, provenance={**model.card.provenance, "file": file.name})
    save(model, out)
    return (
        f"{out}: {kind} with {model.parameter_count:,} parameters, windows of {window_s:g} s "
        f"({DEVICE.channels} channels at {DEVICE.emg_rate:g} Hz)"
    )


def _read(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; a pickled file is refused and never opened."""
    refuse_special(file)
    try:
        with file.open("rb") as plain:
            head, size = plain.read(9), file.stat().st_size
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}") from error
    # a safetensors file begins with its length in 8 bytes, which may look like the start of a pickle or zip file
    safe = head[8:] == b"{" and int.from_bytes(head[:8], "little") <= size - 8
    if not safe and (file.suffix.lower() in PICKLED or head.startswith((b"PK", b"\x80"))):
        raise UserError(
            f"{file} is a pickled file, and cpep opens none, since unpickling runs code that comes with the file; "
            f"convert it with {conversion(file)} (if torch refuses it, do so in the environment that made it)"
        )
    try:
        with safe_open(file, "pt") as opened:
            kinds = {name: str(opened.get_slice(name).get_dtype()) for name in opened.keys()}  # noqa: SIM118
            if other := [f"{name} {kind}" for name, kind in kinds.items() if kind not in KINDS]:
                raise UserError(f"{file} holds numbers that cpep does not read: {_few(other, 'of this kind')}")
            return {name: opened.get_tensor(name) for name in kinds}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file} is no whole safetensors file ({error}); fetch or convert it again") from error


def conversion(file: Path) -> str:
    """Return a command that turns a pickled checkpoint into safetensors without running code from it."""
    return (
        f'`python -c "import torch; from safetensors.torch import save_file; '
        f"d = torch.load({str(file)!r}, weights_only=True, map_location='cpu'); "
        f"save_file({{k: v.contiguous() for k, v in d.get('state_dict', d).items() if hasattr(v, 'contiguous')}}, "
        f'{str(file.with_suffix(".safetensors"))!r})"`'
    )


def _without_prefix(theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefix before our names, such as ``model.``, if all names have it."""
    first = next(iter(ours))
    prefix = next((name.removesuffix(first) for name in theirs if name.endswith(f".{first}")), "")
    common = all(name.startswith(prefix) for name in theirs)
    return {name.removeprefix(prefix): tensor for name, tensor in theirs.items()} if common else theirs


def _mapped(theirs: dict[str, Tensor], file: Path, names: Path) -> dict[str, Tensor]:
    """Return the tensors renamed by a map; names mapped to null are left out, names not in the map stay."""
    plain = checked.read(names, dict[str, str | None], remedy=NAME_MAP)
    if absent := [name for name in plain if name not in theirs]:
        raise UserError(f"{names}: {_few(absent, 'not in')} {file}; its own names come first, ours second")
    renamed: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        own = plain.get(name, name)
        if own in renamed:
            raise UserError(f"{names} leaves two tensors of {file} with the name {own}; give each its own")
        if own is not None:
            renamed[own] = tensor
    return renamed


def _refuse_other(theirs: dict[str, Tensor], ours: dict[str, Tensor], file: Path, kind: str) -> None:
    """Check that a file has exactly the weights of a model, in the same shapes, and that they are finite."""
    unknown = [f"{name} {shape_of(x)}" for name, x in theirs.items() if name not in ours]
    missing = [f"{name} {shape_of(x)}" for name, x in ours.items() if name not in theirs]
    both = [(name, shape_of(theirs[name]), shape_of(x)) for name, x in ours.items() if name in theirs]
    shapes = [f"{name} is {their} where ours is {own}" for name, their, own in both if their != own]
    whole = [name for name in ours if name in theirs and not theirs[name].is_floating_point()]
    problems = (
        (unknown, "unknown"),
        (missing, "missing"),
        (shapes, "of another shape"),
        (whole, "of whole numbers"),
    )
    if said := "; ".join(_few(items, what) for items, what in problems if items):
        raise UserError(
            f"{file} does not fit {kind}: {said}; `cpep baselines names {kind}` prints our names, "
            "--names MAP.json says which of yours is which"
        )
    if bad := [name for name, x in theirs.items() if not x.isfinite().all()]:
        raise UserError(f"{file} is damaged: {_few(bad, 'not finite')}; fetch or convert it again")


def _few(items: list[str], what: str) -> str:
    """Return how many items there are, and the first few."""
    return f"{len(items)} {what} ({', '.join(items[:FEW])}{', ...' if len(items) > FEW else ''})"
