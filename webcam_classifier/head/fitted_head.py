"""A head that classifies embeddings: the labels, the linear layer, and the novelty score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.head.lda import LinearHead, append_head
from webcam_classifier.head.novelty import UNKNOWN_THRESHOLD, Novelty, append_novelty
from webcam_classifier.prediction import Prediction


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head for some labels; immutable, so a new one replaces it.

    Attributes:
        labels: Two or more, in the order of the head.
        linear: Fitted on embeddings of these labels.
        novelty: Detects what is none of them; None before it is fitted.
    """

    labels: tuple[str, ...]
    linear: LinearHead
    novelty: Novelty | None

    def answer(self, embedding: NDArray[np.float32]) -> Prediction:
        """The prediction that a model file with this head would make.

        Args:
            embedding: (features,) float32, normalised.
        """
        row = embedding[np.newaxis]
        logits = self.linear.logits(row)[0]
        likelihoods = np.exp(logits - logits.max())
        score = None if self.novelty is None else float(self.novelty.scores(row)[0])
        return Prediction(
            self.labels,
            np.asarray(likelihoods / likelihoods.sum(), dtype=np.float32),
            score,
            None if score is None else UNKNOWN_THRESHOLD,
            embedding=embedding,
        )

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits of normalised embeddings: (pictures, features) to (pictures, labels)."""
        return self.linear.logits(embeddings)

    def on(self, features: onnx.ModelProto) -> onnx.ModelProto:
        """Put the head onto a feature graph: from pixels to probabilities and the novelty score.

        Args:
            features: A graph whose only output is the embedding that the head was fitted on.
        """
        graph = append_head(features, self.linear)
        return graph if self.novelty is None else append_novelty(graph, self.novelty)
