"""Train a network on the snapshots, and write one ONNX file that holds everything.

    $ python train.py                                   with dataset/: a head, or more if worth it
    $ python train.py --minutes 3                       tries fine-tuning as well, keeps the better
    $ python train.py pictures/ --output models/fruit
    $ python train.py --mode finetune --epochs 12       all layers, with torch
    $ python train.py --mode finetune --resume          continue after an interruption
    $ torchrun --nproc-per-node 2 train.py --mode finetune     on two graphics cards
    $ python train.py --backbone resnet18               features of another network
    $ python train.py --backbone auto --latency 10      of the best one that takes 10 ms here
    $ python train.py --test-dataset other_room/        measure on pictures from elsewhere
    $ python train.py caltech101/ --recipe vgg16-frozen a classic tutorial, whole

Pictures are expected in one folder for each label. A head is cross-validated: whole bursts are left
out in turn, and then it is trained on all; fine-tuning holds whole bursts back. A label's only
burst is cut in time, with a warning. Folders that come split into train/ valid/ test/ are used
as they are. The result is models/NAME/model.onnx with its card, report.html, and metrics.json
with the same figures; fine-tuning adds checkpoint.safetensors, the trained parameters.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.backbone.load import (
    DEFAULT_BACKBONE,
    DEFAULT_INPUT_SIZE,
    WITHOUT_TORCH,
    Backbone,
    is_only_frozen,
    load_backbone,
    usual_input_size,
)
from webcam_classifier.backbone.optional_torch import has_torch, needing_torch
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import add_crop_argument, decide_crop
from webcam_classifier.cli.events import progress_in_file
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.list_recipes import ListRecipes
from webcam_classifier.cli.output_arguments import output_file
from webcam_classifier.command_names import as_installed
from webcam_classifier.dataset.category_names import display_names, read_category_names
from webcam_classifier.dataset.describe_split import describe_split
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import (
    LabelledPictures,
    check_enough,
    describe_skipped,
    existing,
    labelled_pictures,
    load_labelled_pictures,
    own_test_part,
)
from webcam_classifier.dataset.picture_images import ImageMemory
from webcam_classifier.dataset.reading import read_pictures
from webcam_classifier.dataset.split import SHARES
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.model_evaluation import check_labels
from webcam_classifier.finetune.distributed import (
    PartIsDoneError,
    rank,
    silence_other_ranks,
    world_size,
)
from webcam_classifier.finetune.recipes import RECIPES, find_recipe
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.head.embedded_dataset import EmbeddedDataset, embedded_dataset
from webcam_classifier.head.mirror_check import check_mirroring
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.progress import Stage, tell, track
from webcam_classifier.storage import check_writable, recover_folder
from webcam_classifier.training.auto import AutoTrainer
from webcam_classifier.training.auto_mode import DEFAULT_MINUTES
from webcam_classifier.training.choose_backbone import HALF_A_FRAME, choose_backbone
from webcam_classifier.training.evaluate_and_save import (
    describe_training,
    evaluate_and_save,
    training_result,
)
from webcam_classifier.training.finetune_layers import finetune_or_head
from webcam_classifier.training.former_model import FormerModel
from webcam_classifier.training.same_project import check_same_project
from webcam_classifier.training.train_head import train_head

if TYPE_CHECKING:
    from webcam_classifier.finetune.layer_trainer import LayerTrainer

AUTO = "auto"  # in the place of a network's name


@silence_other_ranks()
@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Read the pictures, train, measure, and write the model."""
    options = parse(arguments)
    let_threads_sleep()
    command = command_of(sys.argv[1:] if arguments is None else arguments)
    with (
        progress_in_file(options.progress if rank() == 0 else None),
        contextlib.suppress(PartIsDoneError),
    ):
        train_and_write(options, command)


def let_threads_sleep() -> None:
    """Have torch's threads sleep where one waits for another, not spin, unless the user chose.

    Where other programs have work too, a thread that spins takes the processor from the one that
    it waits for: a step took 65 ms a picture, and 26 ms with this. It counts until torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def train_and_write(options: argparse.Namespace, command: str) -> None:
    """Do what was asked for.

    Args:
        options: From `parse`.
        command: How to do it again.
    """
    started = time.monotonic()
    output = output_folder(options)
    check_writable(output)
    recover_folder(output)
    former = FormerModel.in_folder(output)
    if options.output is None:
        check_same_project(output, options.dataset)
    if options.backbone == AUTO:
        take_best_backbone(options)
    # What can't be had is said before pictures are read.
    backbone = prepare_backbone(options)
    train = prepare_training(options)
    dataset, memory = Dataset(existing(options.dataset)), ImageMemory()
    dataset.refresh()
    check_enough(dataset)
    dataset.crop = decide_crop(options.crop, dataset)
    if dataset.crop is not None:
        print(f"learns from {dataset.crop.describe()}")
    mirrored = options.mirror != "off"
    if backbone is None:
        reading = read_pictures(dataset, options.input_size, memory)
        for _ in track(Stage.READ, reading, len(dataset)):
            pass
    else:
        mirrored = embed(options, dataset, backbone)
    pictures = labelled_pictures(dataset, options.input_size, memory)
    if pictures.skipped:
        print(describe_skipped(pictures.skipped))
    check_enough(dataset)
    task = dataclasses.replace(plan(options, pictures, command, started), mirrored=mirrored)
    embedded = None
    if backbone is not None:
        embedded = embedded_dataset(dataset, backbone, task.test_pictures)
    findings = evaluate_and_save(task, train(task, embedded), embedded, output, former=former)
    print(as_installed(describe_training(findings, output)))
    tell(training_result(findings, output))


def take_best_backbone(options: argparse.Namespace) -> None:
    """Compare the networks at hand, print what came out, and put the best into the options."""
    dataset = Dataset(existing(options.dataset))
    dataset.refresh()
    dataset.crop = decide_crop(options.crop, dataset)
    choice = choose_backbone(
        dataset,
        WITHOUT_TORCH,
        latency=options.latency or HALF_A_FRAME,
        input_size=options.input_size,
        seed=options.seed,
        mirror=options.mirror,
        measured_only=options.measured_only,
    )
    print(choice.describe())
    options.backbone, options.input_size = choice.chosen.name, choice.chosen.input_size


def embed(options: argparse.Namespace, dataset: Dataset, backbone: Backbone) -> bool:
    """Embed all pictures; the memory that the network ran in is free afterwards.

    Returns:
        Whether views are mirrored.
    """
    embedder = Embedder(backbone, dataset, seed=options.seed)
    embedder.load_cached(dataset.ordered())
    mirrored = decide_mirroring(options, dataset, embedder)
    embedder.adapt(mirrored)
    for _ in track(Stage.EMBED, embedder.embed_all(), len(dataset)):
        pass
    embedder.prune()
    return mirrored


def decide_mirroring(options: argparse.Namespace, dataset: Dataset, embedder: Embedder) -> bool:
    """Whether views may be mirrored: as the command line says, else measured and printed."""
    if options.mirror != "auto":
        return bool(options.mirror == "on")
    decision = check_mirroring(dataset, embedder)
    print(decision.describe())
    return decision.mirrored


def plan(
    options: argparse.Namespace, pictures: LabelledPictures, command: str, started: float
) -> TrainingTask:
    """Say what is learnt from and what measures, and print it.

    Args:
        options: From `parse`.
        pictures: All of the data set.
        command: How to do it again.
        started: When the command started, seconds on the monotonic clock.

    Raises:
        UserError: The category names are those of other labels, or a test set has other labels or
            pictures that are learnt from.
    """
    if options.category_names is not None:
        names = read_category_names(options.category_names)
        pictures = dataclasses.replace(pictures, category_names=names)
    display_names(pictures.labels, pictures.category_names)  # refuses those of other labels
    test_pictures = None
    if options.test_dataset is not None:
        test_pictures = own_test_part(
            load_labelled_pictures(options.test_dataset, options.input_size, pictures.crop)
        )
        if test_pictures.skipped:
            print(describe_skipped(test_pictures.skipped))
        check_labels(test_pictures, pictures.labels)
        check_apart(pictures, test_pictures)
    shares = options.recipe.shares if options.recipe else SHARES
    split, facts = split_data_set(pictures, test_pictures is None, shares)
    task = TrainingTask(
        pictures=pictures,
        split=split,
        test_pictures=test_pictures,
        backbone=options.backbone,
        input_size=options.input_size,
        seed=options.seed,
        measured_only=options.measured_only or split.test_is_given,
        started=started,
        facts=facts,
        command=command,
    )
    shown = task
    if task.is_cross_validated and options.mode != "finetune":
        shown = task.without_held_back()
    print(describe_split(shown.split, pictures.label_indices, pictures.labels))
    for line in facts.describe(pictures):
        print(line)
    return task


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.recipe is not None:  # what the command line says goes before the recipe
        recipe = options.recipe
        parser.set_defaults(
            mode=recipe.mode, backbone=recipe.backbone, input_size=recipe.input_size
        )
        options = parser.parse_args(arguments)
    of_finetuning = (
        "epochs", "batch_size", "patience", "interpolation_weight", "resume", "device",
    )  # fmt: skip
    given = [name for name in of_finetuning if getattr(options, name) != parser.get_default(name)]
    if options.mode == "head" and given:
        named = " and ".join("--" + name.replace("_", "-") for name in given)
        parser.error(f"{named} belong to --mode finetune: a head is fitted at once")
    if options.mode == "auto" and options.resume:
        parser.error("--resume continues --mode finetune: auto chooses again, by the time it has")
    if options.mode != "auto" and options.minutes is not None:
        parser.error("--minutes belongs to --mode auto: the other modes take the time they need")
    if options.mode != "finetune" and world_size() > 1:
        parser.error("torchrun starts several processes, which only --mode finetune can use")
    _check_backbone(parser, options)
    return options


def _check_backbone(parser: CommandParser, options: argparse.Namespace) -> None:
    """Refuse what does not go with the network, and take the input size that is usual for it."""
    if options.backbone != AUTO:
        options.input_size = options.input_size or usual_input_size(options.backbone)
        if options.latency is not None:
            parser.error("--latency belongs to --backbone auto, which chooses by it")
    elif options.mode == "finetune" or options.weights != "auto":
        parser.error("--backbone auto compares pretrained networks for a head: name the network")
    if is_only_frozen(options.backbone) and (options.mode == "finetune" or options.minutes):
        parser.error(f"the layers of {options.backbone} can't be trained here: take --mode head")


def build_parser() -> CommandParser:
    """Say what the command takes."""
    parser = CommandParser(__doc__ or "")
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
        help="the pretrained network: squeezenet1_1 (default), efficientnet_lite0, _lite1 or "
        "_lite2, or with torch by its torchvision name: alexnet, resnet18, mobilenet_v2, ...; "
        "squeezenet1_1+efficientnet_lite0 joins two of the same input size; auto "
        "compares those that need no torch on your pictures and this device, and takes the best",
    )
    add(
        "--latency",
        type=_milliseconds,
        metavar="MS",
        help="with --backbone auto: the most milliseconds that a picture may take (default: "
        f"{HALF_A_FRAME:.1f}, half a frame of thirty a second)",
    )
    add(
        "--mode",
        choices=("auto", "head", "finetune"),
        default="auto",
        help="auto (default): a head, and fine-tuning where it measurably helps and there is "
        "time; head: freeze the network and fit a classifier on its features, in seconds and "
        "without torch; finetune: train its layers too, in minutes and with torch",
    )
    add(
        "--minutes",
        type=_minutes,
        metavar="N",
        help="time that auto may take to train layers (default: none where a head does well, "
        f"else {DEFAULT_MINUTES:g})",
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
        metavar="PIXELS",
        help="side of the square picture that the network sees (default: what it was trained on, "
        f"{DEFAULT_INPUT_SIZE} for most); smaller is faster, larger sees smaller things",
    )
    add(
        "--epochs",
        type=_positive,
        metavar="N",
        help="passes over the pictures when fine-tuning (default: chosen for the mode)",
    )
    add(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="pictures for one step of fine-tuning, of all processes together (default: "
        f"{FinetuneSettings.batch_size}); where memory is short gradients are accumulated over "
        "parts of it, to the same result",
    )
    add(
        "--patience",
        type=_positive,
        metavar="N",
        help="stop fine-tuning after N epochs without a lower validation loss (default: never)",
    )
    add(
        "--interpolation-weight",
        type=_interpolation_weight,
        metavar="SHARE",
        help="how far fine-tuning goes from the head to the trained network, above 0, to 1, which "
        "keeps the trained network in any case (default: chosen on left-out pictures, 0 included)",
    )
    add(
        "--resume",
        action="store_true",
        help="continue an interrupted fine-tuning, to the same result as without the interruption",
    )
    add("--recipe", type=find_recipe, metavar="NAME",
        help="the settings of a classic tutorial, which other options override: "
        + ", ".join(recipe.name for recipe in RECIPES))  # fmt: skip
    add("--list-recipes", action=ListRecipes, nargs=0, help="explain the recipes, and exit")
    add("--category-names", type=Path, metavar="FILE",
        help="names that people use for the labels, as JSON: {\"21\": \"fire lily\"} (default: "
        "category_names.json in the data set, where there is one)")  # fmt: skip
    add("--mirror", choices=("auto", "on", "off"), default="auto",
        help="train on mirrored views as well; auto (default): unless that makes labels look the "
        "same, such as left and right, which is measured on your pictures")  # fmt: skip
    add_crop_argument(
        parser, "crop.json in the data set, where collect.py wrote one; 0,0,1,1 is all"
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
        help="test on these pictures instead of holding some of the data set back")  # fmt: skip
    add("--measured-only", action="store_true",
        help="hold a fifth of the pictures back, and write the model that was measured on them; "
        "without it a head is cross-validated, and trained on all pictures")  # fmt: skip
    add("--progress", type=output_file, metavar="FILE",
        help="append the progress to this file as lines of JSON, for programs; the result is "
        "among the events of python -m webcam_classifier.cli --events train")  # fmt: skip
    return parser


def command_of(arguments: Sequence[str]) -> str:
    """Return the command line, without what a program adds to it that follows the progress."""
    kept = list(arguments)
    if "--progress" in kept:
        place = kept.index("--progress")
        del kept[place : place + 2]
    return f"{as_installed('python train.py')} {shlex.join(kept)}".rstrip()


def output_folder(options: argparse.Namespace) -> Path:
    """The folder that the model is written to."""
    return options.output or Path("models") / (options.dataset.resolve().name or "model")


def check_apart(pictures: LabelledPictures, test_pictures: LabelledPictures) -> None:
    """Refuse a test set that holds pictures to be learnt from."""
    common = len(set(pictures.content_hashes) & set(test_pictures.content_hashes))
    if common:
        raise UserError(
            f"{common} pictures of {test_pictures.folder} are in {pictures.folder} as well, so "
            "they can't be tested on. Remove them from one of the two."
        )


def prepare_backbone(options: argparse.Namespace) -> Backbone | None:
    """Load the frozen network; None where training starts without one."""
    if options.mode == "finetune":
        head_init = training_settings(options).head_init
        if options.weights == "none" or not head_init or rank() > 0:
            return None
    return load_backbone(options.backbone, options.weights, options.input_size)


def prepare_training(
    options: argparse.Namespace,
) -> Callable[[TrainingTask, EmbeddedDataset | None], TrainingResult]:
    """Load the pretrained weights, and return what trains with them."""
    if options.mode == "head" or (options.mode == "auto" and is_only_frozen(options.backbone)):
        return lambda task, embedded: train_head(task, needed(embedded))
    settings = training_settings(options)
    if options.mode == "finetune":
        return functools.partial(finetune_or_head, trainer_of(options, settings))
    build = functools.partial(trainer_of, options, settings) if has_torch() else None
    auto = AutoTrainer(build, options.minutes, settings.epochs)
    return lambda task, embedded: auto.train(task, needed(embedded))


def trainer_of(options: argparse.Namespace, settings: FinetuneSettings) -> LayerTrainer:
    """Get hold of torch, the device and the pretrained weights."""
    with needing_torch("Fine-tuning"):
        from webcam_classifier.finetune.layer_trainer import Resumption, prepare_finetune
    resumption = Resumption(output_folder(options), options.resume)
    return prepare_finetune(settings, options.weights, resumption)


def training_settings(options: argparse.Namespace) -> FinetuneSettings:
    """The settings for training layers: the recipe's, overridden by the command line."""
    usual = (options.recipe and options.recipe.settings) or FinetuneSettings()
    return dataclasses.replace(
        usual,
        backbone=options.backbone,
        epochs=options.epochs or usual.epochs,
        batch_size=options.batch_size or usual.batch_size,
        patience=options.patience or usual.patience,
        interpolation_weight=options.interpolation_weight or usual.interpolation_weight,
        device=options.device,
    )


def needed(embedded: EmbeddedDataset | None) -> EmbeddedDataset:
    """The pictures' embeddings by the frozen network, where training needs them."""
    if embedded is None:
        raise RuntimeError("the pictures were not embedded")
    return embedded


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is not a time")
    return value


def _interpolation_weight(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{value} is not above 0 and at most 1")
    return value


def _milliseconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is not a time")
    return value


def _size(text: str) -> int:
    value = int(text)
    if not 64 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{value} is not between 64 and 1024 pixels")
    return value
