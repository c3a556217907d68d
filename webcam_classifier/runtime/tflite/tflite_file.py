"""Write a TFLite file of tensors and operators, with the schema of LiteRT's own package.

The file format is https://github.com/google-ai-edge/LiteRT (schema.fbs, version 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_VERSION = 3  # of the file format
_IDENTIFIER = b"TFL3"
_SIGNATURE = "serving_default"
_ALIGNMENT = 16  # of constants in the file, as schema.fbs demands
_LAST_OLD_CODE = 127  # operators with higher codes have only the newer field
_KINDS = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
}


@dataclass(frozen=True, eq=False)
class Quantisation:
    """The quantisation of a tensor: a value is scale * (integer - zero_point).

    Attributes:
        scale: (1,) float32, or (channels,) float32.
        zero_point: The same for all channels.
        axis: The axis of the channels.
    """

    scale: NDArray[np.float32]
    zero_point: int = 0
    axis: int = 0

    def is_same(self, other: Quantisation) -> bool:
        """Whether the same integer means the same value in both."""
        return self.zero_point == other.zero_point and np.array_equal(self.scale, other.scale)


class TfliteFile:
    """Collects tensors, which are numbered, and operators."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._codes: list[int] = []
        self._quantisations: dict[int, Quantisation] = {}

    def constant(self, value: NDArray[Any], quantisation: Quantisation | None = None) -> int:
        """Add a constant tensor, and return its number."""
        self._buffers.append(_Buffer(np.ascontiguousarray(value).tobytes()))
        tensor = self._tensor(value.shape, value.dtype, len(self._buffers) - 1, "")
        if quantisation is not None:
            self.quantise(tensor, quantisation)
        return tensor

    def value(
        self,
        shape: Sequence[int],
        name: str = "",
        kind: type = np.float32,
        quantisation: Quantisation | None = None,
    ) -> int:
        """Add a tensor for an input or a computed value, and return its number."""
        tensor = self._tensor(shape, np.dtype(kind), 0, name)
        if quantisation is not None:
            self.quantise(tensor, quantisation)
        return tensor

    def like(self, tensor: int, shape: Sequence[int]) -> int:
        """Add a tensor for a computed value, with the type and quantisation of another one."""
        result = self._tensor(shape, np.dtype(np.float32), 0, "")
        self._tensors[result].type = self._tensors[tensor].type
        if tensor in self._quantisations:
            self.quantise(result, self._quantisations[tensor])
        return result

    def quantise(self, tensor: int, quantisation: Quantisation) -> None:
        """Set the quantisation of a tensor."""
        parameters = schema.QuantizationParametersT()
        parameters.scale = quantisation.scale.tolist()
        parameters.zeroPoint = [quantisation.zero_point] * len(parameters.scale)
        parameters.quantizedDimension = quantisation.axis
        self._tensors[tensor].quantization = parameters
        self._quantisations[tensor] = quantisation

    def quantisation(self, tensor: int) -> Quantisation:
        """Return the quantisation of a tensor, which must have one."""
        return self._quantisations[tensor]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape."""
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
            inputs: The tensors that it reads.
            output: The tensor that it computes.
            options: The schema's name of its options; empty if it has none.
            settings: The options, by the schema's names.

        Returns:
            The output.
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
        """Return the content of the file.

        Args:
            taken: The tensors of the inputs, by name.
            given: The tensors of the outputs, by name.
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


class _Buffer(schema.BufferT):  # type: ignore[misc] # the package has no types
    """A constant that is aligned in the file: the generated code does not align bytes."""

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


def _named(name: str, tensor: int) -> Any:  # noqa: ANN401 of the package without types
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry
