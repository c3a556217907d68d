"""Decide on a sample of a data set whether views of its pictures may be mirrored."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

import numpy as np

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.dataset.burst_numbers import number_bursts
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.head.mirroring import MirrorDecision, decide_mirroring

SAMPLE = 24
"""Pictures of each label that are embedded mirrored as well: a tenth of a second for each label."""


def check_mirroring(dataset: Dataset, embedder: Embedder) -> MirrorDecision:
    """Embed a sample of the pictures mirrored, and decide whether that makes labels look alike.

    The sample are the pictures whose content hashes come first, so that it hardly changes when
    pictures are added, and is the same in every command.

    Args:
        dataset: Whose files were read once: their content hashes are known.
        embedder: Of its pictures.
    """
    for _ in embedder.embed(_sample(dataset.by_label()), 1):
        pass
    # Those that came meanwhile, from a camera, are not read yet: another time.
    chosen = [one for one in _sample(dataset.by_label()) if one.is_embedded(1)]
    labels = tuple(sorted({picture.label for picture in chosen}))
    if len(labels) < 2:
        return MirrorDecision(mirrored=True, pairs=(), asked=0)
    ordered = sorted(chosen, key=lambda picture: picture.order)
    indices = np.array([labels.index(picture.label) for picture in ordered], dtype=np.int64)
    bits = np.array([picture.fingerprint for picture in ordered], dtype=np.bool_)
    return decide_mirroring(
        np.stack([picture.embeddings[0] for picture in ordered if picture.embeddings is not None]),
        embedder.embed_mirrored(ordered),
        indices,
        number_bursts([picture.path for picture in ordered], indices, bits),
        labels,
    )


def _sample(pictures: Mapping[str, Collection[Picture]]) -> list[Picture]:
    return [
        picture
        for own in pictures.values()
        for picture in heapq.nsmallest(
            SAMPLE,
            (one for one in own if one.is_on_disk and one.content_hash),
            key=lambda one: one.content_hash,
        )
    ]
