"""Embeddings of pictures and of views of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EmbeddedViews:
    """Embeddings of pictures and of augmented views of them.

    Views of one picture are adjacent, the picture itself first.

    Attributes:
        embeddings: (views, features) float32.
        label_indices: (views,) int64.
        bursts: (views,) int64: views of one burst have one number; no burst has two labels.
        is_original: (views,) bool: the picture itself, no augmented view.
    """

    embeddings: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    bursts: NDArray[np.int64]
    is_original: NDArray[np.bool_]

    @property
    def pictures(self) -> NDArray[np.int64]:
        """(views,) int64: the index of each view's picture, from 0."""
        return np.asarray(np.cumsum(self.is_original) - 1)

    def only(self, chosen: NDArray[np.bool_]) -> EmbeddedViews:
        """Select some of the views; the same object if all are chosen.

        Args:
            chosen: (views,) which of them.
        """
        if chosen.all():
            return self
        return EmbeddedViews(
            self.embeddings[chosen],
            self.label_indices[chosen],
            self.bursts[chosen],
            self.is_original[chosen],
        )

    def of(self, places: NDArray[np.int64]) -> EmbeddedViews:
        """Select some of the pictures with all their views.

        Args:
            places: Of the pictures, int64.
        """
        return self.only(np.isin(self.pictures, places))
