"""LiteRT: a model written as TFLite, in floats and in int8, answers as onnxruntime does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from tests.tiny_model import write_tiny_model
from webcam_classifier.cli.export import main
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.graph_cache import read_cached_graph
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.runtime.choice import AUTO, choose_runtime
from webcam_classifier.runtime.litert_package import LitertSession, open_with_litert
from webcam_classifier.runtime.providers import (
    ExecutionConfig,
    ProviderError,
    installed_providers,
    is_library,
)
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.trial_pictures import blobs

ON_ONE_THREAD = ExecutionConfig("litert", 1)

pytestmark = pytest.mark.skipif(not is_library("litert"), reason="ai-edge-litert is not installed")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.onnx"
    write_tiny_model(path, unknown_threshold=2.0)
    return path


@pytest.fixture(scope="module")
def integer_model(taught_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "model.int8.onnx"
    command = [str(taught_model), "--precision", "int8", "--provider", "cpu"]
    main([*command, "--output", str(path)])
    return path


def assert_same_answers(model: Path, precision: str, pictures: Path, near: float) -> None:
    plain = Classifier(model)
    other = Classifier(model, ExecutionConfig("litert", 2, precision=precision))
    assert "litert on 2 threads" in other.runtime
    assert other.card == plain.card
    files = sorted(pictures.rglob("*.jpg"))[::4]
    assert len(files) >= 40
    for file in files:
        picture = read_picture(file)
        expected, found = plain.classify(picture), other.classify(picture)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=near)
        assert found.label == expected.label
        assert found.is_unknown == expected.is_unknown
        assert found.unknown_score == pytest.approx(expected.unknown_score, abs=0.01)
        if expected.embedding is not None and found.embedding is not None:
            np.testing.assert_allclose(found.embedding, expected.embedding, atol=1e-3)


def test_it_gives_the_same_answers_to_real_pictures(
    taught_model: Path, hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert_same_answers(taught_model / "model.onnx", "fp32", hands, near=1e-3)


def test_int8_gives_the_same_answers_to_real_pictures(
    integer_model: Path, hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert_same_answers(integer_model, "int8", hands, near=1e-3)


def test_the_same_delegate_computes_all_layers_in_int8(integer_model: Path, tmp_path: Path) -> None:
    """XNNPACK refuses what is described otherwise than it expects, and LiteRT goes on without."""
    from ai_edge_litert.interpreter import Interpreter

    open_with_litert(integer_model, ON_ONE_THREAD, tmp_path)
    (file,) = tmp_path.glob("*.tflite")
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    layers = [one for one in operators if one["op_name"] == "CONV_2D"]
    assert len(layers) == 25
    taken = [set(one["inputs"]) for one in operators if one["op_name"] == "DELEGATE"]
    assert {layer["inputs"][1] for layer in layers} <= taken[0]
    types = {one["index"]: one["dtype"] for one in interpreter.get_tensor_details()}
    assert {types[layer["inputs"][1]] for layer in layers} == {np.int8}
    before = [one["op_name"] for one in operators[: operators.index(layers[0])]]
    assert before == ["QUANTIZE"]


def test_int8_is_exported_as_tflite_in_int8(
    integer_model: Path, hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    folder = tmp_path / "tflite"
    command = [str(integer_model), "--format", "tflite", "--pictures", str(hands)]
    main([*command, "--output", str(folder)])
    told = capsys.readouterr().out
    assert "with LiteRT" in told
    assert "int8: the numbers of the ONNX file" in told
    file = folder / "model.tflite"
    assert file.stat().st_size < 1.2 * integer_model.stat().st_size
    interpreter = Interpreter(model_path=str(file))
    (taken,) = interpreter.get_input_details()
    assert (taken["name"], taken["dtype"]) == (INPUT_NAME, np.uint8)
    with pytest.raises(UserError, match="is int8 already"):
        main([str(integer_model), "--format", "openvino", "--output", str(tmp_path / "other")])


def test_a_model_without_maps_answers_as_on_the_processor(model: Path) -> None:
    assert "litert" in installed_providers()
    plain, other = Classifier(model), Classifier(model, ON_ONE_THREAD)
    for picture in blobs(32):
        expected, found = plain.classify(picture), other.classify(picture)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert found.unknown_score == pytest.approx(expected.unknown_score, abs=1e-5)


def test_answers_are_not_overwritten_by_the_next_run(model: Path, tmp_path: Path) -> None:
    session = open_with_litert(model, ON_ONE_THREAD, tmp_path / "kept")
    first, second = blobs(32)[:2]
    before = answer(session, first)
    expected = before.copy()
    assert not np.array_equal(answer(session, second), expected)
    np.testing.assert_array_equal(before, expected)


def test_a_file_that_was_written_is_opened_again_and_made_anew_where_it_was_damaged(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    picture = blobs(32)[0]
    expected = answer(open_with_litert(model, ON_ONE_THREAD, folder), picture)
    (file,) = folder.glob("*.tflite")
    written = file.stat().st_mtime_ns
    again = answer(open_with_litert(model, ON_ONE_THREAD, folder), picture)
    np.testing.assert_array_equal(again, expected)
    assert file.stat().st_mtime_ns == written
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    file.write_bytes(bytes(damaged))
    again = answer(open_with_litert(model, ON_ONE_THREAD, folder), picture)
    np.testing.assert_array_equal(again, expected)
    assert "was damaged" in capfd.readouterr().err
    assert read_cached_graph(file) is not None


def test_where_nothing_can_be_kept_it_runs(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.write_text("a file where the folder would be")
    expected = Classifier(model).classify(blobs(32)[0]).probabilities
    found = answer(open_with_litert(model, ON_ONE_THREAD, folder), blobs(32)[0])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_what_can_not_be_written_is_said_and_left_to_the_processor_by_auto(model: Path) -> None:
    whole = onnx.load(model)
    place = [node.op_type for node in whole.graph.node].index("Softmax")
    softmax = whole.graph.node[place]
    whole.graph.node.insert(
        place, helper.make_node("Softplus", [softmax.input[0]], ["soft"], name="strange")
    )
    whole.graph.node[place + 1].input[0] = "soft"
    onnx.save(whole, model)
    with pytest.raises(ProviderError, match=r"Softplus \(strange\).*Take --provider cpu"):
        Classifier(model, ON_ONE_THREAD)
    with pytest.raises(ProviderError, match=r"--provider litert: .*Softplus"):
        choose_runtime(model, "litert", 1, lambda _: None)
    choice = choose_runtime(model, AUTO, 1, lambda _: None)
    assert choice.runtime.provider != "litert"
    assert "litert on 1 thread not taken: The model has Softplus" in choice.reason


def test_it_is_chosen_where_it_was_asked_for(model: Path) -> None:
    choice = choose_runtime(model, "litert", 1, lambda _: None)
    assert choice.runtime == ON_ONE_THREAD
    assert list(runtime_folder(model).glob("*.tflite"))


def answer(session: LitertSession, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    (taken,) = session.get_inputs()
    (found,) = session.run([session.get_outputs()[0].name], {taken.name: picture[np.newaxis]})
    return found
