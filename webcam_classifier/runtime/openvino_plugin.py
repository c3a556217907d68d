"""Open a graph on OpenVINO's plugin for onnxruntime, and cache what it has compiled.

The next time, the compiled graph is opened instead. With SqueezeNet 1.1 that takes half the time
and 10 MB less memory, because nothing has to be prepared and packed again.
"""

from __future__ import annotations

import importlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.file_hashes import is_unchanged, note_hashes
from webcam_classifier.runtime.providers import OPENVINO_MODULE, PROVIDERS, ProviderError
from webcam_classifier.storage import remove_stale_partials
from webcam_classifier.temporary_files import partial_path

_COMPILED = "compiled.onnx"

_log = logging.getLogger(__name__)

MakeOptions = Callable[[], onnxruntime.SessionOptions]


def open_on_openvino(
    path: Path, settings: dict[str, str], make_options: MakeOptions, compiled: Path
) -> onnxruntime.InferenceSession:
    """Open a graph, or what was compiled from it before.

    Args:
        path: The graph.
        settings: The plugin's options.
        make_options: Returns new onnxruntime options for each attempt.
        compiled: A folder for what is compiled from this graph with these options only. It may be
            missing; if it can't be written, nothing is cached.

    Raises:
        ProviderError: The plugin and this onnxruntime are incompatible.
        Exception: onnxruntime's, for a graph that it can't open.
    """
    devices = openvino_devices()

    def open_file(file: Path, entries: dict[str, str]) -> onnxruntime.InferenceSession:
        options = make_options()
        for key, value in entries.items():
            options.add_session_config_entry(key, value)
        options.add_provider_for_devices(devices, settings)
        return onnxruntime.InferenceSession(str(file), sess_options=options, enable_fallback=0)

    kept = compiled / _COMPILED
    if kept.is_file():
        if is_unchanged(compiled):
            try:
                return open_file(kept, {})
            except Exception as error:  # onnxruntime's exceptions share no base class of their own
                _log.info("%s is rebuilt: %s", kept, summarise_error(error))
        else:
            _log.warning("%s was damaged, and is rebuilt.", compiled)
        shutil.rmtree(compiled, ignore_errors=True)
    try:
        compiled.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_partials(compiled.parent, recursive=False)
        # Written to a folder beside it and then moved: another process may be doing the same.
        place = partial_path(compiled)
        place.mkdir()
    except OSError:
        return open_file(path, {})
    writing = {
        "ep.context_enable": "1",
        "ep.context_file_path": str(place / _COMPILED),
        "ep.context_embed_mode": "0",
    }
    try:
        session = open_file(path, writing)
    except Exception:  # a full disk, or a graph that it can't open, which is raised here
        shutil.rmtree(place, ignore_errors=True)
        return open_file(path, {})
    note_hashes(place)
    try:
        place.rename(compiled)
    except OSError:  # another process was first
        shutil.rmtree(place, ignore_errors=True)
    return session


def finds_a_processor() -> bool:
    """Whether the plugin can be loaded and supports this CPU."""
    try:
        return bool(openvino_devices())
    except ProviderError:
        return False


def openvino_devices() -> list[Any]:
    """Register OpenVINO's plugin, once per process, and return its CPU devices, at least one.

    Raises:
        ProviderError: The plugin and this onnxruntime are incompatible, or it supports no CPU here.
    """
    registered = PROVIDERS["openvino"].registered
    try:
        if not any(device.ep_name == registered for device in onnxruntime.get_ep_devices()):
            library = importlib.import_module(OPENVINO_MODULE).get_library_path()
            onnxruntime.register_execution_provider_library(registered, library)
        devices = [
            device
            for device in onnxruntime.get_ep_devices()
            if device.ep_name == registered
            and device.device.type == onnxruntime.OrtHardwareDeviceType.CPU
        ]
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise ProviderError(
            f"OpenVINO's plugin can't be loaded ({summarise_error(error)}). "
            f"{PROVIDERS['openvino'].remedy}"
        ) from error
    if not devices:
        raise ProviderError("OpenVINO's plugin knows no processor here. Take --provider cpu.")
    return devices
