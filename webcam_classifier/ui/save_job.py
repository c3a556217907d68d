"""Write the model of a session in the background, and report on that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.storage import recover_folder
from webcam_classifier.teaching.session import TeachingSession
from webcam_classifier.teaching.state import LabelState
from webcam_classifier.teaching.training_job import JobState, TrainingJobs
from webcam_classifier.ui import window_words


class SaveJob:
    """Writes the model of a session, and knows whether it is up to date with the snapshots.

    Args:
        session: The session.
        jobs: Runs the job.
        output: The folder of the model.
        say: Called with a sentence about the outcome, for a person at the terminal.
    """

    def __init__(
        self,
        session: TeachingSession,
        jobs: TrainingJobs,
        output: Path,
        say: Callable[[str], None],
    ) -> None:
        self.session = session
        self.output = output
        self._jobs = jobs
        self._say = say
        recover_folder(output)  # finish what an earlier run left half-done when it was killed
        self._told = 0  # number of the last job whose end was reported
        # An existing model is assumed to be up to date.
        is_there = (output / "model.onnx").is_file()
        self._written = session.state().labels if is_there else ()
        self._writing: tuple[LabelState, ...] = ()

    @property
    def is_written(self) -> bool:
        """Whether there is a model of the current snapshots."""
        return self._written == self.session.state().labels

    @property
    def running(self) -> JobState | None:
        """The state of the job that is writing; None if none is."""
        job = self._jobs.state()
        return job if job is not None and job.is_running else None

    def write(self) -> None:
        """Start to write the model.

        Raises:
            UserError: There is nothing to write yet, or a model is being written already.
        """
        if not self.session.learning_state().is_ready:
            raise UserError(window_words.NO_MODEL_YET)
        state = self.session.state()
        self._jobs.write(self.session, self.output)
        self._writing = state.labels

    def cancel(self) -> None:
        """Cancel a job that still waits for pictures to be learnt."""
        self._jobs.cancel()

    def finish(self) -> bool:
        """Wait for a model that is being written, and report the outcome.

        Returns:
            Whether nothing failed that was not reported before.
        """
        if self.running is not None:
            self._say(window_words.FINISHING)
        while self.running is not None:
            self._jobs.wait(1.0)
        outcome = self.outcome()
        return outcome is None or outcome[1]

    def outcome(self) -> tuple[str, bool] | None:
        """Return the outcome of a job that ended, once: a sentence, and whether it succeeded."""
        job = self._jobs.state()
        if job is None or job.is_running or job.number == self._told:
            return None
        self._told = job.number
        is_done = job.status == "done"
        if is_done:
            self._written = self._writing
            told = window_words.model_written(str(job.output / "model.onnx"), job.message)
        else:
            told = window_words.model_not_written(job.error or job.message)
        self._say(told)
        return told, is_done
