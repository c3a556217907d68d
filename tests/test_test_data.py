"""The data of the tests is copied whole, checked, and told where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import test_data
from tools.test_data import Part, digest_of, fetch


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(test_data, "FOLDER", tmp_path / "wanted")
    monkeypatch.setattr(test_data, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("TEACH_CAMERA_TEST_DATA", str(tmp_path / "origin"))
    (tmp_path / "origin" / "data" / "cups").mkdir(parents=True)
    (tmp_path / "origin" / "data" / "cups" / "0.jpg").write_bytes(b"a picture")
    (tmp_path / "origin" / "data" / ".embeddings.sqlite").write_bytes(b"a cache")
    return tmp_path


def test_a_part_with_the_known_content_is_copied_once(here: Path) -> None:
    part = Part(digest_of(here / "origin" / "data"), "somewhere", "MIT")
    assert fetch("data", part)
    copied = [path.name for path in sorted((here / "wanted").rglob("*")) if path.is_file()]
    assert copied == ["0.jpg"]
    (here / "origin" / "data" / "cups" / "0.jpg").unlink()
    assert fetch("data", part)  # it is there already


def test_a_part_with_another_content_is_not_taken(here: Path) -> None:
    part = Part(digest_of(here / "origin" / "data"), "somewhere", "MIT")
    (here / "origin" / "data" / "cups" / "1.jpg").write_bytes(b"one more")
    assert not fetch("data", part)
    assert not (here / "wanted" / "data").exists()
    assert not fetch("nothing", part)
