"""Write SqueezeNet as a LiteRT file: `python -m benchmarks.litert_file ARRAYS OUT.tflite`.

The converter from ONNX asks for TensorFlow, which is ten times the size of the runtime. This file
needs the runtime's own schema and nothing more; it runs in the environment of the baselines.
ARRAYS is a .safetensors file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import safetensors.numpy
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from benchmarks.inference_request import SIZE

_FIRE_MODULES = (3, 4, 6, 7, 9, 10, 11, 12)  # of torchvision's `features`
_POOLED_BEFORE = (3, 6, 9)
_VERSION = 3  # of the file format


class _Network:
    """Collects tensors and operators, in the axis order (batch, height, width, channels)."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]
        self._codes: list[int] = []

    def constant(self, value: NDArray[Any]) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        self._buffers.append(buffer)
        kind = schema.TensorType.INT32 if value.dtype == np.int32 else schema.TensorType.FLOAT32
        return self._tensor(value.shape, kind, len(self._buffers) - 1)

    def value(self, *shape: int) -> int:
        return self._tensor(shape, schema.TensorType.FLOAT32, 0)

    def shape(self, tensor: int) -> list[int]:
        found: list[int] = self._graph.tensors[tensor].shape
        return found

    def node(self, code: int, inputs: list[int], output: int, kind: str, **options: Any) -> int:  # noqa: ANN401 whatever the schema takes
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = getattr(schema, f"{kind}T")()
        for name, setting in options.items():
            setattr(operator.builtinOptions, name, setting)
        self._graph.operators.append(operator)
        return output

    def write(self, path: Path, taken: int, given: int) -> None:
        self._graph.inputs, self._graph.outputs = [taken], [given]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = _VERSION, [self._graph], self._buffers
        model.operatorCodes = []
        for code in self._codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))

    def _tensor(self, shape: tuple[int, ...], kind: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, buffer
        tensor.name = f"value{len(self._graph.tensors)}"
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1


def write_squeezenet(arrays: dict[str, NDArray[np.float32]], path: Path) -> None:
    """Write the network.

    Args:
        arrays: torchvision's names for `features`, and `head.weight` and `head.bias`.
        path: Where it belongs.
    """
    network = _Network()
    taken = network.value(1, SIZE, SIZE, 3)
    found = _convolution(network, taken, arrays, "features.0", stride=2)
    for module in _FIRE_MODULES:
        if module in _POOLED_BEFORE:
            found = _pool(network, found)
        name = f"features.{module}"
        squeezed = _convolution(network, found, arrays, f"{name}.squeeze")
        halves = [
            _convolution(network, squeezed, arrays, f"{name}.expand1x1"),
            _convolution(network, squeezed, arrays, f"{name}.expand3x3", same=True),
        ]
        shape = network.shape(halves[0])
        concatenated = network.value(*shape[:3], 2 * shape[3])
        operator = schema.BuiltinOperator.CONCATENATION
        found = network.node(operator, halves, concatenated, "ConcatenationOptions", axis=3)
    axes = network.constant(np.array([1, 2], np.int32))
    pooled = network.value(1, network.shape(found)[3])
    network.node(schema.BuiltinOperator.MEAN, [found, axes], pooled, "ReducerOptions")
    weights = [network.constant(arrays[name]) for name in ("head.weight", "head.bias")]
    logits, given = (network.value(1, len(arrays["head.bias"])) for _ in range(2))
    operator = schema.BuiltinOperator.FULLY_CONNECTED
    network.node(operator, [pooled, *weights], logits, "FullyConnectedOptions")
    network.node(schema.BuiltinOperator.SOFTMAX, [logits], given, "SoftmaxOptions", beta=1.0)
    network.write(path, taken, given)


def _convolution(
    network: _Network,
    value: int,
    arrays: dict[str, NDArray[np.float32]],
    name: str,
    stride: int = 1,
    same: bool = False,
) -> int:
    weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
    kernel = network.constant(weight.transpose(0, 2, 3, 1))
    _, height, width, _ = network.shape(value)
    lost = 0 if same else weight.shape[2] - 1
    shape = (1, (height - lost - 1) // stride + 1, (width - lost - 1) // stride + 1, len(bias))
    return network.node(
        schema.BuiltinOperator.CONV_2D,
        [value, kernel, network.constant(bias)],
        network.value(*shape),
        "Conv2DOptions",
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideH=stride,
        strideW=stride,
        fusedActivationFunction=schema.ActivationFunctionType.RELU,
    )


def _pool(network: _Network, value: int) -> int:
    _, height, width, channels = network.shape(value)
    return network.node(
        schema.BuiltinOperator.MAX_POOL_2D,
        [value],
        network.value(1, (height - 3) // 2 + 1, (width - 3) // 2 + 1, channels),
        "Pool2DOptions",
        padding=schema.Padding.VALID,
        strideH=2,
        strideW=2,
        filterHeight=3,
        filterWidth=3,
    )


if __name__ == "__main__":
    write_squeezenet(safetensors.numpy.load_file(sys.argv[1]), Path(sys.argv[2]))
