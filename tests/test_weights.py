"""Where pretrained weights come from, and that nothing else comes with them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray

from webcam_classifier.backbone.weights import (
    _unpickle_arrays,
    cache_folder,
    read_safetensors,
    torchvision_tensors,
)
from webcam_classifier.errors import UserError

FloatArray = NDArray[np.float32]


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1 + 1",))


@pytest.mark.parametrize("value", [Hostile(), Path("a"), {"conv1": [np.sum]}])
def test_a_pickle_that_asks_for_anything_but_arrays_is_refused(value: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        _unpickle_arrays(pickle.dumps(value, protocol=3))


def test_arrays_of_an_old_numpy_are_read() -> None:
    arrays = {"conv1": [np.arange(6, dtype=np.float32).reshape(2, 3)]}
    content = pickle.dumps(arrays, protocol=3).replace(b"numpy._core", b"numpy.core")
    np.testing.assert_array_equal(_unpickle_arrays(content)["conv1"][0], arrays["conv1"][0])


def test_the_conversion_changes_nothing_in_the_function() -> None:
    # Oracle: the same convolution on BGR pixels less Caffe's mean, without any folding.
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(3, 3, 3, 8)).astype(np.float32)
    bias = generator.normal(size=8).astype(np.float32)
    tensors = torchvision_tensors({"conv1": [kernel, bias]})
    pixels = generator.integers(0, 256, (1, 20, 20, 3)).astype(np.float32)  # BGR

    def convolve(planes: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
        planes_, weight_, bias_ = (
            torch.from_numpy(np.ascontiguousarray(values)) for values in (planes, weight, bias)
        )
        convolved = torch.nn.functional.conv2d(planes_, weight_, bias_, stride=2)
        return np.asarray(convolved.numpy())

    caffe = (pixels - (104.0, 117.0, 123.0)).transpose(0, 3, 1, 2).astype(np.float32)
    expected = convolve(caffe, kernel.transpose(3, 2, 0, 1), bias)
    rgb = pixels[..., ::-1] / 255.0
    ours = ((rgb - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(0, 3, 1, 2)
    found = convolve(
        ours.astype(np.float32), tensors["features.0.weight"], tensors["features.0.bias"]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_the_weights_from_the_package_are_the_independent_copy(
    squeezenet_weights: Path, shared_weights: Path
) -> None:
    reference = torch.load(shared_weights / "squeezenet1_1-fp32.pth", weights_only=True)
    found = read_safetensors(squeezenet_weights)
    assert set(found) == set(reference)
    for name, tensor in reference.items():
        np.testing.assert_allclose(found[name], tensor.numpy(), atol=1e-6)


def test_the_cache_follows_the_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "webcam-classifier"


@pytest.mark.parametrize(
    "content", [b"", b"hello", safetensors.numpy.save({"a": np.zeros(9)})[:-4]]
)
def test_a_damaged_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_safetensors(path)
    with pytest.raises(UserError, match="can't be read"):
        read_safetensors(tmp_path / "missing.safetensors")
