"""Compare two models on real pictures: agreement, accuracy and speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.metrics import (
    Evaluation,
    describe_accuracy_briefly,
    evaluate_answers,
)
from webcam_classifier.export.candidate_trials import (
    Trial,
    TrialFile,
    Trials,
    try_files,
    usable_runtimes,
)
from webcam_classifier.export.check_pictures import UNKNOWN, CheckPictures
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.percentage import percentage
from webcam_classifier.prediction import Prediction
from webcam_classifier.progress import Stage, track
from webcam_classifier.sequences import evenly_spaced

FEWEST_EQUAL = 0.99
"""The smallest share of equal answers for which a converted model may replace the original."""

FEWEST_PICTURES = 10
"""The fewest pictures to compare on."""

_ROUNDS = 7  # in which both models alternate, so that both suffer the same disturbances
_MOST_TRIED = 100  # pictures that each runtime is asked about
_FASTER = 0.9  # of the original's time; less of a difference is noise

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Comparison:
    """How the answers of an original and a converted model compare on the same pictures.

    Pairs are of the original and the converted model, in this order.

    Attributes:
        count: How many pictures.
        equal: Share of pictures with the same answer, 0 to 1.
        largest_difference: Of any probability of any picture, 0 to 1.
        evaluations: On the test pictures, of which there may be none.
        trials: Their trials on each runtime.
        fastest: Their trials on the runtime that `live.py` would choose.
        problems: Which runtimes can't be used and why.
        sizes: Of the files, in bytes.
        changed_sides: How many pictures are unknown to only one of them; None if the original has
            no threshold of unknown.
        inconclusive: Why these pictures show nothing, as a sentence; empty if they do.
    """

    count: int
    equal: float
    largest_difference: float
    evaluations: tuple[Evaluation, Evaluation]
    trials: tuple[tuple[Trial, ...], tuple[Trial, ...]]
    fastest: tuple[Trial, Trial]
    problems: tuple[str, ...]
    sizes: tuple[int, int]
    changed_sides: int | None
    inconclusive: str

    @property
    def agrees(self) -> bool:
        """Whether the converted model may replace the original."""
        return self.equal >= FEWEST_EQUAL and not self.inconclusive

    @property
    def time_ratio(self) -> float:
        """Time of the converted model as a share of the original's, each on its fastest runtime."""
        return self.fastest[1].milliseconds / self.fastest[0].milliseconds

    @property
    def size_ratio(self) -> float:
        """Size of the converted file as a share of the original's."""
        return self.sizes[1] / self.sizes[0]

    @property
    def equal_count(self) -> int:
        """How many pictures get the same answer."""
        return round(self.equal * self.count)

    def describe_disagreement(self) -> str:
        """Say in a sentence how much they differ, or why that is unknown."""
        if self.inconclusive:
            return self.inconclusive
        return (
            f"The converted model gives another answer on {self.count - self.equal_count} of "
            f"{self.count} pictures, and at least {percentage(FEWEST_EQUAL, 0)} must be equal."
        )


def why_inconclusive(answers: Probabilities, labels: tuple[str, ...]) -> str:
    """Say in a sentence why a comparison on pictures shows nothing.

    Args:
        answers: The original's probabilities for these pictures, (pictures, labels) float32.
        labels: The names of the labels.

    Returns:
        The sentence; empty if the comparison is conclusive.
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

    Args:
        classifier: The model.
        compared: Each (size, size, 3) uint8.

    Returns:
        Probabilities, (pictures, labels) float32.
    """
    return np.array([found.probabilities for found in _predict(classifier, compared)])


def _predict(classifier: Classifier, compared: tuple[NDArray[np.uint8], ...]) -> list[Prediction]:
    return [classifier.classify_prepared(picture) for picture in track(Stage.COMPARE, compared)]


def _changed_sides(
    original: Classifier,
    converted: list[Prediction],
    compared: tuple[NDArray[np.uint8], ...],
) -> int | None:
    """Count the pictures that are unknown to only one of two models."""
    if original.card.unknown_threshold is None:
        return None
    before = _predict(original, compared)
    return sum(
        one.is_unknown != other.is_unknown for one, other in zip(before, converted, strict=True)
    )


def equal_share(first: Probabilities, second: Probabilities) -> float:
    """Return the share of pictures that two models give the same label, 0 to 1.

    Args:
        first: The original's probabilities, (pictures, labels) float32.
        second: The converted model's; an answer that is not a number equals none.
    """
    same = first.argmax(axis=1) == second.argmax(axis=1)
    return float(np.mean(same & np.isfinite(second).all(axis=1)))


def compare(
    original: Classifier,
    converted: Classifier,
    pictures: CheckPictures,
    original_answers: Probabilities,
    providers: Sequence[str],
) -> Comparison:
    """Compare two models.

    Args:
        original: The model as it was trained.
        converted: The same model in another form.
        pictures: The pictures to compare on.
        original_answers: The original's probabilities for them, (pictures, labels) float32.
        providers: On what to time both, keys of `PROVIDERS`.
    """
    predictions = _predict(converted, pictures.compared)
    converted_answers = np.array([found.probabilities for found in predictions])
    labels, tested = original.card.labels, pictures.truths != UNKNOWN
    evaluations = [
        evaluate_answers(labels, pictures.truths[tested], answers[tested].argmax(axis=1))
        for answers in (original_answers, converted_answers)
    ]
    # A probability that is not a number counts as the largest possible difference.
    differences = np.nan_to_num(np.abs(original_answers - converted_answers), nan=1.0)
    tried = evenly_spaced(pictures.compared, _MOST_TRIED)
    files = [TrialFile(model.path, model.card.precision, tried) for model in (original, converted)]
    trials = _try_both(files, providers)
    return Comparison(
        count=len(original_answers),
        equal=equal_share(original_answers, converted_answers),
        largest_difference=float(differences.max()),
        evaluations=(evaluations[0], evaluations[1]),
        trials=(trials.of(files[0]), trials.of(files[1])),
        fastest=(trials.fastest(files[0]), trials.fastest(files[1])),
        problems=trials.problems,
        sizes=(original.path.stat().st_size, converted.path.stat().st_size),
        changed_sides=_changed_sides(original, predictions, pictures.compared),
        inconclusive=why_inconclusive(original_answers, labels),
    )


def describe_comparison(comparison: Comparison, pictures: CheckPictures, precision: str) -> str:
    """Format both models' figures as a small table.

    Args:
        comparison: What was found.
        pictures: The pictures they were compared on.
        precision: The converted model's.
    """
    before, after = comparison.evaluations
    rows = [("", "fp32", precision if precision != "fp32" else "fp32, tidied", "ratio")]
    if before.count:
        # Briefly: what live shows depends on a threshold, which both models share.
        told = describe_accuracy_briefly(before), describe_accuracy_briefly(after)
        rows.append(("accuracy", *told, ""))
    large, small = (f"{size / 1e6:.2f} MB" for size in comparison.sizes)
    rows.append(("size", large, small, percentage(comparison.size_ratio, 0)))
    rows += _time_rows(comparison)
    sides = comparison.changed_sides
    unknown = [] if sides is None else [f"shown as unknown by only one of the two: {sides}"]
    return "\n".join(
        [
            f"compared on {comparison.count} pictures: {pictures.origin}",
            f"equal answers {comparison.equal_count} of {comparison.count}, "
            f"largest difference of a probability {comparison.largest_difference:.2g}",
            *unknown,
            *align(rows),
            *(f"note: {problem}" for problem in comparison.problems),
        ]
    )


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows with the same number of cells as lines with aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def verdict(comparison: Comparison, when_not_faster: str) -> str:
    """Say whether the converted model is worth having on this device.

    Args:
        comparison: What was found.
        when_not_faster: What to do if it is not faster.
    """
    if not comparison.agrees:
        return f"{comparison.describe_disagreement()} Keep fp32"
    if comparison.time_ratio > _FASTER:
        return (
            f"not faster on this device ({percentage(comparison.time_ratio, 0)} of the original's "
            f"time): {when_not_faster}"
        )
    accuracy = ""
    before, after = comparison.evaluations
    if before.count:
        accuracy = (
            f", accuracy {percentage(after.accuracy)} instead of {percentage(before.accuracy)}"
        )
    return (
        f"use it here: {1 / comparison.time_ratio:.2f} times as fast as the original, "
        f"{percentage(comparison.size_ratio, 0)} of its size, {comparison.equal_count} of "
        f"{comparison.count} answers the same{accuracy}"
    )


def _time_rows(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Return a row for each runtime, and one for the runtimes that `live.py` would choose."""
    times = [
        {trial.runtime.describe(): trial.milliseconds for trial in trials}
        for trials in comparison.trials
    ]
    rows = [
        _time_row(name, times[0].get(name), times[1].get(name))
        for name in dict.fromkeys((*times[0], *times[1]))
    ]
    if len(rows) > 1:
        slow, fast = (trial.milliseconds for trial in comparison.fastest)
        rows.append(_time_row("as live runs it", slow, fast))
    return rows


def _time_row(name: str, before: float | None, after: float | None) -> tuple[str, str, str, str]:
    cells = ["-" if time is None else f"{time:.2f} ms" for time in (before, after)]
    ratio = percentage(after / before, 0) if before and after else ""
    return name, cells[0], cells[1], ratio


def _try_both(files: Sequence[TrialFile], providers: Sequence[str]) -> Trials:
    """Try both files on these providers, and on the CPU for the comparison of answers."""
    pairs = [(file, runtime) for file in files for runtime in usable_runtimes(file, providers)]
    return try_files(pairs, _ROUNDS).on(providers)
