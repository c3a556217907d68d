"""The end of a task: how right its outcome is, what else is known of it, and all written down."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import onnx

from webcam_classifier.dataset.category_names import display_names
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.evaluation.metrics import FEW_PICTURES, describe_accuracy, format_table
from webcam_classifier.evaluation.model_evaluation import (
    ModelEvaluation,
    evaluate_model,
    no_evaluation,
)
from webcam_classifier.evaluation.top_k import TOP
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import METRICS_NAME, ModelCard
from webcam_classifier.report.analysis import analyse
from webcam_classifier.report.findings import Findings
from webcam_classifier.report.label_errors import describe_label_errors
from webcam_classifier.report.render import REPORT_NAME, render_report
from webcam_classifier.storage import write_atomically

MODEL_NAME = "model.onnx"
CHECKPOINT_NAME = "checkpoint.safetensors"

_AFTERWARDS = "; then it learnt from those as well"


def finish_training(
    task: TrainingTask, outcome: TrainingResult, embedded: EmbeddedDataset | None, folder: Path
) -> str:
    """Measure what was taught on pictures that it never saw, and write it down.

    What is written then may have learnt from those pictures too: a few snapshots are too dear to
    be used for measuring alone. The figure is that of the measured one, and everything that tells
    it says so.

    Args:
        task: What was taught from.
        outcome: What came out.
        embedded: What the frozen network makes of the task; None leaves out what is asked of it.
        folder: Where model, metrics, report and checkpoint go.

    Returns:
        The summary for the terminal.

    Raises:
        UserError: The folder can't be written.
    """
    test = task.test_pictures or task.pictures.at(task.split.test)
    card = _card(task, outcome)
    measured = _measure(outcome.graph, card, test)
    card = _with_figure(card, measured, task, outcome)
    final = _final_graph(task, outcome)
    findings = Findings(
        task=task,
        outcome=outcome,
        card=card,
        measured=measured,
        test=test,
        learnt_from_test=_learnt_from_test(task, outcome),
        analysis=analyse(task, embedded),
        model_bytes=final.ByteSize(),
        seconds=time.monotonic() - task.started,
    )
    metrics = json.dumps(findings.to_dict(), indent=2) + "\n"
    write_atomically(folder / METRICS_NAME, metrics.encode())
    if outcome.checkpoint is not None:
        write_atomically(folder / CHECKPOINT_NAME, outcome.checkpoint)
    write_model(final, card, folder / MODEL_NAME)
    report = render_report(findings, folder.resolve().name)
    write_atomically(folder / REPORT_NAME, report.encode("utf-8", "replace"))
    for path in outcome.superseded:
        path.unlink(missing_ok=True)
    return _summary(findings, folder)


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
        unknown_threshold=outcome.unknown_threshold,
    )


def _with_figure(
    card: ModelCard, measured: ModelEvaluation, task: TrainingTask, outcome: TrainingResult
) -> ModelCard:
    evaluation = measured.evaluation
    return replace(
        card,
        accuracy=evaluation.accuracy if evaluation.count else None,
        accuracy_count=evaluation.count,
        accuracy_rests_on=task.rests_on + _AFTERWARDS * _learnt_from_test(task, outcome),
    )


def _measure(graph: onnx.ModelProto, card: ModelCard, test: LabelledPictures) -> ModelEvaluation:
    """Measure the file itself, through the code that runs live."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_NAME
        write_model(graph, card, path)
        classifier = Classifier(path)
        return evaluate_model(classifier, test) if len(test) else no_evaluation(classifier)


def _learnt_from_test(task: TrainingTask, outcome: TrainingResult) -> bool:
    return _final_graph(task, outcome) is not outcome.graph


def _final_graph(task: TrainingTask, outcome: TrainingResult) -> onnx.ModelProto:
    if outcome.graph_of_all is None or task.measured_only:
        return outcome.graph
    return outcome.graph_of_all


def _summary(findings: Findings, folder: Path) -> str:
    evaluation = findings.evaluation
    lines = [format_table(replace(evaluation, labels=findings.card.shown_labels))]
    lines.append(
        f"accuracy {describe_accuracy(evaluation)}, measured on {findings.card.accuracy_rests_on}"
    )
    if evaluation.count < FEW_PICTURES:
        lines.append(
            f"warning: {evaluation.count} test pictures are few, so the figure may be far off; "
            "more recordings make it surer"
        )
    if findings.top_k_accuracy is not None:
        lines.append(f"top-{TOP} accuracy {findings.top_k_accuracy:.3f}")
    pictures = findings.task.pictures
    lines += describe_label_errors(
        findings.analysis.doubted, pictures.names, findings.card.shown_labels
    )
    curve = findings.analysis.curve
    if curve is not None:
        of_head = "" if findings.outcome.mode == "head" else "asked of a head instead: "
        lines.append(of_head + curve.describe())
    if findings.outcome.note:
        lines.append(findings.outcome.note)
    seconds = time.monotonic() - findings.task.started
    lines.append(f"taught in {seconds:.1f} s: {folder / MODEL_NAME}")
    lines.append(f"everything about it: {folder / REPORT_NAME}")
    lines.append(f"next: python live.py {folder / MODEL_NAME}")
    return "\n".join(lines)
