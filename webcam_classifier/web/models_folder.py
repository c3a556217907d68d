"""The model files in the folder that models are trained into, and the report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import onnx

from webcam_classifier.model_card import CARD_KEY, REPORT_NAME, ModelCard, read_card

_MODEL_NAME = re.compile(r"model(\.[a-z0-9]+)?\.onnx")


@dataclass(frozen=True)
class ModelFile:
    """One model file.

    Attributes:
        path: The file.
        size: In bytes.
        card: Its model card.
    """

    path: Path
    size: int
    card: ModelCard


class ModelsFolder:
    """The folder that models are trained into; `refresh` reads it again.

    Args:
        folder: The folder, which may be missing.

    Attributes:
        files: The models: first the trained one, then those exported from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: tuple[ModelFile, ...] = ()
        self._known: dict[tuple[Path, int, int], ModelFile | None] = {}
        self.refresh()

    @property
    def report(self) -> Path | None:
        """The report on the model, if there is one."""
        path = self.folder / REPORT_NAME
        return path if path.is_file() else None

    def find(self, name: str) -> Path | None:
        """Return the model file of this name, or None."""
        return next((file.path for file in self.files if file.path.name == name), None)

    def refresh(self) -> None:
        """Read the folder again; files that did not change are not read again."""
        paths = [
            path for path in self.folder.glob("model*.onnx") if _MODEL_NAME.fullmatch(path.name)
        ]
        known: dict[tuple[Path, int, int], ModelFile | None] = {}
        for path in sorted(paths, key=lambda path: (len(path.name), path.name)):
            try:
                facts = path.stat()
            except FileNotFoundError:  # removed since the folder was listed
                continue
            key = path, facts.st_mtime_ns, facts.st_size
            known[key] = self._known[key] if key in self._known else _read(path, facts.st_size)
        self._known = known
        self.files = tuple(file for file in known.values() if file is not None)


def _read(path: Path, size: int) -> ModelFile | None:
    """Read the card of a model file; None if it is not one of ours, or damaged."""
    try:
        graph = onnx.load(path, load_external_data=False)
        card = next(entry.value for entry in graph.metadata_props if entry.key == CARD_KEY)
        return ModelFile(path, size, read_card(card, path))
    except Exception:  # protobuf's errors, among others, share no public base
        return None
