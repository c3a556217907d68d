"""Check a model file's structure before a library reads it.

An ONNX file is one protobuf message (https://protobuf.dev/programming-guides/encoding/). It is
walked field by field without recursion and without copies, so that deeply nested and damaged files
do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

MAXIMUM_BYTES = 2**31 - 1
"""A protobuf message can't be larger."""

MAXIMUM_NODES = 20_000
"""In all graphs of a file; the largest networks that can be trained here have some 3,000."""

_MOST_FIELDS = 2_000_000
_DEEPEST = 16  # nested graphs
_EXTERNAL = 1  # TensorProto.DataLocation

# Which fields of which messages hold messages, from onnx.proto of ONNX 1.19.
_MESSAGES = {
    ("model", 7): "graph",
    ("model", 20): "training",
    ("model", 25): "function",
    ("training", 1): "graph",
    ("training", 2): "graph",
    ("function", 7): "node",
    ("function", 11): "attribute",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("graph", 15): "sparse",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
    ("sparse", 1): "tensor",
    ("sparse", 2): "tensor",
}
_OP_TYPE, _EXTERNAL_DATA, _DATA_LOCATION = ("node", 4), ("tensor", 13), ("tensor", 14)
_READS_FILES = frozenset({b"EPContext"})
"""Operators that load other files, such as compiled code."""


class _BrokenError(ValueError):
    """The bytes are not a valid message."""


@dataclass(frozen=True)
class _Part:
    """A message still to be walked: its kind, its place, and how many graphs it is nested in."""

    kind: str
    start: int
    end: int
    depth: int


def structure_problem(content: bytes | mmap) -> str | None:
    """Check the structure of a model file.

    Args:
        content: All bytes of the file, such as a memory map.

    Returns:
        Why it must not be opened, as a clause; None if nothing was found.
    """
    nodes = fields = graphs = 0
    waiting = [_Part("model", 0, len(content), 0)]
    try:
        while waiting:
            part = waiting.pop()
            for number, start, end in _fields(content, part.start, part.end):
                fields += 1
                if fields > _MOST_FIELDS:
                    return f"it has more than {_MOST_FIELDS} parts"
                place = (part.kind, number)
                if place == _EXTERNAL_DATA or (
                    place == _DATA_LOCATION and _varint(content, start, end)[0] == _EXTERNAL
                ):
                    return "it reads weights from other files"
                if place == _OP_TYPE and bytes(content[start:end]) in _READS_FILES:
                    return "it reads compiled parts from other files"
                kind = _MESSAGES.get(place)
                if kind is None:
                    continue
                nodes += kind == "node"
                graphs += kind == "graph"
                if nodes > MAXIMUM_NODES:
                    return f"it has more than {MAXIMUM_NODES} nodes"
                if part.depth >= _DEEPEST:
                    return "its graphs lie too deep within each other"
                waiting.append(_Part(kind, start, end, part.depth + (kind == "graph")))
    except _BrokenError:
        return "it is cut off or damaged"
    return None if graphs else "it has no graph"


def _fields(content: bytes | mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field's number, and the start and end of its value."""
    place = start
    while place < end:
        key, place = _varint(content, place, end)
        number, kind = key >> 3, key & 7
        if kind == 0:
            begin = place
            _, place = _varint(content, place, end)
        elif kind == 1:
            begin, place = place, place + 8
        elif kind == 2:
            size, begin = _varint(content, place, end)
            place = begin + size
        elif kind == 5:
            begin, place = place, place + 4
        else:  # a group, which ONNX does not use, or an invalid wire type
            raise _BrokenError
        if place > end or number == 0:
            raise _BrokenError
        yield number, begin, place


def _varint(content: bytes | mmap, place: int, end: int) -> tuple[int, int]:
    """Read a number of up to ten bytes; return it, and the place behind it."""
    value = shift = 0
    while place < end and shift < 70:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _BrokenError
