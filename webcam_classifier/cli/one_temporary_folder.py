"""Keep libraries' temporary files in one folder, which the next start removes after a kill."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from webcam_classifier.temporary_files import temporary_folder


@contextmanager
def one_temporary_folder() -> Iterator[None]:
    """Make `tempfile` use a folder that belongs to this process; also a decorator.

    Raises:
        UserError: No folder for temporary files can be written.
    """
    with temporary_folder() as folder:
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
