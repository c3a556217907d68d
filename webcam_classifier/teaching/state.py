"""What a person is told while recording and teaching: values that never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.crop import Crop
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.evaluation.metrics import Evaluation

NEWEST = 12
"""How many of a label's newest pictures are named."""


@dataclass(frozen=True)
class LabelState:
    """A label, as it is on the disk.

    Attributes:
        name: Of its folder.
        count: Its pictures, those on their way to the disk included.
        newest: Names of its newest pictures, newest first, `NEWEST` at the most. A name is the
            path below the label's folder, with forward slashes.
        is_behind: Whether it has far fewer pictures than another.
        recordings: How many times it was recorded; None where that is not known, as for pictures
            from elsewhere.
    """

    name: str
    count: int
    newest: tuple[str, ...]
    is_behind: bool
    recordings: int | None = None


@dataclass(frozen=True, eq=False)
class LearntAccuracy:
    """How right the head is on pictures of which it saw neither them nor their burst.

    It is cross-validated: each burst is left out in turn, and asked about. It is the figure that
    `train.py --mode head` writes for the same pictures.

    Attributes:
        evaluation: The figures.
        rests_on: What kept asked pictures apart from what was learnt, in words.
        is_current: Whether it is about the pictures that there are now; else it is a moment old.
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
    """All that is known at a moment of what is recorded.

    Attributes:
        version: Grows with every change.
        dataset: The folder of the pictures.
        labels: In the order in which they are shown: as they were given, then as they were added.
        recording: The label that is being recorded.
        skipped: How many frames were not recorded in this run, by reason, most first.
        last_skip: The last of them; None once a frame was recorded after it.
        warnings: What a person should mend, a sentence each.
        undoable: The burst that `undo` would take back.
        problem: What went wrong while saving, and is not mended yet; empty else.
        crop: The part of the picture that the data set is about; None is all of it.
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
    """All that is known at a moment of what is learnt.

    Attributes:
        backbone: The network that gives the features, by its torchvision name.
        input_size: The side of the square that it sees, in pixels.
        runtime: What runs it, with its version, for a person.
        learnt_labels: The labels that the head tells apart; none before two have a picture.
        learnt: Pictures that the head has learnt from.
        pending: Pictures that it has not, or of which it knows no views yet; 0 when all is learnt.
        corrections: Snapshots of this run that were taken while another label was answered.
        accuracy: The last one that was measured; None before there is one.
        accuracy_advice: What is missing before there is one; empty where nothing is.
        problem: What keeps it from learning now, and is not mended yet; empty else.
    """

    backbone: str
    input_size: int
    runtime: str
    learnt_labels: tuple[str, ...]
    learnt: int
    pending: int
    corrections: int
    accuracy: LearntAccuracy | None
    accuracy_advice: str
    problem: str

    @property
    def is_ready(self) -> bool:
        """Whether there is something to predict: two labels with a picture each."""
        return bool(self.learnt_labels)


@dataclass(frozen=True)
class Refusal:
    """A file that was not added.

    Attributes:
        name: As it was given.
        reason: A few words.
    """

    name: str
    reason: str
