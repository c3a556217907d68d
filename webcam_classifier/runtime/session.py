"""Open a model file to run it on one picture after the other, as in a live loop.

Measured with SqueezeNet 1.1 at 224 pixels on two x86 cores: letting threads spin during a run and
stop at its end makes the run a quarter faster for the same CPU time, because waking a thread for
each of fifty layers costs more. Switching off the memory arena, memory patterns or prepacking did
not save a megabyte.
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
from webcam_classifier.percentage import percentage
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
from webcam_classifier.runtime.tensorrt_package import open_with_tensorrt
from webcam_classifier.runtime.untrusted_model import check_untrusted_model
from webcam_classifier.storage import explain_os_error

_FEWEST_NODES_SHARE = 0.9  # of the graph; with a smaller one, the other provider dominates
_log = logging.getLogger(__name__)
_ENGINES = "*.engine"
_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"

Opened = TypeVar("Opened")

_LIBRARIES: Mapping[str, Callable[[Path, ExecutionConfig, Path], LibrarySession]] = {
    "litert": open_with_litert,
    "tensorrt": open_with_tensorrt,
}
"""How to open a graph with a library that is no plugin of onnxruntime."""


class ModelSession:
    """An opened model file, whatever runs it.

    Args:
        first: The session that takes the input.
        last: The session that returns the outputs and has the file's metadata; the same as `first`
            unless the graph is split.
        runner: Runs both.
        runtime: How the file was asked to be run.
        library: The library that computes it, with its version; empty for onnxruntime.

    Attributes:
        library: As above, never empty.
        metadata: The file's metadata, in which the model card is.
        inputs: Shapes by name.
        outputs: Shapes by name.
        types: Of inputs and outputs by name, such as `tensor(float)`.
        runtime: As above.
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

    If the cache folder can't be written, the graph is run as it is in the file, which is logged.

    Args:
        path: The file.
        runtime: How to run it.

    Raises:
        ProviderError: The provider is missing, or does not run (nearly) the whole graph itself.
        Exception: onnxruntime's, for a file that it can't read.
    """
    if runtime.provider == CPU and not runtime.is_optimised:
        session = open_on_processor(path, runtime.threads)
        return ModelSession(session, session, PlainRunner(session), runtime)
    folder = runtime_folder(path)
    optimised, runtime = _optimised(path, runtime, folder)
    if runtime.provider == CPU:
        session = open_on_processor(optimised or path, runtime.threads, optimised is not None)
        return ModelSession(session, session, PlainRunner(session), runtime)
    return _open_split(optimised or path, runtime, folder)


def _optimised(
    path: Path, runtime: ExecutionConfig, folder: Path
) -> tuple[Path | None, ExecutionConfig]:
    """Return the optimised graph's file, if one is wanted and possible, and how to run it."""
    if not runtime.is_optimised:
        return None, runtime
    try:
        return optimised_graph(path, runtime.provider, folder), runtime
    except UserError as error:
        _log.warning("%s is run as it is, without optimising it: %s", path.name, error)
        return None, replace(runtime, is_optimised=False)


def _open_split(path: Path, runtime: ExecutionConfig, folder: Path) -> ModelSession:
    """Open the features on a provider and the head on the CPU, where splitting them helps."""
    split = None
    # GPU providers lack some operators of the head. A single node on the CPU in the middle of the
    # graph costs more than running the whole head there: it rules out a CUDA graph.
    if runtime.is_reduced or PROVIDERS[runtime.provider].device != "cpu":
        try:
            split = split_graph(path, folder / "parts" / path.stem)
        except UserError as error:
            _log.warning("%s is run as it is, in full precision: %s", path.name, error)
            runtime = replace(runtime, is_reduced=False)
    if split is None and runtime.is_reduced:
        raise ProviderError(
            f"{path} can't be computed with fewer bits on {runtime.provider}: it has no embedding. "
            "Take --provider cpu."
        )
    options = provider_options(runtime, folder)
    if split is None:
        session = open_on_provider(path, runtime, options, folder)
        # Other libraries do not return the metadata of the file.
        described = open_on_processor(path, 1) if isinstance(session, LibrarySession) else session
        runner = runner_for(session, runtime)
        return ModelSession(described, described, runner, runtime, _library(session))
    head = open_on_processor(split.head, 1)  # a few thousand multiplications
    body = open_on_provider(split.body, runtime, options, folder)
    runner = SplitRunner(runner_for(body, runtime), split.seam, PlainRunner(head))
    return ModelSession(body, head, runner, runtime, _library(body))


def open_on_processor(
    path: Path, threads: int, as_it_is: bool = False
) -> onnxruntime.InferenceSession:
    """Open a graph on the CPU.

    Args:
        path: The file.
        threads: For one inference; 0 takes one for each physical core.
        as_it_is: Don't optimise it, because the file holds an already optimised graph.
    """
    options = _session_options(threads)
    if as_it_is:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        _readable(path), sess_options=options, providers=[PROVIDERS[CPU].registered]
    )


def _readable(path: Path) -> str | bytes:
    """Return the file's name, or its content if onnxruntime can't take the name (not UTF-8)."""
    name = str(path)
    return path.read_bytes() if any("\ud800" <= letter <= "\udfff" for letter in name) else name


def open_on_provider(
    path: Path, runtime: ExecutionConfig, provider_options: dict[str, str], folder: Path
) -> onnxruntime.InferenceSession | LibrarySession:
    """Open a graph on a provider other than the CPU, and check that it really runs there.

    Args:
        path: The graph.
        runtime: How to run it.
        provider_options: From `provider_options`.
        folder: The cache folder of this model, device and these versions.

    Raises:
        ProviderError: The provider is missing, can't open the graph, or leaves it to another one.
    """
    provider = PROVIDERS[runtime.provider]
    if runtime.provider not in installed_providers():
        raise ProviderError(
            f"This onnxruntime ({onnxruntime.__version__}) can't run on {runtime.provider}. "
            f"{provider.remedy}"
        )

    def make_options() -> onnxruntime.SessionOptions:
        options = _session_options(1)  # for the few nodes that the provider leaves to the CPU
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
        # By default, onnxruntime's Python class falls back to another provider after any error.
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
    """Open a graph on OpenVINO's plugin, or on OpenVINO itself if the plugin finds no CPU."""
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
    """Open something with the first options that work.

    Args:
        open_with: Opens it with the given options, or raises any exception.
        attempts: From `option_attempts`.

    Raises:
        Exception: What the last attempt raised.
    """
    for options in attempts[:-1]:
        try:
            return open_with(options)
        except Exception:  # onnxruntime's exceptions share no base class of their own
            continue
    return open_with(attempts[-1])


def check_taken(session: onnxruntime.InferenceSession | LibrarySession, provider: str) -> None:
    """Check that a provider runs a graph: onnxruntime falls back to the CPU without an error.

    Raises:
        ProviderError: Another provider runs the graph, or too large a part of it.
    """
    registered = PROVIDERS[provider].registered
    actual = session.get_providers()[0]
    if actual != registered:
        raise ProviderError(
            f"{provider} was asked for, but onnxruntime runs on {actual}. "
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
            f"{provider} takes only {percentage(share, 0)} of the graph and leaves the rest to the "
            "processor, which is slower than either. Run it with --provider cpu."
        )


def _library(session: onnxruntime.InferenceSession | LibrarySession) -> str:
    return session.library if isinstance(session, LibrarySession) else ""


def runner_for(
    session: onnxruntime.InferenceSession | LibrarySession, runtime: ExecutionConfig
) -> Runner:
    """Return the runner that is fastest for the device of an opened graph."""
    device = PROVIDERS[runtime.provider].device
    if device == "cpu" or isinstance(session, LibrarySession):  # which binds its own buffers
        return PlainRunner(session)
    return BoundRunner(session, device)


def _followers(runtime: ExecutionConfig) -> list[str]:
    """Name the providers for the few nodes that a provider does not support."""
    followers = [PROVIDERS[CPU].registered]
    if runtime.provider == "tensorrt":
        followers.insert(0, PROVIDERS["cuda"].registered)
    return followers


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin between two frames would occupy a core and slow down everything else. Within
    # a run they stop spinning soon, since other work may have the core that they wait for.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", "100")
    options.add_free_dimension_override_by_name(BATCH_AXIS, 1)
    options.log_severity_level = 4  # errors are raised, and reported once
    return options


def open_session(path: Path, runtime: ExecutionConfig) -> ModelSession:
    """Open a model file; unlike `open_model`, it raises errors that are meant for users alone.

    Args:
        path: The file.
        runtime: How to run it.

    Raises:
        ModelError: The file is missing, empty, damaged, not ONNX, or can't be read.
        ProviderError: The runtime is not available.
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
    check_untrusted_model(path)
    return card_in(open_session(path, ON_ALL_CORES), path)


def card_in(session: ModelSession, path: Path) -> ModelCard:
    """Read the card of an opened model file.

    Args:
        session: The opened file.
        path: The file, for the messages.

    Raises:
        ModelError: It has no card, or a damaged one.
    """
    metadata = session.metadata
    if CARD_KEY not in metadata:
        raise ModelError(
            f"{path} is an ONNX file without a model card, so its labels and its input are "
            f"unknown. {TRAIN_HINT}"
        )
    return read_card(metadata[CARD_KEY], path)
