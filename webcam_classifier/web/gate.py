"""What everything goes through on its way in and out: access, size of what is sent, headers.

It stands around the whole application, so that no route, error or WebSocket can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webcam_classifier.web.access import Access, Refusal
from webcam_classifier.web.answer_headers import DOOR_POLICY, with_protection

_TOKEN_STAYS = 365 * 24 * 3600  # seconds that the browser keeps it; the server ends it earlier

# A redirect would not do: a cookie of SameSite=Strict does not go along with a redirect when the
# link was followed from another site, such as from a mail.
_GO_ON = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Studio</title>
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">Open the studio</a></p></html>"""

_NOT_SERVED = Refusal(HTTPStatus.NOT_FOUND, "There is no such WebSocket. Load the page again.")
_STARTS = ("http.response.start", "websocket.accept")


class Gate:
    """An ASGI application around another one, which only what is allowed gets to.

    Args:
        app: What is protected.
        access: Who may.
        body_limit: How many bytes may be sent to a path.
    """

    def __init__(self, app: ASGIApp, access: Access, body_limit: Callable[[str], int]) -> None:
        self._app = app
        self._access = access
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        sender = _protecting(send)
        refusal = self._access.refusal(connection)
        if self._access.opens(connection) and _is_about_token_at_most(refusal):
            await self._open()(scope, receive, sender)
        elif refusal is not None and scope["type"] == "websocket":
            await _refuse_socket(refusal, send)
        elif refusal is not None:
            await _refuse(refusal, scope)(scope, receive, sender)
        elif scope["type"] == "http":
            limit = self._body_limit(scope["path"])
            if _declared_size(connection) > limit:
                await _refuse(_too_large(limit), scope)(scope, receive, sender)
            else:
                await self._app(scope, _counting(receive, limit), sender)
        else:
            await self._app(scope, receive, sender)

    def _open(self) -> Response:
        response = HTMLResponse(_GO_ON, headers={"content-security-policy": DOOR_POLICY})
        response.set_cookie(
            self._access.cookie,
            self._access.token or "",
            max_age=_TOKEN_STAYS,
            httponly=True,
            samesite="strict",
        )
        return response


def _is_about_token_at_most(refusal: Refusal | None) -> bool:
    return refusal is None or refusal.status == HTTPStatus.UNAUTHORIZED


def _refuse(refusal: Refusal, scope: Scope) -> Response:
    headers = {"connection": "close"}
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": refusal.reason}, refusal.status, headers)
    return PlainTextResponse(refusal.reason + "\n", refusal.status, headers)


async def _refuse_socket(refusal: Refusal, send: Send) -> None:
    # uvicorn adds length and type of the body; up to 0.52 it fails where they are given too.
    start = {"type": "websocket.http.response.start", "headers": with_protection([])}
    await send({**start, "status": int(refusal.status)})
    await send({"type": "websocket.http.response.body", "body": refusal.reason.encode()})


def _too_large(limit: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"This is larger than the {_in_words(limit)} that are taken. Send less at once.",
    )


def _in_words(count: int) -> str:
    """Write a number of bytes as a person reads it: `32 MB`."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _declared_size(connection: HTTPConnection) -> int:
    declared = connection.headers.get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0


def _counting(receive: Receive, limit: int) -> Receive:
    """Count what really arrives: a size may be declared wrongly, or not at all."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            refusal = _too_large(limit)
            raise HTTPException(refusal.status, refusal.reason, {"connection": "close"})
        return message

    return counted


def _protecting(send: Send) -> Send:
    has_started = False

    async def protected(message: Message) -> None:
        nonlocal has_started
        if message["type"] == "websocket.close" and not has_started:
            # A WebSocket that nobody serves: said with an answer, since a close has no headers.
            await _refuse_socket(_NOT_SERVED, send)
            return
        if message["type"] in _STARTS:
            has_started = True
            message["headers"] = with_protection(list(message.get("headers", ())))
        await send(message)

    return protected
