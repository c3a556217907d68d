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

from tests.tiny_features import tiny_backbone
from webcam_classifier.backbone.feature_graph import (
    BEFORE_SHARE,
    FeatureExtractor,
    middle_weights,
    session_threads,
    squeezenet1_1_features,
    with_normalised_embedding,
)
from webcam_classifier.backbone.weights import IMAGENET_DEVIATION, IMAGENET_MEAN, read_safetensors
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare


def torchvision_embedding(weights: Path, prepared: list[BgrImage]) -> np.ndarray:
    network = torchvision.models.squeezenet1_1()
    tensors = read_safetensors(weights)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    rgb = torch.from_numpy(np.stack(prepared)[..., ::-1] / np.float32(255.0)).permute(0, 3, 1, 2)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    with torch.inference_mode():
        layers = network.eval().features
        taken: torch.Tensor = layers[:-1]((rgb - mean) / deviation)
        both = torch.cat([BEFORE_SHARE * taken[:, 256:], layers[-1](taken)], dim=1)
        middle = torch.from_numpy(middle_weights(both.shape[-1]))
        return (both * middle).mean(dim=(2, 3)).numpy()


@pytest.mark.parametrize("size", [96, 97, 160, 224])
def test_the_graph_equals_torchvision_on_real_pictures(
    squeezenet_weights: Path, shared_data: Path, size: int
) -> None:
    paths = sorted((shared_data / "thumbs" / "person_1" / "thumbs_up").glob("*.jpg"))[:10]
    prepared = [prepare(read_picture(path), size) for path in paths]
    graph = squeezenet1_1_features(read_safetensors(squeezenet_weights), size)
    onnx.checker.check_model(graph, full_check=True)
    found = FeatureExtractor(graph).embed(prepared)
    expected = torchvision_embedding(squeezenet_weights, prepared)
    assert found.shape == (10, 768)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_middle_counts_most_and_all_sides_alike() -> None:
    weights = middle_weights(13)[0, 0]
    assert weights.mean() == pytest.approx(1.0, abs=1e-6)
    assert weights.argmax() == 6 * 13 + 6
    for turned in (weights.T, weights[::-1], weights[:, ::-1]):
        np.testing.assert_allclose(weights, turned, rtol=1e-5)
    assert 0.3 < weights[0, 6] / weights[6, 6] < 0.5
    assert 0.1 < weights[0, 0] / weights[6, 6] < 0.2
    np.testing.assert_array_equal(middle_weights(1), np.ones((1, 1, 1, 1)))


def test_the_unit_embedding_is_a_signed_power_scaled_to_length_one() -> None:
    values = np.array([[4.0, -9.0, 0.0], [0.0, 0.0, 0.25]], dtype=np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["pixels"], ["embedding"])],
        "identity",
        [onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["batch", 3])],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    evaluator = ReferenceEvaluator(with_normalised_embedding(model))
    outputs: Any = evaluator.run(None, {"pixels": values})
    found = np.asarray(outputs[0])
    signed_power = np.sign(values) * np.abs(values) ** 0.7
    expected = signed_power / np.linalg.norm(signed_power, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 8, 16, 64])
def test_concurrent_runs_and_the_pool_that_they_share_keep_every_core_busy(cores: int) -> None:
    for workers in range(min(cores, 4) + 1):
        callers, pool = max(1, workers), session_threads(cores, workers) - 1
        assert callers + pool == cores


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_a_session_has_a_pool_of_one_thread_less_than_it_is_given() -> None:
    graph = tiny_backbone().features
    before = len(list(Path("/proc/self/task").iterdir()))
    extractor = FeatureExtractor(graph, threads=4)
    assert len(list(Path("/proc/self/task").iterdir())) == before + 3
    del extractor
