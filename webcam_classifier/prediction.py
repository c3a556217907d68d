"""A model's prediction for one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import Crop
from webcam_classifier.visible_text import visible

SURE_FROM = 0.7
"""The confidence from which a label is shown as sure; pictures below it are worth a look."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's prediction for one picture.

    >>> import numpy as np
    >>> from webcam_classifier import Prediction
    >>> prediction = Prediction(("cup", "hand"), np.array([0.25, 0.75], dtype=np.float32))
    >>> prediction.label, prediction.confidence
    ('hand', 0.75)
    >>> prediction.top(2)
    [('hand', 0.75), ('cup', 0.25)]

    Attributes:
        labels: All labels, in the model's order.
        probabilities: (labels,) float32, they sum to 1.
        unknown_score: The novelty score, 0 or more: how different the picture is from all training
            pictures; None where the model has no such score.
        unknown_threshold: The score above which the picture is unknown; None where there is none.
        names: What people call the labels; none where labels say it themselves.
        embedding: (features,) float32, the network's output that the head classifies; None for a
            model file that does not return it.
        crop: The part of the picture that the embedding is of; None is all of it.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    unknown_score: float | None = None
    unknown_threshold: float | None = None
    names: tuple[str, ...] = ()
    embedding: NDArray[np.float32] | None = None
    crop: Crop | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether it is probably of none of the labels; `label` is the likeliest all the same."""
        if self.unknown_score is None or self.unknown_threshold is None:
            return False
        return not self.unknown_score <= self.unknown_threshold  # what is not a number is unknown

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.labels[int(np.argmax(self.probabilities))]

    @property
    def shown_label(self) -> str:
        """The likeliest label as people read it."""
        return self.top_shown(1)[0][0]

    @property
    def confidence(self) -> float:
        """The probability of the likeliest label, 0 to 1."""
        return float(np.max(self.probabilities))

    def top(self, count: int) -> list[tuple[str, float]]:
        """The likeliest labels with their probabilities, 0 to 1, best first.

        Args:
            count: How many at the most.
        """
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.labels[index], float(self.probabilities[index])) for index in order]

    def top_shown(self, count: int) -> list[tuple[str, float]]:
        """As `top`, with the labels as people read them; nothing in them is hidden."""
        shown = dict(zip(self.labels, self.names or self.labels, strict=True))
        return [(visible(shown[label]), probability) for label, probability in self.top(count)]
