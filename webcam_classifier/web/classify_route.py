"""The route for pictures that are sent to be labelled: a few at once, with a bounded queue."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from webcam_classifier.web.background_thread import in_background_thread
from webcam_classifier.web.json_text import Json

_AT_ONCE = 3  # pictures in the memory
_WAITING = 8  # requests that may wait; further ones are refused


class Posted(Protocol):
    """Labels pictures that are sent; `PostedPictures` does."""

    def classify(self, content: bytes) -> dict[str, Any]:
        """Classify a picture; called in a thread.

        Raises:
            UserError: It can't be labelled.
        """


class ClassifyRoute:
    """Answers with the prediction for a picture, which is not kept.

    Args:
        posted: Labels the pictures.
    """

    def __init__(self, posted: Posted) -> None:
        self._posted = posted
        self._receiving = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def answer(self, request: Request) -> Response:
        """Label the picture that is sent."""
        if self._waiting >= _WAITING:
            raise too_many()
        self._waiting += 1
        try:
            async with self._receiving:
                content = await request.body()
                return Json(await in_background_thread(lambda: self._posted.classify(content)))
        finally:
            self._waiting -= 1


def too_many() -> HTTPException:
    """Return the response to a request for which there is no room."""
    return HTTPException(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "There are too many requests at once. Try again in a moment.",
        {"retry-after": "1"},
    )
