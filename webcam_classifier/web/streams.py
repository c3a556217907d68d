"""Answers that go on: pictures one after another, and events as they happen.

All of it is used from the server's event loop; only `is_one_wanted` is asked from another thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

from webcam_classifier.web.json_text import json_text

BOUNDARY = "frame"
PICTURES_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
"""Motion JPEG over HTTP: each part takes the place of the one before (RFC 2046 has the parts)."""

EVENTS_TYPE = "text/event-stream"
"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

_MOST = 16  # of each kind
_EVENTS_WAITING = 256  # of one client; the oldest go first
_EVENTS_KEPT = 256  # for those who come back
_ALIVE_EVERY = 5.0  # seconds without an event, after which a comment says that the link holds


class MjpegStreams:
    """Those who take pictures one after another, each as fast as they read."""

    def __init__(self) -> None:
        self._clients: dict[_PictureClient, None] = {}

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def is_full(self) -> bool:
        """Whether nobody else is let in."""
        return len(self._clients) >= _MOST

    def is_one_wanted(self) -> bool:
        """Whether somebody waits for a picture; may be asked from any thread."""
        return any(client.waits for client in list(self._clients))

    def offer(self, jpeg: bytes) -> None:
        """Hand the newest picture to those who wait for one."""
        for client in self._clients:
            client.offer(jpeg)

    def end(self) -> None:
        """Let every answer end."""
        for client in self._clients:
            client.end()

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the parts of one client's answer, until it is gone."""
        client = _PictureClient()
        self._clients[client] = None
        try:
            while (jpeg := await client.next()) is not None:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                yield head.encode() + b"\r\n\r\n" + jpeg + b"\r\n"
        finally:
            del self._clients[client]


class _PictureClient:
    """One who takes pictures; between two of them nothing is kept for it."""

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
        """Wait for a picture; None: there is none any more."""
        self.waits = not self._is_over
        await self._woken.wait()
        if self._is_over:
            return None
        self._woken.clear()
        return self._jpeg


class EventStreams:
    """Those who take events, each with a bounded queue; the last events are kept for all.

    Attributes:
        dropped: Events that somebody was too slow for.
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
        """Hand an event to everybody.

        Args:
            kind: Its type, such as `change`.
            fields: What it says.
            identifier: Of this event alone; empty for one that is not sent again.
        """
        message = sse_message(kind, fields, identifier)
        if identifier:
            self._kept.append((identifier, message))
        for client in self._clients:
            self.dropped += client.offer(message)

    def end(self) -> None:
        """Let every answer end."""
        for client in self._clients:
            client.end()

    async def stream(self, first: bytes, last_id: str, latest: int) -> AsyncIterator[bytes]:
        """Yield one client's answer, until it is gone.

        Args:
            first: What it is told at once.
            last_id: The last event that it got before it was cut off; those after it come again.
            latest: How many of the last events a client gets that names none which is kept.
        """
        client = _EventClient()
        self._clients[client] = None
        try:
            yield first
            for missed in self._missed(last_id, latest):
                yield missed
            while (message := await client.next()) is not None:
                yield message
        finally:
            del self._clients[client]

    def _missed(self, last_id: str, latest: int) -> list[bytes]:
        kept = list(self._kept)
        ids = [identifier for identifier, _ in kept]
        begin = ids.index(last_id) + 1 if last_id in ids else max(0, len(kept) - latest)
        return [message for _, message in kept[begin:]]


class _EventClient:
    """One who takes events."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._is_over = False
        self._woken = asyncio.Event()

    def offer(self, message: bytes) -> int:
        """Queue a message, and tell how many had to go for it."""
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

    async def next(self) -> bytes | None:
        """Wait for a message, or for so long that the link has to be kept; None: it is over."""
        if not self._waiting and not self._is_over:
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), _ALIVE_EVERY)
            except asyncio.TimeoutError:
                return b": alive\n\n"
        return self._waiting.popleft() if self._waiting else None


def sse_message(kind: str, fields: Mapping[str, object], identifier: str = "") -> bytes:
    """Write one server-sent event, whose data is a line of JSON."""
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}event: {kind}\ndata: {json_text(fields)}\n\n".encode()
