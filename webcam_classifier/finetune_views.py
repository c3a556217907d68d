"""What fine-tuning is shown: random views in random batches, some blended with one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.augment import ViewRange, flip_is_safe, random_view
from webcam_classifier.frame import BgrImage

_REACH = ViewRange(turn=15.0, scales=(0.7, 1.4), shift=0.12, gain=0.3, tint=0.12)
_BLENDED = 0.7  # share of the batches whose pictures are blended with one another
_BLEND_SHAPE = 0.3  # of the beta distribution: mostly a faint second picture, seldom half of each


class Examples(Protocol):
    """Pictures in memory, with what they show."""

    @property
    def images(self) -> Sequence[BgrImage]:
        """Each (height, width, 3) uint8, of any size; `preprocess.shrink` saves memory."""

    @property
    def label_indices(self) -> NDArray[np.int64]:
        """(images,) which label each has."""


class RandomViews:
    """Gives views of pictures, each time others; the same seed gives the same ones.

    Args:
        labels: Their names decide whether mirroring is safe.
        input_size: The side of the square that the network takes, in pixels.
        seed: Of all randomness.
    """

    def __init__(self, labels: tuple[str, ...], input_size: int, seed: int) -> None:
        self._label_count = len(labels)
        self._input_size = input_size
        self._generator = np.random.default_rng(seed)
        self._flip = flip_is_safe(labels)

    def of(self, image: BgrImage) -> BgrImage:
        """Give another view of a picture, (input_size, input_size, 3) uint8."""
        return random_view(image, self._input_size, self._generator, _REACH, self._flip)

    def batches(
        self, examples: Examples, count: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Yield random views in a random order, in batches of nearly equal size.

        No batch is much smaller than the others: a last one of a single picture would have no
        statistics.

        Args:
            examples: Each is seen once.
            count: How many batches.

        Returns:
            Pixels (batch, size, size, 3) uint8, and each one's share of each label (batch, labels)
            float32.
        """
        order = self._generator.permutation(len(examples.images))
        shares = np.eye(self._label_count, dtype=np.float32)[examples.label_indices]
        for chosen in np.array_split(order, count):
            views = np.stack([self.of(examples.images[index]) for index in chosen])
            targets = shares[chosen]
            if self._generator.random() < _BLENDED:
                views, targets = self._blend(views, targets)
            yield views, targets

    def _blend(
        self, views: NDArray[np.uint8], targets: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Lay another picture of the batch over each one, and its label over the label (mixup).

        From H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. What the classes
        of a small data set have in common by chance, such as a wall or a sleeve, decides less then.
        """
        share = self._generator.beta(_BLEND_SHAPE, _BLEND_SHAPE)
        others = self._generator.permutation(len(views))
        blended = views * np.float32(share) + views[others] * np.float32(1.0 - share)
        mixed = targets * np.float32(share) + targets[others] * np.float32(1.0 - share)
        return np.rint(blended).astype(np.uint8), mixed.astype(np.float32)
