"""Read the body of a request, and check the fields of the JSON in it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from webcam_classifier.crop import Crop, read_crop
from webcam_classifier.errors import UserError
from webcam_classifier.web.thumbnails import SIDES

Value = TypeVar("Value", bound=str)

_MOST_EPOCHS = 500


@asynccontextmanager
async def received_file(request: Request) -> AsyncIterator[IO[bytes]]:
    """Receive the body as a temporary file; `SecurityMiddleware` limits its size.

    Args:
        request: A request that was not read yet.

    Yields:
        The file, positioned at its beginning.

    Raises:
        HTTPException: There is no room for it.
        ClientDisconnect: It did not arrive completely.
    """
    try:
        # Unbuffered: a buffer that could not be written would be written again on closing.
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 closed below
    except OSError as error:
        await _read_to_the_end(request)
        raise _no_room(error) from error
    with file:
        await _receive(request, file)
        file.seek(0)
        yield file


async def receive_into(request: Request, path: Path) -> None:
    """Receive the body into a file; `SecurityMiddleware` limits its size.

    Args:
        request: A request that was not read yet.
        path: In a temporary folder; an incomplete file is deleted.

    Raises:
        HTTPException: There is no room for it.
        ClientDisconnect: It did not arrive completely.
    """
    try:
        file = path.open("xb", buffering=0)
    except OSError as error:
        await _read_to_the_end(request)
        raise _no_room(error) from error
    try:
        with file:
            await _receive(request, file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _receive(request: Request, file: IO[bytes]) -> None:
    failed: OSError | None = None
    async for chunk in request.stream():
        try:
            if failed is None:
                _write_all(file, chunk)
        except OSError as error:  # goes on reading, see _read_to_the_end
            failed = error
    if failed is not None:
        raise _no_room(failed) from failed


async def _read_to_the_end(request: Request) -> None:
    """Read a body for nothing: a client that still sends would get a reset, and not the answer."""
    async for _ in request.stream():
        pass


def _write_all(file: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _no_room(error: OSError) -> HTTPException:
    return HTTPException(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "The studio could not take it in, as a temporary file can't be written there "
        f"({error.strerror or error}). Free some space in {_temporary_folder()}, or start "
        "studio.py with another folder in the environment variable TMPDIR.",
        {"connection": "close"},
    )


def _temporary_folder() -> str:
    """Return the name of the folder for temporary files, even if none can be used."""
    try:
        return tempfile.gettempdir()
    except OSError:
        return "the folder for temporary files"


async def read_fields(request: Request) -> dict[str, Any]:
    """Read the JSON object in the body.

    Raises:
        UserError: The body is not a JSON object.
    """
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise UserError("What was sent is not JSON. Load the page again.") from error
    if not isinstance(fields, dict):
        raise UserError("What was sent is not a JSON object. Load the page again.")
    return fields


def text_of(fields: dict[str, Any], name: str) -> str:
    """Return a field that must be text.

    Raises:
        UserError: It is missing, or not text.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise UserError(f"{name!r} is missing in what was sent. Load the page again.")
    return value


def one_of(fields: dict[str, Any], name: str, values: tuple[Value, ...]) -> Value:
    """Return a field that must be one of some texts.

    Raises:
        UserError: It is missing, or not one of them.
    """
    given = text_of(fields, name)
    for value in values:
        if value == given:
            return value
    raise UserError(f"{name!r} is {given!r}, and may be {', '.join(values)}.")


def epochs_of(fields: dict[str, Any]) -> int | None:
    """Return the number of epochs; None if there is none.

    Raises:
        UserError: It is not a sensible number of epochs.
    """
    epochs = fields.get("epochs")
    if epochs is None:
        return None
    if isinstance(epochs, bool) or not isinstance(epochs, int) or not 1 <= epochs <= _MOST_EPOCHS:
        raise UserError(f"{epochs!r} epochs can't be trained. Choose from 1 to {_MOST_EPOCHS}.")
    return epochs


def crop_of(fields: dict[str, Any]) -> Crop:
    """Return a crop from `left`, `top`, `width` and `height`, as fractions of the picture's sides.

    Raises:
        UserError: It is not a part of the picture.
    """
    try:
        if any(isinstance(value, bool) for value in fields.values()):
            raise ValueError("a part of the picture is four numbers")
        found = read_crop(fields)
        return Crop(float(found.left), float(found.top), float(found.width), float(found.height))
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"This is not a part of the picture: {error}. Choose another one."
        ) from error


def side_of(request: Request) -> int | None:
    """Return the side of the thumbnail that is asked for, in pixels; None for the picture itself.

    Raises:
        UserError: It is not an allowed size.
    """
    side = request.query_params.get("side")
    if side is None:
        return None
    if not (side.isascii() and side.isdecimal() and len(side) < 5 and int(side) in SIDES):
        raise UserError(f"A side of {side!r} is not from {SIDES.start} to {SIDES.stop - 1} pixels.")
    return int(side)
