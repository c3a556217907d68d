from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.event_delivery import deliver
from tests.tiny_model import write_tiny_model
from webcam_classifier.errors import UserError


def test_kills_of_the_broker_and_of_the_program_lose_no_event(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    colours = ((255, 0, 0), (0, 255, 0))
    jpegs = [
        cv2.imencode(".jpg", np.full((48, 64, 3), colour, np.uint8))[1].tobytes()
        for colour in colours
    ]
    try:
        found = deliver(
            tmp_path / "model.onnx", jpegs, tmp_path,
            kills=["broker", "broker", "program"], seed=1,
        )  # fmt: skip
    except UserError as error:
        pytest.skip(str(error))
    assert found.seen >= 6
    assert found.lost == 0
    assert found.is_in_order
    assert found.runs == 3
