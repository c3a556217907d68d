"""The epochs so far: which is the best, whether to stop, and what is reported of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from webcam_classifier import progress

_ROUNDING = 1e-6  # of an accuracy in 32 bits


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch. Epoch 0 is the network with only its head fitted.

    Attributes:
        number: From 0.
        training_loss: Mean over the views; NaN for epoch 0.
        validation_loss: Cross entropy; NaN without validation pictures.
        validation_accuracy: 0 to 1; NaN without validation pictures.
        seconds: Of training since its start, those before a resumption included.
    """

    number: int
    training_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


def is_best(history: Sequence[Epoch], best: Epoch | None) -> bool:
    """Whether the last epoch is the best so far.

    More right answers win; of equals, the latest. Without validation pictures every epoch does.

    Args:
        history: At least one.
        best: Of those before the last.
    """
    if best is None:
        return True
    return not history[-1].validation_accuracy < best.validation_accuracy


def is_as_good_as_the_best(history: Sequence[Epoch], count: int) -> bool:
    """Whether the last epoch is the best of training, but for noise.

    A rate that falls towards the end makes the last steps the best ones, and single pictures say
    nothing against it: an epoch has to be worse by more than one standard error (L. Breiman et
    al., "Classification and Regression Trees", 1984). The start, epoch 0, is not compared with.

    Args:
        history: At least one.
        count: Of validation pictures; without any every epoch is.
    """
    trained = [epoch.validation_accuracy for epoch in history if epoch.number > 0]
    if count == 0 or not trained:
        return True
    share = (max(trained) * count + 1.0) / (count + 2.0)  # an accuracy of 1 has noise too
    noise = max(1.0 / count, math.sqrt(share * (1.0 - share) / count))
    return trained[-1] >= max(trained) - noise - _ROUNDING


def is_out_of_patience(history: Sequence[Epoch], patience: int | None) -> bool:
    """Whether the validation loss has not fallen for as many epochs as patience lasts.

    Args:
        history: All epochs so far.
        patience: In epochs; None never runs out, nor does any without validation pictures.
    """
    losses = [epoch.validation_loss for epoch in history]
    if patience is None or not losses or math.isnan(losses[-1]):
        return False
    return len(losses) - 1 - losses.index(min(losses)) >= patience


def epoch_event(history: Sequence[Epoch], epochs: int) -> progress.Epoch:
    """The progress event of the last epoch.

    Args:
        history: At least one.
        epochs: How many there are going to be at the most.
    """
    epoch = history[-1]
    left = None
    if len(history) > 1:
        left = (epoch.seconds - history[0].seconds) / (len(history) - 1)
        left *= epochs - epoch.number
    return progress.Epoch(
        number=epoch.number,
        epochs=epochs,
        training_loss=_or_none(epoch.training_loss),
        validation_loss=_or_none(epoch.validation_loss),
        validation_accuracy=_or_none(epoch.validation_accuracy),
        seconds=epoch.seconds,
        seconds_left=left,
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
