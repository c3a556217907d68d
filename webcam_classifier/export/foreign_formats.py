"""Export a model to other tools' formats, and run it on real pictures with their runtimes.

- OpenVINO IR (`model.xml` and `model.bin`), run by the `openvino` package. Its input is that of our
  file: uint8 pixels in BGR order. The library's own ONNX frontend reads the model, because the
  package's converter would send usage data.
- ONNX for jetson-inference's `imagenet`: one input with channels first in RGB order, normalised as
  its `imageNet::preProcess` does for every ONNX model, and one output of probabilities
  (https://github.com/dusty-nv/jetson-inference/blob/master/c/imageNet.cpp).
- TFLite (`tflite_format`), files for torch (`torch_formats`) and Core ML (`core_ml`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.command_names import install_command
from webcam_classifier.errors import UserError
from webcam_classifier.export.core_ml import to_coreml
from webcam_classifier.export.foreign_model import (
    CARD_NAME,
    LABELS_NAME,
    ForeignModel,
    card_for_others,
    label_list,
    what_it_takes,
)
from webcam_classifier.export.tflite_format import to_tflite
from webcam_classifier.export.torch_formats import to_torch_export, to_torchscript
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.passes.graph_index import needed_nodes
from webcam_classifier.runtime.tidy_graph import tidy_graph
from webcam_classifier.temporary_files import temporary_folder

JETSON_INPUT, JETSON_OUTPUT = "input_0", "output_0"
"""What jetson-inference's own training calls the input and the output of a model."""

# What `imageNet::preProcess` subtracts and divides by, of values from 0 to 1, red green blue.
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_CHANNELS_FIRST = (1, 3, 1, 1)


@dataclass(frozen=True)
class ForeignFormat:
    """A format of another tool.

    Attributes:
        purpose: What it is for, in a few words.
        write: Converts a model, and runs the result on prepared pictures. Its arguments are the
            model, the pictures, and the folder where the files are going to be.
        takes: The precisions of models that can be converted.
    """

    purpose: str
    write: Callable[[Classifier, Sequence[BgrImage], Path], ForeignModel]
    takes: Collection[str] = ("fp32",)


def to_openvino(original: Classifier, pictures: Sequence[BgrImage], folder: Path) -> ForeignModel:
    """Convert a model to OpenVINO IR, and run it.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be, for the usage text.

    Raises:
        UserError: The package is not installed, or can't read the model.
    """
    if importlib.util.find_spec("openvino") is None:
        raise UserError(
            "OpenVINO IR is written by the package openvino, which is not installed. Run "
            f"`{install_command('openvino')}`."
        )
    import openvino

    core = openvino.Core()
    labels = label_list(original)
    with temporary_folder() as place:
        try:
            network = core.read_model(str(original.path))
            openvino.save_model(network, str(place / "model.xml"), compress_to_fp16=False)
            compiled = core.compile_model(
                str(place / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
            )
        except RuntimeError as error:
            raise UserError(
                f"OpenVINO can't read {original.path} ({summarise_error(error)}). Export its fp32 "
                "original, or use the ONNX file with OpenVINO's plugin for onnxruntime."
            ) from error
        answers: list[NDArray[np.float32]] = []
        scores: list[float] = []
        for picture in track(Stage.COMPARE, pictures):
            found = compiled({INPUT_NAME: picture[np.newaxis]})
            answers.append(np.array(found[compiled.output(OUTPUT_NAME)][0]))
            if original.card.unknown_threshold is not None:
                scores.append(float(found[compiled.output(UNKNOWN_NAME)].reshape(-1)[0]))
        contents = {name: (place / name).read_bytes() for name in ("model.xml", "model.bin")}
        del compiled, network, found  # they hold the files open
    usage = (
        what_it_takes(original),
        "compile it with INFERENCE_PRECISION_HINT f32, as it was checked: in the 16 bits that some "
        "processors compute in otherwise, the score of the unknown moves",
        f"try it: benchmark_app -m {folder / 'model.xml'} -d CPU",
    )
    contents |= {LABELS_NAME: labels, CARD_NAME: card_for_others(original)}
    ran_on = f"OpenVINO {openvino.__version__.partition('-')[0]} on the processor"
    told = np.array(scores, dtype=np.float32) if scores else None
    return ForeignModel(contents, np.array(answers, dtype=np.float32), told, ran_on, usage)


def to_jetson(original: Classifier, pictures: Sequence[BgrImage], folder: Path) -> ForeignModel:
    """Convert a model to ONNX for jetson-inference, and run it as `imagenet` would.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be, for the usage text.

    Raises:
        UserError: A label can't be a line of the list of labels.
    """
    labels = label_list(original)
    graph = jetson_graph(tidy_graph(original.path), original.card.input_size)
    content = graph.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    answers = [
        session.run([JETSON_OUTPUT], {JETSON_INPUT: as_imagenet_prepares(picture)})[0][0]
        for picture in track(Stage.COMPARE, pictures)
    ]
    usage: tuple[str, ...] = (
        "on the Jetson: "
        + imagenet_command(folder)
        + (" /dev/video0" if original.card.crop is None else " INPUT"),
        "not yet run on a Jetson: the answers above are onnxruntime's, to values as imagenet "
        "prepares them",
        "imagenet resizes the picture without averaging, so its answers can differ a little",
    )
    if original.card.crop is not None:
        usage = (
            *usage,
            "this model was trained on a part of the picture: cut it out before imagenet",
        )
    contents = {"model.onnx": content, LABELS_NAME: labels, CARD_NAME: card_for_others(original)}
    ran_on = f"onnxruntime {onnxruntime.__version__}"
    return ForeignModel(contents, np.array(answers, dtype=np.float32), None, ran_on, usage)


def imagenet_command(folder: Path) -> str:
    """Return the command that runs a model from `to_jetson`, without its source of pictures."""
    return (
        f"imagenet --model={folder / 'model.onnx'} --labels={folder / LABELS_NAME} "
        f"--input_blob={JETSON_INPUT} --output_blob={JETSON_OUTPUT}"
    )


def as_imagenet_prepares(picture: BgrImage) -> NDArray[np.float32]:
    """Preprocess a picture that has the right size as `imageNet::preProcess` does.

    Args:
        picture: (size, size, 3) uint8, blue green red.

    Returns:
        (1, 3, size, size) float32, red green blue.
    """
    values = picture[:, :, ::-1].astype(np.float32) / 255.0
    planes = ((values - _MEAN) / _DEVIATION).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[np.newaxis], dtype=np.float32)


def jetson_graph(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """Convert a model to take the output of `imageNet::preProcess`, and return probabilities only.

    Args:
        model: Takes `pixels`, (N, size, size, 3) uint8 BGR.
        size: The side of its pictures, in pixels.

    Returns:
        A model from `input_0`, (1, 3, size, size) float32, to `output_0`, (1, labels) float32.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    scale = 255.0 * _DEVIATION.reshape(_CHANNELS_FIRST)
    shift = 255.0 * _MEAN.reshape(_CHANNELS_FIRST)
    constants: dict[str, NDArray[Any]] = {
        "jetson_scale": scale,
        "jetson_shift": shift,
        "jetson_order": np.array([2, 1, 0], dtype=np.int64),
    }
    before = [
        helper.make_node("Mul", [JETSON_INPUT, "jetson_scale"], ["jetson_scaled"]),
        helper.make_node("Add", ["jetson_scaled", "jetson_shift"], ["jetson_values"]),
        helper.make_node("Gather", ["jetson_values", "jetson_order"], ["jetson_bgr"], axis=1),
        helper.make_node("Transpose", ["jetson_bgr"], [INPUT_NAME], perm=[0, 2, 3, 1]),
    ]
    after = helper.make_node("Identity", [OUTPUT_NAME], [JETSON_OUTPUT])
    nodes = needed_nodes([*before, *graph.node, after], [JETSON_OUTPUT])
    taken = {name for node in nodes for name in node.input}
    labels = _label_count(model)
    kept = [one for one in graph.initializer if one.name in taken]
    del graph.node[:], graph.initializer[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())
    place = [1, 3, size, size]
    graph.input.append(helper.make_tensor_value_info(JETSON_INPUT, TensorProto.FLOAT, place))
    answer = helper.make_tensor_value_info(JETSON_OUTPUT, TensorProto.FLOAT, [1, labels])
    graph.output.append(answer)
    for index, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return result


def _label_count(model: onnx.ModelProto) -> int:
    (output,) = (one for one in model.graph.output if one.name == OUTPUT_NAME)
    return int(output.type.tensor_type.shape.dim[-1].dim_value)


FORMATS: Mapping[str, ForeignFormat] = {
    "openvino": ForeignFormat("OpenVINO IR, for Intel's processors and graphics", to_openvino),
    "jetson-inference": ForeignFormat("ONNX for imagenet of jetson-inference", to_jetson),
    "tflite": ForeignFormat("TFLite, for phones and LiteRT", to_tflite, ("fp32", "int8")),
    "torch-export": ForeignFormat("a program of torch.export, for torch", to_torch_export),
    "torchscript": ForeignFormat(
        "TorchScript, for C++ and older versions of torch", to_torchscript
    ),
    "coreml": ForeignFormat("Core ML, for apps on Apple's devices", to_coreml),
}
"""By their names on the command line."""
