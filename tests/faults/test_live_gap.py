"""What the live loop makes of a gap: nothing from before it is shown, recorded or averaged on."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from queue import Queue

import numpy as np

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.prediction import Prediction

_DARK, _BRIGHT = 20, 230


class ToldCamera:
    """A live source that gives what a test puts into it, and is as a test says."""

    description = "a camera"
    is_live = True
    is_device = False
    frame_count = None
    skipped: tuple[tuple[Path, str], ...] = ()

    def __init__(self) -> None:
        self.status = CameraStatus("live", time.monotonic())
        self._frames: Queue[Frame | None] = Queue()
        self._index = -1

    def give(self, level: int) -> None:
        self._index += 1
        image = np.full((24, 32, 3), level, np.uint8)
        self._frames.put(Frame(image, self._index, time.monotonic()))

    def become(self, state: str) -> None:
        self.status = CameraStatus(state, time.monotonic(), "")  # type: ignore[arg-type]

    def read(self) -> Frame | None:
        return self._frames.get()

    def close(self) -> None:
        self._frames.put(None)

    def __enter__(self) -> ToldCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Brightness:
    """Two labels; a test may hold it up."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.is_asked = threading.Event()

    def prepare(self, image: BgrImage) -> BgrImage:
        return image

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        self.is_asked.set()
        assert self.may_answer.wait(30)
        share = float(prepared.mean()) / 255
        return Prediction(("dark", "bright"), np.array([1 - share, share], np.float32))


class Run:
    """A loop on such a camera, and all that it told, in order."""

    def __init__(self) -> None:
        self.camera = ToldCamera()
        self.classifier = Brightness()
        self.told: list[str | LabelledFrame] = []
        self.yielded: list[LabelledFrame] = []
        self._loop = LiveLoop(
            self.camera,
            self.classifier,
            smoothing=60.0,
            record=self.told.append,
            on_status=lambda status: self.told.append(status.state),
        )

    def __enter__(self) -> Run:
        self._loop.__enter__()
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.classifier.may_answer.set()
        self._loop.__exit__()
        self._watching.join(30)

    def _watch(self) -> None:
        self.yielded.extend(one for one in self._loop.results(0.005) if one is not None)

    def frames(self) -> list[LabelledFrame]:
        return [one for one in self.told if isinstance(one, LabelledFrame)]

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + 30
        while len(self.told) < count:
            assert time.monotonic() < until, self.told
            time.sleep(0.002)


def test_what_is_steady_begins_anew_after_a_gap_and_so_does_the_rate() -> None:
    with Run() as run:
        for _ in range(20):
            run.camera.give(_DARK)
        run.wait_for(20)
        run.camera.give(_BRIGHT)
        run.wait_for(21)
        assert run.frames()[-1].steady.label == "dark"  # the average of a minute
        run.camera.become("stalled")
        run.wait_for(22)
        run.camera.become("live")
        run.camera.give(_BRIGHT)
        run.wait_for(24)
        assert run.frames()[-1].steady.label == "bright"
        assert run.frames()[-1].frames_per_second == 0
    kinds = [one if isinstance(one, str) else "frame" for one in run.told]
    assert kinds == ["frame"] * 21 + ["stalled", "live", "frame"]


def test_a_state_is_told_once_however_long_it_lasts() -> None:
    with Run() as run:
        for count, state in enumerate(("stalled", "reopening", "live"), 1):
            run.camera.become(state)
            run.wait_for(count)
            time.sleep(0.1)
    assert run.told == ["stalled", "reopening", "live"]


def test_a_frame_that_is_labelled_too_late_is_neither_recorded_nor_shown() -> None:
    with Run() as run:
        run.classifier.may_answer.clear()
        run.camera.give(_DARK)
        assert run.classifier.is_asked.wait(30)
        run.camera.become("stalled")
        run.classifier.may_answer.set()
        run.wait_for(1)
        run.camera.become("live")
        run.camera.give(_BRIGHT)
        run.wait_for(3)
    assert run.told[:2] == ["stalled", "live"]
    assert [one.frame.index for one in run.frames()] == [1]
    assert [one.frame.index for one in run.yielded] == [1]
