"""The pictures on which the runtimes of a model are compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import cropped
from webcam_classifier.dataset.picture_files import PictureError, read_picture
from webcam_classifier.model_card import METRICS_NAME, ModelCard
from webcam_classifier.preprocess import prepare
from webcam_classifier.sequences import evenly_spaced

_MOST = 100
_FEWEST = 20  # real ones; fewer say less than synthetic ones
_BLOBS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48)  # of colour along each side


@dataclass(frozen=True, eq=False)
class TrialPictures:
    """Prepared pictures.

    Attributes:
        pixels: (pictures, size, size, 3) uint8.
        are_real: Whether they are pictures of the model's data set; otherwise they are synthetic.
    """

    pixels: NDArray[np.uint8]
    are_real: bool


def trial_pictures(model: Path, card: ModelCard) -> TrialPictures:
    """Return pictures of a model's data set, or synthetic ones if those are gone.

    They are the pictures that were held back, or training pictures if the model was trained on all:
    to compare runtimes, any will do.

    Args:
        model: The model file; metrics.json beside it lists the pictures.
        card: The model's card, which says where they are.
    """
    found = []
    for name in evenly_spaced(_held_back(model), _MOST):
        try:
            part = cropped(read_picture(Path(card.dataset) / name), card.crop)
            found.append(prepare(part, card.input_size))
        except PictureError:
            continue
    if len(found) >= _FEWEST:
        return TrialPictures(np.stack(found), are_real=True)
    return TrialPictures(blobs(card.input_size), are_real=False)


def blobs(size: int) -> NDArray[np.uint8]:
    """Generate pictures of coarse and fine coloured blobs, to which a network answers variously.

    Args:
        size: The side of the square, in pixels.

    Returns:
        (24, size, size, 3) uint8.
    """
    random = np.random.default_rng(0)
    made = []
    for count in _BLOBS:
        for brightest in (128, 256):
            coarse = random.integers(0, brightest, (count, count, 3), dtype=np.uint8)
            made.append(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))
    return np.stack(made).astype(np.uint8)


def _held_back(model: Path) -> list[str]:
    try:
        metrics = json.loads(model.with_name(METRICS_NAME).read_text(encoding="utf-8"))
        split = metrics["split"]
        names = split["validation"]["pictures"]
        if split["test_dataset"] is None:
            names = names + split["test"]["pictures"] or split["training"]["pictures"]
        return [str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # the model file was copied without its metrics
