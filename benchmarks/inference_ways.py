"""The ways from a camera's frame to probabilities: ours, and what a user would pick instead.

All networks are the same SqueezeNet 1.1 with the same head, but for the notebook's AlexNet. Each
way prepares the picture as its own examples do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmarks.inference_request import (
    DEVIATION,
    INTEGER_MODEL,
    LITERT_FILE,
    MEAN,
    MODEL,
    NCNN_NAME,
    PLAIN,
    SIZE,
    Classify,
    Image,
    Probabilities,
    Request,
    numpy_pixels,
)
from benchmarks.inference_torch import notebook, torch_compiled, torch_tuned

if TYPE_CHECKING:
    from webcam_classifier.runtime.providers import ExecutionConfig


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


def our_runtime(words: str, precision: str, threads: int) -> ExecutionConfig:
    """Return the runtime that a few words name.

    Args:
        words: A provider, then `reduced` and `optimised` as they apply.
        precision: Of the file.
        threads: 0 is one for each core.
    """
    from webcam_classifier.runtime.providers import ExecutionConfig

    provider, *rest = words.split()
    return ExecutionConfig(provider, threads, "reduced" in rest, precision, "optimised" in rest)


def ours(name: str, words: str, precision: str = "fp32") -> Callable[[Request], Classify]:
    """What live.py does between reading a frame and drawing the label.

    Args:
        name: Of the model file.
        words: See `our_runtime`.
        precision: Of the file.
    """

    def make(request: Request) -> Classify:
        from webcam_classifier.model.classifier import Classifier

        cv2.setNumThreads(1)
        runtime = our_runtime(words, precision, request.threads)
        classifier = Classifier(request.folder / name, runtime)
        return lambda frame: classifier.classify(frame).probabilities

    return make


def our_network_alone(request: Request) -> Classify:
    """The graph without resize, checks and result: what the rest of ours is overhead over."""
    from webcam_classifier.preprocess import prepare
    from webcam_classifier.runtime.session import open_model

    runtime = our_runtime("cpu optimised", "fp32", request.threads)
    session = open_model(request.folder / MODEL, runtime)
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


WAYS: Mapping[str, Way] = {
    "ours": Way("ours", "fp32", ours(MODEL, "cpu optimised")),
    "ours-as-it-is": Way("ours, the file as it is", "fp32", ours(MODEL, "cpu")),
    "ours-int8": Way("ours, int8", "int8", ours(INTEGER_MODEL, "cpu optimised", "int8")),
    "ours-openvino-int8": Way(
        "ours, int8 on the OpenVINO provider",
        "int8",
        ours(INTEGER_MODEL, "openvino optimised", "int8"),
    ),
    "ours-litert-int8": Way("ours, int8 on LiteRT", "int8", ours(INTEGER_MODEL, "litert", "int8")),
    "ours-openvino-bf16": Way(
        "ours, bf16 on the OpenVINO provider", "bf16", ours(MODEL, "openvino reduced")
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
