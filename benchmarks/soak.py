"""Faults by the hundred: whether cameras come back by themselves, and what is shown meanwhile.

    $ python -m benchmarks.soak --minutes 10 --seed 1
    $ python -m benchmarks.soak --minutes 600 --cameras 2 --model models/thumbs

Network cameras in a process of their own do everything wrong that `faulty_camera.FAULTS` lists,
each at random moments of its own. Here their frames are labelled by the live loop, as live.py does,
and recorded, as collect.py does. A look at what would stand on the screen, fifty times a second,
tells whether a label is shown though the camera has sent no good picture for longer than it takes
to call it stalled or frozen. The clock of a fault stops with the first frame that is labelled after
the camera was good again.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.faulty_camera import FAULTS
from webcam_classifier.camera.health_monitor import STALLED_AFTER
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.number_arguments import parse_count, parse_number
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.region import FrameClassifier
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.recording_session import RecordingSession

_LABEL = "scene"
_RATE = 12.0  # pictures a second of each camera
_SNAPSHOTS = 1.0  # a second of each camera
_LOOK_EVERY = 0.02  # seconds
_FOLLOW_EVERY = 0.1  # seconds
_SHOWN_FOR = 3.0 + 1.0  # seconds from a last good picture, after which no label may be shown
_LOST_AFTER = 60.0  # seconds, after which a camera counts as not recovered
_SETTLES_FOR = 20.0  # seconds before the first figures are taken, and after the last fault
_LENGTHS = ((0.05, 0.5), (0.5, 3.0), (3.0, 7.0))  # seconds of a fault, chosen in turn at random
_BETWEEN = (0.5, 2.5)  # seconds from one fault to the next


@dataclass
class Outcome:
    """What became of the faults of one kind.

    Attributes:
        count: How many there were.
        recovered: After how many a frame was labelled again.
        stale: Looks at a label that was shown for too long.
        seconds: From the end of each to that frame.
        states: What was told during them.
    """

    count: int = 0
    recovered: int = 0
    stale: int = 0
    seconds: list[float] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Resources:
    """What the process holds.

    Attributes:
        megabytes: Of memory.
        descriptors: That are open.
        threads: That run.
        age: Milliseconds from a frame to its label, the median of the last seconds.
    """

    megabytes: float
    descriptors: int
    threads: int
    age: float


class BrightnessClassifier:
    """Two labels by brightness: the soak is of the camera, so any rule will do."""

    def prepare(self, image: BgrImage) -> BgrImage:
        """The picture as it is."""
        return image

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Say whether it is bright."""
        bright = float(prepared.mean()) / 255
        return Prediction(("dark", "bright"), np.array([1 - bright, bright], np.float32))


class Viewer:
    """One camera with its loop, its recording, and somebody who looks.

    Args:
        url: Of the camera.
        classifier: Labels its frames.
        folder: Its snapshots are recorded into it.
    """

    def __init__(self, url: str, classifier: FrameClassifier, folder: Path) -> None:
        self.stale_looks = 0
        self.looks = 0
        self.fault: Outcome | None = None  # the last one
        self.last_labelled_at = 0.0  # when the last labelled frame was captured
        self.ages: list[float] = []
        self.recorded = 0
        self._unjudged: list[float] = []  # when there were looks at a label
        self.told: Counter[str] = Counter()
        self._folder = folder
        self._stack = ExitStack()
        self._session = self._stack.enter_context(
            RecordingSession(folder, [_LABEL], rate=_SNAPSHOTS, keep_all=True)
        )
        self._session.start_recording(_LABEL)
        camera = self._stack.enter_context(open_camera(url))
        self._loop = LiveLoop(
            camera,
            classifier,
            smoothing=0.3,
            record=self._record,
            on_status=lambda status: self.told.update([status.state]),
        )
        self._stack.enter_context(self._loop)
        self._shown: LabelledFrame | None = None
        threading.Thread(target=self._look, daemon=True).start()

    @property
    def status(self) -> str:
        """What is told of the camera now."""
        return self._loop.status.state

    def take_looks(self) -> list[float]:
        """When there were looks at a label, in seconds on the monotonic clock, since last asked."""
        looks, self._unjudged = self._unjudged, []
        return looks

    def judge(self, looks: Sequence[float], good_at: float) -> None:
        """Count the looks at a label that was too old.

        Args:
            looks: From `take_looks`.
            good_at: When the camera sent a good picture last, asked for after the looks: one that
                was shown may have been sent just before it was looked at.
        """
        stale = sum(look - good_at > _SHOWN_FOR for look in looks)
        self.stale_looks += stale
        if self.fault is not None:
            self.fault.stale += stale

    def close(self) -> int:
        """Stop; tells how many snapshots are on the disk."""
        self._stack.close()
        return len(list(self._folder.glob(f"{_LABEL}/*.jpg")))

    def _record(self, labelled: LabelledFrame) -> None:
        self.recorded += self._session.take(labelled.frame, labelled.prediction)
        self.last_labelled_at = labelled.frame.captured_at
        self.ages.append(labelled.age)
        del self.ages[:-200]

    def _look(self) -> None:
        for labelled in self._loop.results(_LOOK_EVERY):
            if labelled is not None:
                self._shown = labelled
            elif self._loop.status.is_stale:
                self._shown = None
            if self._shown is not None:
                self.looks += 1
                self._unjudged.append(time.monotonic())


class Cameras:
    """The process of the cameras; see `serve`.

    Args:
        count: How many cameras.
    """

    def __init__(self, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faulty_camera", str(count), str(_RATE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.urls: list[str] = json.loads(self._line())
        self._lock = threading.Lock()

    def __enter__(self) -> Cameras:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, camera: int, fault: str) -> float:
        """Begin a fault, or end it with an empty name.

        Returns:
            When that was done, in seconds on the monotonic clock.
        """
        return self._ask(camera, fault)[0]

    def good_at(self) -> list[float]:
        """When each camera sent a good picture last, in seconds on the monotonic clock."""
        return self._ask(0, None)[1:]

    def _ask(self, camera: int, fault: str | None) -> list[float]:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps([camera, fault]) + "\n")
            self._process.stdin.flush()
            answer: list[float] = json.loads(self._line())
            return answer

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class Trouble:
    """Makes one camera fail again and again.

    Args:
        cameras: All of them.
        number: Which one.
        viewer: Who looks at it.
        outcomes: By fault; taken note of there.
        seed: Of the choice of faults.
        is_over: Ends it after the fault under way.
    """

    def __init__(
        self,
        cameras: Cameras,
        number: int,
        viewer: Viewer,
        outcomes: dict[str, Outcome],
        seed: int,
        is_over: threading.Event,
    ) -> None:
        self._cameras = cameras
        self._number = number
        self._viewer = viewer
        self._outcomes = outcomes
        self._random = random.Random(seed)
        self._is_over = is_over
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        faults: list[str] = []
        while not self._is_over.wait(self._random.uniform(*_BETWEEN)):
            if not faults:
                faults = list(FAULTS)
                self._random.shuffle(faults)
            self._fail(faults.pop())

    def _fail(self, fault: str) -> None:
        outcome = self._outcomes[fault]
        outcome.count += 1
        self._viewer.fault = outcome
        self._cameras.ask(self._number, fault)
        over_at = time.monotonic() + self._random.uniform(*self._random.choice(_LENGTHS))
        states = set()
        while time.monotonic() < over_at:
            states.add(self._look())
        ended_at = self._cameras.ask(self._number, "")
        while (waited := time.monotonic() - ended_at) < _LOST_AFTER:
            states.add(self._look())
            if self._viewer.last_labelled_at > ended_at:
                outcome.recovered += 1
                outcome.seconds.append(waited)
                break
        outcome.states.update(states - {"live"})

    def _look(self) -> str:
        time.sleep(_LOOK_EVERY)
        return self._viewer.status


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and print the tables."""
    options = parse(arguments)
    outcomes: dict[str, Outcome] = defaultdict(Outcome)
    with tempfile.TemporaryDirectory() as folder, Cameras(options.cameras) as cameras:
        viewers = [
            Viewer(url, classifier(options.model), Path(folder) / str(number))
            for number, url in enumerate(cameras.urls)
        ]
        is_watched = threading.Event()
        watching = threading.Thread(target=follow, args=(cameras, viewers, is_watched))
        watching.start()
        time.sleep(_SETTLES_FOR)
        before = resources(viewers)
        is_over = threading.Event()
        troubles = [
            Trouble(cameras, number, viewer, outcomes, options.seed + number, is_over)
            for number, viewer in enumerate(viewers)
        ]
        time.sleep(60 * options.minutes)
        is_over.set()
        for trouble in troubles:
            trouble.thread.join()
        time.sleep(_SETTLES_FOR)
        after = resources(viewers)
        is_watched.set()
        watching.join()
        on_disk = [viewer.close() for viewer in viewers]
    print(describe(outcomes))
    print(describe_viewers(viewers, on_disk))
    print(describe_resources(before, after))


def follow(cameras: Cameras, viewers: Sequence[Viewer], is_over: threading.Event) -> None:
    """Judge what the viewers show by when their cameras sent a good picture last."""
    while not is_over.wait(_FOLLOW_EVERY):
        looks = [viewer.take_looks() for viewer in viewers]
        for viewer, looked, at in zip(viewers, looks, cameras.good_at(), strict=True):
            viewer.judge(looked, at)


def classifier(model: Path | None) -> FrameClassifier:
    """Load the model, or take a rule where none is named."""
    return BrightnessClassifier() if model is None else Classifier(find_model(model))


def resources(viewers: Sequence[Viewer]) -> Resources:
    """Look at what the process holds."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = int(status.partition("VmRSS:")[2].split()[0])
    ages = [age for viewer in viewers for age in viewer.ages]
    return Resources(
        megabytes=kilobytes / 1024,
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        threads=threading.active_count(),
        age=1000 * statistics.median(ages),
    )


def describe(outcomes: dict[str, Outcome]) -> str:
    """Write a table of the faults, with a last row of them all."""
    lines = [
        "| fault | times | recovered | shown stale | median s | worst s | told |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    everything = Outcome()
    for fault in FAULTS:
        outcome = outcomes[fault]
        lines.append(_row(f"{fault}: {FAULTS[fault]}", outcome))
        everything.count += outcome.count
        everything.recovered += outcome.recovered
        everything.stale += outcome.stale
        everything.seconds += outcome.seconds
    lines.append(_row("all", everything))
    return "\n".join(lines)


def _row(name: str, outcome: Outcome) -> str:
    seconds = outcome.seconds or [float("nan")]
    told = ", ".join(f"{state} {count}" for state, count in outcome.states.most_common())
    return (
        f"| {name} | {outcome.count} | {outcome.recovered} | {outcome.stale} | "
        f"{statistics.median(seconds):.2f} | {max(seconds):.2f} | {told} |"
    )


def describe_viewers(viewers: Sequence[Viewer], on_disk: Sequence[int]) -> str:
    """Say what was shown and what was recorded."""
    looks = sum(viewer.looks for viewer in viewers)
    stale = sum(viewer.stale_looks for viewer in viewers)
    recorded = sum(viewer.recorded for viewer in viewers)
    return (
        f"{looks} looks at a label, {stale} of them more than {_SHOWN_FOR:.0f} s after the last "
        f"good picture (stalled is told after {STALLED_AFTER:.0f} s, frozen after 3 s)\n"
        f"{recorded} pictures recorded, {sum(on_disk)} on the disk"
    )


def describe_resources(before: Resources, after: Resources) -> str:
    """Write a table of what the process held at the start and at the end."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return "\n".join(
        [
            "| | memory MB | descriptors | threads | age of a label ms |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {name} | {one.megabytes:.0f} | {one.descriptors} | {one.threads} | "
                f"{one.age:.1f} |"
                for name, one in (("start", before), ("end", after))
            ),
            f"most memory: {peak:.0f} MB",
        ]
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=parse_number, default=10.0, help="of faults")
    parser.add_argument("--seed", type=int, default=0, help="of the order of faults")
    parser.add_argument("--cameras", type=parse_count, default=8, help="that fail side by side")
    parser.add_argument("--model", type=Path, help="labels the frames (default: a simple rule)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
