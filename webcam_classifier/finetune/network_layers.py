"""Layers of this project's own that torchvision's networks are combined with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from webcam_classifier.backbone.feature_graph import POWER, feature_shares, middle_weights
from webcam_classifier.backbone.weights import IMAGENET_DEVIATION, IMAGENET_MEAN

_SMALLEST_SIZE = 1e-6  # a power below one has no slope at zero


class PixelNetwork(nn.Module):
    """A network that takes pictures in OpenCV's format.

    Args:
        network: Takes (N, 3, size, size) float32, red green blue, normalised.
        mean: Of each channel that it was trained on, 0 to 1; ImageNet's by default.
        deviation: Their standard deviation.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float] = IMAGENET_MEAN,
        deviation: Sequence[float] = IMAGENET_DEVIATION,
    ) -> None:
        super().__init__()
        self.network = network
        for name, values in (("mean", mean), ("deviation", deviation)):
            scaled = torch.tensor(values).reshape(1, 3, 1, 1) * 255.0
            self.register_buffer(name, scaled, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the network.

        Args:
            pixels: (N, size, size, 3) uint8, blue green red.
        """
        # (N, H, W, C) seen as (N, C, H, W) is torch's channels-last layout, its fastest on a CPU.
        red_green_blue = pixels.permute(0, 3, 1, 2).flip(1).float()
        output: torch.Tensor = self.network((red_green_blue - self.mean) / self.deviation)
        return output


class MiddlePool(nn.Module):
    """Centre-weighted average pooling of a feature map: `feature_graph.middle_weights`."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Compute the weighted means.

        Args:
            maps: (N, channels, side, side).

        Returns:
            (N, channels), float32 also where the maps are of half the precision.
        """
        weights = torch.tensor(middle_weights(maps.shape[-1]).tolist(), device=maps.device)
        return (maps * weights).mean((2, 3))  # halves times floats are floats


class LastFire(nn.Module):
    """SqueezeNet's last module, joined with half of its input; see `feature_graph.BEFORE_SHARE`.

    Args:
        fire: torchvision's, whose layers and names it takes over.

    Attributes:
        before: How many channels it passes on, those of the 3x3 kernels of the module before.
        given: How many channels it computes itself.
    """

    def __init__(self, fire: nn.Module) -> None:
        super().__init__()
        self.squeeze = _convolution(fire, "squeeze")
        self.expand1x1 = _convolution(fire, "expand1x1")
        self.expand3x3 = _convolution(fire, "expand3x3")
        self.before = self.squeeze.in_channels // 2
        self.given = self.expand1x1.out_channels + self.expand3x3.out_channels

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Give both, (N, before + given, side, side), of maps (N, 2 * before, side, side)."""
        squeezed = self.squeeze(maps).relu()
        given = [self.expand1x1(squeezed).relu(), self.expand3x3(squeezed).relu()]
        return torch.cat([maps[:, self.before :], *given], dim=1)


class FeatureShares(nn.Module):
    """Weighs the features of SqueezeNet's last two modules; see `feature_graph.feature_shares`.

    Args:
        before: How many are of the module before the last.
        last: How many are of the last one.
    """

    shares: torch.Tensor

    def __init__(self, before: int, last: int) -> None:
        super().__init__()
        shares = torch.tensor(feature_shares(before, last).tolist())
        self.register_buffer("shares", shares, persistent=False)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Weigh features, (N, before + last)."""
        return embeddings * self.shares


class NormalisedEmbedding(nn.Module):
    """A signed power, then length one: `feature_graph.with_normalised_embedding` in a graph."""

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Normalise embeddings, (N, features) float32, whatever their precision was."""
        sizes = (embeddings.float().abs() + _SMALLEST_SIZE).pow(POWER)
        return nn.functional.normalize(sizes * embeddings.sign(), dim=1)


def _convolution(module: nn.Module, name: str) -> nn.Conv2d:
    found = module.get_submodule(name)
    assert isinstance(found, nn.Conv2d)
    return found
