"""Run the application with uvicorn, with a quick end and without its log messages."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from webcam_classifier.web.connections import Connections, Limits
from webcam_classifier.web.limits import FRAME_BYTES
from webcam_classifier.web.protocols import bounded_protocols

_END_WITHIN = 1  # second that open connections get when the server ends
_JOIN_WITHIN = 1.5  # seconds to wait for the thread of a server at its end
_LOOK_EVERY = 10.0  # seconds between two checks that a page is still there
_ACCEPTED_AT_ONCE = 32
"""Connections that are accepted at once. It must be far below the limit for unauthenticated
connections in `Limits`, or one whose request was not read yet could be closed for newer ones."""

_HEAD_BYTES = 32_768  # of a request, with all cookies that a browser has for this machine
_TELL_EVERY = 60.0  # seconds
_USUAL_DESCRIPTORS = 1024

_logger = logging.getLogger(__name__)


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until Ctrl-C, SIGTERM or SIGHUP, which are raised again at the end.

    In the main thread, uvicorn catches the first two in the meantime, and restores their handlers
    afterwards.

    Args:
        app: From `build_app`.
        listener: From `addresses.listen`; closed at the end.
    """
    with _without_logs_of_invalid_requests():
        server = _server_of(app)
        with _ended_by_hangup(server):
            server.run(sockets=[listener])


@contextmanager
def _ended_by_hangup(server: uvicorn.Server) -> Iterator[None]:
    """Let the server end in order where the terminal is closed; uvicorn has no handler for it."""
    if sys.platform == "win32" or not callable(signal.getsignal(signal.SIGHUP)):
        yield  # the default ends the process, and `nohup` has it ignored
        return
    came = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = server.should_exit = True

    before = signal.signal(signal.SIGHUP, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
    if came:
        signal.raise_signal(signal.SIGHUP)


class BackgroundServer:
    """Serves in a thread while the context is open.

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
        with _without_logs_of_invalid_requests(), self._listener:
            self._server.run(sockets=[self._listener])


def _server_of(app: ASGIApp) -> uvicorn.Server:
    http, web_socket = bounded_protocols(Connections(Limits().within(_descriptors())))
    config = uvicorn.Config(
        _Quiet(app),
        http=http,
        ws=web_socket,
        lifespan="on",
        log_config=None,  # otherwise it reconfigures the logging of the whole process
        log_level="warning",  # for its own loggers
        access_log=False,  # it would contain the link with the token
        proxy_headers=False,  # anybody could send them
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # JPEGs don't get smaller
        ws_ping_interval=_LOOK_EVERY,
        ws_ping_timeout=_LOOK_EVERY,
        timeout_graceful_shutdown=_END_WITHIN,
    )
    return _OrderlyServer(config)


class _OrderlyServer(uvicorn.Server):
    """A server that ends in order where Ctrl-C is pressed twice, too; that takes a second."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; uvicorn would drop everything at a second Ctrl-C, with a traceback."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


class _Quiet:
    """Wraps an application so that running out of file descriptors is only logged now and then.

    asyncio logs a traceback for every connection that it can't accept.

    Args:
        app: The application.
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
def _without_logs_of_invalid_requests() -> Iterator[None]:
    """Keep uvicorn from logging a line or a traceback for every invalid request."""
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
    # At the end, clients that are still reading are cut off, for example on a slow network.
    is_cut_off = record.getMessage().startswith("Cancel ") or (
        record.exc_info is not None and record.exc_info[0] is asyncio.CancelledError
    )
    return not (is_about_request or is_cut_off)


def _descriptors() -> int:
    """Return how many files this process may have open."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, where sockets do not count as files
        return _USUAL_DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _USUAL_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
