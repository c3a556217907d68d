"""Keep a model that another program wrote to a folder while this one was still training for it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.model_card import MODEL_NAME
from webcam_classifier.storage import explain_os_error


@dataclass(frozen=True)
class FormerModel:
    """The model that a folder held when a training began, identified by its file's metadata.

    Attributes:
        folder: Of the model.
        identity: Inode, size and modification time of the file; None if there was none.
    """

    folder: Path
    identity: tuple[int, int, int] | None

    @classmethod
    def in_folder(cls, folder: Path) -> FormerModel:
        """Record which model is there now."""
        return cls(folder, _identity(folder / MODEL_NAME))

    def keep_newer(self) -> str:
        """Rename a model that was written since then, before it is replaced.

        Returns:
            A sentence about it; empty if there is none.
        """
        model = self.folder / MODEL_NAME
        present = _identity(model)
        if present is None or present == self.identity:
            return ""
        kept = _free_name(self.folder)
        told = f"another model was written to {model} while this one was trained"
        try:
            kept.hardlink_to(model)  # there is a model under its name at every moment
        except OSError:
            try:
                model.rename(kept)  # a disk without links
            except OSError as error:
                return f"{told}, and it is replaced: {explain_os_error(error, kept)}"
        return f"{told}; that one is {kept.name} now"


def _free_name(folder: Path) -> Path:
    names = (folder / f"model.other{number}.onnx" for number in itertools.count(1))
    return next(path for path in names if not path.exists())


def _identity(model: Path) -> tuple[int, int, int] | None:
    try:
        facts = model.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
