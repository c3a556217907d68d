"""What the commands that serve a page share: who may open it, and which packages it needs."""

from __future__ import annotations

import argparse

from webcam_classifier.errors import UserError
from webcam_classifier.web.addresses import parse_origin

_SERVER_PACKAGES = ("starlette", "uvicorn", "websockets", "h11", "anyio")


def missing_package(error: ModuleNotFoundError) -> UserError:
    """Return an error that names the missing package.

    Raises:
        ModuleNotFoundError: The missing module does not belong to an optional package.
    """
    if (error.name or "").partition(".")[0] not in _SERVER_PACKAGES:
        raise error
    return UserError(
        f"The page needs the package {error.name}. Install what it needs with "
        "`pip install -r requirements-studio.txt`."
    )


def check_is_private(is_own_machine: bool, origin: str | None, option: str) -> None:
    """Refuse a page without a token if other machines can reach it.

    Args:
        is_own_machine: Whether only this machine can reach the server.
        origin: The origin of a proxy in front of it; None if there is none.
        option: The option that says where the server listens, for the message.

    Raises:
        UserError: Other machines can reach it.
    """
    if not is_own_machine or origin is not None:
        opened = "--origin" if is_own_machine else option
        raise UserError(
            f"--no-token is for this machine alone, and {opened} lets others in. Leave out one "
            "of the two."
        )


def origin(text: str) -> str:
    """Parse the address that people use if there is a reverse proxy in front."""
    try:
        return parse_origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
