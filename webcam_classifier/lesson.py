"""A lesson: what is taught from, what comes out, how right it is, and what is written down."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import onnx

from webcam_classifier.labelled_pictures import LabelledPictures
from webcam_classifier.measure import Measured, measure
from webcam_classifier.metrics import FEW_PICTURES, Evaluation, describe_accuracy, format_table
from webcam_classifier.metrics_file import HASHES_KEY, METRICS_NAME, short_hashes
from webcam_classifier.model import Classifier, ModelCard
from webcam_classifier.model_writer import write_model
from webcam_classifier.split import Split
from webcam_classifier.storage import write_atomically

MODEL_NAME = "model.onnx"
CHECKPOINT_NAME = "checkpoint.safetensors"

_AFTERWARDS = "; then it learnt from those as well"


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is taught from.

    Attributes:
        pictures: All pictures of the data set.
        split: Which of them train, choose and measure.
        test_pictures: A test set from elsewhere; None measures on the split's test part.
        backbone: torchvision's name of the network.
        input_size: The side of the square picture, in pixels.
        seed: The same gives the same model.
        measured_only: Write the very model that was measured, also where one that learnt from
            the test pictures as well is at hand.
        started: When the command started, seconds on the monotonic clock.
    """

    pictures: LabelledPictures
    split: Split
    test_pictures: LabelledPictures | None
    backbone: str
    input_size: int
    seed: int
    measured_only: bool
    started: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a way of teaching gives.

    Attributes:
        graph: From pixels to probabilities; it has not seen the test pictures.
        graph_of_all: Taught in the same way with the test pictures as well; None where there are
            none, or where teaching again would take long.
        mode: `head` or `finetune`.
        weights: Where the pretrained weights came from.
        details: What else is worth a line in metrics.json.
        checkpoint: The parameters as a safetensors file, where layers were trained.
        note: Said at the end, such as that training was stopped early.
    """

    graph: onnx.ModelProto
    mode: str
    weights: str
    graph_of_all: onnx.ModelProto | None = None
    details: dict[str, object] = field(default_factory=dict)
    checkpoint: bytes | None = None
    note: str = ""


def finish_lesson(lesson: Lesson, outcome: Outcome, folder: Path) -> str:
    """Measure what was taught on pictures that it never saw, and write it down.

    What is written then may have learnt from those pictures too: a few snapshots are too dear to
    be used for measuring alone. The figure is that of the measured one, and everything that tells
    it says so.

    Args:
        lesson: What was taught from.
        outcome: What came out.
        folder: Where model, metrics and checkpoint go.

    Returns:
        The summary for the terminal.

    Raises:
        UserError: The folder can't be written.
    """
    card = _card(lesson, outcome)
    test = lesson.test_pictures or lesson.pictures.at(lesson.split.test)
    measured = _measure(outcome.graph, card, test)
    evaluation = measured.evaluation
    card = replace(
        card,
        accuracy=evaluation.accuracy,
        accuracy_count=evaluation.count,
        accuracy_rests_on=_rests_on(lesson) + _AFTERWARDS * _learnt_from_test(lesson, outcome),
    )
    seconds = time.monotonic() - lesson.started
    metrics = _metrics(lesson, outcome, card, evaluation)
    metrics |= {"milliseconds_per_picture": measured.milliseconds, "seconds": seconds}
    write_atomically(folder / METRICS_NAME, (json.dumps(metrics, indent=2) + "\n").encode())
    if outcome.checkpoint is not None:
        write_atomically(folder / CHECKPOINT_NAME, outcome.checkpoint)
    write_model(_final_graph(lesson, outcome), card, folder / MODEL_NAME)
    return _summary(outcome, card, evaluation, seconds, folder)


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
    )


def _measure(graph: onnx.ModelProto, card: ModelCard, test: LabelledPictures) -> Measured:
    """Measure the file itself, through the code that runs live."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_NAME
        write_model(graph, card, path)
        return measure(Classifier(path), test)


def _learnt_from_test(lesson: Lesson, outcome: Outcome) -> bool:
    return _final_graph(lesson, outcome) is not outcome.graph


def _final_graph(lesson: Lesson, outcome: Outcome) -> onnx.ModelProto:
    if outcome.graph_of_all is None or lesson.measured_only:
        return outcome.graph
    return outcome.graph_of_all


def _learnt_hashes(lesson: Lesson, outcome: Outcome) -> list[str]:
    """Name the contents that were learnt from, for evaluate.py to know them again."""
    unseen = set() if _learnt_from_test(lesson, outcome) else set(lesson.split.test.tolist())
    hashes = enumerate(short_hashes(lesson.pictures.content_hashes))
    return [content for index, content in hashes if index not in unseen]


def _rests_on(lesson: Lesson) -> str:
    if lesson.test_pictures is not None:
        return f"pictures of another folder, {lesson.test_pictures.folder}"
    split = lesson.split
    if set(split.cut_labels) == set(lesson.pictures.labels):
        return "the end of the very recordings that it was taught with"
    kept_apart = "recordings that training never saw"
    if not split.are_named:
        kept_apart = "pictures without a near copy in training; who or when is not known"
    if split.cut_labels:
        cut = ", ".join(split.cut_labels)
        return f"{kept_apart}, but for {cut}: the end of the same recording"
    return kept_apart


def _metrics(
    lesson: Lesson, outcome: Outcome, card: ModelCard, evaluation: Evaluation
) -> dict[str, object]:
    pictures, split = lesson.pictures, lesson.split
    parts = {
        part: {"count": len(indices), "pictures": [pictures.names[index] for index in indices]}
        for part, indices in split.parts().items()
    }
    test_folder = None if lesson.test_pictures is None else str(lesson.test_pictures.folder)
    return {
        **evaluation.to_dict(),
        "rests_on": card.accuracy_rests_on,
        "split": {
            **parts,
            "cut_labels": list(split.cut_labels),
            "test_dataset": test_folder,
        },
        "learnt_from_test": _learnt_from_test(lesson, outcome),
        HASHES_KEY: _learnt_hashes(lesson, outcome),
        "mode": outcome.mode,
        "backbone": card.backbone,
        "weights": card.weights,
        "input_size": card.input_size,
        "seed": lesson.seed,
        "dataset": card.dataset,
        "data_hash": card.data_hash,
        "created_at": card.created_at,
        "details": outcome.details,
        "skipped": [{"file": str(file.path), "reason": file.reason} for file in pictures.skipped],
    }


def _summary(
    outcome: Outcome,
    card: ModelCard,
    evaluation: Evaluation,
    seconds: float,
    folder: Path,
) -> str:
    lines = [format_table(evaluation)]
    lines.append(f"accuracy {describe_accuracy(evaluation)}, measured on {card.accuracy_rests_on}")
    if evaluation.count < FEW_PICTURES:
        lines.append(
            f"warning: {evaluation.count} test pictures are few, so the figure may be far off; "
            "more recordings make it surer"
        )
    if outcome.note:
        lines.append(outcome.note)
    lines.append(f"taught in {seconds:.1f} s: {folder / MODEL_NAME}")
    lines.append(f"next: python live.py {folder / MODEL_NAME}")
    return "\n".join(lines)
