"""Small pictures that a network can learn to tell apart, and what stands for pretrained weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.finetune.network import build_network
from webcam_classifier.frame import BgrImage

NO_WEIGHTS = PretrainedWeights({}, "none")


@dataclass(frozen=True, eq=False)
class Pictures:
    images: list[BgrImage]
    label_indices: NDArray[np.int64]


NO_PICTURES = Pictures([], np.zeros(0, dtype=np.int64))


def squares_and_stripes(count: int, seed: int, size: int = 48) -> Pictures:
    """Grey noise with a bright square (label 0) or a striped one (label 1)."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    images = []
    for label in labels:
        image = generator.integers(40, 90, (size, size, 3), dtype=np.uint8)
        top, left = generator.integers(4, size // 3, 2)
        image[top : top + size // 2 : 1 + 3 * label, left : left + size // 2] = 240
        images.append(image)
    return Pictures(images, labels)


def small_pretrained(backbone: str = "squeezenet1_1") -> PretrainedWeights:
    """Weights that stand for pretrained ones where what they know does not matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = build_network(backbone, 2, NO_WEIGHTS).state_dict()
    tensors = {key: value.numpy() for key, value in state.items() if value.is_floating_point()}
    heads = {"squeezenet1_1": "classifier.", "resnet18": "fc.", "alexnet": "classifier.6."}
    head = heads[backbone]
    kept = {key: value for key, value in tensors.items() if not key.startswith(head)}
    return PretrainedWeights(kept, "random")


def with_header_names(content: bytes, names: Mapping[str, str]) -> bytes:
    """Rename what stands in the header of a safetensors file, as an earlier version wrote it."""
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].decode()
    for name, earlier in names.items():
        assert name in header
        header = header.replace(name, earlier)
    renamed = header.encode()
    return len(renamed).to_bytes(8, "little") + renamed + content[8 + length :]
