"""The accuracy of a model, its interval, and the figures of each label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.intervals import burst_interval, wilson_interval
from webcam_classifier.percentage import percentage, rounded_percentage

FEW_PICTURES = 50
"""Below this many, a figure's interval is wider than the differences people argue about."""

_WIDEST = 12  # characters of a label above a column of the confusion matrix
_MOST_NAMED = 3  # labels in a sentence


@dataclass(frozen=True)
class LabelFigures:
    """Recall and precision of one label.

    Attributes:
        count: Pictures of this label.
        recall: Share of them that were given this label; nan without any.
        precision: Share of the answers with this label that were right; nan without any.
    """

    count: int
    recall: float
    precision: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The predictions for labelled pictures, counted.

    Attributes:
        labels: The names.
        confusion: (labels, labels) int64: row the truth, column the answer.
        shown: (labels, labels) int64: those of `confusion` that live shows as a label, and not as
            unknown, at the threshold that live uses.
        burst_counts: (bursts, 2) int64 right answers and pictures of each burst; None if it is not
            known which pictures were taken together.
        cut_labels: Labels with a single burst, of which other pictures were used for training.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    shown: NDArray[np.int64]
    burst_counts: NDArray[np.int64] | None
    cut_labels: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of pictures."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of correct answers, 0 to 1; nan without pictures."""
        return _ratio(int(np.trace(self.confusion)), self.count)

    @property
    def shown_right(self) -> float:
        """Share of all pictures that live shows as their label; nan without pictures."""
        return _ratio(int(np.trace(self.shown)), self.count)

    @property
    def shown_wrong(self) -> float:
        """Share of all pictures that live shows as another label; nan without pictures."""
        return _ratio(int(self.shown.sum() - np.trace(self.shown)), self.count)

    @property
    def shown_unknown(self) -> float:
        """Share of all pictures that live shows as unknown; nan without pictures."""
        return _ratio(int(self.count - self.shown.sum()), self.count)

    @property
    def burst_count(self) -> int | None:
        """How many bursts the pictures are of; None where that is not known."""
        return None if self.burst_counts is None else len(self.burst_counts)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Where the true accuracy lies with 95 % confidence; see `intervals`.

        None without pictures, with too few bursts, and if part of a label's burst was used for
        training, which says nothing about a new burst. If bursts are not known, it is valid only
        for pictures that were taken independently.
        """
        if self.count == 0 or self.cut_labels:
            return None
        if self.burst_counts is not None:
            return burst_interval(self.burst_counts)
        return wilson_interval(int(np.trace(self.confusion)), self.count)

    @property
    def unasked_labels(self) -> tuple[str, ...]:
        """The labels without a test picture, about which nothing is known."""
        counts = self.confusion.sum(axis=1).tolist()
        return tuple(label for label, count in zip(self.labels, counts, strict=True) if count == 0)

    def per_label(self) -> dict[str, LabelFigures]:
        """The figures of each label."""
        right = np.diagonal(self.confusion)
        truths, answers = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return {
            label: LabelFigures(
                int(truths[index]),
                _ratio(int(right[index]), int(truths[index])),
                _ratio(int(right[index]), int(answers[index])),
            )
            for index, label in enumerate(self.labels)
        }

    def to_dict(self) -> dict[str, object]:
        """The figures for JSON; unknown values are null."""
        return {
            "accuracy": _or_null(self.accuracy),
            "interval": list(self.interval or (None, None)),
            "shown_right": _or_null(self.shown_right),
            "shown_wrong": _or_null(self.shown_wrong),
            "shown_unknown": _or_null(self.shown_unknown),
            "count": self.count,
            "bursts": self.burst_count,
            "labels": list(self.labels),
            "per_label": {
                label: {
                    "count": figures.count,
                    "recall": _or_null(figures.recall),
                    "precision": _or_null(figures.precision),
                }
                for label, figures in self.per_label().items()
            },
            "confusion": self.confusion.tolist(),
        }


def evaluate_answers(
    labels: Sequence[str],
    truths: NDArray[np.int64],
    answers: NDArray[np.int64],
    *,
    is_unknown: NDArray[np.bool_] | None = None,
    bursts: NDArray[np.int64] | None = None,
    cut_labels: Sequence[str] = (),
) -> Evaluation:
    """Compare answers with the true labels.

    Args:
        labels: The names.
        truths: (pictures,) index of the right label.
        answers: (pictures,) index of the likeliest label.
        is_unknown: (pictures,) whether live shows the picture as unknown; None where the model
            has no threshold, so that live shows every answer.
        bursts: (pictures,) the number of each picture's burst; None where that is not known.
        cut_labels: Labels with a single burst, of which other pictures were used for training.
    """
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (truths, answers), 1)
    shown = confusion
    if is_unknown is not None:
        shown = np.zeros_like(confusion)
        np.add.at(shown, (truths[~is_unknown], answers[~is_unknown]), 1)
    burst_counts = None
    if bursts is not None:
        numbers, places = np.unique(bursts, return_inverse=True)
        of_right = np.bincount(places[truths == answers], minlength=len(numbers))
        burst_counts = np.stack([of_right, np.bincount(places, minlength=len(numbers))], axis=1)
    return Evaluation(tuple(labels), confusion, shown, burst_counts, tuple(cut_labels))


def describe_accuracy(evaluation: Evaluation) -> str:
    """Describe the accuracy, what it is based on, and what live shows of it.

    Such as `96.7 % (91 to 99 %) on 90 pictures of 12 bursts; live shows 91 % correct, 2 % wrong,
    7 % as unknown; cup was not measured`.
    """
    if evaluation.count == 0:
        return describe_accuracy_briefly(evaluation)
    parts = [_accuracy_and_ground(evaluation), describe_shown(evaluation), _unmeasured(evaluation)]
    return "; ".join(part for part in parts if part)


def describe_accuracy_briefly(evaluation: Evaluation) -> str:
    """The same without what live shows, for where there is little room or no threshold."""
    if evaluation.count == 0:
        return "not measured: no test pictures"
    parts = [_accuracy_and_ground(evaluation), _unmeasured(evaluation)]
    return "; ".join(part for part in parts if part)


def describe_shown(evaluation: Evaluation) -> str:
    """What live shows: `live shows 91 % correct, 2 % wrong, 7 % as unknown`."""
    right = percentage(evaluation.shown_right, 0)
    wrong = percentage(evaluation.shown_wrong, 0)
    unknown = percentage(evaluation.shown_unknown, 0)
    return f"live shows {right} correct, {wrong} wrong, {unknown} as unknown"


def describe_ground(evaluation: Evaluation) -> str:
    """Describe the test set: `90 pictures of 12 bursts`; bursts of one picture are not counted."""
    pictures, bursts = evaluation.count, evaluation.burst_count
    told = _many(pictures, "picture")
    return told if bursts is None or bursts == pictures else f"{told} of {_many(bursts, 'burst')}"


def describe_interval(low: float, high: float) -> str:
    """Describe an interval between two ratios: `96 to 98 %`."""
    return f"{100 * low:.0f} to {rounded_percentage(high, 0)}"


def _accuracy_and_ground(evaluation: Evaluation) -> str:
    accuracy, ground = percentage(evaluation.accuracy), describe_ground(evaluation)
    if evaluation.cut_labels:
        return f"{accuracy} on {ground}, no interval without a second burst of each label"
    if evaluation.interval is None:
        what = "bursts" if evaluation.burst_count != evaluation.count else "pictures"
        return f"{accuracy} on {ground}, too few {what} for an interval"
    low, high = evaluation.interval
    return f"{accuracy} ({describe_interval(low, high)}) on {ground}"


def _unmeasured(evaluation: Evaluation) -> str:
    """Say which labels the accuracy leaves out; empty if there are none."""
    names = evaluation.unasked_labels
    if not names:
        return ""
    if len(names) > _MOST_NAMED:
        return f"{len(names)} of {len(evaluation.labels)} labels were not measured"
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{listed} {'was' if len(names) == 1 else 'were'} not measured"


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def format_table(evaluation: Evaluation) -> str:
    """Format the figures of each label and the confusion matrix as one text table.

    The confusion matrix is left out if it would be wider than a terminal.
    """
    wide = max(len("label"), *(len(label) for label in evaluation.labels))
    show_confusion = len(evaluation.labels) <= 10
    short = [
        label if len(label) <= _WIDEST else label[: _WIDEST - 2] + ".."
        for label in evaluation.labels
    ]
    column = max(5, *(len(name) for name in short))
    header = f"{'label':<{wide}}  count   recall  precision"
    if show_confusion:
        header += "   predicted: " + " ".join(f"{name:>{column}}" for name in short)
    lines = [header]
    for row, (label, figures) in zip(
        evaluation.confusion, evaluation.per_label().items(), strict=True
    ):
        line = f"{label:<{wide}}  {figures.count:>5}  {_share(figures.recall):>7}"
        line += f"  {_share(figures.precision):>9}"
        if show_confusion:
            line += "             " + " ".join(
                f"{count or '.':>{column}}" for count in row.tolist()
            )
        lines.append(line)
    return "\n".join(lines)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _share(value: float) -> str:
    return "-" if math.isnan(value) else percentage(value)
