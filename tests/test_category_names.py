"""Names for labels that are numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webcam_classifier.dataset.category_names import (
    display_names,
    find_category_names,
    read_category_names,
)
from webcam_classifier.errors import UserError


@pytest.mark.parametrize("name", ["category_names.json", "cat_to_name.json"])
def test_names_are_found_in_the_data_sets_folder(tmp_path: Path, name: str) -> None:
    assert find_category_names(tmp_path) == {}
    (tmp_path / name).write_text('{"21": "fire  lily", "3": "canterbury bells"}')
    assert find_category_names(tmp_path) == {"21": "fire lily", "3": "canterbury bells"}


def test_each_label_is_shown_by_its_name_or_else_by_itself() -> None:
    names = {"1": "rose", "10": "lily", "2": "lily", "99": "of another set"}
    assert display_names(("1", "10", "2", "3"), names) == ("rose", "lily (10)", "lily (2)", "3")
    assert display_names(("1", "2"), {}) == ()


def test_names_of_other_labels_are_refused() -> None:
    with pytest.raises(UserError, match=r"are for 1, \.\.\., and the labels are cat, dog"):
        display_names(("cat", "dog"), {"1": "rose"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("[1, 2]", "holds no category names"),
        ("{}", "holds no category names"),
        ('{"1": 7}', "gives the label '1' the name 7"),
        ('{"1": " "}', "gives the label '1' the name ' '"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "names.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_category_names(path)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        read_category_names(tmp_path / "missing.json")


def test_names_in_any_script_survive(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text("\ufeff" + json.dumps({"1": "Grün", "2": "赤"}, ensure_ascii=False), "utf-8")
    assert read_category_names(path) == {"1": "Grün", "2": "赤"}
