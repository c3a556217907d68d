"""The page's arithmetic in JavaScript against the Python that it mirrors, run by Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from webcam_classifier import export
from webcam_classifier.crop import Crop, cropped
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.export.web_page import check_picture
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.smoothing import SteadyPrediction, smooth
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare

_PAGE = Path(export.__file__).parent / "page"
_SIZE = 224

_PREPARE = """
import fs from "node:fs";
import { prepare } from "PAGE/preprocess.js";
for (const { file, width, height, size, crop } of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const data = new Uint8Array(fs.readFileSync(file));
  fs.writeFileSync(`${file}.out`, prepare({ data, width, height }, size, crop));
}
"""
_SMOOTH = """
import fs from "node:fs";
import { Smoothing, isUnknown, likeliest } from "PAGE/smoothing.js";
const { seconds, answers } = JSON.parse(fs.readFileSync(process.argv[2]));
const smoothing = new Smoothing(seconds);
console.log(JSON.stringify(answers.map(({ at, ...answer }) => {
  const steady = smoothing.add(answer, at);
  return { best: likeliest(steady.probabilities), unknown: isUnknown(steady), ...steady };
})));
"""

# Width and height of cameras, phones and photographs; and every way that a resize goes:
# no side halved, one side to grow, exact factors, an area of pixels with and without halving.
_SIZES = (
    (640, 480), (480, 640), (320, 240), (1280, 720), (1080, 1920), (448, 448), (447, 449),
    (224, 224), (896, 224), (900, 224), (672, 224), (1000, 230), (449, 230),
    (100, 100), (150, 500), (500, 200), (37, 53), (1, 1),
)  # fmt: skip
_CROPS = (
    None,
    Crop(0.25, 0.0, 0.5, 1.0),
    Crop(0.31, 0.07, 0.433, 0.83),
    Crop(0.98, 0.0, 0.02, 1.0),
)


@pytest.fixture
def photograph(shared_data: Path) -> BgrImage:
    return read_picture(sorted((shared_data / "flowers" / "train").rglob("*.jpg"))[0])


def test_pictures_of_every_size_are_prepared_as_opencv_does(
    photograph: BgrImage, tmp_path: Path
) -> None:
    cases: list[tuple[BgrImage, Crop | None]] = [
        (image.astype(np.uint8), crop)
        for width, height in _SIZES
        for image in (cv2.resize(photograph, (width, height)), _noise(width, height))
        for crop in (_CROPS if width in (640, 1280) else _CROPS[:1])
    ]

    found = _prepared_by_node(cases, tmp_path)

    for (image, crop), prepared in zip(cases, found, strict=True):
        expected = prepare(cropped(image, crop), _SIZE)
        apart = np.abs(prepared.astype(int) - expected.astype(int))
        # Rounding may fall the other way where a picture grows: at no more than 1 of 200 places.
        assert apart.max() <= 1, (image.shape, crop)
        assert np.count_nonzero(apart) <= apart.size / 200, (image.shape, crop)


def test_the_drawn_picture_is_one_that_tells_errors() -> None:
    picture = check_picture(500, 373)
    assert picture.shape == (373, 500, 3)
    assert len(np.unique(picture)) == 256
    assert not np.array_equal(picture, picture[:, :, ::-1])  # channels in another order
    assert not np.array_equal(picture, picture[:, ::-1])  # mirrored
    x, y = 120, 77
    assert picture[y, x].tolist() == [
        (x * (channel + 1) + y * (3 - channel) + (x * y >> 6)) % 256 for channel in range(3)
    ]


@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_labels_are_steadied_as_live_does(seconds: float, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    labels = ("cup", "pen", "none")
    steady: SteadyPrediction | None = None
    expected, answers, at = [], [], 0.0
    for number in range(200):
        at += float(generator.uniform(0.01, 0.1))
        raw = generator.dirichlet(np.eye(3)[number // 25 % 3] + 0.4).astype(np.float32)
        score = float(generator.gamma(2.0, 0.6))
        steady = smooth(steady, Prediction(labels, raw, score, 1.0), at, seconds)
        expected.append(steady.prediction)
        answers.append(
            {"at": at, "probabilities": raw.tolist(), "unknownScore": score, "unknownThreshold": 1}
        )
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps({"seconds": seconds, "answers": answers}))

    found = json.loads(_node(_SMOOTH, asked, tmp_path))

    assert len({prediction.label for prediction in expected}) == 3
    for one, prediction in zip(found, expected, strict=True):
        assert labels[one["best"]] == prediction.label
        assert one["unknown"] is prediction.is_unknown
        np.testing.assert_allclose(one["probabilities"], prediction.probabilities, atol=1e-5)


def _noise(width: int, height: int) -> BgrImage:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _prepared_by_node(cases: list[tuple[BgrImage, Crop | None]], folder: Path) -> list[BgrImage]:
    asked = []
    for number, (image, crop) in enumerate(cases):
        file = folder / f"{number}.rgba"
        file.write_bytes(cv2.cvtColor(image, cv2.COLOR_BGR2RGBA).tobytes())
        height, width = image.shape[:2]
        part = None if crop is None else vars(crop)
        asked.append(
            {"file": str(file), "width": width, "height": height, "size": _SIZE, "crop": part}
        )
    (folder / "asked.json").write_text(json.dumps(asked))
    _node(_PREPARE, folder / "asked.json", folder)
    return [np.fromfile(f"{one['file']}.out", np.uint8).reshape(_SIZE, _SIZE, 3) for one in asked]


def _node(script: str, asked: Path, folder: Path) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on this machine (Debian: apt-get install nodejs)")
    shutil.copytree(_PAGE, folder / "page")
    (folder / "page" / "package.json").write_text('{"type": "module"}')
    path = folder / "ask.mjs"
    path.write_text(script.replace("PAGE", "./page"))
    done = subprocess.run(
        [node, str(path), str(asked)], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
