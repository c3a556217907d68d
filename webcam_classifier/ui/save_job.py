"""Write the model that was taught, in the background, and tell how that goes."""

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
    """Writes the model of a session, and knows whether it is of the snapshots that there are.

    Args:
        session: What is taught.
        jobs: Does it.
        output: The folder that the model is written to.
        say: Told what became of the model, for a person at the terminal.
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
        recover_folder(output)  # what a kill of the program before has left there
        self._told = 0  # number of the job whose end was told
        # A model that is there is taken to be of the snapshots that are there.
        is_there = (output / "model.onnx").is_file()
        self._written = session.state().labels if is_there else ()
        self._writing: tuple[LabelState, ...] = ()

    @property
    def is_written(self) -> bool:
        """Whether there is a model of the snapshots as they are."""
        return self._written == self.session.state().labels

    @property
    def running(self) -> JobState | None:
        """How the writing goes that is not done yet."""
        job = self._jobs.state()
        return job if job is not None and job.is_running else None

    def write(self) -> None:
        """Begin to write.

        Raises:
            UserError: There is nothing to write yet, or a model is being written already.
        """
        if not self.session.learning_state().is_ready:
            raise UserError(window_words.NO_MODEL_YET)
        state = self.session.state()
        self._jobs.write(self.session, self.output)
        self._writing = state.labels

    def cancel(self) -> None:
        """Give up a model that still waits for pictures to be learnt."""
        self._jobs.cancel()

    def finish(self) -> None:
        """Wait for a model that is being written, and say what became of it."""
        if self.running is not None:
            self._say(window_words.FINISHING)
        while self.running is not None:
            self._jobs.wait(1.0)
        self.outcome()

    def outcome(self) -> tuple[str, bool] | None:
        """What became of a model, told once: in words, and whether it is written; else None."""
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
