"""Building TensorRT's engine ahead: up to what onnxruntime is told, as no GPU is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.cli.export import main
from webcam_classifier.errors import UserError
from webcam_classifier.export.tensorrt_engine import TENSORRT, build_engine
from webcam_classifier.runtime.choice import AUTO, Say
from webcam_classifier.runtime.providers import (
    ExecutionConfig,
    RuntimeChoice,
    installed_providers,
    option_attempts,
    provider_options,
)
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.session import first_that_opens


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def leaves_an_engine(path: Path, wanted: str, threads: int, say: Say) -> RuntimeChoice:
    """What a device with TensorRT does, as far as files tell."""
    assert (wanted, threads) == (TENSORRT, 0)
    say("minutes")
    engine = runtime_folder(path) / "TensorrtExecutionProvider_graph_fp16_sm87.engine"
    engine.parent.mkdir(parents=True, exist_ok=True)
    engine.write_bytes(b"engine")
    return RuntimeChoice(ExecutionConfig(TENSORRT, is_reduced=True), "measured")


def leaves_nothing(_path: Path, _wanted: str, _threads: int, _say: Say) -> RuntimeChoice:
    return RuntimeChoice(ExecutionConfig(TENSORRT), "measured")


def test_without_tensorrt_it_says_what_to_install(model: Path) -> None:
    if TENSORRT in installed_providers():
        pytest.skip("TensorRT is installed here")
    with pytest.raises(UserError, match=r"no TensorRT.*`pip install onnxruntime-gpu tensorrt`"):
        main([str(model), "--precision", "tensorrt"])


def test_the_time_is_said_first_and_an_older_choice_is_forgotten(model: Path) -> None:
    remembered = runtime_folder(model) / f"choice-{AUTO}-0.json"
    remembered.parent.mkdir(parents=True)
    remembered.write_text(json.dumps({"runtime": {"provider": "cpu"}, "reason": "before"}))
    said: list[str] = []

    choice = build_engine(model, said.append, leaves_an_engine)

    assert choice.runtime == ExecutionConfig(TENSORRT, is_reduced=True)
    assert said == ["minutes"]
    assert not remembered.exists()


def test_an_engine_that_was_not_kept_is_an_error(model: Path) -> None:
    with pytest.raises(UserError, match="left no engine"):
        build_engine(model, lambda _: None, leaves_nothing)


def test_an_output_file_is_refused_as_there_is_none(model: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(model), "--precision", "tensorrt", "--output", "x.onnx"])


@pytest.mark.parametrize(
    ("provider", "graph"), [("cuda", "enable_cuda_graph"), ("tensorrt", "trt_cuda_graph_enable")]
)
def test_a_cuda_graph_is_tried_first_and_done_without_where_it_is_refused(
    provider: str, graph: str
) -> None:
    options = provider_options(ExecutionConfig(provider), Path("cache"))

    first, second = option_attempts(options)

    assert first == options
    assert first[graph] == "1"
    assert second == {name: value for name, value in options.items() if name != graph}


def test_what_knows_no_cuda_graph_is_opened_once() -> None:
    options = provider_options(ExecutionConfig("coreml"), Path("cache"))
    assert option_attempts(options) == (options,)


def test_the_first_options_that_are_taken_count_and_the_last_error_is_told() -> None:
    asked: list[str] = []

    def refuse_graphs(options: dict[str, str]) -> str:
        asked.append(options["name"])
        if "graph" in options:
            raise RuntimeError(f"no graph for {options['name']}")
        return options["name"]

    graph, plain = {"name": "with", "graph": "1"}, {"name": "without"}
    assert first_that_opens(refuse_graphs, (graph, plain)) == "without"
    assert asked == ["with", "without"]
    with pytest.raises(RuntimeError, match="no graph for last"):
        first_that_opens(refuse_graphs, (graph, {"name": "last", "graph": "1"}))
