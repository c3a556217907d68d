"""What is known of an ONNX graph while it is written as a TFLite file, node by node.

Maps of features are held with channels last, as TFLite's convolutions take them: what has the axes
(picture, channel, row, column) in the ONNX graph has (picture, row, column, channel) here.

A quantised graph has pairs of nodes that quantise and dequantise around everything that is computed
with whole numbers. What lies between a dequantisation and a quantisation is one operator here; what
else reads a dequantised value gets it by an operator of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import numpy_helper

from webcam_classifier.errors import UserError
from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.runtime.one_picture_graph import shapes_of
from webcam_classifier.runtime.passes.graph_index import attribute
from webcam_classifier.runtime.tflite.tflite_file import Quantisation, TfliteFile

CHANNELS_LAST = (0, 2, 3, 1)
AXIS_OF_MAP = (0, 3, 1, 2)
"""Where each axis of ONNX is in a map with channels last."""

SIX = 6.0

_FEW_NUMBERS = 8  # constants that may be wanted again are written once
UNSIGNED_OFFSET = 128
"""What a uint8 value of ONNX is less as an int8 value of TFLite."""


_WHOLE_TYPES = (np.uint8, np.int8, np.int32)

Operator = schema.BuiltinOperator
Activation = schema.ActivationFunctionType


class UnwritableError(UserError):
    """A graph has something that can't be written as TFLite.

    Args:
        reason: What, as a sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Use the ONNX file, or another --format.")
        self.reason = reason


class Conversion:
    """A graph that is being written.

    Args:
        model: From `one_picture_graph`.

    Attributes:
        graph: The ONNX graph.
        constants: Its initializers, and what is dequantised of them, by name.
        whole_constants: Weights and biases in whole numbers, and what these stand for, by the
            name that they have when they are dequantised.
        shapes: Of all values, in the order of ONNX.
        file: What is written.
        pixels: Tensors of what has channels last in the ONNX graph too, by name.
        tensors: All others, by the names of ONNX.
        quantised: Tensors of whole numbers, by their names before and after they are dequantised.
        done: Names of values that no operator of its own computes.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self.whole_constants: dict[str, tuple[NDArray[Any], Quantisation]] = {}
        self.shapes = shapes_of(model)
        self.file = TfliteFile()
        self.pixels: dict[str, int] = {}
        self.tensors: dict[str, int] = {}
        self.quantised: dict[str, int] = {}
        self.done: set[str] = set()
        self._given = {output.name for output in model.graph.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._known: dict[bytes, int] = {}
        self._floats: dict[int, int] = {}

    def tensor(self, name: str) -> int:
        """A computed value as floats; what is held as whole numbers is dequantised, once."""
        if name in self.pixels and name not in self.tensors:
            # Not read as a map: what ONNX holds as rows is held as if it were channels.
            turned = self.file.like(self.pixels[name], self.held_shape(name))
            order = self.constant(np.array(CHANNELS_LAST, dtype=np.int32))
            inputs = [self.pixels[name], order]
            self.tensors[name] = self.file.node(
                Operator.TRANSPOSE, inputs, turned, "TransposeOptions"
            )
        if name in self.tensors:
            return self.tensors[name]
        quantised = self.quantised[name]
        if quantised not in self._floats:
            floats = self.file.value(self.file.shape(quantised))
            self._floats[quantised] = floats
            self.file.node(Operator.DEQUANTIZE, [quantised], floats, "DequantizeOptions")
        return self._floats[quantised]

    def operand(self, node: onnx.NodeProto, place: int) -> int:
        """An input that may be constant, laid out like the output."""
        name = node.input[place]
        if name not in self.constants:
            return self.tensor(name)
        value = self.constants[name].astype(np.float32)
        rank = len(self.shapes[node.output[0]])
        if rank == 4 and value.size > 1:
            value = value.reshape((1,) * (4 - value.ndim) + value.shape)
            value = value.transpose(CHANNELS_LAST)
        return self.constant(value if value.size > 1 else value.reshape(()))

    def constant(self, value: NDArray[Any]) -> int:
        """Add a constant, once."""
        if value.size > _FEW_NUMBERS:
            return self.file.constant(value)
        key = repr((value.dtype.str, value.shape)).encode() + value.tobytes()
        if key not in self._known:
            self._known[key] = self.file.constant(value)
        return self._known[key]

    def output(self, node: onnx.NodeProto) -> int:
        """Add the tensor of what a node computes."""
        name = node.output[0]
        return self.file.value(self.held_shape(name), name)

    def held_shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value as it is held here."""
        shape = self.shapes[name]
        return tuple(shape[axis] for axis in CHANNELS_LAST) if len(shape) == 4 else shape

    def held_axes(self, node: onnx.NodeProto, axes: Sequence[int]) -> list[int]:
        """Axes of a node's first input as it is held here."""
        rank = len(self.shapes[node.input[0]])
        positive = [axis % rank for axis in axes]
        return [AXIS_OF_MAP[axis] for axis in positive] if rank == 4 else positive

    def numbers(self, node: onnx.NodeProto, place: int, name: str) -> list[int]:
        """Whole numbers that are an input, or an attribute in older graphs."""
        if place < len(node.input):
            return [int(one) for one in self.constants[node.input[place]].reshape(-1)]
        return list(attribute(node, name, ()))

    def limits(self, node: onnx.NodeProto) -> tuple[float | None, float | None]:
        """The lowest and the highest number that a Clip lets through."""
        names = itertools.islice(itertools.chain(node.input, ("", "")), 1, 3)
        low, high = (float(self.constants[name]) if name else None for name in names)
        return low, high

    def activation_behind(self, node: onnx.NodeProto) -> tuple[int, str]:
        """What a convolution does to its sums itself, and what its output is then called."""
        reader = self.only_reader(node.output[0])
        if reader is not None and reader.op_type == "Relu":
            return Activation.RELU, reader.output[0]
        if reader is not None and reader.op_type == "Clip" and self.limits(reader) == (0.0, SIX):
            return Activation.RELU6, reader.output[0]
        return Activation.NONE, node.output[0]

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """The node that reads a value, where it is one and the value is no output."""
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._given else None

    def quantisation(self, node: onnx.NodeProto) -> Quantisation:
        """What the whole numbers of a node that quantises or dequantises stand for.

        What ONNX has in uint8 is int8 here.
        """
        scale = self.constants[node.input[1]].astype(np.float32).reshape(-1)
        if len(node.input) < 3:
            return Quantisation(scale, -UNSIGNED_OFFSET)
        points = self.constants[node.input[2]]
        unsigned = UNSIGNED_OFFSET if points.dtype == np.uint8 else 0
        first = int(points.reshape(-1)[0])
        self.expect(node, points.dtype in _WHOLE_TYPES and bool((points == first).all()))
        return Quantisation(scale, first - unsigned)

    def expect(self, node: onnx.NodeProto, is_known: bool) -> None:
        """Refuse a node by its name.

        Raises:
            UnwritableError: It is not known.
        """
        if not is_known:
            raise UnwritableError(
                f"The model has {node.op_type} ({node.name}) in a way that can't be written as "
                "TFLite."
            )

    def expect_last_axis(self, node: onnx.NodeProto, axis: int) -> None:
        """Refuse a node that works along another axis than the last one."""
        rank = len(self.shapes[node.input[0]])
        self.expect(node, rank < 4 and axis % rank == rank - 1)

    def content(self) -> bytes:
        """The file, with the input and the outputs of the graph."""
        given = {output.name: self.tensor(output.name) for output in self.graph.output}
        return self.file.content({INPUT_NAME: self.pixels[INPUT_NAME]}, given)
