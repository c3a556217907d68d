"""A model in another tool's format: its files, its runtime's answers, and their comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import FEWEST_EQUAL, Probabilities, equal_share
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME
from webcam_classifier.prediction import Prediction

LABELS_NAME = "labels.txt"
CARD_NAME = "card.json"

LARGEST_DIFFERENCE = 0.01
"""Of a probability; formats that keep all numbers stay a hundred times below it."""

_LONGEST_LABEL = 500  # bytes; jetson-inference's imageNet reads lines of up to 511


@dataclass(frozen=True)
class ForeignModel:
    """A model in another format.

    Attributes:
        contents: The content of its files by name.
        answers: Its probabilities for the pictures, (pictures, labels) float32.
        scores: Its scores of unknown, (pictures,) float32; None if it has no such output.
        ran_on: The runtime that computed them, in words.
        usage: How it is used, in lines of text.
    """

    contents: Mapping[str, bytes]
    answers: Probabilities
    scores: NDArray[np.float32] | None
    ran_on: str
    usage: Sequence[str]


@dataclass(frozen=True)
class ForeignComparison:
    """How the answers of another runtime differ from ours.

    Attributes:
        count: How many pictures.
        equal: Share of pictures with the same answer, 0 to 1.
        largest_difference: Of any probability, 0 to 1.
        changed_sides: How many pictures are unknown to only one of them; None if the format or the
            model has no score of unknown.
    """

    count: int
    equal: float
    largest_difference: float
    changed_sides: int | None

    @property
    def agrees(self) -> bool:
        """Whether the file may be used instead of the model."""
        return (
            self.equal >= FEWEST_EQUAL
            and self.largest_difference <= LARGEST_DIFFERENCE
            and (self.changed_sides or 0) <= (1 - FEWEST_EQUAL) * self.count
        )

    def describe(self) -> str:
        """Describe it in a line."""
        sides = self.changed_sides
        unknown = "" if sides is None else f", unknown to one of them alone: {sides}"
        return (
            f"equal answers {round(self.equal * self.count)} of {self.count}, largest difference "
            f"of a probability {self.largest_difference:.2g}{unknown}"
        )


def compare_answers(ours: Sequence[Prediction], theirs: ForeignModel) -> ForeignComparison:
    """Compare another runtime's answers with ours for the same pictures.

    Args:
        ours: One for each picture; at least one.
        theirs: The other runtime's; a value that is not a number counts as the largest difference.
    """
    before = np.array([one.probabilities for one in ours], dtype=np.float32)
    difference = np.nan_to_num(np.abs(before - theirs.answers), nan=1.0)
    changed = None
    threshold = ours[0].unknown_threshold
    if theirs.scores is not None and threshold is not None:
        # A score that is not a number compares as false, and so counts as unknown.
        known = theirs.scores <= threshold
        changed = sum(bool(one.is_unknown == side) for one, side in zip(ours, known, strict=True))
    return ForeignComparison(
        len(ours), equal_share(before, theirs.answers), float(difference.max()), changed
    )


def what_it_takes(original: Classifier) -> str:
    """Describe the inputs and outputs of the network for somebody who writes a program with it.

    Args:
        original: The model.
    """
    card = original.card
    size = card.input_size
    part = (
        "the whole picture" if card.crop is None else "the part that it was trained on, cut out and"
    )
    unknown = ""
    if card.unknown_threshold is not None:
        unknown = f", and {UNKNOWN_NAME!r}, above {card.unknown_threshold:g} like none of them"
    return (
        f"takes {INPUT_NAME!r}, (1, {size}, {size}, 3) uint8, blue green red: {part} resized to "
        f"{size} x {size}; gives {OUTPUT_NAME!r}, in the order of {LABELS_NAME}{unknown}"
    )


def label_list(original: Classifier) -> bytes:
    """Return the content of labels.txt: a label per line, in the order of the probabilities.

    Raises:
        UserError: A label is too long or has a line break.
    """
    labels = original.card.labels
    for label in labels:
        if len(label.encode()) > _LONGEST_LABEL or label.splitlines() != [label]:
            raise UserError(
                f"The label {label[:40]!r} can't be a line of {LABELS_NAME}. Rename it, and train "
                "again."
            )
    return "".join(f"{label}\n" for label in labels).encode()


def card_for_others(original: Classifier) -> bytes:
    """Return the content of card.json: labels, threshold of unknown and others, for programs."""
    card = original.card
    return json.dumps(
        {
            "labels": card.labels,
            "input_size": card.input_size,
            "unknown_threshold": card.unknown_threshold,
            "accuracy": card.accuracy,
            "accuracy_count": card.accuracy_count,
            "backbone": card.backbone,
            "created_at": card.created_at,
        },
        indent=1,
        ensure_ascii=False,
    ).encode()
