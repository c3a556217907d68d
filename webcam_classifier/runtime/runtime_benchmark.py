"""Find the fastest runtime of a model on this device among those with correct answers.

Every candidate is tried in its own process on the same pictures. Its answers are compared with the
CPU's, and all candidates are timed in alternating rounds. Without the CPU's answers nothing is
measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.model_card import OUTPUT_NAME
from webcam_classifier.percentage import percentage
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.runtime.optimised_graph import optimised_graph
from webcam_classifier.runtime.providers import CPU, PROVIDERS, ExecutionConfig, RuntimeChoice
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.session import card_of
from webcam_classifier.runtime.split_graph import split_graph
from webcam_classifier.runtime.trial import OPENS_WITHIN, REFERENCE_WITHIN, RuntimeTrial
from webcam_classifier.runtime.trial_pictures import trial_pictures
from webcam_classifier.temporary_files import temporary_folder

_ROUNDS = 5
_MUCH_FASTER = 0.9  # of the time; a smaller gain is noise, and not worth more threads
_FASTER = 0.98  # of the time, for an equivalent graph on the same provider and threads
_FEWEST_EQUAL = 0.99  # of the answers to real pictures
_LARGEST_DIFFERENCE = 0.05  # of a probability, on synthetic pictures
_TENSORRT_BUILDS_WITHIN = 1800.0  # seconds; a Jetson Nano needs that long

Answers = NDArray[np.float32]


class NoReferenceError(UserError):
    """The CPU gave no answers, so that no other runtime can be checked."""


def benchmark_runtimes(
    model: Path,
    names: Sequence[str],
    threads: int,
    notes: Sequence[str],
    patience: float = OPENS_WITHIN,
) -> RuntimeChoice:
    """Try providers, then the best one with fewer threads.

    Args:
        model: The model file.
        names: Keys of `PROVIDERS`.
        threads: CPU threads; 0 tries several numbers.
        notes: What else to say in the reason.
        patience: Seconds for each to open and to answer the pictures.

    Returns:
        The best; the CPU, with the reason, if none of `names` is usable.

    Raises:
        NoReferenceError: The CPU gave no answers.
    """
    card = card_of(model)
    pictures = trial_pictures(model, card)
    candidates = [
        runtime
        for runtime in list_candidates(names, card.precision, threads)
        if is_possible(model, runtime)
    ]
    reference = ExecutionConfig(CPU, threads or physical_cores(), precision=card.precision)
    others = [runtime for runtime in candidates if runtime != reference]
    with temporary_folder() as folder:
        file = folder / "pictures.npy"
        np.save(file, pictures.pixels)
        with ExitStack() as stack:
            first = stack.enter_context(_start(model, reference, file, REFERENCE_WITHIN))
            trials = [stack.enter_context(_start(model, other, file, patience)) for other in others]
            answers = _reference_answers(first)
            usable, problems = _checked(trials, answers, pictures.are_real)
            times, failures = _timed([first, *usable])
            if first.problem:
                raise _no_reference(first)
        problems += failures
        times = {runtime: time for runtime, time in times.items() if runtime in candidates}
        if not times:
            return RuntimeChoice(reference, "; ".join(problems))
        best = choose_fastest(times)
        fewer = _with_fewer_threads(best, threads)
        again: Mapping[ExecutionConfig, float] = {}
        if fewer:
            # Timed again side by side: the fewest threads come first, and win a tie.
            with ExitStack() as stack:
                trials = [
                    stack.enter_context(_start(model, one, file, patience))
                    for one in [*fewer, best]
                ]
                usable, unequal = _checked(trials, answers, pictures.are_real)
                again, failures = _timed(usable)
            best = choose_fastest(again) if again else best
            problems += [*unequal, *failures]
    return RuntimeChoice(best, "; ".join([describe_times(times, again), *problems, *notes]))


def describe_times(
    times: Mapping[ExecutionConfig, float], again: Mapping[ExecutionConfig, float]
) -> str:
    """Say what was measured; times of the two rounds can't be compared with each other.

    Args:
        times: Milliseconds of one run, of all candidates.
        again: Of the best of them side by side with fewer threads; may be empty.
    """
    first, second = (
        ", ".join(f"{runtime.describe()} {time:.1f} ms" for runtime, time in taken.items())
        for taken in (times, again)
    )
    told = f"measured: {first}"
    return (
        f"{told}; then with fewer threads, taken unless over 10 % slower: {second}"
        if again
        else told
    )


def list_candidates(names: Sequence[str], precision: str, threads: int) -> list[ExecutionConfig]:
    """List the runtimes to try: each provider with its variants, optimised or reduced.

    Args:
        names: Keys of `PROVIDERS`.
        precision: Of the model file.
        threads: CPU threads; 0 takes one for each physical core.
    """
    found = []
    for name in names:
        count = (threads or physical_cores()) if PROVIDERS[name].has_threads else 0
        # OpenVINO never runs a quantised graph faster as it is than rewritten.
        is_optimised = name == "openvino" and precision == "int8"
        found.append(ExecutionConfig(name, count, False, precision, is_optimised))
        if name == CPU:
            found.append(ExecutionConfig(name, count, False, precision, is_optimised=True))
        if name in ("openvino", "tensorrt"):
            found.append(ExecutionConfig(name, count, True, precision, is_optimised))
    return found


def why_not_equal(reference: Answers, answers: Answers, are_real: bool, is_reduced: bool) -> str:
    """Say why answers differ too much from the CPU's; empty if they don't.

    Args:
        reference: The CPU's probabilities, (pictures, labels) float32.
        answers: Those of another runtime for the same pictures, (pictures, labels) float32.
        are_real: Whether they are photographs, whose labels are compared. Otherwise the
            probabilities are.
        is_reduced: Whether they were computed in a lower precision, which only photographs can
            show to be harmless.
    """
    if not np.isfinite(answers).all():
        return "some answers are not numbers"
    if is_reduced and not (are_real and len(np.unique(reference.argmax(axis=1))) > 1):
        return "the pictures that were held back are not here to compare answers on"
    if are_real:
        equal = float((reference.argmax(axis=1) == answers.argmax(axis=1)).mean())
        if equal < _FEWEST_EQUAL:
            return f"only {percentage(equal)} of {len(answers)} answers are the processor's"
        return ""
    difference = float(np.abs(reference - answers).max())
    if difference > _LARGEST_DIFFERENCE:
        return f"its probabilities differ from the processor's by up to {difference:.2f}"
    return ""


def choose_fastest(times: Mapping[ExecutionConfig, float]) -> ExecutionConfig:
    """Return the fastest runtime; a later one has to be much faster than an earlier one.

    Args:
        times: Milliseconds of one run, the runtime that needs least first; at least one.
    """
    best = next(iter(times))
    for runtime, time in times.items():
        is_same = dataclasses.replace(runtime, is_optimised=best.is_optimised) == best
        if time < (_FASTER if is_same else _MUCH_FASTER) * times[best]:
            best = runtime
    return best


def _reference_answers(trial: RuntimeTrial) -> Answers:
    """Ask the CPU for the answers that all others are compared with, (pictures, labels) float32.

    Raises:
        NoReferenceError: It gives none, or some that are not numbers.
    """
    answers = trial.answers()
    if answers is not None and np.isfinite(answers).all():
        return answers
    trial.problem = trial.problem or "some of its answers are not numbers"
    raise _no_reference(trial)


def _no_reference(trial: RuntimeTrial) -> NoReferenceError:
    return NoReferenceError(
        f"The model could not be tried on the processor ({trial.runtime.describe()}: "
        f"{trial.problem.rstrip('.')}), so that no other runtime can be checked against it. Close "
        "other programs and start again."
    )


def _checked(
    trials: Sequence[RuntimeTrial], reference: Answers, are_real: bool
) -> tuple[list[RuntimeTrial], list[str]]:
    """Return the trials that answer as the CPU does, and what is wrong with the others.

    Args:
        trials: Just started.
        reference: The CPU's answers, (pictures, labels) float32.
        are_real: See `why_not_equal`.
    """
    for trial in trials:
        answers = trial.answers()
        if answers is not None:
            is_reduced = trial.runtime.is_reduced
            trial.problem = why_not_equal(reference, answers, are_real, is_reduced)
    return [trial for trial in trials if not trial.problem], _problems(trials)


def _timed(
    trials: Sequence[RuntimeTrial],
) -> tuple[dict[ExecutionConfig, float], list[str]]:
    """Time trials in alternating rounds; return their milliseconds, and what failed."""
    for _ in range(_ROUNDS):
        for trial in trials:
            if not trial.problem:
                trial.time_round()
    times = {trial.runtime: trial.milliseconds for trial in trials if not trial.problem}
    return times, _problems(trials)


def _problems(trials: Sequence[RuntimeTrial]) -> list[str]:
    return [
        f"{trial.runtime.describe()} not taken: {trial.problem.rstrip('.')}"
        for trial in trials
        if trial.problem
    ]


def _start(model: Path, runtime: ExecutionConfig, pictures: Path, patience: float) -> RuntimeTrial:
    if runtime.provider == "tensorrt":
        patience = _TENSORRT_BUILDS_WITHIN
    return RuntimeTrial(model, runtime, pictures, OUTPUT_NAME, patience)


def _with_fewer_threads(best: ExecutionConfig, threads: int) -> list[ExecutionConfig]:
    """Return the same runtime with fewer threads: one, and half the cores."""
    cores = physical_cores()
    if threads or cores == 1 or not PROVIDERS[best.provider].has_threads:
        return []
    return [dataclasses.replace(best, threads=count) for count in sorted({1, cores // 2})]


def is_possible(model: Path, runtime: ExecutionConfig) -> bool:
    """Whether a graph can be split or optimised as a runtime needs it."""
    folder = runtime_folder(model)
    try:
        if runtime.is_reduced and split_graph(model, folder / "parts" / model.stem) is None:
            return False
        if runtime.is_optimised and runtime.provider == CPU:
            return optimised_graph(model, CPU, folder) is not None
    except UserError:  # the cache folder can't be written, and both need a file there
        return False
    return True
