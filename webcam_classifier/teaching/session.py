"""Teach with a live camera: record snapshots, and learn from them at once."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.labelled_pictures import check_enough
from webcam_classifier.errors import UserError
from webcam_classifier.head.learner import Calibration, Learner
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import ModelCard
from webcam_classifier.progress import Counter, Result, Stage
from webcam_classifier.runtime.providers import ON_ALL_CORES, ExecutionConfig
from webcam_classifier.storage import check_writable, write_atomically
from webcam_classifier.teaching.background_learner import BackgroundLearner
from webcam_classifier.teaching.describe import describe_lack
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.teaching.state import LearningState, LearntAccuracy
from webcam_classifier.temporary_files import process_folder

if TYPE_CHECKING:
    from webcam_classifier.teaching.review import Review, Suspect

_log = logging.getLogger(__name__)

_TELL_EVERY = 0.2  # seconds between reports while waiting for pictures


class TeachingSession(RecordingSession):
    """Records, learns and classifies, starting from a folder of pictures that may be empty.

    >>> with TeachingSession(Path("dataset"), backbone, ["cup", "none"]) as session:
    ...     with LiveLoop(camera, session.classifier, record=session.observe) as loop:
    ...         session.start_recording("cup")
    ...         for labelled in loop.results(wait=0.02):
    ...             labels, learnt = session.state().labels, session.learning_state().learnt

    Only `wait_until_learnt` and `write` wait for something to be learnt. Pictures that are undone
    or removed are forgotten within the next few frames.

    Args:
        dataset: As for `RecordingSession`.
        backbone: The frozen network.
        labels: As for `RecordingSession`.
        runtime: What runs the network.
        rate: As for `RecordingSession`.
        keep_all: As for `RecordingSession`.
        on_loaded: Called here and once from a thread, when most of what stays in memory has been
            loaded; a process may then exempt it from garbage collection.

    Raises:
        UserError: As for `RecordingSession`, or the cache folder can't be written.
        ProviderError: The runtime is not available.
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
        super().__init__(dataset, labels, rate=rate, keep_all=keep_all)
        self._backbone = backbone
        self._review: Review | None = None
        self._learning: tuple[int, LearningState] | None = None  # with the version that it is of
        with ExitStack() as stack:
            stack.callback(super().close)
            self._classifier = Classifier.of_features(
                feature_file(backbone.features), feature_card(backbone, self._dataset), runtime
            )
            self._embedder = Embedder(backbone, self._dataset, threads=1)
            self._embedder.load_cached(self._dataset.every())
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

    @property
    def classifier(self) -> Classifier:
        """The classifier for `LiveLoop`; only the loop's thread may use it."""
        return self._classifier

    def learning_state(self) -> LearningState:
        """Return the state of learning; like `state`, its changes are announced by `on_change`."""
        with self._telling:
            if self._learning is None or self._learning[0] != self._version:
                self._learning = self._version, self._describe_learning()
            return self._learning[1]

    def wait_until_learnt(self, timeout: float) -> bool:
        """Wait until all pictures on the disk are learnt, with their views and a measured accuracy.

        Args:
            timeout: Seconds.

        Returns:
            Whether they are.
        """
        return self._background.wait(timeout)

    def review(self, is_cancelled: Callable[[], bool] = lambda: False) -> tuple[Suspect, ...]:
        """Find the snapshots that somebody should check, among those that are learnt.

        It takes a few seconds for a thousand snapshots, and longer the first time, when each file
        is read. To include all of them, call `wait_until_learnt` first.

        Args:
            is_cancelled: Called between files; true leaves out the rest of them.
        """
        # Imported only now: it is rarely used.
        from webcam_classifier.teaching.review import Review

        if self._review is None:
            self._review = Review(self._dataset)
        return self._review.suspects(self._learner.calibration, is_cancelled)

    def write(self, output: Path, is_cancelled: Callable[[], bool] = lambda: False) -> Result:
        """Write a model of the current pictures, the same that `train.py --mode head` writes.

        This takes a few seconds, and holds up neither the live picture nor learning. Pictures that
        are recorded in the meantime are not in the model. Progress events are sent.

        Args:
            output: The folder for model, metrics and report.
            is_cancelled: Called while waiting for pictures to be embedded; true writes nothing.

        Returns:
            The outcome, with its figures.

        Raises:
            UserError: There are too few pictures, the folder can't be written, or it was cancelled.
        """
        # Imported only now: what draws the report takes longer to load than everything else.
        from webcam_classifier.training.former_model import FormerModel
        from webcam_classifier.training.save_live_model import save_live_model

        check_enough(self._dataset)
        check_writable(output)
        started, former = time.monotonic(), FormerModel.in_folder(output)
        calibration, crop = self._calibrated(is_cancelled)
        return save_live_model(
            self._dataset, self._backbone, calibration, crop, output, started, former
        )

    def _calibrated(self, is_cancelled: Callable[[], bool]) -> tuple[Calibration, Crop | None]:
        """Wait until the current pictures are calibrated, and send progress events.

        Returns:
            The calibration, and the crop it is for.
        """
        wanted = {(one.label, one.key) for one in self._dataset.every()}
        counter = Counter(Stage.EMBED, len(wanted))
        done = 0
        while not is_cancelled():
            check_enough(self._dataset)  # pictures may be removed meanwhile
            self._background.wait(_TELL_EVERY)
            with self._dataset.changed:  # so that the two belong together
                calibration, crop = self._learner.calibration, self._dataset.crop
            known = set[tuple[str, str]]()
            if calibration is not None:
                known = {(one.label, one.key) for one in calibration.pictures}
            there = {(one.label, one.key) for one in self._dataset.every()}
            views = self._learner.views
            embedded = sum(one.is_embedded(views) for one in self._dataset.every())
            while done < min(embedded, len(wanted)):
                done += 1
                counter.advance()
            # Pictures that were removed in the meantime are not waited for.
            if calibration is not None and (wanted & there) <= known <= there:
                counter.finish()
                return calibration, crop
        raise UserError("The model was not written: it was cancelled.")

    def close(self) -> None:
        """Write what is still waiting, and stop; a second call does nothing.

        Raises:
            UserError: A snapshot could not be written.
        """
        self._open.close()
        self._embedder.prune()

    def _look_at(self, crop: Crop | None) -> None:
        with self._dataset.changed:
            super()._look_at(crop)
            self._background.begin_anew()
            self._classifier.crop = crop

    def _forget(self, pictures: Sequence[Picture]) -> None:
        self._embedder.forget(pictures)

    def _describe_learning(self) -> LearningState:
        head, background = self._classifier.head, self._background
        return LearningState(
            backbone=self._backbone.name,
            input_size=self._backbone.input_size,
            runtime=self._classifier.runtime,
            learnt_labels=() if head is None else head.labels,
            learnt=self._learner.learnt,
            pending=background.pending,
            accuracy=self._accuracy(),
            accuracy_advice=describe_lack(self._dataset.counts()),
            problem=background.problem,
        )

    def _accuracy(self) -> LearntAccuracy | None:
        calibration = self._learner.calibration
        if calibration is None or calibration.evaluation is None:
            return None
        return LearntAccuracy(
            calibration.evaluation, calibration.rests_on, self._background.is_current
        )


def feature_card(backbone: Backbone, dataset: Dataset) -> ModelCard:
    """Return the card of a network without a head."""
    return ModelCard(
        labels=(),
        input_size=backbone.input_size,
        backbone=backbone.name,
        mode="head",
        weights=backbone.source,
        created_at="",
        dataset=str(dataset.folder),
        data_hash="",
        crop=dataset.crop,
    )


def feature_file(features: onnx.ModelProto) -> Path:
    """Return a file with a graph in it, since runtimes open files; it is kept in the cache folder.

    If the cache folder can't be written, it is a temporary file that this process removes.

    Args:
        features: The graph from `pixels` to the normalised embedding.

    Raises:
        UserError: The temporary file can't be written either.
    """
    content = features.SerializeToString(deterministic=True)
    name = f"features-{hashlib.sha256(content).hexdigest()[:24]}.onnx"
    path = cache_folder() / "features" / name
    try:
        if path.read_bytes() == content:
            return path
        _log.warning("%s was damaged, and is rebuilt.", path)
    except OSError:
        pass  # it does not exist yet, or can't be read
    try:
        write_atomically(path, content)
    except UserError as error:
        _log.warning("The network is written again at the next start: %s", error)
        path = process_folder() / name
        write_atomically(path, content)
    return path
