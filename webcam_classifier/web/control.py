"""Whether a request comes from whoever may change things."""

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
    """Refuse a request of somebody who may only look on.

    Args:
        studio: What would be changed.
        request: Its header says which page it comes from.

    Raises:
        HTTPException: Somebody else is in control.
    """
    if not studio.may_change(client_of(request)):
        raise HTTPException(HTTPStatus.CONFLICT, SOMEBODY_TEACHES)
