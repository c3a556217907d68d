"""How right a model is, and how sure that figure is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEW_PICTURES = 50
"""Below this many, a figure's interval is wider than the differences people argue about."""

_WIDEST = 12  # characters of a label above a column of the confusion matrix
_Z_95 = 1.959964  # standard deviations that hold 95 % of a normal distribution


@dataclass(frozen=True)
class LabelFigures:
    """How well one label is told.

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
    """What came out when a model was asked about labelled pictures.

    Attributes:
        labels: The names.
        confusion: (labels, labels) int64: row the truth, column the answer.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    shown: NDArray[np.int64]
    burst_counts: NDArray[np.int64] | None = None

    @property
    def shown_right(self) -> float:
        return _ratio(int(np.trace(self.shown)), self.count)

    @property
    def shown_wrong(self) -> float:
        return _ratio(int(self.shown.sum() - np.trace(self.shown)), self.count)

    @property
    def shown_unknown(self) -> float:
        return _ratio(int(self.count - self.shown.sum()), self.count)

    @property
    def count(self) -> int:
        """How many pictures were asked about."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1; nan without pictures."""
        return _ratio(int(np.trace(self.confusion)), self.count)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true accuracy lies with 95 % confidence, were the pictures independent."""
        return wilson_interval(int(np.trace(self.confusion)), self.count)

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
        """The figures as JSON can hold them; what can't be said is null."""
        low, high = self.interval
        return {
            "accuracy": _or_null(self.accuracy),
            "interval": [_or_null(low), _or_null(high)],
            "count": self.count,
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
) -> Evaluation:
    """Count answers against truths.

    Args:
        labels: The names.
        truths: (pictures,) index of the right label.
        answers: (pictures,) index of the label that was given.
    """
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (truths, answers), 1)
    shown = np.zeros_like(confusion)
    is_shown = np.ones(len(truths), bool) if is_unknown is None else ~is_unknown
    np.add.at(shown, (truths[is_shown], answers[is_shown]), 1)
    return Evaluation(tuple(labels), confusion, shown)


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """Give the 95 % confidence interval of a share (E. B. Wilson, 1927).

    Args:
        right: How many were right.
        count: Out of how many; without any, the interval is 0 to 1.
    """
    if count == 0:
        return 0.0, 1.0
    share, z_squared = right / count, _Z_95**2
    middle = (share + z_squared / (2 * count)) / (1 + z_squared / count)
    spread = share * (1 - share) / count + z_squared / (4 * count**2)
    reach = _Z_95 * math.sqrt(spread) / (1 + z_squared / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def describe_accuracy(evaluation: Evaluation) -> str:
    """Say the accuracy with what it rests on: `0.967 (0.91 to 0.99) on 90 pictures`."""
    if evaluation.count == 0:
        return "no pictures to measure with"
    low, high = evaluation.interval
    return f"{evaluation.accuracy:.3f} ({low:.2f} to {high:.2f}) on {evaluation.count} pictures"


def format_table(evaluation: Evaluation) -> str:
    """Draw the figures of each label and the confusion matrix as one table of text.

    The confusion is left out where it would be wider than a terminal.
    """
    wide = max(len("label"), *(len(label) for label in evaluation.labels))
    show_confusion = len(evaluation.labels) <= 10
    short = [
        label if len(label) <= _WIDEST else label[: _WIDEST - 2] + ".."
        for label in evaluation.labels
    ]
    column = max(5, *(len(name) for name in short))
    header = f"{'label':<{wide}}  count  recall  precision"
    if show_confusion:
        header += "   given as: " + " ".join(f"{name:>{column}}" for name in short)
    lines = [header]
    for row, (label, figures) in zip(
        evaluation.confusion, evaluation.per_label().items(), strict=True
    ):
        line = f"{label:<{wide}}  {figures.count:>5}  {_share(figures.recall):>6}"
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
    return "-" if math.isnan(value) else f"{value:.3f}"
