"""Routes for imports: a page sends files, shows what they are, and adds them after a yes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from webcam_classifier.errors import UserError
from webcam_classifier.web.background_thread import in_background_thread
from webcam_classifier.web.control import check_may_change
from webcam_classifier.web.json_text import Json
from webcam_classifier.web.pending_import import PendingImport
from webcam_classifier.web.request_fields import read_fields, receive_into, text_of
from webcam_classifier.web.studio import Studio

_KEPT_FOR = 900.0  # seconds without a request about it


class ImportRoutes:
    """Answers requests about imports; there is one import at a time.

    Args:
        studio: The studio.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._session = studio.session
        self._pending: PendingImport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._receiving = asyncio.Semaphore(1)  # files in a temporary folder may be in memory

    def all(self) -> list[BaseRoute]:
        """Return the table of routes."""
        one = "/api/imports/{id}"
        return [
            Route("/api/imports", self.begin, methods=["POST"]),
            Route(one, self.progress),
            Route(one, self.drop, methods=["DELETE"]),
            Route(one + "/files/{name}", self.receive, methods=["PUT"]),
            Route(one + "/look", self.look, methods=["POST"]),
            Route(one + "/add", self.add, methods=["POST"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Begin an import; it replaces one that was not confirmed."""
        check_may_change(self._studio, request)
        fields = await read_fields(request)
        label = None if fields.get("label") is None else text_of(fields, "label")
        if label is not None and label not in [one.name for one in self._session.state().labels]:
            raise UserError(f"There is no label {label!r} any more. Choose another one.")
        if self._pending is not None and self._pending.is_at_work:
            raise HTTPException(
                HTTPStatus.CONFLICT, "Other files are being read right now. Try again in a moment."
            )
        self._forget()
        self._pending = await asyncio.to_thread(PendingImport, self._session, label)
        self._wait()
        return Json({"import": self._pending.id})

    async def receive(self, request: Request) -> Response:
        """Receive a file."""
        check_may_change(self._studio, request)
        pending = self._found(request)
        async with self._receiving:
            path = pending.new_path()
            await receive_into(request, path)
            self._found(request)  # it may have been dropped meanwhile
            pending.take(request.path_params["name"], path)
        self._wait()
        return Json({})

    async def look(self, request: Request) -> Response:
        """Answer with what would be added."""
        check_may_change(self._studio, request)
        return await self._worked(self._found(request).look)

    async def add(self, request: Request) -> Response:
        """Add the pictures."""
        check_may_change(self._studio, request)
        pending = self._found(request)
        answer = await self._worked(pending.add)
        if self._pending is pending:
            self._forget()
        return answer

    async def progress(self, request: Request) -> Response:
        """Answer with the progress; there is none for an import that has just ended."""
        pending = self._pending
        if pending is None or pending.id != request.path_params["id"]:
            return Json({"done": 0, "total": None})
        return Json(pending.progress())

    async def drop(self, request: Request) -> Response:
        """Cancel the import; nothing is added, even if adding has begun."""
        check_may_change(self._studio, request)
        self._found(request)
        self._forget()
        return Json({})

    def close(self) -> None:
        """Cancel a waiting import when the server ends."""
        self._forget()

    async def _worked(self, work: Callable[[], dict[str, Any]]) -> Response:
        self._stop_waiting()
        try:
            return Json(await in_background_thread(work))
        finally:
            self._wait()

    def _found(self, request: Request) -> PendingImport:
        pending = self._pending
        if pending is None or pending.id != request.path_params["id"]:
            raise HTTPException(
                HTTPStatus.NOT_FOUND, "These files are not here any more. Choose them again."
            )
        return pending

    def _forget(self) -> None:
        self._stop_waiting()
        if self._pending is not None:
            self._pending.drop()
            self._pending = None

    def _wait(self) -> None:
        """Cancel the import after a while, since the page may have been closed."""
        self._stop_waiting()
        if self._pending is not None:
            self._timer = asyncio.get_running_loop().call_later(_KEPT_FOR, self._forget)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
