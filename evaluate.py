"""Measure a model file on labelled pictures that it has not seen.

The pictures are in one folder for each label. It runs the ONNX file with the code that live.py
uses, so what it measures is what will run.

    $ python evaluate.py models/thumbs/model.onnx pictures/
    $ python evaluate.py models/thumbs pictures/ --json figures.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from webcam_classifier.console import run_script
from webcam_classifier.labelled_pictures import describe_skipped, load_labelled_pictures
from webcam_classifier.measure import measure
from webcam_classifier.metrics import FEW_PICTURES, describe_accuracy, format_table
from webcam_classifier.metrics_file import learnt_hashes, short_hashes
from webcam_classifier.model import Classifier, ModelCard, find_model
from webcam_classifier.storage import write_atomically


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    options = parse(arguments)
    classifier = Classifier(find_model(options.model))
    pictures = load_labelled_pictures(options.folder, classifier.card.input_size)
    measured = measure(classifier, pictures)

    evaluation = measured.evaluation
    if pictures.skipped:
        print(describe_skipped(pictures.skipped))
    print(format_table(evaluation))
    print(f"accuracy {describe_accuracy(evaluation)}, {measured.milliseconds:.1f} ms a picture")
    known = learnt_hashes(classifier.path)
    seen = sum(content in known for content in short_hashes(pictures.content_hashes))
    if seen:
        print(
            f"warning: {seen} of the {evaluation.count} pictures were learnt from, so the figure "
            f"is too good for new ones. {describe_own_figure(classifier.card)}"
        )
    if evaluation.count < FEW_PICTURES:
        print(f"note: {evaluation.count} pictures are few; the interval says how sure this is")
    if options.json:
        figures = evaluation.to_dict() | {
            "model": str(classifier.path),
            "folder": str(options.folder),
            "milliseconds_per_picture": measured.milliseconds,
            "answers": {
                name: {"label": found.label, "confidence": round(found.confidence, 6)}
                for name, found in zip(pictures.names, measured.predictions, strict=True)
            },
            "learnt_from": seen,
            "skipped": [
                {"file": str(file.path), "reason": file.reason} for file in pictures.skipped
            ],
        }
        write_atomically(options.json, (json.dumps(figures, indent=2) + "\n").encode())


def describe_own_figure(card: ModelCard) -> str:
    """Say what the model's card says of its accuracy."""
    if card.accuracy is None:
        return "Its card has no figure of its own."
    return (
        f"Its card says {card.accuracy:.3f} on {card.accuracy_count} pictures: "
        f"{card.accuracy_rests_on}."
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model file, or the folder train.py wrote")
    parser.add_argument("folder", type=Path, help="pictures, in one folder for each label")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the figures here as well, and the answer to each picture",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
