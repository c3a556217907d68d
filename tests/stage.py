"""A live source whose scene a test changes while it runs, and a session that is taught with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from tests.tiny_features import tiny_backbone
from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.teaching.session import TeachingSession

SCENES = {"cup": (220, 60, 40), "pen": (40, 60, 220), "none": (60, 210, 60)}  # blue green red
_RATE = 50.0  # frames a second
_PATIENCE = 10.0  # seconds


def scene(name: str, number: int) -> BgrImage:
    """Draw a picture of a scene: its colour, with blotches that differ from one to the next."""
    generator = np.random.default_rng(number)
    blotches = cv2.resize(generator.normal(0, 55, (12, 16, 3)), (160, 120))
    noise = generator.normal(0, 12, (120, 160, 3))
    return np.clip(blotches + noise + SCENES[name], 0, 255).astype(np.uint8)


class Stage:
    """A camera that shows the scene that a test has chosen."""

    description = "a stage"
    is_live = True
    is_device = False
    frame_count = None
    skipped: tuple[tuple[Path, str], ...] = ()
    status = CameraStatus("live", 0.0)

    def __init__(self) -> None:
        self.scene = "cup"
        self._index = -1
        self._closed = threading.Event()

    def read(self) -> Frame | None:
        if self._closed.wait(1 / _RATE):
            return None
        self._index += 1
        return Frame(scene(self.scene, self._index), self._index, time.monotonic())

    def close(self) -> None:
        self._closed.set()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Lesson:
    """A session with a loop on a stage, and the frames that were labelled."""

    def __init__(self, session: TeachingSession, stage: Stage) -> None:
        self.session = session
        self.stage = stage
        self.frames: list[LabelledFrame] = []

    def record(self, name: str, count: int, label: str | None = None) -> None:
        """Show a scene and record so many snapshots of it, as one burst."""
        self.stage.scene = name
        label = name if label is None else label
        before = self.count(label)
        seen = len(self.frames)
        self.until(lambda: len(self.frames) > seen + 2)  # frames of the scene before have gone
        self.session.start_recording(label, at_most=count)
        self.until(lambda: self.count(label) >= before + count)
        self.session.stop_recording()

    def count(self, label: str) -> int:
        found = {one.name: one.count for one in self.session.state().labels}
        return found[label]

    def answer(self, name: str) -> str:
        """Show a scene, and give what it is taken for."""
        self.stage.scene = name
        seen = len(self.frames)
        self.until(lambda: len(self.frames) > seen + 3)
        prediction = self.frames[-1].prediction
        return prediction.label if prediction.labels else ""

    @staticmethod
    def until(is_so: Callable[[], bool]) -> None:
        """Wait until something is so, and fail where it never is."""
        give_up_at = time.monotonic() + _PATIENCE
        while not is_so():
            assert time.monotonic() < give_up_at, "it did not come to pass in time"
            time.sleep(0.005)


def open_session(dataset: Path, labels: Sequence[str] = (), rate: float = 40.0) -> TeachingSession:
    """Open a session with the tiny network."""
    return TeachingSession(
        dataset,
        tiny_backbone(),
        labels,
        runtime=ExecutionConfig(threads=1),
        rate=rate,
        keep_all=True,
    )


@contextmanager
def lesson(
    dataset: Path, labels: Sequence[str] = ("cup", "pen"), rate: float = 40.0
) -> Iterator[Lesson]:
    """Teach with a stage as long as the context lasts."""
    with open_session(dataset, labels, rate) as session:
        stage = Stage()
        taught = Lesson(session, stage)

        def seen(labelled: LabelledFrame) -> None:
            session.observe(labelled)
            taught.frames.append(labelled)

        with LiveLoop(stage, session.classifier, record=seen) as loop:
            drawing = threading.Thread(target=lambda: list(loop.results(0.02)), daemon=True)
            drawing.start()
            yield taught
            stage.close()
            drawing.join()
