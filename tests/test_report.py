"""The report, read as a browser reads it: whole, safe, and equal to metrics.json."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.cli import train
from webcam_classifier.dataset.duplicates import Copy, Duplicates
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.dataset.split import split_pictures
from webcam_classifier.evaluation.metrics import evaluate_answers
from webcam_classifier.evaluation.model_evaluation import ModelEvaluation, bursts_of
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.model_card import ModelCard
from webcam_classifier.prediction import Prediction
from webcam_classifier.report.analysis import Analysis
from webcam_classifier.report.findings import Findings
from webcam_classifier.report.label_errors import LabelError
from webcam_classifier.report.learning_curve import CurvePoint, LearningCurve
from webcam_classifier.report.novelty_check import NoveltyCheck, OutOfDistributionCheck
from webcam_classifier.report.random_split import RandomSplit
from webcam_classifier.report.render import render_report
from webcam_classifier.report.sentences import (
    describe_confidence,
    describe_what_it_rests_on,
    warnings_of,
)

_ROOT = Path(__file__).resolve().parents[1]
_LOADING = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}
_FULL = Analysis(
    curve=LearningCurve(
        tuple(CurvePoint(10 * n, 0.6 + 0.08 * n, 0.5 + 0.08 * n, 0.99) for n in (1, 2, 3, 4)),
        test_count=20, orders=5, more=50, gain=0.03, gain_low=0.0, gain_high=0.06,
    ),
    random_split=RandomSplit(apart=0.81, random=0.97, count=40, elsewhere=None),
    duplicates=Duplicates((Copy(0, 9, is_identical=True),), repeated=0),
    label_errors=(LabelError(1, 0, 1, 0.9, 0.1),),
    novelty=NoveltyCheck(
        left_out=(
            OutOfDistributionCheck("a", 0.91, 0.3, 4),
            OutOfDistributionCheck("b", 0.83, 0.5, 4),
        ),
        out_of_distribution=(OutOfDistributionCheck("noise", 1.0, 0.0, 40),),
    ),
)  # fmt: skip


class Reader(HTMLParser):
    """Collects what a page would load, its tags, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in _LOADING and value is not None:
                self.loaded.append(value)
            if name == "style" and value is not None:
                self.loaded += re.findall(r"url\(([^)]*)\)", value)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def pictures_of(folder: Path, labels: tuple[str, ...], count: int = 8) -> LabelledPictures:
    generator = np.random.default_rng(0)
    colours = {label: tuple(generator.integers(0, 256, 3).tolist()) for label in labels}
    write_coloured_pictures(folder, count, colours)
    return load_labelled_pictures(folder, 64)


def findings_of(
    pictures: LabelledPictures, analysis: Analysis, wrong: int = 2, tested: bool = True
) -> Findings:
    """Findings as a task gives them, with the first so many test pictures told wrongly."""
    labels = pictures.labels
    split = split_pictures(
        pictures.names, pictures.label_indices, labels, pictures.fingerprints, hold_test=tested
    )
    test = pictures.at(split.test)
    truths = test.label_indices
    answers = truths.copy()
    answers[:wrong] = (answers[:wrong] + 1) % len(labels)
    predictions = []
    for place, answer in enumerate(answers.tolist()):
        probabilities = np.full(len(labels), 0.2 / (len(labels) - 1), dtype=np.float32)
        probabilities[answer] = 0.8
        predictions.append(Prediction(labels, probabilities, 0.1 * place, 1.0))
    history = [
        {"epoch": n, "training_loss": None if n == 0 else 1.0 / n, "validation_loss": 0.5,
         "validation_accuracy": 0.9, "seconds": 1.0}
        for n in range(3)
    ]  # fmt: skip
    return Findings(
        task=TrainingTask(
            pictures, split, None, "squeezenet1_1", 64, 0, False, 0.0, "python train.py"
        ),
        outcome=TrainingResult(
            onnx.ModelProto(), "head", "some weights",
            details={"temperature": 2.0, "history": history, "best_epoch": 2},
        ),
        card=ModelCard(
            labels, 64, "squeezenet1_1", "head", "some weights", "2026-01-01T00:00:00+00:00",
            "dataset", "0" * 64, unknown_threshold=1.0, accuracy_rests_on="pictures kept aside",
        ),
        measured=ModelEvaluation(
            evaluate_answers(
                labels, truths, answers,
                is_unknown=np.array([one.is_unknown for one in predictions], dtype=np.bool_),
                bursts=bursts_of(test) if len(test) else None,
            ),
            tuple(predictions), 3.5, 4.5, "runtime 1",
        ),
        test=test,
        learnt_from_test=True,
        analysis=analysis,
        model_bytes=3_000_000,
        seconds=5.0,
    )  # fmt: skip


def test_the_report_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    found = findings_of(pictures_of(tmp_path / "pictures", ("a", "b")), _FULL)
    page = render_report(found, "model")
    reader = read(page)
    assert len(reader.loaded) > 5
    for address in reader.loaded:
        assert address.startswith(("data:image/jpeg;base64,", "#")), address
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "script" not in reader.tags
    assert "link" not in reader.tags
    assert "default-src 'none'" in page


def test_that_the_test_pictures_were_learnt_afterwards_is_said_and_is_no_warning(
    tmp_path: Path,
) -> None:
    found = findings_of(pictures_of(tmp_path / "pictures", ("a", "b")), _FULL)
    assert "trained on these pictures too" in describe_what_it_rests_on(found)
    assert "trained on these pictures too" in " ".join(read(render_report(found, "m")).text.split())
    assert not any("trained on" in warning for warning in warnings_of(found))
    kept_apart = dataclasses.replace(found, learnt_from_test=False)
    assert "trained on these" not in describe_what_it_rests_on(kept_apart)


def test_names_are_shown_and_never_become_markup(tmp_path: Path) -> None:
    labels = ("<script>alert(1)<br>", 'b" onload="x', "$x_1$ & #000001")
    left_out = tuple(OutOfDistributionCheck(label, 0.9, 0.3, 4) for label in labels)
    analysis = dataclasses.replace(_FULL, novelty=NoveltyCheck(left_out, out_of_distribution=()))
    found = findings_of(pictures_of(tmp_path / "pictures", labels), analysis)
    reader = read(render_report(found, "<b>model</b>"))
    assert "script" not in reader.tags
    assert "b" in reader.tags  # the template's own, for numbers
    for label in (*labels, "<b>model</b>"):
        assert label in reader.text


def test_the_figures_are_those_of_metrics_json(tmp_path: Path) -> None:
    found = findings_of(pictures_of(tmp_path / "pictures", ("a", "b", "c"), 20), _FULL, wrong=3)
    metrics = json.loads(json.dumps(found.to_dict()))
    text = " ".join(
        read(render_report(found, "model")).text.replace("\N{NO-BREAK SPACE}", " ").split()
    )
    assert f"{100 * metrics['accuracy']:.1f}".removesuffix(".0") + "%" in text.replace(" ", "")
    low, high = metrics["interval"]
    assert f"between {100 * low:.0f} and {100 * high:.0f} %" in text
    assert f"{metrics['count'] - 3} of {metrics['count']} test pictures correct" in text
    assert f"{100 * metrics['calibration']['error']:.1f} %" in text
    assert f"{100 * metrics['calibration']['error_without']:.1f} %" in text
    assert f"{100 * metrics['split']['random_split']['random']:.1f} %" in text
    assert metrics["learning_curve"]["points"][0]["snapshots"] == 10
    assert metrics["unknown"]["left_out_labels"][0]["auroc"] == 0.91
    assert "noise" in text
    assert metrics["doubted"][0]["file"] in text
    assert metrics["duplicates"]["across_labels"][0]["pictures"][1] in text
    wrong = [answer for answer in metrics["answers"] if answer["truth"] != answer["label"]]
    assert len(wrong) == 3
    for answer in wrong:
        assert answer["file"] in text
    for label, figures in metrics["per_label"].items():
        assert label in text
        assert f"{100 * figures['recall']:.0f} %" in text


def test_percentages_at_axes_are_written_as_in_the_text(tmp_path: Path) -> None:
    found = findings_of(pictures_of(tmp_path / "pictures", ("a", "b", "c"), 20), _FULL, wrong=3)
    written = re.findall(
        r">(\d+ ?%)<", render_report(found, "model").replace("\N{NO-BREAK SPACE}", " ")
    )
    assert "100 %" in written
    assert all(" " in percentage for percentage in written)


def test_the_temperature_is_taken_out_again_for_comparison(tmp_path: Path) -> None:
    calibration = findings_of(pictures_of(tmp_path / "p", ("a", "b")), Analysis()).calibration
    assert calibration is not None
    # 0.8 to 0.2 is a difference of logits of log 4; twice that is 16 to 1.
    assert calibration.bins[0].confidence == pytest.approx(0.8, abs=1e-6)
    assert calibration.bins_without[0].confidence == pytest.approx(16 / 17, abs=1e-6)


def test_without_test_pictures_the_report_says_that_nothing_is_known(tmp_path: Path) -> None:
    pictures = pictures_of(tmp_path / "pictures", ("a", "b"))
    found = findings_of(pictures, Analysis(), tested=False)
    assert "the accuracy is not known" in read(render_report(found, "model")).text
    assert found.to_dict()["accuracy"] is None
    assert found.to_dict()["calibration"] is None


def test_what_a_figure_must_be_read_with_is_said(tmp_path: Path) -> None:
    pictures = pictures_of(tmp_path / "pictures", ("a", "b"))
    name = "20261122T143015x7f3a9c-{:03}-{:04}.jpg"
    names = tuple(
        f"{label}/{name.format(1 + place, index)}"
        for place, label in enumerate(("a", "b"))
        for index in range(1, 9)
    )
    found = findings_of(dataclasses.replace(pictures, names=names), Analysis())
    text = read(render_report(found, "model")).text
    assert "come from one session" in text
    assert "are few" in text
    assert "a, b are one burst" in text
    assert "trained on these pictures too" in text


def recorded(pictures: LabelledPictures, bursts: int) -> LabelledPictures:
    """The same, named as collect.py names so many bursts of each label."""
    names, places = [], dict.fromkeys(pictures.labels, 0)
    sizes = pictures.counts()
    for index in pictures.label_indices.tolist():
        label = pictures.labels[index]
        place = places[label]
        places[label] += 1
        burst = 1 + 100 * index + place * bursts // sizes[label]
        names.append(f"{label}/20261122T143015x7f3a9c-{burst:03}-{place + 1:04}.jpg")
    return dataclasses.replace(pictures, names=tuple(names))


def text_of(found: Findings) -> str:
    page = read(render_report(found, "model")).text
    return " ".join(page.replace("\N{NO-BREAK SPACE}", " ").split())


def test_the_head_says_what_to_expect_of_new_bursts_and_what_live_shows(tmp_path: Path) -> None:
    pictures = recorded(pictures_of(tmp_path / "pictures", ("a", "b"), 60), 10)
    found = findings_of(pictures, Analysis(), wrong=2)
    evaluation = found.evaluation
    assert evaluation.burst_count == 4
    low, high = evaluation.interval or (0.0, 0.0)
    text = text_of(found)
    assert "Of 100 new snapshots" not in text
    assert f"Over many new bursts, expect {100 * low:.0f} to {100 * high:.0f} %" in text
    assert f"Measured on {evaluation.count} pictures of 4 bursts: pictures kept aside." in text
    assert text.count("one press of the key") == 1
    assert "recording" not in text
    for share in (evaluation.shown_right, evaluation.shown_wrong, evaluation.shown_unknown):
        assert 0.0 < share < 1.0
        assert f"{100 * share:.1f} %" in text


def test_two_bursts_promise_nothing_of_new_ones(tmp_path: Path) -> None:
    pictures = recorded(pictures_of(tmp_path / "pictures", ("a", "b"), 60), 3)
    found = findings_of(pictures, Analysis(), wrong=2)
    assert found.evaluation.interval is None
    text = text_of(found)
    assert "2 bursts are too few to say what to expect of new ones" in text
    assert "95 % confidence" not in text
    assert json.loads(json.dumps(found.to_dict()))["interval"] == [None, None]


def test_a_label_that_was_not_measured_is_said_beside_the_accuracy(tmp_path: Path) -> None:
    found = findings_of(pictures_of(tmp_path / "pictures", ("a", "b", "c"), 20), Analysis())
    truths = np.zeros(len(found.answers), dtype=np.int64)
    evaluation = evaluate_answers(("a", "b", "c"), truths, truths % 2)
    measured = dataclasses.replace(found.measured, evaluation=evaluation)
    text = text_of(dataclasses.replace(found, measured=measured))
    assert "b, c were not measured" in text


def test_names_that_tell_no_bursts_promise_nothing_of_them(tmp_path: Path) -> None:
    text = text_of(findings_of(pictures_of(tmp_path / "pictures", ("a", "b"), 60), Analysis()))
    assert "Over many new snapshots, expect" in text
    assert "if they were taken in a row, it is less certain than its interval says" in text


def test_without_bursts_there_is_no_word_of_them_held_back(tmp_path: Path) -> None:
    alone = RandomSplit(apart=0.95, random=0.96, count=40, elsewhere=None, has_bursts=False)
    pictures = pictures_of(tmp_path / "pictures", ("a", "b"), 20)
    text = text_of(findings_of(pictures, Analysis(random_split=alone)))
    assert "as here" not in text
    assert "bursts held back" not in text.lower()
    assert "No two of these pictures seem to be of one burst" in text


def test_a_confidence_is_blamed_only_beyond_chance(tmp_path: Path) -> None:
    pictures = pictures_of(tmp_path / "pictures", ("a", "b"), 120)
    count = len(findings_of(pictures, Analysis()).answers)
    told = {
        wrong: describe_confidence(findings_of(pictures, Analysis(), wrong=round(wrong * count)))
        for wrong in (0.2, 0.25, 0.55)
    }
    assert "within chance" in told[0.2]  # each is 80 % sure
    assert "within chance" in told[0.25]
    assert "overconfident" in told[0.55]


def test_a_hundred_labels_stay_readable(tmp_path: Path) -> None:
    labels = tuple(f"species {number:03}" for number in range(102))
    found = findings_of(pictures_of(tmp_path / "pictures", labels, 6), Analysis(), wrong=20)
    page = render_report(found, "model")
    assert "87 more labels" in page
    assert "var(--label-" not in page.split("</style>")[1]  # so many colours tell nothing apart
    assert len(page) < 1_000_000


def test_teaching_writes_the_report_beside_the_model(
    tmp_path: Path, squeezenet_weights: Path
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 12)
    arguments = [str(tmp_path / "pictures"), "--output", str(tmp_path / "m"), "--input-size", "64"]
    train.main([*arguments, "--weights", str(squeezenet_weights), "--mode", "head"])
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    text = read((tmp_path / "m" / "report.html").read_text(encoding="utf-8")).text
    assert metrics["data_hash"][:16] in text
    assert metrics["command"] in text
    assert metrics["learning_curve"]["points"]  # of bursts left out: nothing is kept to measure
    assert "left out in turn" in text
    assert metrics["shown_right"] + metrics["shown_wrong"] + metrics["shown_unknown"] == (
        pytest.approx(1.0)
    )
    assert f"{100 * metrics['shown_unknown']:.1f} %" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert metrics["split"]["random_split"]["count"] == 24


@pytest.mark.parametrize("script", ["collect", "live", "evaluate", "export.__main__"])
def test_drawing_stays_out_of_everything_but_teaching(script: str) -> None:
    code = f"import sys, {script}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False).returncode == 0
