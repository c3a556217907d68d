"""Time model files on this device, each in its own process, in alternating rounds."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import OUTPUT_NAME
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.providers import CPU, ExecutionConfig
from webcam_classifier.runtime.runtime_benchmark import (
    choose_fastest,
    is_possible,
    list_candidates,
    why_not_equal,
)
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.trial import OPENS_WITHIN, REFERENCE_WITHIN, RuntimeTrial
from webcam_classifier.temporary_files import temporary_folder

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TrialFile:
    """A model file that is tried.

    Attributes:
        path: The file.
        precision: As its card says.
        pictures: The pictures to classify, each (size, size, 3) uint8.
    """

    path: Path
    precision: str
    pictures: Sequence[BgrImage]


@dataclass(frozen=True, eq=False)
class Trial:
    """The answers and times of a model file on one runtime.

    Attributes:
        file: The file.
        runtime: What ran it.
        probabilities: (pictures, labels) float32.
        milliseconds: For one prepared picture, the median of all rounds' shortest runs.
        best_milliseconds: The shortest of all runs.
        size_in_bytes: Of the file.
    """

    file: TrialFile
    runtime: ExecutionConfig
    probabilities: Probabilities
    milliseconds: float
    best_milliseconds: float
    size_in_bytes: int


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of several files and runtimes.

    Attributes:
        usable: The successful ones, in the order in which they were asked for.
        problems: Which ones failed and why, each as a clause.
    """

    usable: tuple[Trial, ...]
    problems: tuple[str, ...]

    def of(self, file: TrialFile) -> tuple[Trial, ...]:
        """Return the trials of one file."""
        return tuple(trial for trial in self.usable if trial.file is file)

    def on(self, providers: Sequence[str]) -> Trials:
        """Return the trials on some providers: the CPU may have been just the reference."""
        wanted = (trial for trial in self.usable if trial.runtime.provider in providers)
        return Trials(tuple(wanted), self.problems)

    def fastest(self, file: TrialFile) -> Trial:
        """Return the trial on the runtime that `live.py` would choose; see `choose_fastest`.

        Raises:
            UserError: The file has no successful trial.
        """
        times = {trial.runtime: trial.best_milliseconds for trial in self.of(file)}
        if not times:
            raise UserError(f"{file.path} can't be run here: {'; '.join(self.problems)}.")
        chosen = choose_fastest(times)
        return next(trial for trial in self.of(file) if trial.runtime == chosen)


def usable_runtimes(file: TrialFile, names: Sequence[str]) -> list[ExecutionConfig]:
    """List the runtimes that `live.py` would try a file on, the CPU first.

    TensorRT is left out, because building an engine takes minutes.

    Args:
        file: The file.
        names: Keys of `PROVIDERS`.
    """
    quick = [name for name in (CPU, *names) if name != "tensorrt"]
    found = list_candidates(tuple(dict.fromkeys(quick)), file.precision, 0)
    return [runtime for runtime in found if is_possible(file.path, runtime)]


def try_files(
    pairs: Sequence[tuple[TrialFile, ExecutionConfig]], rounds: int, is_told: bool = False
) -> Trials:
    """Run files on runtimes, in alternating rounds.

    The answers of each file's first runtime are the reference for its others, as the CPU's are in
    `live.py`.

    Args:
        pairs: What to try.
        rounds: How many rounds of timing.
        is_told: Whether progress is reported.
    """
    usable: list[tuple[TrialFile, RuntimeTrial, Probabilities]] = []
    problems: list[str] = []
    references: dict[TrialFile, Probabilities | None] = {}
    with ExitStack() as stack:
        stored = stack.enter_context(_stored(list(dict.fromkeys(file for file, _ in pairs))))
        opened: list[tuple[TrialFile, RuntimeTrial]] = []
        for file, runtime in pairs:
            is_first = all(file is not other for other, _ in opened)
            patience = REFERENCE_WITHIN if is_first else OPENS_WITHIN
            trial = RuntimeTrial(file.path, runtime, stored[file], OUTPUT_NAME, patience)
            opened.append((file, stack.enter_context(trial)))
        for file, trial in track(Stage.START_CANDIDATES, opened) if is_told else opened:
            answers = trial.answers()
            problem = _problem(trial, answers, references.setdefault(file, answers))
            if problem or answers is None:
                problems.append(_not_used(file, trial, problem))
            else:
                usable.append((file, trial, answers))
        for _ in track(Stage.TIME_CANDIDATES, range(rounds)) if is_told else range(rounds):
            for _, trial, _ in usable:
                if not trial.problem:
                    trial.time_round()
    found = []
    for file, trial, answers in usable:
        if trial.problem:  # its process ended while it was timed
            problems.append(_not_used(file, trial, trial.problem))
        else:
            found.append(_trial(file, trial, answers))
    return Trials(tuple(found), tuple(problems))


@contextmanager
def without_traces(paths: Sequence[Path]) -> Iterator[None]:
    """Remove at the end of the context what was cached for temporary model files.

    Args:
        paths: The files; what was cached for one before stays.
    """
    folders = [runtime_folder(path) for path in paths]
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    finally:
        for folder in new:
            shutil.rmtree(folder, ignore_errors=True)


def _not_used(file: TrialFile, trial: RuntimeTrial, problem: str) -> str:
    named = f"{file.precision}, {len(file.pictures[0])} pixels, on {trial.runtime.describe()}"
    return f"{named} not taken: {problem.rstrip('.')}"


def _problem(
    trial: RuntimeTrial, answers: Probabilities | None, reference: Probabilities | None
) -> str:
    """Say why a runtime can't be used; empty if it can."""
    if answers is None or reference is None:
        return trial.problem or "there is nothing to compare it with"
    is_reduced = trial.runtime.is_reduced and answers is not reference
    return why_not_equal(reference, answers, are_real=True, is_reduced=is_reduced)


@contextmanager
def _stored(files: Sequence[TrialFile]) -> Iterator[dict[TrialFile, Path]]:
    """Write each file's pictures to a .npy file for its processes."""
    with temporary_folder() as folder:
        stored = {file: folder / f"{number}.npy" for number, file in enumerate(files)}
        for file, path in stored.items():
            np.save(path, np.stack(file.pictures))
        yield stored


def _trial(file: TrialFile, trial: RuntimeTrial, answers: Probabilities) -> Trial:
    median = 1000.0 * statistics.median(trial.seconds)
    size = file.path.stat().st_size
    return Trial(file, trial.runtime, answers, median, trial.milliseconds, size)
