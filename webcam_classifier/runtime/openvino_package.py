"""Open a graph with OpenVINO itself, where its plugin of onnxruntime finds no processor.

The plugin takes processors of Intel alone; OpenVINO runs on AMD's as well. What it has compiled is
kept, and opened the next time instead of the graph.
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
        """What the graph takes."""
        return self._inputs

    def get_outputs(self) -> list[GraphValue]:
        """What it gives."""
        return self._outputs

    def get_providers(self) -> list[str]:
        """What runs it, all of it, by onnxruntime's name."""
        return [PROVIDERS["openvino"].registered]

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph; return the outputs of those names."""
        self._request.infer(dict(feeds), share_inputs=True)
        # Copied: the next run writes to the same place.
        return [np.array(self._request.get_tensor(name).data) for name in names]


def import_openvino() -> ModuleType:
    """Import OpenVINO without its converter of models, which could report to its maker.

    That leaves out a third of the time and of the memory as well.
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
        path: The graph; an axis without a length gets one of one.
        settings: The plugin's options.
        folder: For what is compiled from this graph with these options alone. It need not be
            there; where it can't be written, nothing is kept.

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
                _log.info("%s can't be opened, and is made anew.", kept)
        else:
            _log.warning("%s was damaged, and is made anew.", kept)
    graph = core.read_model(str(path))
    for value in graph.inputs:
        fixed = [1 if axis.is_dynamic else axis.get_length() for axis in value.partial_shape]
        graph.reshape({value.any_name: fixed})
    compiled = core.compile_model(graph, "CPU", chosen)
    try:
        write_atomically(kept, compiled.export_model().getvalue())
        note_hashes(folder)
    except (UserError, OSError, RuntimeError) as error:  # no room, or a graph that can't be kept
        _log.info("What was compiled is not kept: %s", error)
    return OpenvinoSession(compiled, library)


def _described(value: Any) -> GraphValue:  # noqa: ANN401 openvino is no requirement
    kind = value.element_type.get_type_name()
    return GraphValue(value.any_name, tuple(value.shape), _TYPES.get(kind, kind))
