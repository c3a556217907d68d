"""A task's pictures as the frozen network sees them: looked at once, for all that asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.embedder import Embedder, covers, views_per_picture
from webcam_classifier.backbone.feature_graph import FeatureExtractor, with_normalised_embedding
from webcam_classifier.backbone.load import FrozenFeatures
from webcam_classifier.backbone.views import flip_is_safe
from webcam_classifier.cli.console import progress
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.split import find_bursts
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.training_task import TrainingTask
from webcam_classifier.preprocess import prepare
from webcam_classifier.report.novelty_check import strange_pictures


@dataclass(frozen=True, eq=False)
class EmbeddedDataset:
    """What the frozen network makes of a task.

    Attributes:
        features: The graph, up to the unit embedding.
        source: Where its weights came from, for the card.
        views: Of all pictures in their order, each picture's views together and the picture
            itself first.
        elsewhere: Of the pictures of another folder that is tested on, without augmented views;
            None without one. Their labels are the task's.
        strange: Of what nobody has shown on purpose, by kind: (pictures, features) float32 each.
    """

    features: onnx.ModelProto
    source: str
    views: EmbeddedViews
    elsewhere: EmbeddedViews | None
    strange: Mapping[str, NDArray[np.float32]]

    def of(self, places: NDArray[np.int64]) -> EmbeddedViews:
        """Give some pictures with their views.

        Args:
            places: Of the pictures, int64.
        """
        return self.views.only(np.isin(np.cumsum(self.views.is_original) - 1, places))


def embed_dataset(
    task: TrainingTask, frozen: FrozenFeatures, remember_in: Path | None = None
) -> EmbeddedDataset:
    """Look at all pictures of a task, and at views of those to learn from.

    Args:
        task: Its pictures.
        frozen: The frozen backbone.
        remember_in: The data set beside whose pictures it is kept what was seen; see
            `embedding_cache`.
    """
    features = with_normalised_embedding(frozen.graph)
    extractor = FeatureExtractor(features)
    size = task.input_size
    views = embed_views(task.pictures, task.split.bursts, features, size, task.seed, remember_in)
    strange = {kind: extractor.embed(found) for kind, found in strange_pictures(size).items()}
    elsewhere = None
    if task.test_pictures is not None:
        elsewhere = _embed_elsewhere(task.test_pictures, task, extractor)
    return EmbeddedDataset(features, frozen.source, views, elsewhere, strange)


def embed_views(
    pictures: LabelledPictures,
    bursts: NDArray[np.int64],
    features: onnx.ModelProto,
    input_size: int,
    seed: int,
    remember_in: Path | None = None,
) -> EmbeddedViews:
    """Embed pictures, and augmented views of each.

    Args:
        pictures: What to look at.
        bursts: (pictures,) int64, see `Split.bursts`.
        features: A graph whose only output is the embedding.
        input_size: The side of the square that the graph takes, in pixels.
        seed: For the views.
        remember_in: See `embed_dataset`.
    """
    each = views_per_picture(len(pictures))
    looker = Embedder(
        features, input_size, seed=seed, flip=flip_is_safe(pictures.labels), dataset=remember_in
    )
    hashes = pictures.content_hashes
    found = [looker.remembered(content_hash) for content_hash in hashes]
    new = [index for index, looks in enumerate(found) if not covers(looks, each)]
    for index in progress(new, "looking at pictures"):
        found[index] = looker.look(
            pictures.images[index], hashes[index], pictures.fingerprints[index], each, found[index]
        )
    if looker.cache is not None:
        looker.cache.prune(hashes)
    return EmbeddedViews(
        np.concatenate([looks.embeddings[:each] for looks in found if looks is not None]),
        np.repeat(pictures.label_indices, each),
        np.repeat(bursts, each),
        np.arange(len(pictures) * each) % each == 0,
    )


def _embed_elsewhere(
    test: LabelledPictures, task: TrainingTask, extractor: FeatureExtractor
) -> EmbeddedViews:
    prepared = (prepare(image, task.input_size) for image in test.images)
    known = task.pictures.labels
    places = np.array([known.index(label) for label in test.labels], dtype=np.int64)
    return EmbeddedViews(
        extractor.embed(prepared),
        places[test.label_indices],
        find_bursts(test.names, test.fingerprints),
        np.ones(len(test), dtype=np.bool_),
    )
