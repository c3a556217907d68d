"""Open a model file for one picture at a time, set up for a loop, and run it.

What was measured on two x86 cores, with SqueezeNet 1.1 at 224 pixels: threads that spin during a
run and stop at its end take a quarter off its time at no more processor time, since waking one for
each of fifty layers costs more. Neither the memory arena nor memory patterns nor prepacking,
switched off, saved a megabyte.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.model_card import CARD_KEY, TRAIN_HINT, ModelCard, ModelError, read_card
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.file_hashes import changed_files, note_hashes
from webcam_classifier.runtime.library_session import LibrarySession
from webcam_classifier.runtime.litert_package import open_with_litert
from webcam_classifier.runtime.openvino_package import open_with_openvino
from webcam_classifier.runtime.openvino_plugin import (
    MakeOptions,
    finds_a_processor,
    open_on_openvino,
)
from webcam_classifier.runtime.optimised_graph import BATCH_AXIS, optimised_graph
from webcam_classifier.runtime.providers import (
    CPU,
    ON_ALL_CORES,
    PROVIDERS,
    ExecutionConfig,
    ProviderError,
    installed_providers,
    is_library,
    is_plugin,
    option_attempts,
    provider_options,
)
from webcam_classifier.runtime.runners import BoundRunner, PlainRunner, Runner, SplitRunner, Values
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.split_graph import split_graph
from webcam_classifier.runtime.stranger import check_stranger
from webcam_classifier.runtime.tensorrt_package import open_with_tensorrt
from webcam_classifier.storage import explain_os_error

_FEWEST_NODES_SHARE = 0.9  # of the graph; with less, most of the time is spent elsewhere
_log = logging.getLogger(__name__)
_ENGINES = "*.engine"
_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"

Opened = TypeVar("Opened")

_LIBRARIES: Mapping[str, Callable[[Path, ExecutionConfig, Path], LibrarySession]] = {
    "litert": open_with_litert,
    "tensorrt": open_with_tensorrt,
}
"""What opens a graph where a provider is a library of its own, and has no plugin."""


class ModelSession:
    """An opened model file, whatever runs it.

    Args:
        first: What takes the input.
        last: What gives the outputs, and knows what stands in the file: the same, or another part.
        runner: What runs both.
        runtime: How.
        library: What computes it, with its version; empty is onnxruntime.
    """

    def __init__(
        self,
        first: onnxruntime.InferenceSession | LibrarySession,
        last: onnxruntime.InferenceSession,
        runner: Runner,
        runtime: ExecutionConfig,
        library: str = "",
    ) -> None:
        self.library = library or f"onnxruntime {onnxruntime.__version__}"
        self.metadata: Mapping[str, str] = last.get_modelmeta().custom_metadata_map
        self.inputs: dict[str, Sequence[int | str]] = shapes_of(first.get_inputs())
        self.outputs: dict[str, Sequence[int | str]] = shapes_of(last.get_outputs())
        nodes = [*first.get_inputs(), *last.get_outputs()]
        self.types: dict[str, str] = {node.name: str(node.type) for node in nodes}
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
    """Return the shapes of a session's inputs or outputs by name."""
    return {node.name: tuple(node.shape) for node in nodes}


def open_model(path: Path, runtime: ExecutionConfig) -> ModelSession:
    """Open a model file.

    Args:
        path: The file.
        runtime: How to run it.

    Where the cache folder can't be written, the graph is run as the file has it, and that is
    logged.

    Raises:
        ProviderError: The provider is missing, or does not run (nearly) the whole graph itself.
        Exception: onnxruntime's, for a file that it can't read.
    """
    if runtime.provider == CPU and not runtime.is_optimised:
        session = open_on_processor(path, runtime.threads)
        return ModelSession(session, session, PlainRunner(session), runtime)
    folder = runtime_folder(path)
    written = None
    if runtime.is_optimised:
        try:
            written = optimised_graph(path, runtime.provider, folder)
        except UserError as error:
            _log.warning("%s is run as it is, without optimising it: %s", path.name, error)
            runtime = replace(runtime, is_optimised=False)
    if runtime.provider == CPU:
        session = open_on_processor(written or path, runtime.threads, written is not None)
        return ModelSession(session, session, PlainRunner(session), runtime)
    path = written or path
    options = provider_options(runtime, folder)
    # A GPU's software lacks some operators of the head, and one node elsewhere costs more than all
    # of the head on the processor: it makes a CUDA graph impossible.
    is_split = runtime.is_reduced or PROVIDERS[runtime.provider].device != "cpu"
    split = None
    if is_split:
        try:
            split = split_graph(path, folder / "parts" / path.stem)
        except UserError as error:
            _log.warning("%s is run as it is, with all its bits: %s", path.name, error)
            runtime = replace(runtime, is_reduced=False)
            options = provider_options(runtime, folder)
    if split is None and runtime.is_reduced:
        raise ProviderError(
            f"{path} can't be computed with fewer bits on {runtime.provider}: it has no embedding. "
            "Take --provider cpu."
        )
    if split is None:
        session = open_on_provider(path, runtime, options, folder)
        # A library of its own does not tell what stands in the file beside the graph.
        told = open_on_processor(path, 1) if isinstance(session, LibrarySession) else session
        return ModelSession(told, told, runner_for(session, runtime), runtime, _library(session))
    head = open_on_processor(split.head, 1)  # a few thousand multiplications
    body = open_on_provider(split.body, runtime, options, folder)
    runner = SplitRunner(runner_for(body, runtime), split.seam, PlainRunner(head))
    return ModelSession(body, head, runner, runtime, _library(body))


def open_on_processor(
    path: Path, threads: int, as_it_is: bool = False
) -> onnxruntime.InferenceSession:
    """Open a graph on the processor.

    Args:
        path: The file.
        threads: For one inference; 0 takes one for each physical core.
        as_it_is: Don't optimise it: what is in the file was optimised here before.
    """
    options = _session_options(threads)
    if as_it_is:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        _readable(path), sess_options=options, providers=[PROVIDERS[CPU].registered]
    )


def _readable(path: Path) -> str | bytes:
    """The file's name for onnxruntime, or what is in it where its name is not UTF-8."""
    name = str(path)
    return path.read_bytes() if any("\ud800" <= letter <= "\udfff" for letter in name) else name


def open_on_provider(
    path: Path, runtime: ExecutionConfig, provider_options: dict[str, str], folder: Path
) -> onnxruntime.InferenceSession | LibrarySession:
    """Open a graph on another provider, and make sure that it is the one that runs it.

    Args:
        path: The graph.
        runtime: How to run it.
        provider_options: From `provider_options`.
        folder: For what is kept of this very model, device and versions.

    Raises:
        ProviderError: It is missing, or leaves the graph to another one.
    """
    provider = PROVIDERS[runtime.provider]
    if runtime.provider not in installed_providers():
        raise ProviderError(
            f"This onnxruntime ({onnxruntime.__version__}) can't run on {runtime.provider}. "
            f"{provider.remedy}"
        )

    def make_options() -> onnxruntime.SessionOptions:
        options = _session_options(1)  # what the provider leaves over is little
        options.add_session_config_entry(_RECORD_ASSIGNMENT, "1")
        if runtime.provider == "directml":
            options.enable_mem_pattern = False  # its documentation asks for this
        return options

    _drop_damaged_engines(folder)

    def open_with(chosen: dict[str, str]) -> onnxruntime.InferenceSession | LibrarySession:
        if runtime.provider == "openvino":
            return _open_on_openvino(path, runtime, chosen, make_options, folder)
        if is_library(runtime.provider):
            return _LIBRARIES[runtime.provider](path, runtime, folder)
        names = [(provider.registered, chosen), *_followers(runtime)]
        # With its own fallback it goes on with another provider after any error.
        return onnxruntime.InferenceSession(
            _readable(path), sess_options=make_options(), providers=names, enable_fallback=0
        )

    try:
        session = first_that_opens(open_with, option_attempts(provider_options))
    except ProviderError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise ProviderError(
            f"{runtime.provider} can't open {path.name} ({summarise_error(error)}). "
            f"{provider.remedy}"
        ) from error
    check_taken(session, runtime.provider)
    if runtime.provider == "tensorrt":
        note_hashes(folder, _ENGINES)
    return session


def _open_on_openvino(
    path: Path,
    runtime: ExecutionConfig,
    settings: dict[str, str],
    make_options: MakeOptions,
    folder: Path,
) -> onnxruntime.InferenceSession | LibrarySession:
    """Open a graph on OpenVINO's plugin, or on OpenVINO itself where that finds no processor."""
    name = f"compiled-{path.stem}-{runtime.threads}-{int(runtime.is_reduced)}"
    has_plugin = is_plugin(runtime.provider)
    if is_library(runtime.provider) and not (has_plugin and finds_a_processor()):
        return open_with_openvino(path, settings, folder / f"{name}-alone")
    return open_on_openvino(path, settings, make_options, folder / name)


def _drop_damaged_engines(folder: Path) -> None:
    for engine in changed_files(folder):
        if engine.is_file():
            _log.warning("%s was damaged, and is rebuilt.", engine)
            engine.unlink()


def first_that_opens(
    open_with: Callable[[dict[str, str]], Opened], attempts: Sequence[dict[str, str]]
) -> Opened:
    """Open something with the first options that it takes; the last ones' error is raised.

    Args:
        open_with: Opens it, or raises whatever it likes.
        attempts: From `option_attempts`.
    """
    for options in attempts[:-1]:
        try:
            return open_with(options)
        except Exception:  # onnxruntime's exceptions share no base class of their own
            continue
    return open_with(attempts[-1])


def check_taken(session: onnxruntime.InferenceSession | LibrarySession, provider: str) -> None:
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


def _library(session: onnxruntime.InferenceSession | LibrarySession) -> str:
    return session.library if isinstance(session, LibrarySession) else ""


def runner_for(
    session: onnxruntime.InferenceSession | LibrarySession, runtime: ExecutionConfig
) -> Runner:
    """Return what runs an opened graph again and again as its device is fastest."""
    device = PROVIDERS[runtime.provider].device
    if device == "cpu" or isinstance(session, LibrarySession):  # which has its own fixed places
        return PlainRunner(session)
    return BoundRunner(session, device)


def _followers(runtime: ExecutionConfig) -> list[str]:
    """Name what takes the few nodes that a provider does not know."""
    followers = [PROVIDERS[CPU].registered]
    if runtime.provider == "tensorrt":
        followers.insert(0, PROVIDERS["cuda"].registered)
    return followers


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin between two frames cost a core and slow down everything beside them; those
    # that wait in vain within a run, because other work has their core, shall soon give it up.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", "100")
    options.add_free_dimension_override_by_name(BATCH_AXIS, 1)
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    return options


def open_session(path: Path, runtime: ExecutionConfig) -> ModelSession:
    """Open an ONNX file.

    Args:
        path: The file.
        runtime: What runs it.

    Raises:
        ModelError: The file is missing, empty, damaged, not ONNX, or can't be read.
        ProviderError: The runtime can't be had.
    """
    if not path.is_file():
        raise ModelError(f"There is no model file {path}. {TRAIN_HINT}")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(explain_os_error(error, path, reading=True)) from error
    if path.stat().st_size == 0:
        raise ModelError(f"{path} is empty (0 bytes). {TRAIN_HINT}")
    try:
        return open_model(path, runtime)
    except UserError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        reason = summarise_error(error)
        raise ModelError(f"{path} is not a whole ONNX file ({reason}). {TRAIN_HINT}") from error


def card_of(path: Path) -> ModelCard:
    """Read the card of a model file.

    Raises:
        ModelError: The file is missing, empty, damaged, not ONNX, or has no card.
    """
    check_stranger(path)
    return card_in(open_session(path, ON_ALL_CORES), path)


def card_in(session: ModelSession, path: Path) -> ModelCard:
    """Read the card of an opened model file.

    Args:
        session: The opened file.
        path: The file, for the messages.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    metadata = session.metadata
    if CARD_KEY not in metadata:
        raise ModelError(
            f"{path} is an ONNX file without a model card, so its labels and its input are "
            f"unknown. {TRAIN_HINT}"
        )
    return read_card(metadata[CARD_KEY], path)
