"""Teach a head on frozen features: no torch, a few seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.augment import ViewRange, flip_is_safe, random_view
from webcam_classifier.backbone import FrozenFeatures
from webcam_classifier.console import progress
from webcam_classifier.features import FeatureExtractor, with_unit_embedding
from webcam_classifier.frame import BgrImage
from webcam_classifier.head import EmbeddedViews, append_head, fit_head
from webcam_classifier.labelled_pictures import LabelledPictures
from webcam_classifier.lesson import Lesson, Outcome
from webcam_classifier.preprocess import prepare

VIEWS = 4
"""Augmented views of each picture, besides the picture itself."""

_REACH = ViewRange(turn=8.0, scales=(0.88, 1.14), shift=0.06, gain=0.0, tint=0.0)


def teach_head(lesson: Lesson, features: FrozenFeatures) -> Outcome:
    """Fit a head on the training and validation pictures, and put it onto the graph.

    Nothing is chosen by a held-out part, so the head learns from both: its confidence is fitted
    by leaving out each recording of theirs in turn. The head to be measured never sees the test
    pictures; a second one, fitted in a moment on all pictures, is there to be used.

    Args:
        lesson: What to learn from.
        features: The frozen backbone.
    """
    pictures, split = lesson.pictures, lesson.split
    graph = with_unit_embedding(features.graph)
    views = embed_views(pictures, split.recordings, graph, lesson.input_size, lesson.seed)
    each = len(views.is_original) // len(pictures)
    unseen = np.repeat(np.isin(np.arange(len(pictures)), split.test), each)
    measured = fit_head(views.only(~unseen), len(pictures.labels))
    final = fit_head(views, len(pictures.labels)) if unseen.any() else measured
    return Outcome(
        graph=append_head(graph, measured),
        graph_of_all=append_head(graph, final) if unseen.any() else None,
        mode="head",
        weights=features.source,
        details={"views": len(views.embeddings), "temperature": final.temperature},
    )


def embed_views(
    pictures: LabelledPictures,
    recordings: NDArray[np.int64],
    features: onnx.ModelProto,
    input_size: int,
    seed: int,
) -> EmbeddedViews:
    """Embed pictures, and augmented views of each.

    Args:
        pictures: What to look at.
        recordings: (pictures,) int64, see `Split.recordings`.
        features: A graph whose only output is the embedding.
        input_size: The side of the square that the graph takes, in pixels.
        seed: For the views.
    """
    flip = flip_is_safe(pictures.labels)
    views = _all_views(pictures.images, input_size, seed, flip)
    count = len(pictures) * (1 + VIEWS)
    embeddings = FeatureExtractor(features).embed(progress(views, "looking at views", count))
    return EmbeddedViews(
        embeddings,
        np.repeat(pictures.label_indices, 1 + VIEWS),
        np.repeat(recordings, 1 + VIEWS),
        np.arange(count) % (1 + VIEWS) == 0,
    )


def _all_views(images: Sequence[BgrImage], size: int, seed: int, flip: bool) -> Iterator[BgrImage]:
    """Each picture as live sees it, followed by its augmented views."""
    for index, image in enumerate(images):
        generator = np.random.default_rng((seed, index))
        yield prepare(image, size)
        for _ in range(VIEWS):
            yield random_view(image, size, generator, _REACH, flip)
