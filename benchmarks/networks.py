"""Which frozen network a head does best on: hands of others, and photographs of things.

    $ python -m benchmarks.networks DATA
    $ python -m benchmarks.networks DATA --networks squeezenet1_1 efficientnet_lite2 --seeds 3

benchmarks/protocols.py says what DATA holds and what is held out. Each network has two rows: the
head that train.py fits, and a linear probe (standardised, logistic regression with its defaults) on
the pictures' own embeddings. The last column is the time of a picture on this device's processor.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.head_recipe import (
    Fit,
    Probabilities,
    answering,
    describe,
    few_protocols,
    label_count,
    linear_probe,
)
from benchmarks.protocols import (
    FOLDERS,
    THINGS,
    Fold,
    all_protocols,
    load_folders,
    protocols_of_things,
)
from webcam_classifier.backbone.embedder import VIEWS, views_per_picture
from webcam_classifier.backbone.load import WITHOUT_TORCH, load_backbone, usual_input_size
from webcam_classifier.cli.console import run_script
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import fit_head
from webcam_classifier.training.choose_backbone import time_backbones

_USUAL = ("squeezenet1_1", "efficientnet_lite0", "squeezenet1_1+efficientnet_lite0")


def main() -> None:
    """Embed everything with one network after the other, and print their rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", nargs="+", default=_USUAL, metavar="NAME",
                        help=f"of {', '.join(WITHOUT_TORCH)}, or torchvision's")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=1, help="sets of views (default: 1)")
    options = parser.parse_args()
    print_table(options.data, options.networks, range(options.seeds))


def print_table(data: Path, networks: Sequence[str], seeds: Sequence[int]) -> None:
    """Fit and ask on every protocol.

    Args:
        data: Where the pictures are.
        networks: By name.
        seeds: Of the views.
    """
    for place, name in enumerate(networks):
        backbone = load_backbone(name, "auto", usual_input_size(name))
        pictures = load_folders(data, backbone.input_size, (*FOLDERS, *THINGS))
        protocols = (
            *all_protocols(pictures), *few_protocols(pictures), *protocols_of_things(pictures)
        )  # fmt: skip
        if place == 0:
            titles = [*(protocol.name for protocol in protocols), "ms"]
            print(f"{'network':<40}" + "".join(f"{title:>14}" for title in titles), flush=True)
        embedded = [
            {
                folder: embed_labelled_pictures(own, backbone, seed=seed, views=VIEWS + 1).views
                for folder, own in pictures.items()
            }
            for seed in seeds
        ]
        milliseconds = time_backbones([backbone])[0]
        for title, fit in ((name, fit_usual), (f"{name}, linear probe", probe)):
            cells = [
                describe([
                    float(np.mean([accuracy(fit, views, fold) for fold in protocol.folds]))
                    for views in embedded
                ])
                for protocol in protocols
            ]  # fmt: skip
            cells.append(f"{milliseconds:.1f}")
            print(f"{title:<40}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def accuracy(fit: Fit, views: dict[str, EmbeddedViews], fold: Fold) -> float:
    """Fit on what a fold trains on, with as many views as train.py would take, and ask.

    Args:
        fit: What learns.
        views: By folder, `VIEWS` of each picture besides itself.
        fold: Which pictures.
    """
    every = views[fold.training]
    number = np.arange(len(every.is_original)) % (VIEWS + 1)
    taken = number < views_per_picture(len(fold.training_indices))
    training = every.only(np.isin(every.pictures, fold.training_indices) & taken)
    asked = views[fold.test].of(fold.test_indices)
    asked = asked.only(asked.is_original)
    found = fit(training)(asked.embeddings).argmax(axis=1)
    return float((found == asked.label_indices).mean())


def fit_usual(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """The head that train.py fits."""
    return answering(fit_head(views, label_count(views)))


def probe(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """A linear probe on the pictures themselves."""
    return linear_probe(views.only(views.is_original))


if __name__ == "__main__":
    run_script(main)
