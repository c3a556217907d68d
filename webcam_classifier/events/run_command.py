"""Run a command at each event: the event in its environment, and as JSON on its standard input."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event
from webcam_classifier.events.sink import DeliveryError, QueuedSink, QueueSettings, Tell
from webcam_classifier.visible_text import json_line

_PREFIX = "WEBCAM_CLASSIFIER_"
_OPERATORS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<"})


class CommandSink(QueuedSink[Event]):
    """Runs a command at each event; its output goes to standard error.

    It runs without a shell unless one is asked for, and the event never becomes part of the command
    line. A command that takes too long is killed, with everything it started.

    Args:
        command: As typed in a terminal, with quotes where a shell needs them.
        tell: Called with a sentence when the command fails.
        label: The label for which to run it; None runs it for every label.
        region: The region for which to run it; None runs it for every region.
        shell: Whether `sh` runs the command.
        at_once: How many runs may overlap.
        time_limit: Seconds that a run may take.

    Raises:
        UserError: The command is empty, or a quote in it is not closed.
    """

    def __init__(
        self,
        command: str,
        tell: Tell,
        *,
        label: str | None = None,
        region: str | None = None,
        shell: bool = False,
        at_once: int = 1,
        time_limit: float = 30.0,
    ) -> None:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise UserError(
                f"The command {command!r} can't be read: {error}. Close its quotes."
            ) from error
        if not words:
            raise UserError("The command is empty. Name what is to be run, such as 'beep -f 440'.")
        self._arguments = ["/bin/sh", "-c", command] if shell else words
        self._label = label
        self._region = region
        self._time_limit = time_limit
        self._running: set[subprocess.Popen[bytes]] = set()
        place = "" if region is None else f"{region}/"
        name = "--on-change" if label is None else f"--when {place}{label}"
        if not shell and shutil.which(words[0]) is None:
            tell(
                f"{name}: there is no command {words[0]}, so nothing will be run. Check its name"
                + (", or add --shell where it is a shell's own." if shutil.which("sh") else ".")
            )
        elif not shell and _is_for_shell(words):
            tell(f"{name}: {command!r} is written for a shell, and runs without one. Add --shell.")
        super().__init__(name, tell, QueueSettings(workers=at_once))

    def take_event(self, event: Event) -> None:
        """Run the command for an event, unless it is for another label or region."""
        if self._label in (None, event.label) and self._region in (None, event.region):
            self.offer(event)

    def close(self) -> None:
        """Wait some seconds for running commands, then kill them."""
        super().close()
        for process in list(self._running):
            _end(process)

    def deliver(self, item: Event) -> None:
        """Run the command, and wait for its end.

        Raises:
            DeliveryError: It can't be started, took too long, or ended with an error.
        """
        content = json_line(item.fields_with_picture()).encode()
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                # Standard output may be read by a program, line by line.
                stdout=sys.__stderr__,
                env={**os.environ, **environment(item)},
                start_new_session=True,
            )
        except OSError as error:
            raise DeliveryError(
                f"{self.name}: {self._arguments[0]} can't be started: {error.strerror or error}",
                may_retry=False,
            ) from error
        self._running.add(process)
        try:
            process.communicate(content, self._time_limit)
        except subprocess.TimeoutExpired as error:
            raise DeliveryError(
                f"{self.name}: {self._arguments[0]} took longer than {self._time_limit:g} s and "
                "was ended",
                may_retry=False,
            ) from error
        finally:
            _end(process)
            self._running.discard(process)
        if process.returncode:
            raise DeliveryError(
                f"{self.name}: {self._arguments[0]} ended with exit code {process.returncode}",
                may_retry=False,
            )


def environment(event: Event) -> Mapping[str, str]:
    """Return the environment variables for a command; unknown values are empty."""
    fields = event.fields()
    return {
        f"{_PREFIX}{key.upper()}": ("" if value is None else str(value)).replace("\0", "")
        for key, value in fields.items()
    }


def _is_for_shell(words: Sequence[str]) -> bool:
    """Whether a command has what only a shell understands, and names no shell itself."""
    if any(word.startswith("-") and word.endswith("c") for word in words[1:]):  # sh -c, bash -lc
        return False
    variable = re.compile(rf"\$\{{?{_PREFIX}")
    return any(word in _OPERATORS or variable.search(word) for word in words)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()
        process.wait()
