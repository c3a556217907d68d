"""The two WebSockets: everything that a page is told, and the frames of a browser's camera."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from webcam_classifier.web.browser_camera import BrowserCamera, FrameError
from webcam_classifier.web.studio import SOMEBODY_TEACHES, Studio
from webcam_classifier.web.viewers import Viewer

# Close codes; those from 4000 up are an application's own.
_NO_FRAME = 4400
_NOT_ALLOWED = 4409
_TOO_MANY = 4429


class Sockets:
    """Serves the WebSockets.

    Args:
        studio: What they are about.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def live(self, socket: WebSocket) -> None:
        """Tell a page everything, and do what it says, until it is gone."""
        await socket.accept()
        if self._studio.viewers.is_full:
            await socket.close(_TOO_MANY, "Too many pages are open. Close one of them.")
            return
        viewer = Viewer(socket, self._studio.state)
        self._studio.viewers.enter(viewer)
        try:
            await viewer.serve(self._studio.obey)
        finally:
            await self._studio.left(viewer)

    async def camera(self, socket: WebSocket) -> None:
        """Take the frames of a browser's camera, as the camera that is used from now on."""
        await socket.accept()
        if not self._studio.may_change(socket.query_params.get("client")):
            await socket.close(_NOT_ALLOWED, SOMEBODY_TEACHES)
            return
        link = _CameraLink(socket)
        self._studio.hub.attach(link.camera)
        try:
            await link.serve()
        finally:
            self._studio.hub.detach(link.camera)


class _CameraLink:
    """One browser's camera on one WebSocket: it sends a frame each time that it is asked to."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._is_asked = False
        self._is_closed = False
        self._has_credit = False
        self.camera = BrowserCamera(self._ask, self._close)

    async def serve(self) -> None:
        """Ask for frames and take them until the browser or another camera ends it."""
        tasks = [asyncio.create_task(self._take_frames()), asyncio.create_task(self._ask_all())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            with suppress(WebSocketDisconnect):
                task.result()

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
                await self._socket.send_json({"type": "next"})
            await self._woken.wait()
            self._woken.clear()
        await self._socket.close(_NOT_ALLOWED, "Another camera was chosen.")

    async def _take_frames(self) -> None:
        while True:
            try:
                content = await self._socket.receive_bytes()
            except KeyError:  # text instead of a picture
                content = b""
            if not self._has_credit:
                continue  # it was not asked for: not worth decoding
            self._has_credit = False
            try:
                await asyncio.to_thread(self.camera.offer, content)
            except FrameError as error:
                await self._socket.close(_NO_FRAME, str(error)[:120])
                return
