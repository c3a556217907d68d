"""The training loop of fine-tuning: epochs, checkpoints, and when it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from webcam_classifier import progress
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.batches import Batch, made_ahead, plan_epoch, targets_of
from webcam_classifier.finetune.device import choose_use, describe_device
from webcam_classifier.finetune.ema import ExponentialMovingAverage
from webcam_classifier.finetune.evaluate import logits_of, loss_and_accuracy
from webcam_classifier.finetune.head_init import initialise_head, match_logit_scale
from webcam_classifier.finetune.history import (
    Epoch,
    epoch_event,
    is_as_good_as_the_best,
    is_best,
    is_out_of_patience,
)
from webcam_classifier.finetune.interpolation import (
    UNMEASURED,
    WEIGHTS,
    InterpolationChoice,
    choose_interpolation,
)
from webcam_classifier.finetune.memory import (
    MicroBatch,
    fitting_micro_batch_size,
    free_bytes,
    training_bytes,
)
from webcam_classifier.finetune.network import new_classifier, output_layer
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.optimizer import (
    build_optimizer,
    highest_rates,
    rate_factor,
    set_rates,
)
from webcam_classifier.finetune.process_group import ProcessGroup
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.state_file import (
    StateFile,
    TrainingState,
    check_fits,
    optimizer_tensors,
    read_state,
    restore_optimizer,
)
from webcam_classifier.finetune.step import TrainingStep
from webcam_classifier.finetune.training_inputs import TrainingInputs, behind_frozen_layers
from webcam_classifier.head.lda import LinearHead

_SCALE_BATCHES = 16  # that the scale of the logits is fitted on


@dataclass(frozen=True, eq=False)
class FinetunedNetwork:
    """A trained network, and how it was trained.

    Attributes:
        network: On the CPU, in evaluation mode.
        best: The epoch that it is from; 0 if the start is kept.
        chosen_by: Why that one, in words.
        interpolation: The weight between the start and the trained network; None if it was not
            chosen on validation pictures.
        history: All epochs, in order.
        seconds: Total, including those before a resumption.
        interrupted: Whether Ctrl-C ended it early.
        out_of_patience: Whether it ended early because the validation loss no longer fell.
        resumed_from: The epoch after which it was resumed; None if it was not.
        device: What it was trained on.
        processes: How many trained together.
        micro_batch_size: How many pictures went through the network together, in each process.
    """

    network: PixelNetwork
    best: Epoch
    chosen_by: str
    interpolation: InterpolationChoice | None
    history: tuple[Epoch, ...]
    seconds: float
    interrupted: bool
    out_of_patience: bool
    resumed_from: int | None
    device: str
    processes: int
    micro_batch_size: int


@dataclass
class FinetuneRun:
    """One training: the network that changes, its moving average, and the best of that so far.

    Attributes:
        network: All of it, where it is trained.
        is_pretrained: Whether its weights are pretrained.
        inputs: What it is trained on and validated with.
        settings: How to train.
        group: The processes that train together.
        state_file: Where to keep the training, if anywhere.
        head: What the last layer is initialised with, if it was fitted already.
    """

    network: PixelNetwork
    is_pretrained: bool
    inputs: TrainingInputs
    settings: FinetuneSettings
    group: ProcessGroup
    state_file: StateFile | None
    head: LinearHead | None = None
    started: float = field(default_factory=time.monotonic)
    history: list[Epoch] = field(default_factory=list)
    step: int = 0
    best: Epoch | None = None
    best_state: dict[str, torch.Tensor] = field(default_factory=dict)
    resumed_from: int | None = None

    def __post_init__(self) -> None:
        self.use = choose_use(describe_device(self.group.device))
        if self.use.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.classifier = new_classifier(self.network.network, self.settings.backbone)
        if self.settings.freeze_backbone:
            self.network.requires_grad_(False)
            self.classifier.requires_grad_(True)
        self.model: nn.Module = self.network
        self.micro_batch = MicroBatch(self._first_micro_batch_size())
        self.batches = max(1, len(self.inputs.training) // self.settings.batch_size)
        self.steps = self.batches * self.settings.epochs

    def train(self) -> FinetunedNetwork:
        """Train, or resume training, and return the best network; see `train_layers`."""
        self._check_shards()
        interrupted = False
        try:
            self._prepare()
            self._train_epochs()
        except KeyboardInterrupt:
            if self.best is None:
                raise
            interrupted = True
        return self._result(interrupted)

    def _first_micro_batch_size(self) -> int:
        free = free_bytes(self.group.device)
        if free is not None and self.group.device.type == "cpu":
            free //= self.group.world_size  # the others' networks share this memory
        wanted = -(-self.settings.batch_size // self.group.world_size)
        parameters = sum(p.numel() * p.element_size() for p in self.network.parameters())
        each = training_bytes(self.network, self.settings.input_size)
        return fitting_micro_batch_size(wanted, free, parameters, each)

    def _check_shards(self) -> None:
        smallest = len(self.inputs.training) // self.batches
        if smallest < self.group.world_size:
            raise UserError(
                f"{self.group.world_size} processes are too many for batches of {smallest} "
                "pictures. Start fewer with --nproc-per-node."
            )

    def _prepare(self) -> None:
        """Set up everything for the next epoch: the first one, or that of a resumed training."""
        settings, device = self.settings, self.group.device
        if settings.freeze_backbone and settings.views == "none":
            self.model = self.classifier
            self.inputs = behind_frozen_layers(
                self.inputs, self.network, self.classifier, self.micro_batch, device
            )
        content = self._kept_state()
        head_init = settings.head_init and self.is_pretrained
        if content is None and head_init and self.group.is_first:
            # A head learns nothing from a random network's embeddings.
            initialise_head(self.model, self.inputs, self.head, self.micro_batch, device)
            match_logit_scale(
                self.model, self._batches_of_no_epoch(), settings.label_smoothing,
                self.micro_batch, device,
            )  # fmt: skip
        self.group.broadcast_tensors(self.model.state_dict().values())
        self.weight = self._weight() if head_init else 1.0
        self.chooses = head_init and settings.interpolation_weight is None
        self.chooses &= len(self.inputs.validation) > 0
        keeps_start = self.chooses or self.weight < 1.0
        self.ema = ExponentialMovingAverage(self.model, settings.ema, keeps_start)
        self.optimizer = build_optimizer(self.model, output_layer(self.model), settings, head_init)
        self.rates = highest_rates(self.optimizer)
        self.stepping = TrainingStep(
            self.model, self.optimizer, self.inputs.label_weights(),
            settings.label_smoothing, self.use, self.group, self.micro_batch,
        )  # fmt: skip
        if content is not None and self.state_file is not None:
            state = read_state(content, self.state_file.path)
            check_fits(state.network, self._trained(self.model), self.state_file.path)
            self._restore(state)
        elif head_init:
            self._finish_epoch(0, math.nan)

    def _batches_of_no_epoch(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Inputs and targets of some batches like those of training, but with other views."""
        count, mixup_share = len(self.inputs.training), self.inputs.training.mixup_share
        for batch in plan_epoch(count, self.batches, mixup_share, self.settings.seed, 0)[
            :_SCALE_BATCHES
        ]:
            inputs, targets, _ = self._make(batch)
            yield inputs, targets

    def _weight(self) -> float:
        """The weight of the trained network with which each epoch is evaluated."""
        if self.settings.interpolation_weight is not None:
            return self.settings.interpolation_weight
        return 1.0 if len(self.inputs.validation) else UNMEASURED

    def _kept_state(self) -> bytes | None:
        content = None
        if self.state_file is not None and self.group.is_first:
            content = self.state_file.load()
        return self.group.broadcast_bytes(content)

    def _train_epochs(self) -> None:
        settings = self.settings
        if self.group.world_size > 1:
            self._find_micro_batch_size()
        first = self.history[-1].number + 1 if self.history else 1
        counter = progress.Counter(progress.Stage.TRAIN, self.steps, done=self.step)
        for number in range(first, settings.epochs + 1):
            if is_out_of_patience(self.history, settings.patience):
                break
            self._finish_epoch(number, self._train_epoch(number, counter))
        counter.finish()

    def _train_epoch(self, number: int, counter: progress.Counter) -> float:
        """Take the steps of one epoch, and return the mean loss of a picture."""
        self._set_training()
        seeds = np.random.SeedSequence((self.settings.seed, number, self.group.rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        count, total = len(self.inputs.training), 0.0
        planned = plan_epoch(
            count, self.batches, self.inputs.training.mixup_share, self.settings.seed, number
        )
        made = made_ahead(planned, self._make, self.use.view_threads)
        with contextlib.closing(made) as batches:
            for inputs, targets, size in batches:
                factor = rate_factor(self.step, self.steps, self.settings.schedule)
                set_rates(self.optimizer, self.rates, factor)
                total += self.stepping.take(inputs, targets, size) * size
                self.step += 1
                self.ema.update(self.model, self.step)
                counter.advance()
        return self.group.sum(total) / count

    def _make(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, int]:
        rows = self.group.shard(len(batch.pictures))
        inputs = self.inputs.training.batch(batch, rows)
        targets = targets_of(batch, rows, self.inputs.training_labels, self.inputs.label_count)
        if self.use.pins_memory:
            inputs, targets = inputs.pin_memory(), targets.pin_memory()
        return inputs, targets, len(batch.pictures)

    def _find_micro_batch_size(self) -> None:
        (batch,) = plan_epoch(len(self.inputs.training), 1, 0.0, self.settings.seed, 0)
        largest = batch.pictures[: -(-len(batch.pictures) // self.batches)]
        rows = self.group.shard(len(largest))
        inputs = self.inputs.training.plain(range(len(rows)))
        targets = targets_of(
            batch, np.arange(len(rows)), self.inputs.training_labels, self.inputs.label_count
        )
        self._set_training()
        self.stepping.find_micro_batch_size(inputs, targets)

    def _set_training(self) -> None:
        """Set layers to training mode, but keep ImageNet's batch normalisation statistics.

        A few hundred pictures, many of them near duplicates, are too few for better statistics.
        """
        self.network.train(not self.settings.freeze_backbone)
        self.classifier.train()
        if self.is_pretrained:
            for layer in self.network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def _finish_epoch(self, number: int, training_loss: float) -> None:
        loss, accuracy = math.nan, math.nan
        if len(self.inputs.validation) and self.group.is_first:
            logits = self._validation_logits(self.weight)
            loss, accuracy = loss_and_accuracy(
                logits, torch.from_numpy(self.inputs.validation_labels)
            )
        loss, accuracy, elapsed = self.group.broadcast_numbers([loss, accuracy, self._elapsed()])
        epoch = Epoch(number, training_loss, loss, accuracy, elapsed)
        self.history.append(epoch)
        if self._is_kept():
            self.best = epoch
            self.best_state = self._trained(self.ema.interpolated(self.weight), copied=True)
        if self.state_file is not None and self.group.is_first:
            self.state_file.save(self._state())
        if self.group.is_first:  # told once it is kept, so that nobody counts on what may be lost
            progress.tell(epoch_event(self.history, self.settings.epochs))

    def _validation_logits(self, weight: float) -> torch.Tensor:
        network = self.ema.interpolated(weight)
        return logits_of(network, self.inputs.validation, self.micro_batch, self.group.device)

    def _is_kept(self) -> bool:
        if self.chooses:
            return is_as_good_as_the_best(self.history, len(self.inputs.validation))
        return is_best(self.history, self.best)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _trained(self, model: nn.Module, copied: bool = False) -> dict[str, torch.Tensor]:
        """The trained parameters by name, without frozen layers."""
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
            micro_batch_size=self.micro_batch.size,
            scaler=self.stepping.scaler.state_dict(),
            network=self._trained(self.model),
            ema=self._trained(self.ema.model),
            best=self.best_state,
            start=self.ema.start,
            optimizer=optimizer_tensors(self.optimizer),
        )

    def _restore(self, state: TrainingState) -> None:
        self.model.load_state_dict(state.network, strict=False)
        self.ema.model.load_state_dict(state.ema, strict=False)
        self.ema.start = {
            name: tensor.to(self.group.device) for name, tensor in state.start.items()
        }
        restore_optimizer(self.optimizer, state.optimizer)
        self.stepping.scaler.load_state_dict(dict(state.scaler))
        self.rates = list(state.rates)
        self.step = state.step
        self.micro_batch.size = min(self.micro_batch.size, state.micro_batch_size)
        self.history = list(state.history)
        self.resumed_from = self.history[-1].number
        self.started = time.monotonic() - self.history[-1].seconds
        self.best = next(one for one in self.history if one.number == state.best_number)
        self.best_state = {
            name: tensor.to(self.group.device) for name, tensor in state.best.items()
        }

    def _result(self, interrupted: bool) -> FinetunedNetwork:
        if self.best is None:
            raise RuntimeError("no epoch was finished")
        choice, best = None, self.best
        if self.chooses and best.number > 0:
            choice = self._choose_interpolation(interrupted)
            best = best if choice.weight else self.history[0]
        else:
            self.model.load_state_dict(self.best_state, strict=False)
        out_of_patience = not interrupted and self.history[-1].number < self.settings.epochs
        return FinetunedNetwork(
            network=self.network.cpu().eval(),
            best=best,
            chosen_by=self._chosen_by(),
            interpolation=choice,
            history=tuple(self.history),
            seconds=self._elapsed(),
            interrupted=interrupted,
            out_of_patience=out_of_patience,
            resumed_from=self.resumed_from,
            device=self.group.device.type,
            processes=self.group.world_size,
            micro_batch_size=self.micro_batch.size,
        )

    def _chosen_by(self) -> str:
        count = len(self.inputs.validation)
        if count == 0:
            return "the last epoch: there were no validation pictures"
        if self.chooses:
            return f"the latest that is the best on {count} validation pictures, but for noise"
        return f"the most correct answers on {count} validation pictures; among equals, the latest"

    def _choose_interpolation(self, interrupted: bool) -> InterpolationChoice:
        """Interpolate the model between start and best epoch as left-out pictures suggest.

        The first process asks and tells the others; after Ctrl-C, when they may be gone, it alone
        goes on.
        """
        self.ema.model.load_state_dict(self.best_state, strict=False)
        numbers = [math.nan] * 6
        if self.group.is_first:
            # The end of a burst says nothing of the next one where its beginning was trained on.
            asked = self.inputs.is_independent
            start, *others = (
                self._validation_logits(weight).numpy()[asked] for weight in (0.0, *WEIGHTS)
            )
            truths = self.inputs.validation_labels[asked]
            bursts = self.inputs.validation_bursts[asked]
            found = choose_interpolation(start, others, truths, bursts)
            numbers = [float(value) for value in dataclasses.astuple(found)]
        if not interrupted:
            numbers = self.group.broadcast_numbers(numbers)
        elif not self.group.is_first:
            numbers[:4] = [0.0] * 4
        weight, start_right, right, count, lead, noise = numbers
        kept = self.ema.interpolated(weight)
        self.model.load_state_dict(self._trained(kept, copied=True), strict=False)
        return InterpolationChoice(weight, int(start_right), int(right), int(count), lead, noise)
