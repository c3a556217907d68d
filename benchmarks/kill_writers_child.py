"""A process whose forks write without end, to be killed; they tell what they have written.

Loading takes seconds and writes nothing, so it is done once. Each line on standard input is the
number that a new fork begins with. On standard output come `pid` with its number, `ready`, `done`
with what is finished, and `gone` once it was killed. A line is one write, so none is cut.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx

from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli import export, train
from webcam_classifier.dataset.embedding_cache import EmbeddingCache, PictureEmbeddings
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.runtime.choice import choose_runtime, remember
from webcam_classifier.runtime.optimised_graph import optimised_graph
from webcam_classifier.runtime.providers import CPU, ExecutionConfig, RuntimeChoice
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.split_graph import split_graph
from webcam_classifier.teaching.session import TeachingSession, feature_file
from webcam_classifier.training import save_live_model as _loaded_before  # noqa: F401 TeachingSession.write's

SIZE = 64  # pixels
BACKBONE = "squeezenet1_1"
WIDTH = 16  # features of a made-up embedding
_KEPT = 8000  # of what is remembered at once: a cache that is full keeps nothing new
KIND = "0" * 24
FIGURES = {
    "pictures": "pictures",
    "weights": "weights.safetensors",
    "base": "base",
    "model": "model",
    "dataset": "dataset",
    "exported": "exported.onnx",
}
"""Names in a writer's folder."""


def main() -> None:
    """Fork a writer for each line that comes in, and wait for its end."""
    writer, folder = sys.argv[1], Path(sys.argv[2])
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os.setsid()  # by its session its own children are known
            write_on(writer, folder, int(line))
        say(f"pid {process}")
        os.waitpid(process, 0)
        say("gone")


def write_on(writer: str, folder: Path, first: int) -> NoReturn:
    """Write until the end.

    Args:
        writer: A key of `_WRITERS`.
        folder: Of this writer alone.
        first: The number of what is written first.
    """
    try:
        write = _WRITERS[writer](folder)
        say("ready")
        for number in itertools.count(first):
            write(number)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def say(line: str) -> None:
    """Tell the parent, at once and whole."""
    os.write(_TOLD, f"{line}\n".encode())


def record(folder: Path) -> Callable[[int], None]:
    """Save snapshots; each is told with its hash once it is on the disk."""
    generator = np.random.default_rng(0)

    def on_done(path: Path, content: bytes | None) -> None:
        digest = "" if content is None else hashlib.sha256(content).hexdigest()
        say(f"done {path.relative_to(folder)} {digest}")

    recorder = Recorder(folder / FIGURES["dataset"], on_done)

    def write(number: int) -> None:
        recorder.start_burst(f"label{number % 3}")
        for _ in range(5):
            recorder.wait_for_room()
            recorder.save(generator.integers(0, 256, (240, 320, 3), dtype=np.uint8))

    return write


def train_head(folder: Path) -> Callable[[int], None]:
    """Teach the same pictures with another seed each time."""

    def write(number: int) -> None:
        command = [str(folder / FIGURES["pictures"]), "--output", str(folder / FIGURES["model"])]
        command += ["--mode", "head", "--input-size", str(SIZE), "--seed", str(number)]
        train.main([*command, "--weights", str(folder / FIGURES["weights"])])
        say(f"done {number}")

    return write


def save_live(folder: Path) -> Callable[[int], None]:
    """Write what a session has learnt."""
    backbone = load_backbone(BACKBONE, str(folder / FIGURES["weights"]), SIZE)
    session = TeachingSession(folder / FIGURES["pictures"], backbone)
    session.wait_until_learnt(60.0)

    def write(number: int) -> None:
        session.write(folder / FIGURES["model"])
        say(f"done {number}")

    return write


def export_model(folder: Path) -> Callable[[int], None]:
    """Write a model in half precision."""

    def write(number: int) -> None:
        command = [str(folder / FIGURES["base"]), "--precision", "fp16", "--provider", CPU]
        command += ["--output", str(folder / FIGURES["exported"]), "--keep-anyway"]
        export.main([*command, "--pictures", str(folder / FIGURES["pictures"])])
        say(f"done {number}")

    return write


def keep_embeddings(folder: Path) -> Callable[[int], None]:
    """Remember embeddings of pictures that there never were."""
    cache = EmbeddingCache(folder, KIND, WIDTH)

    def write(number: int) -> None:
        keys = [embedding_key(number, place) for place in range(8)]
        cache.save_many({key: made_up(key) for key in keys})
        say(f"done {number}")

    return write


def keep_graphs(folder: Path) -> Callable[[int], None]:
    """Write what a start keeps of a model: optimised, cut in two, and the choice of a runtime."""
    original = folder / FIGURES["base"] / "model.onnx"
    card, graph = Classifier(original).card, onnx.load(original)

    def write(number: int) -> None:
        model = folder / "variants" / f"{number}.onnx"
        write_model(graph, replace(card, created_at=str(number)), model)
        kept = runtime_folder(model)
        optimised_graph(model, CPU, kept)
        split_graph(model, kept / "parts")
        remember(kept / "choice-auto-0.json", RuntimeChoice(ExecutionConfig(), str(number)), say)
        feature_file(onnx.ModelProto(ir_version=9, producer_name=str(number)))
        say(f"done {number}")

    return write


def choose(folder: Path) -> Callable[[int], None]:
    """Measure what runs a model, in processes of its own."""
    original = folder / FIGURES["base"] / "model.onnx"
    card, graph = Classifier(original).card, onnx.load(original)

    def write(number: int) -> None:
        model = folder / "variants" / f"{number}.onnx"
        write_model(graph, replace(card, created_at=str(number)), model)
        choose_runtime(model, "auto", 0, lambda _: None)
        say(f"done {number}")

    return write


def embedding_key(number: int, place: int) -> str:
    """The content hash of a picture that never was; they repeat before the cache is full."""
    return hashlib.sha256(f"{number % _KEPT} {place}".encode()).hexdigest()


def made_up(key: str) -> PictureEmbeddings:
    """An entry that follows from its key."""
    generator = np.random.default_rng(int(key[:8], 16))
    return PictureEmbeddings(
        generator.normal(size=(3, WIDTH)).astype(np.float32),
        generator.integers(0, 2, 256).astype(np.bool_),
        (640, 480),
        generator.integers(0, 256, (32, 32, 3), dtype=np.uint8),
    )


_WRITERS: Mapping[str, Callable[[Path], Callable[[int], None]]] = {
    "recorder": record,
    "train": train_head,
    "live save": save_live,
    "export": export_model,
    "embedding cache": keep_embeddings,
    "graph cache": keep_graphs,
    "runtime choice": choose,
}

_TOLD = 1

if __name__ == "__main__":
    # What the commands print is of no interest; what is told goes out by the descriptor.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        main()
