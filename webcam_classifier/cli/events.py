"""Progress events for other programs: as JSON on standard output, or in a file."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from webcam_classifier.progress import (
    VERSION,
    Epoch,
    Event,
    Progress,
    Stage,
    listening,
    to_json,
)

_STDOUT, _STDERR = 1, 2  # file descriptors

_STAGES_IN_FILES: Mapping[Stage, str] = {
    Stage.READ: "reading",
    Stage.EMBED: "analysing pictures",
    Stage.TRAIN: "training",
    Stage.EVALUATE: "classifying",
}
"""The names of stages in the file of `--progress`, kept for compatibility."""


@contextmanager
def events_on_stdout() -> Iterator[None]:
    """Write each event as a line of JSON to standard output, and nothing else.

    Everything that is printed goes to standard error instead, including the output of C libraries
    and child processes.
    """
    sys.stdout.flush()
    stream = os.fdopen(os.dup(_STDOUT), "w", encoding="ascii")
    os.dup2(_STDERR, _STDOUT)

    def write(event: Event) -> None:
        stream.write(to_json(event) + "\n")
        stream.flush()

    with stream, listening(write):
        yield


@contextmanager
def progress_in_file(path: Path | None) -> Iterator[None]:
    """Append a line of JSON to a file for each step of a stage, and for each epoch.

    The lines are those of `progress`, but in the form that older programs expect: "stage" is a
    caption, with the identifier in "stage_id", and unknown values of an epoch are NaN.

    Args:
        path: The file; None writes nothing.
    """
    if path is None:
        yield
        return

    def add(event: Event) -> None:
        if isinstance(event, Progress):
            stage = _STAGES_IN_FILES.get(event.stage, event.stage.value)
            fields = {**event.fields(), "stage": stage, "stage_id": event.stage.value}
        elif isinstance(event, Epoch):
            epoch = {name: math.nan if v is None else v for name, v in asdict(event).items()}
            fields = {"epoch": epoch}
        else:
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event.NAME, "version": VERSION, **fields}) + "\n")

    with listening(add):
        yield
