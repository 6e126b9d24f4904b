"""A hub in a folder, in place of what cpep calls of huggingface_hub; its errors are those of the library."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
from huggingface_hub import errors


def answer(kind: type[Exception], status: int, message: str = "said the hub") -> Exception:
    """Return an error as the library raises it for an answer with that status."""
    return kind(message, response=SimpleNamespace(status_code=status, headers={}, request=None))


@dataclass
class Repository:
    """Commits, newest last, each with all its files."""

    private: bool = False
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{".gitattributes": b""}])

    @property
    def names(self) -> list[str]:
        return [hashlib.sha1(f"{i}{sorted(files)}".encode()).hexdigest() for i, files in enumerate(self.commits)]


class FakeHub:
    """Repositories by name, and all that was asked of them."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.repositories, self.fetched = cache, {}, []
        self.fails: Exception | None = None

    def install(self, monkeypatch: Any) -> FakeHub:
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: self)
        for name in ("hf_hub_download", "snapshot_download"):
            monkeypatch.setattr(huggingface_hub, name, getattr(self, name))
        return self

    def _find(self, name: str) -> Repository:
        if self.fails:
            raise self.fails
        if name not in self.repositories:
            raise answer(errors.RepositoryNotFoundError, 404)
        return self.repositories[name]

    def _at(self, name: str, revision: str | None, wanted: list[str]) -> Path:
        found = self._find(name)
        commits = dict(zip(found.names, found.commits, strict=True)) | {None: found.commits[-1]}
        if revision not in commits:
            raise answer(errors.RevisionNotFoundError, 404)
        folder = self.cache / name.replace("/", "--") / (revision or found.names[-1])
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in commits[revision].items():
            if any(fnmatch(file, pattern) for pattern in wanted):
                self.fetched.append(file)
                (folder / file).write_bytes(content)
        return folder

    def hf_hub_download(self, name: str, file: str, *, revision: str | None = None, **_: Any) -> str:
        path = self._at(name, revision, [file]) / file
        if not path.exists():
            raise errors.EntryNotFoundError(f"no {file}")
        return str(path)

    def snapshot_download(self, name: str, *, revision: str, allow_patterns: list[str], **_: Any) -> str:
        return str(self._at(name, revision, allow_patterns))

    def model_info(self, name: str) -> Any:
        found = self._find(name)
        files = [SimpleNamespace(rfilename=file) for file in found.commits[-1]]
        return SimpleNamespace(private=found.private, sha=found.names[-1], siblings=files)

    def create_repo(self, name: str, *, private: bool | None) -> None:
        self.repositories[name] = Repository(bool(private))

    def create_commit(self, name: str, operations: list[Any], *, parent_commit: str | None, **_: Any) -> Any:
        found = self._find(name)
        if parent_commit not in (None, found.names[-1]):
            raise answer(errors.HfHubHTTPError, 412)
        new = {}
        for operation in operations:
            with operation.as_file() as file:
                new[operation.path_in_repo] = file.read()
        found.commits.append({**found.commits[-1], **new})
        return SimpleNamespace(commit_url=f"https://hub/{name}/commit/{found.names[-1]}")
