"""How many label errors are found, and how many correct labels are listed as errors.

    $ python -m benchmarks.label_errors DATA

Some pictures of each folder get a label of another, drawn at random; what `find_label_errors` then
lists is compared with them. benchmarks/protocols.py says what DATA holds.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocols import FOLDERS, load_folders
from webcam_classifier.backbone.load import DEFAULT_BACKBONE, load_backbone
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.split import split_pictures
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.report.label_errors import find_label_errors

SIZE = 224  # pixels
RATES = (0.0, 0.05, 0.1)
SEEDS = (0, 1, 2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Embed each folder once, change labels, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    folders = load_folders(parser.parse_args(arguments).data, SIZE)
    backbone = load_backbone(DEFAULT_BACKBONE, "auto", SIZE)
    print(f"{'folder':<30} wrong  listed  found  right of listed  seconds")
    for name in FOLDERS:
        pictures = folders[name]
        views = embed_labelled_pictures(pictures, backbone).views
        for rate in RATES:
            found = [
                count_found(pictures, views, rate, seed) for seed in SEEDS[: 1 if rate == 0 else 3]
            ]
            wrong, listed, both, seconds = np.mean(found, axis=0)
            recall = f"{both / wrong:.2f}" if wrong else "-"
            precision = f"{both / listed:.2f}" if listed else "-"
            print(
                f"{name:<30} {wrong:>5.0f}  {listed:>6.1f}  {recall:>5}  {precision:>15}  "
                f"{seconds:>7.2f}",
                flush=True,
            )


def count_found(
    pictures: LabelledPictures, views: EmbeddedViews, rate: float, seed: int
) -> tuple[int, int, int, float]:
    """Change labels and count what is found.

    Returns:
        How many labels are wrong, how many pictures are listed, how many of these are wrong, and
        the seconds that it took.
    """
    labels = change_labels(pictures.label_indices, len(pictures.labels), rate, seed)
    split = split_pictures(pictures.names, labels, pictures.labels, pictures.fingerprints)
    each = len(views.is_original) // len(pictures)
    changed = dataclasses.replace(
        views,
        label_indices=np.repeat(labels, each),
        bursts=np.repeat(split.bursts, each),
    )
    started = time.perf_counter()
    errors = find_label_errors(changed, len(pictures.labels))
    seconds = time.perf_counter() - started
    is_wrong = labels != pictures.label_indices
    both = sum(bool(is_wrong[error.picture]) for error in errors)
    return int(is_wrong.sum()), len(errors), both, seconds


def change_labels(
    label_indices: NDArray[np.int64], label_count: int, rate: float, seed: int
) -> NDArray[np.int64]:
    """Change the label of a share of the pictures.

    Args:
        label_indices: (pictures,) int64.
        label_count: How many labels there are.
        rate: The share, 0 to 1.
        seed: For which, and for their new label.
    """
    generator = np.random.default_rng(seed)
    changed = label_indices.copy()
    wrong = generator.permutation(len(changed))[: round(rate * len(changed))]
    changed[wrong] += generator.integers(1, label_count, len(wrong))
    return np.asarray(changed % label_count, dtype=np.int64)


if __name__ == "__main__":
    run_script(main)
