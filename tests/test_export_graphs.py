"""The graphs that exporting makes: what computes in which numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.colour_model import ON_CPU, colour_graph, write_colour_model
from webcam_classifier.cli.export import main
from webcam_classifier.export.graph_parts import last_layers
from webcam_classifier.export.layer_losses import layers_by_loss
from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME
from webcam_classifier.runtime.tidy_graph import tidy_graph


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    return write_colour_model(tmp_path)


def test_int8_leaves_no_float_between_the_pixels_and_the_pool(colours: Path) -> None:
    main([str(colours / "model"), "--precision", "int8", *ON_CPU])

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(colours / "as_it_runs.onnx")
    options.log_severity_level = 4  # it warns that this file is for this machine only
    onnxruntime.InferenceSession(
        colours / "model/model.int8.onnx", options, providers=["CPUExecutionProvider"]
    )
    running = kinds(colours / "as_it_runs.onnx")
    assert "Cast" not in running
    assert "QuantizeLinear" not in running
    assert running["DequantizeLinear"] == 1
    assert "Conv" not in running


def test_fp16_computes_in_half_and_speaks_uint8_and_float32(colours: Path) -> None:
    main([str(colours / "model"), "--precision", "fp16", *ON_CPU])

    model = onnx.load(colours / "model/model.fp16.onnx")
    types = {constant.name: constant.data_type for constant in model.graph.initializer}
    assert types["spread"] == types["mix"] == TensorProto.FLOAT16
    assert types["head.weight"] == TensorProto.FLOAT
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_fp32_has_neither_operators_nor_shapes_of_one_machine(colours: Path) -> None:
    model = tidy_graph(colours / "model/model.onnx")

    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
    assert model.ir_version <= 9
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == BATCH_AXIS


def test_the_last_layers_begin_behind_the_last_activation() -> None:
    assert last_layers(colour_graph().graph) == {
        "pooled", "embedding", "logits", "softmax",
    }  # fmt: skip


def test_the_layer_that_was_damaged_is_found_behind_the_first() -> None:
    make = helper.make_node
    names = ("first", "second", "third", "fourth")
    generator = np.random.default_rng(3)
    kernels = [generator.normal(0.0, 0.5, (3, 3, 1, 1)).astype(np.float32) for _ in names]
    nodes = [make("Cast", [INPUT_NAME], ["0"], name="floats", to=TensorProto.FLOAT)]
    for place, name in enumerate(names):
        nodes.append(make("Conv", [str(place), f"{name}.weight"], [str(place + 1)], name=name))
    exact = helper.make_model(
        helper.make_graph(
            nodes,
            "chain",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [1, 3, 4, 4])],
            [],
            [
                numpy_helper.from_array(kernel, f"{name}.weight")
                for name, kernel in zip(names, kernels, strict=True)
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    damaged = onnx.ModelProto()
    damaged.CopyFrom(exact)
    worse = kernels[2] + generator.normal(0.0, 0.2, kernels[2].shape).astype(np.float32)
    damaged.graph.initializer[2].CopyFrom(numpy_helper.from_array(worse, "third.weight"))
    picture = generator.integers(0, 255, (3, 4, 4)).astype(np.uint8)

    ranked = layers_by_loss(exact, damaged, (picture,))

    assert ranked[:2] == ["first", "third"]
    assert set(ranked) == set(names)


def kinds(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)
