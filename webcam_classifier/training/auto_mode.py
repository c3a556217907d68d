"""Choose how to train: by the number of pictures, the accuracy of frozen features, and the time.

The four cases are those of Stanford's course CS231n, "Transfer Learning": few or many pictures,
similar or dissimilar to what the network was pretrained on. Similarity is measured: by the accuracy
of a head on frozen features, on left-out bursts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from webcam_classifier.percentage import percentage

DEFAULT_MINUTES = 3.0
"""Time for training if the user sets no limit, and there is something to gain."""

MANY_PICTURES = 500
"""Pictures of a label from which on there are enough to train features rather than only use
them."""

GOOD_FROZEN_ACCURACY = 0.9
"""Chance-corrected accuracy of a head from which on frozen features are good enough."""

_MANY_FOR_SCRATCH = 5000  # of a label: ImageNet itself has about 1200, with pretrained ones to gain
_POOR_FROZEN_ACCURACY = 0.5  # chance-corrected; below, pretrained features may be no help at all
_FEWEST_EPOCHS = 3  # fewer hardly move a network away from the head that it starts as
_SCRATCH_EPOCHS = 30
_SHARE_FOR_TRAINING = 0.9  # of the time; the rest exports and measures


@dataclass(frozen=True)
class Choice:
    """How to train, and why.

    Attributes:
        mode: A head on frozen features, fine-tuned layers, or layers trained from scratch.
        epochs: Passes over the pictures, if layers are trained; else 0.
        reason: One sentence for the user.
    """

    mode: Literal["head", "finetune", "scratch"]
    epochs: int
    reason: str


def chance_corrected_accuracy(accuracy: float, label_count: int) -> float:
    """Rescale an accuracy: 0 is chance or worse, 1 is always right.

    Args:
        accuracy: 0 to 1.
        label_count: How many labels there are, at least 2.
    """
    chance = 1.0 / label_count
    return max(0.0, (accuracy - chance) / (1.0 - chance))


def choose(
    pictures_per_label: float,
    frozen_accuracy: float | None,
    time_epoch: Callable[[], float] | None,
    minutes: float | None,
    default_epochs: int,
) -> Choice:
    """Choose how to train.

    Args:
        pictures_per_label: The mean number of training pictures.
        frozen_accuracy: Chance-corrected, of a head on frozen features, on bursts that were left
            out, 0 to 1; None if it could not be measured.
        time_epoch: Measures how many seconds one pass over the pictures takes on this machine; only
            called if it matters. None if torch is not installed.
        minutes: Time limit set by the user. None if there is none; then layers are trained only if
            there is something to gain.
        default_epochs: Of fine-tuning, where there is time enough.
    """
    is_many = pictures_per_label >= MANY_PICTURES
    is_good = frozen_accuracy is not None and frozen_accuracy >= GOOD_FROZEN_ACCURACY
    found = f"{'many' if is_many else 'few'} training pictures ({pictures_per_label:.0f} a label)"
    if frozen_accuracy is None:
        found += ", too few to measure how good frozen features are"
    else:
        found += (
            f", on which frozen features {'are good enough' if is_good else 'may not be enough'} "
            f"(chance-corrected accuracy {percentage(frozen_accuracy, 0)})"
        )
    may_gain = is_many or (frozen_accuracy is not None and not is_good)
    if minutes is None and not may_gain:
        more = "" if time_epoch is None else "; --minutes 3 would try fine-tuning too"
        return Choice("head", 0, f"{found}: a head{more}")
    if time_epoch is None:
        return Choice(
            "head", 0, f"{found}: a head; fine-tuning needs torch, which is not installed"
        )
    per_epoch = time_epoch()
    seconds = 60.0 * (DEFAULT_MINUTES if minutes is None else minutes) * _SHARE_FOR_TRAINING
    affordable = int(seconds / per_epoch)
    is_poor = frozen_accuracy is not None and frozen_accuracy < _POOR_FROZEN_ACCURACY
    if is_poor and pictures_per_label >= _MANY_FOR_SCRATCH and affordable >= _SCRATCH_EPOCHS:
        return Choice("scratch", _SCRATCH_EPOCHS, f"{found}: all layers from scratch")
    epochs = min(default_epochs, affordable)
    if epochs < min(_FEWEST_EPOCHS, default_epochs):
        needed = math.ceil(default_epochs * per_epoch / 60.0 / _SHARE_FOR_TRAINING)
        return Choice(
            "head", 0, f"{found}: a head; fine-tuning would need about --minutes {needed}"
        )
    reason = f"{found}: fine-tuning, {epochs} epochs in about {epochs * per_epoch:.0f} s"
    return Choice("finetune", epochs, reason)
