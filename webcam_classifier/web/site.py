"""Build an ASGI application with its security middleware and its error responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from webcam_classifier.errors import UserError
from webcam_classifier.web.access import Access
from webcam_classifier.web.json_text import Json, plain_text
from webcam_classifier.web.security_middleware import SecurityMiddleware

_WENT_WRONG = "Something went wrong in the server; its terminal says what. Try it again."

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def build_site(
    routes: Sequence[BaseRoute],
    access: Access,
    lifespan: Lifespan,
    body_limit: Callable[[str], int],
    is_api: Callable[[str], bool],
) -> ASGIApp:
    """Build an application behind middleware that passes on only what is allowed.

    Args:
        routes: Its routes.
        access: Who has access.
        lifespan: The context in which it is served.
        body_limit: Returns how many bytes may be sent to a path.
        is_api: Whether a path is for programs, which get errors as JSON.
    """

    def say(
        request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        if is_api(request.url.path):
            return Json({"error": sentence}, status, headers)
        return PlainTextResponse(plain_text(sentence) + "\n", status, headers)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return say(request, error.status_code, error.detail, error.headers)

    async def mistaken(request: Request, error: Exception) -> Response:
        return say(request, HTTPStatus.BAD_REQUEST, str(error))

    async def cut_off(request: Request, _error: Exception) -> Response:
        return say(
            request, HTTPStatus.BAD_REQUEST, "The request was incomplete."
        )  # nobody reads it

    async def went_wrong(request: Request, _error: Exception) -> Response:
        return say(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, _WENT_WRONG
        )  # uvicorn prints the error

    handlers = {
        HTTPException: refused,
        UserError: mistaken,
        ClientDisconnect: cut_off,
        Exception: went_wrong,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    return SecurityMiddleware(app, access, body_limit, is_api)
