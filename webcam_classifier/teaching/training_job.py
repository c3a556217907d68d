"""Write, train and export beside the live picture: in a thread, or in processes that give way.

What they write is what a person would have got from the same command, and where one is killed,
what was there before stays.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from webcam_classifier.errors import UserError
from webcam_classifier.progress import (
    Epoch,
    Event,
    Failed,
    Note,
    Progress,
    Result,
    Stage,
    listening,
)
from webcam_classifier.stage_captions import describe_progress
from webcam_classifier.teaching.job_process import JobProcess

if TYPE_CHECKING:  # what learns takes a moment to load, which a state of a job does not need
    from webcam_classifier.teaching.session import TeachingSession

JobKind = Literal["head", "finetune", "export", "page", "dataset"]
JobStatus = Literal["running", "done", "failed", "cancelled"]

_SHARES: Mapping[JobKind, Mapping[Stage, tuple[float, float]]] = {
    "head": {Stage.READ: (0.0, 0.2), Stage.EMBED: (0.2, 0.8), Stage.EVALUATE: (0.8, 0.95)},
    "finetune": {
        Stage.READ: (0.0, 0.04),
        Stage.EMBED: (0.04, 0.1),
        Stage.TRAIN: (0.1, 0.95),
        Stage.EVALUATE: (0.95, 0.99),
    },
    "export": {},
    "page": {},
    "dataset": {Stage.READ: (0.0, 0.99)},
}
"""From where to where the progress goes in a stage; those not named don't move it."""


@dataclass(frozen=True)
class JobState:
    """How a job goes.

    Attributes:
        number: Counts the jobs of this run, from 1.
        kind: What is done.
        status: Whether it goes on, and else how it ended.
        progress: 0 to 1, never falling; None where that can't be told.
        message: What is being done, or what came out, in a line.
        history: The epochs so far, where layers are trained.
        error: Why it failed, in the sentences of the command; empty else.
        output: The folder, or for an export the file, that is written.
        result: What came out, with its figures; None before the end.
    """

    number: int
    kind: JobKind
    status: JobStatus
    progress: float | None
    message: str
    history: tuple[Epoch, ...]
    error: str
    output: Path
    result: Result | None = None

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.status == "running"


class TrainingJobs:
    """Runs one job at a time, and remembers the last; all methods may be called from any thread.

    >>> with TrainingJobs() as jobs:
    ...     jobs.teach("head", Path("dataset"), Path("models/cups"))
    ...     jobs.wait(60.0)
    ...     jobs.state().status
    'done'

    Args:
        on_change: Called from any thread whenever the state has changed; it must be quick.
    """

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        self._on_change = on_change or (lambda: None)
        self._lock = threading.Lock()
        self._state: JobState | None = None
        self._process: JobProcess | None = None
        self._is_cancelled = False
        self._thread: threading.Thread | None = None

    def teach(
        self,
        kind: Literal["head", "finetune"],
        dataset: Path,
        output: Path,
        *,
        epochs: int | None = None,
        backbone: str | None = None,
        input_size: int | None = None,
    ) -> JobState:
        """Begin to train as `train.py DATASET --mode KIND --output OUTPUT` does.

        Args:
            kind: A head, or layers as well, which needs torch.
            dataset: The pictures.
            output: The folder of the model.
            epochs: Of fine-tuning; None leaves it to train.py.
            backbone: Likewise.
            input_size: Likewise, in pixels.

        Raises:
            UserError: Another job is running, or no process can be started.
        """
        command = ["train", str(dataset), "--mode", kind, "--output", str(output)]
        chosen = {"--epochs": epochs, "--backbone": backbone, "--input-size": input_size}
        for option, value in chosen.items():
            command += [] if value is None else [option, str(value)]
        return self._begin(kind, command, output)

    def write(self, session: TeachingSession, output: Path) -> JobState:
        """Begin to write the model that a session has learnt, in a thread; see its `write`.

        Args:
            session: What was learnt.
            output: The folder of the model.

        Raises:
            UserError: Another job is running.
        """
        with self._lock:
            state = self._begun("head", output)
            self._thread = threading.Thread(
                target=self._write, args=[session, state], name="writing-model", daemon=True
            )
            self._thread.start()
        self._on_change()
        return state

    def export(
        self,
        model: Path,
        precision: Literal["fp32", "fp16", "int8"],
        pictures: Path | None = None,
    ) -> JobState:
        """Begin to export as `python -m export MODEL --precision PRECISION` does.

        Args:
            model: The model file, or its folder.
            precision: Of the numbers.
            pictures: The two are compared on these; None takes those that were held back, which
                after a short recording are too few.

        Raises:
            UserError: Another job is running.
        """
        file = model / "model.onnx" if model.is_dir() else model
        output = file.with_name(f"{file.stem}.{precision}.onnx")
        command = ["export", str(file), "--precision", precision, "--output", str(output)]
        command += [] if pictures is None else ["--pictures", str(pictures)]
        return self._begin("export", command, output)

    def write_page(self, model: Path, output: Path) -> JobState:
        """Begin to write a page for browsers as `python -m export MODEL --web OUTPUT` does.

        Args:
            model: The model file.
            output: The zip file.

        Raises:
            UserError: Another job is running, or no process can be started.
        """
        return self._begin("page", ["export", str(model), "--web", str(output)], output)

    def write_dataset(self, dataset: Path, output: Path) -> JobState:
        """Begin to write a data set as `collect.py --dataset DATASET --export OUTPUT` does.

        Args:
            dataset: The folder.
            output: The zip file.

        Raises:
            UserError: Another job is running, or no process can be started.
        """
        command = ["collect", "--dataset", str(dataset), "--export", str(output)]
        return self._begin("dataset", command, output)

    def cancel(self) -> None:
        """End the running job; what was there before it stays as it was."""
        with self._lock:
            self._is_cancelled = self._state is not None and self._state.is_running
            if self._process is not None:
                # Not asked to end: asked, a training keeps what it has so far.
                self._process.kill()

    def state(self) -> JobState | None:
        """How the last job goes or went; None before the first."""
        return self._state

    def wait(self, timeout: float) -> JobState | None:
        """Wait for the end of the running job, so many seconds at the most; return its state."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._state

    def close(self) -> None:
        """End a running job."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> TrainingJobs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, kind: JobKind, command: Sequence[str], output: Path) -> JobState:
        with self._lock:
            before, state = self._state, self._begun(kind, output)
            try:
                process = self._process = JobProcess(command)
            except UserError:
                self._state = before
                raise
            self._thread = threading.Thread(
                target=self._follow, args=[process, state], name="training-job", daemon=True
            )
            self._thread.start()
        self._on_change()
        return state

    def _begun(self, kind: JobKind, output: Path) -> JobState:
        """The state of a job that begins, unless another one is running."""
        if self._state is not None and self._state.is_running:
            raise UserError("Something is being trained or exported. Wait, or cancel it first.")
        number = 1 if self._state is None else self._state.number + 1
        state = JobState(number, kind, "running", None, "starting", (), "", output)
        self._state, self._is_cancelled = state, False
        return state

    def _write(self, session: TeachingSession, state: JobState) -> None:
        def hear(event: Event) -> None:
            self._state = _after(self._state or state, event)
            self._on_change()

        try:
            with listening(hear):
                result = session.write(state.output, lambda: self._is_cancelled)
        except Exception as error:  # whatever it is, somebody waits for the end of the job
            message = str(error) if isinstance(error, UserError) else repr(error)
            ended = replace(state, status="failed", message="failed", error=message)
            if self._is_cancelled:
                ended = replace(state, status="cancelled", message="cancelled")
        else:
            ended = replace(
                state, status="done", progress=1.0, message=result.message, result=result
            )
        self._state = ended
        self._on_change()

    def _follow(self, process: JobProcess, state: JobState) -> None:
        for event in process.events():
            self._state = state = _after(state, event)
            self._on_change()
        code = process.finish()
        with self._lock:
            self._process = None
            # A result is told once everything is written: a kill after that came too late.
            is_done = code == 0 or (self._is_cancelled and state.result is not None)
            if is_done:
                message = "done" if state.result is None else state.result.message
                state = replace(state, status="done", progress=1.0, message=message, error="")
            elif self._is_cancelled:
                state = replace(state, status="cancelled", message="cancelled", error="")
            else:
                error = state.error or _describe_end(code, process.log)
                state = replace(state, status="failed", message="failed", error=error)
            self._state = state
        self._on_change()


def _after(state: JobState, event: Event) -> JobState:
    """What the state is once an event was told."""
    if isinstance(event, Epoch):
        return replace(state, history=(*state.history, event))
    if isinstance(event, Note):
        return replace(state, message=event.message)
    if isinstance(event, Result):
        return replace(state, result=event)
    if isinstance(event, Failed):
        return replace(state, error=event.message)
    return replace(state, message=describe_progress(event), progress=_share(state, event))


def _share(state: JobState, event: Progress) -> float | None:
    """How much of the whole job is done."""
    shares = _SHARES[state.kind]
    if not event.total or event.stage not in shares:
        return state.progress
    first, last = shares[event.stage]
    share = first + (last - first) * min(1.0, event.done / event.total)
    return max(share, state.progress or 0.0)


def _describe_end(code: int, log: Sequence[str]) -> str:
    """Say why a process ended that did not say so itself."""
    said = next((line for line in reversed(log) if line.strip()), "")
    if said:
        return said.removeprefix("error: ")
    if code < 0:
        return f"It was ended from outside, by {signal.Signals(-code).name}. Start it again."
    return f"It ended with code {code} and said nothing. Start it again."
