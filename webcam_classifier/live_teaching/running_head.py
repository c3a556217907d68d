"""A head that follows every new snapshot at once, however many were learnt before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.live_teaching.known_pictures import KnownPicture
from webcam_classifier.teach.head import SHRINKAGE, DiscriminantSums, LinearHead


class RunningHead:
    """Gives the head that `fit_head` gives, from sums that are kept from one time to the next.

    What is new is added and what is gone is taken off, so that a fit takes as long with five
    thousand snapshots as with ten. It keeps (features, features) numbers for each label: one
    megabyte with 512 features.
    """

    def __init__(self) -> None:
        self._labels: dict[str, _LabelSums] = {}
        self._looks = 0
        self._middle: NDArray[np.float32] | None = None

    @property
    def count(self) -> int:
        """How many pictures were learnt from the last time."""
        return sum(len(own.pictures) for own in self._labels.values())

    def fit(
        self, pictures: Mapping[str, Collection[KnownPicture]], looks: int, temperature: float
    ) -> tuple[tuple[str, ...], LinearHead] | None:
        """Fit a head on pictures, most of which were there the last time.

        Args:
            pictures: By label; those that nobody has looked at count for nothing.
            looks: At each, at the most.
            temperature: What the logits are divided by.

        Returns:
            The labels in their order, and the head; None with fewer than two labels.
        """
        seen = {
            label: {picture for picture in found if picture.embeddings is not None}
            for label, found in pictures.items()
        }
        labels = tuple(sorted(label for label, found in seen.items() if found))
        if len(labels) < 2:
            return None
        if looks != self._looks or self._middle is None:
            self._labels, self._looks = {}, looks
            self._middle = _middle_of([one for label in labels for one in seen[label]])
        sums = []
        for label in labels:
            own = self._labels.setdefault(label, _LabelSums(len(self._middle)))
            own.follow(seen[label], looks, self._middle)
            sums.append(own)
        self._labels = dict(zip(labels, sums, strict=True))
        return labels, _balanced(sums).head(self._middle, SHRINKAGE, temperature)


class _LabelSums:
    """Sums over one label's pictures, each look counting alike.

    Args:
        width: How many features there are.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._begin()

    def _begin(self) -> None:
        self.pictures: set[KnownPicture] = set()
        self.looks = 0
        self.picture_sum = np.zeros(self._width)
        self.look_sum = np.zeros(self._width)
        self.products = np.zeros((self._width, self._width), dtype=np.float32)

    def follow(self, pictures: set[KnownPicture], looks: int, middle: NDArray[np.float32]) -> None:
        """Make the sums those of other pictures, by the difference.

        Args:
            pictures: All that count from now on.
            looks: At each, at the most.
            middle: What is taken off each embedding.
        """
        gone = self.pictures - pictures
        if len(gone) >= len(pictures):  # to begin anew is less work
            self._begin()
            gone = set()
        self._add(gone, looks, middle, -1)
        self._add(pictures - self.pictures, looks, middle, 1)
        self.pictures = pictures

    def _add(
        self, pictures: set[KnownPicture], looks: int, middle: NDArray[np.float32], sign: int
    ) -> None:
        found = [picture.embeddings for picture in pictures if picture.embeddings is not None]
        if not found:
            return
        rows = np.concatenate([embeddings[:looks] for embeddings in found]) - middle
        originals = np.stack([embeddings[0] for embeddings in found]) - middle
        self.looks += sign * len(rows)
        self.picture_sum += sign * originals.sum(axis=0, dtype=np.float64)
        self.look_sum += sign * rows.sum(axis=0, dtype=np.float64)
        self.products += sign * (rows.T @ rows)


def _middle_of(pictures: Collection[KnownPicture]) -> NDArray[np.float32]:
    """Near the middle of all embeddings, so that sums of squares stay exact; which one is alike."""
    found = [picture.embeddings[0] for picture in pictures if picture.embeddings is not None]
    return np.asarray(np.mean(found, axis=0), dtype=np.float32)


def _balanced(sums: list[_LabelSums]) -> DiscriminantSums:
    """Put the labels together, each counting alike however many pictures it has."""
    products = sum(
        (own.products / np.float32(own.looks) for own in sums[1:]),
        sums[0].products / np.float32(sums[0].looks),
    )
    return DiscriminantSums(
        picture_counts=np.array([len(own.pictures) for own in sums], dtype=np.float64),
        picture_sums=np.stack([own.picture_sum for own in sums]),
        view_weights=np.ones(len(sums)),
        view_sums=np.stack([own.look_sum / own.looks for own in sums]),
        products=products,
    )
