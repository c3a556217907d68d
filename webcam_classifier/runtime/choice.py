"""Choose the runtime of a model on this device, and cache the choice.

The cached choice is valid for this model, device and these versions. With it, a later start
measures nothing, and loads nothing that only the measurement needs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webcam_classifier.errors import UserError
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.runtime.providers import (
    CPU,
    PROVIDERS,
    ExecutionConfig,
    ProviderError,
    RuntimeChoice,
    installed_providers,
)
from webcam_classifier.runtime.runtime_cache import forget_old_folders, runtime_folder
from webcam_classifier.runtime.session import card_of
from webcam_classifier.runtime.trial import OPENS_WITHIN
from webcam_classifier.storage import write_atomically

AUTO = "auto"

Say = Callable[[str], None]


def choose_runtime(model: Path, wanted: str, threads: int, say: Say) -> RuntimeChoice:
    """Return the cached choice, or measure what this device offers and cache the best.

    Args:
        model: The model file.
        wanted: `auto`, or the only provider allowed.
        threads: CPU threads; 0 lets the measurement decide that too.
        say: Called with a line of text before something that takes time.

    Raises:
        ModelError: The file can't be used.
        ProviderError: The wanted provider is missing, can't run this model, or gives other answers
            than the CPU.
    """
    known = known_runtime(model, wanted, threads, say)
    return measure_runtime(model, wanted, threads, say) if known is None else known


def known_runtime(model: Path, wanted: str, threads: int, say: Say) -> RuntimeChoice | None:
    """Return what is known without measuring: the cached choice, or the only possible one.

    Args:
        model: The model file.
        wanted: See `choose_runtime`.
        threads: Likewise.
        say: Called with a line of text if the cached choice is damaged.

    Returns:
        The choice; None if it has to be measured.

    Raises:
        ModelError: The file can't be used.
        ProviderError: The wanted provider is missing.
    """
    names = _allowed(wanted)
    if not model.is_file():
        card_of(model)  # says what is wrong with it
    choice = recall(_place(model, wanted, threads), say)
    if choice is not None and choice.runtime.provider in names:
        return choice
    if names == (CPU,) and (threads or physical_cores() == 1):
        precision = card_of(model).precision
        return RuntimeChoice(
            ExecutionConfig(CPU, threads, precision=precision), "nothing to choose from"
        )
    return None


def measure_runtime(
    model: Path, wanted: str, threads: int, say: Say, patience: float = OPENS_WITHIN
) -> RuntimeChoice:
    """Measure what this device offers, and cache the best; see `choose_runtime`.

    Args:
        model: The model file.
        wanted: See `choose_runtime`.
        threads: Likewise.
        say: Likewise.
        patience: Seconds for each runtime to open and to answer the pictures.

    Raises:
        ModelError: See `choose_runtime`.
        ProviderError: Likewise.
    """
    names = _allowed(wanted)
    remembered = _place(model, wanted, threads)
    notes = []
    if wanted == AUTO and "tensorrt" in names and not list(remembered.parent.glob("*.engine")):
        names = tuple(name for name in names if name != "tensorrt")
        notes.append("TensorRT not tried: --provider tensorrt builds its engine, once, in minutes")
    precision = card_of(model).precision
    if wanted == "tensorrt":
        say("TensorRT builds an engine for this GPU: 1 to 10 minutes, on a small Jetson up to 30")
    else:
        say(f"trying {', '.join(names)} on this device (once for this model)")
    # Imported only here: it reads pictures, and most starts don't measure.
    from webcam_classifier.runtime.runtime_benchmark import NoReferenceError, benchmark_runtimes

    try:
        choice = benchmark_runtimes(model, names, threads, notes, patience)
    except NoReferenceError as error:
        if wanted not in (AUTO, CPU):
            raise ProviderError(f"--provider {wanted} can't be checked. {error}") from error
        # Nothing else can be checked. It is not cached either, as the next start may succeed.
        say(str(error))
        return RuntimeChoice(
            ExecutionConfig(CPU, threads, precision=precision), f"nothing was measured: {error}"
        )
    if wanted != AUTO and choice.runtime.provider != wanted:
        raise ProviderError(f"--provider {wanted}: {choice.reason}. Take --provider auto.")
    remember(remembered, choice, say)
    return choice


def _allowed(wanted: str) -> tuple[str, ...]:
    """Return the allowed providers.

    Raises:
        ProviderError: The wanted one is missing.
    """
    installed = installed_providers()
    names = installed if wanted == AUTO else (wanted,)
    if not set(names).issubset(installed):
        raise ProviderError(
            f"--provider {wanted}: this onnxruntime has no {wanted}. {PROVIDERS[wanted].remedy}"
        )
    return names


def _place(model: Path, wanted: str, threads: int) -> Path:
    return runtime_folder(model) / f"choice-{wanted}-{threads}.json"


def recall(path: Path, say: Say) -> RuntimeChoice | None:
    """Read a cached choice.

    Args:
        path: As for `remember`.
        say: Called with a line of text if it is damaged.

    Returns:
        The choice; None if there is none, or a damaged one, and it has to be measured again.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        say(f"{path} can't be read ({error.strerror}): measuring again")
        return None
    try:
        line, _, digest = content.decode("ascii").rstrip("\n").partition("\n")
        if digest != _digest(line):
            raise ValueError("it is not what was written")
        fields: dict[str, Any] = json.loads(line)
        return RuntimeChoice(ExecutionConfig(**fields["runtime"]), str(fields["reason"]))
    except (ValueError, KeyError, TypeError):
        say(f"{path} was damaged: measuring again")
        return None


def remember(path: Path, choice: RuntimeChoice, say: Say) -> None:
    """Cache a choice for the next start, with a hash of it.

    Args:
        path: In the cache folder of the model, this device and these versions.
        choice: What was measured.
        say: Called with a line of text if the folder can't be written.
    """
    line = json.dumps(dataclasses.asdict(choice))
    try:
        write_atomically(path, f"{line}\n{_digest(line)}\n".encode("ascii"))
    except UserError as error:
        say(f"the choice is not remembered: {error}")
        return
    forget_old_folders(path.parent)


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()
