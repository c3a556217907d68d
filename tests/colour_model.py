"""A model that tells three colours apart, with its data set and its metrics: for export's tests."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME, OUTPUT_NAME, ModelCard

LABELS = ("blue", "green", "red")
SIZE = 32  # pixels
EACH = 24  # pictures of a label
ON_CPU = ("--provider", "cpu")
"""Options that time the models in two processes instead of two for each provider."""


def write_colour_model(folder: Path) -> Path:
    """Write model, data set and metrics.json, and give the folder back."""
    write_colours(folder / "dataset")
    (folder / "model").mkdir()
    write_model(colour_graph(), colour_card(folder / "dataset"), folder / "model/model.onnx")
    write_metrics(folder)
    return folder


def write_colours(folder: Path, labels: tuple[str, ...] = LABELS) -> None:
    """Noisy pictures in which one channel is the brightest."""
    generator = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(EACH):
            image = generator.integers(0, 60, (40, 50, 3)) + generator.integers(0, 60)
            image[:, :, LABELS.index(label)] += generator.integers(60, 130)
            cv2.imwrite(str(folder / label / f"{number:03}.png"), image.astype(np.uint8))


def colour_card(dataset: Path) -> ModelCard:
    return ModelCard(
        LABELS, SIZE, "tiny", "head", "none", "2026-01-01T00:00:00+00:00", str(dataset), "hash",
        accuracy=0.5, accuracy_count=7,
    )  # fmt: skip


def colour_graph(sharpness: float = 0.05, size: int = SIZE) -> onnx.ModelProto:
    """Two convolutions and a pool, then a head: each channel's mean is the score of its label."""
    generator = np.random.default_rng(1)
    spread = generator.normal(0.0, 0.3, (8, 3, 3, 3)).astype(np.float32)
    spread[:3] = 0.0
    spread[range(3), range(3), 1, 1] = 1.0
    mix = np.concatenate([np.eye(3), np.zeros((3, 5))], axis=1)[:, :, None, None]
    constants = {
        "spread": spread,
        "mix": mix.astype(np.float32),
        "head.weight": sharpness * np.eye(3, dtype=np.float32),
        "head.bias": np.zeros(3, dtype=np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Transpose", [INPUT_NAME], ["planes"], name="planes", perm=[0, 3, 1, 2]),
        make("Cast", ["planes"], ["floats"], name="floats", to=TensorProto.FLOAT),
        make("Conv", ["floats", "spread"], ["convolved"], name="first", pads=[1] * 4),
        make("Relu", ["convolved"], ["activated"], name="first.relu"),
        make("MaxPool", ["activated"], ["small"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["small", "mix"], ["mixed"], name="second"),
        make("Relu", ["mixed"], ["mixed.activated"], name="second.relu"),
        make("GlobalAveragePool", ["mixed.activated"], ["pooled"], name="pooled"),
        make("Flatten", ["pooled"], ["embedding"], name="embedding"),
        make("Gemm", ["embedding", "head.weight", "head.bias"], ["logits"], name="logits"),
        make("Softmax", ["logits"], [OUTPUT_NAME], name="softmax"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "colours",
        [value(INPUT_NAME, TensorProto.UINT8, [BATCH_AXIS, size, size, 3])],
        [value(OUTPUT_NAME, TensorProto.FLOAT, [BATCH_AXIS, 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def write_metrics(folder: Path, labels: tuple[str, ...] = LABELS) -> None:
    """Say which pictures trained and which were held back, as train.py does."""

    def part(start: int, end: int) -> dict[str, object]:
        names = [f"{label}/{number:03}.png" for label in labels for number in range(start, end)]
        return {"count": len(names), "pictures": names}

    split = {"training": part(0, 12), "validation": part(12, 18), "test": part(18, EACH)}
    metrics = {
        "split": {**split, "cut_labels": [], "test_dataset": None},
        "data_hash": "hash",
        "learnt_from_test": False,
    }
    (folder / "model/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def edge_graph() -> onnx.ModelProto:
    """Answers by the digits that eight bits have no room for: of a sum of a thousand shares."""
    model = colour_graph()
    constants = {constant.name: constant for constant in model.graph.initializer}
    generator = np.random.default_rng(2)
    mix = np.abs(generator.normal(1.0, 0.05, (1, 8, 1, 1))).repeat(3, axis=0)
    mix += generator.normal(0.0, 1e-4, mix.shape)
    head = 1e4 * (np.eye(3) - 1.0 / 3.0)
    for name, values in (("mix", mix), ("head.weight", head)):
        constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    return model
