"""Fit a linear discriminant on embeddings, and append it to the feature graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.head.blas import one_blas_thread
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.embedding_sums import EmbeddingSums, PooledSums, pool_evenly
from webcam_classifier.model_card import BATCH_AXIS, OUTPUT_NAME

_SMALLEST_VARIANCE = 1e-7  # of a feature: what is left where all pictures are alike

SHRINKAGE = 0.2
"""How far the covariance is shrunk towards a multiple of the identity. Chosen by
benchmarks/head_recipe.py over data sets, where 0.15 to 0.3 are about as good. Choosing it by
leaving out bursts was worse: they resemble each other more than they resemble what the camera will
see next."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logits are `embedding @ weights.T + bias`; the temperature is in them already.

    Attributes:
        weights: (labels, features) float32.
        bias: (labels,) float32.
        temperature: What the logits were divided by, so that a confidence of 0.9 is right nine
            times in ten; 1 if there was nothing to fit it on.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits of embeddings.

        Args:
            embeddings: (pictures, features) float32.
        """
        return np.asarray(embeddings @ self.weights.T + self.bias)


def discriminant(
    sums: PooledSums, shrinkage: float = SHRINKAGE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a linear discriminant with a covariance shrunk towards a multiple of the identity.

    Args:
        sums: Over the training pictures; every label has one.
        shrinkage: How far, above 0, to 1.

    Returns:
        Weights (labels, features) and bias (labels,), without a temperature.
    """
    means = sums.picture_means
    covariance = sums.covariance()
    # Of pictures that are all alike, rounding alone could make the variance negative.
    variance = max(float(np.trace(covariance)) / len(covariance), 0.0) + _SMALLEST_VARIANCE
    covariance *= 1.0 - shrinkage
    covariance[np.diag_indices_from(covariance)] += shrinkage * variance
    weights = np.linalg.solve(covariance, means.T).T
    return weights, -0.5 * (weights * means).sum(axis=1)


def solve_head(sums: PooledSums, temperature: float, shrinkage: float = SHRINKAGE) -> LinearHead:
    """Fit a head: the same sums give the same head to the last bit.

    A label's mean comes from the pictures themselves, because live sees such pictures; the
    covariance comes from all views. Features are not standardised first: those that hardly vary say
    little. Labels have equal weight in both, however many pictures they have. Nothing is random,
    and nothing iterates.

    Args:
        sums: Over the training pictures; every label has one.
        temperature: What the logits are divided by.
        shrinkage: How far the covariance is shrunk towards a multiple of the identity, above 0, up
            to 1.
    """
    with one_blas_thread():
        weights, bias = discriminant(sums, shrinkage)
    return LinearHead(
        (weights / temperature).astype(np.float32),
        (bias / temperature).astype(np.float32),
        temperature,
    )


def sums_by_label(
    views: EmbeddedViews, label_count: int, chosen: NDArray[np.bool_] | None = None
) -> list[EmbeddingSums]:
    """Sum up views label by label.

    Args:
        views: Of any labels.
        label_count: How many labels there are.
        chosen: (views,) which of them; None takes all.
    """
    found = []
    for label in range(label_count):
        members = views.label_indices == label
        if chosen is not None:
            members &= chosen
        found.append(EmbeddingSums.of(views.embeddings, views.is_original, members))
    return found


def fit_head(
    views: EmbeddedViews,
    label_count: int,
    shrinkage: float = SHRINKAGE,
    temperature: float = 1.0,
) -> LinearHead:
    """Fit a head on views at once; see `solve_head`.

    Args:
        views: The training views; every label has at least one original picture among them.
        label_count: How many labels there are.
        shrinkage: How far the covariance is shrunk towards a multiple of the identity, above 0, up
            to 1.
        temperature: What the logits are divided by; `cross_validate` finds the one that calibrates
            the confidence.
    """
    sums = sums_by_label(views, label_count)
    return solve_head(pool_evenly(sums), temperature, shrinkage)


def append_head(features: onnx.ModelProto, head: LinearHead) -> onnx.ModelProto:
    """Append a head to a feature graph: one file from pixels to probabilities.

    Args:
        features: A graph whose only output is the embedding (batch, features).
        head: Fitted on that graph's embeddings.
    """
    model = onnx.ModelProto()
    model.CopyFrom(features)
    graph = model.graph
    embedding = graph.output[0].name
    graph.initializer.append(numpy_helper.from_array(head.weights, "head.weight"))
    graph.initializer.append(numpy_helper.from_array(head.bias, "head.bias"))
    gemm_inputs = [embedding, "head.weight", "head.bias"]
    graph.node.append(helper.make_node("Gemm", gemm_inputs, ["logits"], name="logits", transB=1))
    graph.node.append(
        helper.make_node("Softmax", ["logits"], [OUTPUT_NAME], name=OUTPUT_NAME, axis=-1)
    )
    del graph.output[:]
    shape: list[str | int | None] = [BATCH_AXIS, head.bias.size]
    graph.output.append(helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, shape))
    return model
