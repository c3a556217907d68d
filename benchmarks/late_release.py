"""How many of the pictures that a late key filed wrongly are named, and how many others.

    $ python -m benchmarks.late_release DATA

Of each label's pictures, 82 in eight bursts, 16 are made those of another label: the ends of
bursts, two, four or eight pictures long, or single ones anywhere. `find_label_errors` then names
suspects. benchmarks/protocols.py says what DATA holds.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocols import ROOMS, THUMBS, load_folders
from webcam_classifier.backbone.load import DEFAULT_BACKBONE, load_backbone
from webcam_classifier.cli.console import run_script
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.report.label_errors import find_label_errors

SIZE = 224  # pixels
VIEWS = 4  # of each picture, as the report looks at
BURSTS = 8  # of each label
PICTURES, WRONG = 82, 16  # of the label
ENDS = (2, 4, 8)  # pictures of another label at the end of a burst
FIRST = (16, 24)  # suggestions that somebody looks through

_SINGLE = 0  # in the place of an end: pictures anywhere


@dataclass(frozen=True, eq=False)
class Mislabelled:
    """A data set with wrong labels.

    Attributes:
        views: With them.
        is_wrong: (pictures,) which.
        label_count: How many labels there are.
    """

    views: EmbeddedViews
    is_wrong: NDArray[np.bool_]
    label_count: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Embed each folder once, file pictures wrongly, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    folders = load_folders(parser.parse_args(arguments).data, SIZE, (*THUMBS, *ROOMS))
    backbone = load_backbone(DEFAULT_BACKBONE, "auto", SIZE)
    embedded = [
        (embed_labelled_pictures(pictures, backbone, views=VIEWS).views, len(pictures.labels))
        for pictures in folders.values()
    ]
    heads = "  ".join(f"in first {first}" for first in FIRST)
    print(f"{'wrong ones':<22} {heads}  in all  worst  named  right of named")
    for end in (*ENDS, _SINGLE):
        found = [
            measure(case)
            for views, label_count in embedded
            for case in cases(views, label_count, end)
        ]
        first, second, every, named, right = np.mean(found, axis=0)
        name = f"ends of {end} pictures" if end else "single ones"
        print(
            f"{name:<22} {first:>11.2f}  {second:>11.2f}  {every:>6.2f}  "
            f"{min(row[1] for row in found):>5.2f}  {named:>5.1f}  {right:>14.2f}",
            flush=True,
        )
    for name, (views, label_count) in zip(folders, embedded, strict=True):
        clean = dataclasses.replace(views, bursts=_bursts(views, label_count))
        named = len(find_label_errors(clean, label_count))
        print(f"no wrong ones, {name}: {named} named of {int(views.is_original.sum())}")


def measure(case: Mislabelled) -> tuple[float, float, float, int, float]:
    """Find suspects.

    Returns:
        The shares of the wrong pictures among the first suspects and among all, how many suspects
        there are, and the share of them that is wrong.
    """
    found = [error.picture for error in find_label_errors(case.views, case.label_count)]
    first, second, every = (case.is_wrong[found[:most]].sum() / WRONG for most in (*FIRST, None))
    right = float(case.is_wrong[found].mean()) if found else 1.0
    return float(first), float(second), float(every), len(found), right


def cases(views: EmbeddedViews, label_count: int, end: int) -> Iterator[Mislabelled]:
    """File pictures of the next label under each label in turn.

    Args:
        views: Of all pictures, label after label, as many views of each.
        label_count: How many labels there are.
        end: How many follow each other at the end of a burst; 0 is one at a time, anywhere.
    """
    labels, bursts = views.label_indices[views.is_original], _bursts(views, label_count)[::VIEWS]
    for label in range(label_count):
        generator = np.random.default_rng(label)
        own = np.flatnonzero(labels == label)[: PICTURES - WRONG]
        others = np.flatnonzero(labels == (label + 1) % label_count)
        length = end or 1
        starts = length * generator.choice(len(others) // length, WRONG // length, replace=False)
        runs = [others[start : start + length] for start in starts]
        given, burst_of = labels.copy(), bursts.copy()
        # Their places among the pictures of a burst tell nothing: bursts are left out whole.
        into = np.arange(len(runs)) % BURSTS if end else generator.integers(0, BURSTS, len(runs))
        for run, place in zip(runs, into.tolist(), strict=True):
            given[run], burst_of[run] = label, label * BURSTS + place
        wrong = np.concatenate(runs)
        kept = np.union1d(np.union1d(own, wrong), np.flatnonzero(labels != label))
        burst_of[own] = label * BURSTS + np.arange(len(own)) * BURSTS // len(own)
        ordered = kept[np.argsort(given[kept], kind="stable")]
        rows = (ordered[:, np.newaxis] * VIEWS + np.arange(VIEWS)).ravel()
        yield Mislabelled(
            EmbeddedViews(
                views.embeddings[rows],
                np.repeat(given[ordered], VIEWS),
                np.repeat(burst_of[ordered], VIEWS),
                views.is_original[rows],
            ),
            np.isin(ordered, wrong),
            label_count,
        )


def _bursts(views: EmbeddedViews, label_count: int) -> NDArray[np.int64]:
    """(views,): each label's pictures in bursts as they follow each other."""
    bursts = np.zeros(len(views.label_indices), dtype=np.int64)
    for label in range(label_count):
        members = np.flatnonzero(views.label_indices == label)
        pictures = np.arange(len(members)) // VIEWS
        bursts[members] = label * BURSTS + pictures * BURSTS // (len(members) // VIEWS)
    return bursts


if __name__ == "__main__":
    run_script(main)
