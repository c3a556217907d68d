"""Check whether a request may change something."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from webcam_classifier.web.studio import SOMEBODY_TEACHES, Studio

_CLIENT = "x-studio-client"


def client_of(request: Request) -> str | None:
    """Return the id of the page that a request comes from; None if its header does not say."""
    return request.headers.get(_CLIENT)


def check_may_change(studio: Studio, request: Request) -> None:
    """Refuse a request from a page that may only watch.

    Args:
        studio: The studio to be changed.
        request: The request, whose header says which page it comes from.

    Raises:
        HTTPException: Somebody else is in control.
    """
    if not studio.may_change(client_of(request)):
        raise HTTPException(HTTPStatus.CONFLICT, SOMEBODY_TEACHES)
