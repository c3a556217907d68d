"""Settings of a camera that files leave without effect are named."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from webcam_classifier.cli.source_arguments import add_source_arguments, open_source

_GIVEN = ("--camera-size", "320x240", "--give-up", "5")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture."""
    path = tmp_path / "picture.png"
    assert cv2.imwrite(str(path), np.full((48, 64, 3), 90, dtype=np.uint8))
    return path


def opened(source: str, *given: str) -> tuple[int, ...]:
    """Open a source as a command does, and return the shape of its first frame."""
    parser = argparse.ArgumentParser()
    add_source_arguments(parser)
    with open_source(parser.parse_args(["--source", source, *given])) as camera:
        frame = camera.read()
    assert frame is not None
    return frame.image.shape


def test_what_a_file_leaves_without_effect_is_named(
    picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened(str(picture), *_GIVEN) == (48, 64, 3)
    said = capsys.readouterr().err
    assert "note: --camera-size and --give-up have no effect" in said
    assert "--camera-rate" not in said


def test_a_camera_follows_them_and_nothing_is_said(
    picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened("demo:thumbs_up", *_GIVEN) == (240, 320, 3)
    assert opened(str(picture)) == (48, 64, 3)
    assert capsys.readouterr().err == ""
