"""What a person is told while teaching: values that never change, for a window and for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.dataset.bursts import UndoneBurst

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
    """

    name: str
    count: int
    newest: tuple[str, ...]
    is_behind: bool


@dataclass(frozen=True)
class LearntAccuracy:
    """How right the head is on pictures of which it saw neither them nor their recording.

    It is cross-validated: each recording is left out in turn, and asked about.

    Attributes:
        value: Share of right answers, 0 to 1.
        low: Where the true share lies with 95 % confidence, were the pictures independent.
        high: Likewise.
        count: Pictures that were asked about.
        rests_on: What kept them apart from what was learnt, in words.
        labels: The labels that it is about.
        confusion: Counts; a row for each truth, in it a column for each answer.
        is_current: Whether it is about the pictures that there are now; else it is a moment old.
    """

    value: float
    low: float
    high: float
    count: int
    rests_on: str
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    is_current: bool = True

    def describe(self) -> str:
        """Say it in a line: `0.97 (0.91 to 0.99) cross-validated on 90 pictures`."""
        pictures = "picture" if self.count == 1 else "pictures"
        interval = f"({self.low:.2f} to {self.high:.2f})"
        return f"{self.value:.2f} {interval} cross-validated on {self.count} {pictures}"


@dataclass(frozen=True)
class Skip:
    """A frame that was not recorded.

    Attributes:
        reason: Why, in a few words, such as `too dark`.
        at: Seconds on the monotonic clock.
    """

    reason: str
    at: float


@dataclass(frozen=True)
class TeachingState:
    """All that is known at a moment.

    Attributes:
        version: Grows with every change.
        dataset: The folder of the pictures.
        backbone: The network that gives the features, by its torchvision name.
        input_size: The side of the square that it sees, in pixels.
        runtime: What runs it, with its version, for a person.
        labels: In the order in which they are shown: as they were given, then as they were added.
        recording: The label that is being recorded.
        skipped: How many frames were not recorded in this run, by reason, most first.
        last_skip: The last of them; None once a frame was recorded after it.
        warnings: What a person should mend, a sentence each.
        undoable: The burst that `undo` would take back.
        learnt_labels: The labels that the head tells apart; none before two have a picture.
        learnt: Pictures that the head has learnt from.
        pending: Pictures that it has not, or of which it knows no views yet; 0 when all is learnt.
        corrections: Snapshots of this run that were taken while another label was answered.
        accuracy: The last one that was measured; None before there is one.
        accuracy_advice: What is missing before there is one; empty where nothing is.
        problem: What went wrong while saving or learning, and is not mended yet; empty else.
    """

    version: int
    dataset: Path
    backbone: str
    input_size: int
    runtime: str
    labels: tuple[LabelState, ...]
    recording: str | None
    skipped: Mapping[str, int]
    last_skip: Skip | None
    warnings: tuple[str, ...]
    undoable: UndoneBurst | None
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
