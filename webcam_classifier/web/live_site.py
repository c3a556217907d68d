"""The page and the API of a running loop, which also classifies pictures that are sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from webcam_classifier.errors import UserError
from webcam_classifier.web.access import Access
from webcam_classifier.web.background_thread import in_background_thread
from webcam_classifier.web.classify_route import ClassifyRoute, Posted, too_many
from webcam_classifier.web.json_text import Json
from webcam_classifier.web.limits import JSON_BYTES, PICTURE_BYTES
from webcam_classifier.web.live_feed import LiveFeed
from webcam_classifier.web.request_fields import read_fields, text_of
from webcam_classifier.web.response_headers import PAGE_POLICY
from webcam_classifier.web.site import build_site
from webcam_classifier.web.streams import EVENTS_TYPE, PICTURES_TYPE, sse_message
from webcam_classifier.web.viewers import Viewer

_HERE = Path(__file__).parent
_PAGE = _HERE / "live_page"
_SHARED = _HERE / "page"  # shared with the page of the studio
_DIGITS = 5  # a number of events must have fewer
_FILES = ("/live/", "/page/")  # the paths of the page's files


class Models(Protocol):
    """The models to choose from; `ModelSwitch` implements it."""

    @property
    def names(self) -> Sequence[str]:
        """The names that can be chosen now."""

    @property
    def name(self) -> str | None:
        """The name of the current model; None if it is not one of them."""

    def change(self, name: str) -> None:
        """Change to a model.

        Raises:
            UserError: It can't be used.
        """


class LiveRoutes:
    """Answers all requests.

    Args:
        feed: The loop's frames and events.
        posted: Labels pictures that are sent.
        models: The models to choose from.
    """

    def __init__(self, feed: LiveFeed, posted: Posted, models: Models) -> None:
        self._feed = feed
        self._classify = ClassifyRoute(posted)
        self._models = models

    def all(self) -> list[BaseRoute]:
        """Return the table of routes."""
        return [
            Route("/", self.page),
            Mount("/live", StaticFiles(directory=_PAGE)),
            Mount("/page", StaticFiles(directory=_SHARED)),
            Route("/state", self.state),
            Route("/api/state", self.state),  # where the page's connection asks why it is refused
            Route("/events", self.events),
            Route("/picture.jpg", self.still),
            Route("/picture.mjpg", self.pictures),
            Route("/classify", self._classify.answer, methods=["POST"]),
            Route("/model", self.model),
            Route("/model", self.change_model, methods=["POST"]),
            WebSocketRoute("/ws/live", self.live),
        ]

    async def page(self, _request: Request) -> Response:
        """Serve the page."""
        headers = {"content-security-policy": PAGE_POLICY}
        return FileResponse(_PAGE / "index.html", headers=headers)

    async def state(self, _request: Request) -> Response:
        """Answer with the current state."""
        return Json(self._feed.state())

    async def events(self, request: Request) -> Response:
        """Stream the state, then each event as it happens; `?latest=N` adds the last N events."""
        if request.method == "HEAD":
            return Response(media_type=EVENTS_TYPE)
        if self._feed.events.is_full:
            raise too_many()
        latest = request.query_params.get("latest", "0")
        if not (latest.isascii() and latest.isdecimal() and len(latest) < _DIGITS):
            raise UserError(
                f"latest={latest[:20]!r} is not a number of events. Write a whole number."
            )
        first = sse_message("state", self._feed.state())
        last_id = request.headers.get("last-event-id", "")
        return self._feed.events.response(first, last_id, int(latest))

    async def still(self, _request: Request) -> Response:
        """Serve the newest picture with its labels drawn."""
        jpeg = await in_background_thread(self._feed.still)
        if jpeg is None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "There is no picture yet.")
        return Response(jpeg, media_type="image/jpeg")

    async def pictures(self, request: Request) -> Response:
        """Stream pictures, each one the newest at the time the previous one has been read."""
        if request.method == "HEAD":  # whose body would never end
            return Response(media_type=PICTURES_TYPE)
        if self._feed.pictures.is_full:
            raise too_many()
        return self._feed.pictures.response()

    async def model(self, _request: Request) -> Response:
        """Answer with the models to choose from."""
        return Json({"model": self._models.name, "models": list(self._models.names)})

    async def change_model(self, request: Request) -> Response:
        """Label with another model from now on."""
        name = text_of(await read_fields(request), "name")
        await in_background_thread(lambda: self._models.change(name))
        return Json({"model": name})

    async def live(self, socket: WebSocket) -> None:
        """Send a page everything over its WebSocket, until it is gone."""
        viewer = await self._feed.viewers.accept(socket, self._feed.page_state)
        if viewer is None:
            return
        try:
            await viewer.serve(_ignore_message)
        finally:
            self._feed.viewers.leave(viewer)


def build_live_site(feed: LiveFeed, posted: Posted, models: Models, access: Access) -> ASGIApp:
    """Build the ASGI application.

    Args:
        feed: The loop's frames and events.
        posted: Labels pictures that are sent.
        models: The models to choose from.
        access: Who has access.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        feed.use_loop(asyncio.get_running_loop())
        try:
            yield
        finally:
            feed.use_loop(None)

    return build_site(
        LiveRoutes(feed, posted, models).all(), access, lifespan, _body_limit, is_api=_is_api
    )


def _body_limit(path: str) -> int:
    return PICTURE_BYTES if path == "/classify" else JSON_BYTES


def _is_api(path: str) -> bool:
    return path != "/" and not path.startswith(_FILES)


async def _ignore_message(_viewer: Viewer, _message: dict[str, Any]) -> None:
    """Ignore a message: this page only watches."""
