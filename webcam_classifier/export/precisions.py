"""The forms that a model can be written in: one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webcam_classifier.export.agreement import Probabilities
from webcam_classifier.export.check_pictures import CheckPictures
from webcam_classifier.export.converted import Converted
from webcam_classifier.export.full_precision import to_full_precision
from webcam_classifier.export.half_precision import to_half_precision
from webcam_classifier.export.integer_precision import to_integer_precision
from webcam_classifier.model.classifier import Classifier


@dataclass(frozen=True)
class Precision:
    """One form.

    Attributes:
        purpose: What it is good for, in a few words.
        convert: Makes the graph from the original, the pictures, and the original's answers.
        when_not_faster: What to do where it turns out not to be.
    """

    purpose: str
    convert: Callable[[Classifier, CheckPictures, Probabilities], Converted]
    when_not_faster: str


PRECISIONS = {
    "fp32": Precision(
        "the same numbers in a tidied graph",
        lambda original, _pictures, _answers: to_full_precision(original.path),
        "keep the original",
    ),
    "fp16": Precision(
        "16-bit numbers, for GPUs that compute with them",
        lambda original, _pictures, _answers: to_half_precision(original.path),
        "keep fp32 on it. fp16 is for GPUs (a Jetson, say), where half the size counts",
    ),
    "int8": Precision(
        "8-bit numbers, for CPUs with instructions for them",
        to_integer_precision,
        "keep fp32 on it, unless the smaller file counts",
    ),
}
"""By the name that the command line takes and the card carries."""
