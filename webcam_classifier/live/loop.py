"""The loop from frame to label: newest frame, preprocessing, inference, recording.

It runs in its own thread. The main thread, the only one that may serve a window, takes the labelled
frames one at a time and draws, saves and shows them. From a live source it gets the newest frame,
and those it was too slow for are counted as dropped: drawing never slows inference down. From a
file it gets every frame, and the loop waits for it.

Measured with SqueezeNet 1.1 at 640x480 and 30 frames a second on two x86 cores that were also busy
otherwise, the label was at most 21 ms old in 95 % of the frames without a window and 20 ms with one
(`python live.py --source demo --frames 150`, with and without --no-window).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.frame import Frame
from webcam_classifier.live.region import FrameClassifier, Region, RegionLabeller
from webcam_classifier.live.timing import Durations, FrameCounter
from webcam_classifier.prediction import Prediction

_JOIN_FOR = 5.0  # seconds to wait at the end for an inference in progress


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame with the model's prediction.

    Attributes:
        frame: The frame from the source.
        prediction: The prediction for this frame alone, which is what is recorded.
        steady: The prediction smoothed over time, which is what is drawn. Its label is the
            filter's; its confidence is averaged over the frames since the label changed.
        labelled_at: When the label was known, in seconds on the monotonic clock; with several
            regions, when all labels were.
        inference_seconds: How long the graph ran.
        frames_per_second: The recent rate of labelled frames.
        model: The path of the model that labelled it; empty if the loop was not told.
        region: The name of the region; empty if one model labels the whole picture.
        beside: The same frame as labelled for the other regions; theirs is empty.
    """

    frame: Frame
    prediction: Prediction
    steady: Prediction
    labelled_at: float
    inference_seconds: float
    frames_per_second: float
    model: str = ""
    region: str = ""
    beside: tuple[LabelledFrame, ...] = ()

    @property
    def regions(self) -> tuple[LabelledFrame, ...]:
        """The labelled frame of each region, in the loop's order; with one model, only this one."""
        return (self, *self.beside)

    @property
    def age(self) -> float:
        """Seconds from the capture of the frame to its label."""
        return self.labelled_at - self.frame.captured_at


class LiveLoop:
    """Labels the frames of a camera in a thread, while the context is open.

    >>> from pathlib import Path
    >>> from webcam_classifier import Classifier, LiveLoop, open_camera
    >>> classifier = Classifier(Path("models/colours/model.onnx"))
    >>> with open_camera("demo") as camera, LiveLoop(camera, classifier, frame_limit=3) as loop:
    ...     newest = [labelled for labelled in loop.results(wait=0.02) if labelled is not None]
    >>> newest[-1].frame.image.shape, newest[-1].prediction.label in classifier.card.labels
    ((480, 640, 3), True)

    Args:
        camera: Read from the thread. A live camera is closed at the end, which wakes a read that
            waits for a frame; a file is closed by its owner.
        classifier: Used from the thread only; see `change_classifier`. Or one or more regions with
            different names, whose classifiers run one after another on each frame.
        smoothing: Roughly how many seconds a clear change takes to be accepted; 0 is off.
        file_rate: Frames a second of a video file, which is read faster than it was recorded; None
            for other sources.
        frame_limit: How many frames to label; None continues to the end of the source.
        record: Called in the thread with every labelled frame, before the next one is read.
        on_status: Called with the camera's status whenever its state changes: after the last frame
            before a gap, and before the first frame after the gap is recorded. It is called from
            the thread, or from `results`.
    """

    def __init__(
        self,
        camera: Camera,
        classifier: FrameClassifier | Sequence[Region],
        *,
        smoothing: float = 0.0,
        file_rate: float | None = None,
        frame_limit: int | None = None,
        record: Callable[[LabelledFrame], None] | None = None,
        on_status: Callable[[CameraStatus], None] | None = None,
    ) -> None:
        self.counter = FrameCounter()
        self.dropped_frames = 0
        self.stages = {name: Durations() for name in ("capture", "preprocessing", "inference")}
        regions = classifier if isinstance(classifier, Sequence) else (Region("", classifier),)
        self._labellers = [RegionLabeller(region, smoothing) for region in regions]
        self.stages |= {_stage_of(region.name): Durations() for region in regions if region.name}
        self.stages["age of the label"] = Durations()
        self._camera = camera
        self._file_rate = file_rate
        self._frame_limit = frame_limit
        self._record = record
        self._on_status = on_status
        self._told: str = "live"  # the state that was announced last
        self._is_labelling = threading.Lock()  # held from reading a frame to its recording
        self._captured_at: float | None = None  # of the previous frame
        self._newest: LabelledFrame | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._changed = threading.Condition()  # guards _newest and _ended
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    def __enter__(self) -> LiveLoop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._camera.is_live:  # reading a file never waits, and must not be cut off
            self._camera.close()
        self._thread.join(_JOIN_FOR)

    @property
    def status(self) -> CameraStatus:
        """The camera's status; if it is stale, earlier labels no longer hold."""
        return self._camera.status

    def change_classifier(self, classifier: FrameClassifier, model: str = "") -> None:
        """Label with another classifier from the next frame on; any thread may call this.

        A frame in progress is labelled by the old classifier, and no frame waits or is dropped.
        Smoothing starts again, because the old predictions say nothing about the new model.

        Args:
            classifier: Opened and warmed up, since it gets the next frame at once.
            model: The path of its file, for `LabelledFrame.model`.

        Raises:
            ValueError: The loop has several regions.
        """
        if len(self._labellers) > 1:
            raise ValueError("a loop over several regions keeps its classifiers")
        self._labellers[0].change_classifier(classifier, model)

    def results(self, wait: float) -> Iterator[LabelledFrame | None]:
        """Yield labelled frames as they come, until the source ends.

        While the camera gives no picture, None is yielded instead of an older frame, since what it
        shows may be gone.

        Args:
            wait: Seconds after which None is yielded if there is no new frame, so that a window can
                be served.

        Raises:
            Exception: The error that ended the thread.
        """
        while True:
            with self._changed:
                if self._newest is None and not self._ended:
                    self._changed.wait(wait)
                labelled, self._newest = self._newest, None
                ended = self._ended and labelled is None
                self._changed.notify_all()
            if ended:
                break
            if labelled is None:
                self._look_at_camera()
            yield None if self._camera.status.is_stale else labelled
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self.counter.frames != self._frame_limit:
                asked_at = time.monotonic()
                frame = self._camera.read()
                if frame is None:
                    break
                self.stages["capture"].add(time.monotonic() - asked_at)
                with self._is_labelling:
                    self._tell_status()
                    labelled = self._label(frame)
                    is_stale = self._camera.status.is_stale
                    if self._record is not None and not is_stale:
                        self._record(labelled)
                if not is_stale:
                    self._hand_over(labelled)
        except BaseException as error:  # raised again by `results`
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _label(self, frame: Frame) -> LabelledFrame:
        answers = [labeller.ask(frame.image) for labeller in self._labellers]
        labelled_at = time.monotonic()
        if self._captured_at is not None and self._camera.status.since > self._captured_at:
            for labeller in self._labellers:
                labeller.forget()
            self.counter.restart()
        self._captured_at = frame.captured_at
        self.counter.count(frame.index, labelled_at)
        self.stages["preprocessing"].add(sum(one.preprocessing_seconds for one in answers))
        self.stages["inference"].add(sum(one.inference_seconds for one in answers))
        self.stages["age of the label"].add(labelled_at - frame.captured_at)
        taken_at = frame.index / self._file_rate if self._file_rate else frame.captured_at
        labelled = []
        for labeller, answer in zip(self._labellers, answers, strict=True):
            if labeller.name:
                self.stages[_stage_of(labeller.name)].add(answer.inference_seconds)
            labelled.append(
                LabelledFrame(
                    frame=frame,
                    prediction=answer.prediction,
                    steady=labeller.smoothed(answer.prediction, taken_at),
                    labelled_at=labelled_at,
                    inference_seconds=answer.inference_seconds,
                    frames_per_second=self.counter.recent_rate,
                    model=answer.model,
                    region=labeller.name,
                )
            )
        first, *beside = labelled
        return replace(first, beside=tuple(beside)) if beside else first

    def _look_at_camera(self) -> None:
        """Announce the camera's status, unless a frame from before the change is being labelled."""
        if self._is_labelling.acquire(blocking=False):
            try:
                self._tell_status()
            finally:
                self._is_labelling.release()

    def _tell_status(self) -> None:
        status = self._camera.status
        if status.state == self._told or not (status.is_stale or status.state == "live"):
            return
        self._told = status.state
        if self._on_status is not None:
            self._on_status(status)

    def _hand_over(self, labelled: LabelledFrame) -> None:
        with self._changed:
            if not self._camera.is_live:
                self._changed.wait_for(lambda: self._newest is None or self._stop.is_set())
            elif self._newest is not None:
                self.dropped_frames += 1
            self._newest = labelled
            self._changed.notify_all()


def _stage_of(region: str) -> str:
    return f"inference, {region}"
