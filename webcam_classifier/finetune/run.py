"""The course of one fine-tuning: epoch after epoch, what is kept, and when it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from webcam_classifier.cli.console import tell
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.batches import Batch, made_ahead, plan_epoch, targets_of
from webcam_classifier.finetune.device import choose_use, describe_device
from webcam_classifier.finetune.ema import MovingAverage
from webcam_classifier.finetune.evaluate import logits_of, loss_and_accuracy
from webcam_classifier.finetune.head_init import warm_up_head
from webcam_classifier.finetune.history import (
    Epoch,
    describe_last,
    is_best,
    is_out_of_patience,
)
from webcam_classifier.finetune.memory import (
    PicturesAtOnce,
    free_bytes,
    pictures_that_fit,
    training_bytes,
)
from webcam_classifier.finetune.network import PixelNetwork, new_classifier, output_layer
from webcam_classifier.finetune.optimizer import (
    build_optimizer,
    highest_rates,
    rate_factor,
    set_rates,
)
from webcam_classifier.finetune.process_group import Ranks
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.state_file import (
    StateFile,
    TrainingState,
    optimizer_tensors,
    read_state,
    restore_optimizer,
)
from webcam_classifier.finetune.step import TrainingStep
from webcam_classifier.finetune.training_inputs import Material, behind_frozen_layers
from webcam_classifier.head.discriminant import LinearHead


@dataclass(frozen=True, eq=False)
class FinetunedNetwork:
    """A trained network and how it came about.

    Attributes:
        network: On the CPU, in evaluation mode.
        best: The epoch that it is from.
        chosen_by: Why that one, in words.
        history: All epochs, in order.
        seconds: All of it, those before a resumption included.
        interrupted: Whether Ctrl-C ended it early.
        out_of_patience: Whether it ended early as the validation loss fell no more.
        resumed_from: The epoch after which it went on from disk; None where it did not.
        device: What it was trained on.
        processes: How many trained together.
        at_once: How many pictures went through the network at once, in each process.
    """

    network: PixelNetwork
    best: Epoch
    chosen_by: str
    history: tuple[Epoch, ...]
    seconds: float
    interrupted: bool
    out_of_patience: bool
    resumed_from: int | None
    device: str
    processes: int
    at_once: int


@dataclass
class FinetuneRun:
    """One training: the network that changes, its moving average, and the best of that so far.

    Attributes:
        network: All of it, where it is trained.
        is_pretrained: Whether it has anything to lose.
        material: What it is trained on and asked about.
        settings: How to train.
        ranks: The processes that train together.
        state_file: Where to keep the training, if anywhere.
        head: What a warm start begins with, if it was fitted already.
    """

    network: PixelNetwork
    is_pretrained: bool
    material: Material
    settings: FinetuneSettings
    ranks: Ranks
    state_file: StateFile | None
    head: LinearHead | None = None
    started: float = field(default_factory=time.monotonic)
    history: list[Epoch] = field(default_factory=list)
    step: int = 0
    best: Epoch | None = None
    best_state: dict[str, torch.Tensor] = field(default_factory=dict)
    resumed_from: int | None = None

    def __post_init__(self) -> None:
        self.use = choose_use(describe_device(self.ranks.device))
        if self.use.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.classifier = new_classifier(self.network.network, self.settings.backbone)
        if self.settings.freezes_body:
            self.network.requires_grad_(False)
            self.classifier.requires_grad_(True)
        self.model: nn.Module = self.network
        self.at_once = PicturesAtOnce(self._how_many_at_once())
        self.batches = max(1, len(self.material.inputs) // self.settings.batch_size)
        self.steps = self.batches * self.settings.epochs

    def train(self) -> FinetunedNetwork:
        """Train, or go on training, and give the best network; see `finetune`."""
        self._check_shares()
        interrupted = False
        try:
            self._prepare()
            self._train_epochs()
        except KeyboardInterrupt:
            if self.best is None:
                raise
            interrupted = True
        return self._result(interrupted)

    def _how_many_at_once(self) -> int:
        free = free_bytes(self.ranks.device)
        if free is not None and self.ranks.device.type == "cpu":
            free //= self.ranks.count  # the others' networks share this memory
        wanted = -(-self.settings.batch_size // self.ranks.count)
        parameters = sum(p.numel() * p.element_size() for p in self.network.parameters())
        each = training_bytes(self.network, self.settings.input_size)
        return pictures_that_fit(wanted, free, parameters, each)

    def _check_shares(self) -> None:
        smallest = len(self.material.inputs) // self.batches
        if smallest < self.ranks.count:
            raise UserError(
                f"{self.ranks.count} processes are too many for batches of {smallest} pictures. "
                "Start fewer with --nproc-per-node."
            )

    def _prepare(self) -> None:
        """Set up everything as it is before the next epoch: the first one, or another."""
        settings, device = self.settings, self.ranks.device
        if settings.freezes_body and settings.views == "none":
            self.model = self.classifier
            self.material = behind_frozen_layers(
                self.material, self.network, self.classifier, self.at_once, device
            )
        content = self._kept_state()
        starts_warm = settings.starts_warm and self.is_pretrained
        if content is None and starts_warm and self.ranks.is_first:
            # A random network's embeddings would teach a head nothing.
            warm_up_head(self.model, self.material, self.head, self.at_once, device)
        self.ranks.share_tensors(self.model.state_dict().values())
        share = settings.kept_share if starts_warm else 1.0
        self.average = MovingAverage(self.model, settings.averages, share)
        self.optimizer = build_optimizer(
            self.model, output_layer(self.model), settings, starts_warm
        )
        self.rates = highest_rates(self.optimizer)
        self.stepping = TrainingStep(
            self.model, self.optimizer, self.material.label_weights(),
            settings.label_smoothing, self.use, self.ranks, self.at_once,
        )  # fmt: skip
        if content is not None and self.state_file is not None:
            self._restore(read_state(content, self.state_file.path))
        elif starts_warm:
            self._finish_epoch(0, math.nan)

    def _kept_state(self) -> bytes | None:
        content = None
        if self.state_file is not None and self.ranks.is_first:
            content = self.state_file.load()
        return self.ranks.share_bytes(content)

    def _train_epochs(self) -> None:
        settings = self.settings
        if self.ranks.count > 1:
            self._rehearse()
        first = self.history[-1].number + 1 if self.history else 1
        # `disable=None`: no bar where stderr is no terminal; the line of each epoch stays.
        with tqdm(
            total=self.steps, initial=self.step, unit="batch", leave=False,
            disable=None if self.ranks.is_first else True,
        ) as bar:  # fmt: skip
            for number in range(first, settings.epochs + 1):
                if is_out_of_patience(self.history, settings.patience):
                    return
                self._finish_epoch(number, self._train_epoch(number, bar))
                bar.write(describe_last(self.history, settings.epochs), file=sys.stderr)

    def _train_epoch(self, number: int, bar: tqdm) -> float:
        """Take the steps of one epoch, and give the mean loss of a picture."""
        self._set_training()
        seeds = np.random.SeedSequence((self.settings.seed, number, self.ranks.number))
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        count, total = len(self.material.inputs), 0.0
        planned = plan_epoch(
            count, self.batches, self.material.inputs.blended, self.settings.seed, number
        )
        made = made_ahead(planned, self._make, self.use.view_threads)
        with contextlib.closing(made) as batches:
            for inputs, targets, size in batches:
                factor = rate_factor(self.step, self.steps, self.settings.schedule)
                set_rates(self.optimizer, self.rates, factor)
                total += self.stepping.take(inputs, targets, size) * size
                self.step += 1
                self.average.follow(self.model, self.step)
                bar.update()
                if self.ranks.is_first:
                    tell({"stage": "training", "done": self.step, "total": self.steps})
        return self.ranks.total(total) / count

    def _make(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, int]:
        rows = self.ranks.rows(len(batch.pictures))
        inputs = self.material.inputs.batch(batch, rows)
        targets = targets_of(batch, rows, self.material.label_indices, self.material.label_count)
        if self.use.pins_memory:
            inputs, targets = inputs.pin_memory(), targets.pin_memory()
        return inputs, targets, len(batch.pictures)

    def _rehearse(self) -> None:
        (batch,) = plan_epoch(len(self.material.inputs), 1, 0.0, self.settings.seed, 0)
        largest = batch.pictures[: -(-len(batch.pictures) // self.batches)]
        rows = self.ranks.rows(len(largest))
        inputs = self.material.inputs.plain(range(len(rows)))
        targets = targets_of(
            batch, np.arange(len(rows)), self.material.label_indices, self.material.label_count
        )
        self._set_training()
        self.stepping.rehearse(inputs, targets)

    def _set_training(self) -> None:
        """Set layers to training, but keep what batch normalisation learnt from ImageNet.

        A few hundred pictures, many of them near copies, are too few for better statistics.
        """
        self.network.train(not self.settings.freezes_body)
        self.classifier.train()
        if self.is_pretrained:
            for layer in self.network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def _finish_epoch(self, number: int, training_loss: float) -> None:
        loss, accuracy = math.nan, math.nan
        if len(self.material.asked) and self.ranks.is_first:
            logits = logits_of(
                self.average.kept(), self.material.asked, self.at_once, self.ranks.device
            )
            loss, accuracy = loss_and_accuracy(logits, torch.from_numpy(self.material.asked_labels))
        loss, accuracy, elapsed = self.ranks.share_numbers([loss, accuracy, self._elapsed()])
        epoch = Epoch(number, training_loss, loss, accuracy, elapsed)
        self.history.append(epoch)
        if self.ranks.is_first:
            tell({"epoch": dataclasses.asdict(epoch)})
        if is_best(self.history, self.best):
            self.best = epoch
            self.best_state = self._learnt(self.average.kept(), copied=True)
        if self.state_file is not None and self.ranks.is_first:
            self.state_file.save(self._state())

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _learnt(self, model: nn.Module, copied: bool = False) -> dict[str, torch.Tensor]:
        """Give what training changes, by name: not the layers that are frozen."""
        frozen = {name for name, value in self.model.named_parameters() if not value.requires_grad}
        return {
            name: value.clone() if copied else value
            for name, value in model.state_dict().items()
            if name not in frozen
        }

    def _state(self) -> TrainingState:
        if self.best is None or self.state_file is None:
            raise RuntimeError("no epoch was finished")
        return TrainingState(
            identity=self.state_file.identity,
            history=tuple(self.history),
            best_number=self.best.number,
            step=self.step,
            rates=tuple(self.rates),
            at_once=self.at_once.size,
            scaler=self.stepping.scaler.state_dict(),
            network=self._learnt(self.model),
            average=self._learnt(self.average.model),
            best=self.best_state,
            start=self.average.start,
            optimizer=optimizer_tensors(self.optimizer),
        )

    def _restore(self, state: TrainingState) -> None:
        self.model.load_state_dict(state.network, strict=False)
        self.average.model.load_state_dict(state.average, strict=False)
        self.average.start = {
            name: tensor.to(self.ranks.device) for name, tensor in state.start.items()
        }
        restore_optimizer(self.optimizer, state.optimizer)
        self.stepping.scaler.load_state_dict(dict(state.scaler))
        self.rates = list(state.rates)
        self.step = state.step
        self.at_once.size = min(self.at_once.size, state.at_once)
        self.history = list(state.history)
        self.resumed_from = self.history[-1].number
        self.started = time.monotonic() - self.history[-1].seconds
        self.best = next(one for one in self.history if one.number == state.best_number)
        self.best_state = {
            name: tensor.to(self.ranks.device) for name, tensor in state.best.items()
        }

    def _result(self, interrupted: bool) -> FinetunedNetwork:
        if self.best is None:
            raise RuntimeError("no epoch was finished")
        self.model.load_state_dict(self.best_state, strict=False)
        chosen_by = "the last epoch: there were no validation pictures"
        if len(self.material.asked):
            count = len(self.material.asked)
            chosen_by = (
                f"the most right answers on {count} validation pictures; of equals, the latest"
            )
        out_of_patience = not interrupted and self.history[-1].number < self.settings.epochs
        return FinetunedNetwork(
            network=self.network.cpu().eval(),
            best=self.best,
            chosen_by=chosen_by,
            history=tuple(self.history),
            seconds=self._elapsed(),
            interrupted=interrupted,
            out_of_patience=out_of_patience,
            resumed_from=self.resumed_from,
            device=self.ranks.device.type,
            processes=self.ranks.count,
            at_once=self.at_once.size,
        )
