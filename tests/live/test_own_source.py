"""A source of somebody's own, in a file: the example of docs/how-to/sources.md, and what is said of wrong ones."""

import re
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.sources import channels, lsl_find, own
from cpep.live.sources.registry import SOURCES, open_source
from cpep.types import UserError

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sources.md"
START = "import numpy as np\nfrom cpep.data.recording import Device\nfrom cpep.live.signals import Chunk\n"
WHOLE = START + (
    "class Band:\n"
    "    device = Device(2, 100.0, 'raw', 'uV')\n"
    "    def chunks(self):\n"
    "        yield Chunk(np.ones((5, 2)), lost=np.int64(3))\n"
    "    def close(self):\n"
    "        pass\n"
)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file and returns what names its class as a source."""

    def write(code):
        path = tmp_path / "my_band.py"
        path.write_text(code)
        return f"{path}:Band"

    return write


def test_the_example_of_the_docs_is_a_source_of_about_twenty_lines(written):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 26
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = open_source(f"{written(code)}:{port}[8-1]")
    assert source.name.endswith(f"my_band.py:Band:{port}[8-1]") and source.device.channels == 8
    over = threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as band:
            for number in [0, 10, 20, 50, 60]:  # 30 and 40 are lost
                rows_TC = np.arange(8) + 100.0 * (number + np.arange(10))[:, None]
                band.sendto(np.array([number, *rows_TC.ravel()], "<f4").tobytes(), ("127.0.0.1", port))
                time.sleep(0.005)
        over.wait(5)
        source.close()

    sender = threading.Thread(target=send)
    sender.start()
    chunks = []
    for chunk in source.chunks():
        chunks.append(chunk)
        if len(chunks) == 5:
            over.set()
    sender.join()
    assert [chunk.lost for chunk in chunks] == [0, 0, 0, 20, 0]
    assert chunks[3].emg_TC[0].tolist() == [5000 + channel for channel in range(7, -1, -1)]


def test_a_class_of_a_file_or_a_module_is_a_source(written, tmp_path, monkeypatch):
    text = written(WHOLE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_band", raising=False)
    for one in (text, "my_band:Band"):
        source = open_source(one)
        (chunk,) = source.chunks()
        assert source.name == one and source.device == Device(2, 100.0, "raw", "uV")
        assert chunk.emg_TC.dtype == np.float32 and chunk.emg_TC.shape == (5, 2) and chunk.lost == 3
        source.close()
    with pytest.raises(UserError, match=r"--speed 2: .* has a pace of its own"):
        open_source(text, 2.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("def close", "def shut"), r"Band has no close; a source has device, chunks\(\) and close\(\)"),
        (("device = Device(2, 100.0, 'raw', 'uV')", "device = 2"), "its device is 2; make it a .*Device"),
        (("class Band", "class Strap"), "has no class Band; it has Chunk, Device, Strap"),
        (
            ("def close", "def __init__(self):\n        1 / 0\n    def close"),
            r"failed in .*my_band\.py, line 9: ZeroDiv",
        ),
        (("def chunks(self):", "def chunks(self:"), r"failed in .*my_band\.py, line 6: SyntaxError"),
        (
            ("import numpy", "import nonesuch"),
            r"failed in .*, line 1: ModuleNotFoundError: No module named 'nonesuch'",
        ),
    ],
)
def test_what_is_no_source_is_told(written, change, said):
    with pytest.raises(UserError, match=said):
        open_source(written(WHOLE.replace(*change)))


@pytest.mark.parametrize(
    ("yields", "said"),
    [
        ("Chunk(np.ones((2, 5)))", r"yields EMG of shape \(2, 5\); give an array of shape \(samples, 2\)"),
        ("Chunk(np.ones(2))", r"yields EMG of shape \(2,\)"),
        ("Chunk([[1, 2]])", "yields EMG of shape list"),
        ("Chunk(np.array([['a', 'b']]))", "yields EMG of type <U1; give real numbers"),
        ("Chunk(np.ones((5, 2)), lost=-1)", "says that -1 samples were lost"),
        ("np.ones((5, 2))", r"yields ndarray; yield cpep\.live\.signals\.Chunk"),
        ("Chunk(np.ones((5, 2)) / int('x'))", r"failed in .*my_band\.py, line 7: ValueError"),
    ],
)
def test_a_wrong_chunk_is_told(written, yields, said):
    source = open_source(written(WHOLE.replace("Chunk(np.ones((5, 2)), lost=np.int64(3))", yields)))
    with pytest.raises(UserError, match=said):
        list(source.chunks())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere/my_band.py:Band", "there is no file nowhere/my_band.py"),
        ("no_such_module:Band", "there is no source and no module no_such_module; write brainflow:BOARD"),
        ("my_band.py", "--source my_band.py: write "),
    ],
)
def test_what_is_not_there_is_told(text, said):
    with pytest.raises(UserError, match=said):
        open_source(text)


def test_what_is_written_on_the_page_can_be_read():
    texts = {
        "".join(parts).rstrip("`") for parts in re.findall(r"--source (?:'([^']+)'|([^\s`]+))", PAGE.read_text())
    }
    assert len(texts) > 18
    for text in texts:
        name, _, rest = channels.split(text)[0].partition(":")
        assert SOURCES.get(name).takes(rest) if name in SOURCES else own.WRITTEN.fullmatch(text), text
        if name == "lsl":
            lsl_find.parse(rest)
