"""Choose how to teach: by how much there is to learn from, how alike to ImageNet, and the time.

The four cases are those of Stanford's course CS231n, "Transfer Learning": few or many pictures,
like or unlike what the network was pretrained on. Likeness is not asked but measured: by how well
the frozen network's features tell the labels apart on recordings that were left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

DEFAULT_MINUTES = 3.0
"""What training may take where the user names no time, and something is measured to be gained."""

MANY_PICTURES = 500
"""Of a label, from which on there is enough to move features rather than only use them."""

ALIKE = 0.9
"""Likeness from which on frozen features do."""

_MANY_FOR_SCRATCH = 5000  # of a label: ImageNet itself has about 1200, with pretrained ones to gain
_STRANGE = 0.5  # chance_corrected_accuracy below which pretrained features may be no help at all
_FEWEST_EPOCHS = 3  # fewer hardly move a network away from the head that it starts as
_SCRATCH_EPOCHS = 30
_SHARE_FOR_TRAINING = 0.9  # of the time; the rest exports and measures


@dataclass(frozen=True)
class Choice:
    """How to teach, and why.

    Attributes:
        mode: A head on frozen features, fine-tuned layers, or layers trained from scratch.
        epochs: Passes over the pictures, where layers are trained; else 0.
        reason: One sentence for the user.
    """

    mode: Literal["head", "finetune", "scratch"]
    epochs: int
    reason: str


def chance_corrected_accuracy(accuracy: float, label_count: int) -> float:
    """Give how much better than chance an accuracy is: 0 is chance or worse, 1 always right.

    Args:
        accuracy: 0 to 1.
        label_count: How many labels there are, at least 2.
    """
    chance = 1.0 / label_count
    return max(0.0, (accuracy - chance) / (1.0 - chance))


def choose(
    pictures_per_label: float,
    alike: float | None,
    time_epoch: Callable[[], float] | None,
    minutes: float | None,
    default_epochs: int,
) -> Choice:
    """Choose how to teach.

    Args:
        pictures_per_label: How many there are to learn from, in the mean.
        alike: The `likeness`; None where it could not be measured.
        time_epoch: Measures how many seconds one pass over the pictures takes on this machine; not
            called where nothing depends on it. None where torch is not installed.
        minutes: The time that the user gives; None where none was named, and then time is taken
            only where something is measured to be gained.
        default_epochs: Of fine-tuning, where there is time enough.
    """
    is_many = pictures_per_label >= MANY_PICTURES
    found = f"{'many' if is_many else 'few'} pictures ({pictures_per_label:.0f} a label)"
    if alike is None:
        found += ", too few to measure how they suit the pretrained network"
    else:
        does = "suit" if alike >= ALIKE else "hardly suit"
        found += f" that {does} the pretrained network ({alike:.2f} of 1 with frozen features)"
    may_gain = is_many or (alike is not None and alike < ALIKE)
    if minutes is None and not may_gain:
        more = "" if time_epoch is None else "; with --minutes 3 it would try fine-tuning as well"
        return Choice("head", 0, f"{found}: a head{more}")
    if time_epoch is None:
        return Choice("head", 0, f"{found}: a head; torch, which fine-tuning needs, is missing")
    per_epoch = time_epoch()
    seconds = 60.0 * (DEFAULT_MINUTES if minutes is None else minutes) * _SHARE_FOR_TRAINING
    affordable = int(seconds / per_epoch)
    is_strange = alike is not None and alike < _STRANGE
    if is_strange and pictures_per_label >= _MANY_FOR_SCRATCH and affordable >= _SCRATCH_EPOCHS:
        return Choice("scratch", _SCRATCH_EPOCHS, f"{found}: all layers from scratch")
    epochs = min(default_epochs, affordable)
    if epochs < min(_FEWEST_EPOCHS, default_epochs):
        needed = math.ceil(default_epochs * per_epoch / 60.0 / _SHARE_FOR_TRAINING)
        return Choice(
            "head", 0, f"{found}: a head; fine-tuning would need about --minutes {needed}"
        )
    reason = f"{found}: fine-tuning, {epochs} epochs in about {epochs * per_epoch:.0f} s"
    return Choice("finetune", epochs, reason)
