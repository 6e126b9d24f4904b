"""A server as that of NEMAR, on a thread: small files at once, recordings by redirect to another host; and a set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from cpep.download.plan import TABLE
from tests.download.nemar_set import entry
from tests.download.range_server import Handler, RangeServer, running

DATASET, VERSION = "nm000281", "v1.0.3"
SIGNATURE = "X-Amz-Signature=secret"

Trick = Callable[["NemarHandler", str], bool]
"""Given a request and what is asked (a path below the version, or ``objects/...``), answers it and returns true."""


class NemarServer(RangeServer):
    """Serves ``content`` (path -> bytes) of one version of a data set, and logs what was asked: (host, path, start).

    Attributes:
        manifest: by path, as the storage keeps it; ``None`` where the storage refuses.
        listed: whether the server answers a list of all files.
    """

    def __init__(self, content: dict[str, bytes], dataset: str = DATASET, version: str = VERSION) -> None:
        super().__init__({}, NemarHandler)
        self.content, self.dataset, self.version = content, dataset, version
        self.manifest: dict[str, dict] | None = {path: entry(path, body) for path, body in content.items()}
        self.listed, self.ranges = False, True
        self.play: Trick | None = None
        self.log: list = []
        self.headers: list = []
        self.accepted = 0

    @property
    def paths(self) -> list[str]:
        """What was asked of the version."""
        below = f"{self.dataset}/{self.version}/"
        return [path.removeprefix(below) for _, path, _ in self.log if path.startswith(below)]

    @property
    def tables(self) -> list[str]:
        """What comes with every part."""
        top = [path for path in self.content if "/" not in path and path[0] != "."]
        return sorted(top + [path for path in self.content if path.endswith("_scans.tsv")])


class NemarHandler(Handler):
    server: NemarServer

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.accepted += 1

    def do_GET(self) -> None:
        server, url = self.server, urlsplit(self.path)
        path = unquote(url.path).removeprefix("/emg2pose/").removeprefix("/")
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        with server.lock:
            server.log.append((self.headers["Host"].split(":")[0], path, start))
            server.headers.append(dict(self.headers))
        below = f"{server.dataset}/{server.version}/"
        if server.play is not None and server.play(self, path.removeprefix(below)):
            return
        if path == TABLE:
            self.part(start, int(self.headers["Range"].rpartition("-")[2]) + 1)
        elif path == server.dataset:
            self.whole(json.dumps({"dataset_id": server.dataset, "latest": server.version, "versions": []}).encode())
        elif path == f"{server.dataset}/version/{server.version}.json":
            head = {"dataset_id": server.dataset, "version": server.version[1:]}
            value = json.dumps({**head, "files": server.manifest}).encode()
            self.answer(403) if server.manifest is None else self.whole(value)
        elif path == f"{below}manifest.json":
            self.whole(json.dumps(as_list(server)).encode()) if server.listed else self.answer(413)
        elif path.startswith("objects/") and url.query == SIGNATURE:
            self.object(server.content[path.removeprefix("objects/")], start)
        elif path.removeprefix(below) in server.content:
            self.named(path.removeprefix(below))
        else:
            self.answer(404)

    def named(self, path: str) -> None:
        if path.endswith((".bdf", ".edf")):
            port = self.server.server_address[1]
            self.answer(302, Location=f"http://localhost:{port}/objects/{path}?{SIGNATURE}")
        else:
            self.whole(self.server.content[path])

    def object(self, body: bytes, start: int, cut: int | None = None) -> None:
        """Send the part of a recording that is asked for, or all of it where the storage knows no parts."""
        if not start or not self.server.ranges:
            self.whole(body, cut)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self._body(body[start:], cut)

    def whole(self, body: bytes, cut: int | None = None) -> None:
        self.send_response(200)
        self._body(body, cut)

    def _body(self, body: bytes, cut: int | None) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send(body[:cut])
        self.close_connection = self.close_connection or cut is not None


@contextmanager
def nemar(content: dict[str, bytes], **options: str) -> Iterator[NemarServer]:
    """Serve a data set until the block ends."""
    with running(NemarServer(content, **options)) as server:
        yield server


def as_list(server: NemarServer) -> list[dict]:
    """The manifest as the server answers it."""
    found = []
    for path, one in {path: entry(path, body) for path, body in server.content.items()}.items():
        kind, _, number = one["checksum"].partition(":")
        found.append({"path": path, "size": one["size"], "checksum_algorithm": kind, "checksum": number, "url": None})
    return found
