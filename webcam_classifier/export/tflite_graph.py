"""An ONNX graph of this program as a TFLite file, written with the schema of LiteRT's own package.

Converters from ONNX or torch bring TensorFlow, jax or a torch of their own and pin what stands
beside them; the graphs written here are made of two dozen operators, each of which TFLite has. The
file format is https://github.com/google-ai-edge/LiteRT (schema.fbs, version 3).

Maps of features are held with channels last, as TFLite's convolutions take them: what has the axes
(picture, channel, row, column) in the ONNX graph has (picture, row, column, channel) here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.errors import UserError
from webcam_classifier.export.one_picture_graph import shapes_of
from webcam_classifier.model_card import INPUT_NAME

_VERSION = 3  # of the file format
_IDENTIFIER = b"TFL3"
_SIGNATURE = "serving_default"
_ALIGNMENT = 16  # of constants in the file, as schema.fbs demands
_LAST_OLD_CODE = 127  # of operators; the field for newer ones is another
_CHANNELS_LAST = (0, 2, 3, 1)
_AXIS_OF_MAP = (0, 3, 1, 2)  # where each axis of ONNX is in a map with channels last
_LOWEST = np.float32(np.finfo(np.float32).min)
_SIX = 6.0
_FEW_NUMBERS = 8  # constants that may be wanted again are written once
_KINDS = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
}

Operator = schema.BuiltinOperator
Activation = schema.ActivationFunctionType


def tflite_bytes(model: onnx.ModelProto) -> bytes:
    """Write a graph as a TFLite file, for one picture at a time.

    Args:
        model: From `one_picture_graph`.

    Returns:
        A file with the same input and outputs, and a signature that has their names.

    Raises:
        UserError: An operator is not known here, or is used in another way.
    """
    return _Conversion(model).convert()


class _Buffer(schema.BufferT):  # type: ignore[misc] # the package has no types
    """A constant, aligned in the file: the generated code aligns bytes to bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = content

    def Pack(self, builder: Any) -> Any:  # noqa: ANN401, N802 named by flatbuffers
        size = len(self._content)
        builder.StartVector(1, size, _ALIGNMENT)
        builder.head = builder.Head() - size
        builder.Bytes[builder.Head() : builder.Head() + size] = self._content
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class _File:
    """Collects tensors and operators."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._codes: list[int] = []

    def constant(self, value: NDArray[Any]) -> int:
        """Add a constant."""
        self._buffers.append(_Buffer(np.ascontiguousarray(value).tobytes()))
        return self._tensor(value.shape, value.dtype, len(self._buffers) - 1, "")

    def value(self, shape: Sequence[int], name: str = "", kind: type = np.float32) -> int:
        """Add a tensor that is computed, or given."""
        return self._tensor(shape, np.dtype(kind), 0, name)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(self._tensors[tensor].shape)

    def node(
        self,
        code: int,
        inputs: Sequence[int],
        output: int,
        options: str = "",
        **settings: Any,  # noqa: ANN401 whatever the schema takes
    ) -> int:
        """Add an operator.

        Args:
            code: Of `schema.BuiltinOperator`.
            inputs: Tensors.
            output: The tensor that it computes.
            options: What the schema calls its settings; empty where it has none.
            settings: By the schema's names.
        """
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for name, setting in settings.items():
                setattr(operator.builtinOptions, name, setting)
        self._operators.append(operator)
        return output

    def content(self, taken: Mapping[str, int], given: Mapping[str, int]) -> bytes:
        """The file.

        Args:
            taken: Tensors by the names of inputs.
            given: Tensors by the names of outputs.
        """
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(taken.values()), list(given.values())
        signature = schema.SignatureDefT()
        signature.signatureKey = _SIGNATURE
        signature.inputs = [_named(name, tensor) for name, tensor in taken.items()]
        signature.outputs = [_named(name, tensor) for name, tensor in given.items()]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = _VERSION, [graph], self._buffers
        model.signatureDefs = [signature]
        model.operatorCodes = []
        for code in self._codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode = code
            entry.deprecatedBuiltinCode = min(code, _LAST_OLD_CODE)
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, shape: Sequence[int], kind: np.dtype[Any], buffer: int, name: str) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), _KINDS[kind], buffer
        tensor.name = name or f"value_{len(self._tensors)}"
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _named(name: str, tensor: int) -> Any:  # noqa: ANN401 of the package without types
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


class _Conversion:
    """Walks over the nodes of an ONNX graph, and writes what each computes.

    Args:
        model: From `one_picture_graph`.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self._graph = graph
        self._constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self._shapes = shapes_of(model)
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._file = _File()
        self._tensors: dict[str, int] = {}
        self._known: dict[bytes, int] = {}

    def convert(self) -> bytes:
        pixels = self._file.value(self._shapes[INPUT_NAME], INPUT_NAME, np.uint8)
        self._tensors[INPUT_NAME] = pixels
        for node in self._graph.node:
            if node.output[0] in self._tensors:  # done with the node before
                continue
            write = _WRITERS.get(node.op_type)
            self._expect(node, write is not None)
            assert write is not None
            self._tensors[node.output[0]] = write(self, node)
        given = {output.name: self._tensors[output.name] for output in self._graph.output}
        return self._file.content({INPUT_NAME: pixels}, given)

    def transpose(self, node: onnx.NodeProto) -> int:
        """Of the pixels alone: channels stay last."""
        is_pixels = node.input[0] == INPUT_NAME
        self._expect(node, is_pixels and tuple(_get(node, "perm", ())) == _AXIS_OF_MAP)
        return self._tensors[INPUT_NAME]

    def cast(self, node: onnx.NodeProto) -> int:
        self._expect(node, _get(node, "to", 0) == TensorProto.FLOAT)
        return self._file.node(
            Operator.CAST,
            [self._tensors[node.input[0]]],
            self._output(node),
            "CastOptions",
            inDataType=schema.TensorType.UINT8,
            outDataType=schema.TensorType.FLOAT32,
        )

    def identity(self, node: onnx.NodeProto) -> int:
        return self._tensors[node.input[0]]

    def convolution(self, node: onnx.NodeProto) -> int:
        kernel = self._constants[node.input[1]]
        groups = _get(node, "group", 1)
        channels = self._shapes[node.input[0]][1]
        is_depthwise = groups == channels and kernel.shape[1] == 1 and groups > 1
        dilations = tuple(_get(node, "dilations", (1, 1)))
        self._expect(node, (groups == 1 or is_depthwise) and dilations == (1, 1))
        bias = np.zeros(len(kernel), dtype=np.float32)
        if len(node.input) > 2:
            bias = self._constants[node.input[2]]
        value, padding = self._padded(node, kernel.shape[2:], 0.0)
        rows, columns = _get(node, "strides", (1, 1))
        activation, name = self._activation_behind(node)
        settings = {
            "padding": padding,
            "strideH": rows,
            "strideW": columns,
            "fusedActivationFunction": activation,
        }
        if is_depthwise:
            code, options = Operator.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions"
            weights = kernel.transpose(1, 2, 3, 0)
            settings["depthMultiplier"] = len(kernel) // channels
        else:
            code, options = Operator.CONV_2D, "Conv2DOptions"
            weights = kernel.transpose(0, 2, 3, 1)
        inputs = [value, self._constant(weights), self._constant(bias)]
        output = self._file.value(self._held_shape(name), name)
        self._tensors[name] = output
        return self._file.node(code, inputs, output, options, **settings)

    def pool(self, node: onnx.NodeProto) -> int:
        is_mean = node.op_type == "AveragePool"
        kernel = _get(node, "kernel_shape", (1, 1))
        value, padding = self._padded(node, kernel, 0.0 if is_mean else _LOWEST)
        rows, columns = _get(node, "strides", (1, 1))
        # What is padded counts in neither's mean, or is told otherwise by an attribute.
        self._expect(node, not is_mean or value == self._tensors[node.input[0]])
        return self._file.node(
            Operator.AVERAGE_POOL_2D if is_mean else Operator.MAX_POOL_2D,
            [value],
            self._output(node),
            "Pool2DOptions",
            padding=padding,
            strideH=rows,
            strideW=columns,
            filterHeight=kernel[0],
            filterWidth=kernel[1],
        )

    def global_mean(self, node: onnx.NodeProto) -> int:
        return self._reduced(node, Operator.MEAN, [2, 3], True)

    def reduced(self, node: onnx.NodeProto) -> int:
        code = Operator.MEAN if node.op_type == "ReduceMean" else Operator.SUM
        axes = self._numbers(node, 1, "axes")
        return self._reduced(node, code, axes, bool(_get(node, "keepdims", 1)))

    def smallest(self, node: onnx.NodeProto) -> int:
        """TopK where it asks for the smallest alone, as the score of the unknown does."""
        wanted = self._numbers(node, 1, "k")
        self._expect(node, wanted == [1] and not _get(node, "largest", 1))
        return self._reduced(node, Operator.REDUCE_MIN, [_get(node, "axis", -1)], True)

    def gemm(self, node: onnx.NodeProto) -> int:
        self._expect(node, not _get(node, "transA", 0))
        weights = self._constants[node.input[1]]
        if not _get(node, "transB", 0):
            weights = weights.T
        weights = np.float32(_get(node, "alpha", 1.0)) * weights
        bias = np.zeros(len(weights), dtype=np.float32)
        if len(node.input) > 2:
            bias = bias + np.float32(_get(node, "beta", 1.0)) * self._constants[node.input[2]]
        inputs = [self._tensors[node.input[0]], self._constant(weights), self._constant(bias)]
        return self._file.node(
            Operator.FULLY_CONNECTED, inputs, self._output(node), "FullyConnectedOptions"
        )

    def softmax(self, node: onnx.NodeProto) -> int:
        self._expect_last_axis(node, _get(node, "axis", -1))
        value = [self._tensors[node.input[0]]]
        return self._file.node(
            Operator.SOFTMAX, value, self._output(node), "SoftmaxOptions", beta=1.0
        )

    def length_one(self, node: onnx.NodeProto) -> int:
        self._expect_last_axis(node, _get(node, "axis", -1))
        self._expect(node, _get(node, "p", 2) == 2)
        value = [self._tensors[node.input[0]]]
        return self._file.node(
            Operator.L2_NORMALIZATION, value, self._output(node), "L2NormOptions"
        )

    def concatenation(self, node: onnx.NodeProto) -> int:
        values = [self._operand(node, place) for place in range(len(node.input))]
        (axis,) = self._held_axes(node, [_get(node, "axis", 0)])
        return self._file.node(
            Operator.CONCATENATION, values, self._output(node), "ConcatenationOptions", axis=axis
        )

    def flatten(self, node: onnx.NodeProto) -> int:
        self._expect(node, _get(node, "axis", 1) == 1)
        return self.reshape(node)

    def reshape(self, node: onnx.NodeProto) -> int:
        """All shapes are known, so it does not matter how ONNX says the new one."""
        value = self._tensors[node.input[0]]
        before, after = self._shapes[node.input[0]], self._shapes[node.output[0]]
        if len(before) == 4 and before[2:] != (1, 1):
            planes = self._file.value(before)
            order = self._constant(np.array(_AXIS_OF_MAP, dtype=np.int32))
            value = self._file.node(Operator.TRANSPOSE, [value, order], planes, "TransposeOptions")
        self._expect(node, len(after) != 4 or after[2:] == (1, 1))
        shape = self._constant(np.array(self._held_shape(node.output[0]), dtype=np.int32))
        return self._file.node(Operator.RESHAPE, [value, shape], self._output(node))

    def clip(self, node: onnx.NodeProto) -> int:
        value = self._tensors[node.input[0]]
        low, high = self._limits(node)
        if (low, high) == (0.0, _SIX):
            return self._file.node(Operator.RELU6, [value], self._output(node))
        if low is not None:
            value = self._with_number(Operator.MAXIMUM, "MaximumMinimumOptions", value, low)
        if high is not None:
            value = self._with_number(Operator.MINIMUM, "MaximumMinimumOptions", value, high)
        return value

    def hard_sigmoid(self, node: onnx.NodeProto) -> int:
        """Written as ReLU6: the middle of it has slope alpha, and it ends at zero and one."""
        alpha, beta = _get(node, "alpha", 0.2), _get(node, "beta", 0.5)
        value = self._tensors[node.input[0]]
        shape = self._file.shape(value)
        scaled = self._with_number(Operator.MUL, "MulOptions", value, _SIX * alpha)
        shifted = self._with_number(Operator.ADD, "AddOptions", scaled, _SIX * beta)
        limited = self._file.node(Operator.RELU6, [shifted], self._file.value(shape))
        return self._with_number(Operator.MUL, "MulOptions", limited, 1.0 / _SIX)

    def elementwise(self, node: onnx.NodeProto) -> int:
        code, options = _ELEMENTWISE[node.op_type]
        values = [self._operand(node, place) for place in range(len(node.input))]
        return self._file.node(code, values, self._output(node), options)

    def _with_number(self, code: int, options: str, value: int, number: float) -> int:
        other = self._constant(np.array(number, dtype=np.float32))
        output = self._file.value(self._file.shape(value))
        return self._file.node(code, [value, other], output, options)

    def _reduced(self, node: onnx.NodeProto, code: int, axes: list[int], keeps: bool) -> int:
        held = np.array(sorted(self._held_axes(node, axes)), dtype=np.int32)
        self._expect(node, keeps or len(self._shapes[node.output[0]]) < 4)
        inputs = [self._tensors[node.input[0]], self._constant(held)]
        return self._file.node(code, inputs, self._output(node), "ReducerOptions", keepDims=keeps)

    def _activation_behind(self, node: onnx.NodeProto) -> tuple[int, str]:
        """What a convolution does to its sums itself, and what its output is then called."""
        name = node.output[0]
        readers = self._readers.get(name, [])
        if len(readers) == 1:
            (reader,) = readers
            if reader.op_type == "Relu":
                return Activation.RELU, reader.output[0]
            if reader.op_type == "Clip" and self._limits(reader) == (0.0, _SIX):
                return Activation.RELU6, reader.output[0]
        return Activation.NONE, name

    def _padded(
        self, node: onnx.NodeProto, kernel: Sequence[int], filling: float
    ) -> tuple[int, int]:
        """Pad a map as the node asks.

        TFLite knows no padding, and `SAME`: as much as is needed, the odd pixel behind. Anything
        else is an operator before it.

        Returns:
            The map, and how the node is to pad it itself.
        """
        self._expect(node, _get(node, "auto_pad", b"NOTSET") == b"NOTSET")
        value = self._tensors[node.input[0]]
        pads = list(_get(node, "pads", (0, 0, 0, 0)))
        strides = _get(node, "strides", (1, 1))
        sizes, given = self._shapes[node.input[0]][2:], self._shapes[node.output[0]][2:]
        before, after, same = [], [], []
        for axis in range(2):
            # With ceil_mode the last window may stand over the edge.
            reach = (given[axis] - 1) * strides[axis] + kernel[axis]
            before.append(pads[axis])
            after.append(max(reach - sizes[axis] - pads[axis], 0))
            spare = max((-(-sizes[axis] // strides[axis]) - 1) * strides[axis], 0)
            spare = max(spare + kernel[axis] - sizes[axis], 0)
            same.append((spare // 2, spare - spare // 2))
        if not any(before + after):
            return value, schema.Padding.VALID
        is_same = list(zip(before, after, strict=True)) == same
        if is_same and all(-(-sizes[axis] // strides[axis]) == given[axis] for axis in range(2)):
            return value, schema.Padding.SAME
        rows, columns = ((before[axis], after[axis]) for axis in range(2))
        amounts = self._constant(np.array([(0, 0), rows, columns, (0, 0)], dtype=np.int32))
        _, height, width, channels = self._file.shape(value)
        padded = self._file.value((1, height + sum(rows), width + sum(columns), channels))
        if filling == 0.0:
            self._file.node(Operator.PAD, [value, amounts], padded, "PadOptions")
        else:
            inputs = [value, amounts, self._constant(np.array([filling], dtype=np.float32))]
            self._file.node(Operator.PADV2, inputs, padded, "PadV2Options")
        return padded, schema.Padding.VALID

    def _operand(self, node: onnx.NodeProto, place: int) -> int:
        """An input that may be constant, laid out like the output."""
        name = node.input[place]
        if name not in self._constants:
            return self._tensors[name]
        value = self._constants[name].astype(np.float32)
        rank = len(self._shapes[node.output[0]])
        if rank == 4 and value.size > 1:
            value = value.reshape((1,) * (4 - value.ndim) + value.shape)
            value = value.transpose(_CHANNELS_LAST)
        return self._constant(value if value.size > 1 else value.reshape(()))

    def _constant(self, value: NDArray[Any]) -> int:
        """Add a constant, once."""
        if value.size > _FEW_NUMBERS:
            return self._file.constant(value)
        key = repr((value.dtype.str, value.shape)).encode() + value.tobytes()
        if key not in self._known:
            self._known[key] = self._file.constant(value)
        return self._known[key]

    def _output(self, node: onnx.NodeProto) -> int:
        name = node.output[0]
        return self._file.value(self._held_shape(name), name)

    def _held_shape(self, name: str) -> tuple[int, ...]:
        shape = self._shapes[name]
        return tuple(shape[axis] for axis in _CHANNELS_LAST) if len(shape) == 4 else shape

    def _held_axes(self, node: onnx.NodeProto, axes: Sequence[int]) -> list[int]:
        rank = len(self._shapes[node.input[0]])
        positive = [axis % rank for axis in axes]
        return [_AXIS_OF_MAP[axis] for axis in positive] if rank == 4 else positive

    def _expect_last_axis(self, node: onnx.NodeProto, axis: int) -> None:
        rank = len(self._shapes[node.input[0]])
        self._expect(node, rank < 4 and axis % rank == rank - 1)

    def _numbers(self, node: onnx.NodeProto, place: int, attribute: str) -> list[int]:
        """Whole numbers that are an input, or an attribute in older graphs."""
        if place < len(node.input):
            return [int(one) for one in self._constants[node.input[place]].reshape(-1)]
        return list(_get(node, attribute, ()))

    def _limits(self, node: onnx.NodeProto) -> tuple[float | None, float | None]:
        names = itertools.islice(itertools.chain(node.input, ("", "")), 1, 3)
        low, high = (float(self._constants[name]) if name else None for name in names)
        return low, high

    def _expect(self, node: onnx.NodeProto, is_known: bool) -> None:
        if not is_known:
            raise UserError(
                f"The model has {node.op_type} ({node.name}) in a way that can't be written as "
                "TFLite. Use the ONNX file, or another --format."
            )


def _get(node: onnx.NodeProto, name: str, default: Any) -> Any:  # noqa: ANN401 ints, floats and lists
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default


_ELEMENTWISE: Mapping[str, tuple[int, str]] = {
    "Abs": (Operator.ABS, "AbsOptions"),
    "Add": (Operator.ADD, "AddOptions"),
    "Div": (Operator.DIV, "DivOptions"),
    "HardSwish": (Operator.HARD_SWISH, "HardSwishOptions"),
    "Mul": (Operator.MUL, "MulOptions"),
    "Pow": (Operator.POW, "PowOptions"),
    "Relu": (Operator.RELU, ""),
    "Sigmoid": (Operator.LOGISTIC, ""),
    "Sign": (Operator.SIGN, ""),
    "Sqrt": (Operator.SQRT, ""),
    "Sub": (Operator.SUB, "SubOptions"),
}
"""What is computed number by number: the operator, and what the schema calls its settings."""

_WRITERS: Mapping[str, Callable[[_Conversion, onnx.NodeProto], int]] = {
    **dict.fromkeys(_ELEMENTWISE, _Conversion.elementwise),
    "AveragePool": _Conversion.pool,
    "Cast": _Conversion.cast,
    "Clip": _Conversion.clip,
    "Concat": _Conversion.concatenation,
    "Conv": _Conversion.convolution,
    "Flatten": _Conversion.flatten,
    "Gemm": _Conversion.gemm,
    "GlobalAveragePool": _Conversion.global_mean,
    "HardSigmoid": _Conversion.hard_sigmoid,
    "Identity": _Conversion.identity,
    "LpNormalization": _Conversion.length_one,
    "MaxPool": _Conversion.pool,
    "ReduceMean": _Conversion.reduced,
    "ReduceSum": _Conversion.reduced,
    "Reshape": _Conversion.reshape,
    "Softmax": _Conversion.softmax,
    "Squeeze": _Conversion.reshape,
    "TopK": _Conversion.smallest,
    "Transpose": _Conversion.transpose,
}
