"""Fit a linear classifier on embeddings, and put it onto the feature graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.model_selection import StratifiedGroupKFold

from webcam_classifier.calibration import fit_temperature
from webcam_classifier.model import BATCH_AXIS, OUTPUT_NAME

_FOLDS = 5
_SMALLEST_DEVIATION = 1e-9  # of a feature that never changes, to divide by

DEPENDENCE = 8.0
"""How many times Ledoit and Wolf's shrinkage is taken. Their estimate holds for independent
samples; views of one picture and frames of one recording are not, so it is far too small for them.
Chosen by benchmarks/head_recipe.py, where 4 to 16 are about as good."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logits are `embedding @ weights.T + bias`; the temperature is in them already.

    Attributes:
        weights: (labels, features) float32.
        bias: (labels,) float32.
        temperature: What the logits were divided by, so that a confidence of 0.9 is right nine
            times in ten; 1 where there was nothing to fit it on.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the logits of embeddings.

        Args:
            embeddings: (pictures, features) float32.
        """
        return np.asarray(embeddings @ self.weights.T + self.bias)


@dataclass(frozen=True, eq=False)
class EmbeddedViews:
    """Embeddings of pictures and of augmented views of them.

    Attributes:
        embeddings: (views, features) float32.
        label_indices: (views,) int64.
        recordings: (views,) int64: views of one recording have one number.
        is_original: (views,) bool: the picture itself, no augmented view.
    """

    embeddings: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    recordings: NDArray[np.int64]
    is_original: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> EmbeddedViews:
        """Some of the views.

        Args:
            chosen: (views,) which of them.
        """
        return EmbeddedViews(
            self.embeddings[chosen],
            self.label_indices[chosen],
            self.recordings[chosen],
            self.is_original[chosen],
        )


def fit_head(views: EmbeddedViews, label_count: int, dependence: float = DEPENDENCE) -> LinearHead:
    """Fit a linear discriminant with shrunken covariance, and a temperature for its confidence.

    The shrinkage follows from the data in closed form (O. Ledoit and M. Wolf, "A Well-Conditioned
    Estimator for Large-Dimensional Covariance Matrices", 2004), enlarged since samples depend on
    each other: nothing random, a fraction of a second. Labels count alike, however many pictures
    they have. The temperature (C. Guo et al., "On
    Calibration of Modern Neural Networks", 2017) is fitted on pictures of recordings that were
    left out in turn.

    Args:
        views: What to learn from; every label is among them.
        label_count: How many labels there are.
        dependence: How many times the shrinkage for independent samples is taken.
    """
    temperature = _fit_temperature(views, label_count, dependence)
    weights, bias = _discriminant(views.embeddings, views.label_indices, label_count, dependence)
    return LinearHead(
        (weights / temperature).astype(np.float32),
        (bias / temperature).astype(np.float32),
        temperature,
    )


def append_head(features: onnx.ModelProto, head: LinearHead) -> onnx.ModelProto:
    """Put a head onto a feature graph: one file from pixels to probabilities.

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


def _discriminant(
    embeddings: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    label_count: int,
    dependence: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give weights (labels, features) and bias (labels,) of the linear discriminant."""
    values = embeddings.astype(np.float64)
    means = np.stack([values[label_indices == label].mean(axis=0) for label in range(label_count)])
    residuals = values - means[label_indices]
    scale = residuals.std(axis=0) + _SMALLEST_DEVIATION
    residuals /= scale
    means /= scale
    shrinkage = min(1.0, dependence * ledoit_wolf_shrinkage(residuals, assume_centered=True))
    covariance = shrunk_covariance(residuals.T @ residuals / len(residuals), shrinkage)
    directions = np.linalg.solve(covariance, means.T).T
    return directions / scale, -0.5 * (directions * means).sum(axis=1)


def _fit_temperature(views: EmbeddedViews, label_count: int, dependence: float) -> float:
    """Find what makes the left-out pictures likeliest."""
    logits: list[NDArray[np.float64]] = []
    truths: list[NDArray[np.int64]] = []
    fewest = min(
        len(np.unique(views.recordings[views.label_indices == label]))
        for label in range(label_count)
    )
    if fewest < 2:
        return 1.0
    folds = StratifiedGroupKFold(n_splits=min(_FOLDS, fewest))
    for training, held_out in folds.split(views.embeddings, views.label_indices, views.recordings):
        asked = held_out[views.is_original[held_out]]
        known = views.label_indices[training]
        if len(np.unique(known)) < label_count or asked.size == 0:
            continue  # a label of few recordings: this fold can't be asked
        weights, bias = _discriminant(views.embeddings[training], known, label_count, dependence)
        logits.append(views.embeddings[asked] @ weights.T + bias)
        truths.append(views.label_indices[asked])
    if not logits:
        return 1.0
    return fit_temperature(np.concatenate(logits), np.concatenate(truths))
