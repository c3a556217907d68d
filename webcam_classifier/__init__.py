"""Teach a camera, and run what it has learnt: the library behind the commands.

The names below are what a program needs; each one's documentation begins with an example. The
packages hold the rest. Importing this changes nothing in the process, and loads a module only once
a name of it is asked for: a program that wants a `Frame` waits for no inference engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webcam_classifier.camera.open_camera import open_camera as open_camera
    from webcam_classifier.camera.protocol import Camera as Camera
    from webcam_classifier.camera.protocol import CaptureSettings as CaptureSettings
    from webcam_classifier.dataset.index import Dataset as Dataset
    from webcam_classifier.dataset.picture_files import read_picture as read_picture
    from webcam_classifier.errors import UserError as UserError
    from webcam_classifier.frame import Frame as Frame
    from webcam_classifier.head.learner import Learner as Learner
    from webcam_classifier.live.loop import LiveLoop as LiveLoop
    from webcam_classifier.model.classifier import Classifier as Classifier
    from webcam_classifier.model.classifier import find_model as find_model
    from webcam_classifier.model_card import ModelCard as ModelCard
    from webcam_classifier.prediction import Prediction as Prediction
    from webcam_classifier.runtime.providers import ExecutionConfig as ExecutionConfig

_MODULES = {
    "Camera": "camera.protocol",
    "CaptureSettings": "camera.protocol",
    "Classifier": "model.classifier",
    "Dataset": "dataset.index",
    "ExecutionConfig": "runtime.providers",
    "Frame": "frame",
    "Learner": "head.learner",
    "LiveLoop": "live.loop",
    "ModelCard": "model_card",
    "Prediction": "prediction",
    "UserError": "errors",
    "find_model": "model.classifier",
    "open_camera": "camera.open_camera",
    "read_picture": "dataset.picture_files",
}
"""Where each public name is; the imports above say the same to a type checker."""

__all__ = list(_MODULES)


if not TYPE_CHECKING:  # else a type checker would take any name for one of these

    def __getattr__(name: str) -> object:
        """Load what a public name stands for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = found  # the next time it is found without this
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
