"""How the head's recipe was chosen: accuracy on people, subjects and rooms it never saw.

    $ python -m benchmarks.head_recipe DATA

benchmarks/protocols.py says what DATA holds and what is held out. Each row of the first table
changes one thing about our recipe. The second table thins out one label of those that are trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from benchmarks.protocols import (
    DIGITS,
    FOLDERS,
    ROOMS,
    THUMBS,
    Fold,
    Protocol,
    all_protocols,
    load_folders,
)
from webcam_classifier.backbone.embedder import VIEWS
from webcam_classifier.backbone.feature_graph import BEFORE_SHARE, EMBEDDING_NAME, POWER
from webcam_classifier.backbone.load import DEFAULT_BACKBONE, Backbone, frozen_features
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.split import split_pictures
from webcam_classifier.evaluation.calibration import expected_calibration_error
from webcam_classifier.head.cross_validation import cross_validate
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import SHRINKAGE, LinearHead, fit_head

SIZE = 224  # pixels
SEEDS = (0, 1, 2)
WIDTH = 512  # features of a fire module
HALF = WIDTH // 2  # those of its 3x3 kernels
FEW_SUBJECTS = 10

Probabilities = NDArray[np.floating]
Fit = Callable[[EmbeddedViews], Callable[[NDArray[np.float32]], Probabilities]]
"""Learns from views, and gives what answers about embeddings, (pictures, labels)."""


@dataclass(frozen=True)
class Recipe:
    """One row.

    Attributes:
        name: In words.
        fit: How the head is fitted.
        pooling: Which averages it sees, of `AVERAGES`, and what each is multiplied by.
        power: What embeddings are raised to before they are scaled to length one.
        views: Augmented views of each picture.
    """

    name: str
    fit: Fit
    pooling: tuple[tuple[str, float], ...] = (("before", 1.0), ("last", 1.0))
    power: float = POWER
    views: int = VIEWS


@dataclass(frozen=True, eq=False)
class Folder:
    """A data set, with raw averages of its feature maps for each seed.

    Attributes:
        pictures: What was embedded.
        views: By seed; the views of picture i stand at i * (VIEWS + 1) and after.
    """

    pictures: LabelledPictures
    views: dict[int, EmbeddedViews]


AVERAGES = {
    "even": slice(0, WIDTH),
    "before": slice(WIDTH, WIDTH + HALF),  # its share of the embedding is in it
    "last": slice(WIDTH + HALF, 2 * WIDTH + HALF),
    "whole module before": slice(2 * WIDTH + HALF, 3 * WIDTH + HALF),
}
"""Where each average stands in what `poolings` gives."""


def main() -> None:
    """Embed everything once for each seed, and print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    pictures = load_folders(data, SIZE)
    print_tables({name: embed(pictures[name]) for name in FOLDERS})


def embed(pictures: LabelledPictures) -> Folder:
    """Embed pictures and their views for each seed."""
    graph = poolings(frozen_features(DEFAULT_BACKBONE, "auto", SIZE).graph)
    bursts = split_pictures(
        pictures.names, pictures.label_indices, pictures.labels, pictures.fingerprints
    ).bursts
    backbone = Backbone(DEFAULT_BACKBONE, SIZE, graph, "")
    found = {
        seed: embed_labelled_pictures(pictures, backbone, seed=seed, views=VIEWS + 1).views
        for seed in SEEDS
    }
    views = {
        seed: replace(own, bursts=np.repeat(bursts, len(own.bursts) // len(bursts)))
        for seed, own in found.items()
    }
    return Folder(pictures, views)


def poolings(features: onnx.ModelProto) -> onnx.ModelProto:
    """Make a graph give several averages side by side, as in `AVERAGES`."""
    model = onnx.ModelProto()
    model.CopyFrom(features)
    graph = model.graph
    concatenated = "averages"
    graph.node.extend(
        [
            helper.make_node("GlobalAveragePool", ["features.12"], ["even.pooled"]),
            helper.make_node("Flatten", ["even.pooled"], ["even"], axis=1),
            helper.make_node("Mul", ["features.11", "middle"], ["before.weighted"]),
            helper.make_node("GlobalAveragePool", ["before.weighted"], ["before.pooled"]),
            helper.make_node("Flatten", ["before.pooled"], ["before"], axis=1),
            helper.make_node("Concat", ["even", EMBEDDING_NAME, "before"], [concatenated], axis=1),
        ]
    )
    del graph.output[:]
    shape: list[str | int | None] = ["batch", AVERAGES["whole module before"].stop]
    graph.output.append(helper.make_tensor_value_info(concatenated, TensorProto.FLOAT, shape))
    return model


def print_tables(folders: dict[str, Folder]) -> None:
    """Fit and ask with every recipe, on every protocol."""
    pictures = {name: folder.pictures for name, folder in folders.items()}
    columns = (*all_protocols(pictures), *few_protocols(pictures))
    names = [protocol.name for protocol in columns]
    print(f"{'recipe':<44}" + "".join(f"{name:>15}" for name in (*names, "ECE same", "ECE new")))
    for recipe in all_recipes():
        seeds = SEEDS if recipe.views else SEEDS[:1]
        cells, errors = [], []
        for protocol in columns:
            found = [ask_all(recipe, seed, folders, protocol.folds) for seed in seeds]
            cells.append(describe([accuracy(answers) for answers in found]))
            errors.append(float(np.mean([calibration_error(answers) for answers in found])))
        within = [ask_all(recipe, 0, folders, recording_folds(folders[n], n)) for n in FOLDERS]
        cells += [
            f"{np.mean([calibration_error(answers) for answers in within]):.3f}",
            f"{np.mean(errors):.3f}",
        ]
        print(f"{recipe.name:<44}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
    print(
        f"\n{'one label thinned to':<44}"
        + "".join(f"{text:>15}" for text in ("all", "1/5", "1/10"))
    )
    for recipe in unbalanced_recipes():
        thinned = [unbalanced_accuracy(recipe, folders, columns[:6], every) for every in (1, 5, 10)]
        print(f"{recipe.name:<44}" + "".join(f"{value:>15.3f}" for value in thinned), flush=True)


def all_recipes() -> tuple[Recipe, ...]:
    """Return the rows of the first table."""
    return (
        Recipe("tutorial: logistic regression, no views", linear_probe, (("even", 1.0),), 1.0, 0),
        Recipe("ours", ours()),
        Recipe("the last module alone", ours(), (("last", 1.0),)),
        Recipe("the last module alone, even average", ours(), (("even", 1.0),)),
        Recipe("half the share of the module before", ours(), (("before", 0.5), ("last", 1.0))),
        Recipe("twice the share", ours(), (("before", 2.0), ("last", 1.0))),
        Recipe(
            "the whole module before",
            ours(),
            (("whole module before", BEFORE_SHARE), ("last", 1.0)),
        ),
        Recipe("square root (power 0.5)", ours(), power=0.5),
        Recipe("power 0.6", ours(), power=0.6),
        Recipe("power 0.8", ours(), power=0.8),
        Recipe("no power", ours(), power=1.0),
        Recipe("no views", ours(), views=0),
        Recipe("4 views", ours(), views=4),
        Recipe("label means from views too", means_of_all_views),
        Recipe("features scaled alike", scaled_alike),
        Recipe("shrinkage 0.05", ours(0.05)),
        Recipe("shrinkage 0.1", ours(0.1)),
        Recipe("shrinkage 0.4", ours(0.4)),
        Recipe("shrinkage by leaving out bursts", chosen_shrinkage),
        Recipe("logistic regression on the views", logistic()),
        Recipe("without temperature", without_temperature),
    )


def unbalanced_recipes() -> tuple[Recipe, ...]:
    """Return the rows of the second table."""
    return (
        Recipe("ours: labels count alike", ours()),
        Recipe("prior from the numbers of pictures", with_prior),
        Recipe("logistic regression", logistic(), views=0),
        Recipe("logistic regression, balanced", logistic("balanced"), views=0),
    )


def few_protocols(folders: dict[str, LabelledPictures]) -> tuple[Protocol, ...]:
    """Protocols with few snapshots, on which nothing was chosen."""

    def spread(name: str, count: int) -> NDArray[np.int64]:
        chosen = []
        for label in range(len(folders[name].labels)):
            members = np.flatnonzero(folders[name].label_indices == label)
            chosen.append(members[np.linspace(0, members.size - 1, count).astype(np.int64)])
        return np.concatenate(chosen)

    def across(pair: tuple[str, str], count: int) -> tuple[Fold, ...]:
        return tuple(
            Fold(training, spread(training, count), asked, np.arange(len(folders[asked])))
            for training, asked in (pair, pair[::-1])
        )

    subjects = np.array([int(Path(name).stem.split("_")[1]) for name in folders[DIGITS].names])
    groups = [subjects // FEW_SUBJECTS == group for group in range(5)]
    by_group = tuple(Fold(DIGITS, np.flatnonzero(g), DIGITS, np.flatnonzero(~g)) for g in groups)
    return (
        Protocol("10 thumbs", "the other person", across(THUMBS, 10)),
        Protocol("10 students", "all others", by_group),
        Protocol("25 rooms", "another person elsewhere", across(ROOMS, 25)),
    )


def recording_folds(folder: Folder, name: str) -> tuple[Fold, ...]:
    """Leave out each quarter of a data set's bursts."""
    views = folder.views[SEEDS[0]]
    bursts = views.bursts[views.is_original]
    labels = folder.pictures.label_indices
    splits = StratifiedGroupKFold(4).split(labels, labels, bursts)
    return tuple(Fold(name, training, name, asked) for training, asked in splits)


@dataclass(frozen=True, eq=False)
class Answers:
    """What came for one fold: (pictures, labels) probabilities and (pictures,) right labels."""

    probabilities: Probabilities
    truths: NDArray[np.int64]


def ask_all(
    recipe: Recipe, seed: int, folders: dict[str, Folder], folds: Sequence[Fold]
) -> list[Answers]:
    """Fit and ask in each fold."""
    found = []
    for fold in folds:
        training = chosen_views(recipe, folders[fold.training], fold.training_indices, seed)
        asked = folders[fold.test]
        originals = asked.views[seed].is_original
        values = asked.views[seed].embeddings[originals][fold.test_indices]
        answer = recipe.fit(training)
        truths = asked.pictures.label_indices[fold.test_indices]
        found.append(Answers(answer(embedding(recipe, values)), truths))
    return found


def chosen_views(
    recipe: Recipe, folder: Folder, places: NDArray[np.int64], seed: int
) -> EmbeddedViews:
    """Embed some pictures with as many of their views as the recipe takes."""
    views = folder.views[seed]
    picture, view = np.divmod(np.arange(len(views.is_original)), VIEWS + 1)
    chosen = views.only(np.isin(picture, places) & (view <= recipe.views))
    return replace(chosen, embeddings=embedding(recipe, chosen.embeddings))


def embedding(recipe: Recipe, averages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raise averages to the recipe's power and scale them to length one, as the graph does."""
    parts = [share * averages[:, AVERAGES[name]] for name, share in recipe.pooling]
    tamed = np.concatenate(parts, axis=1) ** recipe.power  # none is negative
    return np.asarray(tamed / np.linalg.norm(tamed, axis=1, keepdims=True), dtype=np.float32)


def accuracy(answers: Sequence[Answers]) -> float:
    """The mean over folds."""
    return float(np.mean([(a.probabilities.argmax(axis=1) == a.truths).mean() for a in answers]))


def calibration_error(answers: Sequence[Answers]) -> float:
    """Expected calibration error over the answers of all folds."""
    probabilities = np.concatenate([one.probabilities for one in answers])
    truths = np.concatenate([one.truths for one in answers])
    right = probabilities.argmax(axis=1) == truths
    return expected_calibration_error(probabilities.max(axis=1), right)


def unbalanced_accuracy(
    recipe: Recipe, folders: dict[str, Folder], protocols: Sequence[Protocol], every: int
) -> float:
    """Mean recall over labels when only every fifth, say, picture of one of them is trained on."""
    found = []
    for protocol in protocols:
        if protocol.name == "few":  # nothing to take away from ten
            continue
        fold = protocol.folds[0]
        labels = folders[fold.training].pictures.label_indices[fold.training_indices]
        for rare in range(0, labels.max() + 1, 1 if labels.max() < 5 else 3):
            members = fold.training_indices[labels == rare]
            kept = np.concatenate([fold.training_indices[labels != rare], members[::every]])
            thinned = replace(fold, training_indices=np.sort(kept))
            (answers,) = ask_all(recipe, SEEDS[0], folders, [thinned])
            best = answers.probabilities.argmax(axis=1)
            found.append(balanced_accuracy_score(answers.truths, best))
    return float(np.mean(found))


def answering(head: LinearHead) -> Callable[[NDArray[np.float32]], Probabilities]:
    """Return the function that classifies with a head."""
    return lambda asked: np.asarray(softmax(head.logits(asked), axis=1))


def label_count(views: EmbeddedViews) -> int:
    """How many labels there are."""
    return int(views.label_indices.max()) + 1


def calibrated(views: EmbeddedViews, shrinkage: float = SHRINKAGE) -> LinearHead:
    """Our head with the temperature that left-out bursts give."""
    count = label_count(views)
    temperature = cross_validate(views, count, with_novelty=False).temperature
    return fit_head(views, count, shrinkage, temperature)


def ours(shrinkage: float = SHRINKAGE) -> Fit:
    """Our head."""
    return lambda views: answering(calibrated(views, shrinkage))


def without_temperature(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """Our head, its temperature taken out again."""
    head = calibrated(views)
    return answering(LinearHead(head.weights * head.temperature, head.bias * head.temperature, 1.0))


def means_of_all_views(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """Our head, to which views are pictures like any other."""
    every = np.ones_like(views.is_original)
    return answering(calibrated(replace(views, is_original=every)))


def scaled_alike(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """Our head on features that are divided by their deviation within labels."""
    labels = views.label_indices
    means = np.stack([views.embeddings[labels == i].mean(0) for i in range(label_count(views))])
    scale = (views.embeddings - means[labels]).std(axis=0) + 1e-9
    head = calibrated(replace(views, embeddings=views.embeddings / scale))
    return answering(replace(head, weights=head.weights / scale))


def chosen_shrinkage(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """Our head with the shrinkage under which left-out bursts are likeliest."""
    labels, losses = views.label_indices, {}
    for shrinkage in (0.05, 0.1, 0.2, 0.4, 0.7):
        loss = 0.0
        for training, held in StratifiedGroupKFold(3).split(labels, labels, views.bursts):
            if len(np.unique(labels[training])) < label_count(views):
                continue
            head = calibrated(views.only(np.isin(np.arange(labels.size), training)), shrinkage)
            asked = held[views.is_original[held]]
            given = answering(head)(views.embeddings[asked])
            loss -= float(np.log(given[np.arange(asked.size), labels[asked]] + 1e-12).sum())
        losses[shrinkage] = loss
    best = min(losses, key=lambda shrinkage: losses[shrinkage])
    return answering(calibrated(views, best))


def with_prior(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """Our head, which expects labels as often as they were recorded."""
    head = calibrated(views)
    prior = np.log(np.bincount(views.label_indices) / views.label_indices.size)
    return answering(replace(head, bias=head.bias + prior.astype(np.float32)))


def linear_probe(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
    """What tutorials do: standardise, logistic regression with its defaults."""
    scaler = StandardScaler()
    training = scaler.fit_transform(views.embeddings)
    probe = LogisticRegression(max_iter=2000).fit(training, views.label_indices)
    return lambda asked: np.asarray(probe.predict_proba(scaler.transform(asked)))


def logistic(class_weight: str | None = None) -> Fit:
    """Logistic regression on our embedding, as strong as did best."""

    def fit(views: EmbeddedViews) -> Callable[[NDArray[np.float32]], Probabilities]:
        probe = LogisticRegression(C=100.0, max_iter=300, tol=1e-3, class_weight=class_weight)
        probe.fit(views.embeddings, views.label_indices)
        return lambda asked: np.asarray(probe.predict_proba(asked))

    return fit


def describe(found: list[float]) -> str:
    """The mean, and half the range where there are several seeds."""
    if len(found) == 1:
        return f"{found[0]:.3f}"
    return f"{np.mean(found):.3f}+-{(max(found) - min(found)) / 2:.3f}"


if __name__ == "__main__":
    run_script(main)
