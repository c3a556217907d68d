"""Learn from the pictures that there are, in the background: at once, and then thoroughly.

One thread refits the head whenever a picture came or went, which takes milliseconds. Another one,
which gives way to everything else, looks at the files and at views of them, and finds out what
takes longer. Neither holds a lock while it works, so that no frame waits for them.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from webcam_classifier.backbone.embedder import views_per_picture
from webcam_classifier.dataset.picture_files import PictureError
from webcam_classifier.head.novelty import Novelty
from webcam_classifier.teaching.eye import Eye
from webcam_classifier.teaching.known_pictures import KnownPicture, KnownPictures
from webcam_classifier.teaching.running_head import RunningHead
from webcam_classifier.teaching.settled import USUAL_TEMPERATURE, Settled, settle
from webcam_classifier.teaching.state import LearntAccuracy
from webcam_classifier.teaching.teachable_classifier import TaughtHead, TeachableClassifier

_QUIET_FOR = 0.3  # seconds without a change before it is worth settling
_SETTLE_EVERY = 3.0  # seconds, while changes go on
_SETTLING_SHARE = 0.25  # of the time, at the most, while changes go on
_LOOK_OUT_EVERY = 2.0  # seconds; for pictures that came or went by other hands
_TELL_EVERY = 0.25  # seconds, while many pictures are looked at
_IDLE_FOR = 0.1  # seconds
_NICENESS = 10  # of the thread that is in no hurry


class Learner:
    """Keeps a classifier's head up to date with the pictures.

    Args:
        pictures: What to learn from.
        classifier: Whose head changes.
        eye: PictureEmbeddings at files.
        look_out: Called now and then in a thread: brings in what happened in the folder.
        on_change: Called from the threads whenever something was learnt.

    Attributes:
        settled: What was found out last; None before.
        learnt: How many pictures the head has learnt from.
        failure: What ended a thread before its time.
    """

    def __init__(
        self,
        pictures: KnownPictures,
        classifier: TeachableClassifier,
        eye: Eye,
        look_out: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self.settled: Settled | None = None
        self.failure: Exception | None = None
        self.learnt = 0
        self._pictures = pictures
        self._classifier = classifier
        self._eye = eye
        self._look_out = look_out
        self._on_change = on_change
        self._running_head = RunningHead()
        self._learnt_from: tuple[int, Settled | None] = (-1, None)
        self._settled_version = -1
        self._settled_at = time.monotonic()
        self._settling_took = 0.0  # seconds
        self._stop = False
        self._threads = [
            threading.Thread(target=self._run, args=[work], name=name, daemon=True)
            for name, work in (("teaching", self._keep_up), ("settling", self._settle_down))
        ]

    def __enter__(self) -> Learner:
        """Learn what there is, and go on in the background."""
        self._refit()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._pictures.changed:
            self._stop = True
            self._pictures.changed.notify_all()
        for thread in self._threads:
            thread.join()

    def wait(self, timeout: float) -> bool:
        """Wait until nothing is left to be found out; give whether that is so.

        Args:
            timeout: Seconds.
        """
        with self._pictures.changed:
            return self._pictures.changed.wait_for(self._is_settled, timeout)

    @property
    def accuracy(self) -> LearntAccuracy | None:
        """How right the head is, as far as that is known."""
        settled = self.settled
        if settled is None or settled.accuracy is None:
            return None
        with self._pictures.changed:
            return replace(settled.accuracy, is_current=self._is_settled())

    @property
    def pending(self) -> int:
        """How many pictures were not looked at as often as they should be."""
        with self._pictures.changed:
            pictures = self._pictures.by_label()
        looks = views_per_picture(sum(map(len, pictures.values())))
        return sum(not picture.is_settled(looks) for own in pictures.values() for picture in own)

    def _is_settled(self) -> bool:
        if self.failure is not None or self._is_behind:
            return False
        return self._settled_version == self._pictures.version and self.pending == 0

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever it is, a person must see that nothing is learnt now
            self.failure = error
            self._on_change()

    def _keep_up(self) -> None:
        while True:
            with self._pictures.changed:
                self._pictures.changed.wait_for(lambda: self._stop or self._is_behind)
                if self._stop:
                    return
            self._refit()
            self._on_change()

    @property
    def _is_behind(self) -> bool:
        return self._learnt_from != (self._pictures.version, self.settled)

    def _refit(self) -> None:
        with self._pictures.changed:
            learnt_from = (self._pictures.version, self.settled)
            pictures = self._pictures.by_label()
        settled = learnt_from[1]
        temperature = USUAL_TEMPERATURE if settled is None else settled.temperature
        looks = views_per_picture(sum(map(len, pictures.values())))
        fitted = self._running_head.fit(pictures, looks, temperature)
        taught = None
        if fitted is not None:
            taught = TaughtHead(*fitted, None if settled is None else _knowing(settled, pictures))
        with self._pictures.changed:
            # What was renamed or removed meanwhile must not come back: it is fitted again at once.
            if taught is None or set(taught.labels).issubset(self._pictures.labels):
                self._classifier.taught = taught
                self.learnt = self._running_head.count if taught else 0
            self._learnt_from = learnt_from
            self._pictures.changed.notify_all()

    def _settle_down(self) -> None:
        if sys.platform == "linux":  # where threads have a niceness of their own
            thread = threading.get_native_id()
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
        looked_out_at = time.monotonic()
        while not self._stop:
            if time.monotonic() - looked_out_at >= _LOOK_OUT_EVERY:
                self._look_out()
                looked_out_at = time.monotonic()
            with self._pictures.changed:
                pictures, version = self._pictures.by_label(), self._pictures.version
            looks = views_per_picture(sum(map(len, pictures.values())))
            waiting = _waiting(pictures, looks)
            if version != self._settled_version and self._is_time_to_settle(bool(waiting)):
                self._settle(pictures, looks, version)
            elif not self._adapted(pictures) and waiting:
                self._look_at_some(waiting, looks)
            else:
                with self._pictures.changed:
                    self._pictures.changed.wait(_IDLE_FOR)

    def _is_time_to_settle(self, is_busy: bool) -> bool:
        now = time.monotonic()
        is_quiet = not is_busy and now - self._pictures.changed_at >= _QUIET_FOR
        pause = max(_SETTLE_EVERY, self._settling_took / _SETTLING_SHARE)
        return is_quiet or now - self._settled_at >= pause

    def _settle(
        self, pictures: Mapping[str, Collection[KnownPicture]], looks: int, version: int
    ) -> None:
        began = time.monotonic()
        settled = settle(pictures, looks)
        if self._settled_version < 0:
            gc.freeze()  # what was loaded for it need not be looked through for garbage either
        with self._pictures.changed:
            self.settled = settled
            self._settled_version, self._settled_at = version, time.monotonic()
            self._settling_took = self._settled_at - began
            self._pictures.changed.notify_all()

    def _adapted(self, pictures: Mapping[str, Collection[KnownPicture]]) -> bool:
        """Have all views made again, where the labels no longer allow those that there are."""
        if not self._eye.adapt(tuple(pictures)):
            return False
        every = [picture for own in pictures.values() for picture in own]
        self._pictures.replace((one, replace(one, fingerprint=None)) for one in every)
        return True

    def _look_at_some(self, waiting: Sequence[KnownPicture], looks: int) -> None:
        """Look at files for a moment, then tell what was seen."""
        until = time.monotonic() + _TELL_EVERY
        seen: list[tuple[KnownPicture, KnownPicture]] = []
        for picture in waiting:
            try:
                seen.append((picture, self._eye.look(picture, looks)))
            except FileNotFoundError:
                self._pictures.remove(picture.label, [picture.name])
            except (PictureError, OSError) as error:
                self._pictures.refuse(picture, str(error))
            if self._stop or time.monotonic() >= until:
                break
        self._pictures.replace(seen)


def _waiting(
    pictures: Mapping[str, Collection[KnownPicture]], looks: int
) -> Sequence[KnownPicture]:
    """Give what is to be looked at: of all labels in turn, so that all are known soon."""
    new = [
        [picture for picture in own if picture.is_on_disk and not picture.is_settled(looks)]
        for own in pictures.values()
    ]
    return [picture for turn in zip_longest(*new) for picture in turn if picture is not None]


def _knowing(settled: Settled, pictures: Mapping[str, Collection[KnownPicture]]) -> Novelty:
    """Give the score of the unknown with the pictures that came after it was settled."""
    new = [
        picture.embeddings[0]
        for own in pictures.values()
        for picture in own
        if picture.embeddings is not None and picture not in settled.pictures
    ]
    return settled.novelty.knowing(np.stack(new)) if new else settled.novelty
