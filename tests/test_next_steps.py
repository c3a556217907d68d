"""What the report says to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.test_report import findings_of, pictures_of
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.evaluation.metrics import evaluate_answers
from webcam_classifier.prediction import Prediction
from webcam_classifier.report.analysis import Analysis
from webcam_classifier.report.findings import Findings
from webcam_classifier.report.label_errors import LabelError
from webcam_classifier.report.next_steps import next_steps
from webcam_classifier.report.render import render_report
from webcam_classifier.report.sentences import warnings_of

LABELS = ("cup", "hand", "none")


def findings(
    folder: Path,
    mistakes: Sequence[tuple[int, int]],
    label_errors: int = 0,
    are_recorded: bool = False,
) -> Findings:
    """Findings with these mistakes, each a true label and an answer."""
    test = pictures_of(folder, LABELS)
    if are_recorded:
        for path in folder.glob("*/*.jpg"):
            path.rename(path.with_stem(f"20261122T143015x7f3a9c-001-0{path.stem}"))
        test = load_labelled_pictures(folder, 64)
    found = replace(findings_of(test, Analysis(), wrong=0), test=test)
    answers, left = test.label_indices.copy(), list(mistakes)
    for place, truth in enumerate(test.label_indices.tolist()):
        for mistake in left:
            if mistake[0] == truth:
                answers[place] = mistake[1]
                left.remove(mistake)
                break
    assert not left, "there are not as many pictures of the label"
    predictions = tuple(
        Prediction(LABELS, np.eye(3, dtype=np.float32)[answer], 0.1, 1.0)
        for answer in answers.tolist()
    )
    evaluation = evaluate_answers(LABELS, test.label_indices, answers)
    errors = tuple(LabelError(place, 0, 1, 0.9, 0.1) for place in range(label_errors))
    return replace(
        found,
        measured=replace(found.measured, evaluation=evaluation, predictions=predictions),
        analysis=Analysis(label_errors=errors),
        task=replace(found.task, split=replace(found.task.split, cut_labels=())),
    )


@pytest.mark.parametrize(
    ("mistakes", "record", "add", "reason"),
    [
        (
            [(2, 0), (2, 0), (2, 0), (1, 0)],
            'Record "none" with other things to see',
            'Add pictures of other things to "none"',
            '3 of 4 mistakes are "none" taken for "cup".',
        ),
        (
            [(1, 0), (1, 0), (1, 2), (1, 2), (0, 1)],
            'Record "hand" in other ways',
            'Add more varied pictures to "hand"',
            '4 of 5 mistakes are "hand" taken for others.',
        ),
        (
            [(0, 2), (0, 2), (1, 2), (1, 2), (0, 1), (1, 0)],
            'Record the other labels where they resemble "none"',
            'Add pictures of other labels that resemble "none"',
            '4 of 6 mistakes are others taken for "none".',
        ),
        (
            [(0, 1), (1, 2), (2, 0)],
            'Record more bursts of "cup", "hand" and "none"',
            'Add more pictures of "cup", "hand" and "none"',
            "the 3 mistakes are spread over them.",
        ),
    ],
)
def test_mistakes_say_what_to_record_and_of_photographs_what_to_add(
    tmp_path: Path, mistakes: Sequence[tuple[int, int]], record: str, add: str, reason: str
) -> None:
    recorded = findings(tmp_path / "recorded", mistakes, are_recorded=True)
    assert f"{record}: {reason}" in next_steps(recorded)
    photographs = next_steps(findings(tmp_path / "photographs", mistakes))
    assert f"{add}: {reason}" in photographs
    assert not any("burst" in step for step in photographs)


def test_wrong_labels_come_first_and_are_no_mistakes_of_the_model(tmp_path: Path) -> None:
    steps = next_steps(findings(tmp_path, [], label_errors=2))
    assert steps[0].startswith("2 snapshots look like another label: look through them with")
    one = next_steps(findings(tmp_path / "one", [], label_errors=1))
    assert one[0].startswith("1 snapshot looks like another label: look through it with")


def test_a_label_of_one_burst_is_to_be_recorded_once_more(tmp_path: Path) -> None:
    found = findings(tmp_path, [])
    cut = replace(found.task.split, cut_labels=("cup",))
    steps = next_steps(replace(found, task=replace(found.task, split=cut)))
    assert 'Record "cup" once more, elsewhere: its snapshots are nearly all of one burst.' in steps


def test_where_nothing_stands_out_it_says_so_and_the_report_begins_with_it(tmp_path: Path) -> None:
    found = findings(tmp_path, [])
    steps = next_steps(found)
    assert 1 <= len(steps) <= 3
    page = render_report(found, "cups")
    assert page.index("What to do next") < page.index('class="headline"')


def test_a_command_has_the_folder_in_quotes_where_it_has_a_space(tmp_path: Path) -> None:
    (tmp_path / "my pictures").mkdir()
    first = next_steps(findings(tmp_path / "my pictures", [], label_errors=2))[0]
    assert f"--dataset '{tmp_path / 'my pictures'}'" in first


def test_few_recordings_want_more_bursts_and_few_photographs_more_pictures(tmp_path: Path) -> None:
    recorded = warnings_of(findings(tmp_path / "recorded", [], are_recorded=True))
    assert "More bursts make it more certain." in recorded[0]
    photographs = warnings_of(findings(tmp_path / "photographs", []))
    assert "More pictures make it more certain." in photographs[0]
