"""TensorRT without onnxruntime, up to the real library: there is no GPU, so a stand-in computes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.tensorrt_stand_in import IS_WRONG, NO_DEVICE, VERSION, header_of, install, refusals
from tests.tiny_model import write_tiny_model
from webcam_classifier.cli.export import main as export
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime import cuda_runtime
from webcam_classifier.runtime.choice import AUTO, choose_runtime
from webcam_classifier.runtime.cuda_runtime import CudaError, load_cuda_runtime
from webcam_classifier.runtime.passes.tensorrt_graph import fit_for_tensorrt
from webcam_classifier.runtime.providers import (
    ExecutionConfig,
    ProviderError,
    installed_providers,
    is_library,
)
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.session import open_model
from webcam_classifier.runtime.tensorrt_package import engine_name, open_with_tensorrt
from webcam_classifier.runtime.trial_pictures import blobs

ON_TENSORRT = ExecutionConfig("tensorrt")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no compiler of C is here to stand in for CUDA")
    if "tensorrt" in installed_providers():
        pytest.skip("TensorRT is installed here")
    try:
        load_cuda_runtime()
    except CudaError:
        folder = tmp_path_factory.mktemp("nvidia")
        install(folder, compiler)
        return folder
    pytest.skip("a GPU is here")


@pytest.fixture
def model(stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model file, on a device where TensorRT is a module and onnxruntime has none of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(stand_in))  # of the trials, which are processes
    monkeypatch.syspath_prepend(str(stand_in))
    path = tmp_path / "model.onnx"
    write_tiny_model(path, unknown_threshold=2.0)
    yield path
    for name in ("tensorrt", "tests.tensorrt_stand_in"):
        sys.modules.pop(name, None)


def engines(model: Path) -> list[Path]:
    return sorted(runtime_folder(model).glob("*.engine"))


def test_it_is_chosen_answers_as_the_processor_does_and_is_remembered(model: Path) -> None:
    assert is_library("tensorrt")
    choice = choose_runtime(model, "tensorrt", 0, lambda _: None)
    assert choice.runtime == ON_TENSORRT
    assert choice.reason.startswith("measured: tensorrt ")
    plain, other = Classifier(model), Classifier(model, choice.runtime)
    assert "TensorRT 10.3.0" in other.runtime
    assert other.card == plain.card
    for picture in blobs(32):
        expected, found = plain.classify(picture), other.classify(picture)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert found.unknown_score == pytest.approx(expected.unknown_score, abs=1e-5)
    (engine,) = engines(model)
    assert header_of(engine)["flags"] == []  # no fewer bits, not even of products
    assert header_of(engine)["typed"]
    assert choose_runtime(model, "tensorrt", 0, pytest.fail) == choice


def test_without_an_engine_auto_leaves_it_alone_and_says_how_to_build_one(model: Path) -> None:
    said: list[str] = []
    choice = choose_runtime(model, AUTO, 1, said.append)
    assert "tensorrt" not in said[0]
    assert "--provider tensorrt builds its engine" in choice.reason
    export([str(model), "--precision", "tensorrt"])
    assert "tensorrt " in choose_runtime(model, AUTO, 1, said.append).reason


def test_wrong_answers_are_not_taken(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_model(model, ON_TENSORRT)  # an engine, so that auto tries it
    monkeypatch.setenv(IS_WRONG, "1")
    with pytest.raises(ProviderError, match="its probabilities differ from the processor's"):
        choose_runtime(model, "tensorrt", 0, lambda _: None)
    choice = choose_runtime(model, AUTO, 1, lambda _: None)
    assert choice.runtime.provider != "tensorrt"
    assert "tensorrt not taken: its probabilities differ" in choice.reason


def test_an_engine_is_opened_again_and_built_anew_where_it_was_damaged(
    model: Path,
) -> None:
    picture = blobs(32)[:1]
    expected = open_model(model, ON_TENSORRT).run(picture)["probabilities"]
    (engine,) = engines(model)
    whole, written = engine.read_bytes(), engine.stat().st_mtime_ns
    open_model(model, ON_TENSORRT)
    assert engine.stat().st_mtime_ns == written
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        engine.write_bytes(damaged)
        found = open_model(model, ON_TENSORRT).run(picture)["probabilities"]
        np.testing.assert_array_equal(found, expected)
        assert engine.read_bytes() == whole


def test_an_engine_of_another_gpu_is_built_anew(model: Path) -> None:
    open_model(model, ON_TENSORRT)
    (engine,) = engines(model)
    whole = engine.read_bytes()
    engine.write_bytes(b"of another GPU")
    (engine.parent / "hashes.json").unlink()  # so that TensorRT alone can tell
    open_model(model, ON_TENSORRT)
    assert engine.read_bytes() == whole


def test_an_engines_name_holds_all_that_it_depends_on() -> None:
    names = {
        engine_name(graph, is_reduced, version, device)
        for graph in (b"one", b"another")
        for is_reduced in (False, True)
        for version in ("10.3.0", "10.13.2")
        for device in ("sm87x16", "sm87x8")
    }
    assert len(names) == 16
    assert engine_name(b"one", False, "10.3.0", "sm87x16") in names


def test_answers_are_not_overwritten_and_inputs_are_checked(model: Path, tmp_path: Path) -> None:
    session = open_with_tensorrt(model, ON_TENSORRT, tmp_path / "kept")
    (taken,) = session.get_inputs()
    name = session.get_outputs()[0].name
    assert (taken.shape, taken.type) == ((1, 32, 32, 3), "tensor(uint8)")
    first, second = blobs(32)[:2]
    (before,) = session.run([name], {taken.name: first[np.newaxis]})
    expected = before.copy()
    session.run([name], {taken.name: second[np.newaxis]})
    np.testing.assert_array_equal(before, expected)
    for wrong in (first, first[np.newaxis].astype(np.float32), first[np.newaxis, :16]):
        with pytest.raises(ValueError, match="the engine takes"):
            session.run([name], {taken.name: wrong})


def test_without_a_gpu_it_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_DEVICE, "1")
    with pytest.raises(
        ProviderError, match=r"cudaDeviceGetAttribute: .*(driver|no CUDA-capable device)"
    ):
        choose_runtime(model, "tensorrt", 0, lambda _: None)


def test_without_cuda_it_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_runtime, "_places", lambda: iter(()))  # some have it without a GPU
    with pytest.raises(ProviderError, match=r"no CUDA runtime \(libcudart\.so\) here"):
        open_model(model, ON_TENSORRT)


def test_an_old_version_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VERSION, "8.6.2")
    sys.modules.pop("tests.tensorrt_stand_in", None)
    with pytest.raises(ProviderError, match=r"TensorRT 8\.6\.2 is too old.*JetPack 6\.1"):
        open_model(model, ON_TENSORRT)


def test_a_broken_installation_says_what_is_missing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "broken" / "tensorrt" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(package.parents[1]))
    with pytest.raises(ProviderError, match=r"can't be loaded \(libnvinfer\.so\.10.*JetPack"):
        open_model(model, ON_TENSORRT)


def test_fp16_is_allowed_in_features_alone(model: Path, taught_model: Path) -> None:
    assert not engines(model)
    taught = taught_model / "model.onnx"
    picture = np.full((1, 224, 224, 3), 127, np.uint8)
    found = open_model(taught, ExecutionConfig("tensorrt", is_reduced=True)).run(picture)
    expected = open_model(taught, ExecutionConfig()).run(picture)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-4)
    (engine,) = engines(taught)
    assert header_of(engine)["flags"] == ["FP16"]
    assert not header_of(engine)["typed"]


def test_a_version_that_chooses_no_types_asks_for_a_file_with_them(
    model: Path, taught_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not engines(model)
    monkeypatch.setenv(VERSION, "11.0.0")
    sys.modules.pop("tests.tensorrt_stand_in", None)
    with pytest.raises(ProviderError, match="export the model with --precision fp16"):
        open_model(taught_model / "model.onnx", ExecutionConfig("tensorrt", is_reduced=True))


def quantised_rectifier(zero_point: int) -> onnx.ModelProto:
    """Two convolutions; of the first one only its output's bytes say that it was rectified."""
    random = np.random.default_rng(4)
    constants: dict[str, NDArray[np.generic]] = {
        "one": np.array(1.0, np.float32),
        "zero": np.array(0, np.uint8),
        "point": np.array(zero_point, np.uint8),
        "scale": np.array(0.01, np.float32),
        "signed": np.zeros(8, np.int8),
        "whole": np.zeros(8, np.int32),
        "first": random.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8),
        "first.scale": random.uniform(1e-5, 2e-5, 8).astype(np.float32),
        "first.bias": random.integers(-9000, 9000, 8).astype(np.int32),
        "second": random.integers(-127, 128, (8, 8, 1, 1)).astype(np.int8),
        "second.scale": random.uniform(1e-3, 2e-3, 8).astype(np.float32),
    }
    add = helper.make_node
    nodes = [
        add("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        add("DequantizeLinear", ["planes", "one", "zero"], ["floats"]),
        add("DequantizeLinear", ["first", "first.scale", "signed"], ["first.floats"], axis=0),
        add("DequantizeLinear", ["first.bias", "first.scale", "whole"], ["bias.floats"], axis=0),
        add("Conv", ["floats", "first.floats", "bias.floats"], ["convolved"]),
        add("QuantizeLinear", ["convolved", "scale", "point"], ["bytes"]),
        add("DequantizeLinear", ["bytes", "scale", "point"], ["map"]),
        add("MaxPool", ["map"], ["pooled"], kernel_shape=[3, 3], strides=[2, 2]),
        add("QuantizeLinear", ["pooled", "scale", "point"], ["pooled.bytes"]),
        add("DequantizeLinear", ["pooled.bytes", "scale", "point"], ["pooled.map"]),
        add("DequantizeLinear", ["second", "second.scale", "signed"], ["second.floats"], axis=0),
        add("Conv", ["pooled.map", "second.floats"], ["result"]),
    ]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 20, 20, 3])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, ["batch", 8, 8, 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_8_bit_numbers_are_allowed_where_the_file_has_them(model: Path, tmp_path: Path) -> None:
    path = model.with_name("quantised.onnx")
    onnx.save(quantised_rectifier(0), path)
    for is_reduced, flags in ((False, []), (True, ["FP16", "INT8"])):
        folder = tmp_path / str(is_reduced)
        session = open_with_tensorrt(path, ExecutionConfig("tensorrt", 0, is_reduced), folder)
        assert session.get_outputs()[0].shape == (1, 8, 8, 8)
        (engine,) = folder.glob("*.engine")
        assert header_of(engine)["flags"] == flags
        assert header_of(engine)["typed"] is not is_reduced


def test_a_graph_that_it_does_not_know_is_refused_with_the_reason(
    model: Path, tmp_path: Path
) -> None:
    value = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 4, 4, 3])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, ["batch", 4, 4, 3])
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("DequantizeLinear", ["unsigned", "scale", "zero"], ["weights"]),
        helper.make_node("Mul", ["floats", "weights"], ["result"]),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "unsigned": np.array([1, 2, 3], np.uint8),
        "scale": np.array(0.5, np.float32),
        "zero": np.array(1, np.uint8),
    }
    stored = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "unsigned_weights", [value], [result], stored)
    opset = helper.make_opsetid("", 17)
    path = model.with_name("unsigned.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    with pytest.raises(ProviderError, match=r"can't read the graph \(Non-zero zero point .*cpu"):
        open_with_tensorrt(path, ON_TENSORRT, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def run(graph: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    from webcam_classifier.private_onnxruntime import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {graph.graph.input[0].name: pixels})[0])


@pytest.mark.parametrize("zero_point", [0, 100])
def test_bytes_become_signed_ones_that_mean_the_same(zero_point: int) -> None:
    graph = quantised_rectifier(zero_point)
    pixels = np.random.default_rng(5).integers(0, 256, (1, 20, 20, 3), dtype=np.uint8)
    expected = run(graph, pixels)
    assert refusals(graph.graph)
    fit_for_tensorrt(graph.graph)
    onnx.checker.check_model(graph, full_check=True)
    assert refusals(graph.graph) == []
    found = run(graph, pixels)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    # One rectifier stands for the end of the bytes at zero, and none behind the pool.
    rectifiers = [node for node in graph.graph.node if node.op_type == "Relu"]
    assert len(rectifiers) == (1 if zero_point == 0 else 0)


def test_a_real_model_and_its_quantised_export_are_fitted(
    taught_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(taught_model, tmp_path / "model")
    export([str(tmp_path / "model"), "--precision", "int8", "--provider", "cpu", "--keep-anyway"])
    pixels = np.random.default_rng(6).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    for name, tolerance in (("model.onnx", 0.0), ("model.int8.onnx", 0.1)):
        graph = onnx.load(tmp_path / "model" / name)
        expected = run(graph, pixels)
        fit_for_tensorrt(graph.graph)
        onnx.checker.check_model(graph, full_check=True)
        assert refusals(graph.graph) == []
        np.testing.assert_allclose(run(graph, pixels), expected, atol=tolerance)
