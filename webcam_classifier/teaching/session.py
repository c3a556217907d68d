"""Teach while a camera is watched: record, and learn from what is recorded."""

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
from webcam_classifier.leftovers import process_folder
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import ModelCard
from webcam_classifier.progress import Counter, Result, Stage
from webcam_classifier.runtime.providers import ON_ALL_CORES, ExecutionConfig
from webcam_classifier.storage import check_writable, write_atomically
from webcam_classifier.teaching.background_learner import BackgroundLearner
from webcam_classifier.teaching.describe import describe_lack
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.teaching.state import LearningState, LearntAccuracy

if TYPE_CHECKING:
    from webcam_classifier.teaching.review import Review, Suspect

_log = logging.getLogger(__name__)

_TELL_EVERY = 0.2  # seconds, while pictures are waited for


class TeachingSession(RecordingSession):
    """Records, learns, and answers, from a folder of pictures that may be empty.

    >>> with TeachingSession(Path("dataset"), backbone, ["cup", "none"]) as session:
    ...     with LiveLoop(camera, session.classifier, record=session.observe) as loop:
    ...         session.start_recording("cup")
    ...         for labelled in loop.results(wait=0.02):
    ...             labels, learnt = session.state().labels, session.learning_state().learnt

    No method waits for something to be learnt, but `wait_until_learnt`. What is undone or removed
    is forgotten with the next frames.

    Args:
        dataset: One folder for each label; it may be missing or empty.
        backbone: The frozen network.
        labels: As for `RecordingSession`, as are `rate` and `keep_all`.
        runtime: What runs the network.
        rate: Snapshots a second.
        keep_all: Whether to record bad pictures too.
        on_loaded: Called when much was loaded that stays, here and once in a thread; a process may
            then have the garbage collector pass it over.

    Raises:
        UserError: As for `RecordingSession`, or the cache folder can't be written.
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
        """What labels the frames: for `LiveLoop`, and used by its thread alone."""
        return self._classifier

    def learning_state(self) -> LearningState:
        """All that is known now of what is learnt; as `state`, it is told of by `on_change`."""
        with self._telling:
            if self._learning is None or self._learning[0] != self._version:
                self._learning = self._version, self._describe_learning()
            return self._learning[1]

    def wait_until_learnt(self, timeout: float) -> bool:
        """Wait until all that is on the disk is learnt, with views and a measured accuracy.

        Args:
            timeout: Seconds.

        Returns:
            Whether it is.
        """
        return self._background.wait(timeout)

    def review(self, is_cancelled: Callable[[], bool] = lambda: False) -> tuple[Suspect, ...]:
        """Find the snapshots that somebody should look at, among those that are learnt.

        Takes some seconds with a thousand of them, and more at the first time, when each file is
        read. `wait_until_learnt` before it leaves none out.

        Args:
            is_cancelled: Asked between files; true leaves the rest of them out.
        """
        # Loaded only now: it is seldom asked for.
        from webcam_classifier.teaching.review import Review

        if self._review is None:
            self._review = Review(self._dataset)
        return self._review.suspects(self._learner.calibration, is_cancelled)

    def write(self, output: Path, is_cancelled: Callable[[], bool] = lambda: False) -> Result:
        """Write a model of the pictures that there are, as `train.py --mode head` does.

        It is the learner's own head. This takes some seconds, and holds up neither the picture nor
        the learning; what is recorded meanwhile is not in the model. Progress is told.

        Args:
            output: The folder for model, metrics and report.
            is_cancelled: Asked while pictures are waited for; true writes nothing.

        Returns:
            What it came to.

        Raises:
            UserError: There are too few pictures, or the folder can't be written, or it was
                cancelled.
        """
        # Loaded only now: drawing and analysing take longer to load than all else.
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
        """Wait until the pictures of this moment are calibrated, and tell how far that is.

        Returns:
            The calibration, and the part of the pictures that it is about.
        """
        wanted = {(one.label, one.key) for one in self._dataset.every()}
        counter = Counter(Stage.EMBED, len(wanted))
        done = 0
        while not is_cancelled():
            check_enough(self._dataset)  # pictures may be removed meanwhile
            self._background.wait(_TELL_EVERY)
            with self._dataset.changed:  # they change together
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
            # What was removed meanwhile is not waited for.
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
            corrections=self._recording.corrections,
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
    """The card of a network that any head may be put on."""
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
    """The file of a graph, which runtimes open; it is written where it is not there yet.

    Args:
        features: From `pixels` to the normalised embedding.

    Where the cache folder can't be written, it is a temporary file, as long as this process lasts.

    Raises:
        UserError: That can't be written either.
    """
    content = features.SerializeToString(deterministic=True)
    name = f"features-{hashlib.sha256(content).hexdigest()[:24]}.onnx"
    path = cache_folder() / "features" / name
    try:
        if path.read_bytes() == content:
            return path
        _log.warning("%s was damaged, and is rebuilt.", path)
    except OSError:
        pass  # not there yet, or not to be read
    try:
        write_atomically(path, content)
    except UserError as error:
        _log.warning("The network is written again at the next start: %s", error)
        path = process_folder() / name
        write_atomically(path, content)
    return path
