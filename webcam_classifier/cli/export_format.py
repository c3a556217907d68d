"""`python -m export --format`: a model for another tool, checked with that tool's runtime."""

from __future__ import annotations

import argparse

import numpy as np

from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import why_inconclusive
from webcam_classifier.export.check_pictures import find_pictures
from webcam_classifier.export.foreign_formats import FORMATS
from webcam_classifier.export.foreign_model import compare_answers
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.progress import Result, Stage, tell, track
from webcam_classifier.storage import check_writable, write_together


def add_format_argument(what: argparse._MutuallyExclusiveGroup) -> None:
    """Add --format.

    Args:
        what: The group of options that say what to write.
    """
    what.add_argument(
        "--format",
        choices=FORMATS,
        help="; ".join(f"{name}: {one.purpose}" for name, one in FORMATS.items())
        + ". A folder with labels.txt",
    )


def export_format(original: Classifier, options: argparse.Namespace) -> None:
    """Write the model for another tool, if that tool's predictions agree with ours.

    Raises:
        UserError: They disagree, the check is inconclusive, or the folder can't be written.
    """
    source = original.path
    folder = options.output or source.with_name(f"{source.stem}.{options.format}")
    check_writable(folder)
    pictures = find_pictures(source, original.card, options.dataset, options.pictures)
    for note in pictures.notes:
        print(f"note: {note}")
    ours = [
        original.classify_prepared(picture) for picture in track(Stage.COMPARE, pictures.compared)
    ]
    answers = np.array([one.probabilities for one in ours])
    inconclusive = why_inconclusive(answers, original.card.labels)
    if inconclusive and not options.keep_anyway:
        raise UserError(
            f"{inconclusive} Name a folder with pictures of every label with --pictures FOLDER."
        )
    written = FORMATS[options.format].write(original, pictures.compared, folder)
    comparison = compare_answers(ours, written)
    print(f"compared on {comparison.count} pictures with {written.ran_on}: {pictures.origin}")
    print(comparison.describe())
    if not comparison.agrees and not options.keep_anyway:
        raise UserError(
            f"{written.ran_on} answers otherwise than the model itself: {comparison.describe()}. "
            "Nothing was written; use the ONNX file, or add --keep-anyway."
        )
    write_together(folder, written.contents)
    print(f"written: {folder}: {', '.join(written.contents)}")
    for line in written.usage:
        print(line)
    tell(Result(f"a model as {options.format}", output=str(folder)))
