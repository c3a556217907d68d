"""What fine-tuning gains over the head, on people, rooms, subjects and photographs it never saw.

    $ python -m benchmarks.finetune_gain DATA masks:0 flowers digits:1
    $ python -m benchmarks.finetune_gain DATA digits:0 --left-out 1 4 7
    $ python -m benchmarks.finetune_gain DATA together --epochs 4
    $ python -m benchmarks.finetune_gain DATA digits:0 --classic

A case is a protocol of benchmarks/protocols.py with the number of one of its folds (all of them
without it), or `together`: thumbs, rooms, digits, masks and flowers in one model, asked about other
people, rooms, subjects and photographs: a set of nearly two thousand pictures. Each trains as
`train.py --mode finetune` does, holds recordings back, chooses by them how far to go, and is asked
at each quarter of the way. `written` is what train.py would write: the head on all pictures where
the head was chosen. AUROC is that of the score of novelty, which is fitted on the frozen embedding
for the head, and on the tuned one elsewhere: it tells pictures of known labels from those of labels
that were left out, of other data sets, and of nothing. Seconds are the processor's;
`OMP_WAIT_POLICY=PASSIVE` in the environment lets threads sleep that wait, as train.py does.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.finetune_cases import TOGETHER, Case, cases, numbers_of
from benchmarks.protocols import FOLDERS, THINGS, load_folders
from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.load import Backbone, load_backbone
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.split import Split
from webcam_classifier.evaluation.intervals import burst_interval
from webcam_classifier.finetune.device import choose_device
from webcam_classifier.finetune.evaluate import layer_inputs
from webcam_classifier.finetune.interpolation import WEIGHTS, WeightComparison, compare_weights
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.network import build_network, output_layer
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.process_group import join_process_group
from webcam_classifier.finetune.run import FinetuneRun
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.torch_weights import load_pretrained
from webcam_classifier.finetune.training_inputs import LeftOutExamples, gather_training_inputs
from webcam_classifier.frame import BgrImage
from webcam_classifier.head.cross_validation import calibrated_head, fit_calibrated
from webcam_classifier.head.embedded_dataset import EmbeddedDataset, embed_labelled_pictures
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.novelty import UNKNOWN_THRESHOLD, Novelty, fit_novelty
from webcam_classifier.preprocess import prepare
from webcam_classifier.training.paired_comparison import compare_paired

_AT_ONCE = 16

CLASSIC = FinetuneSettings(
    epochs=8,
    input_size=160,
    batch_size=8,
    learning_rate=1e-3,
    optimizer="sgd",
    schedule="constant",
    views="colour",
    ema=False,
    head_init=False,
    label_smoothing=0.0,
    interpolation_weight=1.0,
)
"""The tutorials' way: plain SGD from a random last layer on, all layers, colours jittered."""

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network says.

    Attributes:
        right: (asked,) bool.
        scores: (asked,) of novelty; none where it was not asked for.
        unknown: By kind, the same of what is unknown.
    """

    right: NDArray[np.bool_]
    scores: Values
    unknown: Mapping[str, Values]


def main() -> None:
    """Train each case, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("cases", nargs="+", metavar="CASE", help="such as 'rooms 1>2' or digits:1")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=FinetuneSettings.epochs)
    parser.add_argument("--learning-rate", type=float, default=FinetuneSettings.learning_rate)
    parser.add_argument("--left-out", nargs="+", default=[], metavar="LABEL",
        help="labels that are not taught, and asked as unknown ones")  # fmt: skip
    parser.add_argument("--classic", action="store_true",
        help="the tutorials' recipe, 8 epochs at 160 pixels, in place of ours")  # fmt: skip
    options = parser.parse_args()
    size = FinetuneSettings.input_size
    folders = load_folders(options.data, size, (*FOLDERS, *THINGS))
    backbone = load_backbone(FinetuneSettings.backbone, "auto", size)
    pretrained = load_pretrained(FinetuneSettings.backbone, "auto")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(folders, options.cases, options.left_out, Path(folder)):
            for seed in options.seeds:
                if options.classic:
                    print_classic(case, pretrained, seed)
                else:
                    settings = FinetuneSettings(
                        epochs=options.epochs, learning_rate=options.learning_rate, seed=seed
                    )
                    print_case(case, backbone, pretrained, settings)


def print_case(
    case: Case, backbone: Backbone, pretrained: PretrainedWeights, settings: FinetuneSettings
) -> None:
    """Train head and layers, ask both, and print a table."""
    started = time.process_time()
    embedded = embed_labelled_pictures(case.training, backbone, seed=settings.seed, test=case.test)
    head = ask_head(case, embedded, backbone)
    head_seconds = time.process_time() - started
    split, _ = split_data_set(case.training, hold_test=False)
    started = time.process_time()
    run = finetune(case, split, embedded, pretrained, settings)
    choice = run.choice
    seconds = time.process_time() - started
    print(
        f"\n{case.name}, seed {settings.seed}, {settings.epochs} epochs, rate "
        f"{settings.learning_rate:g}: {len(case.training)} "
        f"pictures taught, {len(split.training)} of them to the layers ({run.steps} steps), "
        f"{len(case.test)} asked; head {head_seconds:.0f} s, fine-tuning {seconds:.0f} s"
    )
    print("chosen:", choice, flush=True)
    bursts = test_bursts(embedded)
    for compared in run.left_out():
        print(
            f"left out, {compared.weight:.0%} of the way: {compared.right} right, lead "
            f"{compared.lead:.4f} ± {compared.noise:.4f} nats a burst"
        )
    rows = {"head": head}
    rows |= {f"{weight:.0%} of the way": run.at(weight) for weight in WEIGHTS}
    rows["written"] = head if choice == 0.0 else rows[f"{choice:.0%} of the way"]
    for name, answers in rows.items():
        print(f"| {case.name} | {name} | {describe(answers, head, bursts)} |", flush=True)
        if case.name == TOGETHER:
            print(describe_kinds(case, answers), flush=True)


def describe(answers: Answers, head: Answers, bursts: NDArray[np.int64]) -> str:
    """The cells of a row."""
    right = answers.right
    _, numbers = np.unique(bursts, return_inverse=True)
    counts = np.stack([np.bincount(numbers, weights=right), np.bincount(numbers)], axis=1)
    ends = burst_interval(counts.astype(np.int64))
    interval = "-" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
    compared = compare_paired(head.right, right, bursts)
    cells = [
        f"{right.mean():.3f}", interval, f"{right.sum()} of {right.size}",
        f"better on {compared.better}, worse on {compared.worse}",
    ]  # fmt: skip
    if answers.scores.size:
        shown = answers.scores <= UNKNOWN_THRESHOLD
        cells.append(f"shown right {float((right & shown).mean()):.2f}")
    for kind, scores in answers.unknown.items():
        truths = np.repeat([0, 1], [len(answers.scores), len(scores)])
        auroc = roc_auc_score(truths, np.concatenate([answers.scores, scores]))
        passing = float((scores <= UNKNOWN_THRESHOLD).mean())
        cells.append(f"{kind}: AUROC {auroc:.3f}, shown {passing:.2f}")
    return " | ".join(cells)


def describe_kinds(case: Case, answers: Answers) -> str:
    """How many of each kind of data are right, in `together`."""
    kinds = np.array([Path(name).parts[0].split()[0] for name in case.test.names])
    parts = [
        f"{kind} {answers.right[kinds == kind].sum()} of {(kinds == kind).sum()}"
        for kind in np.unique(kinds)
    ]
    return ", ".join(parts)


def test_bursts(embedded: EmbeddedDataset) -> NDArray[np.int64]:
    """The bursts of the pictures that are asked about."""
    if embedded.elsewhere is None:
        raise ValueError("nothing was asked")
    return embedded.elsewhere.bursts


def ask_head(case: Case, embedded: EmbeddedDataset, backbone: Backbone) -> Answers:
    """What the head on all pictures says."""
    if embedded.elsewhere is None:
        raise ValueError("nothing was asked")
    head, novelty = fit_calibrated(embedded.views, len(case.training.labels))
    asked = embedded.elsewhere.embeddings
    right = head.logits(asked).argmax(axis=1) == embedded.elsewhere.label_indices
    extractor, size = FeatureExtractor(backbone.features), backbone.input_size
    unknown = {
        kind: novelty.scores(extractor.embed(prepare(image, size) for image in images))
        for kind, images in case.unknown.items()
    }
    return Answers(right, novelty.scores(asked), unknown)


@dataclass(frozen=True, eq=False)
class Tuned:
    """A trained network, with the way to it.

    Attributes:
        case: What it was trained on.
        split: What of that it learnt from.
        run: The training.
        choice: How far of the way was chosen.
        steps: How many steps it took.
    """

    case: Case
    split: Split
    run: FinetuneRun
    choice: float
    steps: int

    def at(self, weight: float) -> Answers:
        """What the network says at some point of the way."""
        layers = self.run.ema.interpolated(weight)
        training = self._embed(layers, self.case.training.images)
        views = EmbeddedViews(
            training, self.case.training.label_indices, self.split.bursts,
            np.ones(len(training), dtype=np.bool_),
        )  # fmt: skip
        held_out = views.of(self.split.validation)
        count = len(self.case.training.labels)
        novelty: Novelty = fit_novelty(views.of(self.split.training), count, held_out)
        asked = self._embed(layers, self.case.test.images)
        truths = numbers_of(self.case.test, self.case.training.labels)
        unknown = {
            kind: novelty.scores(self._embed(layers, images))
            for kind, images in self.case.unknown.items()
        }
        right = logits_from(asked, layers).argmax(axis=1) == truths
        return Answers(right, novelty.scores(asked), unknown)

    def left_out(self) -> tuple[WeightComparison, ...]:
        """How each weight compares with the start, on what was held back to choose by."""
        asked = self.case.training.at(self.split.validation)
        logits = []
        for weight in (0.0, *WEIGHTS):
            layers = self.run.ema.interpolated(weight)
            logits.append(logits_from(self._embed(layers, asked.images), layers))
        bursts = self.split.bursts[self.split.validation]
        return compare_weights(logits[0], logits[1:], asked.label_indices, bursts)

    def _embed(self, layers: torch.nn.Module, images: Sequence[BgrImage]) -> Values:
        return last_inputs(layers, images, self.run.settings.input_size)


def last_inputs(layers: torch.nn.Module, images: Sequence[BgrImage], size: int) -> Values:
    """What a network's last layer takes, (images, features)."""

    def some(places: range) -> torch.Tensor:
        return torch.from_numpy(np.stack([prepare(images[place], size) for place in places]))

    found = layer_inputs(
        output_layer(layers), layers, some, len(images), MicroBatch(_AT_ONCE), torch.device("cpu")
    )
    return np.asarray(found.numpy(), dtype=np.float32)


def logits_from(asked: Values, layers: torch.nn.Module) -> Values:
    """What a network's last layer makes of `last_inputs`, (images, labels)."""
    last = output_layer(layers)
    weights, bias = last.weight.detach().numpy(), last.bias.detach().numpy()
    return np.asarray(asked @ weights.T + bias, dtype=np.float32)


def finetune(
    case: Case,
    split: Split,
    embedded: EmbeddedDataset | None,
    pretrained: PretrainedWeights,
    settings: FinetuneSettings,
) -> Tuned:
    """Train as `train.py --mode finetune` does, and keep the whole way; see `train_layers`."""
    labels = case.training.labels
    torch.manual_seed(settings.seed)
    head = None
    if embedded is not None and settings.normalised_embedding:
        head = calibrated_head(embedded.of(split.training), len(labels))
    layers = build_network(
        settings.backbone, len(labels), pretrained,
        normalised_embedding=settings.normalised_embedding,
    )  # fmt: skip
    held_back = case.training.at(split.validation)
    left_out = LeftOutExamples(
        held_back.images,
        held_back.label_indices,
        split.bursts[split.validation],
        split.independent_labels(labels)[held_back.label_indices],
    )
    own = case.training.at(split.training)
    inputs = gather_training_inputs(own, left_out, labels, settings)
    device = choose_device("cpu")
    with join_process_group(device) as group:
        network = PixelNetwork(layers)
        run = FinetuneRun(network, True, inputs, settings, group, None, head)
        result = run.train()
    weight = 1.0
    if result.interpolation is not None:
        weight = result.interpolation.weight
        print(result.interpolation)
    return Tuned(case, split, run, weight, run.steps)


def print_classic(case: Case, pretrained: PretrainedWeights, seed: int) -> None:
    """Train by the tutorials' recipe on all pictures, and print what it gets right."""
    everything = np.arange(len(case.training))
    split, _ = split_data_set(case.training, hold_test=False)
    nothing = np.zeros(0, dtype=np.int64)
    whole = dataclasses.replace(split, training=everything, validation=nothing)
    settings = dataclasses.replace(CLASSIC, seed=seed)
    started = time.process_time()
    tuned = finetune(case, whole, None, pretrained, settings)
    seconds = time.process_time() - started
    layers = tuned.run.ema.interpolated(1.0)
    asked = last_inputs(layers, case.test.images, settings.input_size)
    right = logits_from(asked, layers).argmax(axis=1) == numbers_of(case.test, case.training.labels)
    print(
        f"| {case.name} | the tutorials' recipe, {settings.epochs} epochs at "
        f"{settings.input_size} pixels, seed {seed} | {right.mean():.3f} | {right.sum()} of "
        f"{right.size} | {tuned.steps} steps | {seconds:.0f} s |",
        flush=True,
    )


if __name__ == "__main__":
    run_script(main)
