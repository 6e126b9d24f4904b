import contextlib
import hashlib
import io
import json
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from cpep.checkpoints.checkpoint import Model, save
from cpep.checkpoints.embed import embed_emg
from cpep.checkpoints.registry import make_card
from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows
from cpep.experiments.verify import verify
from cpep.export.folder import FLOAT, INT8, write_export
from cpep.export.parity import Likeness
from cpep.live.book.book import GestureBook
from cpep.live.stream import EmgStream
from cpep.signal.conditioning import Conditioner, Conditioning
from tests.export.conftest import BIN
from tests.fuzz.made.models import export as small_export
from tests.raw_people import RATE, write_raw_people

WITHOUT = "import sys; sys.modules.update(torch=None, cpep=None, scipy=None, h5py=None); import runpy; "
NAMES = ("rest", "fist", "point")


@pytest.fixture(scope="module")
def book(causal, store):
    """Made-up gestures of vectors near which the windows lie."""
    windows = list_windows(store, causal.card.window_s, 0.5)
    x_ND = embed_emg(causal, store, windows).x_ND
    rng = np.random.default_rng(0)
    book = GestureBook(causal)
    for name in NAMES:
        book.add_emg(name, x_ND[rng.integers(len(x_ND), size=15)])
    return book


@pytest.fixture(scope="module")
def checkpoint(causal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "checkpoint"
    save(causal, folder)
    return folder


def run(folder, *argv, stdin=None):
    """Run the runner with nothing of cpep within reach; return its lines as words."""
    code = f"{WITHOUT} runpy.run_path({str(folder / 'run.py')!r}, run_name='__main__')"
    command = [sys.executable, "-c", code, *map(str, argv)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [line.split() for line in done.stdout.decode().splitlines()]


def test_the_command_writes_a_runner_that_says_what_the_book_says(checkpoint, causal, store, book, tmp_path, capsys):
    out = tmp_path / "out"
    book.save(tmp_path / "my.book")
    assert main(["export", str(checkpoint), str(out), "--onnx", "--book", str(tmp_path / "my.book")]) == 0
    said = capsys.readouterr()
    assert f"{out}: {FLOAT} 0." in said.out and "64 windows of noise" in said.out and said.err == ""
    assert {p.name for p in out.iterdir()} == {FLOAT, INT8, "card.json", "run.py", "gallery.npz"}

    entry = store.entries[1]
    emg_TC = store.emg_TC[entry.start : entry.start + 503]
    np.save(tmp_path / "recording.npy", emg_TC.astype(np.float64))
    windows = list_windows(store, causal.card.window_s, BIN / 100)
    first = windows.select((windows.entry_N == 1) & (windows.start_N - entry.start + windows.frames <= 500))
    similarity_NE = GestureBook.load(tmp_path / "my.book", causal).similarity(embed_emg(causal, store, first).x_ND)
    wanted = similarity_NE.argmax(axis=1)
    lines = run(out, tmp_path / "recording.npy")
    assert [line[2] for line in lines] == [NAMES[label] for label in wanted]
    assert len(set(wanted)) > 1
    assert [line[0] for line in lines] == [f"{2 + BIN / 100 * n:.2f}" for n in range(len(wanted))]
    assert [float(line[3]) for line in lines] == pytest.approx(similarity_NE.max(axis=1), abs=0.0051)
    assert run(out, "-", stdin=emg_TC.astype("<f4").tobytes()) == lines
    assert len(run(out, tmp_path / "recording.npy", INT8)) == len(lines)


def test_without_a_book_the_runner_prints_embeddings(exported, causal, store, tmp_path):
    entry = store.entries[0]
    np.save(tmp_path / "recording.npy", store.emg_TC[entry.start : entry.start + 200])
    (line,) = run(exported, tmp_path / "recording.npy")
    windows = list_windows(store, causal.card.window_s, 1.0)
    wanted = embed_emg(causal, store, windows.select(np.array([0]))).x_ND[0]
    assert np.array(json.loads("".join(line[2:]))) == pytest.approx(wanted, abs=1e-5)


def test_the_card_says_what_goes_in(exported):
    card = json.loads((exported / "card.json").read_text())
    assert (card["rate"], card["channels"], card["window"], card["hop"]) == (100, 10, 200, BIN)
    assert set(card["inputs"]) == {"emg", *card["start"]} == {"emg", "moments", "rows"}
    assert card["outputs"] == ["embedding", "new_moments", "new_rows"]


def test_a_mistake_is_one_sentence_and_leaves_nothing(checkpoint, causal, make_model, tmp_path, capsys, monkeypatch):
    def sentence(*argv):
        assert main(["export", *map(str, argv)]) == 2
        assert sorted(tmp_path.iterdir()) == before
        return capsys.readouterr().err

    save(make_model(kind="pose_mae"), tmp_path / "pose")
    GestureBook(causal).save(tmp_path / "empty.book")
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "out"
    assert "add --onnx" in sentence(checkpoint, out)
    assert "exists; choose another folder" in sentence(checkpoint, tmp_path, "--onnx")
    assert "gives no embedding of EMG" in sentence(tmp_path / "pose", out, "--onnx")
    assert "has no gesture" in sentence(checkpoint, out, "--onnx", "--book", tmp_path / "empty.book")
    bad = Likeness(0.5, 0.9, None, None, None)
    monkeypatch.setattr(
        "cpep.experiments.single.write_export", lambda folder, *_: shutil.copytree(tmp_path / "pose", folder)
    )
    monkeypatch.setattr("cpep.experiments.single.parity", lambda *_: {FLOAT: bad, INT8: bad})
    assert "differs from the checkpoint: cosine 0.50000" in sentence(checkpoint, out, "--onnx")


@pytest.mark.parametrize("wanted", [Conditioning(20.0), Conditioning(20.0, 50.0), Conditioning(0.0, 60.0)])
def test_the_runner_filters_as_the_checkpoint_does(exported, wanted):
    conditioner = Conditioner(wanted, 1000.0, 3)
    emg_TC = np.random.default_rng(0).normal(0, 15, (1500, 3)) + np.array([1e5, 0, -2e4])
    emg_TC[700:, 1] += 1e5
    runner = runpy.run_path(str(exported / "run.py"))["Conditioner"](json.loads(json.dumps(conditioner.plain())))
    found = np.concatenate([runner.filtered(part_TC) for part_TC in np.array_split(emg_TC, 40)])
    np.testing.assert_allclose(found, conditioner.push(emg_TC), rtol=1e-5, atol=1e-4)


def test_raw_emg_with_offsets_and_jumps_gives_the_embeddings_of_its_store(tmp_path):
    folder = write_raw_people(tmp_path / "raw", offset=1e5, jumps=1e5, rounds=1)
    store = prepare(folder, tmp_path / "store")
    split, config = make_splits(store)[0], preset("tiny", ["data.window_s=1", "data.normalisation=causal"])
    model = Model(make_card("cpep", store, split, config, 0)).eval()
    model.emg_frontend.fit(store, split.users_train)
    write_export(tmp_path / "out", model, None)
    card = json.loads((tmp_path / "out/card.json").read_text())
    assert (card["conditioning"]["highpass_hz"], card["conditioning"]["notch_hz"]) == (20, 0)
    emg_TC = np.load(folder / "S1.npz")["emg"][: 3 * RATE]
    np.save(tmp_path / "recording.npy", emg_TC)
    lines = run(tmp_path / "out", tmp_path / "recording.npy")
    wanted = {step.time_s: step.x_D for step in EmgStream(model, card["hop"] / RATE).push(emg_TC)}
    assert len(lines) == len(wanted) > 20
    for line in lines:
        np.testing.assert_allclose(json.loads("".join(line[2:])), wanted[float(line[0])], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda emg: emg.T, r"is \(10, 300\), which looks like channels x samples; save it transposed"),
        (lambda emg: emg[:, :9], r"is \(300, 9\) of float32; the model takes numbers, samples x 10 channels"),
        (lambda emg: emg[:50], "has 50 samples, and the model needs a window of 200"),
        (lambda emg: np.where(np.arange(300)[:, None] == 40, np.nan, emg), "the first at sample 40; cut them out"),
        (lambda emg: emg.astype(str), "the model takes numbers"),
    ],
)
def test_what_people_feed_the_runner_with_is_a_sentence(exported, tmp_path, change, sentence):
    np.save(tmp_path / "recording.npy", change(np.ones((300, 10), np.float32)))
    command = [sys.executable, str(exported / "run.py"), str(tmp_path / "recording.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and re.search(sentence, done.stderr) and "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder of an export with a graph of two nodes, and a gallery."""
    folder = tmp_path_factory.mktemp("small")
    small_export(folder)
    return folder


def refused(folder, capsys, *argv):
    """Run the runner of a folder, which must refuse it, and return what it says."""
    runner = runpy.run_path(str(folder / "run.py"), run_name="runner")
    with pytest.raises(SystemExit) as ended:
        runner["main"](str(folder / "emg.npy"), *argv)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"channels": 10**9}, "channels is missing, or is no value"),
        ({"channels": True}, "channels is missing"),
        ({"window": 10**9}, "window is missing"),
        ({"window": 2**27}, "a window of 134217728 samples does not fit"),
        ({"hop": 0}, "hop is missing"),
        ({"hop": 41}, "does not fit"),
        ({"rate": "200"}, "rate is missing"),
        ({"rate": 1e300}, "rate is missing"),
        ({"conditioning": {"sections": [[1, 0, 0, 1, 0]], "steady": [[0, 0]], "jumps": None}}, "conditioning is"),
        ({"conditioning": {"sections": [], "steady": [], "jumps": {"block": 0}}}, "conditioning is missing"),
        ({"conditioning": {"sections": [], "steady": []}}, "conditioning is missing"),
        ({"types": {"rows": "object"}}, "types is missing"),
        ({"types": {"odd": "int64"}}, "start is missing"),
        ({"start": {"rows": "0"}}, "start.rows holds no numbers"),
        ({"start": {"rows": 2**64}}, "start.rows holds no numbers"),
        ({"start": {"rows": [0, 0]}}, "cannot be run"),
    ],
)
def test_a_card_that_no_export_writes_is_a_sentence(small, tmp_path, capsys, change, sentence):
    folder = shutil.copytree(small, tmp_path / "out")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | change))
    assert sentence in refused(folder, capsys)


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("vectors", np.full((6, 2), np.nan, np.float32), "do not fit each other"),
        ("vectors", np.ones((5, 2), np.float32), "do not fit each other"),
        ("vectors", np.ones((6, 3), np.float32), "gives no embedding as card.json and gallery.npz have it"),
        ("entry", np.array([0, 0, 0, 1, 1, 9]), "do not fit each other"),
        ("entry", np.zeros(6), "do not fit each other"),
        ("names", np.array([1, 2]), "do not fit each other"),
        ("neighbours", np.array(0), "do not fit each other"),
        ("spread", np.zeros(2), "do not fit each other"),
        ("spread", np.array([None, 1]), "Object arrays|is damaged, or no gallery"),
        ("odd", np.zeros(2), "does not hold vectors, entry"),
    ],
)
def test_a_gallery_that_no_export_writes_is_a_sentence(small, tmp_path, capsys, name, array, sentence):
    folder = shutil.copytree(small, tmp_path / "out")
    arrays = dict(np.load(folder / "gallery.npz"))
    np.savez(folder / "gallery.npz", **arrays | {name: array})
    assert re.search(sentence, refused(folder, capsys))


def test_an_array_that_says_it_is_larger_than_it_is_takes_no_memory(small, tmp_path, capsys):
    folder = shutil.copytree(small, tmp_path / "out")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    for name in ("gallery.npz", "emg.npy"):
        if name == "emg.npy":
            shutil.copyfile(small / "gallery.npz", folder / "gallery.npz")
            (folder / name).write_bytes(header.getvalue())
        else:
            with zipfile.ZipFile(folder / name, "w") as packed:
                packed.writestr("vectors.npy", header.getvalue())
        assert "damaged" in (said := refused(folder, capsys)) or "no array" in said


def test_a_gallery_that_unpacks_to_far_more_is_refused_unread(small, tmp_path, capsys):
    folder = shutil.copytree(small, tmp_path / "out")
    runner = (small / "run.py").read_text().replace('"gallery.npz": 256', '"gallery.npz": 1')
    (folder / "run.py").write_text(runner)
    with zipfile.ZipFile(folder / "gallery.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("vectors.npy", bytes(2_000_000))
    assert "it unpacks to more than a gallery has" in refused(folder, capsys)


def test_a_graph_that_reads_other_files_is_refused(small, tmp_path, capsys):
    folder = shutil.copytree(small, tmp_path / "out")
    graph = onnx.load(folder / "model.onnx")
    one = graph.graph.initializer[0]
    one.ClearField("int64_data")
    one.raw_data = (1).to_bytes(8, "little")
    onnx.external_data_helper.set_external_data(one, "../secret.bin", offset=0, length=8)
    one.ClearField("raw_data")
    one.data_location = onnx.TensorProto.EXTERNAL
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    (tmp_path / "secret.bin").write_bytes((7).to_bytes(8, "little"))
    assert "has its weights in other files" in refused(folder, capsys)


def test_damaged_bytes_of_an_export_are_a_sentence_or_run(small, tmp_path, capsys):
    draw, refusals = random.Random(20), 0
    folder = shutil.copytree(small, tmp_path / "out")
    for name in ("model.onnx", "card.json", "gallery.npz", "emg.npy"):
        whole = (small / name).read_bytes()
        for _ in range(8):
            data = bytearray(whole)
            for _ in range(3):
                data[min(draw.randrange(len(data)), draw.randrange(len(data)))] ^= 1 << draw.randrange(8)
            (folder / name).write_bytes(data[: draw.choice((len(data), draw.randrange(len(data))))])
            try:
                runpy.run_path(str(folder / "run.py"), run_name="runner")["main"](str(folder / "emg.npy"))
            except SystemExit as ended:
                assert ended.code == 2
                refusals += 1
        (folder / name).write_bytes(whole)
    capsys.readouterr()
    assert refusals > 16


@pytest.mark.parametrize("argv", [(), ("a", "b", "c"), ("nothing.npy",), (".",)])
def test_a_command_line_that_names_no_recording_is_a_sentence(small, argv):
    command = [sys.executable, str(small / "run.py"), *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_text_is_told_apart_from_an_array(small, tmp_path):
    (tmp_path / "emg.csv").write_text("1,2,3\n")
    command = [sys.executable, str(small / "run.py"), str(tmp_path / "emg.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.endswith("that numpy.save wrote: it does not begin like one\n")


@pytest.mark.parametrize("end", [lambda ran: ran.stdout.close(), lambda ran: ran.send_signal(signal.SIGINT)])
def test_the_runner_ends_quietly_when_its_reader_has_enough(exported, end):
    """As in `python run.py - | head -1`, and with Ctrl-C."""
    command = [sys.executable, str(exported / "run.py"), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ran:
        assert ran.stdin and ran.stdout and ran.stderr
        emg = np.ones((300, 10), np.float32).tobytes()
        ran.stdin.write(emg)
        ran.stdin.flush()
        assert ran.stdout.readline()
        end(ran)
        with contextlib.suppress(BrokenPipeError):
            ran.stdin.write(10 * emg)
            ran.stdin.close()
        said, code = ran.stderr.read(), ran.wait(20)
    assert (said, code in (0, 130)) == (b"", True)


@pytest.mark.parametrize("dtype", ["<f8", "<i2", ">f4"])
def test_the_runner_takes_any_type_of_numbers(exported, tmp_path, dtype):
    emg_TC = np.random.default_rng(0).integers(1, 90, (300, 10))
    np.save(tmp_path / "plain.npy", emg_TC.astype("<f4"))
    np.save(tmp_path / "other.npy", emg_TC.astype(dtype))
    assert run(exported, tmp_path / "other.npy") == run(exported, tmp_path / "plain.npy")


def test_an_export_carries_the_checksums_of_its_files(exported, tmp_path, capsys):
    """The runner's own code compares them, and `cpep data verify`."""
    folder = Path(shutil.copytree(exported, tmp_path / "out"))
    card = json.loads((folder / "card.json").read_text())
    assert card["sums"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (FLOAT, INT8, "run.py")
    }
    runner = runpy.run_path(str(folder / "run.py"))

    def said(graph: str = FLOAT) -> str:
        with pytest.raises(SystemExit) as ended:
            runner["check_sums"](folder, runner["read_card"](folder / "card.json"), graph)
        assert ended.value.code == 2
        return capsys.readouterr().err

    runner["check_sums"](folder, card, FLOAT)
    assert verify(folder).sound == (f"{folder}: export",)
    for name in (FLOAT, INT8):
        sound = (folder / name).read_bytes()
        (folder / name).write_bytes(sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:])
        assert f"{name} is damaged: its content does not fit its checksum" in said(name)
        assert name in verify(folder).damaged[0]
        (folder / name).write_bytes(sound)
    for change in ({"hop": card["hop"] + 1}, {"sum": "0" * 64}, {"sums": {}}):
        (folder / "card.json").write_text(json.dumps(card | change))
        assert "card.json is damaged" in said() and "card.json is damaged" in verify(folder).damaged[0]
    (folder / "card.json").write_text(json.dumps({name: card[name] for name in card if name not in ("sum", "sums")}))
    runner["check_sums"](folder, runner["read_card"](folder / "card.json"), FLOAT)
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "gallery.npz").write_bytes(b"of another export")
    assert "gallery.npz is missing, or of another export" in said()
