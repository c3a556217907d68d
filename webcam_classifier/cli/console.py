"""What every script does at the terminal: end cleanly, show progress, never show a traceback."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.errors import UserError
from webcam_classifier.progress import Epoch, Event, Failed, Note, Progress, listening, tell
from webcam_classifier.stage_captions import caption, describe_epoch
from webcam_classifier.storage import explain_os_error

_QUIET_FOR = 1.0  # seconds before a progress line appears: quick work stays silent
_BAR_WIDTH = 24  # characters


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the system, or a person with `kill`, wants an orderly end."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main` and turn every foreseeable end into a sentence and an exit code.

    A `UserError` or a failing disk ends with 1, Ctrl-C with 130, SIGTERM with 143, a closed pipe
    with 0. What Ctrl-C keeps, SIGTERM keeps. Progress is shown on stderr, and whoever listens
    already is told why the script failed.

    Args:
        main: The script's work.
    """
    signal.signal(signal.SIGTERM, _terminate)
    line = ProgressLine()
    try:
        try:
            with listening(line), library_messages():
                main()
        finally:
            line.clear()
        sys.stdout.flush()
    except UserError as error:
        _fail(str(error))
    except Terminated:
        tell(Failed("stopped"))
        sys.exit(143)
    except KeyboardInterrupt:
        tell(Failed("stopped"))
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; the interpreter would complain about it again
        sys.exit(0)
    except OSError as error:
        path = Path(error.filename) if isinstance(error.filename, str) else Path("a file")
        is_unreadable = path.exists() and not os.access(path, os.R_OK)
        _fail(explain_os_error(error, path, reading=is_unreadable))


def _fail(message: str) -> NoReturn:
    tell(Failed(message))
    sys.exit(f"error: {message}")


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


class ProgressLine:
    """Shows events on stderr: a line that says how far it is and how long it will take.

    The line appears after a second, so quick work stays silent; where stderr is no terminal it is
    one line at the end of long work. Epochs and notes are lines of their own.
    """

    def __init__(self) -> None:
        self._caption = ""
        self._started = 0.0
        self._first_done = 0
        self._is_drawn = False

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Progress):
            self._show_progress(event)
        elif isinstance(event, Epoch):
            if event.number > 0:
                self._print(describe_epoch(event))
        elif isinstance(event, Note):
            self._print(event.message)

    def clear(self) -> None:
        """Remove the line, so that something else can be written in its place."""
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_drawn = False

    def _show_progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if caption(progress) != self._caption:
            self._caption = caption(progress)
            self._started, self._first_done = now, progress.done
        elapsed = now - self._started
        if progress.is_over:
            self._caption = ""
            self.clear()
            if elapsed > _QUIET_FOR:
                self._print(f"{caption(progress)}: {progress.done} in {elapsed:.1f} s")
        elif elapsed > _QUIET_FOR and sys.stderr.isatty():
            sys.stderr.write(f"\r{self._line(progress, elapsed)}\x1b[K")
            sys.stderr.flush()
            self._is_drawn = True

    def _line(self, progress: Progress, elapsed: float) -> str:
        if not progress.total:
            return f"{caption(progress)}: {progress.done}"
        filled = round(_BAR_WIDTH * min(1.0, progress.done / progress.total))
        bar = "#" * filled + "." * (_BAR_WIDTH - filled)
        line = f"{caption(progress)} [{bar}] {progress.done}/{progress.total}"
        newly_done = progress.done - self._first_done
        if newly_done <= 0:
            return line
        left = elapsed / newly_done * max(0, progress.total - progress.done)
        return f"{line}, {left:.0f} s left"

    def _print(self, text: str) -> None:
        self.clear()
        print(text, file=sys.stderr, flush=True)
