"""Switch a running loop to another model file of one folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from webcam_classifier.crop import Crop
from webcam_classifier.errors import UserError
from webcam_classifier.live.region import FrameClassifier
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import MODEL_NAME
from webcam_classifier.storage import explain_os_error
from webcam_classifier.visible_text import visible

_MOST_NAMED = 20  # models, in a sentence


class ClassifierHolder(Protocol):
    """Something that labels with a classifier that can be changed, such as `LiveLoop`."""

    def change_classifier(self, classifier: FrameClassifier, model: str = "") -> None:
        """Label with another classifier from the next frame on."""


class ModelSwitch:
    """Switches a loop to another model by its name, which must be a file of one folder.

    The model `FOLDER/NAME/model.onnx` is called `NAME`; any other is called by its path in the
    folder, such as `NAME/model.int8.onnx`. A name is looked up among the files that exist, and
    never becomes part of a path.

    Args:
        classifier: The loop's first classifier.
        folder: The folder to choose from; None if there is nothing to choose.
        opened: Opens a model file and warms it up; called while the loop goes on.
        say: Called from any thread with a sentence about each change.

    Attributes:
        classifier: The loop's current classifier.
    """

    def __init__(
        self,
        classifier: Classifier,
        folder: Path | None,
        opened: Callable[[Path], Classifier],
        say: Callable[[str], None],
    ) -> None:
        self.classifier = classifier
        self._folder = folder
        self._opened = opened
        self._say = say
        self._on_change: Callable[[Crop | None], None] | None = None
        self._loop: ClassifierHolder | None = None
        self._is_changing = threading.Lock()

    def use_loop(self, loop: ClassifierHolder) -> None:
        """Set the loop whose classifier is changed."""
        self._loop = loop
        loop.change_classifier(self.classifier, str(self.classifier.path))

    def on_change(self, call: Callable[[Crop | None], None]) -> None:
        """Have a function called, in any thread, with the crop of each new model."""
        self._on_change = call

    @property
    def names(self) -> Sequence[str]:
        """The names that can be chosen now."""
        return sorted(self._found())

    @property
    def name(self) -> str | None:
        """The name of the current model; None if it is in another folder."""
        path = self.classifier.path.resolve()
        return next(
            (name for name, found in self._found().items() if found.resolve() == path), None
        )

    def request(self, name: str) -> None:
        """Change to a model in a thread; an error is reported by `say`, and changes nothing."""

        def change() -> None:
            try:
                self.change(name)
            except UserError as error:
                self._say(str(error))

        threading.Thread(target=change, name="model-switch", daemon=True).start()

    def change(self, name: str) -> None:
        """Change to a model; the loop goes on with the current one until the new one is ready.

        Args:
            name: One of `names`.

        Raises:
            UserError: There is no such model, it can't be used, or another change is in progress.
                Nothing has changed.
        """
        if not self._is_changing.acquire(blocking=False):
            raise UserError(
                "Another model is being opened at the moment. Try again once it is running."
            )
        try:
            path = self._path(name)
            try:
                opened = self._opened(path)
            except OSError as error:
                raise UserError(explain_os_error(error, path, reading=True)) from error
            if self._loop is None:
                raise UserError("The loop has not begun yet. Try again in a moment.")
            self._loop.change_classifier(opened, str(opened.path))
            self.classifier = opened
            if self._on_change is not None:
                self._on_change(opened.crop)
        finally:
            self._is_changing.release()
        self._say(f"model  {path}: {', '.join(opened.card.shown_labels)}")

    def _path(self, name: str) -> Path:
        found = self._found()
        if self._folder is None:
            raise UserError(
                "There are no other models here. Name their folder with --models FOLDER."
            )
        if name not in found:
            listed = ", ".join(sorted(found)[:_MOST_NAMED]) or "none"
            raise UserError(
                f"There is no model {visible(name[:80])!r} in {self._folder}. There is: {listed}."
            )
        return found[name]

    def _found(self) -> dict[str, Path]:
        if self._folder is None:
            return {}
        root = self._folder.resolve()
        paths = [*self._folder.glob("*.onnx"), *self._folder.glob("*/*.onnx")]
        return {
            _name_of(path.relative_to(self._folder)): path
            for path in paths
            # A link may lead out of the folder or nowhere, and opening a pipe would block.
            if path.is_file() and path.resolve().is_relative_to(root)
        }


def _name_of(path: Path) -> str:
    is_in_folder = path.name == MODEL_NAME and path.parent != Path()
    return path.parent.as_posix() if is_in_folder else path.as_posix()
