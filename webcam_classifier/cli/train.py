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
    $ python train.py caltech101/ --recipe vgg16-frozen a classic tutorial

Pictures are expected in one folder for each label. A head is cross-validated: whole bursts are left
out in turn, and then it is trained on all; fine-tuning holds whole bursts back. A label's only
burst is cut in time, with a warning. A predefined split into train/ valid/ test/ is used
as it is. The result is models/NAME/model.onnx with its card, report.html, and metrics.json
with the same figures; fine-tuning adds checkpoint.safetensors, the trained parameters.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.backbone.load import (
    Backbone,
    is_only_frozen,
    load_backbone,
)
from webcam_classifier.backbone.optional_torch import has_torch, needing_torch
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import decide_crop
from webcam_classifier.cli.events import progress_in_file
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.output_arguments import model_folder
from webcam_classifier.cli.train_arguments import build_train_parser, parse_train_arguments
from webcam_classifier.command_names import as_installed
from webcam_classifier.dataset.category_names import display_names, read_category_names
from webcam_classifier.dataset.describe_split import describe_split
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.label_names import ambiguous_names
from webcam_classifier.dataset.labelled_pictures import (
    LabelledPictures,
    check_enough,
    describe_skipped,
    existing,
    labelled_pictures,
    load_labelled_pictures,
    own_test_part,
)
from webcam_classifier.dataset.nested_labels import describe_nested
from webcam_classifier.dataset.picture_images import ImageMemory
from webcam_classifier.dataset.reading import read_pictures
from webcam_classifier.dataset.split import SHARES
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.model_evaluation import check_labels
from webcam_classifier.finetune.distributed import (
    PartIsDoneError,
    rank,
    silence_other_ranks,
)
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.head.embedded_dataset import EmbeddedDataset, embedded_dataset
from webcam_classifier.head.mirror_check import check_mirroring
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.progress import Stage, tell, track
from webcam_classifier.storage import check_writable, recover_folder
from webcam_classifier.training.auto import AutoTrainer
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


@silence_other_ranks()
@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Read the pictures, train, measure, and write the model."""
    options = parse(arguments)
    let_threads_sleep()
    command = command_of(sys.argv[1:] if arguments is None else arguments)
    with (
        # Matrices of a head are small: two threads took 1.6 times as long as one on a busy machine.
        threadpool_limits(limits=1, user_api="blas"),
        progress_in_file(options.progress if rank() == 0 else None),
        contextlib.suppress(PartIsDoneError),
    ):
        train_and_write(options, command)


def let_threads_sleep() -> None:
    """Make torch's threads sleep instead of spin while they wait, unless the user chose otherwise.

    On a busy machine, a spinning thread takes the CPU from the thread it waits for: a step took
    65 ms a picture, and 26 ms with this. It must be set before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def train_and_write(options: argparse.Namespace, command: str) -> None:
    """Train as asked for, and write the model.

    Args:
        options: From `parse`.
        command: The command line that repeats it, for the report.
    """
    started = time.monotonic()
    output = model_folder(options.output, options.dataset)
    check_writable(output)
    recover_folder(output)
    former = FormerModel.in_folder(output)
    if options.output is None:
        check_same_project(output, options.dataset)
    if options.compared:
        take_best_backbone(options)
    # Before the pictures are read, so that what is missing is reported at once.
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
    """Compare the available networks, print the result, and put the best into the options."""
    dataset = Dataset(existing(options.dataset))
    dataset.refresh()
    dataset.crop = decide_crop(options.crop, dataset)
    choice = choose_backbone(
        dataset,
        options.compared,
        latency=options.latency or HALF_A_FRAME,
        input_size=options.input_size,
        seed=options.seed,
        mirror=options.mirror,
        measured_only=options.measured_only,
    )
    print(choice.describe())
    options.backbone, options.input_size = choice.chosen.name, choice.chosen.input_size
    if options.minutes and is_only_frozen(options.backbone):
        print(
            f"fine-tuning is not tried: the layers of {options.backbone} can't be trained here. "
            "Name another network with --backbone for that."
        )


def embed(options: argparse.Namespace, dataset: Dataset, backbone: Backbone) -> bool:
    """Embed all pictures; the memory of the network is freed afterwards.

    Returns:
        Whether augmented views are mirrored.
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
    """Return whether views may be mirrored: from the command line, or measured and printed."""
    if options.mirror != "auto":
        return bool(options.mirror == "on")
    decision = check_mirroring(dataset, embedder)
    print(decision.describe())
    return decision.mirrored


def plan(
    options: argparse.Namespace, pictures: LabelledPictures, command: str, started: float
) -> TrainingTask:
    """Decide which pictures are for training and which for testing, and print that.

    Args:
        options: From `parse`.
        pictures: All pictures of the data set.
        command: The command line that repeats it.
        started: When the command started, in seconds on the monotonic clock.

    Raises:
        UserError: The category names belong to other labels, or the test set has other labels or
            shares pictures with the data set.
    """
    if options.category_names is not None:
        names = read_category_names(options.category_names)
        pictures = dataclasses.replace(pictures, category_names=names)
    display_names(pictures.labels, pictures.category_names)  # raises if they belong to other labels
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
    nested = describe_nested(pictures)
    if nested:
        print(nested)
    for sentence in ambiguous_names(pictures.labels):
        print(f"warning: {sentence}")
    return task


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    return parse_train_arguments(build_parser(), arguments)


def build_parser() -> CommandParser:
    """Build the parser of the command."""
    return build_train_parser(__doc__ or "")


def command_of(arguments: Sequence[str]) -> str:
    """Return the command line, without the --progress that a program adds to follow it."""
    kept = [one for one in arguments if not one.startswith("--progress=")]
    if "--progress" in kept:
        place = kept.index("--progress")
        del kept[place : place + 2]
    return f"{as_installed('python train.py')} {shlex.join(kept)}".rstrip()


def check_apart(pictures: LabelledPictures, test_pictures: LabelledPictures) -> None:
    """Refuse a test set that shares pictures with the data set."""
    common = len(set(pictures.content_hashes) & set(test_pictures.content_hashes))
    if common:
        raise UserError(
            f"{common} pictures of {test_pictures.folder} are in {pictures.folder} as well, so "
            "they can't be tested on. Remove them from one of the two."
        )


def prepare_backbone(options: argparse.Namespace) -> Backbone | None:
    """Load the frozen network; None if training does not start with one."""
    if options.mode == "finetune":
        head_init = training_settings(options).head_init
        if options.weights == "none" or not head_init or rank() > 0:
            return None
    return load_backbone(options.backbone, options.weights, options.input_size)


def prepare_training(
    options: argparse.Namespace,
) -> Callable[[TrainingTask, EmbeddedDataset | None], TrainingResult]:
    """Load the pretrained weights, and return the function that trains with them."""
    if options.mode == "head" or (options.mode == "auto" and is_only_frozen(options.backbone)):
        return lambda task, embedded: train_head(task, needed(embedded))
    settings = training_settings(options)
    if options.mode == "finetune":
        return functools.partial(finetune_or_head, trainer_of(options, settings))
    build = functools.partial(trainer_of, options, settings) if has_torch() else None
    auto = AutoTrainer(build, options.minutes, settings.epochs)
    return lambda task, embedded: auto.train(task, needed(embedded))


def trainer_of(options: argparse.Namespace, settings: FinetuneSettings) -> LayerTrainer:
    """Return the trainer of layers, with torch, the device and the pretrained weights."""
    with needing_torch("Fine-tuning"):
        from webcam_classifier.finetune.layer_trainer import Resumption, prepare_finetune
    resumption = Resumption(model_folder(options.output, options.dataset), options.resume)
    return prepare_finetune(settings, options.weights, resumption)


def training_settings(options: argparse.Namespace) -> FinetuneSettings:
    """Return the settings for training layers: the recipe's, overridden by the command line."""
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
    """Return the embeddings of the pictures, which must exist."""
    if embedded is None:
        raise RuntimeError("the pictures were not embedded")
    return embedded
