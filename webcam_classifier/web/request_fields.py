"""What comes with a request: its body, and the fields of the JSON in it, each checked."""

from __future__ import annotations

import json
from typing import IO, Any, TypeVar

from starlette.requests import Request

from webcam_classifier.errors import UserError
from webcam_classifier.web.thumbnails import SIDES

Value = TypeVar("Value", bound=str)

_MOST_EPOCHS = 500


async def receive(request: Request, file: IO[bytes]) -> None:
    """Write what is sent to a file, and go back to its beginning; the gate limits how much it is.

    Args:
        request: Not read yet.
        file: Open for writing and reading.
    """
    async for chunk in request.stream():
        file.write(chunk)
    file.seek(0)


async def read_fields(request: Request) -> dict[str, Any]:
    """Read the JSON object that was sent.

    Raises:
        UserError: It is none.
    """
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise UserError("What was sent is no JSON. Load the page again.") from error
    if not isinstance(fields, dict):
        raise UserError("What was sent is no JSON object. Load the page again.")
    return fields


def text_of(fields: dict[str, Any], name: str) -> str:
    """Return a field that has to be text.

    Raises:
        UserError: It is missing, or no text.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise UserError(f"{name!r} is missing in what was sent. Load the page again.")
    return value


def one_of(fields: dict[str, Any], name: str, values: tuple[Value, ...]) -> Value:
    """Return a field that has to be one of some texts.

    Raises:
        UserError: It is another, or missing.
    """
    given = text_of(fields, name)
    for value in values:
        if value == given:
            return value
    raise UserError(f"{name!r} is {given!r}, and may be {', '.join(values)}.")


def epochs_of(fields: dict[str, Any]) -> int | None:
    """Return the number of epochs; None where it was left open.

    Raises:
        UserError: It is no number of epochs that anybody would want.
    """
    epochs = fields.get("epochs")
    if epochs is None:
        return None
    if isinstance(epochs, bool) or not isinstance(epochs, int) or not 1 <= epochs <= _MOST_EPOCHS:
        raise UserError(f"{epochs!r} epochs can't be trained. Choose from 1 to {_MOST_EPOCHS}.")
    return epochs


def side_of(request: Request) -> int | None:
    """Return the side of the small copy that is asked for, in pixels; None for the whole picture.

    Raises:
        UserError: It is no size that is made.
    """
    side = request.query_params.get("side")
    if side is None:
        return None
    if not (side.isascii() and side.isdecimal() and len(side) < 5 and int(side) in SIDES):
        raise UserError(f"A side of {side!r} is not from {SIDES.start} to {SIDES.stop - 1} pixels.")
    return int(side)
