"""What a person is told of a stage or an epoch: at the terminal, in the window, and on the page."""

from __future__ import annotations

from collections.abc import Mapping

from webcam_classifier.percentage import percentage
from webcam_classifier.progress import Epoch, Progress, Stage

_CAPTIONS: Mapping[Stage, str] = {
    Stage.RECORD: "recording",
    Stage.READ: "reading",
    Stage.EMBED: "analysing pictures",
    Stage.TRAIN: "training",
    Stage.EVALUATE: "classifying",
    Stage.CALIBRATE: "calibrating",
    Stage.COMPARE: "comparing",
    Stage.EXPLAIN: "drawing where the label was found",
    Stage.TRY_RUNTIMES: "trying runtimes",
    Stage.START_CANDIDATES: "starting all candidates",
    Stage.TIME_CANDIDATES: "timing all candidates",
}


def caption(progress: Progress) -> str:
    """What is being done, in a few words, such as `recording cup`."""
    return f"{_CAPTIONS[progress.stage]} {progress.subject}".rstrip()


def describe_progress(progress: Progress) -> str:
    """What is being done and how far it is, such as `reading: 12 of 90`."""
    of_total = f" of {progress.total}" if progress.total else ""
    return f"{caption(progress)}: {progress.done}{of_total}"


def describe_epoch(epoch: Epoch) -> str:
    """How an epoch went: `epoch 3 of 12: loss 0.612, validation accuracy 95.0 %, 24 s left`."""
    parts = []
    if epoch.training_loss is not None:
        parts.append(f"loss {epoch.training_loss:.3f}")
    if epoch.validation_accuracy is not None:
        parts.append(f"validation accuracy {percentage(epoch.validation_accuracy)}")
    if epoch.seconds_left is not None:
        parts.append(f"{epoch.seconds_left:.0f} s left")
    text = f"epoch {epoch.number} of {epoch.epochs}"
    return f"{text}: {', '.join(parts)}" if parts else text
