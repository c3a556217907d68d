"""A page with the browser's camera, and the labels of a taught model beside it: a Gradio app.

    $ pip install gradio
    $ python -m examples.gradio_app models/dataset

The page of `teach-camera studio` needs no Gradio and records too; this is for Hugging Face Spaces
and for apps that are Gradio already.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webcam_classifier import Classifier, find_model


def answer(classifier: Classifier, picture: NDArray[np.uint8] | None) -> dict[str, float]:
    """Say what is on a picture, as `gradio.Label` shows it.

    Args:
        classifier: Of a taught model.
        picture: (height, width, 3) uint8 RGB, as `gradio.Image` gives it; None before the first.

    Returns:
        The probability of each label; `unknown` alone where nothing like it was taught.
    """
    if picture is None:
        return {}
    prediction = classifier.classify(np.ascontiguousarray(picture[:, :, ::-1]))
    if prediction.is_unknown:
        return {"unknown": 1.0}
    return dict(zip(prediction.labels, prediction.probabilities.tolist(), strict=True))


def build(classifier: Classifier) -> Any:  # noqa: ANN401  of gradio, which not everybody has
    """Make the page; `launch` serves it."""
    import gradio

    def labels_of(picture: NDArray[np.uint8] | None) -> dict[str, float]:
        return answer(classifier, picture)

    with gradio.Blocks(title="A taught camera", analytics_enabled=False) as page:
        label = gradio.Label(num_top_classes=3)
        with gradio.Tab("Camera"):
            camera = gradio.Image(sources=["webcam"], streaming=True, type="numpy")
            camera.stream(labels_of, camera, label, api_name=False)
        with gradio.Tab("Picture"):
            picture = gradio.Image(sources=["upload", "clipboard"], type="numpy")
            picture.change(labels_of, picture, label, api_name="classify")
    return page


if __name__ == "__main__":
    build(Classifier(find_model(Path(sys.argv[1])))).launch()
