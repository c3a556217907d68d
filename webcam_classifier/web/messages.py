"""The JSON messages about the studio's state: data set, learning, jobs and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webcam_classifier.teaching.state import (
    LabelState,
    LearningState,
    LearntAccuracy,
    RecordingState,
)
from webcam_classifier.teaching.training_job import JobState
from webcam_classifier.web import limits
from webcam_classifier.web.live_messages import crop_message
from webcam_classifier.web.models_folder import ModelFile

_KEYS = "123456789"
_BEHIND = "far fewer pictures than others"


def teaching_message(state: RecordingState, learning: LearningState) -> dict[str, Any]:
    """Return the fields about recording and learning."""
    undoable, skip = state.undoable, state.last_skip
    return {
        "dataset": state.dataset.name or str(state.dataset),
        "dataset_folder": str(state.dataset.resolve()),
        "backbone": learning.backbone,
        "input_size": learning.input_size,
        "runtime": learning.runtime,
        "recording": state.recording,
        "crop": crop_message(state.crop),
        "labels": [
            _label(label, _KEYS[place] if place < len(_KEYS) else None)
            for place, label in enumerate(state.labels)
        ],
        "learnt_labels": learning.learnt_labels,
        "warnings": state.warnings,
        "skipped": dict(state.skipped),
        "last_skip": None if skip is None else skip.reason,
        "undo": None if undoable is None else {"label": undoable.label, "count": undoable.count},
        "learnt": learning.learnt,
        "pending": learning.pending,
        "accuracy": None if learning.accuracy is None else _accuracy(learning.accuracy),
        "accuracy_advice": learning.accuracy_advice or None,
        "problem": state.problem or learning.problem or None,
    }


def job_message(job: JobState | None) -> dict[str, Any] | None:
    """Return the message about a job; None if there was none."""
    if job is None:
        return None
    return {
        "id": job.number,
        "kind": job.kind,
        "status": job.status,
        "progress": job.progress,
        "message": job.message,
        "history": [
            {
                "epoch": epoch.number,
                "training_loss": epoch.training_loss,
                "validation_loss": epoch.validation_loss,
                "validation_accuracy": epoch.validation_accuracy,
                "seconds": epoch.seconds,
            }
            for epoch in job.history
        ],
        "error": job.error or None,
    }


def models_message(models: Sequence[ModelFile]) -> list[dict[str, Any]]:
    """Return the fields of the model files."""
    return [
        {
            "file": model.path.name,
            "precision": model.card.precision,
            "mode": model.card.mode,
            "bytes": model.size,
            "created_at": model.card.created_at,
            "accuracy": model.card.accuracy,
            "labels": model.card.labels,
        }
        for model in models
    ]


def limits_message() -> dict[str, int]:
    """Return the limits on uploads, so that a page can check them before it sends files."""
    return {
        "picture_bytes": limits.PICTURE_BYTES,
        "picture_pixels": limits.PICTURE_PIXELS,
        "zip_bytes": limits.ARCHIVE_BYTES,
        "zip_pictures": limits.ARCHIVE_ENTRIES,
    }


def _label(label: LabelState, key: str | None) -> dict[str, Any]:
    return {
        "name": label.name,
        "count": label.count,
        "newest": label.newest,
        "warning": _BEHIND if label.is_behind else None,
        "key": key,
    }


def _accuracy(accuracy: LearntAccuracy) -> dict[str, Any]:
    evaluation = accuracy.evaluation
    low, high = evaluation.interval or (None, None)
    return {
        "value": evaluation.accuracy,
        "low": low,
        "high": high,
        "shown_right": evaluation.shown_right,
        "shown_wrong": evaluation.shown_wrong,
        "shown_unknown": evaluation.shown_unknown,
        "count": evaluation.count,
        "rests_on": accuracy.rests_on,
        "labels": evaluation.labels,
        "confusion": evaluation.confusion.tolist(),
        "is_current": accuracy.is_current,
    }
