"""The accuracy that a random split would have reported, beside the one over bursts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.percentage import percentage
from webcam_classifier.report.learning_curve import right_answers

_SAME = 0.005  # accuracies that differ by less are told as the same


@dataclass(frozen=True)
class RandomSplit:
    """One kind of head, measured in two ways by cross-validation over all pictures.

    Attributes:
        apart: Accuracy with whole bursts held out, 0 to 1.
        random: Accuracy with single pictures held out, whose neighbours are in training.
        count: The number of test pictures.
        elsewhere: Accuracy on a separate test folder, trained on all of these; None without one.
        has_bursts: Whether any two pictures are of one burst; else both figures hold out the same.
        are_named: Whether names tell the bursts; else near duplicates and similar neighbours are
            taken for one.
        cut_count: Labels of a single burst, which was cut in time instead of held out.
    """

    apart: float
    random: float
    count: int
    elsewhere: float | None
    has_bursts: bool = True
    are_named: bool = True
    cut_count: int = 0

    @property
    def is_flattering(self) -> bool:
        """Whether the random split reports a higher accuracy."""
        honest = [] if self.elsewhere is None else [self.elsewhere]
        if self.has_bursts:
            honest.append(self.apart)
        return bool(honest) and self.random - min(honest) >= _SAME

    @property
    def held_back(self) -> str:
        """What was held out for the figure over bursts, such as `whole bursts`."""
        if not self.has_bursts:
            return "single pictures"
        what = "whole bursts" if self.are_named else "near duplicates and similar neighbours"
        return f"{what}, or parts of a label's only burst," if self.cut_count else what

    def describe(self) -> str:
        """What the difference means, in a sentence or two."""
        random, apart = percentage(self.random), percentage(self.apart)
        sentence = f"A random split would have reported {random}. "
        if not self.has_bursts:
            sentence += (
                "No two of these pictures seem to be of one burst, so a random split has no near "
                "duplicates on both sides."
            )
        elif self.random - self.apart < _SAME:
            sentence += f"With {self.held_back} held back it is {apart}: no difference here."
        else:
            sentence += (
                f"With {self.held_back} held back the same head reaches {apart}: the difference "
                "comes from near duplicates that it recognised."
            )
        if self.elsewhere is not None:
            sentence += f" In the other folder it is {percentage(self.elsewhere)}."
        return sentence


def compare_with_random_split(
    views: EmbeddedViews,
    elsewhere: EmbeddedViews | None,
    label_count: int,
    seed: int,
    are_named: bool,
) -> RandomSplit | None:
    """Measure heads with whole bursts held out, and with single pictures held out.

    Args:
        views: Of all pictures; each one's views stand together, the picture itself first.
        elsewhere: Views of a separate test folder.
        label_count: How many labels there are.
        seed: For the random folds; the same gives the same figures.
        are_named: Whether names tell the bursts.

    Returns:
        None if a label has a single picture, of which nothing can be held out.
    """
    pictures = np.cumsum(views.is_original) - 1
    shuffled = np.random.default_rng(seed).permutation(pictures.max() + 1)[pictures]
    apart = _cross_validated(views, views.bursts, label_count)
    random = _cross_validated(views, shuffled, label_count)
    if apart.size == 0 or random.size == 0:
        return None
    other = None
    if elsewhere is not None and elsewhere.is_original.any():
        asked = elsewhere.only(elsewhere.is_original)
        other = float(right_answers(views, asked, label_count).mean())
    bursts, labels = (values[views.is_original] for values in (views.bursts, views.label_indices))
    of_label = [len(np.unique(bursts[labels == label])) for label in range(label_count)]
    return RandomSplit(
        float(apart.mean()),
        float(random.mean()),
        apart.size,
        other,
        has_bursts=len(np.unique(bursts)) < len(bursts),
        are_named=are_named,
        cut_count=of_label.count(1),
    )


def _cross_validated(
    views: EmbeddedViews, groups: NDArray[np.int64], label_count: int
) -> NDArray[np.bool_]:
    """Classify each picture once, with a head that saw no view of its group."""
    asked, logits = left_out_logits(views, label_count, groups)
    return np.asarray(logits.argmax(axis=1) == views.label_indices[views.is_original][asked])
