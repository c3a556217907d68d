"""Sums over embeddings that are equal to the last bit, in whatever order they are added.

Embeddings are rounded to multiples of a step, and integers below 2**53 add up exactly in float64.
So what was added can be subtracted again without a trace, and a head that is updated with every
snapshot is identical to one that is fitted on all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP = 2.0**-17
"""What embeddings are rounded to: 8e-6, of numbers whose squares sum to one. A product of two has
34 bits, so half a million views add up within the 53 bits of float64."""

_BLOCK = 4096  # views at once, which bounds the memory of their float64 form


@dataclass(frozen=True, eq=False)
class EmbeddingSums:
    """Sums over the pictures of one label, in steps; every number is an integer.

    Attributes:
        pictures: How many pictures.
        picture_sum: (features,) float64, of their own embeddings.
        views: How many views, including the pictures themselves.
        view_sum: (features,) float64, of the embeddings of all views.
        products: (features, features) float64, of the views' embeddings with themselves.
    """

    pictures: int
    picture_sum: NDArray[np.float64]
    views: int
    view_sum: NDArray[np.float64]
    products: NDArray[np.float64]

    @staticmethod
    def empty(width: int) -> EmbeddingSums:
        """Return empty sums, for embeddings of this many features."""
        return EmbeddingSums(0, np.zeros(width), 0, np.zeros(width), np.zeros((width, width)))

    @staticmethod
    def of(
        embeddings: NDArray[np.float32],
        is_original: NDArray[np.bool_],
        chosen: NDArray[np.bool_] | None = None,
    ) -> EmbeddingSums:
        """Sum up views, a block at a time; views that are not chosen are not copied.

        Args:
            embeddings: (views, features) float32.
            is_original: (views,) whether a view is the picture itself.
            chosen: (views,) bool, which views; None takes all.
        """
        width = embeddings.shape[1]
        picture_sum, view_sum = np.zeros(width), np.zeros(width)
        products = np.zeros((width, width))
        places = np.arange(len(embeddings)) if chosen is None else np.flatnonzero(chosen)
        for start in range(0, len(places), _BLOCK):
            some = places[start : start + _BLOCK]
            rows = embeddings[some].astype(np.float64)
            rows /= STEP
            np.rint(rows, out=rows)
            picture_sum += rows[is_original[some]].sum(axis=0)
            view_sum += rows.sum(axis=0)
            products += rows.T @ rows
        count = int(np.count_nonzero(is_original[places]))
        return EmbeddingSums(count, picture_sum, len(places), view_sum, products)

    def plus(self, other: EmbeddingSums, sign: int = 1) -> EmbeddingSums:
        """Add other sums, or subtract them with a sign of -1."""
        return EmbeddingSums(
            self.pictures + sign * other.pictures,
            self.picture_sum + sign * other.picture_sum,
            self.views + sign * other.views,
            self.view_sum + sign * other.view_sum,
            self.products + sign * other.products,
        )


@dataclass(frozen=True, eq=False)
class PooledSums:
    """The sums of several labels together, weighted and in the embeddings' own unit.

    Attributes:
        picture_counts: (labels,) float64.
        picture_sums: (labels, features) float64, of the pictures' own embeddings.
        view_weights: (labels,) float64, how much the views of a label weigh together.
        view_sums: (labels, features) float64, of all views, weighted.
        products: (features, features) float64, of all views of all labels, weighted.
    """

    picture_counts: NDArray[np.float64]
    picture_sums: NDArray[np.float64]
    view_weights: NDArray[np.float64]
    view_sums: NDArray[np.float64]
    products: NDArray[np.float64]

    @property
    def view_means(self) -> NDArray[np.float64]:
        """(labels, features), over all views."""
        return self.view_sums / self.view_weights[:, np.newaxis]

    @property
    def picture_means(self) -> NDArray[np.float64]:
        """(labels, features), over the pictures themselves."""
        return self.picture_sums / self.picture_counts[:, np.newaxis]

    def covariance(self) -> NDArray[np.float64]:
        """(features, features) within labels, over all views."""
        covariance = self.products - self.view_means.T @ self.view_sums
        covariance /= self.view_weights.sum()
        return np.asarray(covariance)

    def without_label(self, label: int, sums: EmbeddingSums) -> PooledSums:
        """Leave a whole label out, whose views were weighted by `pool_evenly`.

        Args:
            label: Its index; those of later labels become one less.
            sums: Of its views, all that were pooled.
        """
        return PooledSums(
            np.delete(self.picture_counts, label),
            np.delete(self.picture_sums, label, axis=0),
            np.delete(self.view_weights, label),
            np.delete(self.view_sums, label, axis=0),
            self.products - sums.products * (STEP * STEP / sums.views),
        )

    def minus(self, part: PooledSums) -> PooledSums:
        """Leave a part out that was pooled with the same weights."""
        return PooledSums(
            self.picture_counts - part.picture_counts,
            self.picture_sums - part.picture_sums,
            self.view_weights - part.view_weights,
            self.view_sums - part.view_sums,
            self.products - part.products,
        )


class PooledSumsBuilder:
    """Pools sums label by label, so that only one label's sums are in memory at a time.

    Args:
        label_count: How many labels there are.
        width: How many features an embedding has.
    """

    def __init__(self, label_count: int, width: int) -> None:
        self._counts = np.zeros(label_count)
        self._picture_sums = np.zeros((label_count, width))
        self._weights = np.zeros(label_count)
        self._view_sums = np.zeros((label_count, width))
        self._products = np.zeros((width, width))

    def add(self, label: int, sums: EmbeddingSums, weight: float) -> None:
        """Add one label's sums; labels come in their order, because rounding depends on it.

        Args:
            label: Its index.
            sums: Of its pictures.
            weight: How much each of its views counts in the covariance.
        """
        self._counts[label] = sums.pictures
        self._picture_sums[label] = sums.picture_sum * STEP
        self._weights[label] = sums.views * weight
        self._view_sums[label] = sums.view_sum * (STEP * weight)
        self._products += sums.products * (STEP * STEP * weight)

    def pooled(self) -> PooledSums:
        """The sums of all labels that were added."""
        return PooledSums(
            self._counts, self._picture_sums, self._weights, self._view_sums, self._products
        )


def pool_evenly(sums: Sequence[EmbeddingSums]) -> PooledSums:
    """Pool labels with equal weight, however many pictures they have.

    Args:
        sums: One for each label, in the labels' order; each has a view.
    """
    builder = PooledSumsBuilder(len(sums), len(sums[0].view_sum))
    for label, own in enumerate(sums):
        builder.add(label, own, 1.0 / own.views)
    return builder.pooled()
