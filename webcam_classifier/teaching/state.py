"""The state that a person is shown while recording and teaching, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.crop import Crop
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.evaluation.metrics import Evaluation

NEWEST = 12
"""How many of a label's newest pictures are listed."""


@dataclass(frozen=True)
class LabelState:
    """A label and its pictures.

    Attributes:
        name: The label, which is the name of its folder.
        count: How many pictures it has, including those on their way to the disk.
        newest: Names of its newest pictures, newest first, at most `NEWEST`. A name is the path
            below the label's folder, with forward slashes.
        is_behind: Whether it has far fewer pictures than another label.
        recordings: How many times it was recorded; None if that is not known, as for pictures
            from elsewhere.
    """

    name: str
    count: int
    newest: tuple[str, ...]
    is_behind: bool
    recordings: int | None = None


@dataclass(frozen=True, eq=False)
class LearntAccuracy:
    """The accuracy of the head on bursts that it was not fitted on.

    It is cross-validated: each burst is left out in turn and classified by a head fitted to the
    others. `train.py --mode head` writes the same figure for the same pictures.

    Attributes:
        evaluation: The figures.
        rests_on: How the classified pictures were kept apart from the training pictures, in words.
        is_current: Whether it is for the current pictures; otherwise it is a moment old.
    """

    evaluation: Evaluation
    rests_on: str
    is_current: bool = True


@dataclass(frozen=True)
class Skip:
    """A frame that was not recorded.

    Attributes:
        reason: Why, in a few words, such as `too dark`.
        at: Seconds on the monotonic clock.
    """

    reason: str
    at: float


@dataclass(frozen=True, eq=False)
class RecordingState:
    """The state of a recording session at one moment.

    Attributes:
        version: Counts the changes.
        dataset: The folder of the pictures.
        labels: In the order shown: those given at the start, then the others as they were added.
        recording: The label that is being recorded; None if none is.
        skipped: How many frames were not recorded in this run, by reason, most frequent first.
        last_skip: The last frame that was not recorded; None once one was recorded after it.
        warnings: Problems that a person should fix, a sentence each.
        undoable: The burst that `undo` would take back; None if there is none.
        problem: Why snapshots can't be saved at the moment; empty if they can.
        crop: The part of the picture that the data set uses; None is all of it.
    """

    version: int
    dataset: Path
    labels: tuple[LabelState, ...]
    recording: str | None
    skipped: Mapping[str, int]
    last_skip: Skip | None
    warnings: tuple[str, ...]
    undoable: UndoneBurst | None
    problem: str
    crop: Crop | None


@dataclass(frozen=True, eq=False)
class LearningState:
    """The state of learning at one moment.

    Attributes:
        backbone: The network that computes the embeddings, by its torchvision name.
        input_size: The side of its square input, in pixels.
        runtime: What runs it, with its version, for a person.
        learnt_labels: The labels that the head knows; none until two labels have a picture.
        learnt: How many pictures the head was fitted on.
        pending: How many pictures, or their views, are still to be learnt; 0 when all are.
        accuracy: The last accuracy that was measured; None before the first.
        accuracy_advice: What is missing to measure an accuracy; empty if nothing is.
        problem: Why it can't learn at the moment; empty if it can.
    """

    backbone: str
    input_size: int
    runtime: str
    learnt_labels: tuple[str, ...]
    learnt: int
    pending: int
    accuracy: LearntAccuracy | None
    accuracy_advice: str
    problem: str

    @property
    def is_ready(self) -> bool:
        """Whether it can classify: at least two labels have a picture."""
        return bool(self.learnt_labels)


@dataclass(frozen=True)
class Refusal:
    """A file that was not added.

    Attributes:
        name: The name it was sent with.
        reason: Why, in a few words.
    """

    name: str
    reason: str
