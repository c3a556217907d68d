"""Teach while a camera is watched: what a window or a page does, and what it is told."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from webcam_classifier.backbone.feature_graph import with_normalised_embedding
from webcam_classifier.backbone.load import DEFAULT_BACKBONE, frozen_features
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.label_names import check_labels
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.runtime.providers import ON_ALL_CORES, ExecutionConfig
from webcam_classifier.storage import check_writable
from webcam_classifier.teaching.describe import (
    describe_labels,
    describe_lack,
    describe_warnings,
)
from webcam_classifier.teaching.edits import Edits
from webcam_classifier.teaching.eye import Eye
from webcam_classifier.teaching.folder import check_is_whole
from webcam_classifier.teaching.known_pictures import KnownPictures
from webcam_classifier.teaching.learner import Learner
from webcam_classifier.teaching.recording import Recording
from webcam_classifier.teaching.state import Refusal, TeachingState
from webcam_classifier.teaching.teachable_classifier import TeachableClassifier, feature_file

DEFAULT_INPUT_SIZE = 224  # pixels

_TURN = 0.001  # seconds


class TeachingSession:
    """Records, learns, and answers, from a folder of pictures that may be empty.

    >>> with TeachingSession.open(Path("dataset"), ["cup", "none"]) as session:
    ...     with LiveLoop(camera, session.classifier, record=session.observe) as loop:
    ...         session.start_recording("cup")
    ...         for labelled in loop.results(wait=0.02):
    ...             state = session.state()

    All methods may be called from any thread; none of them waits for something to be learnt.
    Pictures are on the disk a moment after they were taken, and nothing else is lost by a kill.

    Args:
        dataset: One folder for each label.
        labels: To be shown, in this order.
        classifier: Answers.
        eye: PictureEmbeddings at files.
        rate: Snapshots a second while a label is recorded.
        keep_all: Record dark, bright, blurred and repeated pictures too.
        backbone: The network behind `classifier`, by its name.
    """

    def __init__(
        self,
        dataset: Path,
        labels: Sequence[str],
        classifier: TeachableClassifier,
        eye: Eye,
        *,
        rate: float,
        keep_all: bool,
        backbone: str,
    ) -> None:
        self._dataset = dataset
        self._classifier = classifier
        self._eye = eye
        self._backbone = backbone
        self._pictures = KnownPictures(labels)
        self._telling = threading.Lock()  # guards the three below
        self._version = 0
        self._state: TeachingState | None = None
        self._callbacks: list[Callable[[], None]] = []
        with ExitStack() as stack:
            # A matrix product that is shared out takes the processor away from the live picture.
            stack.enter_context(threadpool_limits(limits=1, user_api="blas"))
            # A frame waits so long for a thread that is busy in Python; usually it is 5 ms.
            stack.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(_TURN)
            self._recording = stack.enter_context(
                Recording(self._pictures, dataset, rate, keep_all)
            )
            self._edits = Edits(dataset, self._pictures, self._recording, eye)
            self._edits.look_out()
            self._pictures.add(eye.remember(self._pictures.every()))
            self._learner = stack.enter_context(
                Learner(self._pictures, classifier, eye, self._edits.look_out, self._changed)
            )
            # To look through thousands of pictures for garbage takes as long as a frame.
            stack.callback(gc.unfreeze)
            gc.freeze()
            self._open = stack.pop_all()

    @classmethod
    def open(  # noqa: PLR0913 all but the first have a default
        cls,
        dataset: Path,
        labels: Sequence[str] = (),
        *,
        backbone: str = DEFAULT_BACKBONE,
        input_size: int = DEFAULT_INPUT_SIZE,
        runtime: ExecutionConfig = ON_ALL_CORES,
        rate: float = 8.0,
        keep_all: bool = False,
        say: Callable[[str], None] = print,
    ) -> TeachingSession:
        """Begin with what is in a folder.

        Args:
            dataset: One folder for each label; it may be missing or empty.
            labels: To be shown first, in this order; they need no pictures yet. The folder's
                other labels follow.
            backbone: The frozen network, by its torchvision name.
            input_size: The side of the square that it sees, in pixels.
            runtime: What runs it.
            rate: Snapshots a second while a label is recorded.
            keep_all: Record dark, bright, blurred and repeated pictures too.
            say: Told what is begun with.

        Raises:
            UserError: A label can't be a folder's name, the folder can't be written or came split
                into parts, or the weights can't be had.
            ProviderError: The runtime can't be had.
        """
        check_is_whole(dataset)
        check_writable(dataset)
        named = check_labels(labels, dataset)
        features = with_normalised_embedding(frozen_features(backbone, "auto", input_size).graph)
        classifier = TeachableClassifier(feature_file(features), input_size, runtime)
        eye = Eye(dataset, features, input_size)
        session = cls(
            dataset, named, classifier, eye, rate=rate, keep_all=keep_all, backbone=backbone
        )
        count = len(session._pictures)
        if count:
            say(f"teaching goes on with the {count} pictures in {dataset}")
        return session

    @property
    def classifier(self) -> TeachableClassifier:
        """What labels the frames: for `LiveLoop`, and used by its thread alone."""
        return self._classifier

    def observe(self, labelled: LabelledFrame) -> None:
        """Take a frame in, and record it if its time has come: the hook of `LiveLoop`.

        It must be called in the loop's thread, before the next frame is labelled.

        Args:
            labelled: The frame that `classifier` has answered last; another's answer to it does
                as well, and is learnt from a little later.
        """
        embedding = self._classifier.embedding_of(labelled.prediction)
        if self._recording.take(labelled, embedding):
            self._changed()

    def start_recording(self, label: str, at_most: int | None = None) -> None:
        """Record the frames that come from now on, until `stop_recording`.

        The first one is recorded at once. A label that is being recorded goes on with its burst,
        and only `at_most` changes; another one begins a burst of its own.

        Args:
            label: One of the state's.
            at_most: Pause after so many snapshots of the burst: 1 for a key that was tapped, until
                it turns out that it is held. None has no end.

        Raises:
            UserError: There is no such label.
        """
        self._edits.check_known(label)
        self._recording.start(label, at_most)
        self._changed()

    def stop_recording(self) -> None:
        """End the burst; nothing happens where none is recorded."""
        if self._recording.label is not None:
            self._recording.stop()
            self._changed()

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back: from the disk, from the cache, and from what was learnt.

        What it showed is forgotten with the next frames. A burst that is being recorded ends.

        Returns:
            What was taken back, or None where nothing of this run is left.

        Raises:
            UserError: A file can't be removed.
        """
        try:
            return self._edits.undo()
        finally:
            self._changed()

    def add_label(self, name: str) -> str:
        """Add a label without pictures; its folder comes with its first picture.

        Returns:
            The name in Unicode's composed form.

        Raises:
            UserError: It can't be a folder's name, or is there already.
        """
        label = self._edits.add_label(name)
        self._changed()
        return label

    def rename_label(self, old: str, new: str) -> str:
        """Rename a label with its folder. What is being recorded ends.

        Returns:
            The new name in Unicode's composed form.

        Raises:
            UserError: There is no such label, the new name can't be a folder's or is taken, or
                the folder can't be renamed.
        """
        label = self._edits.rename_label(old, new)
        self._changed()
        return label

    def remove_label(self, name: str) -> int:
        """Take a label away; its pictures are moved to `.removed`. What is being recorded ends.

        Returns:
            How many pictures were moved.

        Raises:
            UserError: There is no such label, or the folder can't be moved.
        """
        count = self._edits.remove_label(name)
        self._changed()
        return count

    def remove_picture(self, label: str, name: str) -> None:
        """Take one picture away; it is moved to `.removed`. What is being recorded ends.

        Args:
            label: Its label.
            name: As `LabelState.newest` and `picture_names` give it.

        Raises:
            UserError: There is no such picture, or it can't be moved.
        """
        self._edits.remove_picture(label, name)
        self._changed()

    def add_pictures(self, label: str, files: Iterable[tuple[str, bytes]]) -> tuple[Refusal, ...]:
        """Add pictures from elsewhere, as one burst that `undo` takes back.

        Args:
            label: Theirs.
            files: Each with its name, which is only used to tell of it, and its content.

        Returns:
            Those that were not added.

        Raises:
            UserError: There is no such label, or the disk can't be written.
        """
        refused = self._edits.add_pictures(label, files)
        self._changed()
        return refused

    def picture_names(self, label: str) -> tuple[str, ...]:
        """Name all pictures of a label, newest first.

        Raises:
            UserError: There is no such label.
        """
        self._edits.check_known(label)
        return self._pictures.names(label)

    def picture_path(self, label: str, name: str) -> Path:
        """Give the file of a picture, which is always one that the session knows of.

        Raises:
            UserError: There is no such picture.
        """
        return self._edits.picture_path(label, name)

    def state(self) -> TeachingState:
        """Give all that is known now; cheap enough to ask for with every frame."""
        with self._telling:
            version = self._version
            if self._state is None or self._state.version != version:
                self._state = self._describe(version)
            return self._state

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have a function called whenever the state has changed.

        Args:
            callback: Called from any thread; it must be quick, and must not call the session.
        """
        self._callbacks.append(callback)

    def wait_until_learnt(self, timeout: float) -> bool:
        """Wait until all that is on the disk is learnt, with views and a measured accuracy.

        Args:
            timeout: Seconds.

        Returns:
            Whether it is.
        """
        return self._learner.wait(timeout)

    def close(self) -> None:
        """Write what is still waiting, and stop; a second call does nothing.

        Raises:
            UserError: A snapshot could not be written.
            Exception: Whatever ended learning before its time.
        """
        self._open.close()
        self._eye.tidy(self._pictures.contents())
        if self._learner.failure is not None:
            raise self._learner.failure

    def __enter__(self) -> TeachingSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:  # else the first error is the one to tell
                raise

    def _changed(self) -> None:
        with self._telling:
            self._version += 1
        for callback in self._callbacks:
            callback()

    def _describe(self, version: int) -> TeachingState:
        recording, learner, taught = self._recording, self._learner, self._classifier.taught
        failure = learner.failure
        return TeachingState(
            version=version,
            dataset=self._dataset,
            backbone=self._backbone,
            input_size=self._classifier.input_size,
            runtime=self._classifier.runtime,
            labels=describe_labels(self._pictures),
            recording=recording.label,
            skipped=dict(recording.skipped.most_common()),
            last_skip=recording.last_skip,
            warnings=describe_warnings(self._pictures),
            undoable=recording.recorder.undoable,
            learnt_labels=() if taught is None else taught.labels,
            learnt=learner.learnt,
            pending=learner.pending,
            corrections=recording.corrections,
            accuracy=learner.accuracy,
            accuracy_advice=describe_lack(self._pictures.counts()),
            problem=recording.problem or (f"Learning stopped: {failure!r}." if failure else ""),
        )
