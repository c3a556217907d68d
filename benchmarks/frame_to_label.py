"""From a camera's frame to a label: ours against what a user would pick instead, in one run.

    $ python -m benchmarks.frame_to_label

Every way gets the same 640 x 480 BGR frames, and gives the index of a label. Each runs in a process
of its own, in alternating rounds, since one runtime's spinning threads slow down the next one's
runs. All networks are SqueezeNet 1.1 with three labels, but for the notebook's AlexNet. The numbers
are medians of the rounds' medians, and their range.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from webcam_classifier.backbone import DEFAULT_BACKBONE, frozen_features
from webcam_classifier.console import run_script
from webcam_classifier.features import with_unit_embedding
from webcam_classifier.frame import BgrImage
from webcam_classifier.head import LinearHead, append_head
from webcam_classifier.model import Classifier, ModelCard
from webcam_classifier.model_writer import write_model
from webcam_classifier.scene import draw_scene
from webcam_classifier.weights import IMAGENET_DEVIATION, IMAGENET_MEAN

SIZE = 224  # pixels
LABELS = ("none", "thumbs_down", "thumbs_up")
WARM_UP, RUNS = 15, 80
MODEL, PLAIN = "model.onnx", "plain.onnx"

Way = Callable[[BgrImage], int]


def main() -> None:
    """Run all ways in turn, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(median_milliseconds(WAYS[options.run](options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        found: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(options.rounds):
            for name, medians in found.items():
                medians.append(in_own_process(name, folder))
    best = statistics.median(found["ours"])
    print(f"{'way':<34}{'ms':>7}  {'range':>13}  {'times ours':>10}")
    for name, medians in sorted(found.items(), key=lambda item: statistics.median(item[1])):
        middle = statistics.median(medians)
        span = f"{min(medians):.2f}-{max(medians):.2f}"
        print(f"{name:<34}{middle:>7.2f}  {span:>13}  {middle / best:>10.2f}")


def in_own_process(name: str, folder: str) -> float:
    """Time one way; a way that can't run ends the benchmark with what it said."""
    command = [sys.executable, "-m", "benchmarks.frame_to_label", "--run", name]
    done = subprocess.run(
        [*command, "--folder", folder], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout.strip().splitlines()[-1])


def median_milliseconds(way: Way) -> float:
    """Time a way on frames of a moving scene."""
    frames = [draw_scene("thumbs_up", 1, index) for index in range(8)]
    seconds = []
    for index in range(WARM_UP + RUNS):
        started = time.perf_counter()
        way(frames[index % len(frames)])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[WARM_UP:]) * 1000.0


def write_models(folder: Path) -> None:
    """Write our model, and the same network as other runtimes are usually given it."""
    features = frozen_features(DEFAULT_BACKBONE, "auto", SIZE).graph
    weights = np.random.default_rng(0).normal(size=(3, 512)).astype(np.float32)
    head = LinearHead(weights, np.zeros(3, dtype=np.float32), 1.0)
    card = ModelCard(LABELS, SIZE, DEFAULT_BACKBONE, "head", "", "", "", "")
    write_model(append_head(with_unit_embedding(features), head), card, folder / MODEL)
    # From the first convolution's input on: normalised pixels in planes, one picture.
    whole = onnx.shape_inference.infer_shapes(append_head(features, head))
    plain = onnx.utils.Extractor(whole).extract_model(["floats"], ["probabilities"])
    shape = plain.graph.input[0].type.tensor_type.shape
    for axis, length in zip(shape.dim, (1, 3, SIZE, SIZE), strict=True):
        axis.dim_value = length
    onnx.save(plain, folder / PLAIN)


def ours(folder: Path) -> Way:
    """What live.py does between reading a frame and drawing the label."""
    classifier = Classifier(folder / MODEL)
    return lambda frame: int(classifier.classify(frame).probabilities.argmax())


def plain_onnxruntime(folder: Path) -> Way:
    """Onnxruntime as it comes, with the preprocessing of its examples."""
    session = onnxruntime.InferenceSession(folder / PLAIN, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda frame: int(session.run(None, {name: numpy_pixels(frame)})[0].argmax())


def opencv_dnn(folder: Path) -> Way:
    """OpenCV's own runtime, with its blobFromImage."""
    network = cv2.dnn.readNetFromONNX(str(folder / PLAIN))

    def classify(frame: BgrImage) -> int:
        mean = tuple(255.0 * value for value in IMAGENET_MEAN)
        network.setInput(cv2.dnn.blobFromImage(frame, 1 / 57.0, (SIZE, SIZE), mean, swapRB=True))
        return int(network.forward().argmax())

    return classify


def notebook(architecture: str) -> Callable[[Path], Way]:
    """The loop of the tutorials: PIL, torchvision transforms, torch."""

    def make(_folder: Path) -> Way:
        import torch
        from PIL import Image
        from torchvision import models, transforms

        network = models.get_model(architecture, weights=None, num_classes=3).eval()
        transform = transforms.Compose(
            [
                transforms.Resize((SIZE, SIZE)),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_DEVIATION),
            ]
        )

        def classify(frame: BgrImage) -> int:
            picture = Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            with torch.no_grad():
                logits = network(transform(picture).unsqueeze(0))
                return int(torch.softmax(logits, dim=1).argmax())

        return classify

    return make


def numpy_pixels(frame: BgrImage) -> NDArray[np.float32]:
    """Resize, swap, scale and normalise with numpy, as most examples do."""
    resized = cv2.resize(frame, (SIZE, SIZE))
    scaled = resized[:, :, ::-1].astype(np.float32) / 255.0
    normalised = (scaled - np.array(IMAGENET_MEAN, np.float32)) / np.array(
        IMAGENET_DEVIATION, np.float32
    )
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))[np.newaxis]


WAYS: Mapping[str, Callable[[Path], Way]] = {
    "ours": ours,
    "plain onnxruntime, numpy": plain_onnxruntime,
    "OpenCV DNN": opencv_dnn,
    "notebook loop, torch SqueezeNet": notebook("squeezenet1_1"),
    "notebook loop, torch AlexNet": notebook("alexnet"),
}


if __name__ == "__main__":
    run_script(main)
