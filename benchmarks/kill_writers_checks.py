"""What is checked after a writer was killed, and what the next start does before that."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.kill_writers_child import FIGURES, KIND, WIDTH, embedding_key, made_up
from webcam_classifier.dataset.embedding_cache import FILE_NAME, EmbeddingCache
from webcam_classifier.dataset.picture_files import PictureError, read_picture
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.learnt_pictures import metrics_belong
from webcam_classifier.graph_cache import read_cached_graph
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.runtime.choice import recall
from webcam_classifier.runtime.runtime_cache import forget_old_folders, runtime_folder


@dataclass
class Tally:
    """What came of the kills of one writer.

    Attributes:
        writer: Its name.
        kills: How many.
        finished: What was told to be finished, before all of them.
        lost: See `kill_writers`; likewise the other three.
        unreadable: Likewise.
        left_running: Likewise.
        left_over: Likewise.
        problems: The first few, in words.
    """

    writer: str
    kills: int = 0
    finished: int = 0
    lost: int = 0
    unreadable: int = 0
    left_running: int = 0
    left_over: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, unreadable, left running or left over."""
        return not (self.lost or self.unreadable or self.left_running or self.left_over)


def note(tally: Tally, kind: str, problem: str) -> None:
    """Count a problem, and keep the first few in words."""
    setattr(tally, kind, getattr(tally, kind) + 1)
    if len(tally.problems) < 10:
        tally.problems.append(f"{kind.replace('_', ' ')}: {problem}")


@dataclass(frozen=True)
class Writer:
    """How a writer is killed and looked at.

    Attributes:
        longest: It is killed within so many seconds of its being ready, or within the time that it
            needs here to finish something, where that is more.
        restart: What the next start does first.
        check: Looks, given the folder, all that was told so far, and where to note what is wrong.
        share: Of all kills, in relation to the others'.
        watched: The folder whose files it writes for a moment only, after long work: every second
            kill waits for that moment.
    """

    longest: float
    restart: Callable[[Path], None]
    check: Callable[[Path, Sequence[str], Tally], None]
    share: int
    watched: str | None = None


def check_recorded(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """Compare the snapshots with what was told, and read each."""
    for line in told:
        name, _, digest = line.partition(" ")
        try:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                note(tally, "lost", f"{name} is another picture")
        except OSError:
            note(tally, "lost", f"{name} is gone")
    for path in (folder / FIGURES["dataset"]).rglob("*.jpg"):
        try:
            read_picture(path)
        except PictureError as error:
            note(tally, "unreadable", f"{path.name}: {error}")


def check_lesson(folder: Path, told: Sequence[str], tally: Tally, is_seeded: bool = True) -> None:
    """Open the model, and see whether metrics and report are those of the same lesson."""
    place = folder / FIGURES["model"]
    model = place / "model.onnx"
    try:
        card = Classifier(model).card
        metrics = json.loads((place / "metrics.json").read_text(encoding="utf-8"))
        report = (place / "report.html").read_text(encoding="utf-8")
    except (UserError, OSError, ValueError) as error:
        note(tally, "unreadable", str(error))
        return
    if not metrics_belong(metrics, model, card):
        note(tally, "unreadable", "metrics.json is another model's")
    if not report.rstrip().endswith("</html>"):
        note(tally, "unreadable", "report.html is not whole")
    if not is_seeded:
        return
    last = int(told[-1]) if told else -1
    if metrics["seed"] not in (last, last + 1):
        note(tally, "lost", f"lesson {last} was told, and that of {metrics['seed']} is there")
    if f"--seed {metrics['seed']}" not in report:
        note(tally, "unreadable", "report.html is another lesson's")


def check_live(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """As for a lesson, which has no seed."""
    check_lesson(folder, told, tally, is_seeded=False)


def check_exported(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """Open the exported model and its original."""
    models = [folder / FIGURES["base"] / "model.onnx"]
    exported = folder / FIGURES["exported"]
    if exported.exists():
        models.append(exported)
    elif told:
        note(tally, "lost", "the exported model is gone")
    for model in models:
        try:
            Classifier(model).warm_up()
        except UserError as error:
            note(tally, "unreadable", str(error))


def check_embeddings(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """Read the newest entries back, and have SQLite look at the whole file."""
    cache = EmbeddingCache(folder, KIND, WIDTH)
    for line in told[-40:]:
        for place in range(8):
            key = embedding_key(int(line), place)
            found = cache.load(key)
            if found is None:
                note(tally, "lost", f"an entry of {line} is gone")
            elif not np.array_equal(found.embeddings, made_up(key).embeddings):
                note(tally, "unreadable", f"an entry of {line} is another one")
    cache.close()
    if (folder / FILE_NAME).exists():
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                note(tally, "unreadable", "the file of embeddings is damaged")


def check_kept(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """Read everything that the cache folder keeps."""
    for path in (folder / "cache").rglob("*.onnx"):
        if path.parent.name == "features":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest[:24] not in path.name:
                note(tally, "unreadable", f"{path.name} is damaged")
        elif read_cached_graph(path) is None:
            note(tally, "unreadable", f"{path.name} is damaged")
    for path in (folder / "cache").rglob("choice-*.json"):
        recall(path, lambda line: note(tally, "unreadable", line))
    if told:
        model = folder / "variants" / f"{told[-1]}.onnx"
        if not list(runtime_folder(model).glob("choice-*.json")):
            note(tally, "lost", f"the choice of {told[-1]} is gone")


def restart_recorder(folder: Path) -> None:
    """Open a recorder, as the next recording does."""
    Recorder(folder / FIGURES["dataset"]).close()


def restart_model(folder: Path) -> None:
    """Find the models, as every command does, and open the embeddings."""
    EmbeddingCache(folder / FIGURES["pictures"], KIND, WIDTH).load("")
    for name in (FIGURES["model"], FIGURES["base"], FIGURES["exported"]):
        with suppress(UserError):
            find_model(folder / name)


def restart_cache(folder: Path) -> None:
    """Find a model, and tidy the cache up, as it is done when a choice is remembered."""
    find_model(folder / "variants" / "0.onnx")
    forget_old_folders(folder / "cache" / "webcam-classifier" / "runtimes" / "none")


def restart_nothing(_folder: Path) -> None:
    """Nothing is done at the next start but what reading does."""


WRITERS: Mapping[str, Writer] = {
    "recorder": Writer(0.6, restart_recorder, check_recorded, 6),
    "train": Writer(5.0, restart_model, check_lesson, 7, FIGURES["model"]),
    "live save": Writer(5.0, restart_model, check_live, 3, FIGURES["model"]),
    "export": Writer(6.0, restart_model, check_exported, 2, "."),
    "embedding cache": Writer(0.4, restart_nothing, check_embeddings, 5),
    "graph cache": Writer(1.5, restart_cache, check_kept, 5),
    "runtime choice": Writer(5.0, restart_cache, check_kept, 2),
}
