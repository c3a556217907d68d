"""The precisions that a model can be converted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webcam_classifier.export.agreement import Probabilities
from webcam_classifier.export.check_pictures import CheckPictures
from webcam_classifier.export.converted import Converted
from webcam_classifier.export.fp16 import to_fp16
from webcam_classifier.export.fp32 import to_fp32
from webcam_classifier.export.int8 import to_int8
from webcam_classifier.model.classifier import Classifier


@dataclass(frozen=True)
class Precision:
    """A precision.

    Attributes:
        purpose: What it is good for, in a few words.
        convert: Converts the original, given the pictures and the original's answers to them.
        when_not_faster: What to do if the converted model is not faster.
    """

    purpose: str
    convert: Callable[[Classifier, CheckPictures, Probabilities], Converted]
    when_not_faster: str


PRECISIONS = {
    "fp32": Precision(
        "the same numbers in a tidied graph",
        lambda original, _pictures, _answers: to_fp32(original.path),
        "keep the original",
    ),
    "fp16": Precision(
        "16-bit numbers, for GPUs that compute with them",
        lambda original, _pictures, _answers: to_fp16(original.path),
        "keep fp32 on it. fp16 is for GPUs (a Jetson, say), where half the size counts",
    ),
    "int8": Precision(
        "8-bit numbers, for CPUs with instructions for them",
        to_int8,
        "keep fp32 on it, unless the smaller file counts",
    ),
}
"""By their names on the command line and in the model card."""
