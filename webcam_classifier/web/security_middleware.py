"""ASGI middleware for every request and response: access, size and time limits, headers.

It wraps the whole application, so that no route, error or WebSocket can be forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webcam_classifier.web.access import Access, Refusal
from webcam_classifier.web.json_text import Json
from webcam_classifier.web.protocols import STATE_CONNECTION
from webcam_classifier.web.response_headers import REDIRECT_POLICY, with_protection

_TOKEN_STAYS = 365 * 24 * 3600  # seconds the browser keeps it; the server forgets it earlier

# A redirect does not work: browsers send no SameSite=Strict cookie along with a redirect if the
# link was followed from another site, for example from a mail.
_GO_ON = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Camera</title>
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">Open the page</a></p></html>"""

_BODY_PATIENCE = 10.0  # seconds to wait for a body while nothing arrives
_BODY_RATE = 20_000.0  # bytes a second that extend the wait: a slow network is not refused
_READ_WITHIN = 30.0  # seconds for a part of a response, some dozens of kilobytes

_CLOSING = {"connection": "close"}
_TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "The request came too slowly or was interrupted. Send it again over a better connection.",
)
_NOT_SERVED = Refusal(HTTPStatus.NOT_FOUND, "There is no such WebSocket. Load the page again.")
_STARTS = ("http.response.start", "websocket.accept")


class SecurityMiddleware:
    """An ASGI application that wraps another one and passes on only what is allowed.

    Args:
        app: The application to protect.
        access: Who has access.
        body_limit: Returns how many bytes may be sent to a path.
        is_api: Whether a path is for programs, which get errors as JSON.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        body_limit: Callable[[str], int],
        is_api: Callable[[str], bool],
    ) -> None:
        self._app = app
        self._access = access
        self._body_limit = body_limit
        self._is_api = is_api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or a WebSocket, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        sender = _protecting(send)
        refusal = self._access.refusal(connection)
        counted = scope.get("state", {}).get(STATE_CONNECTION)
        if counted is not None and refusal is None:
            counted.admit()
        if self._access.opens(connection) and _is_about_token_at_most(refusal):
            await self._open()(scope, receive, sender)
        elif refusal is not None and scope["type"] == "websocket":
            await _refuse_socket(refusal, send)
        elif refusal is not None:
            await self._refuse(refusal, scope)(scope, receive, sender)
        elif scope["type"] == "http":
            limit = self._body_limit(scope["path"])
            if _declared_size(connection) > limit:
                await self._refuse(_too_large(limit), scope)(scope, receive, sender)
            else:
                ended = (lambda: None) if counted is None else counted.close
                await self._app(scope, _bounded(receive, limit), _read_in_time(sender, ended))
        else:
            await self._app(scope, receive, sender)

    def _refuse(self, refusal: Refusal, scope: Scope) -> Response:
        if self._is_api(scope["path"]):
            return Json({"error": refusal.reason}, refusal.status, _CLOSING)
        return PlainTextResponse(refusal.reason + "\n", refusal.status, _CLOSING)

    def _open(self) -> Response:
        response = HTMLResponse(_GO_ON, headers={"content-security-policy": REDIRECT_POLICY})
        response.set_cookie(
            self._access.cookie,
            self._access.token or "",
            max_age=_TOKEN_STAYS,
            httponly=True,
            samesite="strict",
            secure=self._access.is_encrypted,
        )
        return response


def _is_about_token_at_most(refusal: Refusal | None) -> bool:
    return refusal is None or refusal.status == HTTPStatus.UNAUTHORIZED


async def _refuse_socket(refusal: Refusal, send: Send) -> None:
    # uvicorn adds length and type of the body; up to 0.52 it fails if they are given too.
    start = {"type": "websocket.http.response.start", "headers": with_protection([])}
    await send({**start, "status": int(refusal.status)})
    await send({"type": "websocket.http.response.body", "body": refusal.reason.encode()})


def _too_large(limit: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"This is larger than the {_in_words(limit)} that are taken. Send less at once.",
    )


def _in_words(count: int) -> str:
    """Format a number of bytes for a person: `32 MB`."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _declared_size(connection: HTTPConnection) -> int:
    declared = connection.headers.get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0


def _bounded(receive: Receive, limit: int) -> Receive:
    """Limit the size and time of a body: its declared size may be wrong or missing.

    Only time spent waiting for data counts.
    """
    received = 0
    waited = 0.0  # seconds
    is_whole = False

    async def bounded() -> Message:
        nonlocal received, waited, is_whole
        if is_whole:  # from now on, only the end of the connection is waited for
            return await receive()
        began = time.monotonic()
        patience = _BODY_PATIENCE + received / _BODY_RATE - waited
        try:
            message = await asyncio.wait_for(receive(), max(0.0, patience))
        except asyncio.TimeoutError:
            raise HTTPException(_TOO_SLOW.status, _TOO_SLOW.reason, _CLOSING) from None
        waited += time.monotonic() - began
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > limit:
            refusal = _too_large(limit)
            raise HTTPException(refusal.status, refusal.reason, _CLOSING)
        return message

    return bounded


def _read_in_time(send: Send, end: Callable[[], None]) -> Send:
    """Close a connection whose client does not read the response."""

    async def read_in_time(message: Message) -> None:
        timer = asyncio.get_running_loop().call_later(_READ_WITHIN, end)
        try:
            await send(message)
        finally:
            timer.cancel()

    return read_in_time


def _protecting(send: Send) -> Send:
    has_started = False

    async def protected(message: Message) -> None:
        nonlocal has_started
        if message["type"] == "websocket.close" and not has_started:
            # A WebSocket without a route gets a response, since a close has no headers.
            await _refuse_socket(_NOT_SERVED, send)
            return
        if message["type"] in _STARTS:
            has_started = True
            message["headers"] = with_protection(list(message.get("headers", ())))
        await send(message)

    return protected
