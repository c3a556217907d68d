"""The open pages: what each is sent, and when.

A page is sent the next picture once it has said that it has shown the last one. So a slow network
gets fewer pictures, never older ones, and delays nobody else. Everything is used from the server's
event loop; only the questions what is wanted are asked from the hub's thread.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketState

from webcam_classifier.web.json_text import json_text
from webcam_classifier.web.live_messages import heat_map_message, prediction_message
from webcam_classifier.web.live_picture import LivePicture
from webcam_classifier.web.message_rate import MessageRate
from webcam_classifier.web.socket_messages import (
    NOT_UNDERSTOOD,
    SAID_NOT_UNDERSTOOD,
    TOO_MANY,
    parsed,
    received,
    serve_both_ways,
)

_STATE_EVERY = 0.1  # seconds between two states at least
_MOST = 32  # pages open at once
_ALIVE_EVERY = 1.0  # seconds
_MESSAGES_A_SECOND = 150.0  # from a page, which sends one for each picture it has shown
_MESSAGES_AT_ONCE = 300.0
_REFUSALS = 8  # waiting to be sent

HandleMessage = Callable[["Viewer", dict[str, Any]], Awaitable[None]]


class Viewer:
    """One open page.

    Args:
        socket: An accepted WebSocket.
        state_message: Returns the state as seen by the client with this id.

    Attributes:
        client: Its id, which its HTTP requests carry.
    """

    def __init__(self, socket: WebSocket, state_message: Callable[[str], dict[str, Any]]) -> None:
        self.client = secrets.token_urlsafe(12)
        self._socket = socket
        self._state_message = state_message
        self._wants_pictures = False
        self._wants_heat_maps = False
        self._has_credit = False
        self._sent = 0  # the number of the last picture that was sent
        self._newest: LivePicture | None = None
        self._state_is_old = True
        self._state_due = 0.0
        self._refusals: list[str] = []
        self._rate = MessageRate(_MESSAGES_A_SECOND, _MESSAGES_AT_ONCE)
        self._woken = asyncio.Event()

    @property
    def waits_for_picture(self) -> bool:
        """Whether the next picture would be sent to it."""
        return self._wants_pictures and self._has_credit

    @property
    def waits_for_heat_map(self) -> bool:
        """Whether the next picture should have one."""
        return self._wants_heat_maps and self.waits_for_picture

    def offer(self, picture: LivePicture) -> None:
        """Take the newest labelled frame, which replaces one that was not sent yet."""
        if self._has_credit and (picture.jpeg is not None or not self._wants_pictures):
            self._newest = picture
            self._woken.set()

    def tell_state(self) -> None:
        """Note that the state has changed."""
        self._state_is_old = True
        self._woken.set()

    def refuse(self, reason: str) -> None:
        """Tell the page that something was not done."""
        if len(self._refusals) < _REFUSALS:
            self._refusals.append(reason)
        self._woken.set()

    async def serve(self, handle_message: HandleMessage) -> None:
        """Send and listen until the page is gone.

        Args:
            handle_message: Called with every message that is not about how pictures are shown.
        """
        await serve_both_ways(self._socket, self._listen(handle_message), self._send_all())

    async def _listen(self, handle_message: HandleMessage) -> None:
        while True:
            text = await received(self._socket)
            if text is None:
                break
            message = parsed(text) if isinstance(text, str) else None
            if message is None:
                await _close(self._socket, NOT_UNDERSTOOD, SAID_NOT_UNDERSTOOD)
                break
            if not self._rate.allows_another():
                await _close(self._socket, TOO_MANY, "Too many messages were sent at once.")
                break
            if message["type"] == "hello":
                self._wants_pictures = message.get("pictures") is True
                self._has_credit = True
            elif message["type"] == "shown":
                self._has_credit = self._has_credit or message.get("frame") == self._sent
            elif message["type"] == "heat_map":
                self._wants_heat_maps = message.get("on") is True
            else:
                await handle_message(self, message)

    async def _send_all(self) -> None:
        await self._send({"type": "welcome", "client": self.client})
        while True:
            try:
                await asyncio.wait_for(self._woken.wait(), _ALIVE_EVERY)
            except asyncio.TimeoutError:  # so that the page knows that the connection still works
                await self._send({"type": "alive"})
            self._woken.clear()
            while self._refusals:
                await self._send({"type": "refused", "error": self._refusals.pop(0)})
            await self._send_state()
            await self._send_picture()

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(json_text(message))

    async def _send_state(self) -> None:
        if not self._state_is_old:
            return
        wait = self._state_due - time.monotonic()
        if wait > 0:  # many changes in a short time are sent together
            asyncio.get_running_loop().call_later(wait, self._woken.set)
            return
        self._state_is_old = False
        self._state_due = time.monotonic() + _STATE_EVERY
        await self._send({"type": "state", **self._state_message(self.client)})

    async def _send_picture(self) -> None:
        picture, self._newest = self._newest, None
        if picture is None:
            return
        self._has_credit = False
        self._sent = picture.number
        message = prediction_message(picture, time.monotonic())
        if self._wants_heat_maps:
            message["heat_map"] = heat_map_message(picture.heat_map)
        await self._send(message)
        if self._wants_pictures and picture.jpeg is not None:
            await self._socket.send_bytes(picture.jpeg)


class Viewers:
    """All open pages."""

    def __init__(self) -> None:
        self._by_client: dict[str, Viewer] = {}

    def __contains__(self, client: object) -> bool:
        return client in self._by_client

    def __len__(self) -> int:
        return len(self._by_client)

    async def accept(
        self, socket: WebSocket, state_message: Callable[[str], dict[str, Any]]
    ) -> Viewer | None:
        """Accept a page's WebSocket; if too many pages are open, close it and return None.

        Args:
            socket: The WebSocket, not accepted yet.
            state_message: See `Viewer`.
        """
        await socket.accept()
        if len(self._by_client) >= _MOST:
            await socket.close(TOO_MANY, "Too many pages are open. Close one of them.")
            return None
        viewer = Viewer(socket, state_message)
        self.enter(viewer)
        return viewer

    def enter(self, viewer: Viewer) -> None:
        """Add a page."""
        self._by_client[viewer.client] = viewer
        self.tell_state()

    def leave(self, viewer: Viewer) -> None:
        """Forget a page."""
        self._by_client.pop(viewer.client, None)
        self.tell_state()

    def is_picture_wanted(self) -> bool:
        """Return whether a page waits for a picture; may be called from any thread."""
        return any(viewer.waits_for_picture for viewer in list(self._by_client.values()))

    def is_heat_map_wanted(self) -> bool:
        """Return whether a page waits for a picture with one; may be called from any thread."""
        return any(viewer.waits_for_heat_map for viewer in list(self._by_client.values()))

    def offer(self, picture: LivePicture) -> None:
        """Pass the newest labelled frame to all pages."""
        for viewer in self._by_client.values():
            viewer.offer(picture)

    def tell_state(self) -> None:
        """Tell all pages that the state has changed."""
        for viewer in self._by_client.values():
            viewer.tell_state()


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state == WebSocketState.CONNECTED:
        await socket.close(code, reason)
