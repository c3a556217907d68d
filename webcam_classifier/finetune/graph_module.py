"""A torch module that computes what an ONNX graph of this program does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from webcam_classifier.errors import UserError
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME

_FEW_NUMBERS = 8
_SMALLEST_LENGTH = 1e-12  # to divide by; torch's own normalize has it too


@dataclass(frozen=True)
class _Call:
    """One node of the graph as it is computed.

    Attributes:
        node: The node.
        values: Tensors by their names in the graph: what was computed before, and constants.
        numbers: Constants of few numbers, which torch takes as numbers: axes, shapes, limits.
    """

    node: onnx.NodeProto
    values: Mapping[str, torch.Tensor]
    numbers: Mapping[str, list[Any]]

    def tensor(self, place: int) -> torch.Tensor:
        """An input."""
        return self.values[self.node.input[place]]

    def constant(self, place: int) -> list[Any] | None:
        """The numbers of an input that is constant; None where the node has no such input."""
        names = self.node.input
        if place >= len(names) or not names[place]:
            return None
        self.expect(names[place] in self.numbers)
        return self.numbers[names[place]]

    def number(self, place: int) -> float | None:
        """The only number of a constant input; None where the node has no such input."""
        found = self.constant(place)
        return None if found is None else float(found[0])

    def get(self, name: str, default: Any) -> Any:  # noqa: ANN401 ints, floats and lists
        """An attribute."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def expect(self, is_known: bool) -> None:
        """Refuse a node that is used in another way than here.

        Raises:
            UserError: It is.
        """
        if not is_known:
            raise UserError(
                f"The model has {self.node.op_type} ({self.node.name}) in a way that can't be "
                "written for torch. Use the ONNX file, or another --format."
            )

    def axes(self) -> list[int]:
        """Which axes the node is about: an input, or an attribute in older graphs."""
        found = self.constant(1)
        return list(self.get("axes", ())) if found is None else [int(axis) for axis in found]

    def sides(self) -> tuple[list[int], list[int]]:
        """The pixels that are added before and after, of height and width each."""
        pads = list(self.get("pads", (0, 0, 0, 0)))
        return pads[:2], pads[2:]


class GraphModule(nn.Module):
    """Runs the nodes of an ONNX graph one after the other.

    It knows the operators that this program's own graphs and torchvision's networks are made of.
    Tracing it leaves nothing of this class in the result.

    Args:
        model: From `pixels` (batch, size, size, 3) uint8 to `probabilities`, and where it has it
            `unknown`; tidied, so that nothing in it is computed from constants alone.

    Raises:
        UserError: An operator is none of those.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        graph = model.graph
        strange = sorted({node.op_type for node in graph.node} - set(_OPERATORS))
        if strange:
            raise UserError(
                f"The model has {', '.join(strange)}, which can't be written for torch. Use the "
                "ONNX file, or another --format."
            )
        self._nodes = list(graph.node)
        given = {output.name for output in graph.output}
        self.outputs = tuple(name for name in (OUTPUT_NAME, UNKNOWN_NAME) if name in given)
        self._buffer_names: dict[str, str] = {}
        self._numbers: dict[str, list[Any]] = {}
        for number, constant in enumerate(graph.initializer):
            value = numpy_helper.to_array(constant)
            if value.size <= _FEW_NUMBERS:
                self._numbers[constant.name] = value.reshape(-1).tolist()
            self._buffer_names[constant.name] = f"constant_{number}"
            self.register_buffer(f"constant_{number}", torch.from_numpy(value.copy()))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute probabilities (batch, labels), and the score of the unknown (batch,)."""
        values = {name: getattr(self, buffer) for name, buffer in self._buffer_names.items()}
        values[INPUT_NAME] = pixels
        for node in self._nodes:
            call = _Call(node, values, self._numbers)
            values[node.output[0]] = _OPERATORS[node.op_type](call)
        return tuple(values[name] for name in self.outputs)


def _convolution(call: _Call) -> torch.Tensor:
    value = call.tensor(0)
    before, after = call.sides()
    padding = before
    if before != after:
        value = functional.pad(value, (before[1], after[1], before[0], after[0]))
        padding = [0, 0]
    bias = call.tensor(2) if len(call.node.input) > 2 else None
    return functional.conv2d(
        value,
        call.tensor(1),
        bias,
        list(call.get("strides", (1, 1))),
        padding,
        list(call.get("dilations", (1, 1))),
        call.get("group", 1),
    )


def _max_pool(call: _Call) -> torch.Tensor:
    before, after = call.sides()
    call.expect(before == after)
    return functional.max_pool2d(
        call.tensor(0),
        list(call.get("kernel_shape", ())),
        list(call.get("strides", (1, 1))),
        before,
        list(call.get("dilations", (1, 1))),
        bool(call.get("ceil_mode", 0)),
    )


def _average_pool(call: _Call) -> torch.Tensor:
    before, after = call.sides()
    call.expect(before == after)
    return functional.avg_pool2d(
        call.tensor(0),
        list(call.get("kernel_shape", ())),
        list(call.get("strides", (1, 1))),
        before,
        bool(call.get("ceil_mode", 0)),
        bool(call.get("count_include_pad", 0)),
    )


def _gemm(call: _Call) -> torch.Tensor:
    first = call.tensor(0).t() if call.get("transA", 0) else call.tensor(0)
    second = call.tensor(1).t() if call.get("transB", 0) else call.tensor(1)
    product = (first @ second) * float(call.get("alpha", 1.0))
    if len(call.node.input) < 3:
        return product
    return product + call.tensor(2) * float(call.get("beta", 1.0))


def _clip(call: _Call) -> torch.Tensor:
    return call.tensor(0).clamp(call.number(1), call.number(2))


def _smallest(call: _Call) -> torch.Tensor:
    """TopK where it asks for the smallest alone, as the score of the unknown does."""
    call.expect(call.number(1) == 1 and not call.get("largest", 1))
    return call.tensor(0).amin(call.get("axis", -1), keepdim=True)


def _length_one(call: _Call) -> torch.Tensor:
    call.expect(call.get("p", 2) == 2)
    value = call.tensor(0)
    length = (value * value).sum(call.get("axis", -1), keepdim=True).sqrt()
    return value / length.clamp(_SMALLEST_LENGTH)


def _cast(call: _Call) -> torch.Tensor:
    call.expect(call.get("to", 0) == TensorProto.FLOAT)
    return call.tensor(0).float()


def _reshape(call: _Call) -> torch.Tensor:
    value = call.tensor(0)
    wanted = call.constant(1) or []
    return value.reshape(
        [value.shape[axis] if size == 0 else int(size) for axis, size in enumerate(wanted)]
    )


def _squeeze(call: _Call) -> torch.Tensor:
    value = call.tensor(0)
    for axis in sorted(call.axes(), reverse=True):  # several at once are unknown to torch 1
        value = value.squeeze(axis)
    return value


def _power(call: _Call) -> torch.Tensor:
    return call.tensor(0) ** float((call.constant(1) or [1.0])[0])


def _hard_sigmoid(call: _Call) -> torch.Tensor:
    scaled = call.tensor(0) * float(call.get("alpha", 0.2))
    return (scaled + float(call.get("beta", 0.5))).clamp(0.0, 1.0)


_OPERATORS: Mapping[str, Callable[[_Call], torch.Tensor]] = {
    "Abs": lambda call: call.tensor(0).abs(),
    "Add": lambda call: call.tensor(0) + call.tensor(1),
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda call: torch.cat(
        [call.tensor(place) for place in range(len(call.node.input))], call.get("axis", 0)
    ),
    "Conv": _convolution,
    "Div": lambda call: call.tensor(0) / call.tensor(1),
    "Flatten": lambda call: call.tensor(0).flatten(call.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda call: call.tensor(0).mean((2, 3), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda call: functional.hardswish(call.tensor(0)),
    "Identity": lambda call: call.tensor(0),
    "LpNormalization": _length_one,
    "MaxPool": _max_pool,
    "Mul": lambda call: call.tensor(0) * call.tensor(1),
    "Pow": _power,
    "ReduceMean": lambda call: call.tensor(0).mean(call.axes(), bool(call.get("keepdims", 1))),
    "ReduceSum": lambda call: call.tensor(0).sum(call.axes(), bool(call.get("keepdims", 1))),
    "Relu": lambda call: functional.relu(call.tensor(0)),
    "Reshape": _reshape,
    "Sigmoid": lambda call: call.tensor(0).sigmoid(),
    "Sign": lambda call: call.tensor(0).sign(),
    "Softmax": lambda call: call.tensor(0).softmax(call.get("axis", -1)),
    "Sqrt": lambda call: call.tensor(0).sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda call: call.tensor(0) - call.tensor(1),
    "TopK": _smallest,
    "Transpose": lambda call: call.tensor(0).permute(list(call.get("perm", ()))),
}
