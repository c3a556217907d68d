"""A head that follows every new snapshot at once, however many were learnt before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.discriminant import SHRINKAGE, DiscriminantSums, LinearHead
from webcam_classifier.teaching.known_pictures import KnownPicture

_Seen = dict[int, NDArray[np.float32]]
"""The embeddings of pictures, each (looks, features), by their identity."""


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
        self._fitted: tuple[tuple[str, ...], LinearHead] | None = None

    @property
    def count(self) -> int:
        """How many pictures were learnt from the last time."""
        return sum(len(own.seen) for own in self._labels.values())

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
        # By identity: a picture that only got onto the disk meanwhile has the same embeddings.
        seen: dict[str, _Seen] = {
            label: {
                id(one.embeddings): one.embeddings for one in found if one.embeddings is not None
            }
            for label, found in pictures.items()
        }
        labels = tuple(sorted(label for label, found in seen.items() if found))
        if len(labels) < 2:
            return None
        if looks != self._looks or self._middle is None:
            self._labels, self._looks = {}, looks
            every = [embeddings[0] for label in labels for embeddings in seen[label].values()]
            # Near the middle of all, so that sums of squares stay exact; how near is all one.
            self._middle = np.asarray(np.mean(every, axis=0), dtype=np.float32)
        sums = [self._labels.get(label) or _LabelSums(len(self._middle)) for label in labels]
        changes = [
            own.follow(seen[label], looks, self._middle)
            for label, own in zip(labels, sums, strict=True)
        ]
        self._labels = dict(zip(labels, sums, strict=True))
        last = self._fitted
        if any(changes) or not last or last[0] != labels or last[1].temperature != temperature:
            head = _balanced(sums).head(self._middle, SHRINKAGE, temperature)
            self._fitted = (labels, head)
        return self._fitted


class _LabelSums:
    """Sums over one label's pictures, each look counting alike.

    Args:
        width: How many features there are.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._begin()

    def _begin(self) -> None:
        self.seen: _Seen = {}
        self.looks = 0
        self.picture_sum = np.zeros(self._width)
        self.look_sum = np.zeros(self._width)
        self.products = np.zeros((self._width, self._width), dtype=np.float32)

    def follow(self, seen: _Seen, looks: int, middle: NDArray[np.float32]) -> bool:
        """Make the sums those of other pictures, by the difference; give whether there is one.

        Args:
            seen: All that counts from now on.
            looks: At each picture, at the most.
            middle: What is taken off each embedding.
        """
        gone = self.seen.keys() - seen.keys()
        if len(gone) >= len(seen):  # to begin anew is less work
            self._begin()
            gone = set()
        new = seen.keys() - self.seen.keys()
        self._add([self.seen[one] for one in gone], looks, middle, -1)
        self._add([seen[one] for one in new], looks, middle, 1)
        self.seen = seen
        return bool(gone or new)

    def _add(
        self,
        pictures: Sequence[NDArray[np.float32]],
        looks: int,
        middle: NDArray[np.float32],
        sign: int,
    ) -> None:
        if not pictures:
            return
        rows = np.concatenate([embeddings[:looks] for embeddings in pictures]) - middle
        originals = np.stack([embeddings[0] for embeddings in pictures]) - middle
        self.looks += sign * len(rows)
        self.picture_sum += sign * originals.sum(axis=0, dtype=np.float64)
        self.look_sum += sign * rows.sum(axis=0, dtype=np.float64)
        self.products += sign * (rows.T @ rows)


def _balanced(sums: list[_LabelSums]) -> DiscriminantSums:
    """Put the labels together, each counting alike however many pictures it has."""
    products = sum(
        (own.products / np.float32(own.looks) for own in sums[1:]),
        sums[0].products / np.float32(sums[0].looks),
    )
    return DiscriminantSums(
        picture_counts=np.array([len(own.seen) for own in sums], dtype=np.float64),
        picture_sums=np.stack([own.picture_sum for own in sums]),
        view_weights=np.ones(len(sums)),
        view_sums=np.stack([own.look_sum / own.looks for own in sums]),
        products=products,
    )
