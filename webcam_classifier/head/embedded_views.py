"""Embeddings of pictures and of views of them, and which of them are left out together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class EmbeddedViews:
    """Embeddings of pictures and of augmented views of them.

    Attributes:
        embeddings: (views, features) float32.
        label_indices: (views,) int64.
        bursts: (views,) int64: views of one recording have one number.
        is_original: (views,) bool: the picture itself, no augmented view.
    """

    embeddings: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    bursts: NDArray[np.int64]
    is_original: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> EmbeddedViews:
        """Some of the views.

        Args:
            chosen: (views,) which of them.
        """
        return EmbeddedViews(
            self.embeddings[chosen],
            self.label_indices[chosen],
            self.bursts[chosen],
            self.is_original[chosen],
        )


def fold_numbers(
    views: EmbeddedViews, label_count: int, fold_count: int = _FOLDS
) -> NDArray[np.int64]:
    """Number views by the part they are left out with, for cross-validation over recordings.

    Each recording, the largest first, goes whole where the fewest views of its label are. A label
    of a single recording is cut in time.

    Args:
        views: Of pictures in the order of their recording; views of one picture stand together.
        label_count: How many labels there are.
        fold_count: How many parts there are at the most.

    Returns:
        (views,) from 0; all 0 where a label has a single picture, so that none can be left out.
    """
    groups = _cut_lone_recordings(views, label_count, fold_count)
    numbers, firsts, group_of, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    labels = views.label_indices[firsts]
    count = min(fold_count, int(np.bincount(labels, minlength=label_count).min()))
    chosen = np.zeros(len(numbers), dtype=np.int64)
    if count > 1:
        filled = np.zeros((label_count, count))
        for number in np.argsort(-sizes, kind="stable"):
            chosen[number] = filled[labels[number]].argmin()
            filled[labels[number], chosen[number]] += sizes[number]
    return np.asarray(chosen[group_of])


def _cut_lone_recordings(views: EmbeddedViews, label_count: int, pieces: int) -> NDArray[np.int64]:
    groups = views.bursts.copy()
    pictures = np.cumsum(views.is_original)
    for label in range(label_count):
        members = np.flatnonzero(views.label_indices == label)
        if len(members) and np.ptp(groups[members]) == 0:
            _, places = np.unique(pictures[members], return_inverse=True)
            groups[members] = groups.max() + 1 + places * pieces // (places.max() + 1)
    return np.asarray(groups)
