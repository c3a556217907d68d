"""Freeze or fine-tune, colour or grey, which network: one table over several data sets.

    $ python -m benchmarks.transfer thumbs/person_1,thumbs/person_2 sign_digits/
    $ python -m benchmarks.transfer DATASET... --weights-folder weights/ --quick
    $ python -m benchmarks.transfer flowers/ --backbones vgg16 --ways tutorial --colours colour

`freeze` is our head, `fine-tune` trains all layers, and `tutorial` is what the flowers and VGG
tutorials do: the layers stay, and a new classifier with hidden units learns from the pictures as
they are, which go through the frozen layers once.
A DATASET is a folder as train.py takes it, which holds back recordings or its own test part, or two
with a comma between: trained on the first, measured on the second. A row is printed as soon as
it is known, so Ctrl-C keeps what there is.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.labelled_pictures import (
    LabelledPictures,
    load_labelled_pictures,
    own_test_part,
)
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.model_evaluation import (
    ModelEvaluation,
    check_labels,
    evaluate_model,
)
from webcam_classifier.finetune.layer_trainer import prepare_finetune
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.frame import BgrImage
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import ModelCard
from webcam_classifier.training.train_head import train_head

BACKBONES = ("squeezenet1_1", "alexnet", "mobilenet_v2", "resnet18", "vgg16")
WAYS = ("freeze", "fine-tune", "tutorial")
USUAL_WAYS = WAYS[:2]
COLOURS = ("colour", "grey")
QUICK_EPOCHS = 2
QUICK_PICTURES = 20  # of each label
HEADER = (
    "| data set | network | layers | pictures | accuracy | 95 % interval | test pictures | "
    "teaching s | ms a picture |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


TUTORIAL = FinetuneSettings(
    epochs=60,
    batch_size=32,
    learning_rate=0.001,
    schedule="constant",
    views="none",
    ema=False,
    head_init=False,
    label_smoothing=0.0,
    freeze_backbone=True,
    hidden_units=(512,),
    dropout=0.5,
    patience=10,
)
"""The recipe `flowers`, but for views, with which every epoch would take as long as the first."""


@dataclass(frozen=True, eq=False)
class Data:
    """One data set in colour or in grey.

    Attributes:
        name: As it stands in the table.
        pictures: What is trained on.
        test_pictures: From elsewhere; None where some of the others are held back.
    """

    name: str
    pictures: LabelledPictures
    test_pictures: LabelledPictures | None

    def grey(self) -> Data:
        """The same without colours."""
        test = None if self.test_pictures is None else _without_colours(self.test_pictures)
        return dataclasses.replace(
            self, pictures=_without_colours(self.pictures), test_pictures=test
        )


@dataclass(frozen=True)
class Case:
    """One row to come.

    Attributes:
        backbone: torchvision's name of the network.
        weights: `auto` or a file.
        way: Of `WAYS`.
        epochs: Of fine-tuning.
        input_size: The side of the square picture, in pixels.
    """

    backbone: str
    weights: str
    way: str
    epochs: int
    input_size: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and measure each case, and print each row when it is there."""
    options = parse(arguments)
    skipped: list[str] = []
    print(HEADER, flush=True)
    try:
        for data, colour in data_sets(options):
            for case in cases(options):
                try:
                    print(row(data, colour, case), flush=True)
                except UserError as error:
                    skipped.append(f"{data.name}, {case.backbone}, {case.way}: {error}")
                    print(f"skipped {skipped[-1]}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; the rows above are whole", file=sys.stderr)
    for reason in dict.fromkeys(skipped):
        print(f"\nskipped {reason}")


def data_sets(options: argparse.Namespace) -> Iterator[tuple[Data, str]]:
    """Read each data set, and yield it in each of the wanted colours."""
    for name in options.datasets:
        colourful = read(name, options.input_size, options.quick)
        for colour in options.colours:
            yield (colourful if colour == "colour" else colourful.grey()), colour


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Return every way of every network."""
    for backbone, way in itertools.product(options.backbones, options.ways):
        weights = find_weights(options.weights_folder, backbone)
        yield Case(backbone, weights, way, options.epochs, options.input_size)


def find_weights(folder: Path | None, backbone: str) -> str:
    """Return the file of a network's weights in a folder, or `auto` where there is none."""
    if folder is None:
        return "auto"
    found = sorted(folder.glob(f"{backbone}-*.pth")) + sorted(
        folder.glob(f"{backbone}*.safetensors")
    )
    return str(found[0]) if found else "auto"


def read(name: str, size: int, is_quick: bool) -> Data:
    """Read a data set.

    Raises:
        UserError: A folder is missing, or can't be trained on.
    """
    training, _, asked = name.partition(",")
    pictures = load_labelled_pictures(Path(training), size)
    if is_quick:
        group = [
            np.flatnonzero(pictures.label_indices == label) for label in range(len(pictures.labels))
        ]
        few = [
            members[np.linspace(0, members.size - 1, QUICK_PICTURES).astype(np.int64)]
            for members in group
            if members.size
        ]
        pictures = pictures.at(np.unique(np.concatenate(few)))
    test_pictures = own_test_part(load_labelled_pictures(Path(asked), size)) if asked else None
    if test_pictures is not None:
        check_labels(test_pictures, pictures.labels)
    return Data(name.replace(",", " > "), pictures, test_pictures)


def row(data: Data, colour: str, case: Case) -> str:
    """Train and measure one case, and return its line of the table.

    Raises:
        UserError: The weights can't be had, or don't fit.
    """
    print(f"{data.name}: {case.way} {case.backbone}, {colour}", file=sys.stderr)
    split, _ = split_data_set(data.pictures, hold_test=data.test_pictures is None)
    started = time.monotonic()
    task = TrainingTask(
        pictures=data.pictures,
        split=split,
        test_pictures=data.test_pictures,
        backbone=case.backbone,
        input_size=case.input_size,
        seed=0,
        measured_only=True,
        started=started,
    )
    outcome = train(task, case)
    seconds = time.monotonic() - started
    measured = ask(task, outcome)
    interval = measured.evaluation.interval
    cells = [
        data.name, case.backbone, case.way, colour, f"{measured.evaluation.accuracy:.3f}",
        "-" if interval is None else "{:.2f} to {:.2f}".format(*interval),
        str(measured.evaluation.count), f"{seconds:.0f}", f"{measured.milliseconds:.1f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def train(task: TrainingTask, case: Case) -> TrainingResult:
    """Train as train.py does."""
    if case.way == "tutorial":
        tutorial = dataclasses.replace(TUTORIAL, backbone=case.backbone)
        return prepare_finetune(tutorial, case.weights).train(task, None)
    backbone = load_backbone(case.backbone, case.weights, case.input_size)
    embedded = embed_labelled_pictures(task.pictures, backbone, test=task.test_pictures)
    if case.way == "freeze":
        return train_head(task, embedded)
    settings = FinetuneSettings(
        backbone=case.backbone, input_size=case.input_size, epochs=case.epochs
    )
    return prepare_finetune(settings, case.weights).train(task, embedded)


def ask(task: TrainingTask, outcome: TrainingResult) -> ModelEvaluation:
    """Ask the model file about the test pictures, with the code that runs live."""
    card = ModelCard(
        labels=task.pictures.labels,
        input_size=task.input_size,
        backbone=task.backbone,
        mode=outcome.mode,
        weights=outcome.weights,
        created_at="",
        dataset=str(task.pictures.folder),
        data_hash="",
        unknown_threshold=outcome.unknown_threshold,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_model(outcome.graph, card, path)
        test = task.test_pictures or task.pictures.at(task.split.test)
        return evaluate_model(Classifier(path), test)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("datasets", nargs="+", metavar="DATASET")
    add("--backbones", nargs="+", default=BACKBONES, metavar="NAME",
        help=f"torchvision's names (default: {' '.join(BACKBONES)})")  # fmt: skip
    add("--ways", nargs="+", default=USUAL_WAYS, choices=WAYS,
        help=f"default: {' '.join(USUAL_WAYS)}")  # fmt: skip
    add("--colours", nargs="+", default=COLOURS, choices=COLOURS, help="default: both")
    add("--weights-folder", type=Path, metavar="FOLDER",
        help="take weights from here, from files that begin with the network's name; others are "
        "fetched")  # fmt: skip
    add("--epochs", type=int, default=FinetuneSettings.epochs, metavar="N",
        help="passes of fine-tuning (default: %(default)s)")  # fmt: skip
    add("--input-size", type=int, default=224, metavar="PIXELS", help="default: %(default)s")
    add("--quick", action="store_true",
        help=f"{QUICK_PICTURES} pictures a label and {QUICK_EPOCHS} epochs: whether it runs, not "
        "how well it does")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.quick:
        options.epochs = min(options.epochs, QUICK_EPOCHS)
    return options


def _without_colours(pictures: LabelledPictures) -> LabelledPictures:
    def grey(image: BgrImage) -> BgrImage:
        values = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return np.repeat(np.asarray(values, dtype=np.uint8)[:, :, np.newaxis], 3, axis=2)

    return dataclasses.replace(pictures, images=tuple(grey(image) for image in pictures.images))


if __name__ == "__main__":
    run_script(main)
