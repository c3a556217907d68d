"""Kill every writer at random moments, and look at what is left of what it wrote.

    $ python -m benchmarks.kill_writers --kills 300 --seed 0
    $ python -m benchmarks.kill_writers --kills 20 --writer recorder --writer train

Each writer runs in a process of its own and tells what it has finished. It is killed (SIGKILL) at
a moment drawn from the seed, within the time that it took to finish something once; where writing
comes after long work, every second time while it writes. Then the next start's own steps are
taken, and it is looked at:

- lost: what was told to be finished is not there, or not what was written
- unreadable: a file that a tool reads can't be read, or files that belong together don't
- left running: a process of the killed one is there 30 s later
- left over: a temporary file or folder is there after the next start

The exit code is 1 where any of them is not 0.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.numpy

from benchmarks.kill_writers_child import FIGURES, KIND, SIZE, WIDTH, embedding_key, made_up
from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.cli import train
from webcam_classifier.dataset.embedding_cache import FILE_NAME, EmbeddingCache
from webcam_classifier.dataset.picture_files import PictureError, encode_snapshot, read_picture
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.learnt_pictures import metrics_belong
from webcam_classifier.graph_cache import read_cached_graph
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.runtime.choice import recall
from webcam_classifier.runtime.runtime_cache import forget_old_folders, runtime_folder
from webcam_classifier.temporary_files import temporary_folder

_ROOT = Path(__file__).resolve().parents[1]
_GONE_WITHIN = 30.0  # seconds
_WRITES_WITHIN = 60.0  # seconds
_WHOLE_WRITE = 0.06  # seconds that writing a lesson takes here, flushed to the disk
_UNFINISHED = (".partial", ".together")
_LOOK_EVERY = 0.05  # seconds


@dataclass
class Tally:
    """What came of the kills of one writer.

    Attributes:
        writer: Its name.
        kills: How many.
        finished: What was told to be finished, before all of them.
        lost: See the module's text; likewise the other three.
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
                _note(tally, "lost", f"{name} is another picture")
        except OSError:
            _note(tally, "lost", f"{name} is gone")
    for path in (folder / FIGURES["dataset"]).rglob("*.jpg"):
        try:
            read_picture(path)
        except PictureError as error:
            _note(tally, "unreadable", f"{path.name}: {error}")


def check_lesson(folder: Path, told: Sequence[str], tally: Tally, is_seeded: bool = True) -> None:
    """Open the model, and see whether metrics and report are those of the same lesson."""
    place = folder / FIGURES["model"]
    model = place / "model.onnx"
    try:
        card = Classifier(model).card
        metrics = json.loads((place / "metrics.json").read_text(encoding="utf-8"))
        report = (place / "report.html").read_text(encoding="utf-8")
    except (UserError, OSError, ValueError) as error:
        _note(tally, "unreadable", str(error))
        return
    if not metrics_belong(metrics, model, card):
        _note(tally, "unreadable", "metrics.json is another model's")
    if not report.rstrip().endswith("</html>"):
        _note(tally, "unreadable", "report.html is not whole")
    if not is_seeded:
        return
    last = int(told[-1]) if told else -1
    if metrics["seed"] not in (last, last + 1):
        _note(tally, "lost", f"lesson {last} was told, and that of {metrics['seed']} is there")
    if f"--seed {metrics['seed']}" not in report:
        _note(tally, "unreadable", "report.html is another lesson's")


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
        _note(tally, "lost", "the exported model is gone")
    for model in models:
        try:
            Classifier(model).warm_up()
        except UserError as error:
            _note(tally, "unreadable", str(error))


def check_embeddings(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """Read the newest entries back, and have SQLite look at the whole file."""
    cache = EmbeddingCache(folder, KIND, WIDTH)
    for line in told[-40:]:
        for place in range(8):
            key = embedding_key(int(line), place)
            found = cache.load(key)
            if found is None:
                _note(tally, "lost", f"an entry of {line} is gone")
            elif not np.array_equal(found.embeddings, made_up(key).embeddings):
                _note(tally, "unreadable", f"an entry of {line} is another one")
    cache.close()
    if (folder / FILE_NAME).exists():
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                _note(tally, "unreadable", "the file of embeddings is damaged")


def check_kept(folder: Path, told: Sequence[str], tally: Tally) -> None:
    """Read everything that the cache folder keeps."""
    for path in (folder / "cache").rglob("*.onnx"):
        if path.parent.name == "features":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest[:24] not in path.name:
                _note(tally, "unreadable", f"{path.name} is damaged")
        elif read_cached_graph(path) is None:
            _note(tally, "unreadable", f"{path.name} is damaged")
    for path in (folder / "cache").rglob("choice-*.json"):
        recall(path, lambda line: _note(tally, "unreadable", line))
    if told:
        model = folder / "variants" / f"{told[-1]}.onnx"
        if not list(runtime_folder(model).glob("choice-*.json")):
            _note(tally, "lost", f"the choice of {told[-1]} is gone")


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


def kill_writer(name: str, kills: int, seed: int, folder: Path) -> Tally:
    """Kill one writer again and again, and look each time.

    Args:
        name: A key of `WRITERS`.
        kills: How many.
        seed: Of the moments.
        folder: From `prepare`; of this writer alone.
    """
    writer, tally = WRITERS[name], Tally(name)
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(folder / "cache")}
    os.environ |= environment
    tempfile.tempdir = str(temporary)
    generator = random.Random(f"{seed} {name}")
    told: list[str] = []
    with Forks(name, folder) as forks:
        began, process = time.monotonic(), forks.start(0)
        told.append(forks.wait_for_one())
        longest = max(writer.longest, time.monotonic() - began)
        told += forks.kill(process)
        all_gone(process)
        for number in range(kills):
            last = int(told[-1]) if told and name != "recorder" else -1
            process = forks.start(last + 1)
            if writer.watched is None or number % 2:
                time.sleep(generator.uniform(0.0, longest))
            else:
                wait_for_partial(folder / writer.watched)
                time.sleep(generator.uniform(0.0, _WHOLE_WRITE))
            told += forks.kill(process)
            tally.kills += 1
            if not all_gone(process):
                _note(tally, "left_running", f"a process was there after {_GONE_WITHIN:.0f} s")
            writer.restart(folder)
            with temporary_folder():
                pass
            writer.check(folder, told, tally)
            for path in leftovers(folder):
                _note(tally, "left_over", str(path.relative_to(folder)))
    tally.finished = len(told)
    return tally


class Forks:
    """The writer's process, which forks one to be killed whenever it is asked to.

    Args:
        name: A key of `WRITERS`.
        folder: Where it writes.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.kill_writers_child", name, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=_ROOT, text=True,
        )  # fmt: skip

    def start(self, first: int) -> int:
        """Fork a writer, wait until it is ready, and return its process id.

        Args:
            first: The number of what it writes first.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first}\n")
        self._process.stdin.flush()
        process, is_ready = 0, False
        while not process or not is_ready:  # they come in any order
            line = self._line()
            if line == "gone":
                raise RuntimeError(f"the writer {self._name} ended by itself")
            is_ready = is_ready or line == "ready"
            if line.startswith("pid "):
                process = int(line.removeprefix("pid "))
        return process

    def wait_for_one(self) -> str:
        """Wait until something is finished, and return what."""
        while not (line := self._line()).startswith("done "):
            if line == "gone":
                raise RuntimeError(f"the writer {self._name} ended by itself")
        return line.removeprefix("done ")

    def kill(self, process: int) -> list[str]:
        """Kill a fork, and return what it had told to be finished."""
        os.kill(process, signal.SIGKILL)
        told = []
        while (line := self._line()) != "gone":
            if line.startswith("done "):
                told.append(line.removeprefix("done "))
        return told

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the writer {self._name} could not be loaded")
        return line.rstrip("\n")

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def wait_for_partial(folder: Path) -> None:
    """Wait until something is being written in a folder."""
    give_up_at = time.monotonic() + _WRITES_WITHIN
    while time.monotonic() < give_up_at:
        with suppress(OSError):
            if any(path.name.endswith(_UNFINISHED) for path in folder.iterdir()):
                return
        time.sleep(0.0005)


def all_gone(session: int) -> bool:
    """Wait until no process of a session is there; those that stay are ended."""
    give_up_at = time.monotonic() + _GONE_WITHIN
    while found := _processes_of(session):
        if time.monotonic() > give_up_at:
            for process in found:
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            return False
        time.sleep(_LOOK_EVERY)
    return True


def _processes_of(session: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def leftovers(folder: Path) -> list[Path]:
    """List what a killed process had not finished and nobody removed."""
    endings = (*_UNFINISHED, "-journal", "-wal", "-shm")
    found = [path for path in folder.rglob("*") if path.name.endswith(endings)]
    return [*found, *(folder / "temporary").iterdir()]


def prepare(folder: Path) -> None:
    """Make what the writers need: pictures, weights, and a model.

    Args:
        folder: For it; made where it is missing.
    """
    generator = np.random.default_rng(0)
    for label, colour in {"green": (40, 200, 40), "purple": (200, 40, 200)}.items():
        place = folder / FIGURES["pictures"] / label
        place.mkdir(parents=True, exist_ok=True)
        for number in range(10):
            image = np.clip(generator.normal(0, 40, (72, 96, 3)) + colour, 0, 255)
            (place / f"{number:03}.jpg").write_bytes(encode_snapshot(image.astype(np.uint8)))
    weights = folder / FIGURES["weights"]
    weights.write_bytes(safetensors.numpy.save(squeezenet1_1_weights().tensors))
    command = [str(folder / FIGURES["pictures"]), "--output", str(folder / FIGURES["base"])]
    command += ["--mode", "head", "--input-size", str(SIZE), "--weights", str(weights)]
    train.main([*command, "--seed", "0"])
    # What a killed lesson must leave as it was.
    shutil.copytree(folder / FIGURES["base"], folder / FIGURES["model"])


def run(kills: Mapping[str, int], seed: int, at_once: int, folder: Path) -> list[Tally]:
    """Kill several writers, each in a folder of its own.

    Args:
        kills: By the name of the writer.
        seed: Of the moments.
        at_once: How many writers at once.
        folder: For all of it.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        prepare(folder / "0")
    for number in range(1, len(kills)):
        shutil.copytree(folder / "0", folder / f"{number}")
    with ProcessPoolExecutor(at_once) as pool:
        running = [
            pool.submit(kill_writer, name, count, seed, folder / f"{number}")
            for number, (name, count) in enumerate(kills.items())
        ]
        return [one.result() for one in running]


def shared_out(kills: int, names: Sequence[str]) -> dict[str, int]:
    """Share kills out among writers, by their shares; each gets two at least."""
    whole = sum(WRITERS[name].share for name in names)
    found = {name: max(2, kills * WRITERS[name].share // whole) for name in names}
    found[names[0]] += max(0, kills - sum(found.values()))
    return found


def table(tallies: Sequence[Tally]) -> str:
    """Format the tallies as Markdown, with their sum."""
    names = ("kills", "finished", "lost", "unreadable", "left_running", "left_over")
    whole = Tally("all")
    for name in names:
        setattr(whole, name, sum(getattr(tally, name) for tally in tallies))
    lines = [f"| writer | {' | '.join(name.replace('_', ' ') for name in names)} |"]
    lines.append("| --- " * (len(names) + 1) + "|")
    for tally in (*tallies, whole):
        values = " | ".join(str(getattr(tally, name)) for name in names)
        lines.append(f"| {tally.writer} | {values} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, look, and print the table."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="kill-writers-") as name:
        kills = shared_out(options.kills, options.writer or list(WRITERS))
        tallies = run(kills, options.seed, options.at_once, Path(name))
    print(table(tallies))
    for tally in tallies:
        for problem in tally.problems:
            print(f"{tally.writer}: {problem}")
    if options.json is not None:
        found = [dataclasses.asdict(tally) for tally in tallies]
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if not all(tally.is_clean for tally in tallies):
        sys.exit(1)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kills", type=int, default=300, metavar="N", help="in all (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    add("--writer", action="append", choices=WRITERS, help="only this one; may be repeated")
    add("--at-once", type=int, default=2, metavar="N", help="writers (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures here as well")
    return parser.parse_args(arguments)


def _note(tally: Tally, kind: str, problem: str) -> None:
    setattr(tally, kind, getattr(tally, kind) + 1)
    if len(tally.problems) < 10:
        tally.problems.append(f"{kind.replace('_', ' ')}: {problem}")


if __name__ == "__main__":
    main()
