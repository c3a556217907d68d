"""uvicorn's protocols with limits on the number of connections and on waiting.

uvicorn itself waits for ever for the first byte of a connection and the rest of a request's head.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from webcam_classifier.web.connections import Connection, Connections, network_of
from webcam_classifier.web.response_headers import with_protection

HEAD_WITHIN = 10.0
"""Seconds from a connection's start, or a request's first byte, to the end of its head."""

STATE_CONNECTION = "connection"
"""The key in a scope's `state` under which `SecurityMiddleware` finds the `Connection`."""


class BoundedHttp(H11Protocol):
    """HTTP with a limit on connections, and on the time for the head of a request.

    Attributes:
        connections_of_server: Set by a subclass for each server; see `bounded_http`.
    """

    connections_of_server: Connections

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._connection: Connection | None = None
        self._is_handed_over = False
        self._head_timer: asyncio.TimerHandle | None = None
        super().__init__(config, server_state, dict(app_state), _loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for a request."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self._wait_for_head()
        self._connection = self.connections_of_server.enter(network_of(host), transport.abort)
        self.app_state[STATE_CONNECTION] = self._connection

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        if self._connection is not None:
            self.connections_of_server.leave(self._connection)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that has begun must end in time."""
        super().data_received(data)
        if self._is_handed_over or self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._head_timer is None:
            self._wait_for_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Pass the connection on to the WebSocket protocol."""
        self._is_handed_over = True
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, with the headers of every response."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        lines = [name + b": " + value for name, value in with_protection(headers)]
        head = b"\r\n".join([b"HTTP/1.1 400 Bad Request", *lines])
        self.transport.write(head + b"\r\n\r\n" + msg.encode("ascii") + b"\n")
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_WITHIN, self._end)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self) -> None:
        # Nothing is waited for, not even for unread data.
        self.transport.abort()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that counts as a connection, and ends when its page is gone."""

    connections_of_server: Connections

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        connection = self.app_state.get(STATE_CONNECTION)
        if connection is not None:
            self.connections_of_server.leave(cast(Connection, connection))
        super().connection_lost(exc)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message, if that is still possible; otherwise uvicorn would report a bug.

        Raises:
            ClientDisconnected: The WebSocket was closed already, as after an invalid frame.
        """
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # uvicorn would report each refusal as a bug

    def keepalive_timeout(self) -> None:
        """Close it at once: uvicorn would first wait until all pending data is read."""
        super().keepalive_timeout()
        self.transport.abort()


def bounded_protocols(
    connections: Connections,
) -> tuple[type[BoundedHttp], type[BoundedWebSocket]]:
    """Return the two protocols of a server, which share the count of connections."""

    class Http(BoundedHttp):
        connections_of_server = connections

    class Socket(BoundedWebSocket):
        connections_of_server = connections

    return Http, Socket
