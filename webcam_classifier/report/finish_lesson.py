"""The end of a lesson: how right its outcome is, what else is known of it, and all written down."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import onnx

from webcam_classifier.data.category_names import display_names
from webcam_classifier.data.labelled_pictures import LabelledPictures
from webcam_classifier.measure.measure import Measured, measure, nothing_measured
from webcam_classifier.measure.metrics import FEW_PICTURES, describe_accuracy, format_table
from webcam_classifier.measure.metrics_file import METRICS_NAME
from webcam_classifier.measure.top_labels import TOP
from webcam_classifier.model.classifier import Classifier, ModelCard
from webcam_classifier.model.writer import write_model
from webcam_classifier.report.analysis import analyse
from webcam_classifier.report.findings import Findings
from webcam_classifier.report.label_doubts import describe_doubts
from webcam_classifier.report.render import REPORT_NAME, render_report
from webcam_classifier.storage import write_atomically
from webcam_classifier.teach.embedded_lesson import EmbeddedLesson
from webcam_classifier.teach.lesson import Lesson, Outcome

MODEL_NAME = "model.onnx"
CHECKPOINT_NAME = "checkpoint.safetensors"

_AFTERWARDS = "; then it learnt from those as well"


def finish_lesson(
    lesson: Lesson, outcome: Outcome, embedded: EmbeddedLesson | None, folder: Path
) -> str:
    """Measure what was taught on pictures that it never saw, and write it down.

    What is written then may have learnt from those pictures too: a few snapshots are too dear to
    be used for measuring alone. The figure is that of the measured one, and everything that tells
    it says so.

    Args:
        lesson: What was taught from.
        outcome: What came out.
        embedded: What the frozen network makes of the lesson; None leaves out what is asked of it.
        folder: Where model, metrics, report and checkpoint go.

    Returns:
        The summary for the terminal.

    Raises:
        UserError: The folder can't be written.
    """
    test = lesson.test_pictures or lesson.pictures.at(lesson.split.test)
    card = _card(lesson, outcome)
    measured = _measure(outcome.graph, card, test)
    card = _with_figure(card, measured, lesson, outcome)
    final = _final_graph(lesson, outcome)
    findings = Findings(
        lesson=lesson,
        outcome=outcome,
        card=card,
        measured=measured,
        test=test,
        learnt_from_test=_learnt_from_test(lesson, outcome),
        analysis=analyse(lesson, embedded),
        model_bytes=final.ByteSize(),
        seconds=time.monotonic() - lesson.started,
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


def _card(lesson: Lesson, outcome: Outcome) -> ModelCard:
    return ModelCard(
        labels=lesson.pictures.labels,
        input_size=lesson.input_size,
        backbone=lesson.backbone,
        mode=outcome.mode,
        weights=outcome.weights,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        dataset=str(lesson.pictures.folder),
        data_hash=lesson.pictures.data_hash,
        names=display_names(lesson.pictures.labels, lesson.pictures.category_names),
        unknown_threshold=outcome.unknown_threshold,
    )


def _with_figure(
    card: ModelCard, measured: Measured, lesson: Lesson, outcome: Outcome
) -> ModelCard:
    evaluation = measured.evaluation
    return replace(
        card,
        accuracy=evaluation.accuracy if evaluation.count else None,
        accuracy_count=evaluation.count,
        accuracy_rests_on=lesson.rests_on + _AFTERWARDS * _learnt_from_test(lesson, outcome),
    )


def _measure(graph: onnx.ModelProto, card: ModelCard, test: LabelledPictures) -> Measured:
    """Measure the file itself, through the code that runs live."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_NAME
        write_model(graph, card, path)
        classifier = Classifier(path)
        return measure(classifier, test) if len(test) else nothing_measured(classifier)


def _learnt_from_test(lesson: Lesson, outcome: Outcome) -> bool:
    return _final_graph(lesson, outcome) is not outcome.graph


def _final_graph(lesson: Lesson, outcome: Outcome) -> onnx.ModelProto:
    if outcome.graph_of_all is None or lesson.measured_only:
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
    if findings.top_accuracy is not None:
        lines.append(f"top-{TOP} accuracy {findings.top_accuracy:.3f}")
    pictures = findings.lesson.pictures
    lines += describe_doubts(findings.analysis.doubted, pictures.names, findings.card.shown_labels)
    curve = findings.analysis.curve
    if curve is not None:
        of_head = "" if findings.outcome.mode == "head" else "asked of a head instead: "
        lines.append(of_head + curve.describe())
    if findings.outcome.note:
        lines.append(findings.outcome.note)
    seconds = time.monotonic() - findings.lesson.started
    lines.append(f"taught in {seconds:.1f} s: {folder / MODEL_NAME}")
    lines.append(f"everything about it: {folder / REPORT_NAME}")
    lines.append(f"next: python live.py {folder / MODEL_NAME}")
    return "\n".join(lines)
