"""Files by one GET each, over redirects to other hosts."""

from __future__ import annotations

import pytest

from cpep.download.connections import TRIES, Stopped
from cpep.download.site import Refused, Site, WrongSize, _next
from cpep.types import UserError
from tests.download.nemar_server import SIGNATURE, nemar
from tests.download.range_server import done

NAME = "sub-00/emg/sub-00_task-a_emg.bdf"
BODY = bytes(range(256)) * 1200
SMALL = b"participant_id\n"


@pytest.fixture
def server():
    with nemar({NAME: BODY, "participants.tsv": SMALL}) as server:
        yield server


@pytest.fixture
def pauses(monkeypatch):
    """Pauses that were made, without waiting for them."""
    made = []

    def pause(self, seconds):
        if self._stop.is_set():
            raise Stopped
        if seconds:
            made.append(seconds)

    monkeypatch.setattr(Site, "_pause", pause)
    return made


@pytest.fixture
def read(server):
    """Read a file from a byte on."""

    def read(path=NAME, start=0, size=None):
        with Site() as site:
            url = f"{server.url}{server.dataset}/{server.version}/{path}"
            return b"".join(site.blocks(url, start, len(server.content[path]) if size is None else size))

    return read


def bodies(handler, path):
    return path.startswith("objects/")


def only(trick, times=10**6):
    """A trick for the first so many requests to the storage."""
    left = [times]

    def play(handler, path):
        if not bodies(handler, path) or left[0] <= 0:
            return False
        left[0] -= 1
        return done(trick(handler))

    return play


def test_a_file_is_followed_to_another_host_with_nothing_but_our_name(server, read):
    assert read() == BODY and read("participants.tsv") == SMALL
    assert [host for host, _, _ in server.log] == ["127.0.0.1", "localhost", "127.0.0.1"]
    for sent in server.headers:
        assert sorted(sent) == ["Accept-Encoding", "Host", "User-Agent"]


def test_connections_are_kept_over_redirects(server):
    with Site() as site:
        url = f"{server.url}{server.dataset}/{server.version}/"
        for path in (NAME, "participants.tsv", NAME):
            assert b"".join(site.blocks(url + path, 0, len(server.content[path]))) == server.content[path]
        assert (
            server.accepted == 2
            and len(site._open) == 2
            and (site.requests, site.received) == (5, 2 * len(BODY) + len(SMALL))
        )


@pytest.mark.parametrize("ranges", [True, False])
def test_the_rest_of_a_file_is_asked_for(server, read, ranges):
    server.ranges = ranges
    assert read(start=100_001) == BODY[100_001:]
    assert [start for _, _, start in server.log] == [100_001, 100_001]
    assert server.sent == len(BODY) - (100_001 if ranges else 0)
    server.clear()
    assert read(start=len(BODY)) == b"" and server.log == []


PASSING = {
    "503": lambda h: h.answer(503),
    "429": lambda h: h.answer(429, Retry_After="1"),
    "502": lambda h: h.answer(502),
    "reset": lambda h: h.reset(),
    "ends early": lambda h: h.object(BODY, _start(h), cut=70_000),
    "no body": lambda h: h.object(BODY, _start(h), cut=0),
}


def _start(handler):
    return int((handler.headers["Range"] or "bytes=0-")[6:-1])


@pytest.mark.parametrize("trick", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("ranges", [True, False])
def test_what_passes_is_tried_again_from_the_next_byte(server, read, pauses, trick, ranges):
    server.ranges, server.play = ranges, only(trick, 3)
    assert read() == BODY
    assert len(server.log) == 8 and len(pauses) == 3
    # each attempt asks anew where the file is, and a body that ended early was worth its bytes
    cut = [start for _, _, start in server.log] == [n * 70_000 for n in (0, 0, 1, 1, 2, 2, 3, 3)]
    assert cut == (trick is PASSING["ends early"] and ranges)
    assert pauses == [0.5] * 3 if cut else pauses[0] in (0.5, 1)


def test_the_server_says_how_long_to_wait(server, read, pauses):
    server.play = only(lambda h: h.answer(429, Retry_After="7"), 2)
    assert read() == BODY and pauses == [7, 7]


@pytest.mark.parametrize("name", ["503", "429", "reset", "no body"])
def test_what_does_not_pass_is_a_sentence_without_the_signature(server, read, pauses, name):
    server.play = only(PASSING[name])
    with pytest.raises(UserError, match="7 times on end; run the same command again to go on") as said:
        read()
    assert type(said.value) is UserError and NAME in str(said.value) and SIGNATURE not in str(said.value)
    assert len(pauses) == TRIES - 1 and len(server.log) == 2 * TRIES


@pytest.mark.parametrize("status", [500, 502])
def test_a_file_that_the_server_lost_is_refused_alone(server, read, pauses, status):
    server.play = only(lambda h: h.answer(status))
    with pytest.raises(Refused, match=f"answers {status}"):
        read()
    assert len(pauses) == TRIES - 1


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_none_at_once(server, read, status):
    server.play = only(lambda h: h.answer(status))
    with pytest.raises(Refused, match=f"answers {status}") as said:
        read()
    assert said.value.status == status and len(server.log) == 2


def lie(handler, said=None, status=206, body=b""):
    handler.send_response(status)
    if said:
        handler.send_header("Content-Range", said)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.send(body)


@pytest.mark.parametrize(
    ("trick", "sentence"),
    [
        (lambda h: lie(h, status=200, body=BODY + b"x"), "has 307,201 bytes on the server, .* says 307,200"),
        (lambda h: lie(h, f"bytes 1000-{len(BODY)}/{len(BODY) + 1}"), "has 307,201 bytes on the server"),
        (lambda h: lie(h, status=416), "ends before byte 1,000 on the server"),
    ],
)
def test_another_size_is_refused_before_it_is_read(server, read, trick, sentence):
    server.play = only(trick)
    with pytest.raises(WrongSize, match=sentence):
        read(start=1000)
    assert len(server.log) == 2


@pytest.mark.parametrize("said", [None, "bytes 999-307199/307200", "bytes 1000-1009/307200", "nonsense"])
def test_another_range_is_asked_for_again(server, read, pauses, said):
    server.play = only(lambda h: lie(h, said, body=BODY[999:-1]), 1)
    assert read(start=1000) == BODY[1000:] and len(pauses) == 1


@pytest.mark.parametrize("cut", [False, True])
def test_bodies_in_chunks(server, read, pauses, cut):
    def chunks(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, 150_000 if cut else len(BODY), 50_000):
            block = BODY[at : at + 50_000]
            handler.send(b"%x\r\n" % len(block) + block + b"\r\n")
        if cut:
            handler.close_connection = True
        else:
            handler.send(b"0\r\n\r\n")

    server.play = only(chunks, 1)
    assert read() == BODY and len(pauses) == cut
    server.play = lambda h, path: path.endswith("tsv") and done(chunks(h))
    server.clear()
    if not cut:
        with Site() as site:
            assert site.document(f"{server.url}a.tsv") == BODY


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("", "and not where to"),
        ("ftp://elsewhere.invalid/a", "and not where to"),
        ("file:///etc/passwd", "and not where to"),
        (f"/objects/{NAME}/again", "more than 5 times"),
    ],
)
def test_places_that_are_not_followed(server, read, location, sentence):
    server.play = lambda h, path: done(h.answer(302, **{"Location": location} if location else {}))
    with pytest.raises(UserError, match=sentence):
        read()
    assert len(server.log) in (1, 6)


def test_where_a_redirect_leads():
    first = "https://data.nemar.org/nm000281/v1.0.3/a"
    assert _next(first, first, "../b?c=d") == "https://data.nemar.org/nm000281/b?c=d"
    assert _next(first, first, "https://name:word@s3.invalid/a#x") == "https://s3.invalid/a"
    assert _next("http://127.0.0.1/a", "http://127.0.0.1/a", "https://s3.invalid/a") == "https://s3.invalid/a"
    with pytest.raises(UserError, match=r"from https to http://s3.invalid, where .* it is not followed") as said:
        _next(first, first, "http://s3.invalid/a?secret")
    assert "secret" not in str(said.value)


def test_documents(server, monkeypatch):
    with Site() as site:
        assert b'"latest": "v1.0.3"' in site.document(f"{server.url}{server.dataset}")
        with pytest.raises(Refused, match=rf"{server.url}nothing: the server answers 404"):
            site.document(f"{server.url}nothing")
        monkeypatch.setattr("cpep.download.site.LARGEST_DOCUMENT", 10)
        with pytest.raises(UserError, match="longer than 10 bytes"):
            site.document(f"{server.url}{server.dataset}")


def test_an_empty_file(server, read):
    server.content["empty.tsv"] = b""
    assert read("empty.tsv") == b""
