"""The classic tutorials as presets: `python train.py FOLDER --recipe NAME`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import Literal

from webcam_classifier.dataset.split import SHARES, Shares
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.settings import FinetuneSettings


@dataclass(frozen=True)
class Recipe:
    """One tutorial's settings, which other options of the command line override.

    Attributes:
        name: For `--recipe`.
        summary: What it does and with which pictures, in a few sentences.
        mode: Whether a head is fitted or layers are trained.
        backbone: torchvision's name of the network.
        input_size: The side of the square picture, in pixels.
        shares: Of training, validation and test, if the folder has no predefined split.
        settings: How layers are trained, if they are; backbone and input size are those above.
    """

    name: str
    summary: str
    mode: Literal["head", "finetune"]
    backbone: str
    input_size: int = 224
    shares: Shares = SHARES
    settings: FinetuneSettings | None = None


_AS_TUTORIALS_DO = FinetuneSettings(
    learning_rate=0.001,
    schedule="constant",
    ema=False,
    head_init=False,
    label_smoothing=0.0,
)
"""One rate from the first to the last step, from a random last layer on."""

RECIPES = (
    Recipe(
        name="thumbs-alexnet",
        summary="The robot notebooks' way: AlexNet with its last layer swapped for your labels, "
        "and every layer trained with plain SGD (rate 0.001, momentum 0.9) on pictures in "
        "slightly changed colours. For a few hundred snapshots of thumbs up and down, or of a "
        "free and a blocked way.",
        mode="finetune",
        backbone="alexnet",
        settings=replace(
            _AS_TUTORIALS_DO,
            epochs=30,
            batch_size=8,
            optimizer="sgd",
            views="colour",
        ),
    ),
    Recipe(
        name="vgg16-frozen",
        summary="VGG-16 with a frozen body and a new classifier of two layers (256 hidden units, "
        "dropout 0.4), stopped when the validation loss falls no more. The folder's own train, "
        "valid and test parts are used; one without them is split 50/25/25. For many labels "
        "of everyday things, such as Caltech-101.",
        mode="finetune",
        backbone="vgg16",
        shares=(0.5, 0.25, 0.25),
        settings=replace(
            _AS_TUTORIALS_DO,
            epochs=30,
            batch_size=32,
            freeze_backbone=True,
            hidden_units=(256,),
            dropout=0.4,
            patience=5,
        ),
    ),
    Recipe(
        name="flowers",
        summary="VGG-13 with a frozen body and 512 hidden units. For labels that are numbers, "
        "with a category_names.json or cat_to_name.json in the folder that says what they "
        "mean, such as the 102 flowers.",
        mode="finetune",
        backbone="vgg13",
        settings=replace(
            _AS_TUTORIALS_DO,
            epochs=20,
            batch_size=32,
            freeze_backbone=True,
            hidden_units=(512,),
            dropout=0.5,
            patience=5,
        ),
    ),
    Recipe(
        name="last-layer",
        summary="Every pretrained layer stays as it is, and a last one is fitted on top, in "
        "seconds and without torch. For two labels and a few hundred pictures, such as dogs and "
        "cats.",
        mode="head",
        backbone="squeezenet1_1",
    ),
)


def find_recipe(name: str) -> Recipe:
    """Find a recipe by its name.

    Raises:
        UserError: There is none of this name.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    known = ", ".join(recipe.name for recipe in RECIPES)
    raise UserError(
        f"There is no recipe {name!r}. The recipes are {known}; --list-recipes explains them."
    )


def describe_recipes() -> str:
    """Explain all recipes, for the terminal."""
    paragraphs = []
    for recipe in RECIPES:
        facts = f"{recipe.backbone} at {recipe.input_size} pixels, --mode {recipe.mode}"
        if recipe.settings is not None:
            facts += f", up to {recipe.settings.epochs} epochs"
        text = textwrap.fill(recipe.summary, 92, initial_indent="    ", subsequent_indent="    ")
        paragraphs.append(f"{recipe.name}  ({facts})\n{text}")
    paragraphs.append("python train.py FOLDER --recipe NAME; other options overrule the recipe's.")
    return "\n\n".join(paragraphs)
