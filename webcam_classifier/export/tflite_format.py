"""Export a model to TFLite, and run it with LiteRT."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from webcam_classifier.command_names import install_command
from webcam_classifier.errors import UserError
from webcam_classifier.export.foreign_model import (
    CARD_NAME,
    LABELS_NAME,
    ForeignModel,
    card_for_others,
    label_list,
    what_it_takes,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.one_picture_graph import one_picture_graph
from webcam_classifier.runtime.providers import LITERT_LIBRARY, LITERT_PACKAGE

FILE_NAME = "model.tflite"


def to_tflite(original: Classifier, pictures: Sequence[BgrImage], folder: Path) -> ForeignModel:
    """Convert a model to TFLite, and run it.

    An int8 model becomes an int8 file with the same integers.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be, for the usage text.

    Raises:
        UserError: The package is not installed, or the model can't be converted.
    """
    if importlib.util.find_spec(LITERT_LIBRARY) is None:
        raise UserError(
            f"TFLite is written and checked with the package {LITERT_PACKAGE}, which is not "
            f"installed. Run `{install_command('tflite')}`."
        )
    from ai_edge_litert.interpreter import Interpreter

    from webcam_classifier.runtime.tflite.tflite_graph import tflite_bytes

    labels = label_list(original)
    content = tflite_bytes(one_picture_graph(original.path))
    run = Interpreter(model_content=content).get_signature_runner()
    answers, scores = [], []
    for picture in track(Stage.COMPARE, pictures):
        found = run(**{INPUT_NAME: picture[np.newaxis]})
        answers.append(found[OUTPUT_NAME][0])
        if original.card.unknown_threshold is not None:
            scores.append(float(found[UNKNOWN_NAME][0]))
    is_whole = original.card.precision == "int8"
    usage: tuple[str, ...] = (
        what_it_takes(original),
        "int8: the numbers of the ONNX file, for its layers; what follows them is 32-bit"
        if is_whole
        else "32-bit; for int8 export with --precision int8 first, and name the file that it wrote",
        f"run it with {LITERT_PACKAGE}: "
        f"Interpreter({str(folder / FILE_NAME)!r}).get_signature_runner()",
    )
    if scores:
        in_halves = "in 16 bits, as on many GPUs, the score of the unknown moves: use 32"
        usage = (*usage, in_halves)
    contents = {
        FILE_NAME: content,
        LABELS_NAME: labels,
        CARD_NAME: card_for_others(original),
    }
    ran_on = f"LiteRT {version(LITERT_PACKAGE)} on the processor"
    told = np.array(scores, dtype=np.float32) if scores else None
    return ForeignModel(contents, np.array(answers, dtype=np.float32), told, ran_on, usage)
