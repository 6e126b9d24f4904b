"""Checkpoints on the Hugging Face hub: their addresses, and all that cpep asks of huggingface_hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from cpep.runtime.files import parse_json
from cpep.types import UserError
from cpep.version import __version__

CONFIG, README = "config.json", "README.md"
FILES = (CONFIG, "model.safetensors", README)
"""The files of a checkpoint in a repository; no other file is ever fetched."""

MARKS = {"format", "kind", "provenance"}
"""Fields of ``config.json`` by which a checkpoint of cpep is told from another model."""

ADDRESS = re.compile(
    r"hf:/{1,2}(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII
)  # a Path drops a slash
SHIPPED = "shipped"
"""Stands for the checkpoint that comes with cpep, wherever one is named, unless a folder has that name."""
EMPTY = {".gitattributes"}
"""Files that a new repository holds before anybody writes to it."""


@dataclass(frozen=True)
class Address:
    """A repository of the hub.

    Attributes:
        name: organisation/name.
        revision: branch, tag or commit; the newest of the main branch if None.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.name}" + (f"@{self.revision}" if self.revision else "")


def address_of(path: str | Path) -> Address | None:
    """Return the address that is written in place of a path, if it is one.

    >>> address_of("hf://org/name@v1"), address_of(Path("hf://org/name")), address_of("runs/cpep/checkpoint")
    (Address(name='org/name', revision='v1'), Address(name='org/name', revision=None), None)

    Raises:
        UserError: it begins like an address but is none.
    """
    if not str(path).startswith("hf:/"):
        return None
    found = ADDRESS.fullmatch(str(path))
    if not found:
        raise UserError(f"{path} is no address on the hub; write hf://organisation/name, or .../name@revision")
    return Address(found["name"], found["revision"])


def target_of(text: str) -> Address:
    """Return the address of a repository that is pushed to, written with ``hf://`` or as huggingface_hub writes it.

    >>> target_of("org/name") == target_of("hf://org/name")
    True

    Raises:
        UserError: it is none, or has a revision.
    """
    found = ADDRESS.fullmatch(text) or ADDRESS.fullmatch(f"hf://{text}")
    if not found or found["revision"]:
        raise UserError(f"{text} cannot be pushed to; write hf://organisation/name, without a revision")
    return Address(found["name"])


def local(path: str | Path, revision: str | None = None, **how: Any) -> Path:
    """Return a path as it is, and for an address the folder of its files on this machine; see ``fetch``.

    For ``shipped`` it is the folder of the checkpoint that comes with cpep.

    Raises:
        UserError: a revision of a path, or two revisions of an address.
    """
    address = address_of(path)
    if revision is not None:
        if address is None or address.revision not in (None, revision):
            raise UserError(
                f"{path} with revision {revision}: a revision belongs to hf://organisation/name, which has one"
            )
        address = Address(address.name, revision)
    if str(path) == SHIPPED and not Path(path).exists():
        return Path(str(resources.files("cpep"))) / "live" / "shipped" / "checkpoint"
    return fetch(address, **how) if address else Path(path)


def pretrained(name: str | Path) -> str | Path:
    """Return what ``from_pretrained`` is given as a path or an address; what is there on disk comes before the hub.

    >>> pretrained("org/name"), pretrained("hf://org/name@v1"), pretrained("runs/cpep/checkpoint")
    ('hf://org/name', 'hf://org/name@v1', 'runs/cpep/checkpoint')
    """
    named = isinstance(name, str) and ADDRESS.fullmatch(f"hf://{name}") and not Path(name).exists()
    return f"hf://{name}" if named else name


def fetch(address: Address, **how: Any) -> Path:
    """Download a checkpoint where the cache of huggingface_hub lacks it, and return its folder there.

    Three files at most are fetched (``FILES``), the weights only after ``config.json`` is known to be of a
    checkpoint. Without network the cache is enough. The folder's name is the commit.

    Args:
        address: what is fetched.
        how: for huggingface_hub: ``token``, ``cache_dir``, ``local_files_only``, ``force_download``.

    Raises:
        UserError: the repository or revision does not exist, may not be read, or holds no checkpoint; there is no
            network and nothing in the cache; or the extra ``hub`` is missing.
    """
    hub, theirs = _library(), {"library_name": "cpep", "library_version": __version__, **how}
    with _said(address):
        config = Path(hub.hf_hub_download(address.name, CONFIG, revision=address.revision, **theirs))
        if not _is_config(config):
            raise _other(address)
        commit = config.parent.name
        return Path(hub.snapshot_download(address.name, revision=commit, allow_patterns=list(FILES), **theirs))


def upload(
    address: Address,
    files: Mapping[str, Path | bytes],
    *,
    private: bool,
    replace: bool,
    message: str = "",
    token: str | None = None,
) -> str:
    """Write files to a repository in one commit and return its web address; a missing repository is made.

    Args:
        address: without a revision; a push goes to the main branch.
        files: name in the repository -> file, or its content.
        private: whether a new repository is private; an existing public one is then refused.
        replace: whether a checkpoint may be there already; the hub keeps it in the history.
        message: of the commit.
        token: in place of that of `hf auth login`.

    Raises:
        UserError: the repository holds something else, or a checkpoint without ``replace``; it may not be written, or
            is public where it should be private; there is no network, or the extra ``hub`` is missing.
    """
    hub = _library()
    api = hub.HfApi(library_name="cpep", library_version=__version__, token=token)
    with _said(address):
        parent = _claim(hub, api, address, private, replace)
        operations = [hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in files.items()]
        message = message or f"Checkpoint by cpep {__version__}"
        # with a parent the hub refuses the commit if somebody else wrote in between
        made = api.create_commit(address.name, operations, commit_message=message, parent_commit=parent)
    return str(made.commit_url)


def _claim(hub: Any, api: Any, address: Address, private: bool, replace: bool) -> str | None:
    """Make a repository, or check that it may be written; return its newest commit, ``None`` for a new one."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = api.model_info(address.name)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        api.create_repo(address.name, private=private or None)  # None leaves it to what the organisation has set
        return None
    if private and not info.private:
        raise UserError(f"{address} exists and is public, which --private does not change; choose another name")
    names = {item.rfilename for item in info.siblings or ()} - EMPTY
    if names <= {README}:
        ours = True
    else:
        ours = CONFIG in names and _is_config(Path(hub.hf_hub_download(address.name, CONFIG, revision=info.sha)))
    if not ours:
        raise _other(address)
    if names and not replace:
        raise UserError(
            f"{address} holds {'a checkpoint' if CONFIG in names else 'a model card'} already; choose another "
            "name, or push with --replace, in Python replace=True: the hub keeps what is there in the "
            "history of the repository"
        )
    return str(info.sha)


def _is_config(path: Path) -> bool:
    """Tell whether a ``config.json`` belongs to a checkpoint of cpep, of any format version."""
    try:
        plain = parse_json(path)
    except UserError:
        return False
    return isinstance(plain, dict) and plain.keys() >= MARKS


def _other(address: Address) -> UserError:
    return UserError(f"{address} holds no checkpoint of cpep but something else; give the name of another repository")


def _library() -> Any:
    """Return huggingface_hub.

    Raises:
        UserError: it is not installed.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UserError('addresses that begin with hf:// need huggingface_hub: `pip install "cpep[hub]"`') from error
    return huggingface_hub


@contextmanager
def _said(address: Address) -> Iterator[None]:
    """Turn what huggingface_hub raises into a sentence."""
    errors: Any = import_module("huggingface_hub.errors")
    try:
        yield
    except errors.HFValidationError as error:
        raise UserError(f"{address} is no name that the hub allows: {_line(error)}") from error
    except errors.GatedRepoError as error:
        raise UserError(
            f"{address} is gated; ask for access on its page, then log in with `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"there is no repository {address}, or it is private and you may not read it; look at the spelling, or "
            "log in with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{address}: the repository has no such branch, tag or commit") from error
    except errors.LocalEntryNotFoundError as error:  # also where the hub cannot be reached
        raise UserError(
            f"{address} is not in the cache of this machine, and the hub cannot be reached; look at the network "
            "and at HF_HUB_OFFLINE, then run the same command again"
        ) from error
    except errors.EntryNotFoundError as error:
        raise UserError(f"{address} holds no checkpoint of cpep: it has no {CONFIG}") from error
    except errors.HfHubHTTPError as error:
        raise UserError(_refused(address, error)) from error
    except (errors.HTTPError, OSError) as error:
        raise UserError(
            f"{address}: {_line(error)}; look at network and disk, then run the same command again"
        ) from error


def _refused(address: Address, error: Any) -> str:
    """Say what the hub answered."""
    status = error.response.status_code
    if status in (401, 403):
        return f"the hub refuses you {address}; log in with `hf auth login`, and to push with a token that may write"
    if status in (409, 412):
        return (
            f"{address} was changed or made by somebody else meanwhile ({_line(error)}); look at it, then push again"
        )
    return f"{address}: the hub answered {status} ({_line(error)}); try again later"


def _line(error: Exception) -> str:
    """Return the first line of an error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".")
