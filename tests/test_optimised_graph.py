"""An optimised graph gives the same numbers, on the real network and on small ones."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.tiny_model import write_tiny_model
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import CARD_KEY
from webcam_classifier.runtime.optimised_graph import optimised_graph
from webcam_classifier.runtime.passes.concat_to_add import concat_to_add
from webcam_classifier.runtime.passes.pack_first_conv import pack_first_conv
from webcam_classifier.runtime.passes.pool_as_matmul import pool_as_matmul
from webcam_classifier.runtime.passes.qdq_input import quantise_input
from webcam_classifier.runtime.providers import ExecutionConfig, installed_providers
from webcam_classifier.runtime.session import open_model


def answers(model: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {model.graph.input[0].name: pixels})[0])


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def kinds(graph: onnx.GraphProto) -> list[str]:
    return [node.op_type for node in graph.node]


def quantised_start(
    height: int, width: int, kernel: int, stride: int, padding: int, pooled: bool
) -> onnx.ModelProto:
    """Pixels straight into a quantised convolution, its output quantised, and perhaps pooled."""
    random = np.random.default_rng(1)
    constants: dict[str, NDArray[np.generic]] = {
        "one": np.array(1.0, np.float32),
        "zero": np.array(0, np.uint8),
        "weight": random.integers(-127, 128, (8, 3, kernel, kernel)).astype(np.int8),
        "weight.scale": (random.uniform(2e-4, 4e-4, 8) / kernel**2).astype(np.float32),
        "weight.zero": np.zeros(8, np.int8),
        "bias": random.integers(-9000, 9000, 8).astype(np.int32),
        "bias.zero": np.zeros(8, np.int32),
        "scale": np.array(0.02, np.float32),
    }
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["planes", "one", "zero"], ["floats"]),
        helper.make_node(
            "DequantizeLinear", ["weight", "weight.scale", "weight.zero"], ["kernel"], axis=0
        ),
        helper.make_node(
            "DequantizeLinear", ["bias", "weight.scale", "bias.zero"], ["offset"], axis=0
        ),
        helper.make_node(
            "Conv",
            ["floats", "kernel", "offset"],
            ["convolved"],
            strides=[stride, stride],
            pads=[padding] * 4,
        ),
        helper.make_node("QuantizeLinear", ["convolved", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["map"]),
    ]
    last = "map"
    if pooled:
        pool = helper.make_node(
            "MaxPool", ["map"], ["pooled"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
        )
        nodes.append(pool)
        last = "pooled"
    graph = helper.make_graph(
        nodes,
        "start",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, height, width, 3])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


@pytest.mark.parametrize(
    ("height", "width", "kernel", "stride", "padding", "pooled"),
    [
        (32, 32, 3, 2, 0, True),  # SqueezeNet 1.1: one output of each row is spare
        (35, 36, 7, 2, 0, True),  # SqueezeNet 1.0
        (36, 36, 7, 2, 3, False),  # ResNet: none is spare
        (64, 64, 11, 4, 2, True),  # AlexNet: one output a step
        (33, 44, 5, 4, 1, False),
    ],
)
def test_grouped_pixels_give_the_same_to_the_last_bit(
    height: int, width: int, kernel: int, stride: int, padding: int, pooled: bool
) -> None:
    model = quantised_start(height, width, kernel, stride, padding, pooled)
    pixels = noise(height, width)
    expected = answers(model, pixels)
    assert len(np.unique(expected)) > 10
    assert pack_first_conv(model.graph)
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(answers(model, pixels), expected)


@pytest.mark.parametrize(
    ("width", "stride", "padding", "pooled"),
    [
        (30, 2, 0, True),  # not a multiple of four
        (32, 1, 1, False),  # mostly zeros would be multiplied
        (32, 2, 0, False),  # the spare column would be seen
    ],
)
def test_pixels_that_do_not_fit_stay_as_they_are(
    width: int, stride: int, padding: int, pooled: bool
) -> None:
    model = quantised_start(32, width, 3, stride, padding, pooled)
    before = model.SerializeToString()
    assert not pack_first_conv(model.graph)
    assert model.SerializeToString() == before


@pytest.mark.parametrize(("machine", "is_grouped"), [("x86_64", True), ("aarch64", False)])
def test_pixels_are_grouped_only_where_that_is_faster(
    machine: str, is_grouped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(quantised_start(32, 32, 3, 2, 0, pooled=True).SerializeToString())
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert (optimised_graph(file, "cpu", tmp_path) is not None) is is_grouped


def test_openvino_gets_bytes_that_are_still_the_same_bytes() -> None:
    model = quantised_start(32, 32, 3, 2, 0, pooled=True)
    pixels = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(1, 32, 32, 3)
    expected = answers(model, pixels)
    assert quantise_input(model.graph)
    assert not quantise_input(model.graph)  # once is enough
    step = 0.02  # one of the output: sums that lie between two steps may fall the other way
    np.testing.assert_allclose(answers(model, pixels), expected, atol=1.01 * step)


def concatenated(
    widths: tuple[int, int], pooled: bool, read_twice: bool = False
) -> onnx.ModelProto:
    """Two convolutions, their maps concatenated, perhaps pooled, and read by a third one."""
    random = np.random.default_rng(2)
    shapes = {"a": (widths[0], 3, 1, 1), "b": (widths[1], 3, 3, 3), "c": (16, sum(widths), 1, 1)}
    constants = {
        name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    constants["c.bias"] = random.normal(size=16).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["floats"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["floats", "a"], ["left"]),
        helper.make_node("Conv", ["floats", "b"], ["right"], pads=[1, 1, 1, 1]),
        helper.make_node("Concat", ["left", "right"], ["both"], name="both", axis=1),
    ]
    last = "both"
    if pooled:
        pool = helper.make_node(
            "MaxPool", ["both"], ["pooled"], name="pooled", kernel_shape=[3, 3], strides=[2, 2]
        )
        nodes.append(pool)
        last = "pooled"
    nodes.append(helper.make_node("Conv", [last, "c", "c.bias"], ["third"], name="third"))
    nodes.append(helper.make_node("Relu", ["third"], ["result"]))
    outputs = [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)]
    if read_twice:
        outputs.append(helper.make_tensor_value_info("both", TensorProto.FLOAT, None))
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 20, 20, 3])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_sum_of_two_convolutions_stands_for_one_over_concatenated_maps(pooled: bool) -> None:
    model = concatenated((16, 32), pooled)
    expected = answers(model, noise(20, 20))
    assert concat_to_add(model.graph)
    assert "Concat" not in kinds(model.graph)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(answers(model, noise(20, 20)), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(("widths", "read_twice"), [((16, 20), False), ((16, 16), True)])
def test_a_join_that_is_read_otherwise_stays(widths: tuple[int, int], read_twice: bool) -> None:
    model = concatenated(widths, pooled=False, read_twice=read_twice)
    assert not concat_to_add(model.graph)
    assert "Concat" in kinds(model.graph)


def test_weighted_pooling_becomes_a_product() -> None:
    weights = np.random.default_rng(3).uniform(size=(1, 1, 20, 20)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["map"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["map", "weights"], ["weighted"]),
        helper.make_node("GlobalAveragePool", ["weighted"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["result"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 20, 20, 3])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = onnx.shape_inference.infer_shapes(model)
    expected = answers(model, noise(20, 20))
    assert pool_as_matmul(model.graph)
    assert "GlobalAveragePool" not in kinds(model.graph)
    np.testing.assert_allclose(answers(model, noise(20, 20)), expected, rtol=1e-5)


def test_a_taught_model_answers_the_same_and_keeps_its_card(
    taught_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = taught_model / "model.onnx"
    picture = noise(224, 224)
    plain = open_model(path, ExecutionConfig(threads=1))
    optimised = open_model(path, ExecutionConfig(threads=1, is_optimised=True))
    assert optimised.metadata[CARD_KEY] == plain.metadata[CARD_KEY]
    found, expected = optimised.run(picture), plain.run(picture)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)
    (written,) = tmp_path.rglob("rearranged-cpu.onnx")
    graph = onnx.load(written).graph
    assert kinds(graph).count("Concat") < kinds(onnx.load(path).graph).count("Concat")
    before = written.stat().st_mtime_ns
    assert Classifier(path, ExecutionConfig(threads=1, is_optimised=True)).card.labels
    assert written.stat().st_mtime_ns == before  # written once


def test_where_nothing_can_be_optimised_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    assert optimised_graph(path, "cpu", tmp_path / "kept") is None
    assert not (tmp_path / "kept").exists()
    found = open_model(path, ExecutionConfig(threads=1, is_optimised=True)).run(noise(32, 32))
    expected = open_model(path, ExecutionConfig(threads=1)).run(noise(32, 32))
    np.testing.assert_array_equal(found["probabilities"], expected["probabilities"])


def test_what_openvino_compiled_is_kept_and_answers_the_same(
    taught_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "openvino" not in installed_providers():
        pytest.skip("onnxruntime-ep-openvino is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = taught_model / "model.onnx"
    runtime = ExecutionConfig("openvino", 1)
    first = open_model(path, runtime)
    (kept,) = tmp_path.rglob("compiled.*")
    again = open_model(path, runtime)
    assert again.metadata[CARD_KEY] == first.metadata[CARD_KEY]
    picture = noise(224, 224)
    np.testing.assert_array_equal(
        again.run(picture)["probabilities"], first.run(picture)["probabilities"]
    )
    kept.write_bytes(b"damaged")
    assert open_model(path, runtime).run(picture).keys() == first.run(picture).keys()
