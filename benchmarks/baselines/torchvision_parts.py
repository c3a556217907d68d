"""What baselines that are built with torchvision share: pretrained weights and pictures."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.utils.data import Dataset
from torchvision import transforms

_SIZE = (224, 224)  # height, width
_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def place_weights(stored: str, folder: Path) -> None:
    """Put the project's own weights where torchvision looks for downloaded ones.

    So a tutorial's line, `squeezenet1_1(weights="DEFAULT")`, stands in a baseline as it is written,
    and needs no download.

    Args:
        stored: A .npz file with torchvision's `squeezenet1_1`, whole.
        folder: An empty one, which becomes torch's home.
    """
    url = str(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url)
    os.environ["TORCH_HOME"] = str(folder)
    place = folder / "hub" / "checkpoints" / url.rpartition("/")[2]
    place.parent.mkdir(parents=True)
    with np.load(stored) as arrays:
        torch.save({name: torch.from_numpy(arrays[name]) for name in arrays.files}, place)


def pretrained(stored: str) -> nn.Module:
    """Build SqueezeNet 1.1 as torchvision gives it.

    Args:
        stored: A .npz file with its weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        place_weights(stored, Path(folder))
        network: nn.Module = torchvision.models.squeezenet1_1(weights="DEFAULT")
    return network


def squeeze_and_normalise() -> list[nn.Module]:
    """The tutorials' steps from a picture to the network's input, without augmentation."""
    return [
        transforms.Resize(_SIZE), transforms.ToTensor(), transforms.Normalize(_MEAN, _DEVIATION)
    ]  # fmt: skip


class Files(Dataset[tuple[torch.Tensor, int]]):
    """Pictures read from disk each time they are asked for, as ImageFolder does."""

    def __init__(
        self, paths: Sequence[Path], labels: Sequence[int], transform: transforms.Compose
    ) -> None:
        self._paths, self._labels, self._transform = paths, labels, transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self._paths[index]) as image:
            return self._transform(image.convert("RGB")), self._labels[index]
