"""Find pictures whose label is likely wrong.

Each picture is classified by heads that never saw its burst. Wrong labels in their training
pictures make them unsure of everything. So whatever they contradict is left out, and they are
fitted again: that finds nearly all pictures that were recorded after a label had changed, while the
first predictions find two of three (`benchmarks/late_release.py`).

If a label is contradicted too often for that, the problem is more than a few wrong pictures. Then a
picture is listed if another label is as likely for it as that label usually is for its own pictures
(confident learning: C. Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset
Labels", 2021). A head that is unsure of everything then lists nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from webcam_classifier.evaluation.calibration import fit_temperature
from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.percentage import rounded_percentage

_FOLDS = 5
_LIKELIER_THAN_NOT = 0.5  # a head that is at chance has no reason to contradict a label
_REFITS = 2  # without what was contradicted; more of them change hardly anything
_SURE = 0.9  # of another label, by heads that learnt from nothing that was contradicted
_FEW = 1 / 3  # of a label's pictures; more of them are no slips of a hand


@dataclass(frozen=True)
class LabelError:
    """A picture whose label may be wrong.

    Attributes:
        picture: Its index.
        label: The index of the label that it is filed under.
        suggested: The index of the label that it looks like.
        probability: Of the suggested label, 0 to 1.
        label_probability: Of its own label, 0 to 1.
    """

    picture: int
    label: int
    suggested: int
    probability: float
    label_probability: float


def find_label_errors(views: EmbeddedViews, label_count: int) -> tuple[LabelError, ...]:
    """Find pictures whose label may be wrong, the most likely ones first.

    Args:
        views: Of all pictures in their order; each one's views stand together, the picture itself
            first.
        label_count: How many labels there are.

    Returns:
        Empty if a label has a single burst, of which nothing can be left out.
    """
    groups = _groups(views, label_count)
    asked, logits = left_out_logits(views, label_count, groups)
    if asked.size == 0:
        return ()
    given = views.label_indices[views.is_original][asked]
    probabilities = softmax(logits / fit_temperature(logits, given), axis=1)
    doubtful = _usually_likelier(probabilities, given, label_count)
    robust, is_robust = _without_contradicted(views, label_count, groups, (asked, logits), given)
    # A label with many contradicted pictures keeps the answers of heads that learnt from all.
    probabilities[is_robust] = robust[is_robust]
    sure = np.where(robust > _SURE, robust, 0.0)
    likely = np.where(is_robust[:, np.newaxis], sure, doubtful)
    suggested = likely.argmax(axis=1)
    rows = np.arange(len(asked))
    suspected = np.flatnonzero((likely.max(axis=1) > 0.0) & (suggested != given))
    gap = probabilities[rows, suggested] - probabilities[rows, given]
    order = suspected[np.argsort(-gap[suspected], kind="stable")]
    return tuple(
        LabelError(
            picture=int(asked[row]),
            label=int(given[row]),
            suggested=int(suggested[row]),
            probability=float(probabilities[row, suggested[row]]),
            label_probability=float(probabilities[row, given[row]]),
        )
        for row in order.tolist()
    )


def _usually_likelier(
    probabilities: NDArray[np.float64], given: NDArray[np.int64], label_count: int
) -> NDArray[np.float64]:
    """The probabilities of labels that are as likely as on their own pictures; 0 for others."""
    usual = np.array(
        [
            probabilities[given == label, label].mean() if (given == label).any() else 1.0
            for label in range(label_count)
        ]
    )
    return np.where(probabilities >= np.maximum(usual, _LIKELIER_THAN_NOT), probabilities, 0.0)


def _without_contradicted(
    views: EmbeddedViews,
    label_count: int,
    groups: NDArray[np.int64],
    first: tuple[NDArray[np.int64], NDArray[np.float64]],
    given: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fit and classify again without the contradicted pictures.

    Returns:
        (asked, labels) probabilities, and (asked,) whether few enough of a picture's label were
        contradicted for them to mean something.
    """
    asked, logits = first
    few = np.ones(label_count, dtype=np.bool_)
    contradicted = np.zeros(len(asked), dtype=np.bool_)
    for _ in range(_REFITS):
        contradicted = logits.argmax(axis=1) != given
        for label in range(label_count):
            own = given == label
            few[label] &= contradicted[own].sum() <= _FEW * own.sum()
        contradicted &= few[given]
        if not contradicted.any():
            break
        learnt = np.ones(int(views.is_original.sum()), dtype=np.bool_)
        learnt[asked[contradicted]] = False
        asked, logits = left_out_logits(views, label_count, groups, learnt)
    kept = ~contradicted
    temperature = fit_temperature(logits[kept], given[kept])
    return softmax(logits / temperature, axis=1), few[given]


def describe_label_errors(
    errors: Sequence[LabelError], names: Sequence[str], labels: Sequence[str], most: int = 5
) -> list[str]:
    """List the most suspicious pictures in lines for the terminal.

    Args:
        errors: From `find_label_errors`.
        names: Of all pictures.
        labels: The labels' names.
        most: How many are listed at the most.
    """
    if not errors:
        return []
    lines = [f"check these {len(errors)} pictures, their label may be wrong:"]
    if len(errors) == 1:
        lines = ["check this picture, its label may be wrong:"]
    lines += [
        f"  {names[error.picture]} looks like {labels[error.suggested]} "
        f"({rounded_percentage(error.probability, 0)}) rather than {labels[error.label]} "
        f"({rounded_percentage(error.label_probability, 0)})"
        for error in errors[:most]
    ]
    if len(errors) > most:
        lines.append(f"  and {len(errors) - most} more, all in metrics.json")
    return lines


def _groups(views: EmbeddedViews, label_count: int) -> NDArray[np.int64]:
    """Number what is left out together, (views,): bursts, and pieces of the longest ones.

    Without a burst that is most of its label, the few pictures that remain, wrong ones among
    them, would be all that a head knows of it.
    """
    groups = views.bursts.copy()
    for label in range(label_count):
        members = np.flatnonzero(views.label_indices == label)
        longest = -(-len(members) // _FOLDS)
        for burst in np.unique(views.bursts[members]).tolist():
            own = members[views.bursts[members] == burst]
            pieces = -(-len(own) // longest)
            if pieces > 1:
                # By pictures, so that the views of one stay together.
                order = np.cumsum(views.is_original[own]) - 1
                piece = order * pieces // (order[-1] + 1)
                groups[own] = groups.max() + 1 + piece
    return np.asarray(groups)
