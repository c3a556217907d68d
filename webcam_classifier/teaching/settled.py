"""What takes more than a moment to find out: how sure the head is, how right, what is unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from webcam_classifier.dataset.split import Split, split_pictures
from webcam_classifier.evaluation.metrics import evaluate_answers
from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.discriminant import fit_head
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.novelty import Novelty, fit_novelty
from webcam_classifier.teaching.known_pictures import KnownPicture
from webcam_classifier.teaching.state import LearntAccuracy

USUAL_TEMPERATURE = 70.0
"""Of a head, about, before there is something to fit it on: hands gave 50 to 100."""


@dataclass(frozen=True, eq=False)
class Settled:
    """What was found out about all pictures that were settled at a moment.

    Attributes:
        pictures: Those.
        temperature: Of the head, fitted on recordings that were left out where that can be.
        novelty: The score of the unknown, likewise.
        accuracy: Cross-validated; None where a label has a single picture.
    """

    pictures: frozenset[KnownPicture]
    temperature: float
    novelty: Novelty
    accuracy: LearntAccuracy | None


def settle(pictures: Mapping[str, Collection[KnownPicture]], looks: int) -> Settled | None:
    """Find out what `train.py --mode head` would find out about the same pictures.

    Args:
        pictures: By label; those that are not settled are left out.
        looks: At each.

    Returns:
        None with fewer than two labels.
    """
    settled = {
        label: [picture for picture in found if picture.is_settled(looks)]
        for label, found in pictures.items()
    }
    labels = tuple(sorted(label for label, found in settled.items() if found))
    if len(labels) < 2:
        return None
    ordered = [
        picture
        for label in labels
        for picture in sorted(settled[label], key=lambda picture: picture.name.split("/"))
    ]
    indices = np.array([labels.index(picture.label) for picture in ordered], dtype=np.int64)
    names = [f"{picture.label}/{picture.name}" for picture in ordered]
    fingerprints = np.array([picture.fingerprint for picture in ordered], dtype=np.bool_)
    split = split_pictures(names, indices, labels, fingerprints)
    seen = [picture.embeddings for picture in ordered if picture.embeddings is not None]
    views = EmbeddedViews(
        np.concatenate([embeddings[:looks] for embeddings in seen]),
        np.repeat(indices, looks),
        np.repeat(split.bursts, looks),
        np.arange(len(ordered) * looks) % looks == 0,
    )
    accuracy = _accuracy(views, labels, split)
    return Settled(
        frozenset(ordered),
        USUAL_TEMPERATURE if accuracy is None else fit_head(views, len(labels)).temperature,
        fit_novelty(views, len(labels)),
        accuracy,
    )


def _accuracy(views: EmbeddedViews, labels: tuple[str, ...], split: Split) -> LearntAccuracy | None:
    asked, logits = left_out_logits(views, len(labels))
    if not asked.size:
        return None
    truths = views.label_indices[views.is_original][asked]
    evaluation = evaluate_answers(labels, truths, logits.argmax(axis=1))
    low, high = evaluation.interval
    return LearntAccuracy(
        value=evaluation.accuracy,
        low=low,
        high=high,
        count=evaluation.count,
        rests_on=_rests_on(split, labels),
        labels=labels,
        confusion=tuple(tuple(row) for row in evaluation.confusion.tolist()),
    )


def _rests_on(split: Split, labels: tuple[str, ...]) -> str:
    """Say what kept the pictures that were asked about apart from those learnt from."""
    if set(split.cut_labels) == set(labels):
        return "the very recordings that it learnt from, cut in time: record each label again"
    kept_apart = "recordings that were left out in turn"
    if not split.are_named:
        kept_apart = "pictures without a near copy in what was learnt"
    if split.cut_labels:
        cut = ", ".join(split.cut_labels)
        return f"{kept_apart}, but for {cut}: the same recording, cut in time"
    return kept_apart
