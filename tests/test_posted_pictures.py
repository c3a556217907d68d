from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stage import Lesson, Stage, lesson, scene
from tests.tiny_model import write_tiny_model
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.picture_files import decode_picture, encode_snapshot
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.web.studio import Studio

CUP, PEN = (encode_snapshot(scene(name, 7_000)) for name in ("cup", "pen"))


def studio_of(taught: Lesson, folder: Path) -> Studio:
    return Studio(taught.session, folder / "models", Stage)


def test_a_sent_picture_is_answered_by_what_is_taught_now(tmp_path: Path) -> None:
    with lesson(tmp_path / "data") as taught:
        posted = studio_of(taught, tmp_path).posted
        nothing = posted.classify(CUP)
        assert (nothing["label"], nothing["probabilities"]) == (None, {})
        taught.record("cup", 5)
        taught.record("pen", 5)
        taught.until(lambda: taught.session.learning_state().learnt == 10)
        taught.until(lambda: len(posted.classify(CUP)["probabilities"]) == 2)
        for name, content in (("cup", CUP), ("pen", PEN)):
            answer = posted.classify(content)
            assert answer["likeliest"] == name
            assert (answer["width"], answer["height"], answer["model"]) == (160, 120, None)
        # What is taught further is in the next answer.
        taught.record("none", 5, label="cup")
        green = encode_snapshot(scene("none", 7_000))
        taught.until(lambda: posted.classify(green)["label"] == "cup")
        assert len(taught.session) == 15, "a picture that is asked about is recorded"


def test_a_sent_picture_is_answered_by_the_model_that_is_watched_and_by_its_part(
    tmp_path: Path,
) -> None:
    model = tmp_path / "tiny.onnx"
    write_tiny_model(model)
    with lesson(tmp_path / "data") as taught:
        studio = studio_of(taught, tmp_path)
        studio.watched.watch_model(model)
        direct = Classifier(model)
        for content in (CUP, PEN):
            expected = direct.classify(decode_picture(content))
            answer = studio.posted.classify(content)
            assert answer["model"] == str(model)
            np.testing.assert_allclose(
                list(answer["probabilities"].values()), expected.probabilities, atol=1e-5
            )
        whole = studio.posted.classify(CUP)["probabilities"]
        studio.watched.watch_head()
        assert studio.posted.classify(CUP)["probabilities"] == {}
        taught.session.set_crop(Crop(0.0, 0.0, 0.25, 0.25))
        taught.record("cup", 5)
        taught.record("pen", 5)
        taught.until(lambda: len(studio.posted.classify(CUP)["probabilities"]) == 2)
        # Only the corner counts: a pen with the corner of a cup is one.
        mixed = scene("pen", 7_000)
        mixed[:30, :40] = scene("cup", 7_001)[:30, :40]
        assert studio.posted.classify(encode_snapshot(mixed))["likeliest"] == "cup"
        assert set(whole) == set(direct.card.labels)


def test_what_is_no_picture_is_a_sentence(tmp_path: Path) -> None:
    with lesson(tmp_path / "data") as taught:
        posted = studio_of(taught, tmp_path).posted
        for content in (b"", b"notes", CUP[:200]):
            with pytest.raises(UserError, match="This is no picture that can be used"):
                posted.classify(content)
