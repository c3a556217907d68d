"""How fine-tuning's recipe was chosen: accuracy on people, subjects and rooms it never saw.

    $ python -m benchmarks.finetune_recipe DATA

benchmarks/protocols.py says what DATA holds and what is held out. All of this takes hours on two
cores; `--recipes`, `--protocols`, `--seeds`, `--size` and `--epochs` make less of it.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.protocols import Fold, Protocol, all_protocols, load_folders
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.empty_labels import empty_labels
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.torch_weights import load_pretrained
from webcam_classifier.finetune.train_layers import train_layers
from webcam_classifier.finetune.training_inputs import LeftOutExamples
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare

_SOURCE_SIZE = 224  # pixels; pictures are kept large enough for this
_ASKED_AT_ONCE = 8
_OURS = FinetuneSettings()


@dataclass(frozen=True)
class Recipe:
    """What differs from ours.

    Attributes:
        settings: How to train; size, epochs and seed come from the command line.
        knows_rooms: Whether labels that name a room alone, such as `none`, keep their names.
            Without them nothing is put before a synthetic background.
        holds_back: Whether bursts are held back, as `train.py` does, and say how far to go from the
            head. Else everything is learnt from, and half of the way is gone where the settings
            name no other part.
    """

    settings: FinetuneSettings = _OURS
    knows_rooms: bool = True
    holds_back: bool = False


RECIPES = {
    "ours": Recipe(holds_back=True),
    "half of the way": Recipe(),
    "half of the way, rooms unknown": Recipe(knows_rooms=False),
    "all the way from the start": Recipe(FinetuneSettings(interpolation_weight=1.0)),
    "a quarter of the way": Recipe(FinetuneSettings(interpolation_weight=0.25)),
    "views in other colours only": Recipe(FinetuneSettings(views="colour")),
    "no views": Recipe(FinetuneSettings(views="none")),
    "the last step, no mean": Recipe(FinetuneSettings(ema=False)),
    "a random head at first": Recipe(FinetuneSettings(head_init=False)),
    "no smoothed labels": Recipe(FinetuneSettings(label_smoothing=0.0)),
    "a third of the rate": Recipe(FinetuneSettings(learning_rate=1e-4)),
}


@dataclass(frozen=True, eq=False)
class _Pictures:
    """What is trained on; see `random_views.Examples`."""

    images: tuple[BgrImage, ...]
    label_indices: NDArray[np.int64]


_NONE = np.empty(0, dtype=np.int64)
_NOTHING = LeftOutExamples((), _NONE, _NONE, np.empty(0, dtype=np.bool_))


def main() -> None:
    """Train with each recipe, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--protocols", nargs="+", help="by name, such as 'rooms 1>2'")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--size", type=int, default=FinetuneSettings.input_size)
    parser.add_argument("--epochs", type=int, default=FinetuneSettings.epochs)
    arguments = parser.parse_args()
    folders = load_folders(arguments.data, min(_SOURCE_SIZE, arguments.size))
    columns = _chosen(all_protocols(folders), arguments.protocols)
    pretrained = load_pretrained(FinetuneSettings.backbone, "auto")
    print(f"{'recipe':<30}" + "".join(f"{protocol.name:>16}" for protocol in columns), flush=True)
    for name in arguments.recipes:
        print(f"{name:<30}", end="", flush=True)
        for protocol in columns:
            found = []
            for seed in arguments.seeds:
                settings = dataclasses.replace(
                    RECIPES[name].settings,
                    input_size=arguments.size,
                    epochs=arguments.epochs,
                    seed=seed,
                )
                accuracies = [
                    _accuracy(folders, fold, settings, RECIPES[name], pretrained)
                    for fold in protocol.folds
                ]
                found.append(float(np.mean(accuracies)))
            print(f"{_describe(found):>16}", end="", flush=True)
        print(flush=True)


def _chosen(protocols: tuple[Protocol, ...], names: list[str] | None) -> list[Protocol]:
    by_name = {protocol.name: protocol for protocol in protocols}
    unknown = [name for name in names or () if name not in by_name]
    if unknown:
        raise UserError(f"There is no protocol {unknown[0]!r}. Choose among {', '.join(by_name)}.")
    return [by_name[name] for name in names or by_name]


def _accuracy(
    folders: dict[str, LabelledPictures],
    fold: Fold,
    settings: FinetuneSettings,
    recipe: Recipe,
    pretrained: PretrainedWeights,
) -> float:
    """Train and test; where nothing is held back, it is the last epoch that is tested."""
    learnt = folders[fold.training].at(fold.training_indices)
    asked = folders[fold.test].at(fold.test_indices)
    labels = learnt.labels if recipe.knows_rooms else _renamed(learnt.labels)
    training, left_out = _Pictures(tuple(learnt.images), learnt.label_indices), _NOTHING
    if recipe.holds_back:
        split, _ = split_data_set(learnt, False)
        own, held_back = learnt.at(split.training), learnt.at(split.validation)
        training = _Pictures(tuple(own.images), own.label_indices)
        left_out = LeftOutExamples(
            tuple(held_back.images),
            held_back.label_indices,
            split.bursts[split.validation],
            split.independent_labels(learnt.labels)[held_back.label_indices],
        )
    network = train_layers(training, left_out, labels, pretrained, settings).network
    answers = []
    with torch.inference_mode():
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            images = asked.images[start : start + _ASKED_AT_ONCE]
            pixels = np.stack([prepare(image, settings.input_size) for image in images])
            answers.append(network(torch.from_numpy(pixels)).argmax(dim=1).numpy())
    return float((np.concatenate(answers) == asked.label_indices).mean())


def _renamed(labels: tuple[str, ...]) -> tuple[str, ...]:
    rooms = empty_labels(labels)
    return tuple(f"label {place}" if place in rooms else name for place, name in enumerate(labels))


def _describe(found: list[float]) -> str:
    """The mean, and half the range where there are several seeds."""
    if len(found) == 1:
        return f"{found[0]:.3f}"
    return f"{np.mean(found):.3f}+-{(max(found) - min(found)) / 2:.3f}"


if __name__ == "__main__":
    run_script(main)
