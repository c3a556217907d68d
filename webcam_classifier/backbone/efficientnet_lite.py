"""EfficientNet-Lite without its classifier as an ONNX graph from pixels to an embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import EMBEDDING_NAME, middle_weights
from webcam_classifier.backbone.graph_builder import GraphBuilder
from webcam_classifier.backbone.weights import Tensors

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of each stage's first block
_MEAN = 127.0  # subtracted from pixels 0 to 255, which are then divided by the next
_DEVIATION = 128.0
_EPSILON = 1e-3  # of the batch normalisation, as in TensorFlow


@dataclass(frozen=True)
class EfficientNetLite:
    """A network of the family of https://github.com/tensorflow/tpu (efficientnet/lite).

    Attributes:
        name: Its name on the command line.
        input_size: The side of the pictures that it was trained on, in pixels.
        blocks: The number of inverted bottlenecks in each of its seven stages.
    """

    name: str
    input_size: int
    blocks: tuple[int, ...]

    @property
    def strides(self) -> list[int]:
        """The stride of each block, in order."""
        steps = zip(_STRIDES, self.blocks, strict=True)
        return [step for stride, count in steps for step in (stride, *[1] * (count - 1))]


LITE_0 = EfficientNetLite("efficientnet_lite0", 224, (1, 2, 2, 3, 3, 4, 1))
LITE_1 = EfficientNetLite("efficientnet_lite1", 240, (1, 3, 3, 4, 4, 5, 1))
LITE_2 = EfficientNetLite("efficientnet_lite2", 260, (1, 3, 3, 4, 4, 5, 1))


def efficientnet_lite_features(
    network: EfficientNetLite, tensors: Tensors, input_size: int
) -> onnx.ModelProto:
    """Return EfficientNet-Lite (Tan and Le, 2019; no attention, ReLU6) without its classifier.

    Args:
        network: Which one.
        tensors: Its parameters, by the names of PyPI's efficientnet_lite_pytorch, in torch's axis
            order: `_conv_stem.weight`, `_blocks.0._depthwise_conv.weight`, ...
        input_size: The side of the square picture, in pixels.

    Returns:
        A graph from `pixels` (batch, size, size, 3) uint8 BGR to `embedding` (batch, 1280)
        float32: the mean of the last feature map over the picture, in which the middle has more
        weight than the edges.
    """
    graph = GraphBuilder()
    kernel = tensors["_conv_stem.weight"][:, ::-1] / np.float32(_DEVIATION)  # blue, green, red
    writer = _Writer(graph, {**tensors, "_conv_stem.weight": kernel})
    # The padding follows the subtraction of the mean, so the mean can't be folded into the bias.
    mean = graph.constant("pixels.mean", np.array(_MEAN, dtype=np.float32))
    value = graph.node("Sub", [graph.planes(), mean], "centred")
    side = input_size
    value, side = writer.layer(value, "_conv_stem", "_bn0", side, stride=2)
    for number, stride in enumerate(network.strides):
        value, side = writer.block(value, f"_blocks.{number}", side, stride)
    value, side = writer.layer(value, "_conv_head", "_bn1", side)
    weights = graph.constant("middle", middle_weights(side))
    weighted = graph.node("Mul", [value, weights], "weighted")
    pooled = graph.node("GlobalAveragePool", [weighted], "pooled")
    graph.node("Flatten", [pooled], EMBEDDING_NAME, axis=1)
    return graph.model(input_size, EMBEDDING_NAME, tensors["_bn1.bias"].size)


@dataclass(frozen=True, eq=False)
class _Writer:
    graph: GraphBuilder
    tensors: Tensors

    def block(self, value: str, name: str, side: int, stride: int) -> tuple[str, int]:
        """Add an inverted bottleneck: expansion, depthwise convolution, projection.

        Returns:
            The name of its output, and the side of its output in pixels.
        """
        start = value
        if f"{name}._expand_conv.weight" in self.tensors:
            value, side = self.layer(value, f"{name}._expand_conv", f"{name}._bn0", side)
        channels = self.tensors[f"{name}._depthwise_conv.weight"].shape[0]
        value, side = self.layer(
            value, f"{name}._depthwise_conv", f"{name}._bn1", side, stride, groups=channels
        )
        value, side = self.layer(
            value, f"{name}._project_conv", f"{name}._bn2", side, is_linear=True
        )
        given = self.tensors[f"{name}._bn2.bias"].size
        if stride == 1 and self._taken(name) == given:
            value = self.graph.node("Add", [value, start], f"{name}.sum")
        return value, side

    def _taken(self, name: str) -> int:
        expand = self.tensors.get(f"{name}._expand_conv.weight")
        if expand is not None:
            return int(expand.shape[1])
        return int(self.tensors[f"{name}._depthwise_conv.weight"].shape[0])

    def layer(
        self,
        value: str,
        name: str,
        normalisation: str,
        side: int,
        stride: int = 1,
        groups: int = 1,
        is_linear: bool = False,
    ) -> tuple[str, int]:
        """Add a convolution with folded batch normalisation and TensorFlow's `SAME` padding.

        Returns:
            The name of its output, and the side of its output in pixels.
        """
        kernel = self.tensors[f"{name}.weight"].astype(np.float64)
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (
            self.tensors[f"{normalisation}.{part}"].astype(np.float64) for part in parts
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        kernel *= scale[:, np.newaxis, np.newaxis, np.newaxis]
        self.graph.constant(f"{name}.weight", _floats(kernel))
        self.graph.constant(f"{name}.bias", _floats(beta - mean * scale))
        given = -(-side // stride)
        spare = max((given - 1) * stride + kernel.shape[-1] - side, 0)
        value = self.graph.convolution(
            value,
            name,
            stride,
            (spare // 2, spare - spare // 2),
            groups,
            "none" if is_linear else "relu6",
        )
        return value, given


def _floats(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
