"""The state of a conversion from an ONNX graph to a TFLite file, which goes node by node.

Feature maps are stored with channels last, as TFLite's convolutions take them: (picture, row,
column, channel) instead of ONNX's (picture, channel, row, column).

A quantised ONNX graph has a QuantizeLinear and a DequantizeLinear around everything that is
computed with integers. A node between a dequantisation and a quantisation becomes one int8
operator here. Any other reader of a dequantised value gets it from a DEQUANTIZE operator.
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
"""For each axis of a map in ONNX, its place in a map with channels last."""

SIX = 6.0

_FEW_NUMBERS = 8  # constants of up to this size are written once, and reused
UNSIGNED_OFFSET = 128
"""A uint8 value of ONNX is an int8 value of TFLite that is less by this."""


_WHOLE_TYPES = (np.uint8, np.int8, np.int32)

Operator = schema.BuiltinOperator
Activation = schema.ActivationFunctionType


class UnwritableError(UserError):
    """A graph can't be converted to TFLite.

    Args:
        reason: Why, as a sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Use the ONNX file, or another --format.")
        self.reason = reason


class Conversion:
    """A graph that is being converted.

    Tensors of the TFLite file are numbered; values of the ONNX graph have names.

    Args:
        model: From `one_picture_graph`.

    Attributes:
        graph: The ONNX graph.
        constants: Its initializers, also dequantised ones, by name.
        integer_constants: Integer weights and biases with their quantisation, by the name of the
            dequantised value.
        shapes: Of all values, in ONNX's order of axes.
        file: The TFLite file.
        pixels: Tensors of values that have channels last in the ONNX graph too, by name.
        tensors: All other float tensors, by name.
        quantised: Integer tensors, by the name of the quantised and of the dequantised value.
        done: Names of values that need no operator of their own.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self.integer_constants: dict[str, tuple[NDArray[Any], Quantisation]] = {}
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
        """Return the float tensor of a computed value; an integer one is dequantised, once."""
        if name in self.pixels and name not in self.tensors:
            # It is not a map for its reader: ONNX's axis of rows is stored as if it were channels.
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
        """Return the tensor of an input that may be constant, with the axes of the output."""
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
        """Add a constant, and return its tensor; small ones are shared."""
        if value.size > _FEW_NUMBERS:
            return self.file.constant(value)
        key = repr((value.dtype.str, value.shape)).encode() + value.tobytes()
        if key not in self._known:
            self._known[key] = self.file.constant(value)
        return self._known[key]

    def output(self, node: onnx.NodeProto) -> int:
        """Add the tensor for the output of a node."""
        name = node.output[0]
        return self.file.value(self.held_shape(name), name)

    def held_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value in TFLite's order of axes."""
        shape = self.shapes[name]
        return tuple(shape[axis] for axis in CHANNELS_LAST) if len(shape) == 4 else shape

    def held_axes(self, node: onnx.NodeProto, axes: Sequence[int]) -> list[int]:
        """Convert axes of a node's first input to TFLite's order of axes."""
        rank = len(self.shapes[node.input[0]])
        positive = [axis % rank for axis in axes]
        return [AXIS_OF_MAP[axis] for axis in positive] if rank == 4 else positive

    def numbers(self, node: onnx.NodeProto, place: int, name: str) -> list[int]:
        """Return the integers of a constant input, which is an attribute in older opsets."""
        if place < len(node.input):
            return [int(one) for one in self.constants[node.input[place]].reshape(-1)]
        return list(attribute(node, name, ()))

    def limits(self, node: onnx.NodeProto) -> tuple[float | None, float | None]:
        """Return the minimum and the maximum of a Clip; None for one that it does not have."""
        names = itertools.islice(itertools.chain(node.input, ("", "")), 1, 3)
        low, high = (float(self.constants[name]) if name else None for name in names)
        return low, high

    def activation_behind(self, node: onnx.NodeProto) -> tuple[int, str]:
        """Return the activation to fuse into a convolution, and the name of the output then."""
        reader = self.only_reader(node.output[0])
        if reader is not None and reader.op_type == "Relu":
            return Activation.RELU, reader.output[0]
        if reader is not None and reader.op_type == "Clip" and self.limits(reader) == (0.0, SIX):
            return Activation.RELU6, reader.output[0]
        return Activation.NONE, node.output[0]

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """Return the only node that reads a value; None if it has others, or is a graph output."""
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._given else None

    def quantisation(self, node: onnx.NodeProto) -> Quantisation:
        """Return the parameters of a QuantizeLinear or DequantizeLinear, for int8 instead of uint8.

        Raises:
            UnwritableError: Its zero points differ, or have an unsupported type.
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
        """Check that a node is supported.

        Args:
            node: The node.
            is_known: Whether it is.

        Raises:
            UnwritableError: It is not.
        """
        if not is_known:
            raise UnwritableError(
                f"The model has {node.op_type} ({node.name}) in a way that can't be written as "
                "TFLite."
            )

    def expect_last_axis(self, node: onnx.NodeProto, axis: int) -> None:
        """Check that a node works along the last axis of a value that is no map."""
        rank = len(self.shapes[node.input[0]])
        self.expect(node, rank < 4 and axis % rank == rank - 1)

    def content(self) -> bytes:
        """Return the content of the file, with the input and the outputs of the graph."""
        given = {output.name: self.tensor(output.name) for output in self.graph.output}
        return self.file.content({INPUT_NAME: self.pixels[INPUT_NAME]}, given)
