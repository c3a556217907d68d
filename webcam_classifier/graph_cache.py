"""Cache a graph in a file with a checksum: a damaged one is never run, but rebuilt."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.storage import remove_stale_partials, write_atomically

_log = logging.getLogger(__name__)

# An entry of `metadata_props`, field 14 of a ModelProto, as protobuf writes it: what follows a
# message in a file is merged into it, so that the file as a whole is plain ONNX. What follows a
# TFLite file is not read.
_KEY = b"webcam_classifier.sha256"
_DIGITS = 64
_ENTRY = b"\x0a" + bytes([len(_KEY)]) + _KEY + b"\x12" + bytes([_DIGITS])
_CHECKSUM_START = b"\x72" + bytes([len(_ENTRY) + _DIGITS]) + _ENTRY
_CHECKSUM_LENGTH = len(_CHECKSUM_START) + _DIGITS


def cache_graph(path: Path, content: bytes) -> None:
    """Write a graph with its checksum.

    Args:
        path: Where it belongs.
        content: Of an ONNX or TFLite file.

    Raises:
        UserError: The folder can't be written.
    """
    remove_stale_partials(path.parent, recursive=False)
    write_atomically(path, content + _checksum(content))


def cache_graph_if_possible(path: Path, content: bytes) -> bool:
    """Like `cache_graph`, but only log it if the folder can't be written.

    Returns:
        Whether it was written.
    """
    try:
        cache_graph(path, content)
    except UserError as error:
        _log.warning("Nothing is kept for the next start: %s", error)
        return False
    return True


def read_cached_graph(path: Path) -> bytes | None:
    """Read a cached graph.

    Args:
        path: Its file.

    Returns:
        The content of the file; None if it is missing or damaged, and damage is logged.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _log.warning("%s can't be read (%s), and is rebuilt.", path, error.strerror)
        return None
    graph, checksum = content[:-_CHECKSUM_LENGTH], content[-_CHECKSUM_LENGTH:]
    if not graph or checksum != _checksum(graph):
        _log.warning("%s was damaged, and is rebuilt.", path)
        return None
    return content


def is_graph_cached(path: Path) -> bool:
    """Whether a graph is cached and undamaged; damage is logged."""
    return read_cached_graph(path) is not None


def _checksum(content: bytes) -> bytes:
    return _CHECKSUM_START + hashlib.sha256(content).hexdigest().encode("ascii")
