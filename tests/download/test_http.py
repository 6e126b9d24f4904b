import http.client
import ssl
import threading
import time

import pytest

from cpep.download import connections as module
from cpep.download.connections import LONGEST_PAUSE_S, TRIES, Limiter, Stopped, side_by_side
from cpep.download.http import Remote, Version
from cpep.types import UserError
from tests.download.range_server import done, serving, times

BODY = bytes(range(256)) * 1200


@pytest.fixture
def server():
    with serving({"a.tar": BODY}) as server:
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

    monkeypatch.setattr(Remote, "_pause", pause)
    return made


def test_a_part_is_read_over_one_connection(server):
    with Remote(server.url + "a.tar") as remote:
        assert remote.size == len(BODY)
        assert remote.read(1000, 200_001) == BODY[1000:200_001]
        assert remote.read(5, 5) == b""
        assert (remote.requests, remote.received) == (2, 199_002)
        assert len(remote._open) == 1
    assert remote.version == Version(len(BODY), '"v1"')


PASSING = {
    "503": lambda h, a, b: done(h.answer(503)),
    "429": lambda h, a, b: done(h.answer(429, Retry_After="Thu, 01 Jan 2026 00:00:00 GMT")),
    "reset": lambda h, a, b: done(h.reset()),
    "ends early": lambda h, a, b: done(h.part(a, b, cut=70_000)),
    "no body": lambda h, a, b: done(h.part(a, b, cut=0)),
    "other range": lambda h, a, b: done(h.part(a, b, said=f"bytes {a + 1}-{b}/{len(BODY)}")),
    "nonsense range": lambda h, a, b: done(h.part(a, b, said="bytes */*")),
    "longer": lambda h, a, b: done(h.part(a, b, length=b - a + 7)),
    "shorter": lambda h, a, b: done(h.part(a, b, length=b - a - 7, cut=b - a - 7)),
}


@pytest.mark.parametrize("trick", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again_from_the_next_byte(server, pauses, trick):
    server.trick = times(3, trick)
    with Remote(server.url + "a.tar") as remote:
        assert remote.read(100, 300_000) == BODY[100:300_000]
    asked = server.asked("a.tar")
    assert len(asked) == 4 and len(pauses) == 3
    assert {stop for _, stop in asked} == {300_000}
    # a body that ended early was worth its bytes, and a failure after progress is a first failure
    cut = [start for start, _ in asked] == [100, 70_100, 140_100, 210_100]
    assert cut == (trick is PASSING["ends early"])
    assert pauses == ([0.5] * 3 if cut else [0.5, 1, 2])


@pytest.mark.parametrize("name", sorted(set(PASSING) - {"ends early"}))  # which makes progress
def test_what_does_not_pass_is_a_sentence(server, pauses, name):
    server.trick = PASSING[name]
    with (
        Remote(server.url + "a.tar") as remote,
        pytest.raises(UserError, match="same command again to go on") as said,
    ):
        remote.read(0, 300_000)
    assert server.url in str(said.value)
    assert len(pauses) == TRIES - 1 and len(server.log) == TRIES


def test_the_server_says_how_long_to_wait(server, pauses):
    server.trick = times(2, lambda h, a, b: done(h.answer(503, Retry_After="7" if a == 0 else "100000")))
    with Remote(server.url + "a.tar") as remote:
        remote.read(0, 10)
        server.trick = times(1, lambda h, a, b: done(h.answer(503, Retry_After="100000")))
        remote.read(10, 20)
    assert pauses == [7, 7, LONGEST_PAUSE_S]


@pytest.mark.parametrize(
    ("trick", "sentence"),
    [
        (lambda h, a, b: done(h.answer(404)), "answers 404 Not Found; check the address"),
        (lambda h, a, b: done(h.answer(403)), "answers 403 Forbidden"),
        (lambda h, a, b: done(h.part(0, len(BODY), status=200)), "whole files only"),
        (lambda h, a, b: done(h.answer(302, Location="https://x.org/a.tar")), "moved to https://x.org/a.tar"),
        (lambda h, a, b: done(h.answer(416)), "a.tar is empty"),
    ],
)
def test_a_refusal_is_a_sentence_at_once(server, trick, sentence):
    server.trick = trick
    with Remote(server.url + "a.tar") as remote, pytest.raises(UserError, match=sentence):
        remote.read(0, 10)
    assert len(server.log) == 1


@pytest.mark.parametrize(
    "trick",
    [
        lambda h, a, b: done(h.part(a, b, said=f"bytes {a}-{b - 1}/{len(BODY) + 1}")),
        lambda h, a, b: setattr(h.server, "etag", '"v2"'),
        lambda h, a, b: done(h.answer(416)),
    ],
)
def test_a_file_that_changes_is_refused(server, trick):
    with Remote(server.url + "a.tar") as remote:
        remote.read(0, 10)
        server.trick = trick
        with pytest.raises(UserError, match=r"changed while it was read|was replaced on the server"):
            remote.read(10, 20)


def test_a_server_that_hangs_is_a_timeout(server, pauses, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    server.trick = times(1, lambda h, a, b: done(time.sleep(0.2)))
    with Remote(server.url + "a.tar") as remote:
        assert remote.read(0, 10) == BODY[:10]
    assert pauses == [0.5]


def test_nobody_listens(pauses):
    with serving({}) as gone:
        url = gone.url
    with pytest.raises(UserError, match=r"refused, 7 times on end"):
        Remote(url + "a.tar").read(0, 1)


@pytest.mark.parametrize("url", ["ftp://x.org/a", "x.org/a", "https://"])
def test_an_address_that_is_none(url):
    with pytest.raises(UserError, match="no address of a web server"):
        Remote(url)


def test_a_proxy_is_asked_for_the_whole_address(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    seen = []
    server.trick = lambda h, a, b: seen.append(h.path)
    with Remote("http://elsewhere.invalid/emg2pose/a.tar") as remote:
        assert remote.read(0, 10) == BODY[:10]
    assert seen == ["http://elsewhere.invalid/emg2pose/a.tar"]


def test_versions():
    one = Version(10, '"a"', "Monday")
    assert one.same(Version(10, '"a"', "Tuesday")) and one.same(Version(10)) and one.same(Version(10, "", "Monday"))
    assert not any(map(one.same, (Version(11, '"a"'), Version(10, '"b"', "Monday"), Version(10, "", "Tuesday"))))


def test_the_limiter_spreads_the_bytes_of_all_threads():
    now = 0.0
    limiter = Limiter(1000, lambda: now)
    assert [limiter.delay(500) for _ in range(4)] == [0, 0.5, 1, 1.5]
    now = 10.0  # what was not used is not saved up
    assert [limiter.delay(100) for _ in range(2)] == [0, pytest.approx(0.1)]
    assert Limiter(None).delay(10**12) == 0


def test_a_limited_file_takes_its_time(server):
    with Remote(server.url + "a.tar", Limiter(2e6)) as remote:
        began = time.monotonic()
        remote.read(0, 300_000)
    # the last block of 64 KiB is not waited for
    assert time.monotonic() - began > (300_000 - 2 * 65536) / 2e6


def test_threads_stop_at_the_first_mistake_and_at_ctrl_c(server):
    hang, ended = threading.Event(), []
    server.trick = lambda h, a, b: done(hang.wait(20)) if a else False

    def read():
        try:
            remote.read(1000, 2000)
        except Stopped:
            ended.append(1)
            raise

    def fail():
        while len(server.log) < 3:
            time.sleep(0.005)
        raise UserError("mine")

    def interrupt():
        if len(server.log) >= 3:
            raise KeyboardInterrupt

    began = time.monotonic()
    for calls, tick, error in (
        ([read, read, fail], lambda: None, UserError),
        ([read, read], interrupt, KeyboardInterrupt),
    ):
        server.log.clear()
        with Remote(server.url + "a.tar") as remote:
            assert remote.size == len(BODY)
            with pytest.raises(error):
                side_by_side(remote, calls, 3, tick)
    hang.set()
    assert len(ended) == 4
    assert time.monotonic() - began < 10


def test_after_a_mistake_no_call_is_begun(server):
    begun, both = [], threading.Barrier(2)

    def fail():
        both.wait(10)
        raise UserError("mine")

    def hang():
        both.wait(10)
        remote._stop.wait(10)

    with Remote(server.url + "a.tar") as remote:
        calls = [fail, hang, *[lambda: begun.append(1)] * 100]
        with pytest.raises(UserError, match="mine"):
            side_by_side(remote, calls, 2, lambda: None)
    assert begun == []


def test_a_connection_that_is_made_after_the_stop_is_not_waited_for(server, monkeypatch):
    """A stop finds no socket to shut while a thread connects."""
    connect = http.client.HTTPConnection.connect

    def stopped_meanwhile(self):
        remote.close()
        connect(self)

    monkeypatch.setattr(http.client.HTTPConnection, "connect", stopped_meanwhile)
    with Remote(server.url + "a.tar") as remote, pytest.raises(Stopped):
        remote.read(0, 10)
    assert server.log == []


def test_a_certificate_that_is_not_trusted_is_said_at_once(server, monkeypatch):
    def refuse(self, *args, **options):
        error = ssl.SSLCertVerificationError("bad")
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(http.client.HTTPConnection, "request", refuse)
    with pytest.raises(UserError, match=r"certificate is not trusted here \(self-signed certificate\)"):
        Remote(server.url + "a.tar").read(0, 1)


def test_what_comes_after_a_stop_is_thrown_away(server, monkeypatch):
    """A shut TLS socket hands out what was not deciphered yet: none of it may get into a file."""

    def read(self, amount):
        remote.close()
        return b"?" * amount

    monkeypatch.setattr(http.client.HTTPResponse, "read", read)
    with Remote(server.url + "a.tar") as remote, pytest.raises(Stopped):
        next(remote.blocks(0, 1000))
    assert remote.received == 0
