"""Results as plain bytes: data classes and NumPy arrays from a process that nobody trusts.

Unlike a pickle, what is decoded can call nothing: a text in JSON says which values there are, and the arrays follow
as they lie in memory. Of classes it makes those alone that the receiver names, by their constructors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DTYPE = re.compile(r"[<>|=]?[biufcUS][0-9]{1,9}")
"""Types of arrays that are numbers or texts; all others would be objects, or could be."""


def encode(value: Any) -> tuple[Any, list[memoryview]]:
    """Return a value as JSON knows it, and the contents of the arrays in it.

    Args:
        value: of numbers, texts, bytes, paths, tuples, lists, dictionaries, arrays and data classes.

    Raises:
        TypeError: it holds something else.
    """
    buffers: list[memoryview] = []
    return _node(value, buffers), buffers


def decode(node: Any, kinds: Sequence[type], read: Callable[[memoryview], None], most: int) -> Any:
    """Return the value that ``encode`` was given.

    Args:
        node: of JSON.
        kinds: data classes that it may hold.
        read: called with the memory of each array in turn, to be filled.
        most: bytes of all arrays together; more are refused before memory is taken.

    Raises:
        ValueError: ``encode`` did not write this. So do constructors of ``kinds`` where a value does not suit them.
    """
    try:
        return _Decoder({kind.__name__: kind for kind in kinds}, read, most).value(node)
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"not what encode writes: {error}") from error


def _node(value: Any, buffers: list[memoryview]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Path):
        return ["path", str(value)]
    if isinstance(value, np.ndarray):
        return _array_node(value, buffers)
    if isinstance(value, bytes):
        return ["bytes", _array_node(np.frombuffer(value, np.uint8), buffers)]
    if isinstance(value, tuple | list):
        return [type(value).__name__, *(_node(one, buffers) for one in value)]
    if isinstance(value, dict):
        return ["dict", *([_node(key, buffers), _node(one, buffers)] for key, one in value.items())]
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: _node(getattr(value, field.name), buffers) for field in fields(value) if field.init}
        return ["class", type(value).__name__, named]
    raise TypeError(f"{type(value).__name__} is no plain value")


def _array_node(array: Array, buffers: list[memoryview]) -> Any:
    if not DTYPE.fullmatch(array.dtype.str):
        raise TypeError(f"an array of {array.dtype} is no plain value")
    columns = array.flags.f_contiguous and not array.flags.c_contiguous
    whole = np.ascontiguousarray(array.T if columns else array)
    buffers.append(whole.reshape(-1).view(np.uint8).data if whole.nbytes else memoryview(b""))
    return ["array", array.dtype.str, list(array.shape), columns]


class _Decoder:
    def __init__(self, kinds: dict[str, type], read: Callable[[memoryview], None], most: int) -> None:
        self.kinds, self.read, self.left = kinds, read, most

    def value(self, node: Any) -> Any:
        if not isinstance(node, list):
            return node
        tag, *rest = node
        match tag:
            case "path":
                return Path(*rest)
            case "array":
                return self.array(*rest)
            case "bytes":
                return self.value(rest[0]).tobytes()
            case "tuple":
                return tuple(self.values(rest))
            case "list":
                return list(self.values(rest))
            case "dict":
                return {self.value(key): self.value(one) for key, one in rest}
            case "class":
                name, named = rest
                return self.kinds[name](**{field: self.value(one) for field, one in named.items()})
        raise ValueError(f"no value is called {tag!r}")

    def values(self, nodes: Sequence[Any]) -> Iterator[Any]:
        return (self.value(node) for node in nodes)

    def array(self, name: str, shape: list[int], columns: bool) -> Array:
        if not DTYPE.fullmatch(name) or min(shape, default=0) < 0:
            raise ValueError(f"no array is of {name!r} and {shape}")
        dtype = np.dtype(name)
        self.left -= math.prod(shape) * dtype.itemsize
        if self.left < 0:
            raise ValueError("arrays larger than their process could hold")
        array = np.empty(shape[::-1] if columns else shape, dtype)
        if array.nbytes:
            self.read(array.reshape(-1).view(np.uint8).data)
        return array.T if columns else array
