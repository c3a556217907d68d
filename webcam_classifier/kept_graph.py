"""Keep a graph that can be made again, with a hash of itself: a damaged one is never run."""

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
_SEAL_START = b"\x72" + bytes([len(_ENTRY) + _DIGITS]) + _ENTRY
_SEAL_LENGTH = len(_SEAL_START) + _DIGITS


def keep_graph(path: Path, content: bytes) -> None:
    """Write a graph, sealed.

    Args:
        path: Where it belongs.
        content: Of an ONNX or TFLite file.

    Raises:
        UserError: The folder can't be written.
    """
    remove_stale_partials(path.parent, recursive=False)
    write_atomically(path, content + _seal(content))


def keep_graph_if_possible(path: Path, content: bytes) -> bool:
    """Like `keep_graph`, but where the folder can't be written, that is logged.

    Returns:
        Whether it was written.
    """
    try:
        keep_graph(path, content)
    except UserError as error:
        _log.warning("Nothing is kept for the next start: %s", error)
        return False
    return True


def read_graph(path: Path) -> bytes | None:
    """Read a graph that was kept.

    Args:
        path: Its file.

    Returns:
        The content of the file; None where there is none, or a damaged one, which is logged.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _log.warning("%s can't be read (%s), and is rebuilt.", path, error.strerror)
        return None
    graph, seal = content[:-_SEAL_LENGTH], content[-_SEAL_LENGTH:]
    if not graph or seal != _seal(graph):
        _log.warning("%s was damaged, and is rebuilt.", path)
        return None
    return content


def is_graph_kept(path: Path) -> bool:
    """Whether a graph was kept, and is whole; a damaged one is logged."""
    return read_graph(path) is not None


def _seal(content: bytes) -> bytes:
    return _SEAL_START + hashlib.sha256(content).hexdigest().encode("ascii")
