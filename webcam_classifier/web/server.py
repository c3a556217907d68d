"""Run the application with uvicorn, so that it ends at once and says nothing of itself."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from webcam_classifier.web.answer_headers import with_protection
from webcam_classifier.web.limits import FRAME_BYTES

_END_WITHIN = 1  # second that open connections have when the server ends
_LOOK_EVERY = 10.0  # seconds between two looks at whether a page is still there


class ProtectingProtocol(H11Protocol):
    """HTTP with our headers on the one answer that does not come from the application."""

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP at all."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        lines = [name + b": " + value for name, value in with_protection(headers)]
        head = b"\r\n".join([b"HTTP/1.1 400 Bad Request", *lines])
        self.transport.write(head + b"\r\n\r\n" + msg.encode("ascii") + b"\n")
        self.transport.close()


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, which are raised again at the end.

    uvicorn catches the two signals meanwhile, where this is the main thread, and puts back what
    handled them before.

    Args:
        app: From `build_app`.
        listener: From `addresses.listen`; closed at the end.
    """
    config = uvicorn.Config(
        app,
        http=ProtectingProtocol,
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,  # else it sets up the whole process's logging anew
        log_level="warning",  # of its own loggers
        access_log=False,  # the link with its token would be in it
        proxy_headers=False,  # nobody else says where a request comes from
        server_header=False,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # JPEGs don't get smaller
        ws_ping_interval=_LOOK_EVERY,
        ws_ping_timeout=_LOOK_EVERY,
        timeout_graceful_shutdown=_END_WITHIN,
    )
    uvicorn.Server(config).run(sockets=[listener])
