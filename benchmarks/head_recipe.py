"""How the head's recipe was chosen: accuracy on people, subjects and rooms it never saw.

    $ python -m benchmarks.head_recipe DATA

benchmarks/protocols.py says what DATA holds and what is held out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.protocols import FOLDERS, Protocol, all_protocols, load_folders
from webcam_classifier.backbone import DEFAULT_BACKBONE, frozen_features
from webcam_classifier.console import run_script
from webcam_classifier.features import with_unit_embedding
from webcam_classifier.head import DEPENDENCE, EmbeddedViews, fit_head
from webcam_classifier.labelled_pictures import LabelledPictures
from webcam_classifier.teach_head import embed_views

SIZE = 224  # pixels
SEEDS = (0, 1, 2)

Answers = NDArray[np.int64]
Recipe = Callable[[EmbeddedViews, NDArray[np.float32]], Answers]


@dataclass(frozen=True, eq=False)
class Folder:
    """A data set, with its embeddings for each seed.

    Attributes:
        pictures: What was embedded.
        views: By seed; the views of picture i stand at i * (views + 1) and after.
    """

    pictures: LabelledPictures
    views: dict[int, EmbeddedViews]

    def originals(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embeddings of pictures without their views, (places, features)."""
        views = self.views[SEEDS[0]]
        return views.embeddings[views.is_original][places]

    def at(self, places: NDArray[np.int64], seed: int) -> EmbeddedViews:
        """Embeddings of pictures with their views."""
        views = self.views[seed]
        each = len(views.is_original) // len(self.pictures)
        chosen = np.isin(np.arange(len(self.pictures)), places)
        return views.only(np.repeat(chosen, each))


def main() -> None:
    """Embed everything once for each seed, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    pictures = load_folders(data, SIZE)
    folders = {name: embed(pictures[name]) for name in FOLDERS}
    columns = all_protocols(pictures)
    print(f"{'recipe':<38}" + "".join(f"{protocol.name:>13}" for protocol in columns))
    recipes: dict[str, tuple[Recipe, tuple[int, ...]]] = {
        "logistic regression, no views": (linear_probe, SEEDS[:1]),
        "ours without views": (without_views, SEEDS[:1]),
    }
    for dependence in (1.0, 4.0, DEPENDENCE, 16.0):
        marked = " (ours)" if dependence == DEPENDENCE else ""
        recipes[f"views, shrinkage times {dependence:g}{marked}"] = (ours(dependence), SEEDS)
    for name, (recipe, seeds) in recipes.items():
        cells = [[accuracy(recipe, seed, folders, of) for seed in seeds] for of in columns]
        print(f"{name:<38}" + "".join(f"{describe(cell):>13}" for cell in cells), flush=True)


def embed(pictures: LabelledPictures) -> Folder:
    """Embed pictures and their views for each seed."""
    graph = with_unit_embedding(frozen_features(DEFAULT_BACKBONE, "auto", SIZE).graph)
    recordings = np.zeros(len(pictures), dtype=np.int64)
    for label in range(len(pictures.labels)):  # blocks in time stand in for recordings
        members = np.flatnonzero(pictures.label_indices == label)
        recordings[members] = label * 5 + np.arange(members.size) * 5 // members.size
    views = {seed: embed_views(pictures, recordings, graph, SIZE, seed) for seed in SEEDS}
    return Folder(pictures, views)


def accuracy(recipe: Recipe, seed: int, folders: dict[str, Folder], protocol: Protocol) -> float:
    """Teach and ask in each of a protocol's folds, and give the mean accuracy."""
    found = []
    for fold in protocol.folds:
        taught, asked = folders[fold.taught], folders[fold.asked]
        answers = recipe(taught.at(fold.taught_places, seed), asked.originals(fold.asked_places))
        truths = asked.pictures.label_indices[fold.asked_places]
        found.append(float((answers == truths).mean()))
    return float(np.mean(found))


def linear_probe(views: EmbeddedViews, asked: NDArray[np.float32]) -> Answers:
    """What tutorials do: standardise, logistic regression with its defaults, no augmentation."""
    scaler = StandardScaler()
    taught = scaler.fit_transform(views.embeddings[views.is_original])
    probe = LogisticRegression(max_iter=2000)
    probe.fit(taught, views.label_indices[views.is_original])
    return np.asarray(probe.predict(scaler.transform(asked)))


def without_views(views: EmbeddedViews, asked: NDArray[np.float32]) -> Answers:
    """Our head on the pictures alone."""
    return ours(1.0)(views.only(views.is_original), asked)


def ours(dependence: float) -> Recipe:
    """Our head, with a shrinkage of so many times Ledoit and Wolf's."""

    def recipe(views: EmbeddedViews, asked: NDArray[np.float32]) -> Answers:
        label_count = int(views.label_indices.max()) + 1
        head = fit_head(views, label_count, dependence)
        return np.asarray(head.logits(asked).argmax(axis=1))

    return recipe


def describe(found: list[float]) -> str:
    """The mean, and half the range where there are several seeds."""
    if len(found) == 1:
        return f"{found[0]:.3f}"
    return f"{np.mean(found):.3f}+-{(max(found) - min(found)) / 2:.3f}"


if __name__ == "__main__":
    run_script(main)
