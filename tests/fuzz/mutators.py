"""Damage to bytes, to texts and to JSON: every mutator is a function of a generator and of what it damages.

The same generator gives the same damage, so a finding is named by its format, its mutator and the seed.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutator = Callable[[Rng, bytes, bytes], bytes]
"""Given a generator, a valid file and another one, returns a damaged file."""

PAGE = 4096
SECRET = "FUZZ_TOKEN"
"""Name of an environment variable whose value must never be in an output."""
NUMBERS = (
    "0",
    "-1",
    "-0.0",
    "1",
    "3",
    "255",
    "65536",
    "1e-320",
    "1e-4",
    "0.5",
    "1e9",
    "1e308",
    "-1e308",
    "1e400",
    "NaN",
    "-Infinity",
    "inf",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1" * 400,
    "7" * 5000,
    "0." + "3" * 5000,
    "1e999999999",
    "0x10",
    "1_000",
    "²",
    "٣",
    "1,5",
    "--1",
    "",
)
"""Numbers as they are written, at the edges of types and beyond them; and what only looks like one."""
TEXTS = (
    "",
    " ",
    "a",
    "n/a",
    "..",
    "../../outside/secret.txt",
    "/etc/passwd",
    "C:\\x",
    "a/b",
    "${oc.env:" + SECRET + "}",
    "${HOME}",
    "x²",
    "S²_A1_E1",
    "٣",
    "\x00",
    "\x1b[2J\x1b]0;x\x07",
    "\r\nGET / HTTP/1.1",
    "\u202e",
    "\ud800",
    "\ufeff",
    "ﬁ",
    "é" * 300,
    "x" * 100_000,
    "(a+)+$",
    "(?P<x>a)(?P<x>b)",
    "(.*)*" * 20,
    "[",
    "<script>alert(1)</script>",
    "\\begin{document}",
    "%s%n",
    "{0.__class__}",
    "rest",
    "unknown",
    "nan",
    "1",
    "true",
    "null",
)
"""Texts that open doors elsewhere, are no texts, or mean something."""
EXTREMES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    -16,
    255,
    10**6,
    10**9,
    2**31,
    2**63,
    2**63 - 1,
    -(2**63),
    10**400,
    0.5,
    -0.0,
    1e-4,
    1e-320,
    1e9,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    [],
    {},
    "",
    [[]],
    [None],
    [0],
    {"a": 1},
    [[[]]],
    "0",
    "1",
)


# -- bytes


def bits(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Flip up to 16 bits."""
    return _poked(data, rng, lambda byte: byte ^ (1 << int(rng.integers(8))))


def bytes_(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Set up to 16 bytes."""
    return _poked(data, rng, lambda _: int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))])))


def _poked(data: bytes, rng: Rng, changed: Callable[[int], int]) -> bytes:
    if not data:
        return data
    found = bytearray(data)
    # headers are at the ends of files: half of the changes are there
    for _ in range(int(rng.choice([1, 1, 2, 4, 16]))):
        near = int(rng.integers(min(len(data), 512)))
        at = [int(rng.integers(len(data))), near, len(data) - 1 - near][int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
        found[at] = changed(found[at])
    return bytes(found)


def cut(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Keep the beginning."""
    return data[: int(rng.integers(len(data) + 1))]


def headless(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Keep the end."""
    return data[int(rng.integers(len(data) + 1)) :]


def empty(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Keep nothing."""
    return b""


def zeroed(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Zero a page, as a disk does, or a part of one."""
    start, length = _span(rng, data)
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def doubled(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Write a block twice, or 50 times."""
    start, length = _span(rng, data)
    return data[:start] + data[start : start + length] * int(rng.choice([2, 3, 50])) + data[start + length :]


def removed(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Take out a block."""
    start, length = _span(rng, data)
    return data[:start] + data[start + length :]


def swapped(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put two blocks in the place of each other."""
    half = len(data) // 2
    start, length = _span(rng, data[:half])
    late = int(rng.integers(half, max(len(data) - length, half) + 1))
    one, two = data[start : start + length], data[late : late + length]
    return data[:start] + two + data[start + length : late] + one + data[late + length :]


def spliced(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Let a file end as another one."""
    return data[: int(rng.integers(len(data) + 1))] + other[int(rng.integers(len(other) + 1)) :]


def inserted(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put random bytes, or a number of eight bytes, somewhere."""
    at = int(rng.integers(len(data) + 1))
    number = struct.pack("<Q", int(rng.choice([0, 1, 2**31, 2**63 - 1])) * 2 + int(rng.integers(2)))
    return data[:at] + (number if rng.random() < 0.5 else rng.bytes(int(rng.integers(1, 64)))) + data[at:]


def long_number(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Write a large number of 2, 4 or 8 bytes over something: a length, an offset or a count."""
    width = int(rng.choice([2, 4, 8]))
    if len(data) < width:
        return data
    most = 2 ** (8 * width - 1)
    value = int(rng.choice([0, 1, most - 1, most // 3, 10**4])) + int(rng.choice([0, most]))
    at = int(rng.integers(min(len(data), int(rng.choice([256, 4096, len(data)])) + width) - width + 1))
    return data[:at] + value.to_bytes(width, str(rng.choice(["little", "big"]))) + data[at + width :]  # type: ignore[arg-type]


def _span(rng: Rng, data: bytes) -> tuple[int, int]:
    start = int(rng.integers(max(len(data), 1)))
    return start, int(rng.choice([1, 4, 16, 64, 512, PAGE]))


# -- texts


def utf16(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Write a text in UTF-16, or with a byte order mark, or in another code page."""
    text = data.decode("utf-8", "replace")
    kind = str(rng.choice(["utf-16", "utf-16-be", "utf-8-sig", "latin-1", "utf-32"]))
    return text.encode(kind, "replace")


def number(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put another number, or what looks like one, in the place of a number in a text."""
    return _replaced(rng, data, rb"-?\d+(\.\d+)?([eE][-+]?\d+)?", str(rng.choice(NUMBERS)))


def word(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put another text in the place of a word."""
    return _replaced(rng, data, rb"[A-Za-z_/]+", str(TEXTS[int(rng.integers(len(TEXTS)))]))


def mark(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put something else in the place of a character that separates."""
    found = str(rng.choice(['"', "'", ",", ";", "\t", "\n", "\r", "\x00", "{", "]", "=", "#", "\\", "%", " ", ""]))
    return _replaced(rng, data, rb"[\s,;:{}\[\]\"=]", found)


def lines(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Double, remove, empty or swap lines, or make one very long."""
    found = data.split(b"\n")
    at, kind = int(rng.integers(min(len(found), int(rng.choice([3, len(found)]))))), int(rng.integers(6))
    if kind == 0:
        found.insert(at, found[at])
    elif kind == 1:
        del found[at]
    elif kind == 2:
        found[at] = b""
    elif kind == 3:
        to = int(rng.integers(len(found)))
        found[at], found[to] = found[to], found[at]
    elif kind == 4:
        found[at] = found[at] * 5000
    else:
        found[at] = found[at] + b"," * 20_000
    return b"\n".join(found)


def _replaced(rng: Rng, data: bytes, pattern: bytes, text: str) -> bytes:
    head = data[: int(rng.choice([200, 2000, 100_000]))]
    places = list(re.finditer(pattern, head))
    if not places:
        return data
    one = places[int(rng.integers(len(places)))]
    return data[: one.start()] + text.encode("utf-8", "surrogatepass") + data[one.end() :]


# -- JSON


def json_value(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put a value of another kind or size in a place of a JSON text."""
    return _written(_changed(rng, _parsed(data), lambda _: EXTREMES[int(rng.integers(len(EXTREMES)))]), data)


def json_text(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put an odd text in a place of a JSON text."""
    return _written(_changed(rng, _parsed(data), lambda _: TEXTS[int(rng.integers(len(TEXTS)))]), data)


def json_number(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put a number of 5,000 digits, or of an odd form, in a place of a JSON text: also what no parser writes."""
    kept = "\x01here\x01"
    text = _written(_changed(rng, _parsed(data), lambda _: kept), data).decode("utf-8", "surrogatepass")
    return text.replace(json.dumps(kept), str(rng.choice(NUMBERS))).encode("utf-8", "surrogatepass")


def json_shape(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Wrap, repeat, cut or deepen a value."""

    def shaped(value: Any) -> Any:
        kind = int(rng.integers(6))
        if kind == 0:
            return [value]
        if kind == 1:
            return {"": value}
        if kind == 2:
            return value * 3 if isinstance(value, list | str) else [value] * 300
        if kind == 3:
            return value[: len(value) // 2] if isinstance(value, list | str) else None
        if kind == 4:
            return (
                list(value.items()) if isinstance(value, dict) else {str(k): v for k, v in enumerate(_listed(value))}
            )
        return str(value)

    return _written(_changed(rng, _parsed(data), shaped), data)


def json_key(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Remove, rename, add or double a key."""
    value = _parsed(data)
    objects = [one for one in _all(value) if isinstance(one, dict) and one]
    if not objects:
        return data
    one = objects[int(rng.integers(len(objects)))]
    name, kind = list(one)[int(rng.integers(len(one)))], int(rng.integers(5))
    if kind == 0:
        del one[name]
    elif kind == 1:
        one[TEXTS[int(rng.integers(len(TEXTS)))]] = one.pop(name)
    elif kind == 2:
        one[TEXTS[int(rng.integers(len(TEXTS)))]] = one[name]
    elif kind == 3:
        keys = list(one)
        to = keys[int(rng.integers(len(keys)))]
        one[name], one[to] = one[to], one[name]
    else:
        pair = f"{json.dumps(name)}: "
        text = _written(value, data)
        return text.replace(pair.encode(), f"{pair}0, {pair}".encode(), 1)
    return _written(value, data)


def json_deep(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put 100,000 brackets in a place of a JSON text."""
    kept, depth = "\x01here\x01", int(rng.choice([900, 5000, 100_000]))
    text = _written(_changed(rng, _parsed(data), lambda _: kept), data)
    start, stop = (b"[", b"]") if rng.random() < 0.5 else (b'{"a":', b"}")
    inner = start * depth + b"0" + (stop * depth if rng.random() < 0.7 else b"")
    return text.replace(json.dumps(kept).encode(), inner)


def _parsed(data: bytes) -> Any:
    """Return what the JSON, or the first line of JSON, of a valid file holds; a text where it is no JSON."""
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return text


def _written(value: Any, like: bytes) -> bytes:
    text = like.decode("utf-8", "replace").strip()
    if isinstance(value, list) and "\n{" in text and text.startswith("{"):
        return b"".join(json.dumps(one).encode() + b"\n" for one in value)
    return json.dumps(value).encode()


def _all(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(deep for one in inner for deep in _all(one))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _changed(rng: Rng, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with one place of it changed; places near the top are as likely as all deep ones together."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not inner or rng.random() < 0.08:
        return change(value)
    key, one = inner[int(rng.integers(len(inner)))]
    rest = dict(inner) | {key: _changed(rng, one, change)}
    return rest if isinstance(value, dict) else list(rest.values())


# -- containers, whose inside is damaged with the lengths and sums around it right


@cache
def _bomb() -> bytes:
    """Return 3 MB of gzip that unpack to 3 GB."""
    return gzip.compress(bytes(30_000_000), 1) * 100


def inside_gzip(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Damage what a gzip file holds, or let it hold gigabytes of zeros."""
    inner = gzip.decompress(data)
    return _bomb() if rng.random() < 0.1 else gzip.compress(any_of(TEXT)(rng, inner, other), 1)


def inside_zip(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Damage, remove or rename a member of a zip (.npz), or its header of an array; or let one unpack to 100 MB."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at, kind = int(rng.integers(len(members))), int(rng.integers(7))
    name, content = members[at]
    if kind < 3 and content.startswith(b"\x93NUMPY"):
        members[at] = name, npy_header(rng, content, other)
    elif kind < 4:
        members[at] = name, any_of(BYTES)(rng, content, other)
    elif kind == 4:
        del members[at]
    elif kind == 5:
        members[at] = (
            TEXTS[int(rng.integers(len(TEXTS) - 1))].encode("utf-8", "replace").decode()[:200] or "x",
            content,
        )
    else:
        members[at] = name, content[:128] + bytes(100_000_000)
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for one, inner in members:
            archive.writestr(zipfile.ZipInfo(one), inner, compress_type=zipfile.ZIP_DEFLATED)
    return found.getvalue()


def zip_sizes(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Let the directory of a zip say other sizes than its members have."""
    found = bytearray(data)
    places = [one.start() + offset for one in re.finditer(b"PK\x01\x02", data) for offset in (20, 24)]
    places += [one.start() + offset for one in re.finditer(b"PK\x03\x04", data) for offset in (18, 22)]
    for _ in range(int(rng.integers(1, 4))):
        if places:
            at = places[int(rng.integers(len(places)))]
            found[at : at + 4] = struct.pack("<I", int(rng.choice([0, 1, 2**31, 2**32 - 1, 10**9])))
    return bytes(found)


def npy_header(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Let the header of a .npy say another type, order or shape, with its length right."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return bits(rng, data, other)
    length = struct.unpack("<H", data[8:10])[0]
    header = data[10 : 10 + length].decode("latin-1")
    kinds = ["<f8", "|O", "<U9999999", ">f4", "|V3", "<c16", "<M8[ns]", "|b1", "<i2", "|S0", "x", "<f4,<f4"]
    shapes = [
        "()",
        "(0,)",
        "(-1,)",
        "(1000000000, 16)",
        "(99999999999999999999,)",
        "(3, 0)",
        "(1,1,1,1)",
        "(True,)",
        "('a',)",
        "(2.5,)",
    ]
    kind = int(rng.integers(4))
    if kind == 0:
        header = re.sub(r"'descr': '[^']*'", f"'descr': {str(rng.choice(kinds))!r}", header)
    elif kind == 1:
        header = re.sub(r"'shape': \([^)]*\)", f"'shape': {rng.choice(shapes)}", header)
    elif kind == 2:
        header = header.replace("False", "True")
    else:
        header = word(rng, header.encode("latin-1"), b"").decode("latin-1")
    whole = header.encode("latin-1", "replace").rstrip() + b"\n"
    return data[:8] + struct.pack("<H", min(len(whole), 65535)) + whole + data[10 + length :]


def safetensors_header(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Damage the JSON header of a safetensors file, with its length right."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    inner = header.get("__metadata__", {})
    named = [key for key in inner if inner[key].startswith("{")]
    if named and rng.random() < 0.7:
        key = named[int(rng.integers(len(named)))]
        inner[key] = any_of(JSON)(rng, inner[key].encode(), b"").decode("utf-8", "replace")
        whole = json.dumps(header).encode()
    else:
        whole = any_of(JSON)(rng, data[8 : 8 + length], b"")
    return struct.pack("<Q", len(whole)) + whole + data[8 + length :]


def tensor_values(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Put NaN, infinity or huge numbers among the values behind the header."""
    length = struct.unpack("<Q", data[:8])[0]
    body = bytearray(data[8 + length :])
    for _ in range(int(rng.integers(1, 5))):
        if len(body) >= 4:
            at = int(rng.integers(len(body) // 4)) * 4
            body[at : at + 4] = struct.pack("<f", float(rng.choice([np.nan, np.inf, -np.inf, 1e38, 0.0])))
    return data[: 8 + length] + bytes(body)


def tar_field(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Change a field of a header of a tar, with the sum of the header right."""
    blocks = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not blocks:
        return bits(rng, data, other)
    at = blocks[int(rng.integers(len(blocks)))]
    head = bytearray(data[at : at + 512])
    field, width = [(0, 100), (124, 12), (156, 1), (100, 8), (345, 155), (257, 8), (157, 100)][int(rng.integers(7))]
    value = [
        b"7" * width,
        b"\x80" + b"\xff" * (width - 1),
        b"-1",
        b"\xc2\xb2",
        b"../../x",
        b"L",
        b"x",
        b"g",
        b"",
        b"0",
        rng.bytes(width),
    ]
    head[field : field + width] = value[int(rng.integers(len(value)))][:width].ljust(width, b"\0")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return data[:at] + bytes(head) + data[at + 512 :]


def mat5_element(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Change a number of four bytes in a .mat of version 5, also within its compressed elements."""
    if len(data) > 136 and struct.unpack("<I", data[128:132])[0] == 15:  # miCOMPRESSED
        size = struct.unpack("<I", data[132:136])[0]
        try:
            inner = zlib.decompress(data[136 : 136 + size])
        except zlib.error:
            return bits(rng, data, other)
        packed = zlib.compress(inner[:8] + long_number(rng, inner[8:72], other) + inner[72:], 1)
        return data[:132] + struct.pack("<I", len(packed)) + packed + data[136 + size :]
    return data[:128] + long_number(rng, data[128:256], other) + data[256:]


def any_of(mutators: tuple[Mutator, ...]) -> Mutator:
    """Return a mutator that is one of several."""

    def one(rng: Rng, data: bytes, other: bytes) -> bytes:
        return mutators[int(rng.integers(len(mutators)))](rng, data, other)

    return one


BYTES = (bits, bytes_, cut, headless, empty, zeroed, doubled, removed, swapped, spliced, inserted, long_number)
TEXT = (number, word, mark, lines, utf16, cut, bits, spliced)
JSON = (json_value, json_text, json_number, json_shape, json_key, json_deep, number)
ENDINGS: dict[str, tuple[Mutator, ...]] = {
    ".json": (*JSON, *JSON, *JSON, *TEXT, *BYTES),
    ".jsonl": (*JSON, *JSON, *TEXT, *BYTES),
    ".csv": (*TEXT, *TEXT, *TEXT, *BYTES),
    ".tsv": (*TEXT, *TEXT, *TEXT, *BYTES),
    ".txt": (*TEXT, *TEXT, *TEXT, *BYTES),
    ".toml": (*TEXT, *TEXT, *TEXT, *BYTES),
    ".gz": (inside_gzip,) * 6 + BYTES,
    ".npz": (inside_zip,) * 6 + (zip_sizes,) * 2 + BYTES,
    ".npy": (npy_header,) * 4 + BYTES,
    ".safetensors": (safetensors_header,) * 6 + (tensor_values,) * 2 + BYTES,
    ".book": (safetensors_header,) * 6 + (tensor_values,) * 2 + BYTES,
    ".enrol": (safetensors_header,) * 6 + (tensor_values,) * 2 + BYTES,
    ".tar": (tar_field,) * 8 + BYTES,
    ".mat": (mat5_element,) * 3 + BYTES,
    ".xdf": (*BYTES, number, word),
    ".edf": (*BYTES, number, word, number),
    ".bdf": (*BYTES, number, word, number),
}
"""Mutators of a file by the ending of its name; one that stands there twice is drawn twice as often."""
ALL: dict[str, Mutator] = {one.__name__: one for many in (*ENDINGS.values(), BYTES) for one in many}


def of(name: str) -> tuple[Mutator, ...]:
    """Return the mutators of a file by its name."""
    return next((many for ending, many in ENDINGS.items() if name.endswith(ending)), BYTES)


ODD = (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, EOFError, RecursionError, MemoryError)
"""What a mutator raises on a file that was damaged before, so that its structure is another."""


def safely(mutator: Mutator, rng: Rng, data: bytes, other: bytes) -> bytes:
    """Damage a file; where its structure is not the one that the mutator knows, flip bits."""
    try:
        return mutator(rng, data, other)
    except (*ODD, struct.error, zlib.error, zipfile.BadZipFile):
        return bits(rng, data, other)
