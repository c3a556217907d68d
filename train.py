"""Teach a network with the snapshots, and write one ONNX file that carries everything.

    $ python train.py                                   head on SqueezeNet 1.1, with dataset/
    $ python train.py pictures/ --output models/fruit
    $ python train.py --mode finetune --epochs 12       all layers, with torch
    $ python train.py --backbone resnet18               features of another network
    $ python train.py --test-dataset other_room/        measure on pictures from elsewhere

Pictures are expected in one folder for each label. Some are held back to measure with: whole
recordings, never single frames of one. The result is models/NAME/model.onnx with its card, and
metrics.json beside it; fine-tuning adds checkpoint.safetensors, the trained parameters.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from webcam_classifier.backbone import DEFAULT_BACKBONE, frozen_features
from webcam_classifier.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.labelled_pictures import (
    LabelledPictures,
    check_enough,
    describe_skipped,
    load_labelled_pictures,
)
from webcam_classifier.lesson import Lesson, Outcome, finish_lesson
from webcam_classifier.measure import check_labels
from webcam_classifier.optional_torch import needing_torch
from webcam_classifier.split import describe_split, split_pictures
from webcam_classifier.storage import check_writable

DEFAULT_INPUT_SIZE = 224  # pixels


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the pictures, teach, measure, and write the model."""
    started = time.monotonic()
    options = parse(arguments)
    output = options.output or Path("models") / (options.dataset.resolve().name or "model")
    check_writable(output)
    teach = prepare_teaching(options)  # what can't be had is said before pictures are read
    pictures = read(options.dataset, options.input_size)
    check_enough(pictures)
    test_pictures = None
    if options.test_dataset is not None:
        test_pictures = read(options.test_dataset, options.input_size)
        check_labels(test_pictures, pictures.labels)
        check_apart(pictures, test_pictures)
    split = split_pictures(
        pictures.names,
        pictures.label_indices,
        pictures.labels,
        pictures.fingerprints,
        hold_test=test_pictures is None,
    )
    print(describe_split(split, pictures.label_indices, pictures.labels))
    lesson = Lesson(
        pictures=pictures,
        split=split,
        test_pictures=test_pictures,
        backbone=options.backbone,
        input_size=options.input_size,
        seed=options.seed,
        measured_only=options.measured_only,
        started=started,
    )
    print(finish_lesson(lesson, teach(lesson), output))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "dataset",
        type=Path,
        nargs="?",
        default=Path("dataset"),
        help="pictures, in one folder for each label (default: dataset)",
    )
    add(
        "--backbone",
        default=DEFAULT_BACKBONE,
        metavar="NAME",
        help="the pretrained network, by its torchvision name: squeezenet1_1 (default), alexnet, "
        "resnet18, mobilenet_v2, ...; all but the default need torch",
    )
    add(
        "--mode",
        choices=("head", "finetune"),
        default="head",
        help="head (default): freeze the network and fit a classifier on its features, in "
        "seconds and without torch; finetune: train its layers too, in minutes and with torch",
    )
    add(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write (default: models/ and the data set's name)",
    )
    add(
        "--input-size",
        type=_size,
        default=DEFAULT_INPUT_SIZE,
        metavar="PIXELS",
        help="side of the square picture that the network sees (default: %(default)s); smaller "
        "is faster, larger sees smaller things",
    )
    add(
        "--epochs",
        type=_positive,
        metavar="N",
        help="passes over the pictures when fine-tuning (default: chosen for the mode)",
    )
    add("--seed", type=int, default=0, help="the same seed gives the same model (default: 0)")
    add(
        "--device",
        default="auto",
        help="for fine-tuning: auto (default; a GPU where there is one), cpu, cuda, mps",
    )
    add(
        "--weights",
        default="auto",
        metavar="FILE",
        help="pretrained weights: auto (default; from the cache, else fetched once), a "
        "safetensors or .pth file of torchvision's, or none for random ones",
    )
    add("--test-dataset", type=Path, metavar="FOLDER",
        help="measure on these pictures instead of holding some of the data set back")  # fmt: skip
    add("--measured-only", action="store_true",
        help="write the very head that was measured; else it is measured first, and then learns "
        "from the test pictures as well")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.mode == "head" and (options.epochs is not None or options.device != "auto"):
        parser.error("--epochs and --device belong to --mode finetune: a head is fitted at once")
    return options


def check_apart(pictures: LabelledPictures, test_pictures: LabelledPictures) -> None:
    """Refuse a test set that holds pictures to be learnt from."""
    common = len(set(pictures.content_hashes) & set(test_pictures.content_hashes))
    if common:
        raise UserError(
            f"{common} pictures of {test_pictures.folder} are in {pictures.folder} as well, so "
            "they can't measure what is learnt there. Take them out of one of the two."
        )


def prepare_teaching(options: argparse.Namespace) -> Callable[[Lesson], Outcome]:
    """Get hold of the pretrained weights, and give what teaches with them."""
    if options.mode == "finetune":
        with needing_torch("Fine-tuning"):
            from webcam_classifier.teach_finetune import prepare_finetune
        return prepare_finetune(options.backbone, options.weights, options.epochs, options.device)
    from webcam_classifier.teach_head import teach_head

    features = frozen_features(options.backbone, options.weights, options.input_size)
    return lambda lesson: teach_head(lesson, features)


def read(folder: Path, input_size: int) -> LabelledPictures:
    """Read a data set, and list what could not be read."""
    pictures = load_labelled_pictures(folder, input_size)
    if pictures.skipped:
        print(describe_skipped(pictures.skipped))
    return pictures


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def _size(text: str) -> int:
    value = int(text)
    if not 64 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{value} is not between 64 and 1024 pixels")
    return value


if __name__ == "__main__":
    run_script(main)
