"""Write a trained model in another precision or as a web page, or find out what is best here.

    $ python -m export models/thumbs --advise           measures candidates here, and recommends
    $ python -m export models/thumbs --precision int8         a third of the size, faster on CPUs
    $ python -m export models/thumbs --precision fp16         half the size, for GPUs
    $ python -m export models/thumbs/model.onnx --precision fp32    tidied, else the same
    $ python -m export models/thumbs --precision int8 --pictures photos/
    $ python -m export models/thumbs --precision tensorrt     builds the engine for this NVIDIA GPU
    $ python -m export models/thumbs --format openvino        OpenVINO IR, with labels.txt
    $ python -m export models/thumbs --format jetson-inference    for imagenet on a Jetson
    $ python -m export models/thumbs --format tflite          TFLite, for phones and small boards
    $ python -m export models/thumbs/model.int8.onnx --format tflite    the same in int8
    $ python -m export models/thumbs --format torch-export    a file that torch alone runs
    $ python -m export models/thumbs --web page/ --serve      a page for browsers and phones, to try

Both models classify the pictures that were held back in training (metrics.json beside the model
lists them), or those of --pictures. The new file is kept only when at least 99 % of the answers are
equal, unless --keep-anyway is given. Both are timed in the same run on all runtimes that live.py
could use, and the verdict says whether the new one is worth having on this device. live.py and
evaluate.py use it like the original.

--format writes a folder for another tool, and keeps it only where its runtime gives the same
answers. docs/other_tools.md says how each is used. Core ML files can run only on macOS,
and are checked without it.

--web writes a folder of static files for any web host with https: the page runs the model in the
browser, with the same answers, also without a network after the first visit. Its runtime comes
from npm, once. --serve shows the page on this machine. docs/web_page.md says how to embed it.

--advise writes no model. It tries fewer bits, smaller pictures (with a head trained again for
them) and every runtime that is installed, in a minute or two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.export_format import add_format_argument, export_format
from webcam_classifier.cli.export_web import add_web_arguments, check_web_arguments, export_web
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.one_temporary_folder import one_temporary_folder
from webcam_classifier.cli.output_arguments import output_file
from webcam_classifier.command_names import as_installed, typed
from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import (
    ask,
    compare,
    describe_comparison,
    verdict,
    why_inconclusive,
)
from webcam_classifier.export.check_pictures import find_pictures
from webcam_classifier.export.converted_card import converted_card
from webcam_classifier.export.foreign_formats import FORMATS
from webcam_classifier.export.precisions import PRECISIONS
from webcam_classifier.export.tensorrt_engine import TENSORRT, build_engine
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.model.writer import write_model
from webcam_classifier.progress import Result, tell
from webcam_classifier.runtime.choice import AUTO
from webcam_classifier.runtime.providers import PROVIDERS, installed_providers
from webcam_classifier.storage import check_file_writable, write_atomically
from webcam_classifier.temporary_files import temporary_folder


@library_messages()
@one_temporary_folder()
def main(arguments: Sequence[str] | None = None) -> None:
    """Export the model in the way that was asked for."""
    options = parse(arguments)
    source = find_model(options.model)
    original = Classifier(source)
    providers = _providers(options.provider)
    if options.web is not None:
        export_web(original, options)
    elif options.format is not None:
        _check_precision(original, options.format, FORMATS[options.format].takes)
        export_format(original, options)
    elif options.advise:
        _advise(original, options, providers)
    elif options.precision == TENSORRT:
        choice = build_engine(source, _say)
        print(f"built: {choice.runtime.describe()} ({choice.reason})")
        print(as_installed(f"next: python live.py {typed(source)}"))
        tell(Result(choice.reason))
    else:
        _convert(original, options, providers)


def _convert(original: Classifier, options: argparse.Namespace, providers: Sequence[str]) -> None:
    """Convert the model, check it against the original, and write it if it agrees."""
    source = original.path
    output = options.output or source.with_name(f"{source.stem}.{options.precision}.onnx")
    _check_output(output, source)
    _check_precision(original, options.precision)
    pictures = find_pictures(source, original.card, options.dataset, options.pictures)
    for note in pictures.notes:
        print(f"note: {note}")
    original_answers = ask(original, pictures.compared)
    inconclusive = why_inconclusive(original_answers, original.card.labels)
    if inconclusive and not options.keep_anyway:
        raise UserError(
            f"{inconclusive} Name a folder with pictures of every label with --pictures FOLDER."
        )

    converted = PRECISIONS[options.precision].convert(original, pictures, original_answers)
    with temporary_folder() as folder:
        candidate = folder / output.name
        card = converted_card(original.card, options.precision, converted.done)
        write_model(converted.graph, card, candidate)
        comparison = compare(original, Classifier(candidate), pictures, original_answers, providers)
    print(describe_comparison(comparison, pictures, options.precision))
    if not comparison.agrees and not options.keep_anyway:
        raise UserError(
            f"{comparison.describe_disagreement()} Nothing was written: keep fp32, train with "
            "more pictures, or add --keep-anyway."
        )
    card = converted_card(original.card, options.precision, converted.done, comparison)
    write_model(converted.graph, card, output)
    found = verdict(comparison, PRECISIONS[options.precision].when_not_faster)
    print(f"verdict: {as_installed(found)}")
    print(f"written: {output}")
    print(as_installed(f"next: python live.py {typed(output)}"))
    tell(Result(found, output=str(output)))


def _advise(original: Classifier, options: argparse.Namespace, providers: Sequence[str]) -> None:
    """Measure, recommend, and write the figures if that was asked for."""
    # Imported only now: it trains heads, which converting does not need.
    from webcam_classifier.export.advise import advise

    _check_precision(original, "a candidate")
    for path in (options.json, options.plot):
        if path is not None:
            check_file_writable(path)
    advice = advise(original, options.dataset, options.pictures, providers)
    print(as_installed(advice.describe()))
    if options.json is not None:
        write_atomically(options.json, advice.to_json())
    if options.plot is not None:
        from webcam_classifier.export.advise_plot import plot_advice

        plot_advice(advice, options.plot)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    given = options.json is not None or options.plot is not None
    if not options.advise and given:
        parser.error("--json and --plot belong to --advise")
    check_web_arguments(parser, options)
    is_written = options.format is not None or options.precision not in (None, TENSORRT)
    if options.output and not is_written:
        parser.error("--output belongs to a --format, or a --precision that is a file")
    if options.web is not None:
        parser.refuse_unused(options, "web", ("model", "title", "serve"))
    elif options.precision == TENSORRT:
        parser.refuse_unused(options, "precision", ("model",))
    elif options.format is not None:
        used = ("model", "output", "pictures", "dataset", "keep_anyway")
        parser.refuse_unused(options, "format", used)
    elif options.advise and options.keep_anyway:
        parser.error("--keep-anyway has no effect with --advise, which writes no model")
    return options


def build_parser() -> CommandParser:
    """Build the parser of the command."""
    parser = CommandParser(__doc__ or "")
    parser.prog = as_installed("python -m export")
    add = parser.add_argument
    add("model", type=Path, help="a model that train.py wrote, or its folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--advise",
        action="store_true",
        help="measure accuracy against latency of smaller and faster versions of the model on "
        "this device, and recommend one; no model is written",
    )
    what.add_argument(
        "--precision",
        choices=(*PRECISIONS, TENSORRT),
        help="; ".join(f"{name}: {precision.purpose}" for name, precision in PRECISIONS.items())
        + f"; {TENSORRT}: no file, but the engine that live.py then finds, built in minutes",
    )
    add_format_argument(what)
    add_web_arguments(parser, what)
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write (default: beside the model, as model.PRECISION.onnx, or the folder "
        "model.FORMAT)",
    )
    add(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="compare on these pictures, with or without folders of labels, instead of those held "
        "back in training; int8 calibrates with every second one",
    )
    add(
        "--dataset",
        type=Path,
        metavar="FOLDER",
        help="where the pictures that it was trained with are now (default: as the model says)",
    )
    add(
        "--provider",
        choices=(AUTO, *(name for name in PROVIDERS if name != TENSORRT)),
        default=AUTO,
        help="what to time the models on (default: all that is installed)",
    )
    add(
        "--keep-anyway",
        action="store_true",
        help="write the file even when the check fails or is inconclusive",
    )
    add(
        "--json",
        type=output_file,
        metavar="FILE",
        help="with --advise: write the figures here as JSON",
    )
    add(
        "--plot",
        type=output_file,
        metavar="PNG",
        help="with --advise: draw accuracy against latency here",
    )
    return parser


def _providers(wanted: str) -> tuple[str, ...]:
    """Return the providers that may run the models.

    Raises:
        UserError: The named provider is not installed.
    """
    if wanted == AUTO:
        return installed_providers()
    if wanted not in installed_providers():
        raise UserError(
            f"--provider {wanted}: this onnxruntime has no {wanted}. {PROVIDERS[wanted].remedy}"
        )
    return (wanted,)


def _check_output(output: Path, source: Path) -> None:
    """Check the output before the work starts, rather than failing at the end."""
    if output.is_dir() or not output.name:
        raise UserError(
            f"{output} is a folder. Name a file with --output, such as model.int8.onnx."
        )
    if output.exists() and output.samefile(source):
        raise UserError(
            f"{output} is the original, which is not overwritten. Name another file with --output."
        )
    check_file_writable(output)


def _check_precision(original: Classifier, wanted: str, taken: Collection[str] = ("fp32",)) -> None:
    present = original.card.precision
    if present not in taken:
        raise UserError(
            f"{original.path} is {present} already, and {wanted} is made from the fp32 original "
            "only, because each step loses a little. Name the model.onnx that train.py wrote."
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
