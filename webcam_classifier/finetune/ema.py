"""The network that is kept: a moving average of the weights, interpolated with the start."""

from __future__ import annotations

import copy

import torch
from torch import nn

_DECAY = 0.97  # a mean over about the last 33 steps


class ExponentialMovingAverage:
    """A copy of a network whose weights are an exponential moving average (EMA) of its steps.

    The kept network may be between the start and that average; see `interpolation`.

    Args:
        source: The network that is trained, as it is at the start.
        ema: False makes the average a plain copy of the last step.
        keeps_start: Whether the start is kept, for interpolation.
    """

    def __init__(self, source: nn.Module, ema: bool, keeps_start: bool) -> None:
        self.model = copy.deepcopy(source).eval().requires_grad_(False)
        self.start: dict[str, torch.Tensor] = {}
        self._ema = ema
        self._interpolated = self.model
        if keeps_start:
            self._interpolated = copy.deepcopy(self.model)
            learning = (pair for pair in source.named_parameters() if pair[1].requires_grad)
            self.start = {name: value.detach().clone() for name, value in learning}

    @torch.no_grad()
    def update(self, source: nn.Module, step: int) -> None:
        """Update the average after a step.

        Args:
            source: As it is now.
            step: From 1.
        """
        # Short at first, so that the start does not linger.
        decay = min(_DECAY, (1 + step) / (10 + step)) if self._ema else 0.0
        pairs = zip(self.model.parameters(), source.parameters(), strict=True)
        for mean, parameter in pairs:
            if parameter.requires_grad:
                mean.lerp_(parameter, 1.0 - decay)
        _copy_buffers(source, self.model)

    @torch.no_grad()
    def interpolated(self, weight: float) -> nn.Module:
        """Interpolate between the start, if that is kept, and the average.

        The next call changes the returned network.

        Args:
            weight: Of the average, 0 to 1; the rest is the start.
        """
        means = dict(self.model.named_parameters())
        for name, parameter in self._interpolated.named_parameters():
            if name in self.start:
                start = self.start[name]
                parameter.copy_(torch.lerp(start, means[name], weight))
        if self._interpolated is not self.model:
            _copy_buffers(self.model, self._interpolated)
        return self._interpolated


def _copy_buffers(source: nn.Module, target: nn.Module) -> None:
    for copied, buffer in zip(target.buffers(), source.buffers(), strict=True):
        copied.copy_(buffer)
