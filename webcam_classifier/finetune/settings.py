"""The settings of fine-tuning, with their defaults and checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from webcam_classifier.errors import UserError

ViewKind = Literal["strong", "colour", "none"]


@dataclass(frozen=True)
class FinetuneSettings:
    """How to train.

    Attributes:
        backbone: One of `network.BACKBONES`.
        input_size: The side of the square picture, in pixels.
        epochs: How often each picture is seen.
        batch_size: Pictures for one step, at least 2, of all processes together. If memory is short
            they go through the network in parts, which does not change the result.
        learning_rate: Of the pretrained layers, at its highest.
        optimizer: `adamw`, or `sgd` with a momentum of 0.9.
        schedule: `one_cycle` rises and falls, `constant` stays.
        views: The augmentation: `strong`, with mixup; `colour` jitter; or `none`.
        ema: Whether the kept network is an exponential moving average of the steps.
        head_init: Whether it starts as the frozen network with a fitted head, whose learning rate
            is then higher than that of the other layers. Its embedding is normalised then, as a
            head's is.
        interpolation_weight: Of the trained network in the one that is kept, above 0, to 1; the
            rest is that start (weight interpolation, as in WiSE-FT). None chooses it on the
            validation pictures, the start itself included. Used with `head_init` alone.
        label_smoothing: Share of each target that is spread over all labels.
        freeze_backbone: Whether only the new classifier is trained, and the pretrained layers are
            frozen.
        hidden_units: Of each further layer in the new classifier, before its last one.
        dropout: Share of hidden units that are dropped in each step.
        patience: Epochs without a lower validation loss after which it stops; None never stops.
        mirrored: Whether half of the strong views are mirrored; not where labels are mirror images
            of each other.
        seed: Same seed, same network, on one machine's CPU.
        device: `cpu`, `cuda`, `mps`, or `auto` for the fastest there is.
    """

    backbone: str = "squeezenet1_1"
    input_size: int = 224
    epochs: int = 12
    batch_size: int = 16
    learning_rate: float = 3e-4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    views: ViewKind = "strong"
    ema: bool = True
    head_init: bool = True
    interpolation_weight: float | None = None
    label_smoothing: float = 0.1
    freeze_backbone: bool = False
    hidden_units: tuple[int, ...] = ()
    dropout: float = 0.0
    patience: int | None = None
    mirrored: bool = True
    seed: int = 0
    device: str = "auto"

    @property
    def normalised_embedding(self) -> bool:
        """Whether the new classifier begins with a normalised embedding, like a head."""
        return self.head_init and not self.hidden_units


def check_settings(settings: FinetuneSettings) -> None:
    """Refuse impossible settings.

    Raises:
        UserError: A number is out of its range.
    """
    if settings.epochs < 1:
        raise UserError(f"{settings.epochs} epochs train nothing. Give 1 or more.")
    if settings.batch_size < 2:
        raise UserError(f"A batch size of {settings.batch_size} is too small. Give 2 or more.")
    if settings.input_size < 32:
        raise UserError(f"{settings.input_size} pixels are too few. Give 32 or more.")
    if not 0.0 < settings.learning_rate < math.inf:
        raise UserError(
            f"A learning rate of {settings.learning_rate} trains nothing. Give one above 0, such "
            "as 0.0003."
        )
    if not 0.0 <= settings.label_smoothing < 1.0:
        raise UserError(
            f"A label smoothing of {settings.label_smoothing} leaves nothing of the labels. Give "
            "0, or a share below 1."
        )
    weight = settings.interpolation_weight
    if weight is not None and not 0.0 < weight <= 1.0:
        raise UserError(
            f"An interpolation weight of {weight} keeps nothing of the "
            "training, or more than there is. Give one above 0, to 1."
        )
    if not 0.0 <= settings.dropout < 1.0:
        raise UserError(
            f"A dropout of {settings.dropout} leaves no unit. Give 0, or a share below 1."
        )
    if any(units < 1 for units in settings.hidden_units):
        raise UserError(
            f"Hidden units of {settings.hidden_units} make no layer. Give 1 or more for each."
        )
    if settings.patience is not None and settings.patience < 1:
        raise UserError(f"A patience of {settings.patience} epochs is none. Give 1 or more.")
