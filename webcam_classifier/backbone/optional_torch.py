"""Explain to the user when torch is needed but not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from webcam_classifier.errors import UserError


@contextmanager
def needing_torch(what: str, install: str = "-r requirements.txt") -> Iterator[None]:
    """Turn a missing package into an error for the user, around imports that need torch.

    Args:
        what: What needs torch, as the subject of the sentence.
        install: What pip has to install for it.

    Raises:
        UserError: Torch, or a package that comes with it, is not installed.
        ModuleNotFoundError: A module of this project is missing, which is a bug or a broken copy.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("webcam_classifier"):
            raise
        raise UserError(
            f"{what} needs torch, and the package {error.name} is not installed. Run `pip install "
            f"{install}`, or train a head on the default backbone, which does without."
        ) from error


def has_torch() -> bool:
    """Whether torch and torchvision are installed; importing them would take seconds."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "torchvision"))
