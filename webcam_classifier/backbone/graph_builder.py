"""Build an ONNX graph of convolutions node by node."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME

OPSET = 17
IR_VERSION = 9  # what onnxruntime 1.16, the oldest that Jetson wheels offer, still reads

_SIX = "six"
_ZERO = "zero"


class GraphBuilder:
    """Collects named nodes and constants, and makes a model of them."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        """Add a constant, replacing one of the same name, and return the name."""
        self._constants[name] = numpy_helper.from_array(value, name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401 ints and lists
        """Add a node, named like its output, and return the name."""
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def planes(self) -> str:
        """Add the conversion of the pixels to float32 (batch, 3, size, size) in BGR order."""
        # Transposing uint8 moves a quarter of the bytes that transposing floats would.
        planes = self.node("Transpose", [INPUT_NAME], "planes", perm=[0, 3, 1, 2])
        return self.node("Cast", [planes], "floats", to=TensorProto.FLOAT)

    def convolution(
        self,
        value: str,
        name: str,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        activation: Literal["relu", "relu6", "none"] = "relu",
    ) -> str:
        """Add a convolution with its bias and the activation after it.

        Args:
            value: The name of its input.
            name: Of its constants, NAME.weight and NAME.bias.
            stride: In both directions.
            padding: Zeros on every side, or (before, after) in both directions.
            groups: Groups of channels that are convolved separately.
            activation: `relu6` is min(relu, 6).

        Returns:
            The name of its output.
        """
        before, after = padding if isinstance(padding, tuple) else (padding, padding)
        inputs = [value, f"{name}.weight", f"{name}.bias"]
        attributes: dict[str, Any] = {
            "strides": [stride] * 2,
            "pads": [before, before, after, after],
        }
        if groups > 1:
            attributes["group"] = groups
        convolved = self.node("Conv", inputs, f"{name}.convolved", **attributes)
        if activation == "none":
            return convolved
        if activation == "relu":
            return self.node("Relu", [convolved], f"{name}.activated")
        limits = [
            self.constant(limit, np.array(number, dtype=np.float32))
            for limit, number in ((_ZERO, 0.0), (_SIX, 6.0))
        ]
        return self.node("Clip", [convolved, *limits], f"{name}.activated")

    def model(self, input_size: int, output: str, width: int) -> onnx.ModelProto:
        """Make a model of what was added.

        Args:
            input_size: The side of the square picture, in pixels.
            output: The name of the only output, (batch, width) float32.
            width: How many features the output has.
        """
        shape: list[str | int | None] = [BATCH_AXIS, input_size, input_size, 3]
        graph = helper.make_graph(
            self._nodes,
            "features",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [BATCH_AXIS, width])],
            list(self._constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
