"""The ways from a camera's frame to probabilities: ours, and what a user would pick instead.

All networks are the same SqueezeNet 1.1 with the same head, but for the notebook's AlexNet. Each
way prepares the picture as its own examples do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MODEL, INTEGER_MODEL, PLAIN = "model.onnx", "model.int8.onnx", "plain.onnx"
NCNN_NAME, LITERT_FILE = "plain.ncnn", "plain.tflite"
STATE = "squeezenet1_1.safetensors"
SIZE = 224  # pixels
MEAN = (0.485, 0.456, 0.406)  # red, green, blue, of pixels scaled to 0..1
DEVIATION = (0.229, 0.224, 0.225)  # red, green, blue

Image = NDArray[np.uint8]
Probabilities = NDArray[Any]
Classify = Callable[[Image], Probabilities]


@dataclass(frozen=True)
class Request:
    """What a way is made from.

    Attributes:
        folder: Holds the files above.
        variant: Of the way, such as `bf16`.
        threads: Of the processor; 0 is the runtime's own choice.
    """

    folder: Path
    variant: str
    threads: int


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        title: For the table.
        precision: `fp32`, or what it is reduced to.
        make: Gives what classifies a frame.
        needs_environment: Whether it runs in the environment of the runtimes that are no part of
            the project's requirements.
        same_network: Whether its answers are comparable.
    """

    title: str
    precision: str
    make: Callable[[Request], Classify]
    needs_environment: bool = False
    same_network: bool = True


def ours(request: Request) -> Classify:
    """What live.py does between reading a frame and drawing the label.

    The variant is `provider` or `provider-reduced`, of the model file that the folder holds.
    """
    from webcam_classifier.model.classifier import Classifier
    from webcam_classifier.runtime.execution_provider import Runtime

    cv2.setNumThreads(1)
    name, _, rest = request.variant.partition("/")
    provider, _, reduced = rest.partition("-")
    runtime = Runtime(provider, request.threads, bool(reduced))
    classifier = Classifier(request.folder / name, runtime)
    return lambda frame: classifier.classify(frame).probabilities


def our_variant(name: str, variant: str) -> Callable[[Request], Classify]:
    """Ours on one file with one provider."""
    return lambda request: ours(Request(request.folder, f"{name}/{variant}", request.threads))


def our_network_alone(request: Request) -> Classify:
    """The graph without resize, checks and result: what the rest of ours is overhead over."""
    from webcam_classifier.preprocess import prepare
    from webcam_classifier.runtime.execution_provider import Runtime
    from webcam_classifier.runtime.inference_session import open_model

    session = open_model(request.folder / MODEL, Runtime(threads=request.threads))
    prepared: dict[int, Image] = {}

    def classify(frame: Image) -> Probabilities:
        pixels = prepared.get(id(frame))
        if pixels is None:
            pixels = prepared[id(frame)] = prepare(frame, SIZE)[np.newaxis]
        return session.run(pixels)["probabilities"]

    return classify


def plain_onnxruntime(request: Request) -> Classify:
    """Onnxruntime as it comes, with the preprocessing of its examples."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request.threads
    session = onnxruntime.InferenceSession(
        request.folder / PLAIN, sess_options=options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda frame: np.asarray(session.run(None, {name: numpy_pixels(frame)})[0])


def opencv_dnn(request: Request) -> Classify:
    """OpenCV's own runtime, with its blobFromImage."""
    network = cv2.dnn.readNetFromONNX(str(request.folder / PLAIN))
    mean = tuple(255.0 * value for value in MEAN)

    def classify(frame: Image) -> Probabilities:
        network.setInput(cv2.dnn.blobFromImage(frame, 1 / 57.4, (SIZE, SIZE), mean, swapRB=True))
        return np.asarray(network.forward())

    return classify


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


def openvino(precision: str) -> Callable[[Request], Classify]:
    """OpenVINO itself: `f32` and `bf16` on the plain graph, `int8` on our quantised one."""

    def make(request: Request) -> Classify:
        import openvino as runtime

        core = runtime.Core()
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if request.threads:
            settings["INFERENCE_NUM_THREADS"] = request.threads
        if precision == "int8":
            graph = core.read_model(request.folder / INTEGER_MODEL)
            graph.reshape([1, SIZE, SIZE, 3])
            compiled = core.compile_model(graph, "CPU", settings)
            return lambda frame: np.asarray(
                compiled(cv2.resize(frame, (SIZE, SIZE))[np.newaxis])["probabilities"]
            )
        settings["INFERENCE_PRECISION_HINT"] = precision
        compiled = core.compile_model(request.folder / PLAIN, "CPU", settings)
        return lambda frame: np.asarray(compiled(numpy_pixels(frame))[0])

    return make


def ncnn(request: Request) -> Classify:
    """ncnn, converted by its own pnnx, with its own preprocessing."""
    import ncnn as runtime

    network = runtime.Net()
    network.opt.num_threads = request.threads or runtime.get_physical_big_cpu_count()
    network.load_param(str(request.folder / f"{NCNN_NAME}.param"))
    network.load_model(str(request.folder / f"{NCNN_NAME}.bin"))
    mean = [255.0 * value for value in MEAN]
    scale = [1.0 / (255.0 * value) for value in DEVIATION]

    def classify(frame: Image) -> Probabilities:
        height, width = frame.shape[:2]
        pixels = runtime.Mat.from_pixels_resize(
            frame, runtime.Mat.PixelType.PIXEL_BGR2RGB, width, height, SIZE, SIZE
        )
        pixels.substract_mean_normalize(mean, scale)
        with network.create_extractor() as extractor:
            extractor.input("in0", pixels)
            _, found = extractor.extract("out0")
            return np.array(found)

    return classify


def litert(request: Request) -> Classify:
    """LiteRT, once TensorFlow Lite, with XNNPACK on all cores."""
    import os

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(
        model_path=str(request.folder / LITERT_FILE),
        num_threads=request.threads or os.cpu_count(),
    )
    interpreter.allocate_tensors()
    taken = interpreter.get_input_details()[0]["index"]
    given = interpreter.get_output_details()[0]["index"]

    def classify(frame: Image) -> Probabilities:
        pixels = numpy_pixels(frame).transpose(0, 2, 3, 1)
        interpreter.set_tensor(taken, pixels)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given))

    return classify


def numpy_pixels(frame: Image) -> NDArray[np.float32]:
    """Resize, swap, scale and normalise with numpy, as most examples do; (1, 3, size, size)."""
    resized = cv2.resize(frame, (SIZE, SIZE))
    scaled = resized[:, :, ::-1].astype(np.float32) / 255.0
    normalised = (scaled - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))[np.newaxis]


WAYS: Mapping[str, Way] = {
    "ours": Way("ours", "fp32", our_variant(MODEL, "cpu")),
    "ours-int8": Way("ours, int8", "int8", our_variant(INTEGER_MODEL, "cpu")),
    "ours-openvino-int8": Way(
        "ours, int8 on the OpenVINO provider", "int8", our_variant(INTEGER_MODEL, "openvino")
    ),
    "ours-openvino-bf16": Way(
        "ours, bf16 on the OpenVINO provider", "bf16", our_variant(MODEL, "openvino-reduced")
    ),
    "network": Way("ours, the network run alone", "fp32", our_network_alone),
    "onnxruntime": Way("plain onnxruntime, numpy", "fp32", plain_onnxruntime),
    "opencv": Way("OpenCV DNN", "fp32", opencv_dnn),
    "openvino": Way("OpenVINO", "fp32", openvino("f32"), needs_environment=True),
    "openvino-bf16": Way("OpenVINO, bf16", "bf16", openvino("bf16"), needs_environment=True),
    "openvino-int8": Way("OpenVINO, int8", "int8", openvino("int8"), needs_environment=True),
    "ncnn": Way("ncnn", "fp32", ncnn, needs_environment=True),
    "litert": Way("LiteRT", "fp32", litert, needs_environment=True),
    "torch-tuned": Way("torch, channels last", "fp32", torch_tuned),
    "torch-compiled": Way("torch, channels last, compiled", "fp32", torch_compiled),
    "notebook": Way("notebook loop, torch SqueezeNet", "fp32", notebook("squeezenet1_1")),
    "notebook-alexnet": Way(
        "notebook loop, torch AlexNet", "fp32", notebook("alexnet"), same_network=False
    ),
}
"""By the name that the command line takes."""
