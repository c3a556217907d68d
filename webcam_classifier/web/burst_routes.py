"""Routes for the frames of a video that a page plays: each stretch of it is one burst."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import OrderedDict
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from webcam_classifier.dataset.picture_files import PictureError, decode_picture, picture_size
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.teaching.chosen_frames import ChosenFrame, ChosenFrames
from webcam_classifier.web.control import check_may_change
from webcam_classifier.web.json_text import Json
from webcam_classifier.web.limits import FRAME_PIXELS
from webcam_classifier.web.request_fields import read_fields, text_of
from webcam_classifier.web.studio import Studio

_OPEN_AT_MOST = 8  # bursts; a page sends one at a time


class BurstRoutes:
    """Answers requests about bursts.

    Args:
        studio: The studio.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._session = studio.session
        self._bursts: OrderedDict[str, ChosenFrames] = OrderedDict()
        self._work = asyncio.Semaphore(1)

    def all(self) -> list[BaseRoute]:
        """Return the table of routes."""
        return [
            Route("/api/bursts", self.begin, methods=["POST"]),
            Route("/api/bursts/{burst}/frames", self.add, methods=["POST"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Begin a burst; the answer has the usual rate in frames a second, null for all frames."""
        check_may_change(self._studio, request)
        label = text_of(await read_fields(request), "label")
        frames = await asyncio.to_thread(self._session.choose_frames, label)
        burst = secrets.token_hex(8)
        self._bursts[burst] = frames
        while len(self._bursts) > _OPEN_AT_MOST:
            self._bursts.popitem(last=False)
        rate = self._session.rate
        return Json({"burst": burst, "rate": rate if math.isfinite(rate) else None})

    async def add(self, request: Request) -> Response:
        """Add a frame, a JPEG; the answer has the name of its file, or why it was left out."""
        check_may_change(self._studio, request)
        frames = self._bursts.get(request.path_params["burst"])
        if frames is None:
            raise HTTPException(
                HTTPStatus.NOT_FOUND, "This recording of the video has ended. Begin it again."
            )
        content = await request.body()

        def add() -> ChosenFrame:
            return self._session.add_frame(frames, _decoded(content), content)

        async with self._work:
            added = await asyncio.to_thread(add)
        return Json({"name": added.name, "reason": added.reason})


def _decoded(content: bytes) -> BgrImage:
    try:
        width, height = picture_size(content)
        if width * height > FRAME_PIXELS:
            most = f"at most {FRAME_PIXELS // 1_000_000} million are taken"
            raise PictureError(f"it has {width} x {height} pixels, and {most}")
        return decode_picture(content)
    except PictureError as error:
        raise UserError(
            f"A frame of the video is no picture that can be used: {error}. Load the page again."
        ) from error
