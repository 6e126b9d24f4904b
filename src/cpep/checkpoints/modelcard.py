"""The model card of a checkpoint: the README.md of its repository on the Hugging Face hub."""

from __future__ import annotations

import re

from cpep.checkpoints.card import Card
from cpep.checkpoints.registry import MODELS
from cpep.data.readers.registry import Terms, data_set
from cpep.runtime.markdown import table

PAPER = "Contrastive Pose-EMG Pre-training, [arXiv:2509.04699](https://arxiv.org/abs/2509.04699)"
TAGS = ("emg", "semg", "gesture-recognition")

LIMITS = (
    "- Another number of channels, rate, kind or unit of EMG, or another anchor is refused. Electrodes in other "
    "places are not noticed, and neither is another unit of a source that does not say its unit; they give wrong "
    "results.\n"
    "- Research software; it is no medical device, and nothing that can do harm should hang on what it recognises."
)


def model_card(
    title: str,
    opening: str,
    card: Card,
    parameters: int,
    terms: Terms,
    results: str = "",
    note: str = "",
) -> str:
    """Return a model card as Markdown with the front matter that the hub reads.

    Args:
        title: heading.
        opening: Python that makes ``model`` from the checkpoint, one or more lines.
        card: of the checkpoint.
        parameters: of its network.
        terms: of the data that it was trained on.
        results: Markdown of the section of results; ``share.card_results`` makes it from results.json.
        note: a paragraph on this checkpoint.
    """
    hub = " and its extra `hub`" if "hf://" in opening else ""
    sections = [
        _front(card, terms),
        f"# {title}",
        *_warnings(card, terms),
        f"{MODELS.get(card.kind).words}. A checkpoint of cpep ({PAPER}).",
        note,
        _sizes(card, parameters),
        f"## Training data\n\n{_training(card, terms)}",
        f"## Use\n\n```python\n{_use(opening, card)}\n```",
        f"It needs cpep{hub}. The weights are safetensors: nothing is unpickled.",
        f"## Results\n\n{results or 'None are given with these weights.'}",
        f"## Limits\n\n{LIMITS}",
        f"## Citation\n\n{PAPER}; and the data: {_dataset(card)}.",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _front(card: Card, terms: Terms) -> str:
    """Return the front matter; text that a user typed becomes a slug, so that the YAML is always valid."""
    named = [f"license_name: {_slug(terms.data)}"] if terms.weights == "other" else []
    pose = ["hand-pose"] if card.device.anchor.kind.pose else []
    tags = [f"  - {tag}" for tag in (*TAGS, *pose, "contrastive-learning", card.kind.replace("_", "-"))]
    return "\n".join(["---", f"license: {terms.weights}", *named, "library_name: cpep", "tags:", *tags, "---"])


def _warnings(card: Card, terms: Terms) -> list[str]:
    """Return what a reader must know first."""
    found = []
    if terms.non_commercial:
        found.append(
            "> **Not for commercial use.** These weights were trained on non-commercial data: "
            f"{_dataset(card)}, {terms.data}. The same terms hold for the weights and for what is made of them."
        )
    if caution := data_set(_dataset(card)).caution:
        found.append(f"> {caution}")
    return found


def _slug(text: str) -> str:
    """Return a text as lower-case words with hyphens between, or ``own-terms`` where nothing is left.

    >>> _slug("research use with citation (Atzori et al. 2014, Scientific Data)")
    'research-use-with-citation'
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.split("(")[0].lower()).strip("-.") or "own-terms"


def _dataset(card: Card) -> str:
    return str(card.provenance.get("data") or "data without a name")


def _sizes(card: Card, parameters: int) -> str:
    device = card.device
    ring = f", {len(device.ring)} of them in a ring around the arm" if device.ring else ""
    rows = [
        ["parameters", f"{parameters:,}"],
        [
            "EMG",
            f"{device.channels} channels at {device.emg_rate:g} Hz{ring}; {device.emg_kind}, in {device.emg_unit}"
            + (f"; {device.conditioning}" if device.conditioning else ""),
        ],
    ]
    if device.anchor_names:
        rows.append(
            ["pose" if device.anchor.kind.pose else "anchor", f"{device.anchor}, {card.frame_rate:g} frames/s"]
        )
    rows.append(["window", f"{card.window_s:g} s"])
    if card.frontend:
        rows.append(["normalisation", str(card.frontend["normalisation"])])
    known = {name: card.provenance.get(name, "") for name in ("version", "git", "seed")}
    made = [f"{name} {value}" for name, value in known.items() if value != ""]
    return table(["", ""], [*rows, ["made by cpep", ", ".join(made)]])


def _training(card: Card, terms: Terms) -> str:
    lines = [f"{_dataset(card)}; licence: {terms.data}."]
    if card.split:
        train, chosen, test = (len(card.split[f"users_{name}"]) for name in ("train", "val", "test"))
        lines.append(
            f"Trained on {train} people; {chosen} others served for choices such as when to stop, and {test} were "
            "held out from both."
        )
        lines.append(f"Gestures in training: {', '.join(names(card, 'seen')) or 'none by name'}.")
        lines.append(f"Withheld from every stage of training: {', '.join(names(card, 'unseen')) or 'none'}.")
    else:
        lines.append("On which people and gestures is not known: cpep imported these weights.")
    return "\n".join(lines)


def names(card: Card, which: str) -> list[str]:
    """Return the gestures of a card that are ``seen`` or ``unseen``."""
    return [card.vocabulary[label] for label in card.split[which]]


def _use(opening: str, card: Card) -> str:
    """Return Python that runs as it stands."""
    frames, anchor = round(card.window_s * card.frame_rate), card.device.anchor
    name, axes = ("pose" if anchor.kind.pose else "anchor"), f"windows x {anchor.kind.columns} x frames"
    lines = ["import torch", opening]
    if card.frontend:
        standard = card.frontend["normalisation"] != "none"
        lines += [
            "",
            f"emg_BCT = torch.randn(8, {card.device.channels}, {card.samples})"
            "  # windows x channels x samples: yours"
            + (", cut from what model.condition(recording) returns" if card.device.conditioning else ""),
            "x_BD = model.encode_emg(emg_BCT)"
            + ("  # better with standard=model.calibrate(minutes of the same session)" if standard else ""),
        ]
    if card.regressor:
        lines.append(f"{name}_BJS = model.predict_pose(emg_BCT)  # {axes}")
    if "pose" in card.encoders:
        unit = f"in {anchor.read_unit}" if anchor.read_unit else "normalised as in training"
        lines += [
            "",
            f"{name}_BJS = torch.zeros(8, {len(anchor.names)}, {frames})  # {axes}, {unit}",
            f"y_BD = model.encode_{name}({name}_BJS)",
        ]
    if MODELS.get(card.kind).reads_anchor and not card.settings.align.queries:
        lines.append(f"similarity_BB = x_BD @ y_BD.T  # which {name} the EMG is nearest to")
    return "\n".join(lines)
