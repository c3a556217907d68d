"""Run a graph with TensorRT itself, if onnxruntime was built without it.

Not run on such a device yet. JetPack includes TensorRT with its Python module, while PyPI has no
onnxruntime for GPUs on ARM. Written from NVIDIA's documentation of TensorRT 10 ("Python API
Documentation", "Working with Quantized Types"); every name was looked up in the modules of
TensorRT 10 and 11. The engine is cached and, like every runtime, used only after its answers have
been compared with the CPU's.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.runtime.cuda_runtime import CudaRuntime, load_cuda_runtime
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.library_session import GraphValue
from webcam_classifier.runtime.providers import (
    PROVIDERS,
    TENSORRT_LIBRARY,
    ExecutionConfig,
    ProviderError,
)
from webcam_classifier.storage import write_atomically

_OLDEST = 10  # the first version with named tensors and strongly typed networks
_LAYOUT = 1  # version of the graph passed to TensorRT; a new one ignores older engines
_DIGITS = 24  # of a sha256, in an engine's name
_TYPES: Mapping[str, tuple[str, type[np.generic]]] = {
    "FLOAT": ("tensor(float)", np.float32),
    "HALF": ("tensor(float16)", np.float16),
    "UINT8": ("tensor(uint8)", np.uint8),
}

_log = logging.getLogger(__name__)


class TensorrtSession:
    """An engine with fixed buffers in the GPU's memory; see `LibrarySession`.

    Args:
        engine: TensorRT's, with fixed shapes.
        cuda: The runtime of the GPU that it was built for.
        library: `TensorRT` with its version.
    """

    def __init__(self, engine: Any, cuda: CudaRuntime, library: str) -> None:  # noqa: ANN401 no requirement
        self.library = library
        self._cuda = cuda
        self._engine = engine  # kept alive for the context
        self._context = engine.create_execution_context()
        if self._context is None:
            raise RuntimeError("the GPU has too little memory for the engine")
        self._inputs: list[GraphValue] = []
        self._outputs: list[GraphValue] = []
        self._types: dict[str, type[np.generic]] = {}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            type_name, self._types[name] = _TYPES[engine.get_tensor_dtype(name).name]
            value = GraphValue(name, tuple(engine.get_tensor_shape(name)), type_name)
            is_input = engine.get_tensor_mode(name).name == "INPUT"
            (self._inputs if is_input else self._outputs).append(value)
        self._stream = cuda.create_stream()
        places: list[int] = []
        self._end = weakref.finalize(self, cuda.release, places, self._stream)
        self._end.atexit = False  # the driver may have shut down by then
        self._places: dict[str, int] = {}
        for value in (*self._inputs, *self._outputs):
            places.append(cuda.allocate(self._empty(value).nbytes))
            self._places[value.name] = places[-1]
            self._context.set_tensor_address(value.name, places[-1])

    def get_inputs(self) -> list[GraphValue]:
        """Return the inputs of the graph."""
        return self._inputs

    def get_outputs(self) -> list[GraphValue]:
        """Return its outputs."""
        return self._outputs

    def get_providers(self) -> list[str]:
        """Return the one provider that runs all of it, by onnxruntime's name."""
        return [PROVIDERS["tensorrt"].registered]

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph, and return the named outputs.

        Raises:
            ValueError: An input has another shape or type than the engine.
            RuntimeError: TensorRT or CUDA failed.
        """
        for taken in self._inputs:
            values = np.ascontiguousarray(feeds[taken.name])
            if values.shape != taken.shape or values.dtype != self._types[taken.name]:
                raise ValueError(
                    f"{taken.name} is {values.shape} {values.dtype}, and the engine takes "
                    f"{taken.shape} {taken.type}"
                )
            self._cuda.copy_in(self._places[taken.name], values, self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise RuntimeError("TensorRT could not run the engine")
        found = {value.name: self._empty(value) for value in self._outputs if value.name in names}
        for name, values in found.items():
            self._cuda.copy_out(values, self._places[name], self._stream)
        self._cuda.wait(self._stream)
        return [found[name] for name in names]

    def _empty(self, value: GraphValue) -> NDArray[Any]:
        return np.empty(value.shape, self._types[value.name])


def open_with_tensorrt(path: Path, runtime: ExecutionConfig, folder: Path) -> TensorrtSession:
    """Open a graph's engine, or build it first, which takes minutes.

    Args:
        path: The graph; dynamic axes get the length 1.
        runtime: With `is_reduced` to allow fp16 where TensorRT finds it faster; otherwise the
            file's precision is kept.
        folder: For engines of this model, device and these versions. It may be missing; if it
            can't be written, nothing is cached.

    Raises:
        ProviderError: TensorRT is missing, too old, or can't build this graph in this precision.
        RuntimeError: There is no GPU, or a call of CUDA or TensorRT failed.
    """
    tensorrt = import_tensorrt()
    cuda = load_cuda_runtime()
    device = cuda.describe_device()  # raises without a GPU, which TensorRT does not do
    library = f"TensorRT {tensorrt.__version__}"
    graph = path.read_bytes()
    kept = folder / engine_name(graph, runtime.is_reduced, tensorrt.__version__, device)
    errors: list[str] = []
    logger = _logger(tensorrt, errors)
    opener = tensorrt.Runtime(logger)
    if kept.is_file():
        engine = opener.deserialize_cuda_engine(kept.read_bytes())
        if engine is not None:
            return TensorrtSession(engine, cuda, library)
        _log.warning("%s can't be opened, and is rebuilt: %s", kept, _first(errors))
    content = _build(tensorrt, logger, errors, graph, runtime.is_reduced)
    engine = opener.deserialize_cuda_engine(content)
    if engine is None:
        raise ProviderError(
            f"TensorRT can't open the engine that it built ({_first(errors)}). Take --provider cpu."
        )
    try:
        write_atomically(kept, content)
    except UserError as error:
        _log.warning("The engine is built again at the next start: %s", error)
    return TensorrtSession(engine, cuda, library)


def import_tensorrt() -> ModuleType:
    """Import TensorRT's module.

    Raises:
        ProviderError: It is not installed, lacks a library, or is too old.
    """
    try:
        tensorrt = importlib.import_module(TENSORRT_LIBRARY)
        version = str(tensorrt.__version__)
        major = int(version.partition(".")[0])
    except (ImportError, OSError, AttributeError, ValueError) as error:
        raise ProviderError(
            f"TensorRT can't be loaded ({summarise_error(error)}). {PROVIDERS['tensorrt'].remedy}"
        ) from error
    if major < _OLDEST:
        raise ProviderError(
            f"TensorRT {version} is too old: {_OLDEST} is least. On a Jetson, update to JetPack "
            "6.1 or newer; elsewhere `pip install --upgrade tensorrt`."
        )
    return tensorrt


def engine_name(graph: bytes, is_reduced: bool, version: str, device: str) -> str:
    """Return the file name of an engine, which depends on all that the engine depends on.

    Args:
        graph: The content of the ONNX file that it is built from.
        is_reduced: Whether fp16 is allowed.
        version: Of TensorRT.
        device: From `CudaRuntime.describe_device`.
    """
    content = hashlib.sha256(graph)
    content.update(f"{_LAYOUT}\n{is_reduced}\n{version}\n{device}".encode())
    return f"alone-{device}-{content.hexdigest()[:_DIGITS]}.engine"


def _build(
    tensorrt: ModuleType,
    logger: Any,  # noqa: ANN401 no requirement
    errors: list[str],
    graph: bytes,
    is_reduced: bool,
) -> bytes:
    """Build an engine.

    Raises:
        ProviderError: TensorRT can't read the graph, or can't build an engine for it.
    """
    if is_reduced and not hasattr(tensorrt.BuilderFlag, "FP16"):
        raise ProviderError(
            f"TensorRT {tensorrt.__version__} computes what stands in the file alone. For fp16, "
            "export the model with --precision fp16."
        )
    fitted, is_quantised = _fitted(graph)
    builder = tensorrt.Builder(logger)
    # Strongly typed, it keeps the file's types; else it picks the fastest allowed below.
    typed = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(0 if is_reduced else 1 << int(typed))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(fitted):
        said = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise ProviderError(
            f"TensorRT can't read the graph ({_first(said or errors)}). Take --provider cpu."
        )
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # rounds the numbers of a product to 10 bits
    if is_reduced:
        config.set_flag(tensorrt.BuilderFlag.FP16)
        if is_quantised:
            config.set_flag(tensorrt.BuilderFlag.INT8)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise ProviderError(
            f"TensorRT can't build an engine ({_first(errors)}). Take --provider cpu."
        )
    return bytes(built)


def _fitted(graph: bytes) -> tuple[bytes, bool]:
    """Return a graph that TensorRT can read, and whether it is quantised."""
    import onnx  # takes 0.1 seconds, and only building needs it

    from webcam_classifier.runtime.passes.tensorrt_graph import fit_for_tensorrt

    model = onnx.load_from_string(graph)
    fit_for_tensorrt(model.graph)
    is_quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    return model.SerializeToString(), is_quantised


def _logger(tensorrt: ModuleType, errors: list[str]) -> Any:  # noqa: ANN401 no requirement
    """Return a logger that collects the errors, which TensorRT's functions do not raise."""
    base: Any = tensorrt.ILogger
    kept = (base.Severity.INTERNAL_ERROR, base.Severity.ERROR)

    class Listener(base):  # type: ignore[misc] # no requirement
        def __init__(self) -> None:
            base.__init__(self)

        def log(self, severity: object, msg: str) -> None:
            if severity in kept:
                errors.append(msg)

    return Listener()


def _first(errors: Sequence[str]) -> str:
    """Return the first line of the first error: later errors follow from it."""
    return errors[0].strip().partition("\n")[0][:200] if errors else "it does not say why"
