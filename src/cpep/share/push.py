"""A checkpoint with its model card onto the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from cpep.checkpoints.checkpoint import load
from cpep.data.licences import terms_of
from cpep.runtime.hub import FILES, README, address_of, local, upload
from cpep.share.modelcard import model_card, read_results
from cpep.types import UserError


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
        to: ``hf://organisation/name``; the repository is made where it is missing.
        results: results.json of its run or evaluation, for the model card.
        data_licence: licence of data that cpep does not know.
        private: whether a new repository is private.
        replace: whether the repository may hold a checkpoint already, which stays in its history.
        dry_run: return the model card and what would be pushed instead, without network.

    Raises:
        UserError: no address, no checkpoint, results of another one, no licence, or as ``cpep.runtime.hub.upload``.
    """
    address = address_of(to)
    if address is None or address.revision:
        raise UserError(f"{to} cannot be pushed to; write hf://organisation/name, without a revision")
    folder = local(checkpoint)
    model = load(folder)
    card, terms = model.card, terms_of(model.card.provenance.get("data", ""), data_licence)
    found = read_results(results, card) if results else None
    opening = f'import cpep\n\nmodel = cpep.load("{address}")'
    text = model_card(address.name, opening, card, model.parameter_count, terms, found)
    files: dict[str, Path | bytes] = {name: folder / name for name in FILES if name != README}
    files[README] = text.encode()
    sizes = {name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in files.items()}
    if dry_run:
        listing = "\n".join(f"{name:<20}{size:>15,} bytes" for name, size in sizes.items())
        return f"{text}\nto {address}, were it not for --dry-run:\n{listing}"
    where = upload(address, files, private=private, replace=replace)
    return f"{address}: {len(files)} files, {sum(sizes.values()) / 1e6:.1f} MB, at {where}"
