"""Open no model file here before it was tried in a process of its own, unless it is one of ours.

A model file is a program: what onnxruntime makes of a damaged or a malicious one may crash, hang or
take all memory. What this program writes on this device is noted by its hash, and opened at once.
Any other file is opened and asked about three pictures in a process with bounds on time and memory,
once for its hash and this version of onnxruntime, and what came of it is noted too.
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
"""Seconds to the answer, the start of the process among them."""

_TRIAL = "webcam_classifier.runtime.stranger_trial"  # by name: it opens models, as who asks here
_KEPT = 2000  # notes, of some 60 bytes
_RULES = 1  # of what is refused; another number tries all files again
_PATH = "{path}"  # in a noted problem, for the file may lie elsewhere the next time

_hashes: dict[tuple[str, int, int, int], str] = {}


def note_as_ours(content: bytes) -> None:
    """Note that a model file was made here, so that it is opened without a trial.

    Args:
        content: The file's, all of it.
    """
    _note(hashlib.sha256(content).hexdigest(), {"is_ours": True})


def check_stranger(path: Path) -> None:
    """Refuse a model file that this process should not open; our own costs a hash.

    Args:
        path: The file. One that is missing or empty is left to who opens it.

    Raises:
        ModelError: The file is too large, no whole ONNX file, takes data from other files, or has
            failed in its trial.
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
        What is wrong with it, empty where nothing is, and whether another try would say the same.
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
            stderr=subprocess.DEVNULL,  # libraries are noisy; what matters comes as JSON
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
    """The file's sha256; a file that has not changed since is not read again."""
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
    """What was found wrong with a file, empty where nothing was; None where it is not known."""
    try:
        fields = json.loads(_place(digest).read_text(encoding="utf-8"))
        if fields.get("is_ours") is True:
            return ""
        is_current = all(fields.get(name) == value for name, value in _versions().items())
        return str(fields["problem"]) if is_current else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there, or damaged: tried anew


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
        return  # a folder that can't be written: the file is tried again the next time
