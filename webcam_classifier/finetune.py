"""Train the layers of a pretrained network themselves on the user's pictures.

First a new head is fitted on the frozen network's embeddings, so that the first steps through
the whole network don't tear its layers apart with a random head's errors. Then all layers are
trained together, the pretrained ones in small steps, on random views of the pictures.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from webcam_classifier.errors import UserError
from webcam_classifier.finetune_views import Examples, RandomViews
from webcam_classifier.frame import BgrImage
from webcam_classifier.linear_fit import fit_linear
from webcam_classifier.network import PixelNetwork, build_network, output_layer
from webcam_classifier.preprocess import prepare
from webcam_classifier.torch_device import choose_device
from webcam_classifier.weights import PretrainedWeights

_HEAD_RATE = 200.0  # the head's rate, in multiples of the others' and of its own weights' size
_WEIGHT_DECAY = 0.01
_LABEL_SMOOTHING = 0.1
_LARGEST_GRADIENT = 5.0  # norm; a single strange picture can't throw the network off
_WARM_UP = 0.2  # share of all steps in which the rate rises
_AVERAGE_DECAY = 0.97  # the kept network is a mean over about the last 33 steps: less noise
_HEAD_VIEWS = 2  # of each picture, for the first fit of the head


@dataclass(frozen=True)
class FinetuneSettings:
    """How to train.

    Attributes:
        backbone: One of `network.BACKBONES`.
        input_size: The side of the square picture, in pixels.
        epochs: How often each picture is seen, each time in another view.
        batch_size: Pictures for one step, at least 2.
        learning_rate: Of the pretrained layers, at its highest.
        seed: Same seed, same network, on one machine's CPU.
        device: `cpu`, `cuda`, `mps`, or `auto` for the fastest there is.
    """

    backbone: str = "squeezenet1_1"
    input_size: int = 224
    epochs: int = 12
    batch_size: int = 16
    learning_rate: float = 3e-4
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Epoch 0 is the network with only its head fitted.

    Attributes:
        number: From 0.
        training_loss: Mean over the views; NaN for epoch 0.
        validation_loss: Cross entropy; NaN without validation pictures.
        validation_accuracy: 0 to 1; NaN without validation pictures.
        seconds: Since the start.
    """

    number: int
    training_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass(frozen=True, eq=False)
class FinetunedNetwork:
    """A trained network and how it came about.

    Attributes:
        network: On the CPU, in evaluation mode.
        best: The epoch that it is from.
        chosen_by: Why that one, in words.
        history: All epochs, in order.
        seconds: All of it.
        interrupted: Whether Ctrl-C ended it early.
        device: What it was trained on.
    """

    network: PixelNetwork
    best: Epoch
    chosen_by: str
    history: tuple[Epoch, ...]
    seconds: float
    interrupted: bool
    device: str


def finetune(
    training: Examples,
    validation: Examples,
    labels: tuple[str, ...],
    pretrained: PretrainedWeights,
    settings: FinetuneSettings,
) -> FinetunedNetwork:
    """Train a network. Ctrl-C ends it early and keeps the best so far.

    Progress goes to stderr.

    Args:
        training: At least one picture of each label.
        validation: What chooses the best epoch; it may be empty.
        labels: Their names; they decide whether mirroring is safe.
        pretrained: From `load_pretrained`.
        settings: How to train.

    Raises:
        UserError: A setting is impossible, the backbone unknown, or the weights another's.
        KeyboardInterrupt: Ctrl-C before there was anything to keep.
    """
    _check(settings)
    device = choose_device(settings.device)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = PixelNetwork(build_network(settings.backbone, len(labels), pretrained))
        run = _Run(network.to(device), bool(pretrained.tensors), labels, settings)
        return run.train(training, validation)


def _check(settings: FinetuneSettings) -> None:
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


@dataclass
class _Run:
    """One training: the network that changes, its moving average, and the best of that so far."""

    network: PixelNetwork
    is_pretrained: bool
    labels: tuple[str, ...]
    settings: FinetuneSettings
    started: float = field(default_factory=time.monotonic)
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None
    best_state: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.views = RandomViews(self.labels, self.settings.input_size, self.settings.seed)
        self.device = self.network.mean.device
        if self.device.type == "cpu":  # a third faster there
            self.network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network)

    def train(self, training: Examples, validation: Examples) -> FinetunedNetwork:
        interrupted = False
        try:
            if self.is_pretrained:  # a random network's embeddings teach a head nothing
                self._fit_head(training)
                self._finish_epoch(0, math.nan, validation)
            self._train_layers(training, validation)
        except KeyboardInterrupt:
            if self.best is None:
                raise
            interrupted = True
        return self._result(len(validation.images), interrupted)

    def _fit_head(self, training: Examples) -> None:
        """Fit the last layer alone, on embeddings of each picture as it is and in other views."""
        embeddings, targets = [], []
        for view in range(_HEAD_VIEWS):
            images = training.images if view == 0 else [self.views.of(i) for i in training.images]
            embeddings.append(self._embed(images))
            targets.append(torch.from_numpy(training.label_indices))
        head = output_layer(self.network)
        weight, bias = fit_linear(
            torch.cat(embeddings), torch.cat(targets), self._weights(training), _LABEL_SMOOTHING
        )
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)
        self.average.load_state_dict(self.network.state_dict())

    def _train_layers(self, training: Examples, validation: Examples) -> None:
        batches = max(1, len(training.images) // self.settings.batch_size)
        optimizer, schedule = self._optimizer(batches * self.settings.epochs)
        weights = self._weights(training).to(self.device)
        total_steps = batches * self.settings.epochs
        # `disable=None`: no bar where stderr is no terminal; the line of each epoch stays.
        with tqdm(total=total_steps, unit="batch", leave=False, disable=None) as bar:
            for number in range(1, self.settings.epochs + 1):
                self._set_training()
                total = 0.0
                for views, shares in self.views.batches(training, batches):
                    pixels = torch.from_numpy(views).to(self.device)
                    targets = torch.from_numpy(shares).to(self.device)
                    loss = functional.cross_entropy(
                        self.network(pixels), targets, weights, label_smoothing=_LABEL_SMOOTHING
                    )
                    optimizer.zero_grad()
                    torch.autograd.backward(loss)
                    nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
                    optimizer.step()
                    schedule.step()
                    self._move_average(schedule.last_epoch)
                    total += loss.item() * len(targets)
                    bar.update()
                self._finish_epoch(number, total / len(training.images), validation)
                bar.write(self._line(), file=sys.stderr)

    def _optimizer(
        self, steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        head = list(output_layer(self.network).parameters())
        of_head = {id(parameter) for parameter in head}
        body = [p for p in self.network.parameters() if id(p) not in of_head]
        rate = self.settings.learning_rate
        # AdamW moves every weight by about its rate, so a head on large embeddings, whose weights
        # are small, needs a small one.
        size = float(head[0].detach().std())
        rates = [rate, rate * _HEAD_RATE * size]
        optimizer = torch.optim.AdamW(
            [{"params": body, "lr": rates[0]}, {"params": head, "lr": rates[1]}],
            weight_decay=_WEIGHT_DECAY,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rates, total_steps=max(steps, 2), pct_start=_WARM_UP, div_factor=10.0,
            final_div_factor=100.0, cycle_momentum=False,
        )  # fmt: skip
        return optimizer, schedule

    def _set_training(self) -> None:
        """Set layers to training, but keep what batch normalisation learnt from ImageNet.

        A few hundred pictures, many of them near copies, are too few for better statistics.
        """
        self.network.train()
        if self.is_pretrained:
            for layer in self.network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    @torch.no_grad()
    def _move_average(self, step: int) -> None:
        # Short at first, so that the start does not linger.
        decay = min(_AVERAGE_DECAY, (1 + step) / (10 + step))
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for mean, parameter in pairs:
            mean.lerp_(parameter, 1.0 - decay)
        buffers = zip(self.average.buffers(), self.network.buffers(), strict=True)
        for copied, buffer in buffers:
            copied.copy_(buffer)

    def _weights(self, training: Examples) -> torch.Tensor:
        """Give each label's weight, (labels,), so that rare ones count as much as frequent ones."""
        counts = np.bincount(training.label_indices, minlength=len(self.labels))
        weights = len(training.label_indices) / (len(self.labels) * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32)

    def _finish_epoch(self, number: int, training_loss: float, validation: Examples) -> None:
        loss, accuracy = math.nan, math.nan
        if validation.images:
            logits = self._logits(validation.images)
            targets = torch.from_numpy(validation.label_indices)
            loss = float(functional.cross_entropy(logits, targets))
            accuracy = float((logits.argmax(1) == targets).float().mean())
        elapsed = time.monotonic() - self.started
        epoch = Epoch(number, training_loss, loss, accuracy, elapsed)
        self.history.append(epoch)
        if self.best is None or not accuracy < self.best.validation_accuracy:
            self.best_state = copy.deepcopy(self.average.network.state_dict())
            self.best = epoch

    def _logits(self, images: Sequence[BgrImage]) -> torch.Tensor:
        """Give (images, labels) on the CPU."""
        self.average.eval()
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), self.settings.batch_size):
                batch = images[start : start + self.settings.batch_size]
                pixels = np.stack([prepare(image, self.settings.input_size) for image in batch])
                parts.append(self.average(torch.from_numpy(pixels).to(self.device)).cpu())
        return torch.cat(parts)

    def _embed(self, images: Sequence[BgrImage]) -> torch.Tensor:
        """Give what the head is given, (images, D), on the CPU."""
        seen: list[torch.Tensor] = []
        hook = output_layer(self.average).register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0].cpu())
        )
        try:
            self._logits(images)
        finally:
            hook.remove()
        return torch.cat(seen)

    def _line(self) -> str:
        epoch, epochs = self.history[-1], self.settings.epochs
        left = (epoch.seconds - self.history[0].seconds) / max(1, len(self.history) - 1)
        left *= epochs - epoch.number
        text = f"epoch {epoch.number} of {epochs}: loss {epoch.training_loss:.3f}"
        if not math.isnan(epoch.validation_accuracy):
            text += f", validation {epoch.validation_accuracy:.3f}"
        return f"{text}, {left:.0f} s left"

    def _result(self, validation_count: int, interrupted: bool) -> FinetunedNetwork:
        if self.best is None:
            raise RuntimeError("no epoch was finished")
        self.network.network.load_state_dict(self.best_state)
        chosen_by = "the last epoch: there were no validation pictures"
        if validation_count:
            chosen_by = (
                f"the most right answers on {validation_count} validation pictures; of equals, "
                "the latest"
            )
        return FinetunedNetwork(
            network=self.network.cpu().eval(),
            best=self.best,
            chosen_by=chosen_by,
            history=tuple(self.history),
            seconds=time.monotonic() - self.started,
            interrupted=interrupted,
            device=self.device.type,
        )
