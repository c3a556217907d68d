"""The files that the ways from frame to label are made from: one network in every form."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy

from benchmarks.inference_request import (
    DEVIATION,
    INTEGER_MODEL,
    LITERT_FILE,
    MEAN,
    MODEL,
    NCNN_NAME,
    PLAIN,
    SIZE,
    STATE,
)
from webcam_classifier.backbone.feature_graph import (
    EMBEDDING_NAME,
    FeatureExtractor,
    squeezenet1_1_features,
)
from webcam_classifier.backbone.load import DEFAULT_BACKBONE
from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.camera.scene import draw_scene
from webcam_classifier.errors import UserError
from webcam_classifier.export.check_pictures import UNKNOWN, CheckPictures
from webcam_classifier.export.int8 import to_int8
from webcam_classifier.head.lda import LinearHead, append_head
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import ModelCard
from webcam_classifier.preprocess import prepare

FRAMES = 8
_PROJECT = Path(__file__).resolve().parents[1]
_CALIBRATION = 40  # drawn frames: enough for a benchmark of speed
_POSES = ("thumbs_up", "thumbs_down", "background")
_SPREAD = 0.02  # of a random head's weights: activations are large
_WIDTH = 512  # features of the last module
_SURENESS = 10.0  # factor of the logits


def write_frames(folder: Path) -> None:
    """Write frames of a moving scene, 640 x 480 as a camera gives them."""
    frames = [draw_scene(_POSES[index % 3], 1, 7 * index) for index in range(FRAMES)]
    np.save(folder / "frames.npy", np.stack(frames))


def write_models(folder: Path, labels: int = 3, size: int = SIZE) -> None:
    """Write our model, and the same network as other runtimes are usually given it.

    Args:
        folder: Where they belong.
        labels: Of the head.
        size: The side of the square picture, in pixels.
    """
    tensors = squeezenet1_1_weights().tensors
    features = _as_in_torchvision(squeezenet1_1_features(tensors, size))
    head = _head(features, size) if labels == len(_POSES) else _random_head(labels)
    whole = append_head(features, head)
    names = tuple(f"label {index}" for index in range(labels))
    card = ModelCard(names, size, DEFAULT_BACKBONE, "head", "", "", "", "")
    write_model(whole, card, folder / MODEL)
    _write_plain(onnx.load(folder / MODEL), folder, size)
    arrays = {key: value for key, value in tensors.items() if key.startswith("features.")}
    (folder / STATE).write_bytes(
        safetensors.numpy.save(arrays | {"head.weight": head.weights, "head.bias": head.bias})
    )


def take_model(folder: Path, model: Path) -> None:
    """Put a trained model in the place of ours; `write_models` has written before.

    Other runtimes get the same graph from the first convolution on, where that is the default
    network's; of another network they keep the default one.

    Raises:
        UserError: It takes pictures of another size than the other ways do.
    """
    card = Classifier(model).card
    if card.input_size != SIZE or card.precision != "fp32":
        raise UserError(
            f"{model} is {card.precision} at {card.input_size} pixels, and the others are compared "
            f"in fp32 at {SIZE}. Name another model, or none."
        )
    shutil.copy(model, folder / MODEL)
    whole = onnx.load(model)
    if card.backbone == DEFAULT_BACKBONE and any(
        "floats" in node.output for node in whole.graph.node
    ):
        _write_plain(whole, folder)


def write_integer_model(folder: Path) -> None:
    """Quantise our model, as `python -m export` does."""
    frames = [draw_scene(_POSES[index % 3], 2, 9 * index) for index in range(2 * _CALIBRATION)]
    prepared = [prepare(frame, SIZE) for frame in frames]
    truths = np.full(_CALIBRATION, UNKNOWN, dtype=np.int64)
    pictures = CheckPictures(tuple(prepared[::2]), tuple(prepared[1::2]), truths, "drawn frames")
    original = Classifier(folder / MODEL)
    answers = np.stack(
        [original.classify_prepared(picture).probabilities for picture in pictures.compared]
    )
    converted = to_int8(original, pictures, answers)
    write_model(converted.graph, original.card, folder / INTEGER_MODEL)


def write_foreign_models(folder: Path, python: Path) -> None:
    """Write the ncnn and the LiteRT file, with the tools of the baselines' own environment.

    Args:
        folder: Where `write_models` wrote.
        python: Of that environment.
    """
    shape = f"inputshape=[1,3,{SIZE},{SIZE}]"
    pnnx = [str(python.parent / "pnnx"), str(folder / PLAIN), shape, "fp16=0"]
    litert = [str(python), "-m", "benchmarks.litert_file"]
    litert += [str(folder / STATE), str(folder / LITERT_FILE)]
    for command, written in ((pnnx, f"{NCNN_NAME}.param"), (litert, LITERT_FILE)):
        done = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=False)
        if done.returncode or not (folder / written).is_file():
            raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")


def _as_in_torchvision(features: onnx.ModelProto) -> onnx.ModelProto:
    """Leave of the embedding the even mean of the last module, as other runtimes are given it."""
    graph = features.graph
    makers = {node.output[0]: node for node in graph.node}
    shares = makers[EMBEDDING_NAME]  # of both modules
    flat = makers[shares.input[0]]
    pool = makers[flat.input[0]]
    weighted = makers[pool.input[0]]  # the middle counts most
    both = makers[weighted.input[0]]
    pool.input[0], flat.output[0] = both.input[-1], EMBEDDING_NAME
    for node in (shares, weighted):
        for unused in [entry for entry in graph.initializer if entry.name in node.input]:
            graph.initializer.remove(unused)
    for node in (shares, weighted, both):
        graph.node.remove(node)
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = _WIDTH
    return features


def _head(features: onnx.ModelProto, size: int) -> LinearHead:
    """Fit a head on drawn frames by least squares: answers of a random one hang by a thread."""
    frames = [draw_scene(_POSES[index % 3], 3, 5 * index) for index in range(2 * _CALIBRATION)]
    embedded = FeatureExtractor(features).embed(prepare(frame, size) for frame in frames)
    wanted = np.eye(3)[np.arange(len(frames)) % 3] - 1 / 3
    mean = embedded.mean(axis=0, dtype=np.float64)
    centred = embedded - mean
    ridge = 0.1 * np.trace(centred @ centred.T) / len(frames) * np.eye(len(frames))
    weights = _SURENESS * np.linalg.solve(centred @ centred.T + ridge, wanted).T @ centred
    return LinearHead(weights.astype(np.float32), (-weights @ mean).astype(np.float32), 1.0)


def _random_head(labels: int) -> LinearHead:
    weights = np.random.default_rng(0).normal(scale=_SPREAD, size=(labels, _WIDTH))
    return LinearHead(weights.astype(np.float32), np.zeros(labels, dtype=np.float32), 1.0)


def _write_plain(whole: onnx.ModelProto, folder: Path, size: int = SIZE) -> None:
    """Write a graph from its first convolution on: normalised pixels in planes, one picture."""
    inferred = onnx.shape_inference.infer_shapes(whole)
    plain = onnx.utils.Extractor(inferred).extract_model(["floats"], ["probabilities"])
    _take_normalised_pixels(plain)
    shape = plain.graph.input[0].type.tensor_type.shape
    for axis, length in zip(shape.dim, (1, 3, size, size), strict=True):
        axis.dim_value = length
    onnx.save(plain, folder / PLAIN)


def _take_normalised_pixels(plain: onnx.ModelProto) -> None:
    """Put torchvision's first convolution back: ours has colour order, scale and mean in it."""
    first = plain.graph.node[0]
    entries = {entry.name: entry for entry in plain.graph.initializer}
    ours, offset = (onnx.numpy_helper.to_array(entries[name]) for name in first.input[1:3])
    deviation = np.array(DEVIATION)[:, np.newaxis, np.newaxis]
    mean = np.array(MEAN)[:, np.newaxis, np.newaxis]
    weight = ours[:, ::-1].astype(np.float64) * (255.0 * deviation)  # red green blue
    bias = offset + (weight * (mean / deviation)).sum(axis=(1, 2, 3))
    for name, value in zip(first.input[1:3], (weight, bias), strict=True):
        array = np.ascontiguousarray(value, dtype=np.float32)
        entries[name].CopyFrom(onnx.numpy_helper.from_array(array, name))
