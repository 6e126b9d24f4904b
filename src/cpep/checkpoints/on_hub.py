"""What users of huggingface_hub expect of a model: ``from_pretrained``, ``save_pretrained``, ``push_to_hub``.

The arguments are those of ``huggingface_hub.ModelHubMixin`` that make sense here. What is fetched and pushed, and
when a push is refused, is cpep's own (``cpep.runtime.hub``).
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cpep.checkpoints.modelcard import model_card
from cpep.data.licences import terms_of
from cpep.runtime.hub import FILES, README, Address, local, pretrained, target_of, upload

if TYPE_CHECKING:  # `checkpoint` imports this module
    from cpep.checkpoints.checkpoint import Model


class OnHub:
    """The methods of a model that read and write checkpoints, on the hub or in a folder."""

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> Model:
        """Open a checkpoint, in evaluation mode, by the arguments that users of huggingface_hub know.

        Args:
            name_or_path: a folder; or ``organisation/name`` on the Hugging Face hub, which ``hf://organisation/name``
                says as well.
            revision: branch, tag or commit of the repository.
            token: of the hub, in place of that of `hf auth login`.
            cache_dir: where downloads are kept, in place of the usual cache.
            local_files_only: whether the cache must be enough.
            force_download: whether files are fetched that the cache has.

        Raises:
            UserError: as ``load``.
        """
        how = {"token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
        from cpep.checkpoints.checkpoint import load

        return load(local(pretrained(name_or_path), revision, force_download=force_download, **how))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write a checkpoint that ``from_pretrained`` and ``cpep.load`` open; it replaces an older checkpoint.

        Args:
            save_directory: its folder; the folder appears whole or not at all.

        Raises:
            UserError: the folder holds something else.
        """
        from cpep.checkpoints.checkpoint import save

        save(self._model(), Path(save_directory))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "",
        private: bool = False,
        token: str | None = None,
        data_licence: str = "",
        results: str = "",
        replace: bool = False,
    ) -> str:
        """Push the model with a model card to the Hugging Face hub, and return the web address of the commit.

        Args:
            repo_id: ``organisation/name``; the repository is made where it is missing.
            commit_message: one that names cpep's version where it is empty.
            private: whether a new repository is private; an existing public one is then refused.
            token: of the hub, in place of that of `hf auth login`.
            data_licence: licence of the training data where cpep does not know it, such as ``"CC-BY-4.0"``.
            results: Markdown for the model card's section of results; `cpep push --results` makes it of results.json.
            replace: whether the repository may hold a checkpoint already, which stays in its history.

        Raises:
            UserError: no such name, no licence, or as ``cpep.runtime.hub.upload``.
        """
        address, model = target_of(repo_id), self._model()
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / "checkpoint"
            self.save_pretrained(folder)
            files = files_of(folder, model, address, data_licence, results)
            return upload(address, files, private=private, replace=replace, message=commit_message, token=token)

    def _model(self) -> Model:
        from cpep.checkpoints.checkpoint import Model

        assert isinstance(self, Model)
        return self


def files_of(
    folder: Path, model: Model, address: Address, data_licence: str = "", results: str = ""
) -> dict[str, Path | bytes]:
    """Return what a repository gets: name -> file, or its content.

    Args:
        folder: of the checkpoint.
        model: what is in it.
        address: of the repository.
        data_licence: licence of data that cpep does not know.
        results: Markdown for the model card's section of results.

    Raises:
        UserError: as ``cpep.data.licences.terms_of``.
    """
    opening = f'import cpep\n\nmodel = cpep.load("{address}")'
    terms = terms_of(model.card.provenance.get("data", ""), data_licence)
    text = model_card(address.name, opening, model.card, model.parameter_count, terms, results)
    return {**{name: folder / name for name in FILES if name != README}, README: text.encode()}
