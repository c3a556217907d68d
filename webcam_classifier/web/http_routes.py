"""The HTTP routes of the studio's page, each a few lines on top of the studio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import IO, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from webcam_classifier.errors import UserError
from webcam_classifier.web import uploads
from webcam_classifier.web.control import check_may_change, client_of
from webcam_classifier.web.json_text import Json
from webcam_classifier.web.live_hub import KINDS
from webcam_classifier.web.picture_responses import picture_response
from webcam_classifier.web.request_fields import (
    crop_of,
    epochs_of,
    one_of,
    read_fields,
    received_file,
    side_of,
    text_of,
)
from webcam_classifier.web.response_headers import PAGE_POLICY, REPORT_POLICY
from webcam_classifier.web.studio import PACKED, Studio

_PAGE = Path(__file__).parent / "page"
_AT_ONCE = 2  # pictures or archives in work; the live picture needs the rest of the CPU
_ARCHIVES_RECEIVED = 1  # at the same time; others wait unread
_FILES_RECEIVED = 4
_WRITTEN_WITHIN = 2.0  # seconds
_LOOK_EVERY = 0.02  # seconds
_POLICY = "content-security-policy"

_MODES: tuple[Literal["head", "finetune"], ...] = ("head", "finetune")
_PRECISIONS: tuple[Literal["fp32", "fp16", "int8"], ...] = ("fp32", "fp16", "int8")

Handler = Callable[["Routes", Request], Awaitable[Response]]


def changing(handler: Handler) -> Handler:
    """Run a handler only for a page that may change things."""

    @wraps(handler)
    async def guarded(routes: Routes, request: Request) -> Response:
        check_may_change(routes.studio, request)
        return await handler(routes, request)

    return guarded


class Routes:
    """Answers the HTTP requests.

    Args:
        studio: The studio.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._session = studio.session
        self._work = asyncio.Semaphore(_AT_ONCE)
        # Temporary files may be in memory, on a tmpfs.
        self._archives = asyncio.Semaphore(_ARCHIVES_RECEIVED)
        self._files = asyncio.Semaphore(_FILES_RECEIVED)

    def all(self) -> list[BaseRoute]:
        """Return the table of routes."""
        label = "/api/labels/{label}"
        picture = "/api/pictures/{label}/{name:path}"
        return [
            Route("/", self.page),
            Mount("/page", StaticFiles(directory=_PAGE)),
            Route("/report", self.report),
            Route("/api/state", self.state),
            Route("/api/labels", self.add_label, methods=["POST"]),
            Route(label, self.rename_label, methods=["PATCH"]),
            Route(label, self.remove_label, methods=["DELETE"]),
            Route(label + "/pictures", self.pictures),
            Route(label + "/uploads/{name}", self.upload, methods=["PUT"]),
            Route("/api/uploads/{name}", self.upload_labelled, methods=["PUT"]),
            Route(picture, self.picture),
            Route(picture, self.remove_picture, methods=["DELETE"]),
            Route("/api/undo", self.undo, methods=["POST"]),
            Route("/api/crop", self.crop, methods=["POST"]),
            Route("/api/camera", self.camera, methods=["POST"]),
            Route("/api/teach", self.teach, methods=["POST"]),
            Route("/api/export", self.export, methods=["POST"]),
            Route("/api/cancel", self.cancel, methods=["POST"]),
            Route("/api/watch", self.watch, methods=["POST"]),
            Route("/api/models/{name}", self.model),
            Route("/api/pack", self.pack, methods=["POST"]),
            Route("/api/packed/{number:int}", self.packed),
        ]

    async def page(self, _request: Request) -> Response:
        """Serve the page."""
        return FileResponse(_PAGE / "index.html", headers={_POLICY: PAGE_POLICY})

    async def report(self, _request: Request) -> Response:
        """Serve the report on the model."""
        path = self.studio.models.report
        if path is None:
            raise _not_found("There is no report yet. Train a model first.")
        return FileResponse(path, headers={_POLICY: REPORT_POLICY})

    async def state(self, request: Request) -> Response:
        """Serve the whole state."""
        return Json(self.studio.state(client_of(request)))

    @changing
    async def add_label(self, request: Request) -> Response:
        """Add a label."""
        name = text_of(await read_fields(request), "name")
        return Json({"name": await asyncio.to_thread(self._session.add_label, name)})

    @changing
    async def rename_label(self, request: Request) -> Response:
        """Rename a label."""
        old, new = self._label(request), text_of(await read_fields(request), "name")
        return Json({"name": await asyncio.to_thread(self._session.rename_label, old, new)})

    @changing
    async def remove_label(self, request: Request) -> Response:
        """Remove a label; its pictures are kept in `.removed`."""
        count = await asyncio.to_thread(self._session.remove_label, self._label(request))
        return Json({"removed": count})

    async def pictures(self, request: Request) -> Response:
        """Name all pictures of a label."""
        names = await asyncio.to_thread(self._session.picture_names, self._label(request))
        return Json({"pictures": names})

    async def picture(self, request: Request) -> Response:
        """Serve a picture, or a thumbnail of it."""
        side = side_of(request)
        path = await asyncio.to_thread(self._picture_path, request)
        await _written(path)
        return await picture_response(request, path, side, self._work)

    @changing
    async def remove_picture(self, request: Request) -> Response:
        """Remove a picture; it is kept in `.removed`."""
        await asyncio.to_thread(self._picture_path, request)
        label, name = request.path_params["label"], request.path_params["name"]
        await asyncio.to_thread(self._session.remove_picture, label, name)
        return Json({"removed": 1})

    @changing
    async def upload(self, request: Request) -> Response:
        """Add a picture, or a zip file of pictures, to a label."""
        label, name = self._label(request), request.path_params["name"]
        receiving = self._archives if _is_archive(name) else self._files
        async with receiving, received_file(request) as file, self._work:
            upload = await asyncio.to_thread(self._add, label, name, file)
        return Json(upload.to_dict())

    @changing
    async def upload_labelled(self, request: Request) -> Response:
        """Add a zip file whose folders are labels."""
        if not _is_archive(request.path_params["name"]):
            raise UserError("A zip file with a folder for each label is expected here.")
        async with self._archives, received_file(request) as file, self._work:
            upload = await asyncio.to_thread(uploads.add_labelled_archive, self._session, file)
        return Json(upload.to_dict())

    @changing
    async def undo(self, _request: Request) -> Response:
        """Take the last burst back."""
        undone = await asyncio.to_thread(self._session.undo)
        told = None if undone is None else {"label": undone.label, "count": undone.count}
        return Json({"undone": told})

    @changing
    async def crop(self, request: Request) -> Response:
        """Choose the part of the picture to use."""
        crop = crop_of(await read_fields(request))
        await asyncio.to_thread(self._session.set_crop, crop)
        return Json({"analysed_again": self._session.learning_state().pending})

    @changing
    async def camera(self, request: Request) -> Response:
        """Choose the camera."""
        self.studio.hub.use(one_of(await read_fields(request), "kind", KINDS))
        return Json({})

    @changing
    async def teach(self, request: Request) -> Response:
        """Begin to train a model."""
        fields = await read_fields(request)
        mode = one_of(fields, "mode", _MODES)
        await asyncio.to_thread(self.studio.teach, mode, epochs_of(fields))
        return self._job()

    @changing
    async def export(self, request: Request) -> Response:
        """Begin to export the model."""
        precision = one_of(await read_fields(request), "precision", _PRECISIONS)
        await asyncio.to_thread(self.studio.export, precision)
        return self._job()

    @changing
    async def cancel(self, _request: Request) -> Response:
        """End the job that is running."""
        await asyncio.to_thread(self.studio.jobs.cancel)
        return self._job()

    @changing
    async def watch(self, request: Request) -> Response:
        """Choose what labels the live picture."""
        await self.studio.watch(one_of(await read_fields(request), "with", ("head", "model")))
        return Json({})

    async def model(self, request: Request) -> Response:
        """Serve a model file."""
        path = self.studio.models.find(request.path_params["name"])
        if path is None or not path.is_file():
            raise _not_found("There is no such model file. Train or export one first.")
        return FileResponse(path, filename=path.name, media_type="application/octet-stream")

    @changing
    async def pack(self, request: Request) -> Response:
        """Begin to write a web page or the data set as a zip file."""
        what = one_of(await read_fields(request), "what", PACKED)
        await asyncio.to_thread(self.studio.pack, what)
        return self._job()

    async def packed(self, request: Request) -> Response:
        """Serve the zip file that a job wrote."""
        path = self.studio.packed(request.path_params["number"])
        if path is None or not path.is_file():
            raise _not_found("That zip file is not there any more. Write it again.")
        return FileResponse(path, filename=path.name, media_type="application/zip")

    def _job(self) -> Response:
        return Json({"job": self.studio.job()})

    def _label(self, request: Request) -> str:
        label: str = request.path_params["label"]
        if label not in [known.name for known in self._session.state().labels]:
            raise _not_found(f"There is no label {label!r} any more.")
        return label

    def _picture_path(self, request: Request) -> Path:
        try:
            return self._session.picture_path(self._label(request), request.path_params["name"])
        except UserError as error:
            raise _not_found(str(error)) from error

    def _add(self, label: str, name: str, file: IO[bytes]) -> uploads.Upload:
        if _is_archive(name):
            return uploads.add_archive(self._session, label, file)
        return uploads.add_picture(self._session, label, name, file.read())


async def _written(path: Path) -> None:
    """Wait for the file of a snapshot that is still on its way to the disk."""
    ends = time.monotonic() + _WRITTEN_WITHIN
    while not path.exists() and time.monotonic() < ends:
        await asyncio.sleep(_LOOK_EVERY)


def _is_archive(name: str) -> bool:
    return name.lower().endswith(".zip")


def _not_found(reason: str) -> HTTPException:
    return HTTPException(HTTPStatus.NOT_FOUND, reason)
