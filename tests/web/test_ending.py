"""Ctrl-C and SIGTERM end a server within two seconds, whatever goes on; a second one ends it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cpep.runtime.confined import MB, Bounds, call
from cpep.types import UserError
from cpep.web.train_store import TrainStore
from tests.web import fake, fake_train
from tests.web.browser.serving import Server
from tests.web.test_doors import Stormed

WITHIN_S = 2.5
"""Two seconds, and half a second in which a busy machine does nothing."""


class Closing:
    """A page of which something does not end."""

    def __init__(self, page, close):
        self.live, self.show, self.close = page.live, page.show, close


def serve_stuck(folder):
    """Serve a page whose source never answers, beside a thread that blocks."""
    from cpep.web.server import serve

    threading.Thread(target=time.sleep, args=(60,)).start()
    serve(Closing(fake.page(folder / "my.book"), lambda: time.sleep(60)), "127.0.0.1", 0, show=False)


def serve_training(folder):
    """Serve a page while a training goes on that does not listen."""
    from cpep.web.server import serve

    (folder / "recordings").mkdir()
    (folder / "recordings" / "one").touch()
    training = TrainStore(folder / "recordings", folder / "out", "sim", train=fake_train.stubborn)
    training.start()
    serve(Closing(fake.page(folder / "my.book"), training.close), "127.0.0.1", 0, show=False)


def serve_reading(folder):
    """Serve a page while a file is read that has no end."""
    from cpep.web.server import serve

    def read():
        bounds = Bounds(60, 60, 100 * MB)
        try:
            call("tests.web.fake_train:endless", str(folder / "pid"), what="upload", bounds=bounds)
        except UserError as error:
            (folder / "said").write_text(str(error))

    threading.Thread(target=read).start()
    serve(fake.page(folder / "my.book"), "127.0.0.1", 0, show=False)


def until(true, within_s=60.0):
    stop = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < stop
        time.sleep(0.02)
    return found


def ends(server, *signals):
    """Send signals, and return the seconds until the process has ended, and its exit status."""
    start = time.monotonic()
    for one in signals:
        os.kill(server.process.pid, one)
        time.sleep(0.05)
    server.process.join(20)
    return time.monotonic() - start, server.process.exitcode


def gone(pid):
    """Tell whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_web_sockets_and_half_requests_do_not_hold_a_server(tmp_path, number):
    with Stormed(tmp_path, "127.0.0.1") as server, ExitStack() as opened:
        address, _ = server.page()
        for at in (address, *[address.partition("&client_id")[0]] * 100):
            with suppress(ConnectionClosed):  # by the server, which may have turned it away by then
                opened.enter_context(connect(at)).send("40")
        for part in (b"", b"GET /", b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n"):
            opened.enter_context(server.open()).sendall(part)
        seconds, status = ends(server, number)
        assert seconds < WITHIN_S and status == 0 and server.said() == ""


def test_what_never_answers_is_left(tmp_path):
    with Server(serve_stuck, tmp_path) as server:
        seconds, status = ends(server, signal.SIGINT)
        assert 1 < seconds < WITHIN_S and status == 1


def test_a_second_signal_ends_it_at_once(tmp_path):
    with Server(serve_stuck, tmp_path) as server:
        seconds, status = ends(server, signal.SIGINT, signal.SIGINT)
        assert seconds < 1 and status == 1


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_a_training_that_does_not_listen_is_no_orphan(tmp_path, signals):
    with Server(serve_training, tmp_path) as server:
        pid = int(until(lambda: (tmp_path / "out" / "pid").exists() and (tmp_path / "out" / "pid").read_text()))
        assert ends(server, *signals)[0] < WITHIN_S
        until(lambda: gone(pid), 2)
    assert (tmp_path / "out" / "asked").exists() or len(signals) == 2


def test_a_file_that_is_read_is_read_no_more(tmp_path):
    with Server(serve_reading, tmp_path) as server:
        (folder,) = until(lambda: list(tmp_path.glob("pid.*")))
        seconds, status = ends(server, signal.SIGINT)
        assert seconds < WITHIN_S and status == 0 and "as cpep ends" in (tmp_path / "said").read_text()
        assert gone(int(folder.suffix[1:]))
