"""Keep a card as today's program writes it, for later versions: `python -m tools.keep_card NAME`.

Whoever adds a field to the model card runs this once. `tests/test_earlier_models.py` then holds for
ever that a file with such a card opens, and answers as it does today.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from tests.tiny_model import write_tiny_model
from webcam_classifier import Classifier
from webcam_classifier.crop import Crop
from webcam_classifier.evaluation.learnt_pictures import pack_hashes
from webcam_classifier.model.writer import write_model

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "earlier_cards"

_COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 200), (255, 255, 255), (60, 60, 60))  # BGR


def main() -> None:
    """Write the file, unless there is one of that name."""
    path = FOLDER / f"{sys.argv[1]}.json"
    if path.exists():
        sys.exit(f"{path} is there already, and such a file never changes. Choose another name.")
    path.write_text(card_and_answers(), encoding="utf-8")
    print(f"written: {path}")


def card_and_answers() -> str:
    """Return a card with every field set, and what a model with it answers, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        card = dataclasses.replace(
            write_tiny_model(path, unknown_threshold=1.5),
            history=("head on frozen features", "tidied"),
            dataset="pictures/Übung",
            names=("Blau", "Grün", "Rot"),
            strict_threshold=0.9,
            crop=Crop(0.25, 0.0, 0.5, 1.0),
            learnt_hashes=pack_hashes(["ab" * 32, "cd" * 32]),
        )
        write_model(onnx.load(path), card, path)
        classifier = Classifier(path)
        answers = [answer(classifier, colour) for colour in _COLOURS]
    kept = {"card": card.to_json(), "answers": answers}
    return json.dumps(kept, ensure_ascii=False, indent=1) + "\n"


def answer(classifier: Classifier, colour: tuple[int, int, int]) -> dict[str, object]:
    """Ask about a picture that has the colour within the part that the card names."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 16:48] = colour
    said = classifier.classify(image)
    return {
        "colour": colour,
        "label": said.label,
        "probabilities": [round(float(share), 6) for share in said.probabilities],
        "is_unknown": said.is_unknown,
    }


if __name__ == "__main__":
    main()
