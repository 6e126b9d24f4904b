"""A checkpoint with its model card onto the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.on_hub import files_of
from cpep.runtime.hub import README, local, target_of, upload
from cpep.share.card_results import read_results, results_text


def push(
    checkpoint: Path,
    to: str,
    results: Path | None = None,
    data_licence: str = "",
    *,
    private: bool = False,
    replace: bool = False,
    dry_run: bool = False,
) -> str:
    """Push a checkpoint that can be loaded, and return where it is.

    Args:
        checkpoint: its folder, or an address.
        to: ``organisation/name`` or ``hf://organisation/name``; the repository is made where it is missing.
        results: results.json of its run or evaluation, for the model card.
        data_licence: licence of data that cpep does not know.
        private: whether a new repository is private.
        replace: whether the repository may hold a checkpoint already, which stays in its history.
        dry_run: return the model card and what would be pushed instead, without network.

    Raises:
        UserError: no address, no checkpoint, results of another one, no licence, or as ``cpep.runtime.hub.upload``.
    """
    address = target_of(to)
    folder = local(checkpoint)
    model = load(folder)
    found = results_text(read_results(results, model.card)) if results else ""
    files = files_of(folder, model, address, data_licence, found)
    sizes = {name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in files.items()}
    if dry_run:
        listing = "\n".join(f"{name:<20}{size:>15,} bytes" for name, size in sizes.items())
        return f"{bytes(files[README]).decode()}\nto {address}, were it not for --dry-run:\n{listing}"
    where = upload(address, files, private=private, replace=replace)
    return f"{address}: {len(files)} files, {sum(sizes.values()) / 1e6:.1f} MB, at {where}"
