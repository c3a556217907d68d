"""Teach while a camera is watched: what a window or a page does, and what it is told."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import onnx

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.index import Dataset, check_is_whole
from webcam_classifier.dataset.label_names import check_labels
from webcam_classifier.dataset.labelled_pictures import check_enough
from webcam_classifier.head.learner import Calibration, Learner
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import ModelCard
from webcam_classifier.progress import Counter, Result, Stage
from webcam_classifier.runtime.providers import ON_ALL_CORES, ExecutionConfig
from webcam_classifier.storage import check_writable, write_atomically
from webcam_classifier.teaching.background_learner import BackgroundLearner
from webcam_classifier.teaching.describe import (
    describe_labels,
    describe_lack,
    describe_warnings,
)
from webcam_classifier.teaching.edits import Edits
from webcam_classifier.teaching.recording import Recording
from webcam_classifier.teaching.state import LearntAccuracy, Refusal, TeachingState

_TELL_EVERY = 0.2  # seconds, while pictures are waited for


class TeachingSession:
    """Records, learns, and answers, from a folder of pictures that may be empty.

    >>> with TeachingSession(Path("dataset"), backbone, ["cup", "none"]) as session:
    ...     with LiveLoop(camera, session.classifier, record=session.observe) as loop:
    ...         session.start_recording("cup")
    ...         for labelled in loop.results(wait=0.02):
    ...             state = session.state()

    All methods may be called from any thread; none of them waits for something to be learnt.
    Pictures are on the disk a moment after they were taken, and nothing else is lost by a kill.

    Args:
        dataset: One folder for each label; it may be missing or empty.
        backbone: The frozen network.
        labels: To be shown first, in this order; they need no pictures yet. The folder's other
            labels follow.
        runtime: What runs it.
        rate: Snapshots a second while a label is recorded.
        keep_all: Record dark, bright, blurred and repeated pictures too.
        on_loaded: Called when much was loaded that stays, here and once in a thread; a process may
            then have the garbage collector pass it over.

    Raises:
        UserError: A label can't be a folder's name, the folder can't be written or came split
            into parts, or the weights can't be had.
        ProviderError: The runtime can't be had.
    """

    def __init__(
        self,
        dataset: Path,
        backbone: Backbone,
        labels: Sequence[str] = (),
        *,
        runtime: ExecutionConfig = ON_ALL_CORES,
        rate: float = 8.0,
        keep_all: bool = False,
        on_loaded: Callable[[], None] = lambda: None,
    ) -> None:
        check_is_whole(dataset)
        check_writable(dataset)
        named = check_labels(labels, dataset)
        self._backbone = backbone
        self._dataset = Dataset(dataset, named)
        self._classifier = Classifier.of_features(
            feature_file(backbone.features), feature_card(backbone, dataset), runtime
        )
        self._embedder = Embedder(backbone, self._dataset, threads=1)
        self._telling = threading.Lock()  # guards the three below
        self._version = 0
        self._state: TeachingState | None = None
        self._callbacks: list[Callable[[], None]] = []
        with ExitStack() as stack:
            self._recording = stack.enter_context(Recording(self._dataset, rate, keep_all))
            self._edits = Edits(self._dataset, self._recording, self._embedder)
            self._dataset.refresh()
            self._embedder.recall(self._dataset.every())
            self._learner = Learner(backbone)
            self._background = stack.enter_context(
                BackgroundLearner(
                    self._dataset,
                    self._classifier,
                    self._learner,
                    self._embedder,
                    self._edits.refresh,
                    self._changed,
                    on_loaded,
                )
            )
            on_loaded()
            self._open = stack.pop_all()

    def __len__(self) -> int:
        """How many pictures there are, those on their way to the disk included."""
        return len(self._dataset)

    @property
    def classifier(self) -> Classifier:
        """What labels the frames: for `LiveLoop`, and used by its thread alone."""
        return self._classifier

    def observe(self, labelled: LabelledFrame) -> None:
        """Take a frame in, and record it if its time has come: the hook of `LiveLoop`.

        It must be called in the loop's thread, before the next frame is labelled.

        Args:
            labelled: With what `classifier` answered; an answer without an embedding does as well,
                and is learnt from a little later.
        """
        if self._recording.take(labelled):
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
        return self._dataset.names(label)

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
        return self._background.wait(timeout)

    def write(self, output: Path) -> Result:
        """Write a model of the pictures that there are, as `train.py --mode head` does.

        It is the learner's own head. This takes some seconds, and holds up neither the picture nor
        the learning; what is recorded meanwhile is not in the model. Progress is told.

        Args:
            output: The folder for model, metrics and report.

        Returns:
            What it came to.

        Raises:
            UserError: There are too few pictures, or the folder can't be written.
        """
        # Loaded only now: drawing and analysing take longer to load than all else.
        from webcam_classifier.training.write_learnt import write_learnt

        check_enough(self._dataset)
        check_writable(output)
        started = time.monotonic()
        calibration = self._calibrated()
        return write_learnt(self._dataset, self._backbone, calibration, output, started)

    def _calibrated(self) -> Calibration:
        """Wait until the pictures of this moment are calibrated, and tell how far that is."""
        wanted = {(one.label, one.key) for one in self._dataset.every()}
        counter = Counter(Stage.EMBED, len(wanted))
        done = 0
        while True:
            self._background.wait(_TELL_EVERY)
            calibration = self._learner.calibration
            known = set[tuple[str, str]]()
            if calibration is not None:
                known = {(one.label, one.key) for one in calibration.pictures}
            there = {(one.label, one.key) for one in self._dataset.every()}
            views = self._learner.views
            embedded = sum(one.is_embedded(views) for one in self._dataset.every())
            while done < min(embedded, len(wanted)):
                done += 1
                counter.advance()
            # What was removed meanwhile is not waited for.
            if calibration is not None and (wanted & there) <= known <= there:
                counter.finish()
                return calibration

    def close(self) -> None:
        """Write what is still waiting, and stop; a second call does nothing.

        Raises:
            UserError: A snapshot could not be written.
        """
        self._open.close()
        self._embedder.prune()

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
        recording, background, head = self._recording, self._background, self._classifier.head
        return TeachingState(
            version=version,
            dataset=self._dataset.folder,
            backbone=self._backbone.name,
            input_size=self._backbone.input_size,
            runtime=self._classifier.runtime,
            labels=describe_labels(self._dataset),
            recording=recording.label,
            skipped=dict(recording.skipped.most_common()),
            last_skip=recording.last_skip,
            warnings=describe_warnings(self._dataset),
            undoable=recording.recorder.undoable,
            learnt_labels=() if head is None else head.labels,
            learnt=self._learner.learnt,
            pending=background.pending,
            corrections=recording.corrections,
            accuracy=self._accuracy(),
            accuracy_advice=describe_lack(self._dataset.counts()),
            problem=recording.problem or background.problem,
        )

    def _accuracy(self) -> LearntAccuracy | None:
        calibration = self._learner.calibration
        if calibration is None or calibration.evaluation is None:
            return None
        return LearntAccuracy(
            calibration.evaluation, calibration.rests_on, self._background.is_current
        )


def feature_card(backbone: Backbone, dataset: Path) -> ModelCard:
    """The card of a network that any head may be put on."""
    return ModelCard(
        labels=(),
        input_size=backbone.input_size,
        backbone=backbone.name,
        mode="head",
        weights=backbone.source,
        created_at="",
        dataset=str(dataset),
        data_hash="",
    )


def feature_file(features: onnx.ModelProto) -> Path:
    """The file of a graph, which runtimes open; it is written where it is not there yet.

    Args:
        features: From `pixels` to the normalised embedding.

    Raises:
        UserError: The cache folder can't be written.
    """
    content = features.SerializeToString(deterministic=True)
    name = f"features-{hashlib.sha256(content).hexdigest()[:24]}.onnx"
    path = cache_folder() / "features" / name
    if not path.is_file() or path.stat().st_size != len(content):
        write_atomically(path, content)
    return path
