"""SqueezeNet's features as an ONNX graph from pixels to an embedding, and what runs such graphs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from webcam_classifier.backbone.graph_builder import GraphBuilder
from webcam_classifier.backbone.weights import IMAGENET_DEVIATION, IMAGENET_MEAN, Tensors
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import INPUT_NAME, NORMALISED_EMBEDDING_NAME
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.sequences import batched
from webcam_classifier.worker_threads import run_ahead

EMBEDDING_NAME = "embedding"

_BATCH = 4  # pictures in one run: with more, the activations no longer fit into the CPU's cache
_SHARED_BATCH = 2  # where several runs share that cache
_MOST_WORKERS = 4  # each run needs its own memory for activations
_FIRES = (3, 4, 6, 7, 9, 10, 11, 12)  # torchvision's features.N

MIDDLE_WIDTH = 0.6
"""Standard deviation of the Gaussian weights of the feature map, as a share of half its side.
Objects are mostly held in the middle, and the rest is the room. Chosen, like the next three, by
benchmarks/head_recipe.py."""

EVEN_SHARE = 0.25
"""Share of the weight that is spread evenly, so that nothing is overlooked: the middle of an edge
has a third of the centre's weight, and a corner a fifth. A share of 0.5 is as good."""

BEFORE_SHARE = 0.25
"""Factor of the features of the last fire module but one, relative to the last one's, before the
power. They are some three times as large, so that both have about the same weight after it; 0.2 to
0.35 are about as good. Earlier features are less specific to ImageNet's classes. Only those of the
3x3 kernels are taken: those of the 1x1 kernels are worse, and both together no better."""

POWER = 0.7
"""Exponent of the power normalisation; 0.6 to 0.8 are about as good."""


def squeezenet1_1_features(tensors: Tensors, input_size: int) -> onnx.ModelProto:
    """Return SqueezeNet 1.1 (Iandola et al., 2016) without its classifier as an ONNX graph.

    Channel order, scale, mean and deviation are folded into the first convolution, which has no
    padding. So the graph takes pixels as OpenCV returns them, at no cost.

    Args:
        tensors: torchvision's `squeezenet1_1` parameters.
        input_size: The side of the square picture, in pixels.

    Returns:
        A graph from `pixels` (batch, size, size, 3) uint8 BGR to `embedding` (batch, 768)
        float32: the means over the picture of the outputs of the 3x3 kernels of the last fire
        module but one, and of the last module's outputs. The middle has more weight than the edges.
    """
    graph = GraphBuilder()
    graph.constant("features.0.weight", _first_kernel(tensors))
    graph.constant("features.0.bias", _first_bias(tensors))
    for name, tensor in sorted(tensors.items()):  # a file gives them in any order
        if name.startswith("features.") and not name.startswith("features.0."):
            graph.constant(name, tensor)
    value = graph.convolution(graph.planes(), "features.0", stride=2)
    value = _pool(graph, value, "features.2")
    for index in _FIRES:
        value = _fire(graph, value, f"features.{index}")
        if index in (4, 7):
            value = _pool(graph, value, f"features.{index + 1}")
    before = "features.11.expand3x3"
    both = graph.node("Concat", [f"{before}.activated", value], "last_two", axis=1)
    graph.constant("middle", middle_weights(_map_side(input_size)))
    weighted = graph.node("Mul", [both, "middle"], "weighted")
    pooled = graph.node("GlobalAveragePool", [weighted], "pooled")
    flat = graph.node("Flatten", [pooled], "means", axis=1)
    widths = tensors[f"{before}.bias"].size, tensors["features.12.expand1x1.bias"].size * 2
    shares = feature_shares(*widths)
    graph.constant("shares", shares)
    graph.node("Mul", [flat, "shares"], EMBEDDING_NAME)
    return graph.model(input_size, EMBEDDING_NAME, shares.size)


def feature_shares(before: int, last: int) -> NDArray[np.float32]:
    """Return the factor of each feature.

    Args:
        before: How many features are of the last fire module but one.
        last: How many are of the last one.

    Returns:
        (before + last,) float32.
    """
    return np.repeat(np.array([BEFORE_SHARE, 1.0], dtype=np.float32), [before, last])


def middle_weights(side: int) -> NDArray[np.float32]:
    """Return the weight of each place of a feature map, 1 on average and largest in the middle.

    Args:
        side: The map is (side, side).

    Returns:
        (1, 1, side, side) float32.
    """
    bell = np.exp(-0.5 * (np.linspace(-1.0, 1.0, side) / MIDDLE_WIDTH) ** 2)
    weights = np.outer(bell, bell)
    weights = EVEN_SHARE + (1.0 - EVEN_SHARE) * weights / weights.mean()
    return np.asarray(weights, dtype=np.float32)[np.newaxis, np.newaxis]


def with_normalised_embedding(features: onnx.ModelProto) -> onnx.ModelProto:
    """Normalise a graph's embedding for a linear head: a signed power, then length one.

    A power below one reduces the few activations that are far larger than the others, and the
    length depends more on the light than on the label (power and L2 normalisation of F. Perronnin
    et al., "Improving the Fisher Kernel for Large-Scale Image Classification", 2010).

    Args:
        features: A graph whose only output is the embedding (batch, features).

    Returns:
        The same graph with `normalised_embedding` (batch, features) float32 as its only output.
    """
    model = onnx.ModelProto()
    model.CopyFrom(features)
    graph = model.graph
    (output,) = graph.output
    exponent = np.array(POWER, dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(exponent, "embedding.power"))
    for kind, inputs, name in (
        ("Abs", [output.name], "embedding.size"),
        ("Pow", ["embedding.size", "embedding.power"], "embedding.tamed_size"),
        ("Sign", [output.name], "embedding.sign"),
        ("Mul", ["embedding.tamed_size", "embedding.sign"], "embedding.tamed"),
    ):
        graph.node.append(helper.make_node(kind, inputs, [name], name=name))
    length_one = helper.make_node(
        "LpNormalization", ["embedding.tamed"], [NORMALISED_EMBEDDING_NAME],
        name=NORMALISED_EMBEDDING_NAME, axis=-1, p=2,
    )  # fmt: skip
    graph.node.append(length_one)
    output.name = NORMALISED_EMBEDDING_NAME
    return model


def embedding_workers(threads: int) -> int:
    """How many threads embed pictures at the same time; 0 if the caller's thread does it alone.

    Args:
        threads: As for `FeatureExtractor`.
    """
    cores = physical_cores()
    return 0 if threads or cores == 1 else min(_MOST_WORKERS, cores)


def session_threads(cores: int, workers: int) -> int:
    """How many threads a session needs so that its concurrent runs keep all cores busy.

    onnxruntime counts the calling thread: a session of n threads has a pool of n - 1, and all
    concurrent runs share that one pool.

    Args:
        cores: Physical ones.
        workers: Concurrent runs, each called from its own thread; 0 is one run from the caller's.
    """
    return cores - max(1, workers) + 1


class FeatureExtractor:
    """Runs a feature graph over many pictures.

    Concurrent runs of one thread each take less time than a single run on all threads, which wait
    for each other in every layer: a sixth less with SqueezeNet on two cores. The embeddings are
    the same to the last bit.

    Args:
        features: From `pixels` to an embedding, its only output.
        threads: CPU threads for one run at a time; 0 makes several runs at the same time, on all
            physical cores.

    Attributes:
        batch_size: How many pictures one run should take.
    """

    def __init__(self, features: onnx.ModelProto, threads: int = 0) -> None:
        self._workers = embedding_workers(threads)
        self.batch_size = _SHARED_BATCH if self._workers else _BATCH
        self._output = features.graph.output[0].name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or session_threads(physical_cores(), self._workers)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            features.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def embed(self, prepared: Iterable[BgrImage]) -> NDArray[np.float32]:
        """Compute the embeddings of pictures, at least one.

        Args:
            prepared: Each (size, size, 3) uint8, from `prepare`; taken a few at a time.

        Returns:
            (pictures, features) float32.
        """
        batches = batched(prepared, self.batch_size)
        found = run_ahead(self.embed_batch, batches, self._workers)
        return np.concatenate([embeddings() for _, embeddings in found])

    def embed_batch(self, prepared: Sequence[BgrImage]) -> NDArray[np.float32]:
        """Compute the embeddings of a few pictures in one run; any thread may call it.

        Args:
            prepared: At least one, each (size, size, 3) uint8.

        Returns:
            (pictures, features) float32.
        """
        embeddings = self._session.run([self._output], {INPUT_NAME: np.stack(prepared)})[0]
        return np.asarray(embeddings)


def _first_kernel(tensors: Tensors) -> NDArray[np.float32]:
    deviation = np.array(IMAGENET_DEVIATION, dtype=np.float64)[:, np.newaxis, np.newaxis]
    kernel = tensors["features.0.weight"] / (255.0 * deviation)  # (64, red green blue, 3, 3)
    return np.ascontiguousarray(kernel[:, ::-1], dtype=np.float32)


def _first_bias(tensors: Tensors) -> NDArray[np.float32]:
    offset = np.array(IMAGENET_MEAN, dtype=np.float64) / np.array(IMAGENET_DEVIATION)
    moved = (tensors["features.0.weight"] * offset[:, np.newaxis, np.newaxis]).sum(axis=(1, 2, 3))
    return np.asarray(tensors["features.0.bias"] - moved, dtype=np.float32)


def _map_side(input_size: int) -> int:
    """Return the side of the last feature map, after an unpadded convolution and three poolings."""
    side = (input_size - 3) // 2 + 1
    for _ in range(3):
        side = math.ceil((side - 3) / 2) + 1
    return side


def _fire(graph: GraphBuilder, value: str, name: str) -> str:
    squeezed = graph.convolution(value, f"{name}.squeeze")
    narrow = graph.convolution(squeezed, f"{name}.expand1x1")
    wide = graph.convolution(squeezed, f"{name}.expand3x3", padding=1)
    return graph.node("Concat", [narrow, wide], name, axis=1)


def _pool(graph: GraphBuilder, value: str, name: str) -> str:
    return graph.node("MaxPool", [value], name, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
