"""Open a model file for the live picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from webcam_classifier.crop import Crop
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import UNKNOWN_NORMAL
from webcam_classifier.runtime.providers import ExecutionConfig


def open_live_model(
    path: Path, runtime: ExecutionConfig, options: argparse.Namespace, crop: Crop | None = None
) -> Classifier:
    """Open a model file and run it once, so that the first frame need not wait.

    Args:
        path: The model file.
        runtime: What runs it.
        options: From `live_arguments.parse`.
        crop: The part of the picture to look at; None takes the part the model was trained on.

    Raises:
        ModelError: The file can't be used.
        ProviderError: The runtime can't run it.
    """
    classifier = Classifier(path, runtime, unknown=options.unknown or UNKNOWN_NORMAL)
    classifier.crop = crop or classifier.crop
    classifier.warm_up()
    return classifier
