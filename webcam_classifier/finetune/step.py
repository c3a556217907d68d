"""One training step: the gradient of a batch, accumulated if memory is short, and the update."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as functional
from torch import nn

from webcam_classifier.finetune.device import DeviceUse
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.process_group import ProcessGroup

_LARGEST_GRADIENT = 5.0  # norm; a single outlier can't throw the network off


class TrainingStep:
    """Takes steps.

    Args:
        model: What is trained, the same in all processes.
        optimizer: Of its parameters.
        label_weights: (labels,) how much a picture of each counts.
        label_smoothing: Share of each target that is spread over all labels.
        use: How the device is used.
        group: The processes that train together.
        micro_batch: How many pictures go through the network together.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        label_weights: torch.Tensor,
        label_smoothing: float,
        use: DeviceUse,
        group: ProcessGroup,
        micro_batch: MicroBatch,
    ) -> None:
        self._model = model
        self._shared = group.wrap(model)
        self._optimizer = optimizer
        self._weights = label_weights.to(group.device)
        self._smoothing = label_smoothing
        self._use = use
        self._group = group
        self._micro_batch = micro_batch
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=use.scales_loss)

    def take(self, inputs: torch.Tensor, targets: torch.Tensor, batch: int) -> float:
        """Take a step, and return this process's part of the batch's mean loss.

        Args:
            inputs: (rows, ...) this process's rows of the batch.
            targets: (rows, labels) shares of the labels.
            batch: How many rows the batch has in all processes together.
        """
        if self._group.world_size == 1:
            loss = self._micro_batch.run(
                lambda size: self._gradient(self._model, inputs, targets, batch, size)
            )
        else:  # the others can't go back with this one: `find_micro_batch_size` found what fits
            loss = self._gradient(self._shared, inputs, targets, batch, self._micro_batch.size)
        self.scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._model.parameters(), _LARGEST_GRADIENT)
        self.scaler.step(self._optimizer)
        self.scaler.update()
        return float(loss)

    def find_micro_batch_size(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Find the micro-batch size that fits into the memory of every process; nothing moves."""
        self._micro_batch.run(
            lambda size: self._gradient(self._model, inputs, targets, len(inputs), size)
        )
        self._optimizer.zero_grad()
        self._micro_batch.size = self._group.minimum(self._micro_batch.size)

    def _gradient(
        self,
        model: nn.Module,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        batch: int,
        size: int,
    ) -> torch.Tensor:
        self._optimizer.zero_grad()
        parts = max(1, -(-len(inputs) // size))  # of nearly equal size
        pairs = zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True)
        total = torch.zeros((), device=self._group.device)
        for number, (some, shares) in enumerate(pairs, start=1):
            is_last = number == parts
            with nullcontext() if is_last else self._group.no_sync(model):
                loss = self._loss(model, some, shares) / batch
                # Gradients become the mean over processes, and are to be the sum.
                torch.autograd.backward(self.scaler.scale(loss * self._group.world_size))
            total += loss.detach()
        return total

    def _loss(self, model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        device = self._group.device
        inputs = inputs.to(device, non_blocking=True)
        targets = targets.to(device, non_blocking=True)
        is_mixed = self._use.precision != torch.float32
        # Not opened where it would do nothing: older versions of torch have none for `mps`.
        mixed = torch.autocast(device.type, self._use.precision) if is_mixed else nullcontext()
        with mixed:
            logits = model(inputs)
        return functional.cross_entropy(
            logits.float(), targets, self._weights,
            label_smoothing=self._smoothing, reduction="sum",
        )  # fmt: skip
