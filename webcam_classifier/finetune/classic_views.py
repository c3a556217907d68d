"""Augmentation of the classic recipes: none, or colour jitter."""

from __future__ import annotations

import cv2
import numpy as np

from webcam_classifier.finetune.random_views import Examples, RandomViews, Views
from webcam_classifier.finetune.settings import ViewKind
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare

_JITTER = 0.1  # share of brightness, contrast and saturation, up and down
_HUE_JITTER = 9  # of OpenCV's 180 steps round the colour circle, to either side: 18 degrees


class PlainViews:
    """No augmentation: the pictures as live sees them.

    Args:
        examples: The training pictures.
        input_size: The side of the square that the network takes, in pixels.
    """

    mixup_share = 0.0

    def __init__(self, examples: Examples, input_size: int) -> None:
        self._images = examples.images
        self._input_size = input_size

    def of(self, picture: int, generator: np.random.Generator) -> BgrImage:  # noqa: ARG002 a Views
        """The picture, (size, size, 3) uint8 BGR."""
        return prepare(self._images[picture], self._input_size)


class ColourViews:
    """Colour jitter: brightness, contrast, saturation and hue change, and nothing moves.

    Args:
        examples: The training pictures.
        input_size: The side of the square that the network takes, in pixels.
    """

    mixup_share = 0.0

    def __init__(self, examples: Examples, input_size: int) -> None:
        self._plain = PlainViews(examples, input_size)

    def of(self, picture: int, generator: np.random.Generator) -> BgrImage:
        """Make a view; see `Views`."""
        image = self._plain.of(picture, generator)
        brightness, contrast, saturation = 1.0 + generator.uniform(-_JITTER, _JITTER, 3)
        hue = int(generator.integers(-_HUE_JITTER, _HUE_JITTER + 1))
        middle = float(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean())
        levels = (np.arange(256.0) - middle) * contrast + middle
        table = np.clip(levels * brightness, 0, 255).astype(np.uint8)
        colours = cv2.cvtColor(np.asarray(cv2.LUT(image, table)), cv2.COLOR_BGR2HSV)
        turned = (np.arange(256) + hue) % 180
        stretched = np.clip(np.arange(256.0) * saturation, 0, 255)
        tables = np.stack([turned, stretched, np.arange(256)], axis=1).astype(np.uint8)
        shifted = cv2.LUT(colours, tables[np.newaxis])
        return np.asarray(cv2.cvtColor(shifted, cv2.COLOR_HSV2BGR), dtype=np.uint8)


def choose_views(
    kind: ViewKind,
    examples: Examples,
    labels: tuple[str, ...],
    input_size: int,
    mirrored: bool = True,
) -> Views:
    """Choose the augmentation.

    Args:
        kind: See `FinetuneSettings.views`.
        examples: The training pictures.
        labels: Their names.
        input_size: The side of the square that the network takes, in pixels.
        mirrored: Whether half of the strong views are mirrored.
    """
    if kind == "strong":
        return RandomViews(examples, labels, input_size, mirrored)
    if kind == "colour":
        return ColourViews(examples, input_size)
    return PlainViews(examples, input_size)
