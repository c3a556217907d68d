"""Measure a model file on labelled pictures that it has not seen, or classify one picture.

Labelled pictures are in one folder for each label; of a folder with a predefined split, the test
part is used. It runs the ONNX file with the code that live.py uses, on the processor, which gives
the same figures everywhere; --provider auto measures it on the runtime that live.py uses.

    $ python evaluate.py models/thumbs/model.onnx pictures/
    $ python evaluate.py models/thumbs/model.int8.onnx pictures/ --provider auto
    $ python evaluate.py models/thumbs pictures/ --json figures.json
    $ python evaluate.py models/flowers photo.jpg --top 5
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.number_arguments import parse_count
from webcam_classifier.cli.output_arguments import output_file
from webcam_classifier.cli.unknown_advice import MOSTLY
from webcam_classifier.cli.unknown_argument import add_unknown_argument, with_unknown_level
from webcam_classifier.dataset.burst_numbers import are_bursts_named
from webcam_classifier.dataset.labelled_pictures import (
    LabelledPictures,
    describe_skipped,
    load_labelled_pictures,
    own_test_part,
)
from webcam_classifier.dataset.listing import printable
from webcam_classifier.dataset.picture_files import PictureError, encode_snapshot, read_picture
from webcam_classifier.display.window import fit_view
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.background_dependence import BackgroundCheck, check_model
from webcam_classifier.evaluation.learnt_pictures import learnt_pictures
from webcam_classifier.evaluation.metrics import (
    FEW_PICTURES,
    Evaluation,
    describe_accuracy,
    format_table,
)
from webcam_classifier.evaluation.metrics_file import short_hashes
from webcam_classifier.evaluation.model_evaluation import ModelEvaluation, evaluate_model
from webcam_classifier.evaluation.top_k import TOP, top_k_accuracy
from webcam_classifier.exchange.import_dataset import safe_label
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.model_card import UNKNOWN_NORMAL, ModelCard
from webcam_classifier.percentage import percentage, rounded_percentage
from webcam_classifier.prediction import Prediction
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.choice import AUTO, choose_runtime
from webcam_classifier.runtime.providers import CPU, PROVIDERS
from webcam_classifier.storage import check_file_writable, write_atomically


@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the model, print the figures, and write what was asked for."""
    options = parse(arguments)
    if options.json is not None:
        check_file_writable(options.json)
    unknown = options.unknown or UNKNOWN_NORMAL
    classifier = open_classifier(find_model(options.model), options.provider, unknown)
    if options.pictures.is_file():
        if options.explain is not None:
            raise UserError(
                "--explain is for pictures in one folder for each label. For one picture: "
                f"`python live.py --source {shlex.quote(str(options.pictures))} --window "
                "--explain`."
            )
        prediction = ask(classifier, options.pictures)
        figures = answer(prediction)
        print(describe_answer(prediction, options.top or TOP))
    else:
        if options.top is not None:
            raise UserError("--top is for one picture. Leave it out, or name one.")
        whole = load_labelled_pictures(
            options.pictures, classifier.card.input_size, classifier.card.crop
        )
        pictures = own_test_part(whole)
        if len(pictures) < len(whole):
            named = printable(options.pictures)
            print(f"{named} has a predefined split; these figures are of its test part")
        if whole.skipped:
            print(describe_skipped(whole.skipped))
        measured = evaluate_model(classifier, pictures)
        if options.explain:
            save_explanations(classifier, pictures, measured, options.explain)
        figures = evaluate_pictures(classifier, pictures, measured)
        figures["skipped"] = [
            {"file": printable(file.path), "reason": file.reason} for file in whole.skipped
        ]
    if options.json is not None:
        figures = {"model": str(classifier.path), "pictures": str(options.pictures), **figures}
        write_atomically(options.json, (json.dumps(figures, indent=2) + "\n").encode())


def open_classifier(path: Path, provider: str, unknown: str = UNKNOWN_NORMAL) -> Classifier:
    """Open a model on the processor, or on what live.py would run it on.

    Args:
        path: The model file.
        provider: `auto`, or a key of `PROVIDERS`.
        unknown: When it says unknown; one of `model_card.UNKNOWN_LEVELS`.

    Raises:
        ProviderError: The provider is missing, or can't run this model.
    """
    if provider == CPU:
        return Classifier(path, unknown=unknown)
    choice = choose_runtime(path, provider, 0, lambda line: print(line, file=sys.stderr))
    return Classifier(path, choice.runtime, unknown=unknown)


def evaluate_pictures(
    classifier: Classifier, pictures: LabelledPictures, measured: ModelEvaluation
) -> dict[str, object]:
    """Print the accuracy of the predictions, and return the figures as fields for JSON."""
    evaluation = measured.evaluation
    truths = [pictures.labels[index] for index in pictures.label_indices.tolist()]
    top = top_k_accuracy(measured.predictions, truths)
    shown = dataclasses.replace(evaluation, labels=classifier.card.shown_labels)
    print(format_table(shown))
    print(f"accuracy {describe_accuracy(shown)}")
    print(f"{measured.milliseconds:.1f} ms a picture on {measured.runtime}")
    if top is not None:
        print(
            f"top-{TOP} accuracy {percentage(top)}: the actual label is among the {TOP} likeliest"
        )
    seen = _count_seen(classifier, pictures)
    background = None
    if seen == 0:  # a model recognises the background of its own training pictures
        background = check_model(classifier, pictures, measured)
    _print_notes(classifier, pictures, evaluation, seen, background)
    return evaluation.to_dict() | {
        f"top_{TOP}_accuracy": top,
        "milliseconds_per_picture": measured.milliseconds,
        "runtime": measured.runtime,
        "answers": {
            name: {"label": found.label, "confidence": round(found.confidence, 6)}
            for name, found in zip(pictures.names, measured.predictions, strict=True)
        },
        "learnt_from": seen,
        "background_dependence": None if background is None else background.to_dict(),
    }


def _count_seen(classifier: Classifier, pictures: LabelledPictures) -> int | None:
    """Count the pictures that the model was trained on; None if that is not known."""
    known = learnt_pictures(classifier.path, classifier.card)
    if known is None:
        return None
    return sum(content in known for content in short_hashes(pictures.content_hashes))


def _print_notes(
    classifier: Classifier,
    pictures: LabelledPictures,
    evaluation: Evaluation,
    seen: int | None,
    background: BackgroundCheck | None,
) -> None:
    """Print everything that makes the accuracy less reliable than it looks."""
    if seen is None:
        print(
            "note: an earlier version wrote this model, and no metrics.json of it lies beside it; "
            "so it is not known whether it was trained on these pictures, which would make the "
            "figure too good"
        )
    elif seen:
        print(
            f"warning: {seen} of the {evaluation.count} pictures were used in training, so the "
            f"figure is too good for new ones. {describe_own_figure(classifier.card)}"
        )
    if background is not None and background.dependent:
        called = dict(zip(classifier.card.labels, classifier.card.shown_labels, strict=True))
        print(f"note: {background.describe(called)}")
    if evaluation.count and evaluation.shown_unknown > MOSTLY:
        print(
            f"note: live shows {percentage(evaluation.shown_unknown, 0)} of these pictures as "
            "unknown, as they are unlike all pictures that the model was trained on. Add some like "
            "them to its data set, and train again; or run live with --unknown off, which always "
            "shows a label"
        )
    if not are_bursts_named(pictures.names):
        print(
            "note: the file names don't say which pictures are one burst, so only near duplicates "
            "count as one; if pictures were taken in a row, the figure is less certain than its "
            "interval says"
        )
    if evaluation.count < FEW_PICTURES:
        print(f"note: {evaluation.count} pictures are few, so the figure may be far off")


def save_explanations(
    classifier: Classifier, pictures: LabelledPictures, measured: ModelEvaluation, folder: Path
) -> None:
    """Save each picture with a heat map where its label was found, sorted into right and wrong.

    Raises:
        UserError: The network can't tell where it looked, or the folder can't be written.
    """
    from webcam_classifier.ui.explanation import Explanation

    explanation = Explanation(classifier, is_cropped=True)
    written: set[Path] = set()
    for place, prediction in enumerate(track(Stage.EXPLAIN, measured.predictions)):
        truth = pictures.labels[pictures.label_indices[place]]
        said = "unknown" if prediction.is_unknown else prediction.label
        # What was said stands in the model's card, which anybody may have written.
        mistake = safe_label(f"{truth}_as_{said}")
        verdict = Path("right") / truth if said == truth else Path("wrong") / mistake
        name = Path(pictures.names[place]).name
        path = folder / verdict / Path(name).with_suffix(".jpg")
        if path in written:  # `a.png` beside `a.jpg`, or another folder or label of like name
            path = folder / verdict / f"{place + 1}_{name}.jpg"
        written.add(path)
        image = pictures.images[place]
        drawn = fit_view(image, mirrored=False)
        explanation.draw(drawn, image, prediction)
        write_atomically(path, encode_snapshot(drawn))


def ask(classifier: Classifier, path: Path) -> Prediction:
    """Classify one picture.

    Raises:
        UserError: The picture can't be read.
    """
    try:
        return classifier.classify(read_picture(path))
    except PictureError as error:
        raise UserError(
            f"{printable(path)}: {error}. Name a JPEG, PNG, BMP or WebP picture."
        ) from error


def describe_answer(prediction: Prediction, count: int) -> str:
    """Return the likeliest labels of one picture, a line each, with their probabilities."""
    lines = [
        f"{rounded_percentage(probability):>7}  {label}"
        for label, probability in prediction.top_shown(count)
    ]
    if prediction.is_unknown:
        lines.insert(0, "unknown: it is like none of the snapshots; the likeliest labels are")
    return "\n".join(lines)


def answer(prediction: Prediction) -> dict[str, object]:
    """Return the prediction for one picture as fields for JSON, the likeliest labels first."""
    return {
        "label": prediction.label,
        "name": prediction.shown_label,
        "is_unknown": prediction.is_unknown,
        "probabilities": dict(prediction.top(len(prediction.labels))),
    }


def describe_own_figure(card: ModelCard) -> str:
    """Return a sentence on the accuracy in the model's card."""
    if card.accuracy is None:
        return "Its card has no figure of its own."
    return (
        f"Its card says {percentage(card.accuracy)} on {card.accuracy_count} pictures: "
        f"{card.accuracy_rests_on}."
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    return build_parser().parse_args(with_unknown_level(arguments))


def build_parser() -> CommandParser:
    """Build the parser of the command."""
    parser = CommandParser(__doc__ or "")
    parser.add_argument("model", type=Path, help="a model file, or the folder train.py wrote")
    parser.add_argument(
        "pictures", type=Path, help="pictures in one folder for each label, or one picture"
    )
    parser.add_argument(
        "--top",
        type=parse_count,
        metavar="N",
        help=f"how many labels of one picture are listed (default: {TOP})",
    )
    parser.add_argument(
        "--provider",
        choices=(AUTO, *PROVIDERS),
        default=CPU,
        help="the runtime; auto uses what live.py uses (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        type=output_file,
        metavar="FILE",
        help="write the figures here as JSON, and the answer to each picture",
    )
    parser.add_argument(
        "--explain",
        type=Path,
        metavar="FOLDER",
        help="save each picture here with a heat map of where its label was found, in wrong/ and "
        "right/",
    )
    add_unknown_argument(parser)
    return parser
