"""Open a model file for one picture at a time, set up for a loop, and run it.

What was measured on two x86 cores, with SqueezeNet 1.1 at 224 pixels: binding inputs and outputs
changes nothing on the processor (the pixels are not copied, and three floats cost nothing), so it
is done only where the device has a memory of its own. Neither the memory arena nor memory patterns
nor prepacking, switched off, saved a megabyte.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.runtime.execution_provider import (
    CPU,
    OPENVINO_MODULE,
    PROVIDERS,
    Runtime,
    installed_providers,
    is_plugin,
    provider_options,
)
from webcam_classifier.runtime.folder import runtime_folder
from webcam_classifier.runtime.split_graph import split_graph

BATCH_AXIS = "batch"

_FEWEST_NODES_SHARE = 0.9  # of the graph; with less, most of the time is spent elsewhere
_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"

Values = dict[str, NDArray[Any]]


class ProviderError(UserError):
    """A provider is missing, or can't run this graph."""


class Runner(Protocol):
    """A graph that is ready to run."""

    def run(self, value: NDArray[Any]) -> Values:
        """Run it on its one input, with a batch axis of one; give all outputs by name."""


class ModelSession:
    """An opened model file, whatever runs it.

    Args:
        session: Of the whole file, on the processor or another provider; it also knows what
            stands in the file.
        runner: What runs it.
        runtime: How.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, runner: Runner, runtime: Runtime
    ) -> None:
        self.metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
        self.inputs: dict[str, Sequence[int | str]] = shapes_of(session.get_inputs())
        self.outputs: dict[str, Sequence[int | str]] = shapes_of(session.get_outputs())
        self.runtime = runtime
        self._runner = runner

    def run(self, pixels: NDArray[np.uint8]) -> Values:
        """Run the graph.

        Args:
            pixels: (1, size, size, 3) uint8.

        Returns:
            All outputs by name, each with a batch axis of one.
        """
        return self._runner.run(pixels)


def shapes_of(nodes: Sequence[Any]) -> dict[str, Sequence[int | str]]:
    """Give the shapes of a session's inputs or outputs by name."""
    return {node.name: tuple(node.shape) for node in nodes}


def open_model(path: Path, runtime: Runtime) -> ModelSession:
    """Open a model file.

    Args:
        path: The file.
        runtime: How to run it.

    Raises:
        ProviderError: The provider is missing, or does not run (nearly) the whole graph itself.
        UserError: What a provider compiles can't be written into the cache folder.
        Exception: onnxruntime's, for a file that it can't read.
    """
    if runtime.provider == CPU:
        session = open_on_processor(path, runtime.threads)
        return ModelSession(session, PlainRunner(session), runtime)
    folder = runtime_folder(path)
    options = provider_options(runtime, folder)
    if not runtime.is_reduced:
        session = open_on_provider(path, runtime, options)
        return ModelSession(session, _runner(session, runtime), runtime)
    split = split_graph(path, folder)
    if split is None:
        raise ProviderError(
            f"{path} can't be computed with fewer bits on {runtime.provider}: it has no embedding. "
            "Take --provider cpu."
        )
    head = open_on_processor(split.head, 1)  # a few thousand multiplications
    body = open_on_provider(split.body, runtime, options)
    runner = SplitRunner(_runner(body, runtime), split.seam, PlainRunner(head))
    # The whole file is opened for what stands in it, without preparing it to run.
    described = open_on_processor(path, 1, as_it_is=True)
    return ModelSession(described, runner, runtime)


def open_on_processor(
    path: Path, threads: int, as_it_is: bool = False
) -> onnxruntime.InferenceSession:
    """Open a graph on the processor.

    Args:
        path: The file.
        threads: For one inference; 0 takes one for each physical core.
        as_it_is: Don't optimise it: it opens sooner and runs slower.
    """
    options = _session_options(threads)
    if as_it_is:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=[PROVIDERS[CPU].registered]
    )


def open_on_provider(
    path: Path, runtime: Runtime, provider_options: dict[str, str]
) -> onnxruntime.InferenceSession:
    """Open a graph on another provider, and make sure that it is the one that runs it.

    Raises:
        ProviderError: It is missing, or leaves the graph to another one.
    """
    provider = PROVIDERS[runtime.provider]
    if runtime.provider not in installed_providers():
        raise ProviderError(
            f"This onnxruntime ({onnxruntime.__version__}) can't run on {runtime.provider}. "
            f"{provider.remedy}"
        )
    options = _session_options(runtime.threads)
    options.add_session_config_entry(_RECORD_ASSIGNMENT, "1")
    if runtime.provider == "directml":
        options.enable_mem_pattern = False  # its documentation asks for this
    try:
        if is_plugin(runtime.provider):
            options.add_provider_for_devices(openvino_devices(), provider_options)
            session = onnxruntime.InferenceSession(str(path), sess_options=options)
        else:
            names = [(provider.registered, provider_options), *_followers(runtime)]
            session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=names)
    except ProviderError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        reason = str(error).strip().splitlines()[0][:200]
        raise ProviderError(
            f"{runtime.provider} can't open {path.name} ({reason}). {provider.remedy}"
        ) from error
    check_taken(session, runtime.provider)
    return session


def check_taken(session: onnxruntime.InferenceSession, provider: str) -> None:
    """Make sure that a provider runs a graph: onnxruntime falls back to the processor in silence.

    Raises:
        ProviderError: It is not the first one, or has taken too little of the graph.
    """
    registered = PROVIDERS[provider].registered
    if session.get_providers()[0] != registered:
        raise ProviderError(
            f"{provider} was asked for, but onnxruntime runs on {session.get_providers()[0]}. "
            f"{PROVIDERS[provider].remedy}"
        )
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return  # before onnxruntime 1.24
    counts: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        counts[part.ep_name] = counts.get(part.ep_name, 0) + len(part.get_nodes())
    share = counts.get(registered, 0) / max(1, sum(counts.values()))
    if share < _FEWEST_NODES_SHARE:
        raise ProviderError(
            f"{provider} takes only {share:.0%} of the graph and leaves the rest to the "
            "processor, which is slower than either. Run it with --provider cpu."
        )


def openvino_devices() -> list[Any]:
    """Register OpenVINO's plugin, once in a process, and give the processor as its device.

    Raises:
        ProviderError: The plugin and this onnxruntime do not go together.
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
        reason = str(error).strip().splitlines()[0][:200]
        raise ProviderError(
            f"OpenVINO's plugin can't be loaded ({reason}). {PROVIDERS['openvino'].remedy}"
        ) from error
    if not devices:
        raise ProviderError("OpenVINO's plugin knows no processor here. Take --provider cpu.")
    return devices


class PlainRunner:
    """Runs a graph on arrays: on the processor nothing is copied."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [node.name for node in session.get_outputs()]

    def run(self, value: NDArray[Any]) -> Values:
        """See `Runner`."""
        found = self._session.run(self._outputs, {self._input: value})
        return dict(zip(self._outputs, found, strict=True))


class BoundRunner:
    """Runs a graph between two places in a device's memory, which never move.

    A CUDA graph needs that, and no run allocates anything on the device.

    Args:
        session: Opened with a batch axis of one.
        device: Where the places are, by onnxruntime's name.
    """

    def __init__(self, session: onnxruntime.InferenceSession, device: str) -> None:
        (taken,) = session.get_inputs()
        self._session = session
        self._binding = session.io_binding()
        self._input = onnxruntime.OrtValue.ortvalue_from_numpy(
            np.zeros(_fixed(taken.shape), _NUMBERS[taken.type]), device, 0
        )
        self._binding.bind_ortvalue_input(taken.name, self._input)
        self._outputs = {
            node.name: onnxruntime.OrtValue.ortvalue_from_numpy(
                np.zeros(_fixed(node.shape), _NUMBERS[node.type]), device, 0
            )
            for node in session.get_outputs()
        }
        for name, place in self._outputs.items():
            self._binding.bind_ortvalue_output(name, place)

    def run(self, value: NDArray[Any]) -> Values:
        """See `Runner`."""
        self._input.update_inplace(value)
        self._session.run_with_iobinding(self._binding)
        # Copied: on the processor `numpy` gives the place itself, and the next run overwrites it.
        return {name: np.array(place.numpy()) for name, place in self._outputs.items()}


class SplitRunner:
    """Runs a graph in two parts, the second of them with the numbers that the file has.

    Args:
        body: From the pixels to the seam.
        seam: The value between both, by name.
        head: From there to the outputs.
    """

    def __init__(self, body: Runner, seam: str, head: Runner) -> None:
        self._body = body
        self._seam = seam
        self._head = head

    def run(self, value: NDArray[Any]) -> Values:
        """See `Runner`."""
        return self._head.run(self._body.run(value)[self._seam])


_NUMBERS: Mapping[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def _runner(session: onnxruntime.InferenceSession, runtime: Runtime) -> Runner:
    device = PROVIDERS[runtime.provider].device
    return PlainRunner(session) if device == "cpu" else BoundRunner(session, device)


def _followers(runtime: Runtime) -> list[str]:
    """Name what takes the few nodes that a provider does not know."""
    followers = [PROVIDERS[CPU].registered]
    if runtime.provider == "tensorrt":
        followers.insert(0, PROVIDERS["cuda"].registered)
    return followers


def _fixed(shape: Sequence[int | str | None]) -> list[int]:
    return [length if isinstance(length, int) else 1 for length in shape]


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin between two frames cost a core and slow down everything beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_free_dimension_override_by_name(BATCH_AXIS, 1)
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    return options
