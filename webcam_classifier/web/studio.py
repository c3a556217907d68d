"""The studio behind the page: the session, the live picture, the jobs and the viewers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from webcam_classifier.camera.demo import hold_pose_while
from webcam_classifier.camera.protocol import Camera
from webcam_classifier.dataset.unlabelled_pictures import unlabelled_names
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import MODEL_NAME
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.teaching.session import TeachingSession
from webcam_classifier.teaching.training_job import TrainingJobs
from webcam_classifier.web import live_messages, messages
from webcam_classifier.web.background_thread import in_background_thread
from webcam_classifier.web.event_loop import call_in_loop
from webcam_classifier.web.heat_maps import HeatMaps
from webcam_classifier.web.live_hub import LiveHub
from webcam_classifier.web.live_picture import LivePicture
from webcam_classifier.web.models_folder import ModelsFolder
from webcam_classifier.web.posted_pictures import PostedPictures
from webcam_classifier.web.teacher import TeacherRole
from webcam_classifier.web.viewers import Viewer, Viewers
from webcam_classifier.web.watched_classifier import WatchedClassifier

if TYPE_CHECKING:
    from webcam_classifier.teaching.review import Suspect

_logger = logging.getLogger(__name__)


class Studio:
    """One data set that is recorded and trained on with one camera; a context manager.

    The server's routes call it from the event loop. What comes from other threads, such as labelled
    frames, is passed on to that loop.

    Args:
        session: What records and learns; closed by its owner.
        models: The folder that models are trained into.
        open_device: Opens this machine's own camera.
        unlabelled_folder: The folder of pictures that wait for a label; None if there is none.
    """

    def __init__(
        self,
        session: TeachingSession,
        models: Path,
        open_device: Callable[[], Camera],
        unlabelled_folder: Path | None = None,
    ) -> None:
        self.session = session
        self.unlabelled_folder = unlabelled_folder
        self._reviewing = asyncio.Lock()
        self._is_closing = False
        self.models = ModelsFolder(models)
        self.viewers = Viewers()
        self.teacher = TeacherRole(self.viewers.tell_state)
        self.watched = WatchedClassifier(session.classifier)
        self.posted = PostedPictures(lambda: {"": self.watched.answering}, _opened_beside)
        self.jobs = TrainingJobs(self._job_changed)
        self.hub = LiveHub(
            self.watched,
            session.observe,
            lambda: _holding_its_pose(open_device(), session),
            self.viewers.is_picture_wanted,
            HeatMaps(lambda: self.watched.answering, self.viewers.is_heat_map_wanted),
            lambda picture: self._in_loop(self._show, picture),
            lambda: self._in_loop(self.viewers.tell_state),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = ExitStack()
        session.on_change(lambda: self._in_loop(self.viewers.tell_state))

    def __enter__(self) -> Studio:
        self._open.enter_context(self.jobs)
        self._open.enter_context(self.hub)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        self._open.close()

    def use_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Set the event loop of the server; None once it has ended."""
        self._loop = loop

    def state(self, client: str | None) -> dict[str, Any]:
        """Return the whole state as seen by a client.

        Args:
            client: Its id; None if it has none.
        """
        teaching = self.session.state()
        return {
            "version": teaching.version,
            **messages.teaching_message(teaching, self.session.learning_state()),
            "camera": live_messages.camera_message(self.hub.facts, time.monotonic()),
            "teacher": self.teacher.seen_by(client),
            "job": self.job(),
            "models": messages.models_message(self.models.files),
            "has_report": self.models.report is not None,
            "viewers": len(self.viewers),
            "watching": "model" if self.watched.is_model else "head",
            "watched_crop": live_messages.crop_message(self.watched.crop),
            "limits": messages.limits_message(),
            "unlabelled": self._unlabelled_count(),
        }

    def job(self) -> dict[str, Any] | None:
        """Return the message about the last job."""
        return messages.job_message(self.jobs.state())

    def teach(self, mode: Literal["head", "finetune"], epochs: int | None) -> None:
        """Start to train a model on the data set.

        Args:
            mode: `head` fits a head only; `finetune` trains layers too.
            epochs: For fine-tuning; None takes the default of train.py.

        Raises:
            UserError: Another job is running.
        """
        if mode == "head":
            self.jobs.write(self.session, self.models.folder)
            return
        teaching, learning = self.session.state(), self.session.learning_state()
        self.jobs.teach(
            mode,
            teaching.dataset,
            self.models.folder,
            epochs=epochs,
            backbone=learning.backbone,
            input_size=learning.input_size,
        )

    async def review(self) -> tuple[Suspect, ...]:
        """Find the snapshots that somebody should check, in a low-priority thread."""
        async with self._reviewing:
            return await in_background_thread(lambda: self.session.review(lambda: self._is_closing))

    def export(self, precision: Literal["fp32", "fp16", "int8"]) -> None:
        """Start to write the model in another precision.

        Raises:
            UserError: Another job is running.
        """
        self.jobs.export(self.models.folder, precision, self.session.state().dataset)

    def pack(self, what: str) -> None:
        """Start to write a zip file beside the model: of a `page`, or of the `dataset`.

        Raises:
            UserError: There is no model yet, or another job is running.
        """
        folder = self.models.folder
        if what == "dataset":
            self.jobs.write_dataset(self.session.state().dataset, folder / DATASET_ZIP)
            return
        model = self.models.find(MODEL_NAME)
        if model is None:
            raise UserError("There is no model to put on a page yet. Save the model first.")
        self.jobs.write_page(model, folder / PAGE_ZIP)

    def packed(self, number: int) -> Path | None:
        """Return the zip file that a job wrote; None if another job was started since.

        Args:
            number: The number of the job.
        """
        job = self.jobs.state()
        is_there = job is not None and job.number == number and job.status == "done"
        return job.output if is_there and job is not None and job.kind in PACKED else None

    def may_change(self, client: str | None) -> bool:
        """Return whether a client may change something; if nobody teaches, it becomes the teacher.

        Args:
            client: Its id. A client without an open page may change something only if nobody
                teaches, and does not become the teacher, since its end would not be noticed.
        """
        if client is not None and client in self.viewers:
            return self.teacher.may_teach(client)
        return self.teacher.holder is None

    async def handle_message(self, viewer: Viewer, message: dict[str, Any]) -> None:
        """Handle a message from a page's WebSocket."""
        kind = message["type"]
        if kind == "claim":
            await self._claim(viewer)
        elif kind == "release":
            await self._leave_role(viewer.client)
        elif kind == "record":
            await self._record(viewer, str(message.get("label", "")), message.get("on") is True)

    async def left(self, viewer: Viewer) -> None:
        """Forget a page that is gone; its recording ends."""
        self.viewers.leave(viewer)
        await self._leave_role(viewer.client)

    async def watch(self, what: str) -> None:
        """Choose what labels the live picture: the `head`, or the `model` that was written last.

        Raises:
            UserError: There is no model yet, or it can't be used.
        """
        if what == "head":
            self.watched.watch_head()
        else:
            await asyncio.to_thread(self.watched.watch_model, self.models.folder / MODEL_NAME)
        self.viewers.tell_state()

    async def _claim(self, viewer: Viewer) -> None:
        before = self.teacher.holder
        if not self.teacher.claim(viewer.client):
            viewer.refuse(SOMEBODY_TEACHES)
        elif before not in (None, viewer.client):
            # Whoever taught before may no longer change anything, not even end a recording.
            await asyncio.to_thread(self.session.stop_recording)

    def _unlabelled_count(self) -> int:
        try:
            return (
                0
                if self.unlabelled_folder is None
                else len(unlabelled_names(self.unlabelled_folder))
            )
        except UserError:  # the review shows why
            return 0

    async def _record(self, viewer: Viewer, label: str, on: bool) -> None:
        if not self.teacher.may_teach(viewer.client):
            if on:  # a release needs no answer
                viewer.refuse(SOMEBODY_TEACHES)
            return
        try:
            if on:
                await asyncio.to_thread(self.session.start_recording, label)
            else:
                await asyncio.to_thread(self.session.stop_recording)
        except UserError as error:
            viewer.refuse(str(error))

    async def _leave_role(self, client: str) -> None:
        if self.teacher.release(client):
            await asyncio.to_thread(self.session.stop_recording)

    def _show(self, picture: LivePicture) -> None:
        self.viewers.offer(picture)

    def _job_changed(self) -> None:
        self._in_loop(self._look_at_job)

    def _look_at_job(self) -> None:
        job = self.jobs.state()
        if job is not None and not job.is_running:
            self._refreshing = asyncio.ensure_future(self._refresh())
        self.viewers.tell_state()

    async def _refresh(self) -> None:
        """Read what a job has written; if a model labels, the new one does from now on."""
        await asyncio.to_thread(self.models.refresh)
        if self.watched.is_model:
            try:
                await self.watch("model")
            except UserError as error:
                _logger.warning(
                    "the live picture is still labelled by the earlier model: %s", error
                )
        self.viewers.tell_state()

    def _in_loop(self, call: Callable[..., None], *values: object) -> None:
        """Have a function called in the event loop, from any thread."""
        call_in_loop(self._loop, call, *values)


PACKED = ("page", "dataset")
"""The kinds of zip file that can be written."""

PAGE_ZIP = "web_page.zip"
DATASET_ZIP = "dataset.zip"

SOMEBODY_TEACHES = "Somebody else is in control. Watch, or ask them to hand over."


def _holding_its_pose(camera: Camera, session: TeachingSession) -> Camera:
    hold_pose_while(camera, lambda: session.is_recording)
    return camera


def _opened_beside(classifier: Classifier) -> Classifier:
    """Open the classifier of the live picture a second time, for pictures that are sent."""
    runtime = ExecutionConfig(threads=1)
    if classifier.card.labels:
        return Classifier(classifier.path, runtime)
    return Classifier.of_features(classifier.path, classifier.card, runtime)
