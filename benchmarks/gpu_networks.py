"""Networks of torchvision in torch, and the same on our session, on one device in one process.

    $ python -m benchmarks.gpu_networks squeezenet1_1 --device cuda --provider cuda --json FILE

Weights are random: only times are compared, and whether the answers are torch's. `notebook` is the
loop of the tutorials, `tuned` is torch by its own advice (channels last, fp16 by autocast on a
GPU), `compiled` adds `torch.compile`, `torch2trt` converts where that package is installed, and
`ours` is the graph that torch exports, opened as live.py opens a model. Each takes a frame of
640 x 480 from memory to probabilities in memory. What could not run says why.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torchvision import models, transforms

from benchmarks.inference_request import DEVIATION, MEAN, SIZE, Image, numpy_pixels
from webcam_classifier.camera.scene import draw_scene
from webcam_classifier.cli.console import run_script
from webcam_classifier.preprocess import prepare
from webcam_classifier.runtime.providers import PROVIDERS, ExecutionConfig
from webcam_classifier.runtime.session import open_model

NETWORKS = ("alexnet", "squeezenet1_1", "resnet18", "vgg16", "vit_s_16")
_LABELS = 3
_ROUNDS, _WARM_UP = 5, 3

Classify = Callable[[Image], np.ndarray]


class PixelNetwork(nn.Module):
    """A network that takes pixels as ours do, and gives probabilities.

    Args:
        network: From normalised planes to logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network
        self._mean = 255 * torch.tensor(MEAN).view(1, 3, 1, 1)
        self._deviation = 255 * torch.tensor(DEVIATION).view(1, 3, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Take (1, size, size, 3) uint8, blue green red; give (1, labels)."""
        planes = pixels.flip(3).permute(0, 3, 1, 2).float()
        return torch.softmax(self._network((planes - self._mean) / self._deviation), dim=1)


def build(name: str) -> nn.Module:
    """Return a network with random weights, the same ones each time."""
    torch.manual_seed(0)
    if name == "vit_s_16":  # torchvision has its parts: Touvron et al. 2021, table 1, "DeiT-S"
        network: nn.Module = models.VisionTransformer(
            SIZE, 16, 12, 6, 384, 1536, num_classes=_LABELS
        )
        return network.eval()
    network = models.get_model(name, weights=None, num_classes=_LABELS)
    return network.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Time all ways in turn, and write the figures."""
    options = parse(arguments)
    device = torch.device(options.device)
    frame = draw_scene("thumbs_up", 1, 0)
    ways, problems = make_ways(device, options)
    answers = {name: np.asarray(classify(frame)).reshape(-1) for name, classify in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, classify in ways.items():
            times[name].append(time_once(classify, frame, options.runs))
    reference = answers["notebook"]
    found = {
        name: {
            "milliseconds": float(np.median(times[name])),
            "apart": float(np.abs(answers[name] - reference).max()),
        }
        for name in ways
    }
    for name, figures in found.items():
        words = f"{figures['milliseconds']:8.2f} ms, {figures['apart']:.4f} apart"
        print(f"{options.network:<15}{name:<10}{words}")
    for name, problem in problems.items():
        print(f"{options.network:<15}{name:<10}could not run: {problem}")
    options.json.write_text(json.dumps({"found": found, "problems": problems}))


def make_ways(
    device: torch.device, options: argparse.Namespace
) -> tuple[dict[str, Classify], dict[str, str]]:
    """Return what classifies a frame, by name, and why others can't."""

    def network() -> nn.Module:
        return build(options.network).to(device)

    makers: dict[str, Callable[[], Classify]] = {
        "notebook": lambda: notebook(network(), device),
        "tuned": lambda: tuned(network(), device),
        "ours": lambda: ours(build(options.network), options.provider),
    }
    if not options.without_compile:
        makers["compiled"] = lambda: tuned(network(), device, torch.compile)
    if device.type == "cuda":
        makers["torch2trt"] = lambda: converted(network(), device)
    ways, problems = {}, {}
    for name, make in makers.items():
        try:
            way = make()
            way(draw_scene("thumbs_up", 1, 0))  # compiles, or finds that it can't
        except Exception as error:  # whatever a driver or a compiler raises
            lines = str(error).strip().splitlines()
            problems[name] = f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
        else:
            ways[name] = way
    return ways, problems


def notebook(network: nn.Module, device: torch.device) -> Classify:
    """The loop of the tutorials: PIL, torchvision's transforms, torch."""
    from PIL import Image as PilImage

    steps = (transforms.Resize((SIZE, SIZE)), transforms.ToTensor())
    transform = transforms.Compose([*steps, transforms.Normalize(MEAN, DEVIATION)])

    def classify(frame: Image) -> np.ndarray:
        picture = PilImage.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        with torch.no_grad():
            logits = network(transform(picture).unsqueeze(0).to(device))
            return np.asarray(torch.softmax(logits, dim=1).cpu().numpy())

    return classify


def tuned(
    network: nn.Module, device: torch.device, compiled: Callable[[Any], Any] | None = None
) -> Classify:
    """Torch by its own advice."""
    laid_out = network.to(memory_format=torch.channels_last)
    run = laid_out if compiled is None else compiled(laid_out)
    is_gpu = device.type == "cuda"

    def classify(frame: Image) -> np.ndarray:
        pixels = torch.from_numpy(numpy_pixels(frame)).to(device, memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(device.type, torch.float16, enabled=is_gpu):
            found = torch.softmax(run(pixels), dim=1)
        return np.asarray(found.float().cpu().numpy())

    return classify


def converted(network: nn.Module, device: torch.device) -> Classify:
    """torch2trt, in fp16, as its README shows. Not yet run."""
    from torch2trt import torch2trt  # type: ignore[import-not-found]  # where it installs

    example = torch.zeros((1, 3, SIZE, SIZE), device=device)
    engine = torch2trt(network, [example], fp16_mode=True)

    def classify(frame: Image) -> np.ndarray:
        found = torch.softmax(engine(torch.from_numpy(numpy_pixels(frame)).to(device)), dim=1)
        return np.asarray(found.float().cpu().numpy())

    return classify


def ours(network: nn.Module, provider: str) -> Classify:
    """The graph that torch exports, on the session of live.py."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "network.onnx"
    pixels = torch.zeros((1, SIZE, SIZE, 3), dtype=torch.uint8)
    torch.onnx.export(
        PixelNetwork(network).eval(), (pixels,), path,
        input_names=["pixels"], output_names=["probabilities"], external_data=False, verbose=False,
    )  # fmt: skip
    session = open_model(path, ExecutionConfig(provider))
    place = np.empty((SIZE, SIZE, 3), np.uint8)

    def classify(frame: Image, _kept: object = folder) -> np.ndarray:
        return session.run(prepare(frame, SIZE, place)[np.newaxis])["probabilities"]

    return classify


def time_once(classify: Classify, frame: Image, runs: int) -> float:
    """Return the median of so many runs in milliseconds."""
    seconds = []
    for _ in range(_WARM_UP + runs):
        started = time.perf_counter()
        classify(frame)
        seconds.append(time.perf_counter() - started)
    return 1000.0 * float(np.median(seconds[_WARM_UP:]))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_networks", description=__doc__)
    add = parser.add_argument
    add("network", choices=NETWORKS)
    add("--device", default="cuda", help="of torch (default: %(default)s)")
    add("--provider", choices=tuple(PROVIDERS), default="cuda", help="of ours")
    add("--runs", type=int, default=20, help="of each way in each round (default: %(default)s)")
    add("--without-compile", action="store_true")
    add("--json", type=Path, required=True, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
