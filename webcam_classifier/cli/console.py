"""What every script does at the terminal: end cleanly, show progress, never show a traceback.

Progress is for a person at the terminal, and for a program that started the script: that one reads
it from a file.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error

Item = TypeVar("Item")

_QUIET_FOR = 1.0  # seconds before a progress line appears: quick work stays silent
_REDRAW_EVERY = 0.1  # seconds

_told: ContextVar[Path | None] = ContextVar("told", default=None)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the system, or a person with `kill`, wants an orderly end."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main` and turn every foreseeable end into a sentence and an exit code.

    A `UserError` or a failing disk ends with 1, Ctrl-C with 130, SIGTERM with 143, a closed pipe
    with 0. What Ctrl-C keeps, SIGTERM keeps.

    Args:
        main: The script's work.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
        sys.stdout.flush()
    except UserError as error:
        sys.exit(f"error: {error}")
    except Terminated:
        sys.exit(143)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; the interpreter would complain about it again
        sys.exit(0)
    except OSError as error:
        path = Path(error.filename) if isinstance(error.filename, str) else Path("a file")
        sys.exit(f"error: {explain_os_error(error, path)}")


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


@contextmanager
def progress_told_to(path: Path | None) -> Iterator[None]:
    """Have `progress` and `tell` write to a file as well, as long as the context lasts.

    Args:
        path: A line of JSON is added to it for each step; None writes nothing.
    """
    token = _told.set(path)
    try:
        yield
    finally:
        _told.reset(token)


def tell(fields: Mapping[str, object]) -> None:
    """Tell the program that started this one how far it is, where it wants to know.

    Args:
        fields: As JSON can hold them; `stage`, `done` and `total`, or something else.
    """
    path = _told.get()
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items, with a line on stderr that says how far it is and how long it will take.

    The line appears after a second, so quick work stays silent; where stderr is no terminal it
    is one line at the end of long work.

    Args:
        items: What to go through.
        what: Named at the start of the line.
        total: How many items there are, where `items` can't tell.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    started = drawn = time.monotonic()
    live = sys.stderr.isatty()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - drawn <= _REDRAW_EVERY:
            continue
        drawn = now
        tell({"stage": what, "done": done, "total": total})
        if live and now - started > _QUIET_FOR:
            sys.stderr.write("\r" + _progress_line(what, done, total, now - started) + "\x1b[K")
            sys.stderr.flush()
    elapsed = time.monotonic() - started
    if elapsed > _QUIET_FOR:
        sys.stderr.write(("\r" if live else "") + f"{what}: {done} in {elapsed:.1f} s")
        sys.stderr.write("\x1b[K\n" if live else "\n")
        sys.stderr.flush()


def _progress_line(what: str, done: int, total: int | None, elapsed: float) -> str:
    if not total:
        return f"{what}: {done}"
    width = 24
    filled = round(width * min(1.0, done / total))
    left = elapsed / done * max(0, total - done)
    return f"{what} [{'#' * filled}{'.' * (width - filled)}] {done}/{total}, {left:.0f} s left"
