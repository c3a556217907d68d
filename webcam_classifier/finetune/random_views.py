"""Data augmentation: strong random views of the pictures, some before synthetic backgrounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.empty_labels import empty_labels
from webcam_classifier.finetune.foreground import Mask, find_foregrounds
from webcam_classifier.finetune.synthetic_backgrounds import paint_background
from webcam_classifier.frame import BgrImage

_TURN = 15.0  # degrees to either side
_SCALES = (0.7, 1.4)
_SHIFT = 0.12  # share of the side, to all sides
_GAIN = 0.3  # share of brightness and of contrast, up and down
_TINT = 0.12  # share of one colour channel, up and down

_MOVED = 0.5  # share of the views with another background, where the room can be told apart

_PAINTED = 32
_PAINTED_SIDE = 160  # pixels
_PAINTED_SCALES = (1.2, 2.5)  # a different part of it each time
_PAINTED_SEED = 0  # always the same: what is seen depends on the training's own seed alone


class Examples(Protocol):
    """Pictures in memory, with their labels."""

    @property
    def images(self) -> Sequence[BgrImage]:
        """Each (height, width, 3) uint8, of any size; `preprocess.shrink` saves memory."""

    @property
    def label_indices(self) -> NDArray[np.int64]:
        """(images,) which label each has."""


class Views(Protocol):
    """Makes views of the pictures that are trained on; several threads may ask at once."""

    @property
    def mixup_share(self) -> float:
        """Share of the batches that mixup is applied to."""

    def of(self, picture: int, generator: np.random.Generator) -> BgrImage:
        """Make a view, (size, size, 3) uint8 BGR; equal generators make equal views.

        Args:
            picture: Its place among the examples.
            generator: Where all randomness comes from.
        """


class RandomViews:
    """Strong augmentation: views as another moment, place and light might have given them.

    A few hundred pictures show one or two rooms, and a network learns the room sooner than the
    hand. So if a label such as `none` shows the empty room, and the camera was fixed, the
    foreground is cut out and placed on a synthetic background in half of the views. Pictures of the
    empty room get one as often, so that the background carries no information.

    Args:
        examples: The training pictures.
        labels: Their names decide which shows the room alone.
        input_size: The side of the square that the network takes, in pixels.
        mirrored: Whether half of the views are mirrored.
    """

    mixup_share = 0.7

    def __init__(
        self, examples: Examples, labels: tuple[str, ...], input_size: int, mirrored: bool = True
    ) -> None:
        self._images = examples.images
        self._input_size = input_size
        self._flip = mirrored
        self._foregrounds = find_foregrounds(
            examples.images, examples.label_indices, empty_labels(labels)
        )
        painter = np.random.default_rng(_PAINTED_SEED)
        self._painted = [paint_background(_PAINTED_SIDE, painter) for _ in range(_PAINTED)]

    def of(self, picture: int, generator: np.random.Generator) -> BgrImage:
        """Make a view; see `Views`."""
        image, foreground = self._images[picture], self._foregrounds[picture]
        matrix = self._placement(image, _SCALES, generator)
        view = self._placed(image, matrix)
        if foreground is not None and generator.random() < _MOVED:
            front = self._placed(foreground, matrix @ _enlarging(foreground, image))
            view = _put_before(view, front, self._background(generator))
        return _in_other_light(view, generator)

    def _background(self, generator: np.random.Generator) -> BgrImage:
        painted = self._painted[generator.integers(_PAINTED)]
        return self._placed(painted, self._placement(painted, _PAINTED_SCALES, generator))

    def _placement(
        self, image: BgrImage, scales: tuple[float, float], generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw the (3, 3) matrix from a picture's pixels to a view's.

        The picture fills the square, then is turned, scaled, shifted, and mirrored half of the
        time where that is safe. Never upside down: a thumb up is not a thumb down.
        """
        height, width = image.shape[:2]
        side = self._input_size
        angle = math.radians(generator.uniform(-_TURN, _TURN))
        scale = generator.uniform(*scales)
        mirror = -1.0 if self._flip and generator.random() < 0.5 else 1.0
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        turn = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
        turn = turn @ np.diag([side / width, side / height])
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        target = (side - 1) / 2 + side * generator.uniform(-_SHIFT, _SHIFT, 2)
        matrix = np.eye(3)
        matrix[:2] = np.column_stack([turn, target - turn @ middle])
        return matrix

    def _placed(self, image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
        square = (self._input_size, self._input_size)
        return np.asarray(
            cv2.warpAffine(image, matrix[:2], square, borderMode=cv2.BORDER_REFLECT_101),
            dtype=np.uint8,
        )


def _enlarging(mask: Mask, image: BgrImage) -> NDArray[np.float64]:
    """The (3, 3) matrix from a mask's pixels to its picture's."""
    down, across = np.divide(image.shape[:2], mask.shape)
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1.0]])


def _put_before(view: BgrImage, front: Mask, behind: BgrImage) -> BgrImage:
    weights = cv2.cvtColor(front, cv2.COLOR_GRAY2BGR)
    near = cv2.multiply(view, weights, scale=1.0 / 255.0)
    far = cv2.multiply(behind, cv2.bitwise_not(weights), scale=1.0 / 255.0)
    return np.asarray(cv2.add(near, far), dtype=np.uint8)


def _in_other_light(view: BgrImage, generator: np.random.Generator) -> BgrImage:
    gain = 1.0 + generator.uniform(-_GAIN, _GAIN)
    offset = 127.0 * generator.uniform(-_GAIN, _GAIN)
    tint = 1.0 + generator.uniform(-_TINT, _TINT, 3)
    levels = np.arange(256.0)[:, np.newaxis]
    table = np.clip((levels - 127.0) * gain * tint + 127.0 + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(view, table[np.newaxis]), dtype=np.uint8)
