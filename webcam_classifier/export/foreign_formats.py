"""A model for other tools' runtimes: each written, asked about real pictures by that runtime, kept.

- OpenVINO IR (`model.xml` and `model.bin`), run by the `openvino` package. It takes what our file
  takes: pixels, uint8, blue green red. It is read by the ONNX frontend of the library itself;
  the package's own converter would report its use.
- ONNX as jetson-inference's `imagenet` takes it: one input in planes, red green blue, normalised as
  its `imageNet::preProcess` does for every ONNX model, and one output of probabilities
  (https://github.com/dusty-nv/jetson-inference/blob/master/c/imageNet.cpp).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.command_names import install_command
from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import FEWEST_EQUAL, Probabilities, equal_share
from webcam_classifier.export.fp32 import tidy_graph
from webcam_classifier.frame import BgrImage
from webcam_classifier.leftovers import temporary_folder
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME
from webcam_classifier.prediction import Prediction
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.progress import Stage, track

LABELS_NAME = "labels.txt"
CARD_NAME = "card.json"
JETSON_INPUT, JETSON_OUTPUT = "input_0", "output_0"
"""What jetson-inference's own training calls the input and the output of a model."""

LARGEST_DIFFERENCE = 0.01
"""Of a probability; formats that change no number stay a hundred times below it."""

# What `imageNet::preProcess` subtracts and divides by, of values from 0 to 1, red green blue.
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_CHANNELS_FIRST = (1, 3, 1, 1)
_LONGEST_LABEL = 500  # bytes; imageNet reads lines of up to 511


@dataclass(frozen=True)
class ForeignModel:
    """A model in another format.

    Attributes:
        contents: Its files by name.
        answers: Of its runtime to the pictures, (pictures, labels) float32.
        scores: Of the unknown, (pictures,) float32; None where the format has no such output.
        ran_on: What gave them, in words.
        usage: How it is used, a line each.
    """

    contents: Mapping[str, bytes]
    answers: Probabilities
    scores: NDArray[np.float32] | None
    ran_on: str
    usage: Sequence[str]


@dataclass(frozen=True)
class ForeignFormat:
    """A format.

    Attributes:
        purpose: What it is for, in a few words.
        write: Makes the files from the model, and asks their runtime about prepared pictures; the
            folder is the one that they are going to be in.
    """

    purpose: str
    write: Callable[[Classifier, Sequence[BgrImage], Path], ForeignModel]


@dataclass(frozen=True)
class ForeignComparison:
    """How the answers of another runtime compare with ours.

    Attributes:
        count: Pictures.
        equal: Share of pictures with the same answer, 0 to 1.
        largest_difference: Of any probability.
        changed_sides: Pictures that are unknown to one of them alone; None where that is not known.
    """

    count: int
    equal: float
    largest_difference: float
    changed_sides: int | None

    @property
    def agrees(self) -> bool:
        """Whether the file may stand for the model."""
        return (
            self.equal >= FEWEST_EQUAL
            and self.largest_difference <= LARGEST_DIFFERENCE
            and (self.changed_sides or 0) <= (1 - FEWEST_EQUAL) * self.count
        )

    def describe(self) -> str:
        """Say it in a line."""
        sides = self.changed_sides
        unknown = "" if sides is None else f", unknown to one of them alone: {sides}"
        return (
            f"equal answers {round(self.equal * self.count)} of {self.count}, largest difference "
            f"of a probability {self.largest_difference:.2g}{unknown}"
        )


def compare_answers(ours: Sequence[Prediction], theirs: ForeignModel) -> ForeignComparison:
    """Compare another runtime's answers with ours, to the same pictures.

    Args:
        ours: One for each picture.
        theirs: What is no number in them differs as much as one can.
    """
    before = np.array([one.probabilities for one in ours], dtype=np.float32)
    difference = np.nan_to_num(np.abs(before - theirs.answers), nan=1.0)
    changed = None
    threshold = ours[0].unknown_threshold
    if theirs.scores is not None and threshold is not None:
        # Written so that a score that is no number is on the other side of one that is known.
        known = theirs.scores <= threshold
        changed = sum(bool(one.is_unknown == side) for one, side in zip(ours, known, strict=True))
    return ForeignComparison(
        len(ours), equal_share(before, theirs.answers), float(difference.max()), changed
    )


def to_openvino(original: Classifier, pictures: Sequence[BgrImage], folder: Path) -> ForeignModel:
    """Write OpenVINO IR, and ask it.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be.

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
    labels = _label_list(original)
    with temporary_folder() as place:
        try:
            network = core.read_model(str(original.path))
            openvino.save_model(network, str(place / "model.xml"), compress_to_fp16=False)
            compiled = core.compile_model(
                str(place / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
            )
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(
                f"OpenVINO can't read {original.path} ({first}). Export its fp32 original, or use "
                "the ONNX file with OpenVINO's plugin for onnxruntime."
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
    size = original.card.input_size
    usage = (
        f"takes {INPUT_NAME!r}, (1, {size}, {size}, 3) uint8, blue green red: the whole picture "
        f"resized to {size} x {size}; gives {OUTPUT_NAME!r}, in the order of {LABELS_NAME}",
        "compile it with INFERENCE_PRECISION_HINT f32, as it was checked: in the 16 bits that some "
        "processors compute in otherwise, the score of the unknown moves",
        f"try it: benchmark_app -m {folder / 'model.xml'} -d CPU",
    )
    contents |= {LABELS_NAME: labels, CARD_NAME: _card(original)}
    ran_on = f"OpenVINO {openvino.__version__.partition('-')[0]} on the processor"
    told = np.array(scores, dtype=np.float32) if scores else None
    return ForeignModel(contents, np.array(answers, dtype=np.float32), told, ran_on, usage)


def to_jetson(original: Classifier, pictures: Sequence[BgrImage], folder: Path) -> ForeignModel:
    """Write ONNX for jetson-inference, and ask it as `imagenet` would.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be.

    Raises:
        UserError: A label can't be a line of the list of labels.
    """
    labels = _label_list(original)
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
        usage = (*usage, "this model was taught a part of the picture: cut it out before imagenet")
    contents = {"model.onnx": content, LABELS_NAME: labels, CARD_NAME: _card(original)}
    ran_on = f"onnxruntime {onnxruntime.__version__}"
    return ForeignModel(contents, np.array(answers, dtype=np.float32), None, ran_on, usage)


def imagenet_command(folder: Path) -> str:
    """The command that runs a model written by `to_jetson`, without where pictures come from."""
    return (
        f"imagenet --model={folder / 'model.onnx'} --labels={folder / LABELS_NAME} "
        f"--input_blob={JETSON_INPUT} --output_blob={JETSON_OUTPUT}"
    )


def as_imagenet_prepares(picture: BgrImage) -> NDArray[np.float32]:
    """Do what `imageNet::preProcess` does to a picture of the right size.

    Args:
        picture: (size, size, 3) uint8, blue green red.

    Returns:
        (1, 3, size, size) float32, red green blue.
    """
    values = picture[:, :, ::-1].astype(np.float32) / 255.0
    planes = ((values - _MEAN) / _DEVIATION).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[np.newaxis], dtype=np.float32)


def jetson_graph(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """Let a model take what `imageNet::preProcess` gives, and answer with probabilities alone.

    Args:
        model: Takes `pixels`, (N, size, size, 3) of blue green red from 0 to 255.
        size: Of its pictures, in pixels.

    Returns:
        Another model: from `input_0`, (1, 3, size, size) float32, to `output_0`, (1, labels).
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
    nodes = _needed([*before, *graph.node, after], JETSON_OUTPUT)
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


def _needed(nodes: Sequence[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """The nodes that an output rests on, in their order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _label_count(model: onnx.ModelProto) -> int:
    (output,) = (one for one in model.graph.output if one.name == OUTPUT_NAME)
    return int(output.type.tensor_type.shape.dim[-1].dim_value)


def _label_list(original: Classifier) -> bytes:
    labels = original.card.labels
    for label in labels:
        if len(label.encode()) > _LONGEST_LABEL or "\n" in label:
            raise UserError(
                f"The label {label[:40]!r} can't be a line of {LABELS_NAME}. Rename it, and train "
                "again."
            )
    return "".join(f"{label}\n" for label in labels).encode()


def _card(original: Classifier) -> bytes:
    """What another program should know: labels, and the threshold of the unknown."""
    card = original.card
    return json.dumps(
        {
            "labels": card.labels,
            "input_size": card.input_size,
            "unknown_threshold": card.unknown_threshold,
            "accuracy": card.accuracy,
            "accuracy_count": card.accuracy_count,
            "backbone": card.backbone,
            "created_at": card.created_at,
        },
        indent=1,
        ensure_ascii=False,
    ).encode()


FORMATS: Mapping[str, ForeignFormat] = {
    "openvino": ForeignFormat("OpenVINO IR, for Intel's processors and graphics", to_openvino),
    "jetson-inference": ForeignFormat("ONNX for imagenet of jetson-inference", to_jetson),
}
"""By the name that the command line takes."""
