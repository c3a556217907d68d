"""Run the application with uvicorn, so that it ends at once and says nothing of itself."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from webcam_classifier.web.connections import Connections, Limits
from webcam_classifier.web.limits import FRAME_BYTES
from webcam_classifier.web.protocols import bounded_protocols

_END_WITHIN = 1  # second that open connections have when the server ends
_JOIN_WITHIN = 1.5  # seconds that the thread of a server may take to end
_LOOK_EVERY = 10.0  # seconds between two looks at whether a page is still there
_ACCEPTED_AT_ONCE = 32
"""Connections that are taken in before any is listened to: many fewer than `Limits` has strangers,
or one that has asked already would have to make room for those behind it."""

_HEAD_BYTES = 32_768  # of a request, with all cookies that a browser may have for this machine
_TELL_EVERY = 60.0  # seconds
_USUAL_DESCRIPTORS = 1024

_logger = logging.getLogger(__name__)


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, which are raised again at the end.

    uvicorn catches the two signals meanwhile, where this is the main thread, and puts back what
    handled them before.

    Args:
        app: From `build_app`.
        listener: From `addresses.listen`; closed at the end.
    """
    with _without_complaints_of_strangers():
        _server_of(app).run(sockets=[listener])


class BackgroundServer:
    """Serves in a thread while the context is open, beside what the process is about.

    Args:
        app: From `build_site`.
        listener: From `addresses.listen`; closed at the end.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._server = _server_of(app)
        self._listener = listener
        self._thread = threading.Thread(target=self._run, name="web-server", daemon=True)

    def __enter__(self) -> BackgroundServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_JOIN_WITHIN)

    def _run(self) -> None:
        with _without_complaints_of_strangers(), self._listener:
            self._server.run(sockets=[self._listener])


def _server_of(app: ASGIApp) -> uvicorn.Server:
    http, web_socket = bounded_protocols(Connections(Limits().within(_descriptors())))
    config = uvicorn.Config(
        _Quiet(app),
        http=http,
        ws=web_socket,
        lifespan="on",
        log_config=None,  # else it sets up the whole process's logging anew
        log_level="warning",  # of its own loggers
        access_log=False,  # the link with its token would be in it
        proxy_headers=False,  # nobody else says where a request comes from
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # JPEGs don't get smaller
        ws_ping_interval=_LOOK_EVERY,
        ws_ping_timeout=_LOOK_EVERY,
        timeout_graceful_shutdown=_END_WITHIN,
    )
    return uvicorn.Server(config)


class _Quiet:
    """The application, in whose event loop running out of descriptors is told once in a while.

    asyncio tells it with a traceback for every connection that it can't accept.

    Args:
        app: Whatever is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._told_at = -_TELL_EVERY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().set_exception_handler(self._handle)
        await self._app(scope, receive, send)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not str(context.get("message", "")).startswith("socket.accept()"):
            loop.default_exception_handler(context)
            return
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            _logger.warning(
                "no page can be opened at the moment: %s; trying again", context.get("exception")
            )


@contextmanager
def _without_complaints_of_strangers() -> Iterator[None]:
    """Keep uvicorn from writing a line or a traceback for whatever wrong thing anybody sends."""
    logger = logging.getLogger("uvicorn.error")
    logger.addFilter(_is_about_us)
    try:
        yield
    finally:
        logger.removeFilter(_is_about_us)


def _is_about_us(record: logging.LogRecord) -> bool:
    is_about_request = record.getMessage().startswith(
        ("Invalid ", "Unsupported upgrade", "No supp")
    )
    # At the end whoever still reads is cut off, such as one that watches over a slow network.
    is_cut_off = record.getMessage().startswith("Cancel ") or (
        record.exc_info is not None and record.exc_info[0] is asyncio.CancelledError
    )
    return not (is_about_request or is_cut_off)


def _descriptors() -> int:
    """How many files this process may have open."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, whose sockets are not counted among files
        return _USUAL_DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _USUAL_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
