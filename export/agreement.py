"""Compare two models on real pictures: do they agree, how right are they, and which is faster."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.check_pictures import UNKNOWN, CheckPictures
from webcam_classifier.console import progress
from webcam_classifier.measure.metrics import Evaluation, describe_accuracy, evaluate_answers
from webcam_classifier.model.classifier import Classifier, Prediction

FEWEST_EQUAL = 0.99
"""Below this share of equal answers a converted model is not the same model."""

FEWEST_PICTURES = 10
"""Fewer say nothing."""

_ROUNDS = 12  # of both models in turn, so that both meet the same disturbances
_RUNS_IN_A_ROUND = 6
_FASTER = 0.9  # of the original's time; less of a difference is noise

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out when two models were asked about the same pictures.

    Attributes:
        count: Pictures.
        equal: Share of pictures with the same answer, 0 to 1.
        largest_difference: Of any probability of any picture.
        evaluations: Of the original and the converted, on test pictures; without any, of none.
        milliseconds: For one prepared picture, median, of the original and the converted.
        sizes: Of both files, in bytes.
        changed_sides: How many pictures are unknown to one of them alone; None where the original
            knows no unknown.
        doubt: Why these pictures show nothing, as a sentence; empty where they do.
    """

    count: int
    equal: float
    largest_difference: float
    evaluations: tuple[Evaluation, Evaluation]
    milliseconds: tuple[float, float]
    sizes: tuple[int, int]
    changed_sides: int | None
    doubt: str

    @property
    def agrees(self) -> bool:
        """Whether the converted model may stand for the original."""
        return self.equal >= FEWEST_EQUAL and not self.doubt

    @property
    def time_ratio(self) -> float:
        """Time of the converted model as a share of the original's."""
        return self.milliseconds[1] / self.milliseconds[0]

    def describe_disagreement(self) -> str:
        """Say in a sentence by how much they differ, or why that is unknown."""
        if self.doubt:
            return self.doubt
        differing = round((1.0 - self.equal) * self.count)
        return (
            f"The converted model gives another answer on {differing} of {self.count} pictures, "
            f"and at least {FEWEST_EQUAL:.0%} must be equal."
        )


def doubt_about(answers: Probabilities, labels: tuple[str, ...]) -> str:
    """Say in a sentence why a comparison on pictures shows nothing.

    Args:
        answers: The original's to these pictures, (pictures, labels).
        labels: Their names.

    Returns:
        Empty where they serve.
    """
    given = np.unique(answers.argmax(axis=1))
    if len(answers) < FEWEST_PICTURES:
        return f"{len(answers)} pictures are too few to compare on; {FEWEST_PICTURES} is least."
    if len(given) < 2:
        label = labels[int(given[0])]
        return f"All {len(answers)} pictures get the answer {label!r}, which checks nothing."
    return ""


def ask(classifier: Classifier, compared: tuple[NDArray[np.uint8], ...]) -> Probabilities:
    """Run a model on prepared pictures.

    Returns:
        (pictures, labels) float32.
    """
    return np.array([found.probabilities for found in _predict(classifier, compared)])


def _predict(classifier: Classifier, compared: tuple[NDArray[np.uint8], ...]) -> list[Prediction]:
    return [classifier.classify_prepared(picture) for picture in progress(compared, "comparing")]


def _changed_sides(
    original: Classifier,
    converted: list[Prediction],
    compared: tuple[NDArray[np.uint8], ...],
) -> int | None:
    """Count the pictures that are unknown to one model alone."""
    if original.card.unknown_threshold is None:
        return None
    before = _predict(original, compared)
    return sum(
        one.is_unknown != other.is_unknown for one, other in zip(before, converted, strict=True)
    )


def equal_share(first: Probabilities, second: Probabilities) -> float:
    """Tell the share of pictures to which both give the same label, 0 to 1.

    Args:
        first: The original's, (pictures, labels).
        second: The converted model's; an answer that overflowed to no number equals none.
    """
    same = first.argmax(axis=1) == second.argmax(axis=1)
    return float(np.mean(same & np.isfinite(second).all(axis=1)))


def compare(
    original: Classifier,
    converted: Classifier,
    pictures: CheckPictures,
    original_answers: Probabilities,
) -> Comparison:
    """Compare two models.

    Args:
        original: The model as it was taught.
        converted: The same in another form.
        pictures: What they are asked about.
        original_answers: What `original` says to them.
    """
    predictions = _predict(converted, pictures.compared)
    converted_answers = np.array([found.probabilities for found in predictions])
    labels, tested = original.card.labels, pictures.truths != UNKNOWN
    evaluations = [
        evaluate_answers(labels, pictures.truths[tested], answers[tested].argmax(axis=1))
        for answers in (original_answers, converted_answers)
    ]
    # A probability that is no number differs as much as one can.
    differences = np.nan_to_num(np.abs(original_answers - converted_answers), nan=1.0)
    return Comparison(
        count=len(original_answers),
        equal=equal_share(original_answers, converted_answers),
        largest_difference=float(differences.max()),
        evaluations=(evaluations[0], evaluations[1]),
        milliseconds=_time_both(original, converted, pictures.compared),
        sizes=(original.path.stat().st_size, converted.path.stat().st_size),
        changed_sides=_changed_sides(original, predictions, pictures.compared),
        doubt=doubt_about(original_answers, labels),
    )


def describe_comparison(comparison: Comparison, pictures: CheckPictures, precision: str) -> str:
    """Lay out both models' figures as a small table.

    Args:
        comparison: What was found.
        pictures: What it rests on.
        precision: The converted model's.
    """
    before, after = comparison.evaluations
    (slow, fast), (large, small) = comparison.milliseconds, comparison.sizes
    rows = [("", "fp32", precision if precision != "fp32" else "fp32, tidied", "")]
    if before.count:
        rows.append(("accuracy", describe_accuracy(before), describe_accuracy(after), ""))
    ratio = f"{small / large:.2f} of it"
    rows.append(("size", f"{large / 1e6:.2f} MB", f"{small / 1e6:.2f} MB", ratio))
    ratio = f"{comparison.time_ratio:.2f} of it"
    rows.append(("one picture", f"{slow:.2f} ms", f"{fast:.2f} ms", ratio))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)
        ).rstrip()
        for row in rows
    ]
    sides = comparison.changed_sides
    unknown = [] if sides is None else [f"unknown to one of them alone: {sides}"]
    return "\n".join(
        [
            f"compared on {comparison.count} pictures: {pictures.origin}",
            f"equal answers {round(comparison.equal * comparison.count)} of {comparison.count}, "
            f"largest difference of a probability {comparison.largest_difference:.2g}",
            *unknown,
            *lines,
        ]
    )


def verdict(comparison: Comparison, when_not_faster: str) -> str:
    """Say whether the converted model is worth having on this device.

    Args:
        comparison: What was found.
        when_not_faster: What to do where it is not.
    """
    if not comparison.agrees:
        return f"{comparison.describe_disagreement()} Keep fp32"
    ratio = comparison.time_ratio
    if ratio <= _FASTER:
        return f"use it here: {1 / ratio:.2f} times as fast as the original"
    return f"not faster on this device: {when_not_faster}"


def _time_both(
    first: Classifier, second: Classifier, compared: tuple[NDArray[np.uint8], ...]
) -> tuple[float, float]:
    """Give the median milliseconds of a run of each, in alternating rounds."""
    both = (first, second)
    seconds: tuple[list[float], list[float]] = ([], [])
    for classifier in both:
        classifier.warm_up()
    for turn in progress(range(_ROUNDS), "timing"):
        for place in (0, 1) if turn % 2 else (1, 0):
            for run in range(_RUNS_IN_A_ROUND):
                picture = compared[(turn * _RUNS_IN_A_ROUND + run) % len(compared)]
                started = time.perf_counter()
                both[place].classify_prepared(picture)
                seconds[place].append(time.perf_counter() - started)
    return 1000.0 * float(np.median(seconds[0])), 1000.0 * float(np.median(seconds[1]))
