"""Graphs rewritten for other runtimes, operator by operator: as onnxruntime computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.backbone.feature_graph import with_normalised_embedding
from webcam_classifier.errors import UserError
from webcam_classifier.export.int8 import _prepared, _quantise
from webcam_classifier.head.lda import LinearHead, append_head
from webcam_classifier.head.novelty import Novelty, append_novelty
from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.runtime.one_picture_graph import one_picture_graph

LABELS = 5
Answers = list[NDArray[np.float32]]


class Sketch:
    """A graph that is drawn node by node; constants are random, the same in each run."""

    def __init__(self, size: int = 32) -> None:
        self.size = size
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._generator = np.random.default_rng(3)
        planes = self.node("Transpose", [INPUT_NAME], perm=[0, 3, 1, 2])
        floats = self.node("Cast", [planes], to=TensorProto.FLOAT)
        self.start = self.node("Mul", [floats, self.constant(np.float32(1 / 64.0))])

    def node(self, kind: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> str:  # noqa: ANN401
        name = f"{kind}_{len(self.nodes)}"
        given = [name, *(f"{name}.{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, given, name=name, **attributes))
        return name

    def constant(self, value: Any) -> str:  # noqa: ANN401 arrays and numbers
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self._generator.normal(0.0, 0.3, shape).astype(np.float32))

    def convolution(self, value: str, taken: int, given: int, side: int = 3, **more: Any) -> str:  # noqa: ANN401
        weights = self.random(given, taken // more.get("group", 1), side, side)
        return self.node("Conv", [value, weights, self.random(given)], **more)

    def whole(self, embedding: str, width: int) -> onnx.ModelProto:
        """As a feature graph, with a head and the score of the unknown."""
        self.nodes.append(helper.make_node("Identity", [embedding], ["embedding"]))
        graph = helper.make_graph(
            self.nodes,
            "sketch",
            [
                helper.make_tensor_value_info(
                    INPUT_NAME, TensorProto.UINT8, ["batch", self.size, self.size, 3]
                )
            ],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

        def random(*shape: int) -> NDArray[np.float32]:
            return self._generator.normal(0.0, 1.0, shape).astype(np.float32)

        novelty = Novelty(
            random(width, 4), random(4), random(20, 4), random(6, width),
            np.array([0.4, 0.9], dtype=np.float32), 1.0,
        )  # fmt: skip
        head = LinearHead(random(LABELS, width), random(LABELS), 1.0)
        whole = append_novelty(append_head(with_normalised_embedding(model), head), novelty)
        onnx.checker.check_model(whole, full_check=True)
        return whole

    def pooled(self, value: str, channels: int) -> onnx.ModelProto:
        mean = self.node("GlobalAveragePool", [value])
        return self.whole(self.node("Flatten", [mean], axis=1), channels)


def convolution_that_halves() -> onnx.ModelProto:
    sketch = Sketch()
    value = sketch.convolution(sketch.start, 3, 8, 7, strides=[2, 2], pads=[3, 3, 3, 3])
    value = sketch.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return sketch.pooled(sketch.convolution(value, 8, 6, pads=[1] * 4), 6)


def unevenly_padded_depthwise() -> onnx.ModelProto:
    sketch = Sketch()
    value = sketch.convolution(sketch.start, 3, 8, strides=[2, 2], pads=[0, 0, 1, 1])
    zero, six = sketch.constant(np.float32(0.0)), sketch.constant(np.float32(6.0))
    value = sketch.node("Clip", [value, zero, six])
    same = sketch.convolution(value, 8, 8, group=8, pads=[1] * 4)
    odd = sketch.convolution(value, 8, 8, 5, group=8, pads=[2, 1, 2, 3])
    return sketch.pooled(sketch.node("Add", [same, odd]), 8)


def windows_over_the_edge() -> onnx.ModelProto:
    sketch = Sketch(30)
    value = sketch.convolution(sketch.start, 3, 8)  # 28 x 28, all below zero in places
    value = sketch.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    value = sketch.node("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])
    return sketch.pooled(sketch.node("AveragePool", [value], kernel_shape=[2, 2]), 8)


def gates() -> onnx.ModelProto:
    sketch = Sketch()
    value = sketch.node("HardSwish", [sketch.convolution(sketch.start, 3, 8)])
    mean = sketch.node("GlobalAveragePool", [value])
    gate = sketch.node(
        "HardSigmoid", [sketch.convolution(mean, 8, 8, 1)], alpha=1.0 / 6.0, beta=0.5
    )
    value = sketch.node("Mul", [gate, value])
    gate = sketch.node("Sigmoid", [sketch.convolution(value, 8, 8, 1)])
    value = sketch.node("Mul", [value, gate])
    value = sketch.node("Sub", [value, sketch.random(8, 1, 1)])
    high = sketch.constant(np.float32(2.5))
    return sketch.pooled(sketch.node("Clip", [value, "", high]), 8)


def fire() -> onnx.ModelProto:
    sketch = Sketch()
    value = sketch.node("Relu", [sketch.convolution(sketch.start, 3, 8)])
    narrow = sketch.node("Relu", [sketch.convolution(value, 8, 6, 1)])
    wide = sketch.convolution(value, 8, 6, pads=[1] * 4)
    value = sketch.node("Concat", [narrow, sketch.node("Relu", [wide])], axis=1)
    return sketch.pooled(sketch.node("Mul", [value, sketch.random(1, 1, 30, 30)]), 12)


def linear_layers() -> onnx.ModelProto:
    """Of a map that is flattened as it is: rows and columns come after channels."""
    sketch = Sketch()
    value = sketch.convolution(sketch.start, 3, 4, 8, strides=[8, 8])
    value = sketch.node("Flatten", [value])
    weights = sketch.random(64, 10)
    value = sketch.node("Gemm", [value, weights, sketch.random(10)], alpha=0.5, beta=2.0)
    return sketch.whole(sketch.node("Div", [value, sketch.constant(np.float32(3.0))]), 10)


def means() -> onnx.ModelProto:
    sketch = Sketch()
    value = sketch.convolution(sketch.start, 3, 8)
    value = sketch.node("ReduceMean", [value], axes=[2, 3], keepdims=0)
    shape = sketch.constant(np.array([0, -1], dtype=np.int64))
    return sketch.whole(sketch.node("Reshape", [value, shape]), 8)


def gathered_mean() -> onnx.ModelProto:
    """As torch's exporter writes the mean over a map, where the number of pictures is open."""
    sketch = Sketch()
    value = sketch.convolution(sketch.start, 3, 8)
    mean = sketch.node("ReduceMean", [value], axes=[-1, -2], keepdims=1)
    flat = sketch.node("Reshape", [mean, sketch.constant(np.array([-1], dtype=np.int64))])
    count = sketch.node("Squeeze", [sketch.node("Shape", [INPUT_NAME], start=0, end=1)])
    zero, one, width = (sketch.constant(np.int64(number)) for number in (0, 1, 8))
    starts = sketch.node("Mul", [sketch.node("Range", [zero, count, one]), width])
    axes = sketch.constant(np.array([1, 2, 3], dtype=np.int64))
    channels = sketch.constant(np.arange(8, dtype=np.int64).reshape(1, 8, 1, 1))
    places = sketch.node("Add", [sketch.node("Unsqueeze", [starts, axes]), channels])
    gathered = sketch.node("Gather", [flat, places], axis=0)
    gate = sketch.node("Sigmoid", [sketch.convolution(gathered, 8, 8, 1)])
    return sketch.pooled(sketch.node("Mul", [value, gate]), 8)


DRAWINGS: tuple[Callable[[], onnx.ModelProto], ...] = (
    convolution_that_halves, unevenly_padded_depthwise, windows_over_the_edge, gates, fire,
    linear_layers, means, gathered_mean,
)  # fmt: skip


def hidden_layer() -> onnx.ModelProto:
    """Before the last one, as AlexNet has them: it is quantised as well."""
    sketch = Sketch()
    value = sketch.node("Relu", [sketch.convolution(sketch.start, 3, 4, 8, strides=[8, 8])])
    value = sketch.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    value = sketch.node("Flatten", [value])
    value = sketch.node("Relu", [sketch.node("Gemm", [value, sketch.random(16, 12)])])
    weights = sketch.random(10, 12)
    return sketch.whole(sketch.node("Gemm", [value, weights, sketch.random(10)], transB=1), 10)


def twice_concatenated() -> onnx.ModelProto:
    """With scales of their own, so that the parts are rounded anew."""
    sketch = Sketch()
    value = sketch.convolution(sketch.start, 3, 8)
    parts = [sketch.convolution(value, 8, 6, 1), sketch.convolution(value, 8, 2, 1)]
    value = sketch.node("Concat", [sketch.node("Concat", parts, axis=1), value], axis=1)
    return sketch.pooled(value, 16)


WHOLE: Mapping[Callable[[], onnx.ModelProto], set[str]] = {
    convolution_that_halves: {"CONV_2D", "MAX_POOL_2D"},
    unevenly_padded_depthwise: {"CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "ADD"},
    windows_over_the_edge: {"CONV_2D", "MAX_POOL_2D"},
    gates: {"CONV_2D"},
    fire: {"CONV_2D", "CONCATENATION"},
    linear_layers: {"CONV_2D"},
    hidden_layer: {"CONV_2D", "MAX_POOL_2D", "TRANSPOSE", "RESHAPE", "FULLY_CONNECTED"},
    twice_concatenated: {"CONV_2D", "CONCATENATION"},
}
"""What each computes in whole numbers, by TFLite's names."""


@pytest.mark.parametrize("draw", DRAWINGS)
def test_tflite_computes_what_onnxruntime_does(
    draw: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from webcam_classifier.runtime.tflite.tflite_graph import tflite_bytes

    model = draw()
    content = tflite_bytes(one_picture(model, tmp_path))
    run = interpreter.Interpreter(model_content=content).get_signature_runner()
    pictures, expected = asked(model)
    found = [run(pixels=picture[np.newaxis]) for picture in pictures]
    for name, ours in zip(("probabilities", "unknown"), expected, strict=True):
        theirs = np.concatenate([one[name] for one in found])
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("draw", WHOLE)
def test_tflite_computes_in_int8_what_onnxruntime_does(
    draw: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from webcam_classifier.runtime.tflite.tflite_graph import tflite_bytes

    model = quantised(draw(), tmp_path)
    content = tflite_bytes(one_picture(model, tmp_path))
    reader = interpreter.Interpreter(model_content=content)
    run = reader.get_signature_runner()
    types = {one["index"]: one["dtype"] for one in reader.get_tensor_details()}
    whole = {
        one["op_name"]
        for one in reader._get_ops_details()
        if one["op_name"] != "QUANTIZE" and types.get(one["outputs"][0]) == np.int8
    }
    assert whole >= WHOLE[draw]
    pictures, expected = asked(model)
    found = [run(pixels=picture[np.newaxis]) for picture in pictures]
    for name, ours in zip(("probabilities", "unknown"), expected, strict=True):
        theirs = np.concatenate([one[name] for one in found])
        np.testing.assert_allclose(theirs, ours, rtol=0.02, atol=0.002)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_torch_computes_what_onnxruntime_does(
    draw: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from webcam_classifier.finetune.graph_module import GraphModule

    model = draw()
    pictures, expected = asked(model)
    with torch.no_grad():
        found = GraphModule(one_picture(model, tmp_path))(torch.from_numpy(pictures))
    assert len(found) == len(expected)
    for theirs, ours in zip(found, expected, strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-4, atol=1e-5)


def test_constants_of_a_tflite_file_are_aligned(tmp_path: Path) -> None:
    """The format demands 16 bytes; runtimes on ARM read them in such steps."""
    pytest.importorskip("ai_edge_litert")
    from webcam_classifier.runtime.tflite.tflite_graph import tflite_bytes

    model = one_picture(fire(), tmp_path)
    content = tflite_bytes(model)
    kernels = [numpy_helper.to_array(one) for one in model.graph.initializer]
    places = [
        content.find(np.ascontiguousarray(kernel.transpose(0, 2, 3, 1)).tobytes())
        for kernel in kernels
        if kernel.ndim == 4 and kernel.shape[0] > 1
    ]
    assert len(places) == 3
    assert all(place > 0 and place % 16 == 0 for place in places)


def test_what_is_not_known_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from webcam_classifier.runtime.tflite.tflite_graph import tflite_bytes

    sketch = Sketch()
    strange = sketch.node("Softplus", [sketch.start])
    with pytest.raises(UserError, match=r"has Softplus \(Softplus_3\)"):
        tflite_bytes(one_picture(sketch.pooled(strange, 3), tmp_path))
    sketch = Sketch()
    spread = sketch.convolution(sketch.start, 3, 8, dilations=[2, 2])
    with pytest.raises(UserError, match="has Conv"):
        tflite_bytes(one_picture(sketch.pooled(spread, 8), tmp_path))


def test_torch_refuses_by_name_what_it_does_not_know() -> None:
    pytest.importorskip("torch")
    from webcam_classifier.finetune.graph_module import GraphModule

    sketch = Sketch()
    with pytest.raises(UserError, match="has Softplus, which"):
        GraphModule(sketch.pooled(sketch.node("Softplus", [sketch.start]), 3))


def one_picture(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    onnx.save(model, folder / "sketch.onnx")
    return one_picture_graph(folder / "sketch.onnx")


def quantised(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Quantise all but the last layers, as the export does."""
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pictures = np.random.default_rng(7).integers(0, 256, (12, size, size, 3), dtype=np.uint8)
    pictures[6:] //= 3
    onnx.save(model, folder / "sketch.onnx")
    prepared = _prepared(folder / "sketch.onnx", folder)
    return _quantise(prepared, tuple(pictures), False, ())


def asked(model: onnx.ModelProto) -> tuple[NDArray[np.uint8], Answers]:
    """Noise, and what onnxruntime says to it, which differs from picture to picture."""
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pictures = np.random.default_rng(5).integers(0, 256, (6, size, size, 3), dtype=np.uint8)
    pictures[3:] //= 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    answers: Answers = session.run(None, {INPUT_NAME: pictures})
    assert all(np.ptp(answer, axis=0).max() > 1e-3 for answer in answers)
    return pictures, answers
