"""One picture through a graph: on the processor, bound to fixed places, in two parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.model_card import CARD_KEY, INPUT_NAME, OUTPUT_NAME
from webcam_classifier.runtime.providers import (
    PROVIDERS,
    ExecutionConfig,
    ProviderError,
    installed_providers,
)
from webcam_classifier.runtime.runners import BoundRunner, PlainRunner
from webcam_classifier.runtime.session import check_taken, open_model, open_on_processor
from webcam_classifier.runtime.split_graph import split_graph


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    return path


def plain(blue: int, green: int, red: int) -> np.ndarray:
    return np.full((1, 32, 32, 3), (blue, green, red), np.uint8)


def needs_openvino() -> None:
    if "openvino" not in installed_providers():
        pytest.skip("onnxruntime-ep-openvino is not installed")


def test_the_processor_gives_every_output_by_name(model: Path) -> None:
    session = open_model(model, ExecutionConfig(threads=1))
    assert session.inputs == {INPUT_NAME: (1, 32, 32, 3)}
    assert session.outputs == {OUTPUT_NAME: (1, 3)}
    found = session.run(plain(0, 255, 0))
    assert list(found) == [OUTPUT_NAME]
    assert found[OUTPUT_NAME].argmax() == 1


def test_a_bound_runner_answers_as_the_plain_one_and_keeps_earlier_answers(model: Path) -> None:
    session = open_on_processor(model, 1)
    bound, unbound = BoundRunner(session, "cpu"), PlainRunner(session)
    pictures = [plain(255, 0, 0), plain(0, 0, 255), plain(9, 200, 90)]
    answers = [bound.run(picture)[OUTPUT_NAME] for picture in pictures]
    for picture, answer in zip(pictures, answers, strict=True):
        np.testing.assert_array_equal(answer, unbound.run(picture)[OUTPUT_NAME])


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "cpu"])
def test_a_provider_that_is_not_there_is_refused_with_its_remedy(
    model: Path, provider: str
) -> None:
    if provider in installed_providers():
        pytest.skip(f"{provider} is installed here")
    with pytest.raises(ProviderError, match=f"can't run on {provider}") as caught:
        open_model(model, ExecutionConfig(provider))
    assert str(caught.value).endswith(PROVIDERS[provider].remedy)


def test_falling_back_to_the_processor_is_an_error(model: Path) -> None:
    session = open_on_processor(model, 1)
    with pytest.raises(ProviderError, match="cuda was asked for, but onnxruntime runs on CPU"):
        check_taken(session, "cuda")


def test_openvino_runs_the_whole_graph_and_answers_the_same(model: Path) -> None:
    needs_openvino()
    session = open_model(model, ExecutionConfig("openvino", 1))
    for picture in (plain(255, 0, 0), plain(80, 90, 100)):
        expected = open_model(model, ExecutionConfig(threads=1)).run(picture)[OUTPUT_NAME]
        np.testing.assert_allclose(session.run(picture)[OUTPUT_NAME], expected, atol=1e-5)


def test_openvino_can_be_opened_twice_in_a_process(model: Path) -> None:
    needs_openvino()
    for _ in range(2):
        session = open_model(model, ExecutionConfig("openvino", 1))
        assert session.run(plain(0, 0, 255))[OUTPUT_NAME].argmax() == 2


def test_a_graph_without_an_embedding_is_not_split_nor_reduced(model: Path, tmp_path: Path) -> None:
    assert split_graph(model, tmp_path) is None
    with pytest.raises(ProviderError, match="no embedding"):
        open_model(model, ExecutionConfig("openvino", 1, is_reduced=True))


def test_both_halves_of_a_taught_graph_make_the_whole(taught_model: Path, tmp_path: Path) -> None:
    path = taught_model / "model.onnx"
    files = split_graph(path, tmp_path)
    assert files is not None
    picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    body, head = (PlainRunner(open_on_processor(part, 1)) for part in (files.body, files.head))
    found = head.run(body.run(picture)[files.seam])
    expected = open_model(path, ExecutionConfig(threads=1)).run(picture)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6)


def test_the_cut_is_made_once(taught_model: Path, tmp_path: Path) -> None:
    first = split_graph(taught_model / "model.onnx", tmp_path)
    assert first is not None
    written = first.body.stat().st_mtime_ns
    assert split_graph(taught_model / "model.onnx", tmp_path) == first
    assert first.body.stat().st_mtime_ns == written


def test_reduced_openvino_keeps_card_and_answers(
    taught_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_openvino()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = taught_model / "model.onnx"
    whole, reduced = (
        open_model(path, ExecutionConfig()),
        open_model(path, ExecutionConfig("openvino", 1, True)),
    )
    assert reduced.metadata[CARD_KEY] == whole.metadata[CARD_KEY]
    assert (reduced.inputs, reduced.outputs) == (whole.inputs, whole.outputs)
    picture = np.full((1, 224, 224, 3), 127, np.uint8)
    np.testing.assert_allclose(
        reduced.run(picture)[OUTPUT_NAME], whole.run(picture)[OUTPUT_NAME], atol=0.05
    )


def test_a_damaged_file_is_onnxruntimes_to_explain(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(Exception, match=r"(?i)protobuf|model") as caught:
        open_model(tmp_path / "bad.onnx", ExecutionConfig())
    assert type(caught.value).__module__.startswith(onnxruntime.__name__)
