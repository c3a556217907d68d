"""What the page offers to take away as a zip file: the model as a web page, and the data set."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="playwright is not installed (requirements-dev.txt)")

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser_page import PATIENCE, need_browser_runtime, open_browser, served
from tests.studio_server import SMALL_CAMERA, StudioServer, need_weights, run_studio
from tests.tiny_model import CHANNEL_LABELS, write_tiny_model
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.export.npm_archive import NpmArchive
from webcam_classifier.export.web_page import ONNXRUNTIME_WEB
from webcam_classifier.model.classifier import Classifier

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two labels with a few drawn pictures each, where `run_studio` looks for them."""
    generator = np.random.default_rng(0)
    for label in ("cup", "pen"):
        folder = tmp_path / "dataset" / label
        folder.mkdir(parents=True)
        for number in range(3):
            image = generator.integers(0, 255, (48, 64, 3), np.uint8)
            (folder / f"{number}.jpg").write_bytes(encode_snapshot(image))
    return tmp_path / "dataset"


def test_the_model_comes_as_a_page_that_answers_as_it_does(
    chromium: str, dataset: Path, tmp_path: Path
) -> None:
    need_weights()
    need_browser_runtime()
    write_tiny_model(tmp_path / "models" / "model.onnx", unknown_threshold=1.5)
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = _open(browser.new_page(), studio)
        with page.expect_download() as downloaded:
            page.get_by_test_id("pack-page").click()
        downloaded.value.save_as(tmp_path / "page.zip")
        assert downloaded.value.suggested_filename == "web_page.zip"
        with page.expect_download() as again:
            page.get_by_test_id("job-download").click()
        assert Path(again.value.path()).read_bytes() == (tmp_path / "page.zip").read_bytes()
        with page.expect_download() as packed:
            page.get_by_test_id("pack-dataset").click()
        packed.value.save_as(tmp_path / "data.zip")
        browser.close()

    names = zipfile.ZipFile(tmp_path / "data.zip").namelist()
    pictures = {path.relative_to(dataset).as_posix() for path in dataset.rglob("*.jpg")}
    assert pictures <= {name.removeprefix("dataset/") for name in names}

    with zipfile.ZipFile(tmp_path / "page.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "site")
    classifier = Classifier(tmp_path / "models" / "model.onnx")
    with open_browser(chromium) as given, served(tmp_path / "site") as link:
        opened = given.open(link)
        assert opened["notes"] == []
        for channel, label in enumerate(CHANNEL_LABELS):
            image = np.full((60, 80, 3), 40, np.uint8)
            image[..., channel] = 200
            path = tmp_path / f"{label}.png"
            cv2.imwrite(str(path), image)
            expected = classifier.classify(image)
            found = given.classify(path)
            assert found["label"] == label == expected.label
            assert found["probabilities"] == pytest.approx(expected.probabilities, abs=0.01)
        assert given.complaints == []


def test_without_the_browsers_runtime_it_says_what_to_do(
    chromium: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_weights()
    assert dataset
    write_tiny_model(tmp_path / "models" / "model.onnx")
    _leave_out(ONNXRUNTIME_WEB, tmp_path, monkeypatch)
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = _open(browser.new_page(), studio)
        page.get_by_test_id("pack-page").click()
        error = page.get_by_test_id("job-error")
        told = f"put {ONNXRUNTIME_WEB.file_name} from a machine that has it"
        expect(error).to_contain_text(told, timeout=1000 * PATIENCE)
        expect(page.get_by_test_id("job-download")).to_be_hidden()
        expect(page.get_by_test_id("pack-page")).to_be_enabled()
        browser.close()


def _open(page: Page, studio: StudioServer) -> Page:
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(studio.link)
    page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
    return page


def _leave_out(archive: NpmArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the studio a cache without an archive, and an npm that can't reach its registry."""
    kept = cache_folder()
    other = tmp_path / "cache" / kept.name
    other.mkdir(parents=True)
    for path in kept.iterdir():
        if path.is_file() and path.name != archive.file_name:
            (other / path.name).symlink_to(path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(other.parent))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
