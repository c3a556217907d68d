"""The HTTP routes for the review of snapshots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from webcam_classifier.dataset.unlabelled_pictures import read_notes, unlabelled_names
from webcam_classifier.errors import UserError
from webcam_classifier.teaching.picture_moves import UndoableMoves
from webcam_classifier.web.control import check_may_change
from webcam_classifier.web.json_text import Json
from webcam_classifier.web.picture_responses import picture_response
from webcam_classifier.web.request_fields import read_fields, side_of, text_of
from webcam_classifier.web.studio import Studio

_MOST = 500  # pictures in one request
_SIDE = 240  # pixels, of a thumbnail


class ReviewRoutes:
    """Answers the requests of the review.

    Args:
        studio: The studio.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._session = studio.session
        self._work = asyncio.Semaphore(1)

    def all(self) -> list[BaseRoute]:
        """Return the table of routes."""
        return [
            Route("/api/review", self.review),
            Route("/api/review/move", self.move, methods=["POST"]),
            Route("/api/review/remove", self.remove, methods=["POST"]),
            Route("/api/review/undo", self.undo, methods=["POST"]),
            Route("/api/unlabelled/{name}", self.picture),
        ]

    async def review(self, _request: Request) -> Response:
        """Answer with the suspects, and the pictures that wait for a label."""
        suspects = await self._studio.review()
        accuracy = self._session.learning_state().accuracy
        return Json(
            {
                "suspects": [asdict(one) for one in suspects],
                "is_current": accuracy is None or accuracy.is_current,
                "unlabelled": await asyncio.to_thread(self._unlabelled),
                "undo": _undo_message(self._session.undoable_moves),
            }
        )

    async def move(self, request: Request) -> Response:
        """Move pictures to a label, from other labels and from the unlabelled ones."""
        check_may_change(self._studio, request)
        fields = await read_fields(request)
        to, pictures, files = text_of(fields, "to"), _pictures(fields), self._files(fields)

        def do() -> int:
            count = self._session.move_pictures(pictures, to) if pictures else 0
            return count + (self._session.take_in(files, to) if files else 0)

        return await self._changed(do)

    async def remove(self, request: Request) -> Response:
        """Remove pictures; they are kept in `.removed`."""
        check_may_change(self._studio, request)
        fields = await read_fields(request)
        pictures, files = _pictures(fields), self._files(fields)

        def do() -> int:
            count = self._session.remove_pictures(pictures) if pictures else 0
            folder = self._studio.unlabelled_folder
            if files and folder is not None:
                count += self._session.remove_files(folder, files)
            return count

        return await self._changed(do)

    async def undo(self, request: Request) -> Response:
        """Move back the pictures that were moved or removed last."""
        check_may_change(self._studio, request)
        undone = await asyncio.to_thread(self._session.undo_moves)
        return Json(
            {"undone": _undo_message(undone), "undo": _undo_message(self._session.undoable_moves)}
        )

    async def picture(self, request: Request) -> Response:
        """Serve a thumbnail of a picture that waits for a label."""
        (path,) = self._files({"unlabelled": [request.path_params["name"]]})
        return await picture_response(request, path, side_of(request) or _SIDE, self._work)

    async def _changed(self, do: Callable[[], int]) -> Response:
        count = await asyncio.to_thread(do)
        return Json({"count": count, "undo": _undo_message(self._session.undoable_moves)})

    def _files(self, fields: dict[str, Any]) -> list[Path]:
        """Return the unlabelled pictures with the names that were sent, which must exist."""
        names = _list(fields, "unlabelled")
        folder = self._studio.unlabelled_folder
        there = set() if folder is None else set(unlabelled_names(folder))
        for name in names:
            if not isinstance(name, str) or name not in there:
                raise HTTPException(
                    HTTPStatus.NOT_FOUND,
                    "This picture does not wait for a label any more. Look again.",
                )
        return [] if folder is None else [folder / name for name in dict.fromkeys(names)]

    def _unlabelled(self) -> list[dict[str, Any]]:
        folder = self._studio.unlabelled_folder
        if folder is None:
            return []
        notes = read_notes(folder)
        return [
            {"name": name, **({} if name not in notes else asdict(notes[name]))}
            for name in unlabelled_names(folder)
        ]


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    found = fields.get(name, [])
    if not isinstance(found, list) or len(found) > _MOST:
        raise UserError(f"{name!r} is not a list of at most {_MOST} pictures. Load the page again.")
    return found


def _pictures(fields: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for one in _list(fields, "pictures"):
        if not (isinstance(one, list) and [type(part) for part in one] == [str, str]):
            raise UserError("A picture is a label and a name. Load the page again.")
        found.append((one[0], one[1]))
    return found


def _undo_message(moves: UndoableMoves | None) -> dict[str, Any] | None:
    return None if moves is None else asdict(moves)
