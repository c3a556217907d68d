"""What the library logs, on the terminal: one plain line each, as a script's own sentences are."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import webcam_classifier
from webcam_classifier.progress import Note, tell


class _PlainLines(logging.Handler):
    """Writes to whatever standard error is at that moment; a test or a torchrun may replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one message, or print it where nobody listens."""
        message = self.format(record)
        if not tell(Note(message)):
            print(message, file=sys.stderr, flush=True)


@contextmanager
def library_messages() -> Iterator[None]:
    """Show what the library logs on stderr, while the context is open; also a decorator."""
    logger = logging.getLogger(webcam_classifier.__name__)
    if any(isinstance(handler, _PlainLines) for handler in logger.handlers):
        yield  # one script calls another
        return
    handler, level = _PlainLines(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
