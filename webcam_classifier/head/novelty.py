"""The novelty score: how different a picture is from all snapshots, computed in the graph.

The score combines two distances: to the nearest snapshot in the space that separates the labels,
which detects what lies between labels, and to the nearest of some cluster centres of the snapshots
in the embedding itself, which detects what is like none of them. Each is in units of how far the
next recording is expected to be. benchmarks/unknown.py compares other scores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.head.blas import one_blas_thread
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.embedding_sums import PooledSums, pool_evenly
from webcam_classifier.head.kmeans import k_means
from webcam_classifier.head.lda import sums_by_label
from webcam_classifier.model_card import BATCH_AXIS, UNKNOWN_NAME

UNKNOWN_THRESHOLD = 1.0
"""The score above which a picture counts as unknown, in every model: 95 % of the pictures of a new
recording of known labels are expected to be below it."""

KNOWN_SHARE = 0.95
"""How many of the known pictures are to pass."""

NEW_RECORDING_REACH = (4.4, 0.53)
"""How far 95 % of the pictures of a new recording are from existing ones, in the two distances.
Recordings of one person in one room can't tell that, nor can near duplicates of single pictures, so
they never make the score stricter than this. The median over kinds of data (other people, rooms,
subjects and photographs) is 3.9 and 0.47, and 3.7 to 4.2 and 0.38 to 0.55 without any one kind
(`python -m benchmarks.unknown DATA`); a tenth is added because both distances have to pass. The
first is in spreads of a label's pictures. The second is between embeddings of length one; unrelated
ones are farther apart: with SqueezeNet 0.6 to 0.9."""

_POWER = 3.0  # of both distances, which are then summed: between a sum and the larger of both
_SHRINKAGE = 0.4  # of the covariance within labels; 0.05 loses 0.01 of AUROC
_MOST_CENTRES = 64  # 128 gain 0.001 of AUROC; 64 centres of 768 features are 200 kB of the file
_MOST_SNAPSHOTS = 1024  # a few numbers each
_ROUNDS = 10  # of k-means, which need not be exact
_BLOCK = 4096  # pictures at once, whose distances to all that is remembered are in memory
_SMALLEST_SPREAD = 1e-6  # to divide by
_SMALLEST_PART = 1e-6  # of the largest eigenvalue: below, it is rounding


@dataclass(frozen=True, eq=False)
class Novelty:
    """The parameters of the score.

    Attributes:
        projection: (features, directions) float32: into the space that separates the labels.
        offset: (directions,) float32, added there.
        snapshots: (snapshots, directions) float32: where the snapshots are in that space.
        centres: (centres, features) float32: of the snapshots' embeddings.
        scales: (2,) float32: what each distance counts for, in that order.
        strict_threshold: The score above which a picture differs from the recordings themselves, at
            most `UNKNOWN_THRESHOLD`: 95 % of the pictures of left-out bursts are below. It says
            nothing about other people and rooms.
    """

    projection: NDArray[np.float32]
    offset: NDArray[np.float32]
    snapshots: NDArray[np.float32]
    centres: NDArray[np.float32]
    scales: NDArray[np.float32]
    strict_threshold: float

    def scores(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores of pictures, as the graph gives them; unknown above `UNKNOWN_THRESHOLD`.

        Args:
            embeddings: (pictures, features) float32.

        Returns:
            (pictures,) float32.
        """
        return self.scores_of(self.distances(embeddings))

    def scores_of(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores that follow from both distances, (pictures, 2)."""
        return _joined(distances * self.scales)

    def distances(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Both distances of pictures, (pictures, 2)."""
        values = np.asarray(embeddings, dtype=np.float32)
        projected = values @ self.projection + self.offset
        nearest = [_nearest(projected, self.snapshots), _nearest(values, self.centres)]
        return np.stack(nearest, axis=1)

    def knowing(self, embeddings: NDArray[np.float32]) -> Novelty:
        """Add snapshots at once, with the space and the scale unchanged.

        Args:
            embeddings: Of the snapshots, (pictures, features) float32.
        """
        return replace(
            self,
            snapshots=np.concatenate([self.snapshots, embeddings @ self.projection + self.offset]),
            centres=np.concatenate([self.centres, embeddings]),
        )


def fit_novelty(
    views: EmbeddedViews,
    label_count: int,
    held_out: EmbeddedViews | None = None,
    chosen: NDArray[np.bool_] | None = None,
    sums: PooledSums | None = None,
) -> Novelty:
    """Fit the score, so that 95 % of the pictures of a new recording stay below one.

    Args:
        views: What is known; every label is among them.
        label_count: How many labels there are.
        held_out: Pictures that the network itself was not trained on, if it was trained on `views`;
            without any, the views in `views` are used instead.
        chosen: (views,) which of `views` are known; None takes all.
        sums: Over what is known, if they were computed already.
    """
    if sums is None:
        sums = pool_evenly(sums_by_label(views, label_count, chosen))
    is_known = np.ones(len(views.is_original), dtype=np.bool_) if chosen is None else chosen
    with one_blas_thread():
        found = fit_distances(sums, views.embeddings, is_known & views.is_original)
        asked = None if held_out is None else held_out.only(held_out.is_original)
        if asked is None or len(asked.label_indices) == 0:
            asked = views.only(is_known)
        known = found.distances(asked.embeddings)
        return scaled(found, known, asked.label_indices, asked.bursts)


def append_novelty(classifier: onnx.ModelProto, novelty: Novelty) -> onnx.ModelProto:
    """Add a second output to a classifier's graph, `unknown` (batch,) float32: the score.

    Args:
        classifier: A graph that `append_head` was applied to.
        novelty: Fitted on the embeddings that its head takes.
    """
    model = onnx.ModelProto()
    model.CopyFrom(classifier)
    graph = model.graph
    embedding = next(node.input[0] for node in graph.node if "logits" in node.output)
    build = _TailBuilder(graph)
    projection = build.constant("projection", novelty.projection)
    offset = build.constant("offset", novelty.offset)
    projected = build.node("Gemm", [embedding, projection, offset], "place")
    both = build.node(
        "Concat",
        [
            build.distance(projected, novelty.snapshots, "snapshot"),
            build.distance(embedding, novelty.centres, "centre"),
        ],
        "distances",
        axis=1,
    )
    scales = build.constant("scales", novelty.scales)
    power = build.constant("power", np.array([_POWER], dtype=np.float32))
    root = build.constant("root", np.array([1.0 / _POWER], dtype=np.float32))
    last = build.constant("last_axis", np.array([1], dtype=np.int64))
    raised = build.node("Pow", [build.node("Mul", [both, scales], "scaled"), power], "raised")
    summed = build.node("ReduceSum", [raised, last], "summed", keepdims=1)
    score = build.node("Pow", [summed, root], "score")
    node = helper.make_node("Squeeze", [score, last], [UNKNOWN_NAME], name=UNKNOWN_NAME)
    graph.node.append(node)
    shape: list[str | int | None] = [BATCH_AXIS]
    graph.output.append(helper.make_tensor_value_info(UNKNOWN_NAME, TensorProto.FLOAT, shape))
    return model


def fit_distances(
    sums: PooledSums, embeddings: NDArray[np.float32], originals: NDArray[np.bool_]
) -> Novelty:
    """Find the space and the stored snapshots; the scales are still one.

    Args:
        sums: Over what is known.
        embeddings: (views, features) float32.
        originals: (views,) bool, which of them are of known pictures themselves.
    """
    projection, offset = _discriminant_space(sums)
    places = np.flatnonzero(originals)
    spread = np.linspace(0, len(places) - 1, min(_MOST_SNAPSHOTS, len(places)))
    chosen = embeddings[places[spread.round().astype(np.int64)]]
    centres = chosen
    if len(chosen) > _MOST_CENTRES:
        centres = k_means(chosen, _MOST_CENTRES, _ROUNDS)
    return Novelty(
        projection,
        offset,
        chosen @ projection + offset,
        centres,
        np.ones(2, dtype=np.float32),
        UNKNOWN_THRESHOLD,
    )


def scaled(
    found: Novelty,
    known: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    bursts: NDArray[np.int64],
) -> Novelty:
    """Scale both distances, so that 95 % of a new recording's pictures have a score of at most 1.

    The unit of each distance is its 95 % quantile over the known pictures, or `NEW_RECORDING_REACH`
    if that is larger. The score is scaled down further if 95 % of the known pictures would not
    pass, or if the differences between bursts suggest that a new one differs more.

    Args:
        found: From `fit_distances`.
        known: (pictures, 2) float32, the distances of known pictures that it was not fitted on.
        label_indices: (pictures,) int64, their labels.
        bursts: (pictures,) int64, their bursts.
    """
    # Of pictures that are all alike the distances are rounding, which is not to be called unlike:
    # the square of a distance is a difference of sums of squares, and a few of their last bits off.
    sizes = [float((bank * bank).sum(axis=1).max()) for bank in (found.snapshots, found.centres)]
    rounding = 4.0 * np.sqrt(np.finfo(np.float32).eps * np.array(sizes))
    reaches = [_quantile(own) for own in known.T]
    units = np.maximum.reduce([np.array(reaches), np.array(NEW_RECORDING_REACH), rounding])
    scores = _joined((known / units).astype(np.float32)).astype(np.float64)
    passing = _quantile(scores)
    largest = max(UNKNOWN_THRESHOLD, passing + few_bursts_margin(scores, label_indices, bursts))
    smallest = float(_joined((rounding / units).astype(np.float32)[np.newaxis])[0])
    return replace(
        found,
        scales=(1.0 / (units * largest)).astype(np.float32),
        strict_threshold=min(UNKNOWN_THRESHOLD, max(passing, smallest) / largest),
    )


def few_bursts_margin(
    scores: NDArray[np.float64], label_indices: NDArray[np.int64], bursts: NDArray[np.int64]
) -> float:
    """How much farther a new burst may be, because few bursts say little about their variance.

    Labels differ, bursts of a label differ, and pictures of a burst differ (S. R. Searle, G.
    Casella and C. E. McCulloch, "Variance Components", 1992). The margin is the difference between
    the end of the prediction interval for a picture of a new burst and what that end would be if
    the variances were known: with many bursts it is 0. The degrees of freedom are those of F. E.
    Satterthwaite ("An Approximate Distribution of Estimates of Variance Components", 1946). In
    simulations with bursts that differ three times as much as their pictures, 0.86 of a next
    burst's pictures passed with two bursts instead of 0.75, and 0.92 with five instead of 0.87.

    Args:
        scores: (pictures,) of pictures that were left out.
        label_indices: (pictures,) int64, their labels.
        bursts: (pictures,) int64, their bursts; no burst has two labels.

    Returns:
        0 or more; 0 where no label has two bursts, which tells nothing of a next one.
    """
    # Loaded only now: it takes long, and a live picture does not wait for it.
    from scipy.special import ndtri, stdtrit

    _, firsts, burst_of, sizes = np.unique(
        bursts, return_index=True, return_inverse=True, return_counts=True
    )
    _, label_of, bursts_each = np.unique(
        label_indices[firsts], return_inverse=True, return_counts=True
    )
    freedom = len(sizes) - len(bursts_each)
    if freedom < 1:
        return 0.0
    means = np.bincount(burst_of, weights=scores) / sizes
    of_label = np.bincount(label_of, weights=means) / bursts_each
    apart = float(((means - of_label[label_of]) ** 2).sum()) / freedom
    within_freedom = max(1, len(scores) - len(sizes))
    within = float(((scores - means[burst_of]) ** 2).sum()) / within_freedom
    between = max(0.0, apart - within * float((1.0 / sizes).mean()))
    known = within + between + float(of_label.var())
    new = known + between / float(bursts_each.mean())
    if known <= 0.0:
        return 0.0
    uncertainty = between**2 / freedom + within**2 / within_freedom
    effective = new**2 / uncertainty if uncertainty > 0.0 else np.inf
    quantile = ndtri(KNOWN_SHARE)
    if np.isfinite(effective):
        quantile = stdtrit(effective, KNOWN_SHARE)
    margin = quantile * np.sqrt(new) - ndtri(KNOWN_SHARE) * np.sqrt(known)
    return max(0.0, float(margin))


def _quantile(values: NDArray[np.floating]) -> float:
    """What 95 % of known pictures stay below, with so many of them that the next one does."""
    ordered = np.sort(values)
    place = min(len(ordered), int(np.ceil(KNOWN_SHARE * (len(ordered) + 1)))) - 1
    return float(ordered[place])


def _joined(ratios: NDArray[np.float32]) -> NDArray[np.float32]:
    """One score of both distances, each in its unit: (pictures, 2) to (pictures,)."""
    power = np.float32(_POWER)
    return np.asarray((ratios**power).sum(axis=1) ** (1 / power), dtype=np.float32)


def _discriminant_space(sums: PooledSums) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find the directions in which labels differ, scaled so that each label spreads by about one.

    They are a linear discriminant's: whitened by the shrunken covariance within labels.
    """
    means, covariance = sums.view_means, sums.covariance()
    middle = means.mean(axis=0)
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0)) + _SMALLEST_SPREAD
    covariance /= scale[:, np.newaxis] * scale
    variance = max(float(np.trace(covariance)) / len(covariance), 0.0)
    covariance *= 1.0 - _SHRINKAGE
    # The last term is for pictures that are all alike.
    covariance[np.diag_indices_from(covariance)] += _SHRINKAGE * variance + _SMALLEST_SPREAD
    apart = (means - middle) / scale
    weights = np.linalg.solve(covariance, apart.T)  # (features, labels)
    # The labels' whitened means span the space: their products give an orthonormal basis of it.
    sizes, mixtures = np.linalg.eigh(apart @ weights)
    sizes = np.maximum(sizes, _SMALLEST_SPREAD)
    used = sizes > _SMALLEST_PART * sizes[-1]
    projection = weights @ (mixtures[:, used] / np.sqrt(sizes[used])) / scale[:, np.newaxis]
    return projection.astype(np.float32), (-middle @ projection).astype(np.float32)


def _nearest(values: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """The distance of each value to the nearest of a bank, (values,)."""
    squares = (bank * bank).sum(axis=1)
    closest = np.empty(len(values), dtype=np.float32)
    for start in range(0, len(values), _BLOCK):
        some = slice(start, start + _BLOCK)
        closest[some] = (squares - 2.0 * values[some] @ bank.T).min(axis=1)
    return np.asarray(np.sqrt(np.maximum(closest + (values * values).sum(axis=1), 0.0)))


class _TailBuilder:
    """Adds nodes and constants to a graph, all with names that begin with the output's."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph

    def constant(self, name: str, value: NDArray[np.float32] | NDArray[np.int64]) -> str:
        full = f"{UNKNOWN_NAME}.{name}"
        self._graph.initializer.append(numpy_helper.from_array(value, full))
        return full

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:  # noqa: ANN401 ints and floats
        full = f"{UNKNOWN_NAME}.{name}"
        self._graph.node.append(helper.make_node(kind, inputs, [full], name=full, **attributes))
        return full

    def distance(self, values: str, bank: NDArray[np.float32], name: str) -> str:
        """The distance to the nearest of a bank, (batch, 1): as `_nearest`."""
        seen = self.constant(f"{name}.bank", bank)
        squares = self.constant(f"{name}.squares", (bank * bank).sum(axis=1))
        differences = self.node(
            "Gemm", [values, seen, squares], f"{name}.differences", alpha=-2.0, transB=1
        )
        closest = self._closest(differences, name)
        own = self.node("Mul", [values, values], f"{name}.own_squares")
        axis = self.constant(f"{name}.axis", np.array([1], dtype=np.int64))
        own = self.node("ReduceSum", [own, axis], f"{name}.own_size", keepdims=1)
        square = self.node("Relu", [self.node("Add", [closest, own], f"{name}.sum")], f"{name}.2")
        return self.node("Sqrt", [square], f"{name}.distance")

    def _closest(self, differences: str, name: str) -> str:
        """The smallest of each row. ReduceMin is written differently from opset 18 on; this not."""
        one = self.constant(f"{name}.one", np.array([1], dtype=np.int64))
        closest, place = f"{UNKNOWN_NAME}.{name}.closest", f"{UNKNOWN_NAME}.{name}.place"
        node = helper.make_node(
            "TopK", [differences, one], [closest, place], name=closest, axis=1, largest=0
        )
        self._graph.node.append(node)
        return closest
