"""Write a taught model in another precision, checked against the original on real pictures.

    $ python -m export models/thumbs --precision int8         a quarter of the size, faster on CPUs
    $ python -m export models/thumbs --precision fp16         half the size, for GPUs
    $ python -m export models/thumbs/model.onnx --precision fp32    tidied, else the same
    $ python -m export models/thumbs --precision int8 --pictures photos/

Both models are asked about the pictures that were held back when it was taught (metrics.json
beside the model lists them), or about those of --pictures. The new file is kept only when at least
99 % of the answers are equal. Both are timed in the same run, and the last line says whether the
new one is worth having on this device. live.py and evaluate.py take it like the original.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from export.agreement import ask, compare, describe_comparison, doubt_about, verdict
from export.check_pictures import find_pictures
from export.precisions import PRECISIONS
from export.travelling_card import new_card
from webcam_classifier.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.model.writer import write_model
from webcam_classifier.storage import check_writable


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert, check, and write what passed."""
    options = parse(arguments)
    source = find_model(options.model)
    original = Classifier(source)
    output = options.output or source.with_name(f"{source.stem}.{options.precision}.onnx")
    _check_output(output, source)
    _check_precision(original, options.precision)
    pictures = find_pictures(source, original.card, options.dataset, options.pictures)
    for note in pictures.notes:
        print(f"note: {note}")
    original_answers = ask(original, pictures.compared)
    doubt = doubt_about(original_answers, original.card.labels)
    if doubt and not options.keep_anyway:
        raise UserError(
            f"{doubt} Name a folder with pictures of every label with --pictures FOLDER."
        )

    converted = PRECISIONS[options.precision].convert(original, pictures, original_answers)
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder) / "model.onnx"
        card = new_card(original.card, options.precision, converted.done)
        write_model(converted.graph, card, candidate)
        comparison = compare(original, Classifier(candidate), pictures, original_answers)
    print(describe_comparison(comparison, pictures, options.precision))
    if not comparison.agrees and not options.keep_anyway:
        raise UserError(
            f"{comparison.describe_disagreement()} Nothing was written: keep fp32, teach with "
            "more pictures, or add --keep-anyway."
        )
    card = new_card(original.card, options.precision, converted.done, comparison)
    write_model(converted.graph, card, output)
    print(f"verdict: {verdict(comparison, PRECISIONS[options.precision].when_not_faster)}")
    print(f"written: {output}")
    print(f"next: python live.py {output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="a model that train.py wrote, or its folder")
    add(
        "--precision",
        choices=tuple(PRECISIONS),
        required=True,
        help="; ".join(f"{name}: {precision.purpose}" for name, precision in PRECISIONS.items()),
    )
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write (default: beside the model, as model.PRECISION.onnx)",
    )
    add(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="compare on these pictures, with or without folders of labels, instead of those "
        "held back when teaching; int8 calibrates with every second one",
    )
    add(
        "--dataset",
        type=Path,
        metavar="FOLDER",
        help="where the pictures that it was taught with are now (default: as the model says)",
    )
    add(
        "--keep-anyway",
        action="store_true",
        help="write the file even when the check fails or can't say anything",
    )
    return parser.parse_args(arguments)


def _check_output(output: Path, source: Path) -> None:
    """Say what would fail at the end before the work starts."""
    if output.is_dir():
        raise UserError(
            f"{output} is a folder. Name a file with --output, such as model.int8.onnx."
        )
    if output.exists() and output.samefile(source):
        raise UserError(
            f"{output} is the original, which is not overwritten. Name another file with --output."
        )
    check_writable(output.parent)


def _check_precision(original: Classifier, wanted: str) -> None:
    present = original.card.precision
    if present != "fp32":
        raise UserError(
            f"{original.path} is {present} already, and {wanted} is made from the fp32 original "
            "only, because each step loses a little. Name the model.onnx that train.py wrote."
        )


if __name__ == "__main__":
    run_script(main)
