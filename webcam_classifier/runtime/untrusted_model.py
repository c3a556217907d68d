"""Try a model file from elsewhere in a separate process first, and refuse it if it fails there.

A model file is a program: with a damaged or malicious one onnxruntime may crash, hang or use up
all memory. The hashes of files that were written on this device are noted, and those are opened
right away. Any other file is first opened and run on three pictures in a process with limits on
time and memory. The result is noted too, and is valid for this hash and version of onnxruntime.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import subprocess
import sys
from pathlib import Path
from typing import Any

from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.errors import UserError
from webcam_classifier.model_card import TRAIN_HINT, ModelError
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.runtime.model_structure import MAXIMUM_BYTES, structure_problem
from webcam_classifier.storage import remove_stale_partials, write_atomically

TRIED_WITHIN = 15.0
"""Seconds until it has answered, including the start of the process."""

_TRIAL = (
    "webcam_classifier.runtime.untrusted_model_trial"  # by name: importing it would be circular
)
_KEPT = 2000  # notes, of some 60 bytes
_RULES = 1  # version of what is refused; a new one tries all files again
_PATH = "{path}"  # in a noted problem, because the file may have been moved the next time

_hashes: dict[tuple[str, int, int, int], str] = {}


def note_as_ours(content: bytes) -> None:
    """Note that a model file was made here, so that it is opened without a trial.

    Args:
        content: All of the file.
    """
    _note(hashlib.sha256(content).hexdigest(), {"is_ours": True})


def check_untrusted_model(path: Path) -> None:
    """Refuse a model file that this process should not open.

    A file that was made here is only hashed.

    Args:
        path: The file. A missing or empty one is left to the caller, who is about to open it.

    Raises:
        ModelError: The file is too large, not a whole ONNX file, reads data from other files, or
            has failed in its trial.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return
    if path.stat().st_size > MAXIMUM_BYTES:
        raise ModelError(f"{path} is larger than an ONNX file can be. {TRAIN_HINT}")
    digest = _hash(path)
    known = _recall(digest)
    if known is None:
        known, is_final = _tried(path)
        if is_final:
            _note(digest, {"problem": known, **_versions()})
    if known:
        raise ModelError(known.replace(_PATH, str(path)))


def _tried(path: Path) -> tuple[str, bool]:
    """Try a file.

    Returns:
        What is wrong with it, empty if nothing is; and whether another try would say the same.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        problem = structure_problem(content)
    if problem is not None:
        return f"{_PATH} is not a whole ONNX file that can be used ({problem}). {TRAIN_HINT}", True
    try:
        done = subprocess.run(
            [sys.executable, "-m", _TRIAL, str(path.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries are noisy; the result comes as JSON
            cwd=Path(__file__).parents[2],
            timeout=TRIED_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        said = f"{_PATH} gave no answer within {TRIED_WITHIN:.0f} seconds. {TRAIN_HINT}"
        return said, False
    try:
        fields: dict[str, Any] = json.loads(done.stdout)
        return str(fields["problem"]).replace(str(path.resolve()), _PATH), True
    except (ValueError, KeyError, TypeError):
        said = (
            f"{_PATH} was tried in a process of its own, which ended: it takes too much memory, or "
            f"makes onnxruntime crash. {TRAIN_HINT}"
        )
        return said, False


def _hash(path: Path) -> str:
    """Return a file's sha256 in hexadecimal; it is read again only if it has changed."""
    facts = path.stat()
    key = str(path.absolute()), facts.st_mtime_ns, facts.st_size, facts.st_ino
    if key not in _hashes:
        content = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                content.update(block)
        _hashes[key] = content.hexdigest()
    return _hashes[key]


def _versions() -> dict[str, object]:
    return {"onnxruntime": onnxruntime.__version__, "rules": _RULES}


def _place(digest: str) -> Path:
    return cache_folder() / "models" / f"{digest}.json"


def _recall(digest: str) -> str | None:
    """Return what was found wrong with a file, empty if nothing; None if it was never tried."""
    try:
        fields = json.loads(_place(digest).read_text(encoding="utf-8"))
        if fields.get("is_ours") is True:
            return ""
        is_current = all(fields.get(name) == value for name, value in _versions().items())
        return str(fields["problem"]) if is_current else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing or damaged: the file is tried again


def _note(digest: str, fields: dict[str, object]) -> None:
    place = _place(digest)
    if place.exists() and "is_ours" not in fields and _recall(digest) == "":
        return
    try:
        remove_stale_partials(place.parent, recursive=False)
        write_atomically(place, (json.dumps(fields) + "\n").encode())
        notes = sorted(place.parent.glob("*.json"), key=lambda note: note.stat().st_mtime)
        for note in notes[:-_KEPT]:
            note.unlink(missing_ok=True)
    except (UserError, OSError):
        return  # the folder can't be written: the file is tried again the next time
