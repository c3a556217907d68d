"""The end of a training task: evaluate the result, and save model, metrics and report."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx

from webcam_classifier.command_names import typed
from webcam_classifier.dataset.category_names import display_names
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.listing import printable
from webcam_classifier.evaluation.background_dependence import check_model
from webcam_classifier.evaluation.learnt_pictures import pack_hashes
from webcam_classifier.evaluation.metrics import (
    FEW_PICTURES,
    describe_accuracy,
    evaluate_answers,
    format_table,
)
from webcam_classifier.evaluation.metrics_file import FOLDER_KEY, MODEL_HASH_KEY
from webcam_classifier.evaluation.model_evaluation import (
    ModelEvaluation,
    evaluate_model,
    no_evaluation,
)
from webcam_classifier.evaluation.top_k import TOP
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import model_bytes, write_model
from webcam_classifier.model_card import METRICS_NAME, MODEL_NAME, REPORT_NAME, ModelCard
from webcam_classifier.percentage import percentage
from webcam_classifier.prediction import Prediction
from webcam_classifier.progress import Result
from webcam_classifier.report.analysis import analyse
from webcam_classifier.report.findings import Findings
from webcam_classifier.report.label_errors import describe_label_errors
from webcam_classifier.report.next_steps import next_steps
from webcam_classifier.report.render import render_report
from webcam_classifier.storage import write_together
from webcam_classifier.temporary_files import temporary_folder
from webcam_classifier.training.former_model import FormerModel
from webcam_classifier.training.left_out_background import check_left_out
from webcam_classifier.training.mistake_heat_maps import find_mistake_heat_maps

CHECKPOINT_NAME = "checkpoint.safetensors"

_log = logging.getLogger(__name__)

_SAID_STEPS = 2  # at the terminal; the report has all of them
_TIMED = 40  # pictures that the written model is asked about after cross-validation


def evaluate_and_save(
    task: TrainingTask,
    outcome: TrainingResult,
    embedded: EmbeddedDataset | None,
    folder: Path,
    render: Callable[[Findings, str], str] = render_report,
    *,
    former: FormerModel | None = None,
) -> Findings:
    """Evaluate a trained model on pictures that it never saw, and save everything.

    A head that was trained on all pictures is evaluated by cross-validation: each picture was
    classified by a head that never saw its burst. Everything that shows the accuracy says so.

    Model, metrics, report and checkpoint are written together: if that fails or is interrupted,
    those of the previous training stay as they were.

    Args:
        task: The inputs of the training.
        outcome: Its result.
        embedded: The embeddings of the data set; None leaves out everything that needs them.
        folder: Where model, metrics, report and checkpoint go.
        render: Draws the report.
        former: The model that the folder held at the beginning; one that was written since is kept
            under another name.

    Raises:
        UserError: The folder can't be written.
    """
    findings = _measure(task, outcome, embedded)
    model = model_bytes(outcome.graph, findings.card)
    metrics = findings.to_dict() | {
        "next_steps": list(next_steps(findings)),
        MODEL_HASH_KEY: hashlib.sha256(model).hexdigest(),
        FOLDER_KEY: printable(task.pictures.folder.resolve()),
    }
    files = {
        MODEL_NAME: model,
        METRICS_NAME: (json.dumps(metrics, indent=2) + "\n").encode(),
        REPORT_NAME: render(findings, folder.resolve().name).encode("utf-8", "replace"),
    }
    if outcome.checkpoint is not None:
        files[CHECKPOINT_NAME] = outcome.checkpoint
    kept = "" if former is None else former.keep_newer()
    if kept:
        findings = replace(findings, about_newer_model=kept)
        _log.warning("%s", kept)
    write_together(folder, files)
    for path in outcome.superseded:
        path.unlink(missing_ok=True)
    return findings


def _measure(
    task: TrainingTask, outcome: TrainingResult, embedded: EmbeddedDataset | None
) -> Findings:
    """Evaluate what was trained, by cross-validation or on the pictures that were held out."""
    card = _card(task, outcome)
    backbone = None if embedded is None else embedded.backbone
    analysis = analyse(task, embedded)  # of the split, whose test part a learning curve needs
    background = None
    if outcome.cross_validation is not None:
        task = task.without_held_back()
        test, measured = _cross_validated(task, outcome, card)
        if backbone is not None:
            background = check_left_out(task.pictures, outcome.cross_validation, backbone)
    else:
        test = task.test_pictures or task.pictures.at(task.split.test)
        cut_labels = () if task.test_pictures is not None else task.split.cut_labels
        with _opened(outcome.graph, card) as classifier:
            measured = no_evaluation(classifier)
            if len(test):
                measured = evaluate_model(classifier, test, cut_labels)
                background = check_model(classifier, test, measured)
    evaluation = measured.evaluation
    card = replace(
        card,
        accuracy=evaluation.accuracy if evaluation.count else None,
        accuracy_count=evaluation.count,
        accuracy_rests_on=_rests_on(task, outcome),
    )
    findings = Findings(
        task=task,
        outcome=outcome,
        card=card,
        measured=measured,
        test=test,
        learnt_from_test=outcome.cross_validation is not None,
        analysis=analysis,
        model_bytes=outcome.graph.ByteSize(),
        seconds=time.monotonic() - task.started,
        background=background,
    )
    return replace(findings, mistake_heat_maps=find_mistake_heat_maps(findings, backbone))


def _rests_on(task: TrainingTask, outcome: TrainingResult) -> str:
    if outcome.cross_validation is not None:
        return outcome.cross_validation.rests_on
    return task.rests_on


def _card(task: TrainingTask, outcome: TrainingResult) -> ModelCard:
    return ModelCard(
        labels=task.pictures.labels,
        input_size=task.input_size,
        backbone=task.backbone,
        mode=outcome.mode,
        weights=outcome.weights,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        dataset=str(task.pictures.folder),
        data_hash=task.pictures.data_hash,
        names=display_names(task.pictures.labels, task.pictures.category_names),
        learnt_hashes=pack_hashes(_learnt_contents(task, outcome)),
        unknown_threshold=outcome.unknown_threshold,
        strict_threshold=outcome.strict_threshold,
        crop=task.pictures.crop,
    )


def _learnt_contents(task: TrainingTask, outcome: TrainingResult) -> Iterator[str]:
    """Yield the content hashes of all pictures except those held out for testing."""
    is_from_all = outcome.cross_validation is not None
    unseen = set() if is_from_all else set(task.split.test.tolist())
    for place, content in enumerate(task.pictures.content_hashes):
        if place not in unseen:
            yield content


@contextmanager
def _opened(graph: onnx.ModelProto, card: ModelCard) -> Iterator[Classifier]:
    """Open the model from a file, with the code that runs live."""
    with temporary_folder() as folder:
        path = folder / MODEL_NAME
        write_model(graph, card, path)
        yield Classifier(path)


def _cross_validated(
    task: TrainingTask, outcome: TrainingResult, card: ModelCard
) -> tuple[LabelledPictures, ModelEvaluation]:
    """Return the cross-validated predictions, and the speed of the final model."""
    calibration = outcome.cross_validation
    if calibration is None:
        raise ValueError("it was not cross-validated")
    found = calibration.found
    order = np.argsort(found.asked)
    asked, scores = found.asked[order], found.scores[order].tolist()
    predictions = tuple(
        Prediction(card.labels, probabilities, score, card.unknown_threshold, card.names)
        for probabilities, score in zip(found.probabilities()[order], scores, strict=True)
    )
    places = np.linspace(0, len(task.pictures) - 1, min(_TIMED, len(task.pictures)))
    some = task.pictures.at(np.unique(places.round().astype(np.int64)))
    with _opened(outcome.graph, card) as classifier:
        timed = evaluate_model(classifier, some)
    evaluation = calibration.evaluation
    if evaluation is None:
        nothing = np.zeros(0, dtype=np.int64)
        evaluation = evaluate_answers(card.labels, nothing, nothing)
    measured = replace(timed, evaluation=evaluation, predictions=predictions)
    return task.pictures.at(asked), measured


def training_result(findings: Findings, folder: Path) -> Result:
    """The result of a training, for a program that follows it.

    Args:
        findings: From `evaluate_and_save`.
        folder: Where it was written.
    """
    evaluation = findings.evaluation
    is_measured = evaluation.count > 0
    told = (
        f"accuracy {describe_accuracy(evaluation)}; measured on {findings.card.accuracy_rests_on}"
    )
    if findings.about_newer_model:
        told += f"; {findings.about_newer_model}"
    return Result(
        told,
        output=str(folder),
        accuracy=evaluation.accuracy if is_measured else None,
        interval=evaluation.interval if is_measured else None,
        right=int(np.trace(evaluation.confusion)) if is_measured else None,
        count=evaluation.count,
    )


def describe_training(findings: Findings, folder: Path) -> str:
    """Say on the terminal what was trained, its accuracy, and what to do next.

    Args:
        findings: From `evaluate_and_save`.
        folder: Where it was written.
    """
    evaluation = findings.evaluation
    lines = [format_table(replace(evaluation, labels=findings.card.shown_labels))]
    lines.append(
        f"accuracy {describe_accuracy(evaluation)}; measured on {findings.card.accuracy_rests_on}"
    )
    if evaluation.count < FEW_PICTURES:
        lines.append(
            f"warning: {evaluation.count} test pictures are few, so the figure may be far off; "
            f"more {'bursts' if findings.bursts_are_named else 'pictures'} make it more certain"
        )
    if findings.top_k_accuracy is not None:
        lines.append(f"top-{TOP} accuracy {percentage(findings.top_k_accuracy)}")
    pictures = findings.task.pictures
    lines += describe_label_errors(
        findings.analysis.label_errors, pictures.names, findings.card.shown_labels
    )
    curve = findings.analysis.curve
    if curve is not None:
        of_head = "" if findings.outcome.mode == "head" else "measured with a head instead: "
        lines.append(of_head + curve.describe())
    if findings.outcome.note:
        lines.append(findings.outcome.note)
    seconds = time.monotonic() - findings.task.started
    lines += describe_former(findings, folder)
    lines.append(f"trained in {seconds:.1f} s: {folder / MODEL_NAME}")
    lines.append(f"report: {folder / REPORT_NAME}")
    lines.append(f"next: python live.py {typed(folder / MODEL_NAME)}")
    first, *more = next_steps(findings)[:_SAID_STEPS]
    lines += [f"to make it better: {first}", *(f"and then: {step}" for step in more)]
    return "\n".join(lines)


def describe_former(findings: Findings, folder: Path) -> list[str]:
    """Name files beside the new model that belong to a former one.

    Args:
        findings: From `evaluate_and_save`.
        folder: Where it was written.
    """
    former = sorted(path.name for path in folder.glob("model.*.onnx"))
    if findings.outcome.checkpoint is None and (folder / CHECKPOINT_NAME).is_file():
        former.append(CHECKPOINT_NAME)
    if not former:
        return []
    return [
        f"note: these belong to an earlier model, and were left as they are: {', '.join(former)}"
    ]
