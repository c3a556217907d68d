"""A lamp on a pin of a Raspberry Pi or Jetson that is lit while one label is seen.

    $ pip install gpiozero
    $ python -m examples.gpio_light models/dataset 0 thumbs_up 17

Without a pin at hand: `GPIOZERO_PIN_FACTORY=mock python -m examples.gpio_light ...`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gpiozero import LED

from webcam_classifier import Classifier, LiveLoop, find_model, open_camera


def light(model: str, source: str, label: str, pin: int) -> None:
    """Light the lamp while the steady label is the wanted one."""
    lamp = LED(pin)
    classifier = Classifier(find_model(Path(model)))
    with open_camera(source) as camera, LiveLoop(camera, classifier, smoothing=0.15) as loop:
        for labelled in loop.results(wait=0.5):
            steady = None if labelled is None else labelled.steady
            lamp.value = steady is not None and not steady.is_unknown and steady.label == label
    lamp.off()


if __name__ == "__main__":
    light(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
