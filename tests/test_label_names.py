from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from webcam_classifier.dataset.label_names import ambiguous_names, check_labels, label_problem
from webcam_classifier.errors import UserError


@pytest.mark.parametrize(
    "label",
    ["thumbs_up", "thumbs up", "größe", "こんにちは", "👍", "a.b", "1", "-x", "console", "x" * 255],
)
def test_a_label_that_can_be_a_folder_is_taken(label: str, tmp_path: Path) -> None:
    assert check_labels([label], tmp_path) == (label,)
    (tmp_path / label).mkdir()
    assert check_labels([label], tmp_path) == (label,)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "empty"),
        (".", "dot"),
        ("..", "dot"),
        (".hidden", "hide"),
        ("a/b", "'/'"),
        ("../up", "'/'"),
        ("a\\b", r"'\\'"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("\x7f", "control"),
        ("\udcff", "invisible"),
        (" a", "space"),
        ("a ", "space"),
        ("a\u3000", "space"),
        ("a.", "Windows"),
        ("con", "Windows"),
        ("NUL", "Windows"),
        ("Com1", "Windows"),
        ("lpt¹", "Windows"),
        ("unknown", "like none of the labels"),
        ("No_Picture", "the camera gives no picture"),
        ("Unknown", "like none of the labels"),
        ("aux.txt", "Windows"),
        ("aux .txt", "Windows"),
        *[(f"a{letter}b", repr(letter)) for letter in '<>:"|?*'],
        ("x" * 256, "256 bytes"),
        ("ä" * 128, "256 bytes"),
    ],
)
def test_a_label_that_cannot_is_refused_with_the_reason(
    label: str, reason: str, tmp_path: Path
) -> None:
    problem = label_problem(label)
    assert problem is not None
    assert reason in problem
    with pytest.raises(UserError, match="Choose another name"):
        check_labels(["fine", label], tmp_path)


def test_labels_are_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "größe")
    assert check_labels([decomposed], tmp_path) == ("größe",)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["Cup", "cup"], "upper and lower case"),
        (["straße", "STRASSE"], "upper and lower case"),
        (["cup", "none", "cup"], "twice"),
    ],
)
def test_labels_that_would_share_a_folder_are_refused(
    labels: list[str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=reason):
        check_labels(labels, tmp_path)


@pytest.mark.parametrize("folder", ["Cup", "CUP"])
def test_a_folder_of_another_case_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match=f"folder '{folder}'"):
        check_labels(["cup"], tmp_path)


def test_a_data_set_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    assert check_labels(["cup"], tmp_path / "new") == ("cup",)


def test_folders_whose_names_will_be_taken_for_something_else_are_said() -> None:
    assert ambiguous_names(["cup", "pen", "caf\u00e9"]) == []
    unknown, no_picture, accents, case = ambiguous_names(
        ["Cup", "caf\u00e9", "cafe\u0301", "cup", "no_picture", "unknown"]
    )
    assert "'unknown', which is also what live shows" in unknown
    assert "'no_picture', as is the event" in no_picture
    assert "caf" in accents
    assert "'Cup' and 'cup' differ only" in case
