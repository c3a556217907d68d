"""Build TensorRT's engine for a model before its first use. Not run on such a device yet."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.runtime.choice import AUTO, Say, choose_runtime
from webcam_classifier.runtime.providers import (
    PROVIDERS,
    RuntimeChoice,
    installed_providers,
)
from webcam_classifier.runtime.runtime_cache import runtime_folder

TENSORRT = "tensorrt"

_SHOWN_EVERY = 1.0  # seconds

Choose = Callable[[Path, str, int, Say], RuntimeChoice]


def build_engine(model: Path, say: Say, choose: Choose = choose_runtime) -> RuntimeChoice:
    """Build the engines of a model for this GPU in the cache folder, where `live.py` finds them.

    There are two, as `live.py` would try them: in the file's precision and with fp16. Their answers
    are compared with the CPU's.

    Args:
        model: The model file.
        say: Called with a line of text before something that takes time.
        choose: Opens the model on TensorRT, which builds the engines.

    Returns:
        The faster one of those with correct answers.

    Raises:
        UserError: TensorRT is missing, can't run this model, or gives other answers than the CPU.
    """
    if choose is choose_runtime and TENSORRT not in installed_providers():
        raise UserError(
            f"--precision tensorrt: this onnxruntime has no TensorRT. {PROVIDERS[TENSORRT].remedy}"
        )
    with _time_on_show("building"):
        choice = choose(model, TENSORRT, 0, say)
    folder = runtime_folder(model)
    if not list(folder.glob("*.engine")):
        raise UserError(
            f"TensorRT runs {model} but left no engine in {folder}. Check whether the disk is "
            "full; live.py would build it again at every start."
        )
    # What live.py chose before there was an engine is out of date.
    for remembered in folder.glob(f"choice-{AUTO}-*.json"):
        remembered.unlink()
    return choice


@contextmanager
def _time_on_show(what: str) -> Iterator[None]:
    """Show on a terminal how long something takes that can't report its progress."""
    done = threading.Event()

    def show() -> None:
        started = time.monotonic()
        while not done.wait(_SHOWN_EVERY):
            _command(f"\r{what}: {time.monotonic() - started:.0f} s\x1b[K")
            sys.stderr.flush()

    if not sys.stderr.isatty():
        yield
        return
    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _command("\r\x1b[K")


def _command(text: str) -> None:
    """Write a control sequence to the terminal, which streams of `cli.console` would escape."""
    getattr(sys.stderr, "commands", sys.stderr.write)(text)
