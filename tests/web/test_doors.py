"""What strangers do to a server that runs: headers, half-open requests, floods, and lines of the terminal."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from cpep.web import connections, guard, log
from cpep.web.guard import COOKIE
from cpep.web.server import CLEAR
from tests.web.browser.serving import Server
from tests.web.fake import serve_fake

PATIENCE_S = 10
"""Of a test on a busy machine."""


def serve_hasty(book, errors, host):
    """Serve the fake page; what a server waits ten seconds and more for takes half a second."""
    connections.HEAD_S = connections.BODY_S = guard.LOGIN_S = 0.5
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    serve_fake(book, host)


class Stormed(Server):
    """A server with what strangers do to it.

    Args:
        folder: where its book is, and what it says to the terminal.
    """

    def __init__(self, folder, host="0.0.0.0"):
        self.errors = folder / "errors"
        super().__init__(serve_hasty, folder / "my.book", self.errors, host)
        self.address, _, self.token = self.address.partition("?token=")
        self.port = int(self.address.rsplit(":", 1)[1].strip("/"))
        self.cookie = {"cookie": f"{COOKIE}={self.token}"}

    def get(self, path="", **more):
        return httpx.get(self.address + path, timeout=PATIENCE_S, verify=False, **more)

    def answers(self):
        """Tell whether the page is there for others."""
        return self.get("api/view", headers=self.cookie).status_code == 200

    def open(self):
        """Return a socket that is connected."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def page(self):
        """Return the address of a page's web socket and the name of the page."""
        name = re.search(r"'client_id': '([^']+)'", self.get(headers=self.cookie).text)[1]
        return self.socket_of(name), name

    def socket_of(self, name):
        """Return the address of the web socket of a page."""
        query = f"client_id={name}&tab_id=t&document_id=d&next_message_id=0&implicit_handshake=true"
        return f"ws://127.0.0.1:{self.port}/_nicegui_ws/socket.io/?EIO=4&transport=websocket&{query}"

    def said(self):
        """Return what came to the terminal's errors, without what is said at the start."""
        lines = self.errors.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if line not in CLEAR.replace("PORT", str(self.port)) + "\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Stormed(tmp_path_factory.mktemp("doors")) as found:
        yield found


def closed(one):
    """Tell whether the server closes a socket within its time."""
    try:
        while one.recv(1000):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_every_answer_has_the_headers(server):
    asked = {
        "page": server.get(headers=server.cookie),
        "api": server.get("api/view", headers=server.cookie),
        "file": server.get("static/page.css", headers=server.cookie),
        "missing": server.get("no/such/page", headers=server.cookie),
        "wrong": server.get("api/view?since=x", headers=server.cookie),
        "method": httpx.delete(server.address, headers=server.cookie, verify=False),
        "login": server.get(),
        "redirect": server.get(f"?token={server.token}"),
        "refused": server.get(headers={"origin": "http://evil.example"}),
        "unsized": httpx.post(server.address, headers=server.cookie, content=iter([b"x"]), verify=False),
    }
    status = {name: answer.status_code for name, answer in asked.items()}
    assert status == dict(
        page=200,
        api=200,
        file=200,
        missing=404,
        wrong=422,
        method=405,
        login=401,
        redirect=303,
        refused=403,
        unsized=411,
    )
    for name, answer in asked.items():
        headers, policy = answer.headers, answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "http" not in policy, name
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff"), name
        assert headers["referrer-policy"] == headers["cross-origin-opener-policy"] == "same-origin", name
        assert ("no-store" in headers.get("cache-control", "")) == (name != "file"), name
        assert "server" not in headers


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\ntok",
        b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: COOKIE\r\nContent-Length: 50\r\n\r\n{",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 2**16,
        b"\r\n\r\n",
        b"GET /api/view HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /",
        b"GET /api/view HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
    ],
)
def test_half_a_request_is_closed(server, part):
    with server.open() as one:
        one.sendall(part.replace(b"COOKIE", server.cookie["cookie"].encode()))
        assert closed(one) and server.answers()


def test_a_head_that_comes_byte_by_byte_is_closed(server):
    with server.open() as one, pytest.raises(OSError):
        for _ in range(30):
            one.sendall(b"x")
            time.sleep(0.05)


def test_a_thousand_sockets_do_not_stop_others(server):
    with ExitStack() as opened:
        for at in range(1000):
            one = opened.enter_context(server.open())
            one.sendall(b"GET /")
            if at % 250 == 249:
                assert server.answers()


def stays_open(address, headers, *messages, wait=PATIENCE_S):
    """Tell whether a web socket is still open some seconds after messages, or after the server's last one."""
    with connect(address, additional_headers=headers) as one:
        try:
            for message in messages:
                one.send(message)
            while True:
                one.recv(timeout=wait)
        except ConnectionClosed:
            return False
        except TimeoutError:
            return True


EVENT = '42["event",{"id":4,"client_id":"NAME","listener_id":"x","args":[null,"{}"]}]'
ILL = (
    "\n\x1b[31mcpep: your token was stolen\n",
    "2probe",
    "451000000-[1]",
    "42[]",
    '42["event"]',
    '42["event",[]]',
    '42["event",{"id":4,"client_id":["NAME"],"listener_id":"x"}]',
    '42["event",{"id":"4","client_id":"NAME","listener_id":"x"}]',
    '42["event",{"id":4,"client_id":"NAME","listener_id":"x","args":["{"]}]',
    '42["handshake",{"client_id":"NAME"}]',
    '42["ack",{"client_id":"NAME","next_message_id":1e999}]',
    '42["unheard of",{}]',
    "42" + "[" * 60_000,
    '42["ack",' + "9" * 5000 + "]",
    "42[" + " " * 70_000,
    b"bytes",
)


@pytest.mark.parametrize("at", range(len(ILL)))
def test_a_message_that_no_page_sends_ends_its_web_socket(server, at):
    address, name = server.page()
    message = ILL[at] if isinstance(ILL[at], bytes) else ILL[at].replace("NAME", name)
    assert not stays_open(address, server.cookie, "40", message)


def test_messages_that_a_page_sends_are_taken_up_to_a_rate(server):
    address, name = server.page()
    event = EVENT.replace("NAME", name)
    log = '42["log",' + json.dumps({"client_id": name, "level": "error", "message": "\ncpep: stolen"}) + "]"
    assert stays_open(address, server.cookie, "40", event, log, *["3"] * 100, wait=0.5)
    assert not stays_open(address, server.cookie, "40", *[event] * 1000)
    assert server.answers()


def test_a_page_that_was_away_for_some_seconds_goes_on(server):
    """As where the machine of the browser slept, or had no time: what was posed and typed there is kept."""
    address, _ = server.page()
    for away_s in (0, 3.5):
        time.sleep(away_s)
        with connect(address, additional_headers=server.cookie) as one:
            one.recv(timeout=PATIENCE_S)
            one.send("40")
            assert one.recv(timeout=PATIENCE_S).startswith("40")  # 44: the page is not known, and is loaded anew


def test_there_is_no_long_polling_and_no_web_socket_without_the_token(server):
    address, _ = server.page()
    polling = address.replace("ws://", "http://").replace("websocket", "polling")
    assert httpx.get(polling, headers=server.cookie).status_code == 400
    with pytest.raises(InvalidStatus):
        connect(address)


def test_wrong_tokens_wait(server):
    start = time.monotonic()
    assert server.get("?token=guess").status_code == 401 and time.monotonic() - start > 0.4


def test_nothing_of_it_came_to_the_terminal(server):
    for path in ("%0acpep:%20stolen", "api/view?since=%1b[2J", f"gone?token={server.token}", "static/%0a../x"):
        server.get(path, headers={**server.cookie, "x-y": "stolen", "user-agent": "stolen"})
    said = server.said()
    assert "stolen" not in said and server.token not in said and "\x1b" not in said
    assert said == ""


NONSENSE = (
    [],
    ["null"],
    ['"\\n\\u001b[31mstolen"'],
    ["{}", "[]"],
    ["1e999"],
    ["-1"],
    ["[[1]]"],
    ['"\\ud800"'],
    [None] * 3,
)


def test_nonsense_to_each_listener_of_the_page(server):
    """An error of our own is no line of the client, and the page goes on."""
    shown = server.get(headers=server.cookie).text
    elements = json.loads(shown[shown.index("String.raw`") + 11 : shown.index("`), {")])
    name = re.search(r"'client_id': '([^']+)'", shown)[1]
    events = [
        "42" + json.dumps(["event", dict(id=int(key), client_id=name, listener_id=at["listener_id"], args=what)])
        for key, element in elements.items()
        for at in element.get("events", [])
        for what in NONSENSE
    ]
    assert len(events) > 100
    address = server.socket_of(name)
    for first in range(0, len(events), 200):
        stays_open(address, server.cookie, "40", *events[first : first + 200], wait=0.3)
    said = server.said()
    print(said)
    assert "\x1b" not in said and "\nstolen" not in said
    assert said.count("cpep: the page: ") <= log.MOST and server.answers()
