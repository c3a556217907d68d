"""Save, train and export beside the live picture: in a thread, or in low-priority processes.

They write what the same command would have written for a person. If one is killed, earlier files
stay as they were.
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

if TYPE_CHECKING:  # what learns is slow to load, and the state of a job does not need it
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
"""The part of the whole progress, 0 to 1, that each stage covers; other stages don't move it."""


@dataclass(frozen=True)
class JobState:
    """The state of a job.

    Attributes:
        number: Counts the jobs of this run, from 1.
        kind: What the job does.
        status: Whether it is running, or how it ended.
        progress: 0 to 1, never falling; None if it is not known.
        message: What it is doing, or its result, in one line.
        history: The epochs so far, if layers are trained.
        error: Why it failed, in the words of the command; empty if it did not.
        output: The folder that is written, or for an export the file.
        result: The result, with its figures; None before the end.
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
        """Whether it is still running."""
        return self.status == "running"


class TrainingJobs:
    """Runs one job at a time, and remembers the last one. Methods may be called from any thread.

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
        """Start to train as `train.py DATASET --mode KIND --output OUTPUT` does.

        Args:
            kind: `head` fits a head; `finetune` trains layers too, which needs torch.
            dataset: The folder of the pictures.
            output: The folder of the model.
            epochs: For fine-tuning; None takes the default of train.py.
            backbone: None takes the default of train.py.
            input_size: In pixels; None takes the default of train.py.

        Raises:
            UserError: Another job is running, or no process can be started.
        """
        command = ["train", str(dataset), "--mode", kind, "--output", str(output)]
        chosen = {"--epochs": epochs, "--backbone": backbone, "--input-size": input_size}
        for option, value in chosen.items():
            command += [] if value is None else [option, str(value)]
        return self._begin(kind, command, output)

    def write(self, session: TeachingSession, output: Path) -> JobState:
        """Start to write the model that a session has learnt, in a thread; see its `write`.

        Args:
            session: The session.
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
        """Start to export as `python -m export MODEL --precision PRECISION` does.

        Args:
            model: The model file, or its folder.
            precision: The number format of the new file.
            pictures: A folder of pictures on which old and new model are compared; None takes the
                held-back ones, which are too few after a short recording.

        Raises:
            UserError: Another job is running.
        """
        file = model / "model.onnx" if model.is_dir() else model
        output = file.with_name(f"{file.stem}.{precision}.onnx")
        command = ["export", str(file), "--precision", precision, "--output", str(output)]
        command += [] if pictures is None else ["--pictures", str(pictures)]
        return self._begin("export", command, output)

    def write_page(self, model: Path, output: Path) -> JobState:
        """Start to write a page for browsers as `python -m export MODEL --web OUTPUT` does.

        Args:
            model: The model file.
            output: The zip file.

        Raises:
            UserError: Another job is running, or no process can be started.
        """
        return self._begin("page", ["export", str(model), "--web", str(output)], output)

    def write_dataset(self, dataset: Path, output: Path) -> JobState:
        """Start to write a data set as `collect.py --dataset DATASET --export OUTPUT` does.

        Args:
            dataset: The folder.
            output: The zip file.

        Raises:
            UserError: Another job is running, or no process can be started.
        """
        command = ["collect", "--dataset", str(dataset), "--export", str(output)]
        return self._begin("dataset", command, output)

    def cancel(self) -> None:
        """Cancel the running job; earlier files stay as they were."""
        with self._lock:
            self._is_cancelled = self._state is not None and self._state.is_running
            if self._process is not None:
                # It is killed because a training that is asked to end keeps what it has so far.
                self._process.kill()

    def state(self) -> JobState | None:
        """Return the state of the last job; None before the first."""
        return self._state

    def wait(self, timeout: float) -> JobState | None:
        """Wait until the running job ends, or for `timeout` seconds, and return its state."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._state

    def close(self) -> None:
        """Cancel a running job and wait for its end."""
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
        """Set and return the state of a job that starts, unless another one is running."""
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
        except Exception as error:  # whatever it is, the job must end
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
            # The result is sent once everything is written: a kill after that came too late.
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
    """Return the state after an event."""
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
    """Return the progress of the whole job, 0 to 1; None if it is not known."""
    shares = _SHARES[state.kind]
    if not event.total or event.stage not in shares:
        return state.progress
    first, last = shares[event.stage]
    share = first + (last - first) * min(1.0, event.done / event.total)
    return max(share, state.progress or 0.0)


def _describe_end(code: int, log: Sequence[str]) -> str:
    """Say why a process ended, if it sent no event that says so."""
    said = next((line for line in reversed(log) if line.strip()), "")
    if said:
        return said.removeprefix("error: ")
    if code < 0:
        return f"It was ended from outside, by {signal.Signals(-code).name}. Start it again."
    return f"It ended with code {code} and said nothing. Start it again."
