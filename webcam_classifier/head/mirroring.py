"""Measure whether a mirrored picture keeps its label, so that mirrored views may be learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.discriminant import fit_head
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.folds import fold_numbers

_FEWEST_RIGHT = 0.5  # of a label's pictures as they are, for its mirrored ones to say anything
# Chosen on five sets of real pictures and on drawn arrows, letters and turned gestures. Of labels
# that are mirror images, 87 to 100 % of the mirrored pictures go to the other one, else at most
# 20 %. From eight pictures a label on, mirror images are found nine times in ten.
_MUTUAL = 0.6  # share of both labels' mirrored pictures that go to the other label
_EACH_WAY = 1 / 3  # the same of each of the two labels
_FEWEST_MUTUAL = 3  # pictures that do so
_ONE_WAY = 0.75  # share of one label's mirrored pictures, where the other's stay what they are
_FEWEST_ONE_WAY = 6  # pictures to take the share of
_NAMED = 3  # pairs in a sentence


@dataclass(frozen=True)
class MirrorDecision:
    """Whether views may be mirrored.

    Attributes:
        mirrored: Whether a mirrored picture keeps its label.
        pairs: Labels of which the mirrored pictures look like the other label, in the order of
            the labels.
        asked: How many mirrored pictures this rests on; 0 where nothing could be measured, and
            then views are mirrored.
    """

    mirrored: bool
    pairs: tuple[tuple[str, str], ...]
    asked: int

    def describe(self) -> str:
        """Say in one sentence what is done, and why."""
        if self.pairs:
            named = ", ".join(f"{one} and {other}" for one, other in self.pairs[:_NAMED])
            if len(self.pairs) > _NAMED:
                named += f" and {len(self.pairs) - _NAMED} more pairs"
            return (
                f"Views are not mirrored: in a mirror {named} look like each other "
                f"({self.asked} mirrored pictures classified)."
            )
        if self.asked:
            return (
                "Views are mirrored as well: no label looks like another one in a mirror "
                f"({self.asked} mirrored pictures classified)."
            )
        return (
            "Views are mirrored as well: there are too few pictures to measure whether labels look "
            "like each other in a mirror."
        )


def decide_mirroring(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
    labels: Sequence[str],
) -> MirrorDecision:
    """Ask heads that have not seen a picture's recording what its mirror image shows.

    Where a picture itself is recognised and its mirror image is taken for another label, a
    mirrored view would teach that label's look under the wrong name: an arrow to the left, a b
    and a d. Two labels that go over into each other settle it with few pictures; of a single
    direction, as from `left` to `everything else`, more are asked for.

    The order of the pictures and the numbers of the recordings do not matter.

    Args:
        embeddings: (pictures, features) float32, of the pictures as they are.
        mirrored: (pictures, features) float32, of the same pictures mirrored; a row of NaN where
            this one was not embedded. Two dozen of each label are enough.
        label_indices: (pictures,) int64.
        bursts: (pictures,) int64: pictures of one recording have one number.
        labels: The labels' names.
    """
    order = _canonical_order(embeddings, mirrored, label_indices, bursts)
    answers, asked = _mirrored_answers(
        embeddings[order],
        mirrored[order],
        label_indices[order],
        _renumbered(bursts[order]),
        len(labels),
    )
    right = answers.sum(axis=1)
    is_known = (asked > 0) & (right >= _FEWEST_RIGHT * asked)
    pairs = tuple(
        (labels[one], labels[other])
        for one in range(len(labels))
        for other in range(one + 1, len(labels))
        if _look_alike(answers, right, is_known, one, other)
    )
    return MirrorDecision(not pairs, pairs, int(asked.sum()))


def _canonical_order(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Order pictures by content, label by label and recording by recording."""
    contents = [
        one.tobytes() + other.tobytes() for one, other in zip(embeddings, mirrored, strict=True)
    ]
    of_burst: dict[int, bytes] = {}
    for burst, content in zip(bursts.tolist(), contents, strict=True):
        of_burst[burst] = min(content, of_burst.get(burst, content))
    keys = [
        (label, of_burst[burst], content)
        for label, burst, content in zip(
            label_indices.tolist(), bursts.tolist(), contents, strict=True
        )
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def _renumbered(bursts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number recordings in the order in which they come."""
    numbers: dict[int, int] = {}
    found = [numbers.setdefault(burst, len(numbers)) for burst in bursts.tolist()]
    return np.array(found, dtype=np.int64)


def _mirrored_answers(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
    label_count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classify mirrored pictures with heads that have not seen their recordings.

    Returns:
        (labels, labels) how many pictures of each label, recognised as they are, go to which label
        when mirrored; and (labels,) how many were asked about, recognised or not.
    """
    answers = np.zeros((label_count, label_count), dtype=np.int64)
    asked = np.zeros(label_count, dtype=np.int64)
    views = EmbeddedViews(
        embeddings, label_indices, bursts, np.ones(len(label_indices), dtype=np.bool_)
    )
    is_embedded = ~np.isnan(mirrored).any(axis=1)
    folds = fold_numbers(views, label_count)
    for fold in range(folds.max(initial=-1) + 1):
        learnt = views.only(folds != fold)
        chosen = (folds == fold) & is_embedded
        if not chosen.any() or len(np.unique(learnt.label_indices)) < label_count:
            continue  # all pictures of a label are in this fold: it can't be asked
        head = fit_head(learnt, label_count, temperature=1.0)
        truths = label_indices[chosen]
        is_right = head.logits(embeddings[chosen]).argmax(axis=1) == truths
        found = head.logits(mirrored[chosen]).argmax(axis=1)
        np.add.at(asked, truths, 1)
        np.add.at(answers, (truths[is_right], found[is_right]), 1)
    return answers, asked


def _look_alike(
    answers: NDArray[np.int64],
    right: NDArray[np.int64],
    is_known: NDArray[np.bool_],
    one: int,
    other: int,
) -> bool:
    """Tell whether one of two labels, or each, looks like the other one when mirrored."""
    there, back = int(answers[one, other]), int(answers[other, one])
    of_one, of_other = int(right[one]), int(right[other])
    if is_known[one] and of_one >= _FEWEST_ONE_WAY and there >= _ONE_WAY * of_one:
        return True
    if is_known[other] and of_other >= _FEWEST_ONE_WAY and back >= _ONE_WAY * of_other:
        return True
    return bool(
        is_known[one]
        and is_known[other]
        and there + back >= max(_FEWEST_MUTUAL, _MUTUAL * (of_one + of_other))
        and there >= _EACH_WAY * of_one
        and back >= _EACH_WAY * of_other
    )
