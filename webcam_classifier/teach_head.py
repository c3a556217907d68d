"""Teach a head on frozen features: no torch, a few seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from webcam_classifier.augment import ViewRange, flip_is_safe, random_view
from webcam_classifier.backbone import FrozenFeatures
from webcam_classifier.console import progress
from webcam_classifier.features import FeatureExtractor, with_unit_embedding
from webcam_classifier.frame import BgrImage
from webcam_classifier.head import EmbeddedViews, append_head, fit_head
from webcam_classifier.lesson import Lesson, Outcome
from webcam_classifier.preprocess import prepare

VIEWS = 4
"""Augmented views of each picture, besides the picture itself."""

_REACH = ViewRange(turn=8.0, scales=(0.88, 1.14), shift=0.06, gain=0.0, tint=0.0)


def teach_head(lesson: Lesson, features: FrozenFeatures) -> Outcome:
    """Fit a head on the training and validation pictures, and put it onto the graph.

    Validation pictures choose the strength of regularisation, by cross-validation over whole
    recordings of both parts together; then the head learns from both. Test pictures stay unseen.

    Args:
        lesson: What to learn from.
        features: The frozen backbone.
    """
    pictures, split = lesson.pictures, lesson.split
    chosen = np.sort(np.concatenate([split.training, split.validation]))
    flip = flip_is_safe(pictures.labels)
    views = _all_views(pictures.at(chosen).images, lesson.input_size, lesson.seed, flip)
    count = len(chosen) * (1 + VIEWS)
    graph = with_unit_embedding(features.graph)
    embeddings = FeatureExtractor(graph).embed(progress(views, "looking at views", count))
    repeated = np.repeat(chosen, 1 + VIEWS)
    embedded = EmbeddedViews(
        embeddings,
        pictures.label_indices[repeated],
        split.recordings[repeated],
        np.arange(count) % (1 + VIEWS) == 0,
    )
    head = fit_head(embedded, len(pictures.labels))
    return Outcome(
        graph=append_head(graph, head),
        mode="head",
        weights=features.source,
        details={"views": count, "temperature": head.temperature},
    )


def _all_views(images: Sequence[BgrImage], size: int, seed: int, flip: bool) -> Iterator[BgrImage]:
    """Each picture as live sees it, followed by its augmented views."""
    for index, image in enumerate(images):
        generator = np.random.default_rng((seed, index))
        yield prepare(image, size)
        for _ in range(VIEWS):
            yield random_view(image, size, generator, _REACH, flip)
