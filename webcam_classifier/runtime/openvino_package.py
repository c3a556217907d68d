"""Open a graph with OpenVINO itself, if its plugin for onnxruntime finds no CPU.

The plugin supports only Intel's CPUs; OpenVINO runs on AMD's too. The compiled graph is cached,
and opened the next time instead.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.runtime.file_hashes import is_unchanged, note_hashes
from webcam_classifier.runtime.library_session import GraphValue
from webcam_classifier.runtime.providers import PROVIDERS
from webcam_classifier.storage import write_atomically

_COMPILED = "compiled.blob"
_CONVERTER = "openvino.tools.ovc"
_TYPES: Mapping[str, str] = {
    "u8": "tensor(uint8)",
    "f32": "tensor(float)",
    "f16": "tensor(float16)",
}

_log = logging.getLogger(__name__)


class OpenvinoSession:
    """A graph compiled by OpenVINO; see `LibrarySession`.

    Args:
        compiled: OpenVINO's, with fixed shapes.
        library: OpenVINO, with its version.
    """

    def __init__(self, compiled: Any, library: str) -> None:  # noqa: ANN401 no requirement
        self.library = library
        self._request = compiled.create_infer_request()
        self._inputs = [_described(value) for value in compiled.inputs]
        self._outputs = [_described(value) for value in compiled.outputs]

    def get_inputs(self) -> list[GraphValue]:
        """Return the inputs of the graph."""
        return self._inputs

    def get_outputs(self) -> list[GraphValue]:
        """Return its outputs."""
        return self._outputs

    def get_providers(self) -> list[str]:
        """Return the one provider that runs all of it, by onnxruntime's name."""
        return [PROVIDERS["openvino"].registered]

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph, and return the named outputs."""
        self._request.infer(dict(feeds), share_inputs=True)
        # Copied, because the next run writes to the same memory.
        return [np.array(self._request.get_tensor(name).data) for name in names]


def import_openvino() -> ModuleType:
    """Import OpenVINO without its model converter, which could send usage data to its maker.

    That also saves a third of the time and of the memory.
    """
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_CONVERTER]


def open_with_openvino(path: Path, settings: Mapping[str, str], folder: Path) -> OpenvinoSession:
    """Open a graph, or what was compiled from it before.

    Args:
        path: The graph; dynamic axes get the length 1.
        settings: The plugin's options.
        folder: For what is compiled from this graph with these options only. It may be missing;
            if it can't be written, nothing is cached.

    Raises:
        Exception: OpenVINO's, for a graph that it can't open.
    """
    openvino = import_openvino()
    core = openvino.Core()
    library = f"OpenVINO {openvino.__version__.partition('-')[0]}"
    chosen = json.loads(settings["load_config"])["CPU"]
    kept = folder / _COMPILED
    if kept.is_file():
        if is_unchanged(folder):
            try:
                return OpenvinoSession(core.import_model(kept.read_bytes(), "CPU", chosen), library)
            except RuntimeError:  # of another processor
                _log.info("%s can't be opened, and is rebuilt.", kept)
        else:
            _log.warning("%s was damaged, and is rebuilt.", kept)
    graph = core.read_model(str(path))
    for value in graph.inputs:
        fixed = [1 if axis.is_dynamic else axis.get_length() for axis in value.partial_shape]
        graph.reshape({value.any_name: fixed})
    compiled = core.compile_model(graph, "CPU", chosen)
    try:
        write_atomically(kept, compiled.export_model().getvalue())
        note_hashes(folder)
    except (
        UserError,
        OSError,
        RuntimeError,
    ) as error:  # a full disk, or a graph that it can't export
        _log.info("The compiled graph is not cached: %s", error)
    return OpenvinoSession(compiled, library)


def _described(value: Any) -> GraphValue:  # noqa: ANN401 openvino is no requirement
    kind = value.element_type.get_type_name()
    return GraphValue(value.any_name, tuple(value.shape), _TYPES.get(kind, kind))
