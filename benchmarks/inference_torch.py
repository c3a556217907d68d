"""The ways of torch: the tutorials' loop, and torch by its own advice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from benchmarks.inference_request import (
    DEVIATION,
    MEAN,
    SIZE,
    STATE,
    Classify,
    Image,
    Probabilities,
    Request,
    numpy_pixels,
)


def notebook(architecture: str) -> Callable[[Request], Classify]:
    """The loop of the tutorials: PIL, torchvision transforms, torch."""

    def make(request: Request) -> Classify:
        import torch
        from PIL import Image as PilImage
        from torchvision import transforms

        network = torch_network(request, architecture)
        transform = transforms.Compose(
            [
                transforms.Resize((SIZE, SIZE)),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, DEVIATION),
            ]
        )

        def classify(frame: Image) -> Probabilities:
            picture = PilImage.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            with torch.no_grad():
                logits = network(transform(picture).unsqueeze(0))
                return np.asarray(torch.softmax(logits, dim=1).numpy())

        return classify

    return make


def torch_tuned(request: Request) -> Classify:
    """Torch by its own advice: inference mode, channels last, `torch.compile`."""
    import torch

    network = torch_network(request, "squeezenet1_1").to(memory_format=torch.channels_last)
    if request.variant == "compiled":
        network = torch.compile(network)

    def classify(frame: Image) -> Probabilities:
        with torch.inference_mode():
            pixels = torch.from_numpy(numpy_pixels(frame)).to(memory_format=torch.channels_last)
            return np.asarray(torch.softmax(network(pixels), dim=1).numpy())

    return classify


def torch_compiled(request: Request) -> Classify:
    """The same with `torch.compile`."""
    return torch_tuned(Request(request.folder, "compiled", request.threads))


def torch_network(request: Request, architecture: str) -> Any:  # noqa: ANN401 torch is no requirement
    """A network of torchvision; SqueezeNet with the weights and the head of all other ways."""
    import safetensors.numpy
    import torch
    from torchvision import models

    if request.threads:
        torch.set_num_threads(request.threads)
    if architecture != "squeezenet1_1":
        return models.get_model(architecture, weights=None, num_classes=3).eval()
    arrays = safetensors.numpy.load_file(request.folder / STATE)
    weight, bias = arrays.pop("head.weight"), arrays.pop("head.bias")
    network = models.squeezenet1_1(weights=None)
    network.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()}, False)
    linear = torch.nn.Linear(*weight.shape[::-1])
    linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    pool = torch.nn.AdaptiveAvgPool2d(1)
    return torch.nn.Sequential(network.features, pool, torch.nn.Flatten(), linear).eval()
