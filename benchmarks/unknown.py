"""What is called unknown: what live shows at the default threshold, and how the score was chosen.

    $ python -m benchmarks.unknown DATA --cache /tmp/embeddings
    $ python -m benchmarks.unknown DATA --only shares

benchmarks/protocols.py says what DATA holds; `masks` and `flowers` are asked about where they are
there. The first table is of benchmarks/unknown_shares.py. The second tells pictures of no label
from new ones of known labels with any score. In it a third of each label's pictures, the last ones
of its recording or the subjects of a third, is held out as known. Unknown are the pictures of a
label that was left out, each in turn, and with all labels trained on the other data sets, noise,
and a covered lens. Each cell is the AUROC, and the share of unknown pictures that pass for known
where 95 % of the held-out known ones do.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.protocols import DIGITS, FOLDERS, ROOMS, THUMBS, load_folders
from benchmarks.unknown_shares import PHOTOGRAPHS, Folder, print_shares
from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.load import DEFAULT_BACKBONE, Backbone, load_backbone
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.evaluation.ood_pictures import ood_pictures
from webcam_classifier.head.cross_validation import fit_calibrated
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.embedded_views import EmbeddedViews

SIZE = 224  # pixels
COLUMNS = ("thumbs", "rps", "digits", "empty room", "other data", "noise", "covered lens")
ACROSS = ("thumbs, other person", "rps, other room")
PRINCIPAL = 64  # directions that the residual leaves out

Values = NDArray[np.float32]
Scores = NDArray[np.floating]
_LEFT_DIGITS = ("1", "4", "7")  # of ten: the rest takes long and says the same


@dataclass(frozen=True, eq=False)
class Question:
    """Something to tell apart.

    Attributes:
        column: Where it counts.
        training: What is known, labels from 0 up.
        known: New pictures of known labels, (pictures, features).
        unknown: Pictures of none.
    """

    column: str
    training: EmbeddedViews
    known: Values
    unknown: Values


def main() -> None:
    """Embed everything, ask every method everything, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="for the views (default: %(default)s)")
    parser.add_argument("--only", choices=("shares", "scores"), help="one of both tables")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where embeddings are kept from run to run"
    )
    options = parser.parse_args()
    pictures = load_folders(options.data, SIZE)
    for name in PHOTOGRAPHS:
        if (options.data / name).is_dir():
            pictures[name] = load_labelled_pictures(options.data / name, SIZE)
    backbone = load_backbone(DEFAULT_BACKBONE, "auto", SIZE)
    folders = {
        name: embed_cached(found, backbone, options.seed, options.cache)
        for name, found in pictures.items()
    }
    out_of_distribution = {
        kind: FeatureExtractor(backbone.features).embed(drawn)
        for kind, drawn in ood_pictures(SIZE).items()
    }
    if options.only != "scores":
        known = {
            name: Folder(found.labels, found.names, folders[name])
            for name, found in pictures.items()
        }
        print_shares(known, out_of_distribution, f"seed {options.seed}")
    if options.only != "shares":
        print_scores(pictures, folders, out_of_distribution)


def embed_cached(
    pictures: LabelledPictures, backbone: Backbone, seed: int, cache: Path | None
) -> EmbeddedViews:
    """Embed pictures, or take what was kept of the same pictures, network and seed."""
    described = f"{pictures.data_hash} {backbone.source} {backbone.input_size} {seed}"
    key = hashlib.sha256(described.encode()).hexdigest()[:24]
    place = None if cache is None else cache / f"{key}.npz"
    if place is not None and place.is_file():
        with np.load(place) as kept:
            return EmbeddedViews(**kept)
    views = embed_labelled_pictures(pictures, backbone, seed=seed).views
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        np.savez(place, **dataclasses.asdict(views))
    return views


def print_scores(
    pictures: dict[str, LabelledPictures],
    folders: dict[str, EmbeddedViews],
    out_of_distribution: dict[str, Values],
) -> None:
    """Ask every score everything, and print the table."""
    cells: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for question in questions(pictures, folders, out_of_distribution):
        asked = np.concatenate([question.known, question.unknown])
        for name, scores in all_scores(question.training, asked).items():
            found = judge(scores[: len(question.known)], scores[len(question.known) :])
            cells[name][question.column].append(found)
    columns = (*COLUMNS, *ACROSS)
    print("| score | " + " | ".join(columns) + " | label left out |")
    for name, row in cells.items():
        means = [np.mean(row[column], axis=0) for column in columns]
        left_out = np.mean([mean[0] for mean in means[:4]])
        shown = " | ".join(f"{auroc:.3f} / {accepted:.2f}" for auroc, accepted in means)
        print(f"| {name} | {shown} | {left_out:.3f} |")


def judge(known: Scores, unknown: Scores) -> tuple[float, float]:
    """Return the AUROC, and the share of the unknown that pass where 95 % of the known do."""
    truths = np.repeat([0, 1], [len(known), len(unknown)])
    auroc = float(roc_auc_score(truths, np.concatenate([known, unknown])))
    return auroc, float((unknown <= np.quantile(known, 0.95)).mean())


def questions(
    pictures: dict[str, LabelledPictures],
    folders: dict[str, EmbeddedViews],
    out_of_distribution: dict[str, Values],
) -> Iterator[Question]:
    """Yield every question."""
    for name in FOLDERS:
        views, labels = folders[name], pictures[name].labels
        held_out = np.repeat(
            last_third(pictures[name], name), len(views.is_original) // len(pictures[name])
        )
        short = "digits" if name == DIGITS else "thumbs" if name in THUMBS else "rps"
        for left, label in enumerate(labels):
            if name == DIGITS and label not in _LEFT_DIGITS:
                continue
            is_left = views.label_indices == left
            training = without(views.only(~held_out & ~is_left), left)
            known = views.embeddings[held_out & views.is_original & ~is_left]
            unknown = views.embeddings[is_left & views.is_original]
            yield Question("empty room" if label == "none" else short, training, known, unknown)
            if name != DIGITS:
                pair = THUMBS if name in THUMBS else ROOMS
                other = folders[pair[1 - pair.index(name)]]
                new = other.is_original & (other.label_indices != left)
                whole = without(views.only(~is_left), left)
                gone = other.is_original & (other.label_indices == left)
                column = ACROSS[0] if name in THUMBS else ACROSS[1]
                yield Question(column, whole, other.embeddings[new], other.embeddings[gone])
        training, known = views.only(~held_out), views.embeddings[held_out & views.is_original]
        kind = name.split("/")[0]
        others = [folders[key] for key in FOLDERS if key.split("/")[0] != kind]
        embeddings = np.concatenate([each.embeddings[each.is_original][::2] for each in others])
        yield Question("other data", training, known, embeddings)
        for column, drawn in out_of_distribution.items():
            yield Question(column, training, known, drawn)


def last_third(pictures: LabelledPictures, name: str) -> NDArray[np.bool_]:
    """The end of each label's recording, or the subjects whose number three divides."""
    if name == DIGITS:
        subjects = [int(Path(file).stem.split("_")[1]) for file in pictures.names]
        return np.asarray(np.array(subjects) % 3 == 0)
    held_out = np.zeros(len(pictures), dtype=np.bool_)
    for label in range(len(pictures.labels)):
        members = np.flatnonzero(pictures.label_indices == label)
        held_out[members[-(members.size // 3) :]] = True
    return held_out


def without(views: EmbeddedViews, left: int) -> EmbeddedViews:
    """Number the labels again where one is missing."""
    labels = views.label_indices - (views.label_indices > left)
    return EmbeddedViews(views.embeddings, labels, views.bursts, views.is_original)


def all_scores(training: EmbeddedViews, asked: Values) -> dict[str, Scores]:
    """Return every method's scores, higher for what is less known."""
    label_count = int(training.label_indices.max()) + 1
    head, novelty = fit_calibrated(training, label_count)
    distances = novelty.distances(asked)
    logits = head.logits(asked)
    energy = -logsumexp(logits, axis=1)
    found: dict[str, Scores] = {
        "1 - largest probability": 1 - softmax(logits, axis=1).max(axis=1),
        "largest logit": -logits.max(axis=1),
        "energy": energy,
    }
    whiten, means = whitening(training, label_count)
    white, seen = whiten(asked), whiten(training.embeddings)
    mahalanobis = ((white[:, np.newaxis] - means) ** 2).sum(axis=2).min(axis=1)
    spread = PCA(whiten=True, svd_solver="covariance_eigh").fit(seen)
    kept = spread.explained_variance_ > 0.1  # of one, that of directions within labels
    overall = (spread.transform(white)[:, kept] ** 2).sum(axis=1)
    found |= {"Mahalanobis": mahalanobis, "relative Mahalanobis": mahalanobis - overall}
    for count in (1, 5, 10):
        found[f"neighbour {count}"] = neighbour(training.embeddings, asked, count)
        found[f"neighbour {count}, whitened"] = neighbour(seen, white, count)
        found[f"neighbour {count}, whitened, cosine"] = neighbour(unit(seen), unit(white), count)
    residual = outside(training.embeddings)
    lost, own = residual(asked), residual(training.embeddings)
    own_logits = head.logits(training.embeddings).max(axis=1)
    found["residual"] = lost
    found["ViM"] = np.abs(own_logits).mean() / own.mean() * lost + energy
    found["ours: nearest snapshot between labels"] = distances[:, 0]
    found["ours: nearest centre of embeddings"] = distances[:, 1]
    found["ours: both"] = novelty.scores(asked)
    return found


def whitening(
    training: EmbeddedViews, label_count: int
) -> tuple[Callable[[Values], Scores], Scores]:
    """Return the whitening transform of the within-label covariance, and the whitened means."""
    values, labels = training.embeddings.astype(np.float64), training.label_indices
    means = np.stack([values[labels == label].mean(axis=0) for label in range(label_count)])
    residuals = values - means[labels]
    covariance = residuals.T @ residuals / len(residuals)
    variance = np.trace(covariance) / len(covariance)
    sizes, directions = np.linalg.eigh(0.8 * covariance + 0.2 * variance * np.eye(len(covariance)))
    matrix = directions / np.sqrt(sizes)
    middle = means.mean(axis=0)
    return lambda asked: (asked - middle) @ matrix, (means - middle) @ matrix


def neighbour(bank: Scores, asked: Scores, count: int) -> Scores:
    """The distance to the neighbour of that number."""
    found, _ = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(bank).kneighbors(asked)
    return np.asarray(found[:, -1])


def outside(seen: Values) -> Callable[[Values], Scores]:
    """Return the length of what the principal directions don't explain."""
    principal = PCA(PRINCIPAL, svd_solver="covariance_eigh").fit(seen)

    def length(asked: Values) -> Scores:
        explained = principal.inverse_transform(principal.transform(asked))
        return np.asarray(np.linalg.norm(asked - explained, axis=1))

    return length


def unit(values: Scores) -> Scores:
    """Scale to length one."""
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


if __name__ == "__main__":
    run_script(main)
