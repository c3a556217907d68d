"""Print what the library logs as plain lines, like the sentences of the scripts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import webcam_classifier
from webcam_classifier.progress import Note, tell


class _PlainLines(logging.Handler):
    """Writes to the current standard error, which tests and torchrun may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send a message as an event, or print it if nobody listens."""
        message = self.format(record)
        if not tell(Note(message)):
            print(message, file=sys.stderr, flush=True)


@contextmanager
def library_messages() -> Iterator[None]:
    """Show what the library logs on stderr, while the context is open; also a decorator."""
    logger = logging.getLogger(webcam_classifier.__name__)
    if any(isinstance(handler, _PlainLines) for handler in logger.handlers):
        yield  # one script has called another
        return
    handler, level = _PlainLines(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
