"""What the page needs of the server, without a browser."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import httpx
import numpy as np
import pytest
import torch

from cpep.data.readers.emg2pose import read_recording
from cpep.hand.kinematics import Hand
from cpep.runtime.confined import MB, Bounds
from cpep.types import UserError
from cpep.web import uploads
from cpep.web.book_store import BookStore
from cpep.web.frames import Live
from cpep.web.guard import COOKIE, Guard
from cpep.web.server import STATIC, bind
from cpep.web.uploads import LARGEST, Poses, read_poses
from tests.data.leading_out import WAYS, leading_out, untouched
from tests.data.samples import write_emg2pose, write_endless, write_generic
from tests.web.fake import FakeBook, FakeSession

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
HOME = "http://127.0.0.1:8080"
TOKEN = "a-token"


async def _app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


class Browser:
    """Keeps cookies, follows no redirect."""

    def __init__(self, token="", base=HOME):
        self.guard = Guard(_app, token, largest=10_000)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.guard), base_url=base)

    def get(self, path="/", **more):
        return asyncio.run(self.client.get(path, **more))

    def post(self, path="/", **more):
        return asyncio.run(self.client.post(path, **more))

    def connects(self, **headers):
        """Tell whether a web socket is accepted."""
        request = self.client.build_request("GET", "/ws", headers=headers)
        sent = []

        async def send(message):
            sent.append(message["type"])

        scope = {
            "type": "websocket",
            "path": "/ws",
            "headers": [(key.lower(), value) for key, value in request.headers.raw],
            "query_string": b"",
        }
        asyncio.run(self.guard(scope, None, send))
        return sent == ["websocket.accept"]


def test_loopback_needs_no_token():
    assert Browser().get().text == "the page" and Browser().connects()


def test_another_site_gets_nothing_from_loopback():
    assert Browser(base="http://rebound.example:8080").get("/").status_code == 403
    assert Browser().get("/", headers={"origin": "http://evil.example"}).status_code == 403
    assert Browser().get("/", headers={"origin": HOME}).status_code == 200
    assert Browser().connects(origin=HOME) and not Browser().connects(origin="http://evil.example")


def test_what_is_no_address_is_refused():
    for token in ("", TOKEN):
        for headers in ({"host": "["}, {"origin": "http://["}):
            browser = Browser(token)
            assert browser.get("/", headers=headers).status_code == 403
            assert not browser.connects(**headers)


def test_without_the_token_there_is_a_field_for_it():
    browser = Browser(TOKEN, "http://10.0.0.2:8080")
    for answer in (browser.get("/"), browser.get("/api/view"), browser.get(headers={"cookie": f"{COOKIE}=other"})):
        assert answer.status_code == 401 and 'name="token"' in answer.text and "the page" not in answer.text
    assert "not the token" in browser.get("/?token=guess").text
    assert not browser.connects()


@pytest.mark.parametrize("how", ["address", "field"])
def test_the_token_opens_the_page_from_then_on(how):
    browser = Browser(TOKEN, "http://10.0.0.2:8080")
    answer = browser.get(f"/?token={TOKEN}") if how == "address" else browser.post("/login", data={"token": TOKEN})
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert browser.get("/").text == "the page" and browser.connects()


def test_the_login_leads_to_no_other_site():
    answer = Browser(TOKEN, "http://10.0.0.2:8080").get(f"http://10.0.0.2:8080//evil.example/x?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example/x"


async def _stream():
    yield b"x"


def test_bodies_are_limited():
    assert Browser().post("/", content=b"x" * 10_000).status_code == 200
    assert Browser().post("/", content=b"x" * 10_001).status_code == 413
    assert Browser().post(content=_stream()).status_code == 411
    assert Browser(TOKEN, "http://10.0.0.2:8080").post("/login", content=b"token=" + b"x" * 5000).status_code == 401


def test_a_taken_port_is_a_sentence():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 is in use; choose another"):
            bind("127.0.0.1", port)
    with pytest.raises(UserError, match=r"cannot listen on port 80 of 203\.0\.113\.9"):
        bind("203.0.113.9", 80)


@pytest.fixture
def book_store(tmp_path):
    FakeBook().save(tmp_path / "my.book")
    return BookStore(FakeSession(FakeBook()), tmp_path / "my.book")


def test_a_gesture_is_on_disk_and_in_use_once_it_is_added(book_store):
    before = book_store.book
    assert book_store.add("  my   wave ", np.full(20, 0.7)) == ()
    assert book_store.book is not before and "my wave" not in before.names
    assert "my wave" in book_store.book.names and "my wave" in FakeBook.load(book_store.path).names
    assert book_store.add("another", np.full(20, 0.72)) == ("my wave",)
    book_store.remove("my wave")
    assert "my wave" not in (*book_store.book.names, *FakeBook.load(book_store.path).names)


def test_the_last_gesture_stays(book_store):
    for name in book_store.book.names[1:]:
        book_store.remove(name)
    with pytest.raises(UserError, match="rest is the last"):
        book_store.remove("rest")
    assert FakeBook.load(book_store.path).names == ("rest",)


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\x00b", "fist", "rest"])
def test_names_that_do_not_do(book_store, name):
    before = book_store.path.read_bytes()
    with pytest.raises(UserError, match="name"):
        book_store.add(name, np.zeros(20))
    assert book_store.path.read_bytes() == before


class Late:
    """A lock that another tab held: what that tab did is done once this one has it."""

    def __init__(self, did):
        self.did = did

    def __enter__(self):
        self.did()

    def __exit__(self, *_):
        pass


def test_two_tabs_do_not_undo_what_each_of_them_checked(book_store):
    def other(poses):
        FakeBook(poses).save(book_store.path)
        book_store.session.use(FakeBook(poses))

    other({"rest": np.zeros(20), "fist": np.ones(20)})
    book_store._lock = Late(lambda: other({"rest": np.zeros(20)}))
    with pytest.raises(UserError, match="rest is the last"):
        book_store.remove("rest")
    book_store._lock = Late(lambda: other({"rest": np.zeros(20), "mine": np.ones(20)}))
    with pytest.raises(UserError, match="a gesture mine already"):
        book_store.add("mine", np.zeros(20))
    assert (book_store.book.pose_of("mine") == 1).all()


class Still(FakeSession):
    """A session whose picture is given."""

    def view(self):
        return self.picture


def frames(session, *asked):
    live = Live(session, "fake", "uV")
    return live.frame(*asked)


def columns(frame):
    return np.frombuffer(base64.b64decode(frame["emg"]), "<f4").reshape(-1, frame["channels"])


def test_a_page_gets_the_columns_that_it_lacks():
    session = Still(FakeBook())
    session.picture = view = FakeSession(FakeBook()).view()
    first = frames(session, -1, -1.0)
    assert np.array_equal(columns(first), view.emg_TC) and first["column"] == view.column
    assert np.array_equal(columns(frames(session, first["column"] - 7, -1.0)), view.emg_TC[-7:])
    assert len(columns(frames(session, first["column"], -1.0))) == 0
    for no_past_one in (first["column"] + 1, first["column"] - 5000):
        assert len(columns(frames(session, no_past_one, -1.0))) == len(view.emg_TC)


def test_a_page_gets_the_events_that_it_lacks_and_the_hand():
    session = Still(FakeBook())
    session.picture = view = FakeSession(FakeBook(), ahead=13.0).view()
    assert [event[1] for event in frames(session, -1, -1.0)["events"]] == [event.name for event in view.events]
    assert [event[0] for event in frames(session, -1, view.events[-2].time_s)["events"]] == [view.events[-1].time_s]
    hand = np.reshape(frames(session, -1, -1.0)["hand"], (20, 3))
    assert np.allclose(hand, Hand()(torch.tensor(view.pose_J)), atol=0.051)


def test_the_map_changes_with_the_book():
    session = FakeSession(FakeBook())
    live = Live(session, "fake", "uV")
    plane = live.map()
    assert plane["version"] == live.frame(-1, -1.0)["map"] == live.map()["version"]
    assert plane["name"] == list(session.map.name_M)
    assert plane["gestures"] == plane["known"] and "rest" not in plane["known"]
    session.use(FakeBook({"rest": np.zeros(20), "new": np.ones(20)}))
    assert live.frame(-1, -1.0)["map"] != plane["version"] and live.map()["known"] == ["new"]
    version, session.map = live.version(), None  # not laid out yet
    assert live.version() != version and live.map()["places"] == []


def contents(*paths):
    return [(path.name, path.read_bytes()) for path in paths]


def test_an_uploaded_recording_gives_its_pose(tmp_path):
    (written,) = write_emg2pose(tmp_path, count=1)
    poses = read_poses(contents(tmp_path / "r0.hdf5"), rate=100.0)
    read = read_recording(tmp_path / "r0.hdf5")
    assert np.allclose(poses.pose_SJ[poses.valid_S], read.anchor_SJ[read.valid_S])
    assert poses.seconds == pytest.approx(written.seconds, abs=0.02)
    for name, middle in poses.gestures:
        assert written.vocabulary[written.label_T[int(middle * 2000)]] == name in ("fist", "spread")
    assert len(read_poses(contents(tmp_path / "r0.hdf5"), rate=50.0).pose_SJ) == len(read.anchor_SJ) // 2


def poses_of(valid_S, rate=100.0):
    pose_SJ = np.arange(len(valid_S), dtype=np.float32)[:, None].repeat(20, axis=1)
    return Poses("r0", pose_SJ, np.asarray(valid_S, bool), rate, ())


@pytest.mark.parametrize("window_s", [0.5, 2.0])
def test_the_stretch_about_a_gesture_holds_a_window_wherever_it_is(window_s):
    poses = poses_of(np.ones(1000))
    for middle in (0.0, 0.29, 5.0, 9.99):
        start, stop = poses.around(middle, window_s)
        assert 0 <= start <= middle <= stop <= 10
        assert len(poses.stretch(start, stop, window_s)) == round((window_s + 1) * 100)
    assert poses.around(5, window_s) == (5 - (window_s + 1) / 2, 5 + (window_s + 1) / 2)
    assert poses_of(np.ones(100)).around(0.5, window_s) == (0, 1)


def test_a_stretch_is_unbroken():
    valid_S = np.ones(300, bool)
    valid_S[[40, 41, 200]] = False
    poses = poses_of(valid_S)
    assert poses.stretch(0.29, 2.5, 1.0)[:, 0].tolist() == list(range(42, 200))
    assert poses.stretch(0.0, 0.29, 0.29)[:, 0].tolist() == list(range(29))
    for start, stop in ((0.0, 1.0), (0.4, 0.42), (2.0, 2.0), (5.0, 9.0)):
        with pytest.raises(UserError, match="r0 has no 1 s of unbroken pose"):
            poses.stretch(start, stop, 1.0)


def test_the_path_in_an_uploads_name_is_not_followed(tmp_path):
    write_emg2pose(tmp_path, count=1)
    ((_, content),) = contents(tmp_path / "r0.hdf5")
    for name in ("../../r0.hdf5", "/etc/r0.hdf5", "..\\r0.hdf5"):
        assert read_poses([(name, content)], 100.0).name == "r0"


def refused(*files):
    with pytest.raises(UserError) as found:
        read_poses(files, 100.0)
    said = str(found.value)
    assert "/tmp" not in said and "\n" not in said
    return said


def test_what_an_upload_may_not_be(tmp_path):
    write_emg2pose(tmp_path / "two", count=2)
    assert "2 recordings" in refused(*contents(*sorted((tmp_path / "two").glob("*.hdf5"))))
    whole = (tmp_path / "two" / "r0.hdf5").read_bytes()
    assert "a.hdf5" in refused(("a.hdf5", whole[: len(whole) // 2]))
    assert "a.npz is damaged, or no .npz file" in refused(("a.npz", whole), ("a.json", b"{}"))
    assert "run.sh is no recording" in refused(("run.sh", b""))
    assert "S1_A1_E1.mat is no recording; there are .hdf5, .npz, .csv, .json" in refused(("S1_A1_E1.mat", b""))
    for name in ("x" * 300 + ".hdf5", "a\x00b.hdf5", "\N{GRINNING FACE}" * 60 + ".hdf5"):
        assert "rename it" in refused((name, whole))
    for name in ("..", "../..", "/dev/stdin", "/", "", ".hdf5", "a.hdf5/.."):
        assert "is no recording" in refused((name, whole))
    assert "two files of the name a.hdf5" in refused(("a.hdf5", whole), ("b/a.hdf5", whole))
    assert "larger than 20 MB" in refused(("a.hdf5", bytes(LARGEST + 1)))
    said: dict[str, object] = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    path = write_generic(tmp_path / "npz", said, emg=np.ones((400, 2)))
    assert "a has no pose of the 20 joints" in refused(*contents(path, path.with_suffix(".json")))
    assert "a.npz has no sidecar" in refused(*contents(path))


def test_a_small_upload_that_unpacks_to_much(tmp_path, monkeypatch):
    monkeypatch.setattr("cpep.web.uploads.LARGEST_UNPACKED", 2**20)
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("emg.npy", "w") as file,
    ):
        for _ in range(2):
            file.write(bytes(2**20))
    (tmp_path / "a.json").write_text("{}")
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file.create_dataset("emg2pose/timeseries", (2**20,), "f4", chunks=(2**16,), compression="gzip", fillvalue=0)
    for names in (("a.npz", "a.json"), ("b.hdf5",)):
        assert "unpacks to more than 1 MB" in refused(*contents(*(tmp_path / name for name in names)))


def test_what_takes_too_long_is_ended(tmp_path, monkeypatch):
    write_emg2pose(tmp_path, count=1, samples=60_000)
    upload = contents(tmp_path / "r0.hdf5")
    (tmp_path / "endless").mkdir()
    endless = write_endless(tmp_path / "endless")
    for bounds in (Bounds(0.3, 5, 1024 * MB), Bounds(5, 0.3, 1024 * MB)):
        monkeypatch.setattr("cpep.web.uploads.BOUNDS", bounds)
        assert "was not read within 0" in refused(*contents(endless))
    monkeypatch.undo()
    assert read_poses(upload, 100.0).name == "r0"


def test_small_uploads_that_would_stop_the_server(tmp_path):
    """A pose frame every three hours, a cell of 130,000 digits, a pattern that backtracks."""
    said: dict[str, object] = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    said["pose"] = {"field": "pose", "rate": 1e-4, "unit": "rad"}
    slow = write_generic(tmp_path, said, emg=np.ones((400, 2)), pose=np.ones((2, 20)))
    table = {"emg": {"columns": ["a"]}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}
    backtracks = table | {"user": {"from": "name", "pattern": "(a+)+$"}}
    digits = b"a\n" + b"1" * 130_000 + b"\n"
    start = time.monotonic()
    refused(*contents(slow, slow.with_suffix(".json")))
    refused(("b.csv", digits), ("b.json", json.dumps(table).encode()))
    refused(("a" * 100 + "b.csv", b"a\n1\n" * 9), ("a" * 100 + "b.json", json.dumps(backtracks).encode()))
    assert time.monotonic() - start < 20


def test_one_upload_is_read_at_a_time(tmp_path):
    write_emg2pose(tmp_path, count=1)
    upload = contents(tmp_path / "r0.hdf5")
    with uploads._reading:
        assert "another upload is being read" in refused(*upload)
    assert read_poses(upload, 100.0).name == "r0"


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_does_not_bring_another_file_of_the_server(tmp_path, way):
    other = tmp_path / "secret.hdf5"
    upload = contents(leading_out(tmp_path, way, other))
    with untouched(other):
        assert refused(*upload).startswith(f"r0.hdf5: {WAYS[way][1]}")


@pytest.mark.parametrize("no_hand", ["a hand takes joint angles, and the anchor is features of 64 columns"])
def test_the_page_shows_a_hand_where_the_anchor_is_one(tmp_path, no_hand):
    code = (
        "import sys; from pathlib import Path; from starlette.testclient import TestClient; "
        "from cpep.web.server import build; from tests.web.fake import page\n"
        "with TestClient(build(page(Path(sys.argv[1]), sys.argv[2]))) as client: "
        "print(client.get('/').text, client.get('/api/view').json()['hand'] is None)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "my.book"), no_hand]
    shown = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    assert shown.strip().endswith(str(bool(no_hand))) and no_hand in shown
    assert ("Gesture studio" in shown) == (not no_hand) and "Remove fist" in shown


def _luminance(colour):
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def _contrast(one, other):
    low, high = sorted([_luminance(one), _luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_that_of_wcag_aa(theme):
    css = (Path(STATIC) / "page.css").read_text()
    block = css[css.index(f"body.body--{theme}") :]
    colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block[: block.index("}")]))
    for name in ("ink", "muted", "bad", "accent"):
        assert _contrast(colour[name], colour["panel"]) >= 4.5, name
    assert _contrast(colour["on-accent"], colour["accent"]) >= 4.5
    assert _contrast(colour["muted"], colour["ground"]) >= 4.5
    for name in ("border", "trace", "g-rest", *(f"g{index}" for index in range(8))):
        assert _contrast(colour[name], colour["panel"]) >= 3, name
