"""The JSON messages about the live picture: the camera, and a labelled frame."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from webcam_classifier.crop import Crop
from webcam_classifier.events.event_stream import steady_label
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.prediction import Prediction
from webcam_classifier.web.heat_maps import HeatMap
from webcam_classifier.web.live_hub import CameraFacts
from webcam_classifier.web.live_picture import LivePicture


def crop_message(crop: Crop | None) -> dict[str, float] | None:
    """Return a part of the picture as fractions of its sides; None is all of it."""
    return None if crop is None else asdict(crop)


def camera_message(facts: CameraFacts, now: float) -> dict[str, Any]:
    """Return the message about the camera.

    Args:
        facts: The camera and its state.
        now: Seconds on the monotonic clock.
    """
    last = facts.last_picture_at
    return {
        "kind": facts.kind,
        "description": facts.description,
        "mirror": facts.is_device,
        "problem": facts.problem,
        "live": facts.is_live,
        "no_picture_for": None if last is None else round(max(0.0, now - last), 1),
    }


def prediction_message(picture: LivePicture, now: float) -> dict[str, Any]:
    """Return the message about a labelled frame.

    Args:
        picture: The frame.
        now: Seconds on the monotonic clock.
    """
    labelled = picture.labelled
    return {
        "type": "prediction",
        "frame": picture.number,
        **(_region_fields(labelled) if labelled.region else _bar_fields(labelled.steady)),
        "age_ms": round(1000 * (now - labelled.frame.captured_at), 1),
        "rate": round(labelled.frames_per_second, 1),
        "inference_ms": round(1000 * sum(one.inference_seconds for one in labelled.regions), 2),
        "width": picture.width,
        "height": picture.height,
    }


def heat_map_message(heat_map: HeatMap | None) -> dict[str, Any] | None:
    """Return a heat map as rows of whole numbers from 0 to 255; None if there is none."""
    if heat_map is None:
        return None
    heat = heat_map.heat
    return {
        "rows": [] if heat is None else (255.0 * heat).round().astype(int).tolist(),
        "crop": crop_message(heat_map.crop),
        "problem": heat_map.problem or None,
    }


def _bar_fields(steady: Prediction) -> dict[str, Any]:
    score = steady.unknown_score
    return {
        "labels": steady.labels,
        "probabilities": [round(value, 4) for value in steady.probabilities.tolist()],
        "unknown": steady.is_unknown,
        "unknown_score": round(score, 4) if score is not None and math.isfinite(score) else None,
    }


def _region_fields(labelled: LabelledFrame) -> dict[str, Any]:
    """Return the fields for regions, without bars: there is no label of the whole picture."""
    return {
        "labels": [],
        "probabilities": [],
        "unknown": False,
        "unknown_score": None,
        "regions": [
            {
                "name": one.region,
                "label": one.steady.label,
                "confidence": round(one.steady.confidence, 4),
                "unknown": one.steady.is_unknown,
            }
            for one in labelled.regions
        ],
    }


def prediction_fields(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as fields for programs.

    Returns:
        `label` is `unknown` if the picture looks like none of the labels; `confidence` is then
        null, and `likeliest` is the label it would have.
    """
    score = prediction.unknown_score
    has_labels = bool(prediction.labels)
    return {
        "label": steady_label(prediction),
        "confidence": round(prediction.confidence, 6)
        if has_labels and not prediction.is_unknown
        else None,
        "likeliest": prediction.label if has_labels else None,
        "unknown": prediction.is_unknown if score is not None else None,
        "unknown_score": round(score, 6) if score is not None and math.isfinite(score) else None,
        "probabilities": {
            label: round(probability, 6)
            for label, probability in zip(
                prediction.labels, prediction.probabilities.tolist(), strict=True
            )
        },
    }
