"""The folds of cross-validation: no burst is both in training and in validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.embedded_views import EmbeddedViews

FOLDS = 5
NEVER_LEFT_OUT = -1
"""The fold of a label's only picture: without it, the label would have no training picture."""


def fold_numbers(
    views: EmbeddedViews, label_count: int, fold_count: int = FOLDS
) -> NDArray[np.int64]:
    """Number views by the part they are left out with, for cross-validation over bursts.

    Each whole burst, the largest first, goes to the fold with the fewest views of its label, and
    among equal ones to the smallest fold: two bursts of a label are two folds. A label with a
    single burst is cut in time. A label's only picture is never left out.

    Args:
        views: Of pictures in the order of their names; views of one picture stand together.
        label_count: How many labels there are.
        fold_count: How many folds there are at the most.

    Returns:
        (views,) int64 from 0, or `NEVER_LEFT_OUT`.
    """
    groups = _cut_lone_bursts(views, label_count, fold_count)
    numbers, firsts, group_of, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    labels = views.label_indices[firsts]
    groups_of_label = np.bincount(labels, minlength=label_count)
    count = min(fold_count, int(groups_of_label.max(initial=0)))
    chosen = np.full(len(numbers), NEVER_LEFT_OUT, dtype=np.int64)
    if count > 1:
        filled = np.zeros((label_count, count))
        for number in np.argsort(-sizes, kind="stable"):
            label = labels[number]
            if groups_of_label[label] > 1:
                fold = np.lexsort((filled.sum(axis=0), filled[label]))[0]
                chosen[number] = fold
                filled[label, fold] += sizes[number]
    return np.asarray(chosen[group_of])


def _cut_lone_bursts(views: EmbeddedViews, label_count: int, pieces: int) -> NDArray[np.int64]:
    groups = views.bursts.copy()
    pictures = np.cumsum(views.is_original)
    for label in range(label_count):
        members = np.flatnonzero(views.label_indices == label)
        if len(members) and np.ptp(groups[members]) == 0:
            _, places = np.unique(pictures[members], return_inverse=True)
            groups[members] = groups.max() + 1 + places * pieces // (places.max() + 1)
    return np.asarray(groups)
