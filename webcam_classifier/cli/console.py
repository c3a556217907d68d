"""What every script does at the terminal: show progress, and end with a sentence and exit code."""

from __future__ import annotations

import atexit
import importlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO, cast

from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.errors import UserError
from webcam_classifier.progress import Epoch, Event, Failed, Note, Progress, listening, tell
from webcam_classifier.stage_captions import caption, describe_epoch
from webcam_classifier.storage import explain_os_error
from webcam_classifier.visible_text import visible, visible_lines

_QUIET_FOR = 1.0  # seconds before a progress line appears, so that quick work shows none
_BAR_WIDTH = 24  # characters
_ONE_REQUEST = 1.0  # seconds in which signals count as one: people press Ctrl-C twice


class SafeStream:
    r"""A text stream that any text can be written to, and that passes on no escape sequences.

    The name of a file or label may contain characters that the console's encoding lacks, or an
    escape sequence. Both are written as escapes, such as `\x1b`. `commands` writes the program's
    own escape sequences.

    Args:
        stream: Where the text goes; all other attributes are the stream's.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text; invisible characters are escaped, except for line breaks and tabs."""
        self._stream.write(visible_lines(text))
        return len(text)

    def commands(self, text: str) -> None:
        """Write a text that contains the program's own escape sequences."""
        self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 whatever the stream has
        return getattr(self._stream, name)


@contextmanager
def safe_streams() -> Iterator[None]:
    """Make standard output and standard error safe for any text, while the context is open."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, SafeStream(stream)) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def command_terminal(text: str) -> None:
    """Write an escape sequence to the terminal on standard error, such as one to clear a line."""
    stream: object = sys.stderr
    if isinstance(stream, SafeStream):
        stream.commands(text)
    else:
        sys.stderr.write(text)
    sys.stderr.flush()


class Terminated(KeyboardInterrupt):
    """The system asks for an orderly end: by SIGTERM, or by SIGHUP where the terminal was closed.

    Args:
        exit_code: Of the process: 128 and the number of the signal.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`, and end with a sentence and an exit code instead of a traceback.

    A `UserError` or a failing disk gives exit code 1, Ctrl-C 130, SIGHUP 129, SIGTERM 143, and a
    closed pipe 0. Signals keep the same results as Ctrl-C. A second one at once, as `timeout`
    sends it, does not disturb the end; one that comes later interrupts what is being closed.
    Progress is shown on stderr; those who listen to events are told why the script failed.

    Args:
        main: The script's work.
    """
    exit_code = 0
    # Registered first, so they run last.
    atexit.register(_ignore_signals)
    atexit.register(lambda: _leave_hanging_cameras(exit_code))
    try:
        _run(main)
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except BaseException:  # a bug: the interpreter prints it and ends with 1
        exit_code = 1
        raise


def run_command(name: str) -> None:
    """Import a command and run it with the arguments of the process.

    If this is called within `run_script`, Ctrl-C during a slow import shows no traceback either.

    Args:
        name: A module of `webcam_classifier.cli`.

    Raises:
        UserError: A package that it needs is not installed.
    """
    try:
        command = importlib.import_module(f"webcam_classifier.cli.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("webcam_classifier"):
            raise
        raise UserError(
            f"{name} needs the package {error.name}, which is not installed. Run "
            "`python -m webcam_classifier.cli doctor`, which says how to install it."
        ) from error
    command.main()


def _leave_hanging_cameras(exit_code: int) -> None:
    """End the process at once if a thread still hangs in a camera's driver.

    If such a thread returned while the interpreter shuts down, Python would stop it, and C++ would
    abort the process.
    """
    if "webcam_classifier.camera.connection" not in sys.modules:
        return
    from webcam_classifier.camera.connection import is_any_hanging

    if is_any_hanging():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # its reader is gone, or it is closed
                stream.flush()
        os._exit(exit_code)


def _run(main: Callable[[], None]) -> None:
    _end_when_asked()
    _end_with_the_terminal()
    with safe_streams():
        _run_script(main)


def _run_script(main: Callable[[], None]) -> None:
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
    except Terminated as end:
        tell(Failed("stopped"))
        sys.exit(end.exit_code)
    except KeyboardInterrupt:
        tell(Failed("stopped"))
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader is gone; else the interpreter would print an error
        sys.exit(0)
    except OSError as error:
        path = Path(error.filename) if isinstance(error.filename, str) else Path("a file")
        is_unreadable = path.exists() and not os.access(path, os.R_OK)
        _fail(explain_os_error(error, path, reading=is_unreadable))


def _fail(message: str) -> NoReturn:
    tell(Failed(message))
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(1)


def _end_when_asked() -> None:
    """End in order after SIGTERM and Ctrl-C, unless a shell has Ctrl-C ignored."""
    asked_at = -_ONE_REQUEST

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_at
        now = time.monotonic()
        if now - asked_at < _ONE_REQUEST:
            return
        asked_at = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Terminated(128 + number)

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)


def _ignore_signals() -> None:
    """Let no signal change the exit code once all has ended.

    In the last milliseconds Python takes its handlers back, and a signal would kill the process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _end_with_the_terminal() -> None:
    """End in order where the terminal is closed, unless `nohup` has that ignored."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) != signal.SIG_DFL:
        return
    terminals = [stream for stream in (1, 2) if os.isatty(stream)]

    def hang_up(number: int, _frame: FrameType | None) -> NoReturn:
        # The shell and the system both send it; the second one must not disturb the end.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in terminals:  # each line would be an error now
                os.dup2(nowhere, stream)
        raise Terminated(128 + number)

    signal.signal(signal.SIGHUP, hang_up)


class ProgressLine:
    """Shows events on stderr: a line with the progress and the remaining time.

    The line appears after a second, so that quick work shows none. If stderr is not a terminal,
    there is one line at the end of long work. Epochs and notes get their own lines.
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
        """Clear the line, so that something else can be written in its place."""
        if self._is_drawn:
            command_terminal("\r\x1b[K")
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
            command_terminal(f"\r{visible(self._line(progress, elapsed))}\x1b[K")
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
