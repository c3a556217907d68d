"""The frozen backbone as a graph, against torchvision's network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torchvision
from onnx.reference import ReferenceEvaluator

from webcam_classifier.features import (
    FeatureExtractor,
    squeezenet1_1_features,
    with_unit_embedding,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.pictures import read_picture
from webcam_classifier.preprocess import prepare
from webcam_classifier.weights import IMAGENET_DEVIATION, IMAGENET_MEAN, read_safetensors


def torchvision_embedding(weights: Path, prepared: list[BgrImage]) -> np.ndarray:
    network = torchvision.models.squeezenet1_1()
    tensors = read_safetensors(weights)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    rgb = torch.from_numpy(np.stack(prepared)[..., ::-1] / np.float32(255.0)).permute(0, 3, 1, 2)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    with torch.inference_mode():
        features: torch.Tensor = network.eval().features((rgb - mean) / deviation)
        return features.mean(dim=(2, 3)).numpy()


@pytest.mark.parametrize("size", [96, 224])
def test_the_graph_equals_torchvision_on_real_pictures(
    squeezenet_weights: Path, shared_data: Path, size: int
) -> None:
    paths = sorted((shared_data / "thumbs" / "person_1" / "thumbs_up").glob("*.jpg"))[:10]
    prepared = [prepare(read_picture(path), size) for path in paths]
    graph = squeezenet1_1_features(read_safetensors(squeezenet_weights), size)
    onnx.checker.check_model(graph, full_check=True)
    found = FeatureExtractor(graph).embed(prepared)
    expected = torchvision_embedding(squeezenet_weights, prepared)
    assert found.shape == (10, 512)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_unit_embedding_is_the_signed_root_scaled_to_length_one() -> None:
    values = np.array([[4.0, -9.0, 0.0], [0.0, 0.0, 0.25]], dtype=np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["pixels"], ["embedding"])],
        "identity",
        [onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["batch", 3])],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    evaluator = ReferenceEvaluator(with_unit_embedding(model))
    outputs: Any = evaluator.run(None, {"pixels": values})
    found = np.asarray(outputs[0])
    signed_root = np.array([[2.0, -3.0, 0.0], [0.0, 0.0, 0.5]])
    expected = signed_root / np.linalg.norm(signed_root, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
