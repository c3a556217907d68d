"""The ASGI application of the studio: all its routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from webcam_classifier.web.access import Access
from webcam_classifier.web.burst_routes import BurstRoutes
from webcam_classifier.web.classify_route import ClassifyRoute
from webcam_classifier.web.http_routes import Routes
from webcam_classifier.web.import_routes import ImportRoutes
from webcam_classifier.web.limits import body_limit
from webcam_classifier.web.review_routes import ReviewRoutes
from webcam_classifier.web.site import build_site
from webcam_classifier.web.sockets import Sockets
from webcam_classifier.web.studio import Studio


def build_app(studio: Studio, access: Access) -> ASGIApp:
    """Build the ASGI application.

    Args:
        studio: The studio, open.
        access: Who has access.
    """
    sockets = Sockets(studio)
    imports = ImportRoutes(studio)
    routes = [
        *Routes(studio).all(),
        *ReviewRoutes(studio).all(),
        *imports.all(),
        *BurstRoutes(studio).all(),
        Route("/api/classify", ClassifyRoute(studio.posted).answer, methods=["POST"]),
        WebSocketRoute("/ws/live", sockets.live),
        WebSocketRoute("/ws/camera", sockets.camera),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        studio.use_loop(asyncio.get_running_loop())
        try:
            yield
        finally:
            imports.close()
            studio.use_loop(None)

    return build_site(
        routes, access, lifespan, body_limit, is_api=lambda path: path.startswith("/api/")
    )
