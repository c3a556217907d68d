"""Plan the runs of the accuracy benchmark, do each in a process of its own, and keep its answer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.baselines.exchange import Answer, Job, read_answer, write
from benchmarks.baselines.methods import Method
from benchmarks.protocols import Protocol
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.storage import write_atomically

_ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 10.0  # seconds that a stopped method gets to end by itself


class RunFailedError(Exception):
    """A method gave no answer; the message says why."""


@dataclass(frozen=True, eq=False)
class Run:
    """One method trained and tested once.

    Attributes:
        method: Which.
        protocol: The protocol's name.
        fold: Its fold, from 0.
        job: What the method gets.
        key: Names everything that decides the answer: pictures, seed, effort, code, versions.
    """

    method: Method
    protocol: str
    fold: int
    job: Job
    key: str

    def expected_seconds(self) -> float:
        """A guess, on two quiet cores."""
        method, job = self.method, self.job
        training = method.each_training * len(job.training_names) * min(1.0, job.effort)
        return method.start + training + method.each_test * len(job.test_names)

    def describe(self) -> str:
        """Say which it is, for a line of progress."""
        seed = f", seed {self.job.seed}" if self.method.is_seeded else ""
        return f"{self.protocol}, fold {self.fold + 1}: {self.method.title}{seed}"


def plan(
    protocols: Sequence[Protocol],
    folders: Mapping[str, LabelledPictures],
    methods: Sequence[Method],
    seeds: Mapping[str, Sequence[int]],
    effort: float,
    weights: Path,
) -> list[Run]:
    """List all runs: one seed after the other, so that an early end leaves whole columns.

    Args:
        protocols: What is held out.
        folders: The pictures, by the names in the protocols' folds.
        methods: The quickest runs first.
        seeds: By the methods' names.
        effort: Share of the methods' own numbers of epochs.
        weights: Of the backbone, for all of them.
    """
    codes = {method.name: method.source_hash() for method in methods}
    weights_hash = hashlib.sha256(weights.read_bytes()).hexdigest()
    runs = []
    for place in range(max(len(own) for own in seeds.values())):
        for method in sorted(methods, key=lambda method: method.each_training):
            if place >= len(seeds[method.name]):
                continue
            seed = seeds[method.name][place]
            for protocol in protocols:
                for number, fold in enumerate(protocol.folds):
                    training = folders[fold.training].at(fold.training_indices)
                    test = folders[fold.test].at(fold.test_indices)
                    job = Job(
                        method=method.name,
                        labels=training.labels,
                        training_folder=str(training.folder.resolve()),
                        training_names=training.names,
                        test_folder=str(test.folder.resolve()),
                        test_names=test.names,
                        seed=seed,
                        effort=effort,
                        weights=str(weights),
                    )
                    parts = [method.name, codes[method.name], str(seed), str(effort), weights_hash]
                    parts += [training.data_hash, test.data_hash]
                    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()
                    runs.append(Run(method, protocol.name, number, job, key))
    return runs


@dataclass(frozen=True)
class Kept:
    """An answer, and which call of the benchmark it is from.

    Attributes:
        answer: What the method said.
        session: Differs for each call; times of one session were measured side by side.
    """

    answer: Answer
    session: str


class Results:
    """Answers on disk, so that a run that was stopped goes on where it ended.

    Args:
        folder: Where they are; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, run: Run) -> Kept | None:
        """The kept answer to this very run, or None."""
        path = self._path(run)
        if not path.is_file():
            return None
        fields = json.loads(path.read_text())
        fields["answer"]["notes"] = tuple(fields["answer"]["notes"])
        return Kept(Answer(**fields["answer"]), fields["session"])

    def keep(self, run: Run, kept: Kept) -> None:
        """Write an answer down."""
        write_atomically(self._path(run), json.dumps(dataclasses.asdict(kept)).encode())

    def _path(self, run: Run) -> Path:
        protocol = "".join(letter if letter.isalnum() else "-" for letter in run.protocol)
        name = f"{run.method.name}_{protocol}_{run.fold}_{run.job.seed}_{run.key[:16]}.json"
        return self._folder / name


class Progress:
    """Says on stderr which run is on, and how long all of them will take."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._left = list(runs)
        self._count = len(self._left)
        self._expected: dict[str, float] = {}
        self._spent: dict[str, float] = {}

    def begin(self, run: Run) -> None:
        """Say that a run begins."""
        remaining = sum(self._guess(left) for left in self._left)
        number = self._count - len(self._left) + 1
        line = f"[{number}/{self._count}] {run.describe()}: about {_duration(self._guess(run))}"
        print(f"{line}; all: {_duration(remaining)}", file=sys.stderr, flush=True)

    def end(self, run: Run, seconds: float, outcome: str) -> None:
        """Say what a run came to, and learn how fast this machine is."""
        self._left.remove(run)
        name = run.method.name
        self._expected[name] = self._expected.get(name, 0.0) + run.expected_seconds()
        self._spent[name] = self._spent.get(name, 0.0) + seconds
        print(f"    {outcome} in {_duration(seconds)}", file=sys.stderr, flush=True)

    def _guess(self, run: Run) -> float:
        """By what this method took so far, else by what all did."""
        name = run.method.name
        names = [name] if name in self._spent else list(self._spent)
        expected = sum(self._expected[name] for name in names)
        factor = sum(self._spent[name] for name in names) / expected if expected else 1.0
        return factor * run.expected_seconds()


def execute(run: Run, python: Path) -> Answer:
    """Train and test in a process of its own.

    Args:
        run: What.
        python: The interpreter of the method's environment.

    Raises:
        RunFailedError: The method ended without an answer.
        KeyboardInterrupt: Ctrl-C; the process is stopped first.
    """
    with tempfile.TemporaryDirectory() as name:
        job, answer, log = (Path(name) / part for part in ("job.json", "answer.json", "log.txt"))
        write(dataclasses.replace(run.job, started=time.time()), job)
        with log.open("wb") as output:
            # In a session of its own, Ctrl-C reaches this process alone, which then stops that one
            # with all its children: no method mistakes it for the wish to end early, and answers.
            process = subprocess.Popen(
                [str(python), "-m", run.method.module, str(job), str(answer)],
                cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait()
            except BaseException:
                _stop(process)
                raise
        if status or not answer.is_file():
            lines = log.read_text(errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it said nothing"
            raise RunFailedError(f"exit status {status}: {said[:300]}")
        return read_answer(answer)


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
