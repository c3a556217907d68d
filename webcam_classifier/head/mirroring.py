"""Measure whether mirrored pictures keep their label, so that mirrored views may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.folds import fold_numbers
from webcam_classifier.head.lda import fit_head

# Chosen on five sets of real pictures and on drawn arrows, letters and turned gestures, whole and
# down to two pictures a label. Mirror images are found in two of three cases with four pictures a
# label, in nine of ten with six, always with ten. Others are taken for such in one case of six with
# ten labels of six pictures, else hardly ever. That costs a few views; to miss mirror images cost
# 25 to 40 points of accuracy with five to twenty drawings a label.
_FEWEST_PICTURES = 3  # asked about, of a label
_SHIFT = 0.6  # how far both labels go over into each other: 0 not at all, 1 wholly
_EACH_WAY = 0.2  # share of that for the label that does so less
_FEWEST_RIGHT = (
    0.5  # of a label's pictures as they are, for its mirrored ones alone to say anything
)
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
        asked: How many mirrored pictures this rests on; 0 where too few could be measured, and
            then views are mirrored.
    """

    mirrored: bool
    pairs: tuple[tuple[str, str], ...]
    asked: int

    def describe(self) -> str:
        """Describe the decision and its reason in one sentence."""
        if self.pairs:
            named = ", ".join(f"{one} and {other}" for one, other in self.pairs[:_NAMED])
            if len(self.pairs) > _NAMED:
                named += f" and {len(self.pairs) - _NAMED} more pairs"
            return (
                f"Mirrored views are not used: in a mirror {named} look like each other "
                f"({self.asked} mirrored pictures classified)."
            )
        if self.asked:
            return (
                "Mirrored views are used: no label looks like another one in a mirror "
                f"({self.asked} mirrored pictures classified)."
            )
        return (
            "Mirrored views are used: there are too few pictures to measure whether labels look "
            "the same in a mirror."
        )


def decide_mirroring(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
    labels: Sequence[str],
) -> MirrorDecision:
    """Classify mirror images with heads that have not seen the pictures' bursts.

    If the mirror image of a picture looks like another label, a mirrored view would be trained on
    under the wrong label: an arrow to the left, a b and a d. Few pictures are enough to detect two
    labels that turn into each other, by the margins between their logits: everything else about a
    picture is the same in its mirror image and cancels. A single direction, such as from `left` to
    `everything else`, needs more evidence: most mirror images of correctly classified pictures.

    The order of the pictures and the numbers of the bursts do not matter.

    Args:
        embeddings: (pictures, features) float32, of the pictures as they are.
        mirrored: (pictures, features) float32, of the same pictures mirrored; a row of NaN where
            this one was not embedded. Two dozen of each label are enough.
        label_indices: (pictures,) int64.
        bursts: (pictures,) int64: pictures of one burst have one number.
        labels: The labels' names.
    """
    order = _canonical_order(embeddings, mirrored, label_indices, bursts)
    found = _classify_left_out(
        embeddings[order],
        mirrored[order],
        label_indices[order],
        _renumbered(bursts[order]),
        len(labels),
    )
    pairs = tuple(
        (labels[one], labels[other])
        for one in range(len(labels))
        for other in range(one + 1, len(labels))
        if found.go_over(one, other) or found.goes_to(one, other) or found.goes_to(other, one)
    )
    enough = found.asked[found.asked >= _FEWEST_PICTURES]
    return MirrorDecision(not pairs, pairs, int(enough.sum()) if len(enough) > 1 else 0)


@dataclass(frozen=True, eq=False)
class _MirroredAnswers:
    """Predictions for pictures and their mirror images by heads that have not seen their bursts.

    Attributes:
        asked: (labels,) pictures of each label.
        answers: (labels, labels) how many pictures of each label, recognised as they are, go to
            which label when mirrored.
        margins: (labels, labels) the first label's logit minus the second's, summed up over
            pictures of the first.
        mirrored_margins: The same of their mirror images.
    """

    asked: NDArray[np.int64]
    answers: NDArray[np.int64]
    margins: NDArray[np.float64]
    mirrored_margins: NDArray[np.float64]

    def go_over(self, one: int, other: int) -> bool:
        """Whether each of two labels looks like the other when mirrored."""
        if min(self.asked[one], self.asked[other]) < _FEWEST_PICTURES:
            return False
        # Means, so that it does not matter how many pictures each label has.
        pairs = ((one, other), (other, one))
        margin = sum(float(self.margins[pair]) / float(self.asked[pair[0]]) for pair in pairs)
        shifts = [
            float(self.margins[pair] - self.mirrored_margins[pair]) / float(self.asked[pair[0]])
            for pair in pairs
        ]
        total = sum(shifts)  # a margin that becomes its opposite shifts by twice itself
        return margin > 0 and total >= 2 * _SHIFT * margin and min(shifts) >= _EACH_WAY * total

    def goes_to(self, one: int, other: int) -> bool:
        """Whether nearly all mirror images of a label's pictures are taken for another one."""
        right = int(self.answers[one].sum())
        if right < max(_FEWEST_ONE_WAY, _FEWEST_RIGHT * float(self.asked[one])):
            return False
        return int(self.answers[one, other]) >= _ONE_WAY * right


def _canonical_order(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Order pictures by content, label by label and burst by burst."""
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
    """Number bursts in the order in which they come."""
    numbers: dict[int, int] = {}
    found = [numbers.setdefault(burst, len(numbers)) for burst in bursts.tolist()]
    return np.array(found, dtype=np.int64)


def _classify_left_out(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
    label_count: int,
) -> _MirroredAnswers:
    """Classify pictures and their mirror images with heads that have not seen their bursts."""
    found = _MirroredAnswers(
        np.zeros(label_count, dtype=np.int64),
        np.zeros((label_count, label_count), dtype=np.int64),
        np.zeros((label_count, label_count)),
        np.zeros((label_count, label_count)),
    )
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
        logits, of_mirrored = head.logits(embeddings[chosen]), head.logits(mirrored[chosen])
        is_right = logits.argmax(axis=1) == truths
        np.add.at(found.asked, truths, 1)
        np.add.at(found.answers, (truths[is_right], of_mirrored.argmax(axis=1)[is_right]), 1)
        np.add.at(found.margins, truths, _margins(logits, truths))
        np.add.at(found.mirrored_margins, truths, _margins(of_mirrored, truths))
    return found


def _margins(logits: NDArray[np.float32], truths: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far each picture's own label is above every label, (pictures, labels)."""
    own = logits[np.arange(len(truths)), truths]
    return np.asarray(own[:, np.newaxis] - logits, dtype=np.float64)
