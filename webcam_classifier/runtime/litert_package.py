"""Run a graph with LiteRT (formerly TensorFlow Lite), whose XNNPACK runs int8 fast on ARM.

The graph is converted to a TFLite file, which is cached and opened the next time instead.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.graph_cache import cache_graph_if_possible, read_cached_graph
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.library_session import GraphValue
from webcam_classifier.runtime.providers import (
    LITERT_LIBRARY,
    PROVIDERS,
    ExecutionConfig,
    ProviderError,
)

_LAYOUT = 1  # version of the files written here; a new one ignores older files
_TYPES: Mapping[type[np.generic], str] = {
    np.uint8: "tensor(uint8)",
    np.float32: "tensor(float)",
}


class LitertSession:
    """A TFLite file in LiteRT's interpreter; see `LibrarySession`.

    Args:
        interpreter: LiteRT's, of a file with a signature that names its tensors.
        library: `LiteRT` with its version.
    """

    def __init__(self, interpreter: Any, library: str) -> None:  # noqa: ANN401 no requirement
        self.library = library
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        signature = interpreter.get_signature_runner()
        taken, given = signature.get_input_details(), signature.get_output_details()
        self._inputs = [_described(name, told) for name, told in taken.items()]
        self._outputs = [_described(name, told) for name, told in given.items()]
        self._places = {name: told["index"] for name, told in {**taken, **given}.items()}

    def get_inputs(self) -> list[GraphValue]:
        """Return the inputs of the graph."""
        return self._inputs

    def get_outputs(self) -> list[GraphValue]:
        """Return its outputs."""
        return self._outputs

    def get_providers(self) -> list[str]:
        """Return the one provider that runs all of it, by its name in `PROVIDERS`."""
        return [PROVIDERS["litert"].registered]

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph, and return the named outputs.

        Raises:
            ValueError: An input has another shape or type than the file.
        """
        for name, values in feeds.items():
            self._interpreter.set_tensor(self._places[name], values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._places[name]) for name in names]  # copies


def open_with_litert(path: Path, runtime: ExecutionConfig, folder: Path) -> LitertSession:
    """Open a graph, or the TFLite file that was written from it before.

    Args:
        path: The graph; its batch axis gets the length 1.
        runtime: With the number of threads.
        folder: For the file of this graph, device and these versions only. It may be missing; if
            it can't be written, nothing is cached.

    Raises:
        ProviderError: LiteRT is missing, or the graph can't be written as a TFLite file.
        Exception: LiteRT's, for a file that it can't open.
    """
    try:
        module = importlib.import_module(f"{LITERT_LIBRARY}.interpreter")
    except (ImportError, OSError) as error:  # OSError: a library of the system is missing
        raise ProviderError(
            f"LiteRT can't be loaded ({summarise_error(error)}). {PROVIDERS['litert'].remedy}"
        ) from error
    kept = folder / f"{path.stem}-{_LAYOUT}.tflite"
    content = read_cached_graph(kept)
    if content is None:
        content = _written(path)
        cache_graph_if_possible(kept, content)
    threads = runtime.threads or physical_cores()
    interpreter = module.Interpreter(model_content=content, num_threads=threads)
    version = getattr(importlib.import_module(LITERT_LIBRARY), "__version__", "")
    return LitertSession(interpreter, f"LiteRT {version}".rstrip())


def _written(path: Path) -> bytes:
    """Convert a graph to TFLite.

    Raises:
        ProviderError: It has an operator that can't be converted.
    """
    # These need onnx, which takes 0.1 seconds to import, and only the conversion needs them.
    from webcam_classifier.runtime.one_picture_graph import one_picture_graph
    from webcam_classifier.runtime.tflite.conversion import UnwritableError
    from webcam_classifier.runtime.tflite.tflite_graph import tflite_bytes

    try:
        return tflite_bytes(one_picture_graph(path))
    except UnwritableError as error:
        raise ProviderError(f"{error.reason} Take --provider cpu.") from error


def _described(name: str, told: Mapping[str, Any]) -> GraphValue:
    return GraphValue(name, tuple(int(length) for length in told["shape"]), _TYPES[told["dtype"]])
