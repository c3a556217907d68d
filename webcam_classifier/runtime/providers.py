"""The execution providers: which ones there are, their options, and how to install them.

The authors have run the CPU, OpenVINO and LiteRT only. The options of the others follow
onnxruntime's documentation and have not been run on such a device yet. No provider is chosen
before its answers have been compared with the CPU's.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.private_onnxruntime import onnxruntime

OPENVINO_PACKAGE = "onnxruntime-ep-openvino"
OPENVINO_MODULE = "onnxruntime_ep_openvino"
OPENVINO_LIBRARY = "openvino"
TENSORRT_LIBRARY = "tensorrt"
LITERT_LIBRARY = "ai_edge_litert"
LITERT_PACKAGE = "ai-edge-litert"  # the runtime and the schema of its files: 20 MB

_LIBRARIES: Mapping[str, str] = {
    "openvino": OPENVINO_LIBRARY,
    "litert": LITERT_LIBRARY,
    "tensorrt": TENSORRT_LIBRARY,
}
_CUDA_GRAPH = frozenset({"enable_cuda_graph", "trt_cuda_graph_enable"})


class ProviderError(UserError):
    """An execution provider is missing, or can't run a graph."""


@dataclass(frozen=True)
class Provider:
    """An execution provider.

    Attributes:
        registered: Its name in onnxruntime; LiteRT's is our own, as onnxruntime does not know it.
        remedy: What to do if it is missing, as a sentence.
        has_threads: Whether it computes on the CPU's cores.
        device: The device that holds its inputs and outputs, by onnxruntime's name.
    """

    registered: str
    remedy: str
    has_threads: bool = False
    device: str = "cpu"


CPU = "cpu"
PROVIDERS: Mapping[str, Provider] = {
    CPU: Provider("CPUExecutionProvider", "", has_threads=True),
    "openvino": Provider(
        "OpenVINOExecutionProvider",
        f"On an x86 processor, install it with `pip install {OPENVINO_PACKAGE}`, which needs "
        "onnxruntime 1.23 or newer; on one of AMD with "
        f"`pip install {OPENVINO_LIBRARY}`.",
        has_threads=True,
    ),
    "litert": Provider(
        "LiteRT",
        f"Install it with `pip install {LITERT_PACKAGE}`: it has wheels for Linux, Windows and "
        "Macs with Apple's processors.",
        has_threads=True,
    ),
    "cuda": Provider(
        "CUDAExecutionProvider",
        "On an NVIDIA GPU, replace onnxruntime by `pip install onnxruntime-gpu`, with the CUDA and "
        "cuDNN that its documentation names; a Jetson takes NVIDIA's own wheel.",
        device="cuda",
    ),
    "tensorrt": Provider(
        "TensorrtExecutionProvider",
        "On an NVIDIA GPU, replace onnxruntime by `pip install onnxruntime-gpu tensorrt`, or keep "
        "it and `pip install tensorrt`. A Jetson has TensorRT from JetPack: make the virtual "
        "environment with --system-site-packages.",
        device="cuda",
    ),
    "coreml": Provider("CoreMLExecutionProvider", "It comes with onnxruntime for macOS only."),
    "directml": Provider(
        "DmlExecutionProvider",
        "On Windows, replace onnxruntime by `pip install onnxruntime-directml`.",
    ),
}
"""By their names on the command line; the CPU comes first."""


@dataclass(frozen=True)
class ExecutionConfig:
    """How a graph is run.

    >>> from pathlib import Path
    >>> from webcam_classifier import Classifier, ExecutionConfig
    >>> one_core = ExecutionConfig("cpu", threads=1)
    >>> one_core.describe()
    'cpu on 1 thread'
    >>> classifier = Classifier(Path("models/colours/model.onnx"), one_core)

    Attributes:
        provider: A key of `PROVIDERS`.
        threads: CPU threads for one inference; 0 takes one for each physical core.
        is_reduced: Whether the features are computed in a lower precision than the file's (bf16
            or fp16), which some devices do faster. The head always keeps the file's precision.
        precision: Of the file, as its card says: `fp32`, `fp16` or `int8`.
        is_optimised: Whether the graph is first rewritten into an equivalent one that this
            provider runs faster; see `optimised_graph`.
    """

    provider: str = CPU
    threads: int = 0
    is_reduced: bool = False
    precision: str = "fp32"
    is_optimised: bool = False

    def describe(self) -> str:
        """Describe it for the user, such as 'openvino bf16 on 2 threads'."""
        words = self.provider
        if self.is_reduced:
            words += " bf16" if self.provider == "openvino" else " fp16"
        if self.is_optimised:
            words += " optimised"
        if PROVIDERS[self.provider].has_threads and self.threads:
            words += f" on {self.threads} thread" + ("" if self.threads == 1 else "s")
        return words


@dataclass(frozen=True)
class RuntimeChoice:
    """A runtime that was chosen.

    Attributes:
        runtime: How to open the model.
        reason: Why, in a few words.
    """

    runtime: ExecutionConfig
    reason: str


ON_ALL_CORES = ExecutionConfig()
"""onnxruntime on the CPU, with a thread for each physical core."""


def installed_providers() -> tuple[str, ...]:
    """List the providers that onnxruntime was built with or that are installed as libraries.

    Whether there is a device for each of them shows only when a graph is opened.

    Returns:
        Keys of `PROVIDERS`, in their order.
    """
    built_in = onnxruntime.get_available_providers()
    return tuple(
        name
        for name, provider in PROVIDERS.items()
        if provider.registered in built_in or is_plugin(name) or is_library(name)
    )


def is_plugin(name: str) -> bool:
    """Whether a provider is an installed plugin, which has to be registered with onnxruntime.

    Once it is registered, onnxruntime lists it with the built-in ones, but can't open a graph on
    it by name.
    """
    return name == "openvino" and importlib.util.find_spec(OPENVINO_MODULE) is not None


def is_library(name: str) -> bool:
    """Whether a provider is an installed library that opens a graph without onnxruntime.

    See `openvino_package` and `litert_package`, and `tensorrt_package` for an onnxruntime that was
    built without TensorRT.
    """
    if name == "tensorrt" and PROVIDERS[name].registered in onnxruntime.get_available_providers():
        return False
    module = _LIBRARIES.get(name)
    spec = None if module is None else importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None  # None: just a folder of that name


def versions() -> str:
    """Return the versions that measurements depend on, as one line of text."""
    words = [f"onnxruntime {onnxruntime.__version__}"]
    for package in (OPENVINO_MODULE, OPENVINO_LIBRARY, LITERT_LIBRARY, TENSORRT_LIBRARY):
        # Taken from the folder's name, because importlib.metadata needs 4 MB and 30 ms.
        for folder in sys.path:
            words += sorted(path.stem for path in Path(folder).glob(f"{package}-*.dist-info"))
    return ", ".join([*words, *installed_providers()])


def provider_options(runtime: ExecutionConfig, cache: Path) -> dict[str, str]:
    """Return the options that a provider is opened with.

    Args:
        runtime: How the graph is going to be run.
        cache: The folder for what the provider compiles, for this model, device and versions only.
    """
    if runtime.provider == "openvino":
        return openvino_options(runtime)
    if runtime.provider == "cuda":
        return cuda_options()
    if runtime.provider == "tensorrt" and not is_library(runtime.provider):
        return tensorrt_options(runtime, cache)
    if runtime.provider == "coreml":
        return {
            "ModelFormat": "MLProgram",
            "MLComputeUnits": "ALL",
            "RequireStaticInputShapes": "1",
        }
    return {}


def openvino_options(runtime: ExecutionConfig) -> dict[str, str]:
    """Return OpenVINO's options for the CPU.

    By default it computes everything in bf16 where the CPU supports that, including the head. That
    changed the answer for one in fourteen photographs of a person the model had not seen.
    """
    settings: dict[str, str | int] = {"NUM_STREAMS": 1}
    if not runtime.is_reduced:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    if runtime.threads:
        settings["INFERENCE_NUM_THREADS"] = runtime.threads
    return {"load_config": json.dumps({"CPU": settings})}


def cuda_options() -> dict[str, str]:
    """Return CUDA's options. Not run on such a device yet.

    The shape is fixed, so the exhaustive search for the fastest convolutions happens once. The
    CUDA graph replays all kernels in one call. It needs inputs and outputs bound to fixed
    addresses, and no node left to the CPU: see `option_attempts`.
    """
    return {
        "device_id": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "do_copy_in_default_stream": "1",
        "enable_cuda_graph": "1",
    }


def tensorrt_options(runtime: ExecutionConfig, cache: Path) -> dict[str, str]:
    """Return TensorRT's options. Not run on such a device yet.

    The batch axis is fixed before TensorRT sees the graph, so the engine is built when the file is
    opened, without a profile of shapes. TensorRT expects signed quantised values with a zero point
    of 0, and our int8 files have unsigned ones: the comparison of answers decides whether it is
    used.

    Args:
        runtime: With `is_reduced` for fp16.
        cache: The folder for the engine and the timings. An engine is valid for one model, GPU and
            version only, so nothing else may use this folder.
    """
    return {
        "device_id": "0",
        "trt_fp16_enable": "1" if runtime.is_reduced or runtime.precision == "fp16" else "0",
        "trt_int8_enable": "1" if runtime.precision == "int8" else "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
        "trt_cuda_graph_enable": "1",
    }


def option_attempts(options: dict[str, str]) -> tuple[dict[str, str], ...]:
    """Return the options to try one after the other until the provider opens the graph.

    A CUDA graph needs all nodes on one provider. If some are left to another, onnxruntime refuses
    to open the file instead of doing without a CUDA graph.

    Args:
        options: From `provider_options`.

    Returns:
        The options and, if they ask for a CUDA graph, the same without it.
    """
    plain = {name: value for name, value in options.items() if name not in _CUDA_GRAPH}
    return (options,) if plain == options else (options, plain)
