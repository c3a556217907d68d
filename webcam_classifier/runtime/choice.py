"""Choose what runs a model on this device, and remember it.

What is remembered holds for this model, device and these versions, so that a later start measures
nothing, and loads nothing that only the measurement needs.
"""

from __future__ import annotations

import dataclasses
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
from webcam_classifier.storage import write_atomically

AUTO = "auto"

Say = Callable[[str], None]


def choose_runtime(model: Path, wanted: str, threads: int, say: Say) -> RuntimeChoice:
    """Return the cached choice, or try what this device has and cache the best.

    Args:
        model: The model file.
        wanted: `auto`, or the only provider that will do.
        threads: Of the processor; 0 leaves that to the measurement as well.
        say: Told what takes time before it begins.

    Raises:
        ModelError: The file can't be used.
        ProviderError: The wanted provider is missing, can't run this model, or answers otherwise.
    """
    names = installed_providers() if wanted == AUTO else (wanted,)
    if not set(names).issubset(installed_providers()):
        raise ProviderError(
            f"--provider {wanted}: this onnxruntime has no {wanted}. {PROVIDERS[wanted].remedy}"
        )
    if not model.is_file():
        card_of(model)  # says what is wrong with it
    remembered = runtime_folder(model) / f"choice-{wanted}-{threads}.json"
    choice = _recall(remembered)
    if choice is not None:
        return choice
    precision = card_of(model).precision
    if names == (CPU,) and (threads or physical_cores() == 1):
        return RuntimeChoice(
            ExecutionConfig(CPU, threads, precision=precision), "nothing to choose from"
        )
    notes = []
    if wanted == AUTO and "tensorrt" in names and not list(remembered.parent.glob("*.engine")):
        names = tuple(name for name in names if name != "tensorrt")
        notes.append("TensorRT not tried: --provider tensorrt builds its engine, once, in minutes")
    if wanted == "tensorrt":
        say("TensorRT builds an engine for this GPU: 1 to 10 minutes, on a small Jetson up to 30")
    else:
        say(f"trying {', '.join(names)} on this device (once for this model)")
    # Loaded only now: it reads pictures, and most starts have no use for it.
    from webcam_classifier.runtime.race import NoReferenceError, race

    try:
        choice = race(model, names, threads, notes)
    except NoReferenceError as error:
        if wanted not in (AUTO, CPU):
            raise ProviderError(f"--provider {wanted} can't be checked. {error}") from error
        # Nothing else may be taken. It is not remembered either: the next start may fare better.
        say(str(error))
        return RuntimeChoice(
            ExecutionConfig(CPU, threads, precision=precision), f"nothing was measured: {error}"
        )
    if wanted != AUTO and choice.runtime.provider != wanted:
        raise ProviderError(f"--provider {wanted}: {choice.reason}. Take --provider auto.")
    _remember(remembered, choice, say)
    return choice


def _recall(path: Path) -> RuntimeChoice | None:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return RuntimeChoice(ExecutionConfig(**fields["runtime"]), str(fields["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or damaged: measured again


def _remember(path: Path, choice: RuntimeChoice, say: Say) -> None:
    try:
        write_atomically(path, (json.dumps(dataclasses.asdict(choice)) + "\n").encode())
    except UserError as error:
        say(f"the choice is not remembered: {error}")
        return
    forget_old_folders()
