"""Model files that earlier versions wrote open, say the same of themselves, and answer as they did.

`earlier_cards/` holds, for each state that the card's format has had, a card as the program of that
time wrote it, and what that program answered to pictures. They are never written again: a new field
adds a file, which `python -m tools.keep_card NAME` writes.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier import Classifier
from webcam_classifier.evaluation.learnt_pictures import learnt_pictures
from webcam_classifier.model_card import CARD_KEY, FORMAT_VERSION, ModelCard, read_card

_CARDS = sorted((Path(__file__).parent / "earlier_cards").glob("*.json"))


def written_earlier(kept: dict[str, Any], folder: Path) -> Path:
    """A model file with the card of an earlier version; the graph has not changed since."""
    path = folder / "model.onnx"
    fields = json.loads(kept["card"])
    write_tiny_model(path, unknown_threshold=fields.get("unknown_threshold"))
    model = onnx.load(path)
    del model.metadata_props[:]
    model.metadata_props.add(key=CARD_KEY, value=kept["card"])
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("kept_card", _CARDS, ids=lambda path: path.stem)
def test_a_model_of_an_earlier_version_answers_as_it_did(kept_card: Path, tmp_path: Path) -> None:
    kept = json.loads(kept_card.read_text(encoding="utf-8"))
    classifier = Classifier(written_earlier(kept, tmp_path))
    for answer in kept["answers"]:
        image = np.zeros((48, 64, 3), np.uint8)
        image[:, slice(None) if classifier.crop is None else slice(16, 48)] = answer["colour"]
        prediction = classifier.classify(image)
        assert prediction.label == answer["label"]
        assert prediction.is_unknown == answer["is_unknown"]
        np.testing.assert_allclose(prediction.probabilities, answer["probabilities"], atol=1e-5)


@pytest.mark.parametrize("kept_card", _CARDS, ids=lambda path: path.stem)
def test_a_card_of_an_earlier_version_keeps_all_that_it_says(kept_card: Path) -> None:
    text = json.loads(kept_card.read_text(encoding="utf-8"))["card"]
    fields = json.loads(text)
    again = json.loads(read_card(text, Path("model.onnx")).to_json())
    assert {name: again[name] for name in fields} == fields


def test_what_an_earlier_version_did_not_know_is_not_made_up(tmp_path: Path) -> None:
    kept = json.loads(_first().read_text(encoding="utf-8"))
    path = written_earlier(kept, tmp_path)
    card = Classifier(path).card
    assert card.names == ()
    assert card.unknown_threshold is None
    assert card.strict_threshold is None
    assert card.crop is None
    assert learnt_pictures(path, card) is None


def test_each_state_of_the_format_is_kept() -> None:
    """Whoever adds a field to the card keeps a card without it here, and one with it."""
    texts = [json.loads(path.read_text(encoding="utf-8"))["card"] for path in _CARDS]
    states = {frozenset(json.loads(text)) for text in texts}
    assert len(states) == len(_CARDS)
    assert frozenset(field.name for field in dataclasses.fields(ModelCard)) in states
    assert {json.loads(text)["format_version"] for text in texts} == set(
        range(1, FORMAT_VERSION + 1)
    )


def _first() -> Path:
    return next(path for path in _CARDS if path.stem == "first")
