"""The studio's two WebSockets: messages to a page, and frames from a browser's camera."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress

from starlette.websockets import WebSocket

from webcam_classifier.web.browser_camera import BrowserCamera, FrameError
from webcam_classifier.web.browser_clock import BrowserClock
from webcam_classifier.web.json_text import json_text
from webcam_classifier.web.message_rate import MessageRate
from webcam_classifier.web.socket_messages import (
    NOT_ALLOWED,
    NOT_UNDERSTOOD,
    SAID_NOT_UNDERSTOOD,
    TOO_MANY,
    close_reason,
    parsed,
    received,
    serve_both_ways,
)
from webcam_classifier.web.studio import SOMEBODY_TEACHES, Studio

_FRAMES_A_SECOND = 400.0  # messages, three for each frame; no camera is that fast
_FRAMES_AT_ONCE = 400.0


class Sockets:
    """Serves the WebSockets.

    Args:
        studio: The studio.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def live(self, socket: WebSocket) -> None:
        """Send a page everything and handle its messages, until it is gone."""
        viewer = await self._studio.viewers.accept(socket, self._studio.state)
        if viewer is None:
            return
        try:
            await viewer.serve(self._studio.handle_message)
        finally:
            await self._studio.left(viewer)

    async def camera(self, socket: WebSocket) -> None:
        """Use a browser's camera from now on, and take its frames."""
        await socket.accept()
        if not self._studio.may_change(socket.query_params.get("client")):
            await socket.close(NOT_ALLOWED, SOMEBODY_TEACHES)
            return
        link = _CameraLink(socket)
        self._studio.hub.attach(link.camera)
        try:
            await link.serve()
        finally:
            self._studio.hub.detach(link.camera)


class _CameraLink:
    """A browser's camera on a WebSocket: it sends a frame each time it is asked to."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._is_asked = False
        self._is_closed = False
        self._has_credit = False
        self._asked_at = 0.0
        self._clock = BrowserClock()
        self._rate = MessageRate(_FRAMES_A_SECOND, _FRAMES_AT_ONCE)
        self.camera = BrowserCamera(self._ask, self._close)

    async def serve(self) -> None:
        """Ask for frames and take them, until the browser is gone or another camera is used."""
        await serve_both_ways(self._socket, self._take_frames(), self._ask_all())

    def _ask(self) -> None:
        self._is_asked = True
        self._wake()

    def _close(self) -> None:
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        """Wake the task below, from any thread."""
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _ask_all(self) -> None:
        while not self._is_closed:
            if self._is_asked:
                self._is_asked = False
                self._has_credit = True
                self._asked_at = time.monotonic()
                asked = {"type": "next", "clock": self._asked_at}
                await self._socket.send_text(json_text(asked))
            await self._woken.wait()
            self._woken.clear()
        await self._socket.close(NOT_ALLOWED, "Another camera was chosen.")

    async def _take_frames(self) -> None:
        captured_at: float | None = None
        while True:
            message = await received(self._socket)
            if message is None:
                return
            if not self._rate.allows_another():
                await self._socket.close(TOO_MANY, "More was sent than was asked for.")
                return
            if isinstance(message, bytes):
                if not await self._take_frame(message, captured_at):
                    return
                captured_at = None
                continue
            told = parsed(message)
            now = time.monotonic()
            if told is None:
                await self._socket.close(NOT_UNDERSTOOD, SAID_NOT_UNDERSTOOD)
                return
            if told["type"] == "clock" and told.get("clock") == self._asked_at:
                self._clock.answered(self._asked_at, _seconds(told.get("browser")), now)
            elif told["type"] == "frame":  # the frame itself follows
                captured_at = self._clock.our_time(_seconds(told.get("captured")), now)

    async def _take_frame(self, content: bytes, captured_at: float | None) -> bool:
        """Take a frame, if it was asked for; returns whether to go on."""
        if not self._has_credit:
            return True  # not worth decoding
        self._has_credit = False
        try:
            await asyncio.to_thread(self.camera.offer, content, captured_at)
        except FrameError as error:
            await self._socket.close(NOT_UNDERSTOOD, close_reason(str(error)))
            return False
        return True


def _seconds(value: object) -> float:
    """Return a browser's time, in seconds; NaN if it is not a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value) if is_number else math.nan  # type: ignore[arg-type]
    except OverflowError:
        return math.nan
