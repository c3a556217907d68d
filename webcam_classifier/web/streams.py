"""Streaming responses: pictures one after another, and events as they happen.

Everything is used from the server's event loop; only `is_one_wanted` is called from another thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from webcam_classifier.web.json_text import json_text

BOUNDARY = "frame"
PICTURES_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
"""Motion JPEG over HTTP: each part replaces the previous one (RFC 2046 describes the parts)."""

EVENTS_TYPE = "text/event-stream"
"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

_MOST = 16  # clients of each kind
_EVENTS_WAITING = 256  # for one client; the oldest are dropped first
_EVENTS_KEPT = 256  # for clients that reconnect
_ALIVE_EVERY = 5.0  # seconds without an event, after which a comment shows that the link holds


class MjpegStreams:
    """The clients of the picture stream; each gets pictures as fast as it reads them."""

    def __init__(self) -> None:
        self._clients: dict[_PictureClient, None] = {}

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def is_full(self) -> bool:
        """Whether nobody else is let in."""
        return len(self._clients) >= _MOST

    def is_one_wanted(self) -> bool:
        """Return whether a client waits for a picture; may be called from any thread."""
        return any(client.waits for client in list(self._clients))

    def offer(self, jpeg: bytes) -> None:
        """Pass the newest picture to the clients that wait for one."""
        for client in self._clients:
            client.offer(jpeg)

    def end(self) -> None:
        """End all responses."""
        for client in self._clients:
            client.end()

    def response(self) -> StreamingResponse:
        """Return the response for one client, who counts from now on until it is gone."""
        client = _PictureClient()
        self._clients[client] = None
        leave = partial(self._clients.pop, client)
        return _CountedResponse(_parts(client), PICTURES_TYPE, leave)


class _CountedResponse(StreamingResponse):
    """A streaming response that calls a function at its end, even if it never began."""

    def __init__(
        self, content: AsyncIterator[bytes], media_type: str, leave: Callable[[], object]
    ) -> None:
        super().__init__(content, media_type=media_type)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def _parts(client: _PictureClient) -> AsyncIterator[bytes]:
    while (jpeg := await client.next()) is not None:
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
        yield head.encode() + b"\r\n\r\n" + jpeg + b"\r\n"


class _PictureClient:
    """A client of the picture stream; no picture is kept for it while it reads another."""

    def __init__(self) -> None:
        self.waits = False
        self._jpeg: bytes | None = None
        self._is_over = False
        self._woken = asyncio.Event()

    def offer(self, jpeg: bytes) -> None:
        if self.waits:
            self.waits = False
            self._jpeg = jpeg
            self._woken.set()

    def end(self) -> None:
        self._is_over = True
        self._woken.set()

    async def next(self) -> bytes | None:
        """Wait for a picture; None at the end."""
        self.waits = not self._is_over
        await self._woken.wait()
        if self._is_over:
            return None
        self._woken.clear()
        return self._jpeg


class EventStreams:
    """The clients of the event stream, each with a bounded queue; the last events are kept for all.

    Attributes:
        dropped: How many events slow clients missed.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._clients: dict[_EventClient, None] = {}
        self._kept: deque[tuple[str, bytes]] = deque(maxlen=_EVENTS_KEPT)

    @property
    def is_full(self) -> bool:
        """Whether nobody else is let in."""
        return len(self._clients) >= _MOST

    def offer(self, kind: str, fields: Mapping[str, object], identifier: str) -> None:
        """Pass an event to all clients.

        Args:
            kind: Its type, such as `change`.
            fields: Its data.
            identifier: A unique id; empty for an event that is not sent again.
        """
        message = sse_message(kind, fields, identifier)
        if identifier:
            self._kept.append((identifier, message))
        for client in self._clients:
            self.dropped += client.offer(message)

    def end(self) -> None:
        """End all responses."""
        for client in self._clients:
            client.end()

    def response(self, first: bytes, last_id: str, latest: int) -> StreamingResponse:
        """Return the response for one client, who counts from now on until it is gone.

        Args:
            first: The first message.
            last_id: The last event the client got before a reconnect; later ones are sent again.
            latest: How many of the last events to send if `last_id` is not among those kept.
        """
        client = _EventClient([first, *self._missed(last_id, latest)])
        self._clients[client] = None
        leave = partial(self._clients.pop, client)
        return _CountedResponse(client.messages(), EVENTS_TYPE, leave)

    def _missed(self, last_id: str, latest: int) -> list[bytes]:
        kept = list(self._kept)
        ids = [identifier for identifier, _ in kept]
        begin = ids.index(last_id) + 1 if last_id in ids else max(0, len(kept) - latest)
        return [message for _, message in kept[begin:]]


class _EventClient:
    """A client of the event stream, with the messages that it gets first."""

    def __init__(self, first: Iterable[bytes]) -> None:
        self._first = tuple(first)
        self._waiting: deque[bytes] = deque()
        self._is_over = False
        self._woken = asyncio.Event()

    def offer(self, message: bytes) -> int:
        """Queue a message; returns how many older ones were dropped for it."""
        dropped = 0
        if len(self._waiting) >= _EVENTS_WAITING:
            self._waiting.popleft()
            dropped = 1
        self._waiting.append(message)
        self._woken.set()
        return dropped

    def end(self) -> None:
        self._is_over = True
        self._woken.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield its messages, until the end."""
        for message in self._first:
            yield message
        while (later := await self._next()) is not None:
            yield later

    async def _next(self) -> bytes | None:
        """Wait for a message; a comment if none comes for a while, and None at the end."""
        if not self._waiting and not self._is_over:
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), _ALIVE_EVERY)
            except asyncio.TimeoutError:
                return b": alive\n\n"
        return self._waiting.popleft() if self._waiting else None


def sse_message(kind: str, fields: Mapping[str, object], identifier: str = "") -> bytes:
    """Return one server-sent event, whose data is a line of JSON."""
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}event: {kind}\ndata: {json_text(fields)}\n\n".encode()
