"""Recognise gestures in EMG with an exported model; needs onnxruntime and NumPy alone.

python run.py RECORDING.npy                     samples x channels, as the device delivers it, in card.json's unit
python run.py RECORDING.npy model.int8.onnx     the same with the smaller graph
program | python run.py -                       float32 from a pipe, one sample of all channels after the other
"""

import hashlib
import json
import math
import os
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

MOST_MB = {"card.json": 4, "gallery.npz": 256, "graph": 2000}
"""Megabytes that a file may have, and the arrays of a gallery when they are unpacked."""
MOST_CHANNELS, MOST_HZ, MOST_VALUES = 10_000, 200_000, 2**27
KINDS = ("float32", "float64", "int64")
NO_NPY = (OSError, EOFError, ValueError, TypeError, SyntaxError, RecursionError, tokenize.TokenError)
"""What NumPy raises on a file that is no array, or is damaged."""
NO_NPZ = (*NO_NPY, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError)
"""What is raised on a file that is no archive of arrays, or is damaged or encrypted."""
NO_GRAPH: tuple[type[Exception], ...] = (
    *(x for x in vars(onnxruntime_pybind11_state).values() if isinstance(x, type) and issubclass(x, Exception)),
    *(RuntimeError, ValueError, MemoryError),
)
"""What onnxruntime raises on a graph that it cannot read or run."""


def refuse(sentence: str) -> NoReturn:
    """Say what is wrong, and end."""
    sys.stderr.write(f"{sentence}\n")
    sys.exit(2)


def content(path: Path, most_mb: int) -> bytes:
    """Return the bytes of a file."""
    if not path.is_file():
        refuse(f"{path} is no file; export the model again")
    try:
        with path.open("rb") as file:
            found = file.read(most_mb * 10**6 + 1)
    except OSError as error:
        refuse(f"{path} cannot be read: {error.strerror}")
    if len(found) > most_mb * 10**6:
        refuse(f"{path} has more than {most_mb} MB, as no file of an export has")
    return found


def numbers(value: Any, *shape: int) -> Any:
    """Return nested lists as an array of finite numbers (-1 for any length); ``None`` where they are none."""
    try:
        found = np.array(value)
    except (ValueError, TypeError, OverflowError):
        return None
    fits = found.ndim == len(shape) and all(size in (-1, own) for size, own in zip(shape, found.shape, strict=True))
    return found if fits and found.dtype.kind in "iuf" and np.isfinite(found).all() else None


def is_whole(value: Any, low: int, high: int) -> bool:
    """Tell whether a value is a whole number in a range."""
    return type(value) is int and low <= value <= high


def read_card(path: Path) -> dict[str, Any]:
    """Return card.json, all of whose entries that are used here fit each other."""
    try:
        card = json.loads(content(path, MOST_MB["card.json"]).decode())
    except (ValueError, RecursionError) as error:
        refuse(f"{path} is no JSON ({error}); export the model again")
    if not isinstance(card, dict):
        refuse(f"{path} is no card of a model; export the model again")
    said, start, kinds = (card.get(name) for name in ("conditioning", "start", "types"))
    rate = numbers(card.get("rate"))
    right = {
        "rate": rate is not None and 0 < rate <= MOST_HZ,
        "channels": is_whole(card.get("channels"), 1, MOST_CHANNELS),
        "window": is_whole(card.get("window"), 1, MOST_VALUES),
        "hop": is_whole(card.get("hop"), 1, MOST_VALUES),
        "conditioning": isinstance(said, dict) and are_filters(said),
        "types": isinstance(kinds, dict) and all(kind in KINDS for kind in map(str, kinds.values())),
        "start": isinstance(start, dict) and isinstance(kinds, dict) and start.keys() == kinds.keys(),
    }
    if wrong := [name for name, fits in right.items() if not fits]:
        refuse(f"{path}: {wrong[0]} is missing, or is no value that an export writes; export the model again")
    if not card["hop"] <= card["window"] <= MOST_VALUES // card["channels"]:
        refuse(f"{path}: a window of {card['window']} samples does not fit; export the model again")
    assert isinstance(start, dict) and isinstance(kinds, dict)
    for name, value in start.items():
        found = [array for dimensions in range(3) if (array := numbers(value, *[-1] * dimensions)) is not None]
        if not found or (kinds[name] == "int64" and found[0].dtype.kind != "i"):
            refuse(f"{path}: start.{name} holds no numbers of its type; export the model again")
    return card


def check_sums(here: Path, card: dict[str, Any], graph: str) -> None:
    """Refuse files that are not as the export wrote them; older exports have no checksums."""
    if not {"sum", "sums"} & card.keys():
        return
    rest = {name: value for name, value in card.items() if name != "sum"}
    own = hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    sums = card.get("sums")
    if card.get("sum") != own or not isinstance(sums, dict):
        refuse(f"{here / 'card.json'} is damaged: its content does not fit its checksum; export the model again")
    if ("gallery.npz" in sums) != (here / "gallery.npz").exists():
        refuse(f"{here / 'gallery.npz'} is missing, or of another export; export the model again")
    for name in {graph, "gallery.npz"} & sums.keys():  # a graph of the user's own has none
        most_mb = MOST_MB.get(name, MOST_MB["graph"])
        if hashlib.sha256(content(here / name, most_mb)).hexdigest() != sums[name]:
            refuse(f"{here / name} is damaged: its content does not fit its checksum; export the model again")


def are_filters(said: dict[str, Any]) -> bool:
    """Tell whether an entry ``conditioning`` of card.json says how EMG is filtered."""
    jumps, names = said.get("jumps"), ("rise", "fall", "jump", "clipped")
    sections = numbers(said.get("sections"), -1, 6) if said.get("sections") else np.zeros((0, 6))
    steady = numbers(said.get("steady"), -1, 2) if said.get("steady") else np.zeros((0, 2))
    known = {"sections", "steady", "jumps"} <= said.keys()
    if not known or sections is None or steady is None or len(sections) != len(steady):
        return False
    if jumps is None:
        return True
    if not isinstance(jumps, dict) or jumps.keys() != {"block", *names} or not is_whole(jumps["block"], 1, 10**9):
        return False
    return all(numbers(jumps[name]) is not None for name in names)


def read_gallery(path: Path) -> dict[str, Any]:
    """Return the arrays of gallery.npz, which fit each other; none is unpacked that is larger than it says."""
    found: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(one.file_size for one in packed.infolist()) > MOST_MB["gallery.npz"] * 10**6:
                raise ValueError("it unpacks to more than a gallery has")
            for one in packed.infolist():
                with packed.open(one) as file:
                    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                    shape, fortran, kind = read[np.lib.format.read_magic(file)](file)
                    data = file.read(one.file_size)
                if kind.hasobject or fortran or math.prod(shape) * kind.itemsize != len(data):
                    raise ValueError(f"{one.filename!r} has another size than it says")
                found[one.filename.removesuffix(".npy")] = np.frombuffer(data, kind).reshape(shape)
    except NO_NPZ as error:
        refuse(f"{path} is damaged, or no gallery: {error}; export the model again")
    names = ("vectors", "entry", "names", "neighbours", "usual", "spread")
    if found.keys() != set(names):
        refuse(f"{path} does not hold {', '.join(names)} alone; export the model again")
    vectors, entry, called, neighbours, usual, spread = (found[name] for name in names)
    gestures = len(np.unique(entry))
    fits = (
        all(
            found[name].dtype.kind == "f" and np.isfinite(found[name]).all()
            for name in ("vectors", "usual", "spread")
        )
        and (entry.dtype.kind, neighbours.dtype.kind, called.dtype.kind) == ("i", "i", "U")
        and (vectors.ndim, called.ndim, neighbours.shape) == (2, 1, ())
        and entry.shape == vectors.shape[:1] != (0,)
        and usual.shape == spread.shape == (gestures,)
        and 0 <= entry.min() <= entry.max() < len(called)
        and bool((spread > 0).all() and neighbours > 0)
    )
    if not fits:
        refuse(f"{path} holds arrays that do not fit each other; export the model again")
    return found


def read_graph(path: Path, card: dict[str, Any]) -> Any:
    """Return the session of a graph, which reads no other file."""
    data = content(path, MOST_MB["graph"])
    if b"location" in data or data[4:8] == b"ORTM":  # so ONNX names another file in which a graph has its weights
        refuse(f"{path} has its weights in other files, which no export has; export the model again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # enough, and it leaves the other cores alone
    options.log_severity_level = 4  # what is wrong is said here, in a sentence
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except NO_GRAPH as error:
        refuse(f"{path} is damaged, or no graph: {line(error)}; export the model again")
    if {one.name for one in session.get_inputs()} != {"emg", *card["start"]}:
        refuse(f"{path} takes other inputs than card.json says; export the model again")
    if len(session.get_outputs()) not in (1, 1 + len(card["start"])):
        refuse(f"{path} gives other outputs than card.json says; export the model again")
    return session


def line(error: Exception) -> str:
    """Return the first line of an error."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def recording(source: str, window: int, channels: int) -> Any:
    """Return the EMG (T, C) of a file, of any type of numbers."""
    if not Path(source).is_file():
        refuse(f"{source} is no file; give an array that numpy.save wrote, or - for standard input")
    try:
        with Path(source).open("rb") as file:
            if not file.read(6).startswith((b"\x93NUMPY", b"PK")):  # NumPy would say that it is pickled
                raise ValueError("it does not begin like one")
        emg = np.load(source, mmap_mode="r")
    except (*NO_NPY, zipfile.BadZipFile) as error:
        refuse(f"{source} is no array that numpy.save wrote: {line(error)}")
    if not isinstance(emg, np.ndarray):
        refuse(f"{source} holds several arrays; save the EMG alone, with numpy.save")
    if emg.ndim == 2 and emg.shape[0] == channels != emg.shape[1]:
        refuse(f"{source} is {emg.shape}, which looks like channels x samples; save it transposed (array.T)")
    if emg.ndim != 2 or emg.shape[1] != channels or emg.dtype.kind not in "iuf":
        refuse(f"{source} is {emg.shape} of {emg.dtype}; the model takes numbers, samples x {channels} channels")
    if len(emg) < window:
        refuse(f"{source} has {len(emg)} samples, and the model needs a window of {window}")
    if len(bad := np.argwhere(~np.isfinite(emg))):
        refuse(f"{source} holds {len(bad)} values that are no numbers, the first at sample {bad[0][0]}; cut them out")
    return emg


def hops(source: str, hop: int, window: int, channels: int) -> Iterator[Any]:
    """Yield hops (hop, channels) of a file, or of standard input as they come."""
    if source != "-":
        emg = recording(source, window, channels)
        yield from (emg[start : start + hop] for start in range(0, len(emg) - hop + 1, hop))
        return
    while len(part := sys.stdin.buffer.read(4 * hop * channels)) == 4 * hop * channels:
        if not np.isfinite(found := np.frombuffer(part, np.float32)).all():
            refuse("standard input holds values that are no numbers; send float32, one sample after the other")
        yield found.reshape(hop, channels)


class Conditioner:
    """Filters EMG as in training: takes out jumps of the offset, then what the second-order sections stop.

    ``said`` is the entry ``conditioning`` of card.json. Where a stream lost samples, begin with a new one.
    """

    def __init__(self, said: dict[str, Any]) -> None:
        self.said, self.sections = said, np.array(said["sections"]).reshape(-1, 6)
        self.last: Any = None

    def filtered(self, emg: Any) -> Any:
        """Return the next samples (T, C), filtered."""
        return np.array([self.sample(x) for x in emg.astype(np.float64)]) if len(self.sections) else emg

    def sample(self, x: Any) -> Any:
        """Return the next sample (C,), filtered."""
        if self.last is None:
            self.last, self.offset = x, np.zeros_like(x)
            self.usual, self.sum, self.count = None, np.zeros_like(x), 0
            self.state = [[low * x, high * x] for low, high in self.said["steady"]]
        step, self.last = x - self.last, x
        if self.said["jumps"]:
            self.offset = self.offset + self.jump(step, **self.said["jumps"])
        x = x - self.offset
        for (b0, b1, b2, _, a1, a2), state in zip(self.sections, self.state, strict=True):
            y = b0 * x + state[0]
            state[:] = b1 * x - a1 * y + state[1], b2 * x - a2 * y
            x = y
        return x

    def jump(self, step: Any, block: int, rise: float, fall: float, jump: float, clipped: float) -> Any:
        """Return the step (C,) from the sample before where it is far larger than usual, zero elsewhere."""
        square, far = step**2, np.zeros_like(step)
        if self.usual is not None:
            far = np.where((self.usual > 0) & (square > jump**2 * self.usual), step, 0)
            square = np.where(self.usual > 0, np.minimum(square, clipped**2 * self.usual), square)
        self.sum, self.count = self.sum + square, self.count + 1
        if self.count == block:
            mean = self.sum / block
            usual = mean if self.usual is None else self.usual
            self.usual = usual + np.where(mean > usual, rise, fall) * (mean - usual)
            self.sum, self.count = np.zeros_like(step), 0
        return far


def main(source: str, graph: str = "model.onnx") -> None:
    """Print time, gesture and its similarity at every hop once the window is full."""
    here = Path(__file__).parent
    card = read_card(here / "card.json")
    check_sums(here, card, graph)
    book = read_gallery(here / "gallery.npz") if (here / "gallery.npz").exists() else None
    entries = np.unique(book["entry"]) if book else ()
    session = read_graph(here / graph, card)
    beside = {name: np.array([value], card["types"][name]) for name, value in card["start"].items()}
    window = np.zeros((1, card["window"], card["channels"]), np.float32)
    conditioner = Conditioner(card["conditioning"])
    for count, raw in enumerate(hops(source, card["hop"], card["window"], card["channels"]), 1):
        new = conditioner.filtered(raw)
        window = np.concatenate([window[:, len(new) :], new[None]], axis=1, dtype=np.float32)
        try:
            embedding, *after = session.run(None, {"emg": window, **beside})
        except NO_GRAPH as error:
            refuse(f"{here / graph} cannot be run: {line(error)}; export the model again")
        beside.update(zip(beside, after, strict=False))  # the running state, where the model has one
        if count * card["hop"] < card["window"]:
            continue
        check_embedding(embedding, book, here / graph)
        answer = str(embedding[0].tolist())
        if book:  # mean cosine to each gesture's nearest vectors, as a z-score
            near = (book["vectors"] @ np.atleast_2d(embedding[0]).T).max(axis=1)  # the nearest of several queries
            mean = [np.sort(near[book["entry"] == n])[-book["neighbours"] :].mean() for n in entries]
            alike = (np.array(mean) - book["usual"]) / book["spread"]
            answer = f"{book['names'][entries[np.argmax(alike)]]}  {max(alike):.2f}"
        print(f"{count * card['hop'] / card['rate']:.2f} s  {answer}", flush=True)


def check_embedding(embedding: Any, book: dict[str, Any] | None, graph: Path) -> None:
    """Refuse what is no embedding of one window, or is not as long as the vectors of the gallery."""
    fits = isinstance(embedding, np.ndarray) and embedding.dtype.kind == "f" and embedding.ndim in (2, 3)
    if not fits or len(embedding) != 1 or (book and embedding.shape[-1] != book["vectors"].shape[1]):
        refuse(f"{graph} gives no embedding as card.json and gallery.npz have it; export the model again")
    if not np.isfinite(embedding).all():
        refuse(f"{graph} gives an embedding that is not finite: it is damaged, or the EMG is far too large")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        refuse("give a recording, or - for standard input: python run.py RECORDING.npy [GRAPH]")
    np.seterr(all="ignore")  # what is not finite is refused
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:  # who reads the answers has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
