"""What onnxruntime can run a graph on, how each is set up, and what it takes to have it.

Only the processor, OpenVINO and LiteRT have been run by the authors. The settings of the others
follow onnxruntime's documentation, have not yet been run on such a device, and are therefore
checked harder: no choice is kept before its answers were compared with the processor's.
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
LITERT_PACKAGE = "ai-edge-litert"  # the runtime with the schema of its files: 20 MB

_LIBRARIES: Mapping[str, str] = {
    "openvino": OPENVINO_LIBRARY,
    "litert": LITERT_LIBRARY,
    "tensorrt": TENSORRT_LIBRARY,
}
_CUDA_GRAPH = frozenset({"enable_cuda_graph", "trt_cuda_graph_enable"})


class ProviderError(UserError):
    """A provider is missing, or can't run a graph."""


@dataclass(frozen=True)
class Provider:
    """One thing that onnxruntime can run a graph on.

    Attributes:
        registered: The name that onnxruntime knows it by; LiteRT has one that it does not know.
        remedy: What to do where it is missing, as a sentence.
        has_threads: Whether it computes on the processor's cores.
        device: Where its inputs and outputs live, by onnxruntime's name.
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
"""By the name that the command line takes; the processor first."""


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
        threads: Of the processor, for one inference; 0 takes one for each physical core.
        is_reduced: Whether the features are computed with fewer bits than the file has, where the
            device is faster so: bf16 or fp16. The head is always computed as the file has it.
        precision: Of the file, as its card says: `fp32`, `fp16` or `int8`.
        is_optimised: Whether the graph is first written anew, with the same numbers in an order
            that this provider is faster with; see `optimised_graph`.
    """

    provider: str = CPU
    threads: int = 0
    is_reduced: bool = False
    precision: str = "fp32"
    is_optimised: bool = False

    def describe(self) -> str:
        """Name it for a person, such as 'openvino bf16 on 2 threads'."""
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
"""onnxruntime on the processor, with a thread for each physical core."""


def installed_providers() -> tuple[str, ...]:
    """Name what this onnxruntime was built with, and what is installed as a library of its own.

    Whether a device is behind it shows when a graph is opened.
    """
    built_in = onnxruntime.get_available_providers()
    return tuple(
        name
        for name, provider in PROVIDERS.items()
        if provider.registered in built_in or is_plugin(name) or is_library(name)
    )


def is_plugin(name: str) -> bool:
    """Whether a provider is a library of its own, which has to be registered first.

    Once registered, onnxruntime lists it with the built-in ones, but opens nothing on it by name.
    """
    return name == "openvino" and importlib.util.find_spec(OPENVINO_MODULE) is not None


def is_library(name: str) -> bool:
    """Whether a provider can be opened without onnxruntime.

    See `openvino_package`, `litert_package`, and `tensorrt_package` for an onnxruntime that was
    built without it.
    """
    if name == "tensorrt" and PROVIDERS[name].registered in onnxruntime.get_available_providers():
        return False
    module = _LIBRARIES.get(name)
    spec = None if module is None else importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None  # None: a mere folder of that name


def versions() -> str:
    """The versions that measurements depend on."""
    words = [f"onnxruntime {onnxruntime.__version__}"]
    for package in (OPENVINO_MODULE, OPENVINO_LIBRARY, LITERT_LIBRARY, TENSORRT_LIBRARY):
        # The folder's name says it: asking importlib.metadata takes 4 MB and 30 ms.
        for folder in sys.path:
            words += sorted(path.stem for path in Path(folder).glob(f"{package}-*.dist-info"))
    return ", ".join([*words, *installed_providers()])


def provider_options(runtime: ExecutionConfig, cache: Path) -> dict[str, str]:
    """Return the options that a provider is opened with.

    Args:
        runtime: How the graph is going to be run.
        cache: A folder for what the provider compiles, of this model, device and versions alone.
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
    """Options of OpenVINO on the processor.

    Left to itself it computes everything in bf16 where the processor can, the head included: of
    photographs of somebody the model had not seen, one in fourteen then got another answer.
    """
    settings: dict[str, str | int] = {"NUM_STREAMS": 1}
    if not runtime.is_reduced:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    if runtime.threads:
        settings["INFERENCE_NUM_THREADS"] = runtime.threads
    return {"load_config": json.dumps({"CPU": settings})}


def cuda_options() -> dict[str, str]:
    """Options of CUDA. Not yet run on such a device.

    The shape is fixed, so the search for the fastest convolutions is paid once; the CUDA graph
    replays all kernels at one call, which takes inputs and outputs bound to fixed addresses, and
    a graph of which no node is left to the processor: see `option_attempts`.
    """
    return {
        "device_id": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "do_copy_in_default_stream": "1",
        "enable_cuda_graph": "1",
    }


def tensorrt_options(runtime: ExecutionConfig, cache: Path) -> dict[str, str]:
    """Options of TensorRT. Not yet run on such a device.

    Args:
        runtime: With `is_reduced` for fp16.
        cache: Where the engine and the timings are kept. An engine holds for one model, GPU and
            version only, so nothing else may use this folder.

    The batch axis is fixed before TensorRT sees the graph, so the engine is built when the file is
    opened, and takes no profile of shapes. It wants quantised values with a zero point of 0 and
    signed; an int8 file of ours has unsigned ones, so that its answers are what decides.
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
    """Options to open a provider with, to be tried one after the other until one opens.

    A CUDA graph needs all nodes on the one provider; where some are left to another,
    onnxruntime refuses to open the file rather than go without it.

    Args:
        options: From `provider_options`.
    """
    plain = {name: value for name, value in options.items() if name not in _CUDA_GRAPH}
    return (options,) if plain == options else (options, plain)
