"""The heat on the report's worst mistakes lies on what the wrong label was predicted from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from webcam_classifier.cli import train
from webcam_classifier.report.findings import Findings
from webcam_classifier.training.evaluate_and_save import evaluate_and_save

_HEIGHT, _WIDTH, _RADIUS = 120, 160, 20  # pixels
_COLOURS = {"blue": (220, 60, 40), "red": (40, 60, 220)}  # BGR


def write_discs(folder: Path, bursts: int, seed: int = 0) -> dict[str, tuple[int, int]]:
    """Write discs before the same grey wall; in the last burst of red, one of them is blue.

    Returns:
        The middle of each disc, x and y in pixels, by the picture's name.
    """
    generator = np.random.default_rng(seed)
    middles = {}
    for number in range(bursts):
        for label, colour in _COLOURS.items():
            for index in range(8):
                picture = np.full((_HEIGHT, _WIDTH, 3), 120.0)
                x, y = generator.integers(25, _WIDTH - 25), generator.integers(25, _HEIGHT - 25)
                is_swapped = label == "red" and number == bursts - 1 and index == 3
                drawn = _COLOURS["blue"] if is_swapped else colour
                cv2.circle(picture, (int(x), int(y)), _RADIUS, drawn, -1)
                picture += generator.normal(0.0, 4.0, picture.shape)
                name = f"{label}/20261122T143015x7f3a9c-{number:03d}-{index:04d}.png"
                middles[name] = (int(x), int(y))
                (folder / label).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / name), np.clip(picture, 0, 255).astype(np.uint8))
    return middles


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_heat_of_a_mistake_lies_on_what_was_mistaken(
    squeezenet_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: bool,
) -> None:
    found: list[Findings] = []

    def keep(*arguments: object, **named: object) -> Findings:
        found.append(evaluate_and_save(*arguments, **named))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(train, "evaluate_and_save", keep)
    middles = write_discs(tmp_path / "discs", 4)
    command = [str(tmp_path / "discs"), "--output", str(tmp_path / "model"), "--mode", "head"]
    command += ["--weights", str(squeezenet_weights)]
    if elsewhere:
        middles = write_discs(tmp_path / "other", 1, seed=1)
        command += ["--test-dataset", str(tmp_path / "other")]
    train.main(command)
    (findings,) = found
    assert (findings.outcome.cross_validation is None) == elsewhere
    mistakes = {findings.answers[place].file: place for place in findings.worst_mistakes}
    swapped = next(name for name in mistakes if name.endswith("0003.png"))
    assert findings.answers[mistakes[swapped]].label == "blue"
    heat = findings.mistake_heat_maps[mistakes[swapped]]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    peak = (column + 0.5) * _WIDTH / heat.shape[1], (row + 0.5) * _HEIGHT / heat.shape[0]
    distance = np.hypot(*np.subtract(peak, middles[swapped]))
    assert distance < _RADIUS + _WIDTH / heat.shape[1], "a place of the map is this wide"
    report = (tmp_path / "model" / "report.html").read_text()
    assert "On the right, what the prediction rests on" in report
    assert report.count('class="pair"') >= len(mistakes)
