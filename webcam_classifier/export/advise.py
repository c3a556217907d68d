"""Measure variants of a model on this device, and recommend one: accuracy against latency."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.export.advise_words import (
    caution,
    commands,
    describe_recommendation,
    describe_table,
)
from webcam_classifier.export.agreement import FEWEST_PICTURES, ask
from webcam_classifier.export.candidate_trials import (
    Trial,
    TrialFile,
    Trials,
    try_files,
    usable_runtimes,
    without_traces,
)
from webcam_classifier.export.candidates import Candidate, frontier, recommend
from webcam_classifier.export.check_pictures import UNKNOWN
from webcam_classifier.export.converted_card import converted_card
from webcam_classifier.export.precisions import PRECISIONS
from webcam_classifier.export.sized_models import SizedModel, SizedModels, sized_models
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.device_name import device_name, is_arm, is_x86
from webcam_classifier.runtime.providers import PROVIDERS, ExecutionConfig, versions
from webcam_classifier.temporary_files import temporary_folder

_QUICK_ROUNDS = 4  # to find each file's runtime
_ROUNDS = 9  # of all files in turn
_MOST_PROBLEMS = 3  # named on the terminal
_GPUS = frozenset({"cuda", "coreml", "directml"})  # what fp16 is for


@dataclass(frozen=True, eq=False)
class Advice:
    """The measured candidates and the recommendation.

    Attributes:
        candidates: What was measured.
        today: The model as it is, on its fastest runtime; one of the candidates.
        chosen: The recommended candidate.
        truth_is_known: Whether accuracy could be measured.
        origin: Which pictures the figures were measured on, in words.
        problems: Which runtimes can't be used and why.
        notes: What could not be tried, and what else the user should know.
        make: The commands that make the recommended model, a line each.
    """

    candidates: tuple[Candidate, ...]
    today: Candidate
    chosen: Candidate
    truth_is_known: bool
    origin: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    make: str

    def describe(self) -> str:
        """Format it for the terminal."""
        known = self.truth_is_known
        best = frontier(self.candidates)
        return "\n".join(
            [
                describe_table(self.candidates, best, self.origin, known),
                *(f"note: {note.rstrip('.')}" for note in self._shown_notes()),
                f"recommended: {describe_recommendation(self.chosen, self.today, known)}",
                *(f"  {line}" for line in self.make.splitlines()),
            ]
        )

    def _shown_notes(self) -> list[str]:
        shown = list(self.problems[:_MOST_PROBLEMS])
        if len(self.problems) > len(shown):
            shown.append(f"{len(self.problems) - len(shown)} more are not taken; --json names all")
        return [*shown, *self.notes]

    def to_json(self) -> bytes:
        """Format as JSON for other programs: a list of candidates, the fastest first."""
        best = frontier(self.candidates)
        ordered = sorted(self.candidates, key=lambda one: one.milliseconds)
        rows = [
            {name: value for name, value in asdict(one).items() if name not in ("right", "same")}
            | {
                "accuracy": one.accuracy if self.truth_is_known else None,
                "interval": one.interval if self.truth_is_known else None,
                "agreement": one.agreement,
                "is_on_frontier": one in best,
                "is_recommended": one is self.chosen,
                "is_the_model_as_it_is": one is self.today,
            }
            for one in ordered
        ]
        found = {
            "candidates": rows,
            "pictures": len(self.today.right),
            "measured_on": self.origin,
            "commands": self.make.splitlines(),
            "notes": [*self.problems, *self.notes],
            "device": device_name(),
            "versions": versions(),
        }
        return (json.dumps(found, indent=2) + "\n").encode()


def advise(
    original: Classifier, dataset: Path | None, named: Path | None, providers: Sequence[str]
) -> Advice:
    """Measure candidates: lower precision, smaller pictures, and every installed runtime.

    Nothing is left on the disk.

    Args:
        original: The model in full precision.
        dataset: The folder of its pictures; None takes the one that its card names.
        named: A folder of pictures to compare on instead; None takes those held back.
        providers: Those to try, keys of `PROVIDERS`.

    Raises:
        UserError: There are too few pictures to compare on, or nothing runs the model.
    """
    with temporary_folder() as folder:
        sized = sized_models(original, dataset, named, folder)
        count = len(sized.models[0].pictures.compared)
        if count < FEWEST_PICTURES:
            raise UserError(
                f"{count} pictures are too few to choose by; {FEWEST_PICTURES} is least. Name a "
                "folder with more with --pictures FOLDER."
            )
        notes: list[str] = []
        files = [file for model in sized.models for file in _files(model, providers, folder, notes)]
        with without_traces([file.path for file in files if file.path != original.path]):
            trials = _measure(files, providers)
    return _advice(original, sized, trials, [*notes, *_not_tried(providers)])


def _files(
    model: SizedModel, providers: Sequence[str], folder: Path, notes: list[str]
) -> list[TrialFile]:
    """Write a model in every precision that may be faster on this device.

    Args:
        model: In full precision.
        providers: Those to try, keys of `PROVIDERS`.
        folder: For the files.
        notes: Extended by what can't be converted.

    Returns:
        The original first, then the converted files.
    """
    classifier = Classifier(model.path)
    pictures = model.pictures
    files = [TrialFile(model.path, "fp32", pictures.compared)]
    answers = ask(classifier, pictures.compared)
    for precision in ("int8", "fp16") if _GPUS & set(providers) else ("int8",):
        path = folder / f"{precision}-{model.size}.onnx"
        try:
            converted = PRECISIONS[precision].convert(classifier, pictures, answers)
        except UserError as error:
            notes.append(f"{precision}, {model.size} pixels, is not tried: {error}")
            continue
        write_model(
            converted.graph, converted_card(classifier.card, precision, converted.done), path
        )
        files.append(TrialFile(path, precision, pictures.compared))
    return files


def _measure(files: Sequence[TrialFile], providers: Sequence[str]) -> Trials:
    """Find each file's fastest runtime, then time them all in turn.

    The first file is the model as it is; it is timed on everything that runs it.

    Returns:
        The trials of the first file come first; there is at least one of them.

    Raises:
        UserError: Nothing runs the first file.
    """
    pairs: list[tuple[TrialFile, ExecutionConfig]] = []
    problems: list[str] = []
    for file in track(Stage.TRY_RUNTIMES, files):
        runtimes = usable_runtimes(file, providers)
        tried = try_files([(file, runtime) for runtime in runtimes], _QUICK_ROUNDS).on(providers)
        problems += tried.problems
        if file is files[0]:
            tried.fastest(file)  # raises where nothing runs it
            pairs += [(file, trial.runtime) for trial in tried.usable]
        elif tried.usable:
            pairs.append((file, tried.fastest(file).runtime))
    timed = try_files(pairs, _ROUNDS, is_told=True)
    trials = Trials(timed.usable, (*problems, *timed.problems))
    trials.fastest(files[0])  # raises if it failed this time: there is nothing to compare with
    return trials


def _advice(
    original: Classifier, sized: SizedModels, trials: Trials, notes: Sequence[str]
) -> Advice:
    pictures = sized.models[0].pictures
    is_known = bool((pictures.truths != UNKNOWN).all())
    usable = trials.usable
    expected = usable[0].probabilities.argmax(axis=1)
    truths = pictures.truths if is_known else expected
    candidates = tuple(_candidate(trial, expected, truths) for trial in usable)
    today = candidates[usable.index(trials.fastest(usable[0].file))]
    chosen = recommend(candidates, today)
    warning = caution(candidates, chosen, today)
    return Advice(
        candidates,
        today,
        chosen,
        is_known,
        pictures.origin if is_known else f"{len(expected)} pictures",
        trials.problems,
        (*sized.notes, *notes, *([warning] if warning else [])),
        commands(chosen, today, original.path, original.card, sized.command),
    )


def _candidate(trial: Trial, expected: NDArray[np.int64], truths: NDArray[np.int64]) -> Candidate:
    answers = trial.probabilities.argmax(axis=1)
    return Candidate(
        precision=trial.file.precision,
        size=len(trial.file.pictures[0]),
        runs_on=trial.runtime.describe(),
        milliseconds=trial.milliseconds,
        best_milliseconds=trial.best_milliseconds,
        right=answers == truths,
        same=answers == expected,
        size_in_bytes=trial.size_in_bytes,
    )


def _not_tried(providers: Sequence[str]) -> list[str]:
    """Say what was left out, though it might be faster still."""
    notes = []
    if "tensorrt" in providers:
        notes.append(
            "TensorRT is not tried, as building its engine takes minutes: `python -m export MODEL "
            "--precision tensorrt` does that, and live.py uses it where it is faster"
        )
    if "openvino" not in providers and is_x86():
        notes.append(f"OpenVINO may be faster here. {PROVIDERS['openvino'].remedy}")
    if "litert" not in providers and is_arm():
        notes.append(f"LiteRT may be faster here in int8. {PROVIDERS['litert'].remedy}")
    return notes
