"""How the head's recipe was chosen: accuracy on people, subjects and rooms it never saw.

    $ python -m benchmarks.head_recipe DATA

DATA holds `thumbs/person_{1,2}`, `rock_paper_scissors/person_{1,2}` and `sign_digits`, with one
folder for each label in them; benchmarks/README.md says where these pictures come from.

Protocols, none of which has near copies on both sides:
    thumbs 1>2, 2>1   taught by one person, asked about the other in the same room
    digits            a third of the subjects held out, three times
    few               ten snapshots a label from the first half of a recording, asked about its
                      last third, mean of two people
    rooms 1>2, 2>1    rock, paper, scissors: taught by one person, asked about another elsewhere
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

from webcam_classifier.backbone import DEFAULT_BACKBONE, frozen_features
from webcam_classifier.console import run_script
from webcam_classifier.features import with_unit_embedding
from webcam_classifier.head import DEPENDENCE, EmbeddedViews, fit_head
from webcam_classifier.labelled_pictures import LabelledPictures, load_labelled_pictures
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
    names = [f"{what}/person_{n}" for what in ("thumbs", "rock_paper_scissors") for n in (1, 2)]
    folders = {name: embed(data / name) for name in [*names, "sign_digits"]}
    columns = protocols(folders)
    print(f"{'recipe':<38}" + "".join(f"{name:>13}" for name in columns))
    recipes: dict[str, tuple[Recipe, tuple[int, ...]]] = {
        "logistic regression, no views": (linear_probe, SEEDS[:1]),
        "ours without views": (without_views, SEEDS[:1]),
    }
    for dependence in (1.0, 4.0, DEPENDENCE, 16.0):
        marked = " (ours)" if dependence == DEPENDENCE else ""
        recipes[f"views, shrinkage times {dependence:g}{marked}"] = (ours(dependence), SEEDS)
    for name, (recipe, seeds) in recipes.items():
        cells = [[ask(recipe, seed) for seed in seeds] for ask in columns.values()]
        print(f"{name:<38}" + "".join(f"{describe(cell):>13}" for cell in cells), flush=True)


def embed(path: Path) -> Folder:
    """Read a folder and embed its pictures and their views for each seed."""
    pictures = load_labelled_pictures(path, SIZE)
    graph = with_unit_embedding(frozen_features(DEFAULT_BACKBONE, "auto", SIZE).graph)
    recordings = np.zeros(len(pictures), dtype=np.int64)
    for label in range(len(pictures.labels)):  # blocks in time stand in for recordings
        members = np.flatnonzero(pictures.label_indices == label)
        recordings[members] = label * 5 + np.arange(members.size) * 5 // members.size
    views = {seed: embed_views(pictures, recordings, graph, SIZE, seed) for seed in SEEDS}
    return Folder(pictures, views)


def protocols(folders: dict[str, Folder]) -> dict[str, Callable[[Recipe, int], float]]:
    """Give each protocol's name, and what asks a recipe with a seed for its accuracy."""
    digits = folders["sign_digits"]
    subjects = np.array([int(Path(n).stem.split("_")[1]) for n in digits.pictures.names])

    def across(taught: str, asked: str) -> Callable[[Recipe, int], float]:
        one, other = folders[taught], folders[asked]
        everything = np.arange(len(one.pictures)), np.arange(len(other.pictures))
        return lambda recipe, seed: accuracy(recipe, seed, one, everything[0], other, everything[1])

    def by_subject(recipe: Recipe, seed: int) -> float:
        folds = [
            (np.flatnonzero(subjects % 3 != k), np.flatnonzero(subjects % 3 == k)) for k in range(3)
        ]
        return float(np.mean([accuracy(recipe, seed, digits, a, digits, b) for a, b in folds]))

    def few(recipe: Recipe, seed: int) -> float:
        found = []
        for number in (1, 2):
            folder = folders[f"rock_paper_scissors/person_{number}"]
            taught, asked = beginning_and_end(folder.pictures.label_indices)
            found.append(accuracy(recipe, seed, folder, taught, folder, asked))
        return float(np.mean(found))

    rooms = "rock_paper_scissors/person_1", "rock_paper_scissors/person_2"
    return {
        "thumbs 1>2": across("thumbs/person_1", "thumbs/person_2"),
        "thumbs 2>1": across("thumbs/person_2", "thumbs/person_1"),
        "digits": by_subject,
        "few": few,
        "rooms 1>2": across(*rooms),
        "rooms 2>1": across(*reversed(rooms)),
    }


def beginning_and_end(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ten evenly spaced places of each label's first half, and all of its last third."""
    taught, asked = [], []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        half = members[: members.size // 2]
        taught.append(half[np.linspace(0, half.size - 1, 10).astype(int)])
        asked.append(members[-(members.size // 3) :])
    return np.concatenate(taught), np.concatenate(asked)


def accuracy(
    recipe: Recipe,
    seed: int,
    taught: Folder,
    taught_places: NDArray[np.int64],
    asked: Folder,
    asked_places: NDArray[np.int64],
) -> float:
    """Teach with some pictures and ask about others."""
    answers = recipe(taught.at(taught_places, seed), asked.originals(asked_places))
    return float((answers == asked.pictures.label_indices[asked_places]).mean())


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
