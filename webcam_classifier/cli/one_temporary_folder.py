"""Have libraries put their temporary files where the next start finds what a kill left of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from webcam_classifier.leftovers import temporary_folder


@contextmanager
def one_temporary_folder() -> Iterator[None]:
    """Let `tempfile` use a folder of this process's own; also a decorator.

    Raises:
        UserError: No folder for temporary files can be written.
    """
    with temporary_folder() as folder:
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
