import io
import itertools
import tarfile

import numpy as np
import pytest

from cpep.download import tar_index as tarindex
from cpep.download import tar_walk as tarwalk
from cpep.download.http import Remote
from cpep.download.tar_index import Header, TarIndex, load_index
from cpep.download.tar_walk import find_header, walk
from cpep.types import UserError
from tests.download.range_server import done, serving

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def build(kind=tarfile.PAX_FORMAT, count=12, seed=0):
    """A tar with members of all sorts: long names, a folder, a link, empty ones, and a tar within a member."""
    rng = np.random.default_rng(seed)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("inner.hdf5"), io.BytesIO())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        folder = tarfile.TarInfo("emg2pose_data")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for k in range(count):
            long = f"emg2pose_data/{'x' * 40}/{'y' * (120 if kind != tarfile.USTAR_FORMAT else 40)}_{k}.hdf5"
            info = tarfile.TarInfo(long if k % 3 == 0 else f"emg2pose_data/r{k}.hdf5")
            body = rng.bytes(int(rng.integers(0, 9000))) if k % 4 else bytes(512 * k) + inner.getvalue()
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
        link = tarfile.TarInfo("emg2pose_data/link.hdf5")
        link.type, link.linkname = tarfile.SYMTYPE, "r1.hdf5"
        tar.addfile(link)
        for name in ("._r1.hdf5", "/etc/passwd", "../../up.hdf5"):
            info = tarfile.TarInfo(name)
            info.size = 600
            tar.addfile(info, io.BytesIO(bytes(600)))
    return out.getvalue()


def oracle(tar_bytes):
    """Where tarfile itself finds the plain files, by their last name."""
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        files = [info for info in tar.getmembers() if info.isfile()]
    named = [(info.name.split("/")[-1], info) for info in files]
    return {name: (info.offset, info.offset_data, info.size) for name, info in named if not name.startswith(".")}


def found(index):
    return {name: (one.offset, one.data, one.size) for name, one in index.members().items()}


@pytest.fixture
def tar():
    with serving({"a.tar": build()}) as server:
        yield server


@pytest.fixture(autouse=True)
def _small_reads(monkeypatch):
    monkeypatch.setattr(tarwalk, "SCAN_READ", 4096)


@pytest.mark.parametrize(("kind", "threads"), [*itertools.product(FORMATS, (1, 2, 3, 8))])
def test_a_walk_by_threads_finds_what_tarfile_finds(tmp_path, kind, threads):
    content = build(FORMATS[kind], seed=threads)
    with serving({"a.tar": content}) as server, Remote(server.url + "a.tar") as remote:
        index = load_index(tmp_path / "i.json", remote)
        walk(remote, index, tmp_path / "i.json", threads=threads, piece=1024)
        assert index.complete
        assert found(index) == oracle(content)
        assert len(found(index)) == 14
        assert "inner.hdf5" not in found(index)
        server.clear()
        again = load_index(tmp_path / "i.json", remote)
        assert again == index
        walk(remote, again, tmp_path / "i.json")
        assert server.log == []


def test_a_tar_inside_a_member_misleads_a_piece_and_not_the_result(tmp_path, tar):
    content = tar.files["a.tar"]
    inner = content.index(b"inner.hdf5")
    with Remote(tar.url + "a.tar") as remote:
        assert find_header(remote, inner // 512 * 512, len(content)) == inner
        index = TarIndex("a.tar", remote.version)
        task = tarwalk._Walk(remote, index, None)
        task.piece(inner // 512 * 512, len(content))
        assert "inner.hdf5" in index.members()  # as long as it is a guess
        task.join()
    assert found(index) == oracle(content)


def test_a_block_that_looks_like_a_header_and_leads_nowhere_is_no_mistake(tmp_path, tar):
    false = tarfile.TarInfo("false.hdf5")
    false.size = 700
    body = false.tobuf() + b"no header" * 1000
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as whole:
        for name in ("a.hdf5", "b.hdf5"):
            info = tarfile.TarInfo(name)
            info.size = len(body)
            whole.addfile(info, io.BytesIO(body))
    tar.files["a.tar"] = out.getvalue()
    with Remote(tar.url + "a.tar") as remote:
        index = TarIndex("a.tar", remote.version)
        task = tarwalk._Walk(remote, index, None)
        task.piece(512, 5000)
        assert index.headers == {512: Header(512, 1024, 700, "false.hdf5")}
        walk(remote, index, tmp_path / "i.json", threads=1)
    assert list(found(index)) == ["a.hdf5", "b.hdf5"]


def test_threads_ask_for_no_header_twice_and_a_second_walk_searches_none(tmp_path, tar):
    path = tmp_path / "i.json"
    with Remote(tar.url + "a.tar") as remote:
        index = TarIndex("a.tar", remote.version)
        walk(remote, index, path, threads=4, piece=1024)
        headers = [start for start, stop in tar.asked("a.tar")[1:] if stop - start == tarindex.HEADER_READ]
        assert (
            len(headers) == len(index.headers) + 2 and len(set(headers)) == len(index.headers) + 1
        )  # the end, twice
        for offset in sorted(index.headers)[2::3]:
            del index.headers[offset]
        index.end = -1
        tar.clear()
        walk(remote, index, path, threads=4, piece=1024)
    assert max(stop - start for start, stop in tar.asked("a.tar")) == tarindex.HEADER_READ
    assert found(index) == oracle(tar.files["a.tar"])


def test_one_thread_asks_once_a_header(tmp_path, tar):
    with Remote(tar.url + "a.tar") as remote:
        walk(remote, TarIndex("a.tar", remote.version), tmp_path / "i.json", threads=1)
    asked = tar.asked("a.tar")[1:]
    with tarfile.open(fileobj=io.BytesIO(tar.files["a.tar"])) as whole:
        assert len(asked) == len(whole.getmembers()) + 2  # and the end, by the piece and by the chain
    assert max(stop - start for start, stop in asked) == tarindex.HEADER_READ


def test_a_walk_ends_where_all_wanted_are_found(tmp_path, tar):
    with Remote(tar.url + "a.tar") as remote:
        index = TarIndex("a.tar", remote.version)
        walk(remote, index, tmp_path / "i.json", {"r1.hdf5", "r2.hdf5"}, threads=1)
        assert not index.complete
        assert len(tar.log) == 1 + 4  # the size; the folder and three files
        walk(remote, index, tmp_path / "i.json", {"r1.hdf5"}, threads=1)
        assert len(tar.log) == 5
        walk(remote, index, tmp_path / "i.json", {"r4.hdf5"}, threads=1)
        assert len(tar.log) == 7
        walk(remote, index, tmp_path / "i.json", {"not there"}, threads=1)
    assert found(index) == oracle(tar.files["a.tar"])


@pytest.mark.parametrize("threads", [1, 4])
def test_a_walk_that_is_stopped_goes_on(tmp_path, tar, threads):
    path = tmp_path / "i.json"
    tar.trick = lambda h, a, b: done(h.answer(404)) if len(tar.log) > 9 else False
    with Remote(tar.url + "a.tar") as remote, pytest.raises(UserError, match="404"):
        walk(remote, load_index(path, remote), path, threads=threads, piece=1024)
    tar.trick = None
    tar.clear()
    with Remote(tar.url + "a.tar") as remote:
        index = load_index(path, remote)
        before = set(index.headers)
        assert before
        walk(remote, index, path, threads=threads, piece=1024)
    asked = [start for start, stop in tar.asked("a.tar") if stop - start <= tarindex.HEADER_READ]
    assert not before & set(asked[1:])
    assert found(index) == oracle(tar.files["a.tar"])


def test_the_search_for_a_header_is_bounded(tmp_path, tar, monkeypatch):
    monkeypatch.setattr(tarwalk, "SCAN_MOST", 8192)
    tar.files["a.tar"] = bytes(100_000)
    with Remote(tar.url + "a.tar") as remote:
        assert find_header(remote, 512, 100_000) == 100_000
    assert len(tar.log) == 2


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda b: b"<html>" * 1000, "is no tar, or damaged, at byte 0"),
        (lambda b: b[:512] + b"\1" + b[513:], "no header at byte 512"),
        (lambda b: b[: len(b) // 2], "is cut off: .* goes on to byte"),
    ],
)
def test_a_damaged_tar_is_a_sentence(tmp_path, tar, damage, sentence):
    tar.files["a.tar"] = damage(tar.files["a.tar"])
    with Remote(tar.url + "a.tar") as remote, pytest.raises(UserError, match=sentence):
        walk(remote, TarIndex("a.tar", remote.version), tmp_path / "i.json", threads=3, piece=1024)


def test_a_header_that_lies_about_its_length_is_not_read(tmp_path, tar):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 10**9
    tar.files["a.tar"] = info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 21)
    with Remote(tar.url + "a.tar") as remote, pytest.raises(UserError, match="is no tar, or damaged, at byte 0"):
        walk(remote, TarIndex("a.tar", remote.version), tmp_path / "i.json")
    assert tar.sent < 10_000
