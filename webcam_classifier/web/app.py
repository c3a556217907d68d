"""The ASGI application: all routes, what errors look like, and the gate around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from webcam_classifier.errors import UserError
from webcam_classifier.web.access import Access
from webcam_classifier.web.gate import Gate
from webcam_classifier.web.http_routes import Routes
from webcam_classifier.web.json_text import Json, plain_text
from webcam_classifier.web.limits import body_limit
from webcam_classifier.web.sockets import Sockets
from webcam_classifier.web.studio import Studio

_WENT_WRONG = "Something went wrong in the server; its terminal says what. Try it again."


def build_app(studio: Studio, access: Access) -> ASGIApp:
    """Build the ASGI application.

    Args:
        studio: What the page is about; open.
        access: Who may talk to it.
    """
    sockets = Sockets(studio)
    routes = [
        *Routes(studio).all(),
        WebSocketRoute("/ws/live", sockets.live),
        WebSocketRoute("/ws/camera", sockets.camera),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        studio.use_loop(asyncio.get_running_loop())
        try:
            yield
        finally:
            studio.use_loop(None)

    handlers = {
        HTTPException: _refused,
        UserError: _mistaken,
        ClientDisconnect: _cut_off,
        Exception: _went_wrong,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    return Gate(app, access, body_limit)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _say(request, error.status_code, error.detail, error.headers)


async def _mistaken(request: Request, error: Exception) -> Response:
    return _say(request, HTTPStatus.BAD_REQUEST, str(error))


async def _cut_off(request: Request, _error: Exception) -> Response:
    return _say(request, HTTPStatus.BAD_REQUEST, "It did not arrive completely.")  # nobody reads it


async def _went_wrong(request: Request, _error: Exception) -> Response:
    return _say(request, HTTPStatus.INTERNAL_SERVER_ERROR, _WENT_WRONG)  # uvicorn prints the error


def _say(
    request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    if request.url.path.startswith("/api/"):
        return Json({"error": sentence}, status, headers)
    return PlainTextResponse(plain_text(sentence) + "\n", status, headers)
