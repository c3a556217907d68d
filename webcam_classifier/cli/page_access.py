"""What the commands that serve a page have in common: who may open it, and what it needs."""

from __future__ import annotations

import argparse

from webcam_classifier.errors import UserError
from webcam_classifier.web.addresses import parse_origin

_SERVER_PACKAGES = ("starlette", "uvicorn", "websockets", "h11", "anyio")


def missing_package(error: ModuleNotFoundError) -> UserError:
    """Say which package a page lacks.

    Raises:
        ModuleNotFoundError: It is none of those that may be missing.
    """
    if (error.name or "").partition(".")[0] not in _SERVER_PACKAGES:
        raise error
    return UserError(
        f"The page needs the package {error.name}. Install what it needs with "
        "`pip install -r requirements-studio.txt`."
    )


def check_is_private(is_own_machine: bool, origin: str | None, option: str) -> None:
    """Refuse to let in everybody who can reach a page that others than this machine can reach.

    Args:
        is_own_machine: Whether no other machine reaches the server.
        origin: Of a proxy in front of it.
        option: That says where the server listens.

    Raises:
        UserError: They can.
    """
    if not is_own_machine or origin is not None:
        opened = "--origin" if is_own_machine else option
        raise UserError(
            f"--no-token is for this machine alone, and {opened} lets others in. Leave out one "
            "of the two."
        )


def origin(text: str) -> str:
    """Read the address that people use where a reverse proxy stands in front."""
    try:
        return parse_origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
