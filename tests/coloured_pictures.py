"""Labelled pictures that any network tells apart: plain colours with noise on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from webcam_classifier.dataset.picture_files import encode_snapshot

COLOURS: Mapping[str, tuple[int, int, int]] = {"blue": (220, 40, 40), "red": (40, 40, 220)}


def write_coloured_pictures(
    folder: Path,
    count: int,
    colours: Mapping[str, tuple[int, int, int]] = COLOURS,
    seed: int = 0,
) -> None:
    """Write a data set.

    Args:
        folder: One folder a label is made in it.
        count: Pictures of each label.
        colours: By label, blue green red.
        seed: Of the noise.
    """
    generator = np.random.default_rng(seed)
    for label, colour in colours.items():
        (folder / label).mkdir(parents=True)
        for index in range(count):
            noise = generator.normal(0, 30, (72, 96, 3))
            blotches = np.kron(generator.normal(0, 40, (6, 8, 1)), np.ones((12, 12, 1)))
            image = np.clip(noise + blotches + colour, 0, 255).astype(np.uint8)
            (folder / label / f"{index:03}.jpg").write_bytes(encode_snapshot(image))
