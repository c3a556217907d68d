"""Answer a request for a picture or its thumbnail, which a browser may cache."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from webcam_classifier.errors import UserError
from webcam_classifier.web.thumbnails import media_type, thumbnail, version_tag


async def picture_response(
    request: Request, path: Path, side: int | None, work: asyncio.Semaphore
) -> Response:
    """Serve a picture, or say that the browser's copy is up to date.

    Args:
        request: The request, with the tag of the browser's copy.
        path: The file.
        side: The side of the thumbnail, in pixels; None serves the file.
        work: Held while a thumbnail is made.

    Raises:
        HTTPException: The picture can't be read.
    """
    try:
        tag = version_tag(path, side)
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if side is None:
            return FileResponse(path, media_type=media_type(path), headers=headers)
        async with work:
            content = await asyncio.to_thread(thumbnail, path, side)
    except (OSError, UserError) as error:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, f"The picture {path.name} can't be read: {error}."
        ) from error
    return Response(content, media_type="image/jpeg", headers=headers)
