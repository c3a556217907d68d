"""What each provider is asked for, word by word: most of them can't be run on every device."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import pytest

from webcam_classifier.runtime.providers import (
    PROVIDERS,
    ExecutionConfig,
    installed_providers,
    provider_options,
    versions,
)

CACHE = Path("cache") / "of-one-model"


def openvino_settings(runtime: ExecutionConfig) -> dict[str, object]:
    options = provider_options(runtime, CACHE)
    assert list(options) == ["load_config"]
    settings = json.loads(options["load_config"])
    assert list(settings) == ["CPU"]
    found: dict[str, object] = settings["CPU"]
    return found


def test_the_processor_is_always_installed_and_comes_first() -> None:
    assert installed_providers()[0] == "cpu"


def test_every_name_is_one_that_onnxruntime_knows() -> None:
    known = {*onnxruntime.get_all_providers(), "LiteRT"}  # which is a library beside it
    assert {provider.registered for provider in PROVIDERS.values()} <= known


def test_every_provider_but_the_processor_says_how_to_get_it() -> None:
    missing = [name for name, provider in PROVIDERS.items() if not provider.remedy]
    assert missing == ["cpu"]


def test_openvino_keeps_the_numbers_of_the_file_unless_reduced() -> None:
    assert openvino_settings(ExecutionConfig("openvino", 2)) == {
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": 2,
    }


def test_reduced_openvino_takes_what_the_processor_is_fastest_with() -> None:
    assert openvino_settings(ExecutionConfig("openvino", is_reduced=True)) == {
        "NUM_STREAMS": 1,
    }


def test_cuda_searches_once_for_one_shape_and_replays_a_graph() -> None:
    assert provider_options(ExecutionConfig("cuda"), CACHE) == {
        "device_id": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "do_copy_in_default_stream": "1",
        "enable_cuda_graph": "1",
    }


@pytest.mark.parametrize(
    ("runtime", "fp16", "int8"),
    [
        (ExecutionConfig("tensorrt"), "0", "0"),
        (ExecutionConfig("tensorrt", is_reduced=True), "1", "0"),
        (ExecutionConfig("tensorrt", precision="fp16"), "1", "0"),
        (ExecutionConfig("tensorrt", precision="int8"), "0", "1"),
        (ExecutionConfig("tensorrt", is_reduced=True, precision="int8"), "1", "1"),
    ],
)
def test_tensorrt_keeps_its_engine_and_its_timings(
    runtime: ExecutionConfig, fp16: str, int8: str
) -> None:
    assert provider_options(runtime, CACHE) == {
        "device_id": "0",
        "trt_fp16_enable": fp16,
        "trt_int8_enable": int8,
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(CACHE),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(CACHE),
        "trt_cuda_graph_enable": "1",
    }


def test_coreml_is_given_a_program_of_fixed_shape_and_directml_nothing() -> None:
    assert provider_options(ExecutionConfig("coreml"), CACHE) == {
        "ModelFormat": "MLProgram",
        "MLComputeUnits": "ALL",
        "RequireStaticInputShapes": "1",
    }
    assert provider_options(ExecutionConfig("directml"), CACHE) == {}


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        (ExecutionConfig(), "cpu"),
        (ExecutionConfig(threads=1), "cpu on 1 thread"),
        (ExecutionConfig("openvino", 2, is_reduced=True), "openvino bf16 on 2 threads"),
        (ExecutionConfig("tensorrt", is_reduced=True), "tensorrt fp16"),
    ],
)
def test_a_runtime_is_named_for_a_person(runtime: ExecutionConfig, words: str) -> None:
    assert runtime.describe() == words


def test_the_versions_name_onnxruntime_and_what_it_was_built_with() -> None:
    assert versions().startswith(f"onnxruntime {onnxruntime.__version__}")
    assert "cpu" in versions()
