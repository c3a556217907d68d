"""Fit a linear classifier on embeddings, and put it onto the feature graph."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.evaluation.calibration import fit_temperature
from webcam_classifier.head.embedded_views import EmbeddedViews, fold_numbers
from webcam_classifier.model_card import BATCH_AXIS, OUTPUT_NAME

_SMALLEST_VARIANCE = 1e-12  # of pictures that are all alike

SHRINKAGE = 0.2
"""How far the covariance is drawn towards a round one. Chosen by benchmarks/head_recipe.py over
data sets, where 0.15 to 0.3 are about as good. To choose it by leaving out recordings did worse:
they resemble each other more than they resemble what the camera will see next."""


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
class DiscriminantSums:
    """What a discriminant follows from; sums of parts add up, so a part is left out by subtraction.

    Attributes:
        picture_counts: (labels,) pictures without their views.
        picture_sums: (labels, features) of their embeddings.
        view_weights: (labels,) how much the views weigh together.
        view_sums: (labels, features) of all views' embeddings, weighted.
        products: (features, features) of all views' embeddings with themselves, weighted;
            float32, as some networks have 4096 features.
    """

    picture_counts: NDArray[np.float64]
    picture_sums: NDArray[np.float64]
    view_weights: NDArray[np.float64]
    view_sums: NDArray[np.float64]
    products: NDArray[np.float32]

    @staticmethod
    def of(
        views: EmbeddedViews,
        weights: NDArray[np.float64],
        middle: NDArray[np.float32],
        label_count: int,
    ) -> DiscriminantSums:
        """Sum up views.

        Args:
            views: Of any labels.
            weights: (views,) how much each counts in the covariance.
            middle: (features,) what is taken off each embedding.
            label_count: How many labels there are.
        """
        rows = views.embeddings - middle
        members = views.label_indices == np.arange(label_count)[:, np.newaxis]  # (labels, views)
        pictures = (members & views.is_original).astype(np.float32)
        weighted = (members * weights).astype(np.float32)
        scaled = rows * np.sqrt(weights, dtype=np.float32)[:, np.newaxis]
        return DiscriminantSums(
            pictures.sum(axis=1, dtype=np.float64),
            (pictures @ rows).astype(np.float64),
            weighted.sum(axis=1, dtype=np.float64),
            (weighted @ rows).astype(np.float64),
            scaled.T @ scaled,
        )

    def plus(self, other: DiscriminantSums, sign: float = 1.0) -> DiscriminantSums:
        """Add the sums of other views, or with a sign of -1 leave them out."""
        return DiscriminantSums(
            self.picture_counts + sign * other.picture_counts,
            self.picture_sums + sign * other.picture_sums,
            self.view_weights + sign * other.view_weights,
            self.view_sums + sign * other.view_sums,
            self.products + sign * other.products,
        )

    def discriminant(self, shrinkage: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give weights (labels, features) and bias (labels,); every label has a picture.

        They are for embeddings less what was taken off them in the sums.
        """
        means = self.picture_sums / self.picture_counts[:, np.newaxis]
        view_means = self.view_sums / self.view_weights[:, np.newaxis]
        covariance = self.products - view_means.T @ self.view_sums
        covariance /= self.view_weights.sum()
        round_one = np.trace(covariance) / len(covariance) + _SMALLEST_VARIANCE
        covariance *= 1.0 - shrinkage
        covariance[np.diag_indices_from(covariance)] += shrinkage * round_one
        weights = np.linalg.solve(covariance, means.T).T
        return weights, -0.5 * (weights * means).sum(axis=1)

    def head(self, middle: NDArray[np.float32], shrinkage: float, temperature: float) -> LinearHead:
        """Give the head that follows.

        Args:
            middle: (features,) what was taken off each embedding in the sums.
            shrinkage: As `fit_head` takes it.
            temperature: What the logits are divided by.
        """
        weights, bias = self.discriminant(shrinkage)
        weights, bias = weights / temperature, (bias - weights @ middle) / temperature
        return LinearHead(weights.astype(np.float32), bias.astype(np.float32), temperature)


def fit_head(
    views: EmbeddedViews,
    label_count: int,
    shrinkage: float = SHRINKAGE,
    temperature: float | None = None,
) -> LinearHead:
    """Fit a linear discriminant with shrunken covariance, and a temperature for its confidence.

    Where a label lies is learnt from the pictures themselves, as live sees such; in which
    directions its pictures differ, from all views. Directions are not scaled first: those that
    hardly move say little. Labels count alike in both, however many pictures they have. Nothing is
    random and nothing iterates. The temperature (C. Guo et al., "On Calibration of Modern Neural
    Networks", 2017) is fitted on views of recordings that were left out in turn.

    Args:
        views: What to learn from; of every label at least one picture itself is among them.
        label_count: How many labels there are.
        shrinkage: How far the covariance is drawn towards a round one, above 0, to 1.
        temperature: Taken as it is, where only answers count: to fit it takes most of the time.
    """
    middle = views.embeddings.mean(axis=0)  # taken off first: sums of squares stay exact
    weights_of_views = _balanced(views.label_indices, label_count)
    folds = np.zeros(len(views.label_indices), dtype=np.int64)
    if temperature is None:
        folds = fold_numbers(views, label_count)
    parts = [
        DiscriminantSums.of(
            views.only(folds == fold), weights_of_views[folds == fold], middle, label_count
        )
        for fold in range(folds.max() + 1)
    ]
    whole = functools.reduce(DiscriminantSums.plus, parts)
    if temperature is None:
        others = (whole.plus(part, -1.0) for part in parts)  # one at a time: they may be large
        temperature = _fit_temperature(views, middle, folds, others, shrinkage)
    return whole.head(middle, shrinkage, temperature)


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


def _balanced(label_indices: NDArray[np.int64], label_count: int) -> NDArray[np.float64]:
    """Weights (views,) with which every label has the same sum."""
    return 1.0 / np.bincount(label_indices, minlength=label_count)[label_indices]


def _fit_temperature(
    views: EmbeddedViews,
    middle: NDArray[np.float32],
    folds: NDArray[np.int64],
    others: Iterable[DiscriminantSums],
    shrinkage: float,
) -> float:
    """Find what makes the left-out views likeliest.

    All views are asked about, and not the pictures alone: a next recording differs more than
    the recordings at hand do from each other, and that each view is a bit aside makes up for it.

    Args:
        views: All.
        middle: What was taken off the embeddings in the sums.
        folds: (views,) the part that each is left out with.
        others: For each part, the sums without it.
        shrinkage: As the head has it.
    """
    logits: list[NDArray[np.float64]] = []
    truths: list[NDArray[np.int64]] = []
    for fold, sums in enumerate(others):
        if sums.picture_counts.min() < 1:
            continue  # a label of few recordings: this fold can't be asked
        asked = views.only(folds == fold)
        weights, bias = sums.discriminant(shrinkage)
        logits.append((asked.embeddings - middle) @ weights.T + bias)
        truths.append(asked.label_indices)
    if not logits:
        return 1.0
    return fit_temperature(np.concatenate(logits), np.concatenate(truths))
