"""Keep a head up to date in the background: quickly at first, then thoroughly.

One thread refits the head whenever a picture was added or removed, which takes milliseconds. A
second thread, at the lowest priority, embeds files and augmented views of them, and calibrates.
Neither holds a lock while it works, so no frame waits for them. Errors are reported, and the work
is tried again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.errors import UserError
from webcam_classifier.head.learner import Calibration, Learner
from webcam_classifier.head.mirror_check import check_mirroring
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.priority import lower_thread_priority
from webcam_classifier.storage import explain_os_error

_QUIET_FOR = 0.3  # seconds without a change before it is worth calibrating
_CALIBRATE_EVERY = 3.0  # seconds, while changes go on
_CALIBRATING_SHARE = 0.25  # of the time, at most, while changes go on
_REFRESH_EVERY = 2.0  # seconds; finds pictures that other programs added or removed
_TELL_EVERY = 0.25  # seconds between reports while many pictures are embedded
_IDLE_FOR = 0.1  # seconds
_PAUSES = (0.5, 1.0, 2.0, 5.0)  # seconds before a retry; the last one repeats

_log = logging.getLogger(__name__)


class BackgroundLearner:
    """Keeps a classifier's head up to date with a data set.

    Args:
        dataset: The training pictures.
        classifier: Gets each new head.
        learner: Fits the heads.
        embedder: Embeds picture files.
        refresh: Called regularly from a thread: updates the data set from its folder, and returns
            whether anything may have changed.
        on_change: Called from the threads whenever something was learnt.
        on_loaded: Called once from a thread, when most of what stays in memory has been loaded.
    """

    def __init__(
        self,
        dataset: Dataset,
        classifier: Classifier,
        learner: Learner,
        embedder: Embedder,
        refresh: Callable[[], bool],
        on_change: Callable[[], None],
        on_loaded: Callable[[], None],
    ) -> None:
        self._dataset = dataset
        self._classifier = classifier
        self._learner = learner
        self._embedder = embedder
        self._refresh = refresh
        self._on_change = on_change
        self._on_loaded = on_loaded
        self._fitted_from: tuple[int, Calibration | None] = (-1, None)
        self._calibrated_version = -1
        self._calibrated_at = time.monotonic()
        self._calibrating_took = 0.0  # seconds
        self._refreshed_at = time.monotonic()
        self._stop = False
        self._problems: dict[str, str] = {}  # by the name of the thread
        self._threads = [
            threading.Thread(target=self._keep_at, args=[work, name], name=name, daemon=True)
            for name, work in (("fitting", self._fit_changes), ("calibrating", self._calibrate))
        ]

    def __enter__(self) -> BackgroundLearner:
        """Fit the head to the pictures there are, and start the threads."""
        self._fit()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._dataset.changed:
            self._stop = True
            self._dataset.changed.notify_all()
        for thread in self._threads:
            thread.join()

    def wait(self, timeout: float) -> bool:
        """Wait until head and calibration are up to date.

        Args:
            timeout: Seconds.

        Returns:
            Whether they are.
        """
        with self._dataset.changed:
            return self._dataset.changed.wait_for(lambda: self.is_current, timeout)

    def begin_anew(self) -> None:
        """Forget everything learnt, because the data set's crop has changed.

        `Dataset.changed` must be held from before the change of the crop until after this call.
        """
        self._learner.adopt(None)
        self._classifier.head = None

    @property
    def problem(self) -> str:
        """Why it can't learn at the moment, in a sentence or two; empty if it can."""
        with self._dataset.changed:
            return next(filter(None, self._problems.values()), "")

    @property
    def is_current(self) -> bool:
        """Whether head and calibration are up to date with the data set."""
        with self._dataset.changed:
            if self.problem or self._is_behind:
                return False
            return self._calibrated_version == self._dataset.version and self.pending == 0

    @property
    def pending(self) -> int:
        """How many pictures, or views of them, are still to be embedded."""
        views = self._learner.views
        return sum(not picture.is_embedded(views) for picture in self._dataset.every())

    @property
    def _is_behind(self) -> bool:
        return self._fitted_from != (self._dataset.version, self._learner.calibration)

    def _keep_at(self, work: Callable[[], None], name: str) -> None:
        """Repeat some work until the end; an error is reported, and the work tried again later."""
        failures = 0
        while not self._stop:
            try:
                work()
            except Exception as error:  # whatever it is, learning must go on
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                problem = _described(error, self._dataset.folder)
                if not failures:  # an error that lasts is logged once
                    is_our_mistake = not isinstance(error, OSError | UserError)
                    _log.warning("%s", problem, exc_info=is_our_mistake)
                failures += 1
                self._tell_problem(name, problem)
                with self._dataset.changed:
                    self._dataset.changed.wait_for(lambda: self._stop, pause)
            else:
                if failures:
                    failures = 0
                    self._tell_problem(name, "")

    def _tell_problem(self, name: str, problem: str) -> None:
        with self._dataset.changed:
            self._problems[name] = problem
            self._dataset.changed.notify_all()
        self._on_change()

    def _fit_changes(self) -> None:
        """Wait for a change, and refit the head."""
        with self._dataset.changed:
            self._dataset.changed.wait_for(lambda: self._stop or self._is_behind)
            if self._stop:
                return
        self._fit()
        self._on_change()

    def _fit(self) -> None:
        with self._dataset.changed:
            fitted_from = (self._dataset.version, self._learner.calibration)
            crop = self._dataset.crop
            self._learner.set_pictures(self._dataset.by_label())
        head = self._learner.fit()
        with self._dataset.changed:
            # A head with a label that was renamed or removed in the meantime, or for another crop,
            # is dropped: the next one follows at once.
            is_known = head is None or set(head.labels).issubset(self._dataset.labels)
            if is_known and crop == self._dataset.crop:
                self._classifier.head = head
            self._fitted_from = fitted_from
            self._dataset.changed.notify_all()

    def _calibrate(self) -> None:
        """Do the next piece of slow work: check the folder, calibrate, or embed files."""
        lower_thread_priority()
        if time.monotonic() - self._refreshed_at >= _REFRESH_EVERY:
            if self._refresh():
                self._on_change()
            self._refreshed_at = time.monotonic()
        self._embedder.follow_crop()
        with self._dataset.changed:
            pictures, version = self._dataset.by_label(), self._dataset.version
            crop = self._dataset.crop
            self._learner.set_pictures(pictures)
        views = self._learner.views
        waiting = _waiting(pictures, views)
        if version != self._calibrated_version and self._is_time_to_calibrate(bool(waiting)):
            began = time.monotonic()
            if self._adapt_views():
                return
            calibration = self._learner.cross_validate()
            if self._calibrated_version < 0:
                self._on_loaded()
            with self._dataset.changed:
                if crop == self._dataset.crop:
                    self._learner.adopt(calibration)
                self._calibrated_version, self._calibrated_at = version, time.monotonic()
                self._calibrating_took = self._calibrated_at - began
                self._dataset.changed.notify_all()
        elif waiting:
            self._embed_some(waiting, views)
        else:
            with self._dataset.changed:
                self._dataset.changed.wait(_IDLE_FOR)

    def _is_time_to_calibrate(self, is_busy: bool) -> bool:
        now = time.monotonic()
        is_quiet = not is_busy and now - self._dataset.changed_at >= _QUIET_FOR
        pause = max(_CALIBRATE_EVERY, self._calibrating_took / _CALIBRATING_SHARE)
        return is_quiet or now - self._calibrated_at >= pause

    def _adapt_views(self) -> bool:
        """Have all views embedded again if mirroring should be switched on or off.

        Returns:
            Whether it was, or has to be found out again.
        """
        try:
            decision = check_mirroring(self._dataset, self._embedder)
        except FileNotFoundError:  # moved or removed by now; the index will say so
            with self._dataset.changed:
                self._dataset.changed.wait(_IDLE_FOR)
            return True
        if not self._embedder.adapt(decision.mirrored):
            return False
        every = self._dataset.every()
        self._dataset.replace((one, replace(one, fingerprint=None)) for one in every)
        return True

    def _embed_some(self, waiting: Sequence[Picture], views: int) -> None:
        """Embed files for a moment, then return so that progress can be shown."""
        until = time.monotonic() + _TELL_EVERY
        for _ in self._embedder.embed(waiting, views):
            if self._stop or time.monotonic() >= until:
                break


def _described(error: Exception, folder: Path) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        path = Path(os.fsdecode(error.filename)) if _is_name(error.filename) else folder
        why = explain_os_error(error, path, reading=True)
        return f"Training failed and is tried again in a moment: {why}"
    return f"Training failed and is tried again in a moment: {error!r}."


def _is_name(name: object) -> bool:
    return isinstance(name, str | bytes)


def _waiting(pictures: Mapping[str, Collection[Picture]], views: int) -> Sequence[Picture]:
    """Return the pictures to embed, taking the labels in turn so that all are known soon."""
    new = [
        [picture for picture in own if picture.is_on_disk and not picture.is_embedded(views)]
        for own in pictures.values()
    ]
    return [picture for turn in zip_longest(*new) for picture in turn if picture is not None]
