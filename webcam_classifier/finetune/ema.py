"""The kept network: halfway between the start and a moving mean over the last steps."""

from __future__ import annotations

import copy

import torch
from torch import nn

_DECAY = 0.97  # a mean over about the last 33 steps


class MovingAverage:
    """A copy of a network that follows it: steadier than any one step.

    What is kept may stay nearer to the start (M. Wortsman et al., "Robust fine-tuning of zero-shot
    models", 2022): training fits the room and the person that it sees, and where the frozen
    network with its head was right about others, half of the way forgets less.

    Args:
        source: The network that changes, as it is at the start.
        averages: False makes the mean a plain copy of the last step.
        share: How far from the start to the mean the kept network is, above 0, to 1.
    """

    def __init__(self, source: nn.Module, averages: bool, share: float) -> None:
        self.model = copy.deepcopy(source).eval().requires_grad_(False)
        self.start: dict[str, torch.Tensor] = {}
        self._averages = averages
        self._share = share
        self._kept = self.model
        if share < 1.0:
            self._kept = copy.deepcopy(self.model)
            learning = (pair for pair in source.named_parameters() if pair[1].requires_grad)
            self.start = {name: value.detach().clone() for name, value in learning}

    @torch.no_grad()
    def follow(self, source: nn.Module, step: int) -> None:
        """Take a step of the network in.

        Args:
            source: As it is now.
            step: From 1.
        """
        # Short at first, so that the start does not linger.
        decay = min(_DECAY, (1 + step) / (10 + step)) if self._averages else 0.0
        pairs = zip(self.model.parameters(), source.parameters(), strict=True)
        for mean, parameter in pairs:
            if parameter.requires_grad:
                mean.lerp_(parameter, 1.0 - decay)
        _copy_buffers(source, self.model)

    @torch.no_grad()
    def kept(self) -> nn.Module:
        """Give the network that would be kept now; it changes with the next call."""
        means = dict(self.model.named_parameters())
        for name, parameter in self._kept.named_parameters():
            if name in self.start:
                parameter.copy_(torch.lerp(self.start[name], means[name], self._share))
        if self._kept is not self.model:
            _copy_buffers(self.model, self._kept)
        return self._kept


def _copy_buffers(source: nn.Module, target: nn.Module) -> None:
    for copied, buffer in zip(target.buffers(), source.buffers(), strict=True):
        copied.copy_(buffer)
