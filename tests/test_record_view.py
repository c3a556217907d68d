from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.dataset.burst_numbers import count_recordings
from webcam_classifier.dataset.snapshot_quality import SnapshotProblem
from webcam_classifier.display.label_panel import draw_footer
from webcam_classifier.display.shapes import AMBER, BLUE, GREEN, PALE, RED, WHITE, Colour
from webcam_classifier.display.text import text_size
from webcam_classifier.display.window import fit_view
from webcam_classifier.evaluation.metrics import evaluate_answers
from webcam_classifier.frame import BgrImage
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.recording import DISK_TOO_SLOW
from webcam_classifier.teaching.state import (
    LabelState,
    LearningState,
    LearntAccuracy,
    RecordingState,
    Skip,
)
from webcam_classifier.teaching.training_job import JobState
from webcam_classifier.ui.name_entry import NameEntry
from webcam_classifier.ui.record_view import RecordView, draw_record_view, wrap
from webcam_classifier.ui.record_words import (
    ADVICE,
    Message,
    choose_message,
    count_bars,
    describe_saved,
    describe_skipped,
    describe_teaching,
    facts,
    first_steps,
    keys_line,
    label_rows,
    probability_bars,
    verdict_or_step,
)

LABELS = ("thumbs_up", "thumbs_down", "none")
CONFUSION = np.diag([38, 38, 37]) + np.eye(3, k=1, dtype=int) + np.diag([1, 0], -1)
ACCURACY = LearntAccuracy(
    evaluate_answers(LABELS, np.repeat([0, 1, 2], 40), np.repeat([0, 1, 2, 0], [40, 40, 33, 7])),
    "bursts that were left out in turn, but for none: the same burst, cut in time",
)
SILENT = Message("", is_warning=False)


def state(counts: dict[str, int]) -> RecordingState:
    return RecordingState(
        version=1,
        dataset=Path("d"),
        labels=tuple(LabelState(label, count, (), False) for label, count in counts.items()),
        recording=None,
        skipped={},
        last_skip=None,
        warnings=(),
        undoable=None,
        problem="",
        crop=None,
    )


def learning(counts: dict[str, int], accuracy: LearntAccuracy | None = None) -> LearningState:
    learnt = tuple(label for label, count in counts.items() if count)
    return LearningState(
        backbone="squeezenet1_1",
        input_size=224,
        runtime="cpu",
        learnt_labels=learnt if len(learnt) > 1 else (),
        learnt=sum(counts.values()),
        pending=0,
        accuracy=accuracy,
        accuracy_advice="",
        problem="",
    )


COUNTS = dict.fromkeys(LABELS, 40)
TAUGHT = state(COUNTS)
LEARNT = learning(COUNTS, ACCURACY)


def prediction(*probabilities: float, score: float = 0.0) -> Prediction:
    labels = LABELS[: len(probabilities)]
    return Prediction(labels, np.array(probabilities, np.float32), score, 1.0)


def view_of(
    told: RecordingState,
    answer: Prediction,
    recording: str = "",
    message: Message = SILENT,
    entry: NameEntry | None = None,
) -> RecordView:
    counts = {label.name: label.count for label in told.labels}
    return RecordView(
        rows=label_rows(told, 0, recording),
        bars=probability_bars(told, answer),
        recording=recording,
        message=message.text,
        is_warning=message.is_warning,
        skipped="not recorded: 3 too dark" if message.text else "",
        keys=keys_line(len(told.labels), is_typing=entry is not None, is_teaching=True),
        entry=entry,
        verdict=verdict_or_step(told, answer),
        facts=facts(learning(counts, ACCURACY)),
        steps=first_steps(told),
        status="30.0 frames/s   5.1 ms inference   11 ms old",
        progress=0.5 if message.text else None,
    )


def drawn(view: RecordView, size: tuple[int, int] = (640, 480), level: int = 90) -> BgrImage:
    width, height = size
    return draw_record_view(fit_view(np.full((height, width, 3), level, np.uint8), False), view)


def count_of(image: BgrImage, colour: Colour) -> int:
    return int(np.all(image == np.array(colour), axis=2).sum())


# The picture


@pytest.mark.parametrize(
    "size", [(640, 480), (1280, 720), (1920, 1080), (240, 320), (32, 24), (2000, 60)]
)
@pytest.mark.parametrize("count", [0, 1, 3, 9, 30])
def test_every_size_and_number_of_labels_can_be_drawn(size: tuple[int, int], count: int) -> None:
    entry = NameEntry()
    entry.text, entry.problem = "a name " * 12, "what is wrong with it " * 12
    empty = state({f"label {number} " * 9: 0 for number in range(count)})
    nothing = prediction()
    shapes = {
        drawn(view, size).shape
        for view in (
            view_of(empty, nothing),
            view_of(empty, nothing, entry=entry),
            view_of(empty, nothing, "recording " * 20, Message("told " * 60, is_warning=True)),
            view_of(TAUGHT, prediction(0.9, 0.1, 0.0), "thumbs_up"),
        )
    }
    assert len(shapes) == 1  # the window must not jump when something comes or goes


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720)])
def test_the_verdict_stands_out_from_any_picture(size: tuple[int, int], level: int) -> None:
    height, width = size[1], size[0]
    image = drawn(view_of(TAUGHT, prediction(0.9, 0.1, 0.0)), size, level)
    band = image[round(0.85 * height) : height, : width // 2].mean(axis=2)
    text, behind = float(band.max()), float(np.median(band))
    assert ((text / 255) ** 2.2 + 0.05) / ((behind / 255) ** 2.2 + 0.05) > 7  # WCAG's level AAA


@pytest.mark.parametrize("level", [0, 255])
def test_the_names_of_the_labels_stand_out_from_any_picture(level: int) -> None:
    image = drawn(view_of(TAUGHT, prediction(0.9, 0.1, 0.0)), level=level)
    row = image[62:92, 60:200].mean(axis=2)  # of the second label
    text, behind = float(row.max()), float(np.median(row))
    assert ((text / 255) ** 2.2 + 0.05) / ((behind / 255) ** 2.2 + 0.05) > 4.5  # level AA


@pytest.mark.parametrize("size", [(640, 480), (1280, 720)])
def test_no_line_beside_the_verdict_is_cut_off(size: tuple[int, int]) -> None:
    width, height = size
    view = view_of(TAUGHT, prediction(0.9, 0.1, 0.0))
    many = ["a fact that is too long to stand in a single line beside the verdict"] * 5
    image = drawn(replace(view, facts=many), size, level=0)
    edge = image[height - 2 : height, width // 2 :]
    assert edge.max() < 40  # below the last line, and through none
    band = image[round(0.8 * height) : height, width // 2 :]
    assert band.max() > 200


def test_most_of_the_picture_stays_in_sight() -> None:
    image = drawn(view_of(TAUGHT, prediction(0.9, 0.1, 0.0)), level=90)
    assert np.all(image[:480] == 90, axis=2).mean() > 0.6


def test_recording_frames_the_picture_in_red() -> None:
    still = drawn(view_of(TAUGHT, prediction(0.9, 0.1, 0.0)))
    recording = drawn(view_of(TAUGHT, prediction(0.9, 0.1, 0.0), "none"))
    assert count_of(still, RED) == 0
    assert count_of(recording[:, :4], RED) == count_of(recording[:, -4:], RED) == 4 * 480
    assert count_of(recording[:4], RED) == 4 * 640


def test_a_likelier_label_has_a_longer_bar() -> None:
    def green(probability: float) -> int:
        image = drawn(view_of(TAUGHT, prediction(probability, 1 - probability, 0.0)))
        return count_of(image[:180, :300], GREEN)

    assert green(0.99) > 1.2 * green(0.75) > 0


@pytest.mark.parametrize(
    ("answer", "colour"),
    [
        (prediction(0.9, 0.1, 0.0), GREEN),
        (prediction(0.5, 0.4, 0.1), AMBER),
        (prediction(0.9, 0.1, 0.0, score=2.0), BLUE),
    ],
)
def test_sure_unsure_and_unknown_have_colours_of_their_own(
    answer: Prediction, colour: Colour
) -> None:
    assert tuple(drawn(view_of(TAUGHT, answer))[470, 1].tolist()) == colour


def test_what_is_unknown_says_its_guess_and_the_key_that_teaches_it() -> None:
    for place, probabilities in enumerate(((0.9, 0.1, 0.0), (0.1, 0.9, 0.0))):
        verdict = verdict_or_step(TAUGHT, prediction(*probabilities, score=2.0))
        assert verdict.label == "unknown"
        assert verdict.words == f"perhaps {LABELS[place]}; hold {place + 1} if so"
    elsewhere = Prediction(("gone", "cup"), np.array([0.9, 0.1], np.float32), 2.0, 1.0)
    assert verdict_or_step(TAUGHT, elsewhere).words == "perhaps gone"


def test_work_in_the_background_shows_how_far_it_is() -> None:
    def filled(share: float) -> int:
        view = replace(view_of(TAUGHT, prediction(0.9, 0.1, 0.0)), progress=share)
        return count_of(drawn(view)[480:484], GREEN)

    assert filled(0.0) == 0
    assert filled(1.0) == 2 * filled(0.5) > 0


def test_a_long_line_gets_smaller_then_is_broken_and_then_shortened() -> None:
    assert wrap("cup", 14, 12, 200) == (("cup", 14),)
    width = text_size("bursts that were left out", 14)[0]
    assert wrap("bursts that were left out", 14, 12, width - 10)[0][1] in (12, 13)
    lines = wrap("bursts that training never saw, but for a cup and none " * 3, 14, 12, 200)
    assert len(lines) == 2
    assert all(text_size(line, size)[0] <= 200 for line, size in lines)
    assert "…" in lines[1][0]
    assert len(wrap("unbroken" * 20, 14, 12, 200)) == 1


# The words


def test_the_accuracy_says_what_it_rests_on_and_that_it_is_cross_validated() -> None:
    said = facts(LEARNT)
    assert said[0] == "accuracy 94.2 % (88 to 97 %) on 120 pictures"
    assert said[1] == "live shows 94 % correct, 6 % wrong, 0 % as unknown"
    assert said[2] == f"measured on {ACCURACY.rests_on}"
    assert len(said) == 3
    old = replace(LEARNT, accuracy=replace(ACCURACY, is_current=False), pending=3)
    assert facts(old)[0] == "accuracy was 94.2 % (88 to 97 %) on 120 pictures"
    assert facts(old)[3] == "3 snapshots still being analysed"


def test_an_accuracy_within_one_burst_says_what_to_record() -> None:
    within = replace(ACCURACY.evaluation, cut_labels=("thumbs_up", "none"))
    said = facts(replace(LEARNT, accuracy=replace(ACCURACY, evaluation=within)))
    assert "no interval" in said[0]
    assert said[2] == "thumbs_up, none: one burst each, cut in time; record more elsewhere"


def test_no_accuracy_is_made_up_where_there_is_none() -> None:
    early = replace(LEARNT, accuracy=None, accuracy_advice="record each label twice")
    assert facts(early) == ["record each label twice"]
    assert facts(learning({"cup": 3})) == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, ("press n", "and type the name of what you show it")),
        ({"cup": 0}, ("hold 1", "while you show it cup")),
        ({"cup": 8, "none": 0}, ("hold 2", "while you show it none")),
        ({"cup": 8}, ("press n", "for a second label, such as background")),
        ({"cup": 8, "none": 8}, ("learning", "it answers in a moment")),
        ({str(number): number < 9 for number in range(10)}, ("hold space", "while you show it 9")),
    ],
)
def test_until_it_can_tell_anything_it_says_what_to_do_next(
    counts: dict[str, int], said: tuple[str, str]
) -> None:
    verdict = verdict_or_step(state(counts), prediction())
    assert (verdict.label, verdict.words) == said


def test_the_first_steps_name_the_labels_and_go_with_the_first_snapshot() -> None:
    assert [key for key, _ in first_steps(state({}))] == ["n", "1", "2", "w"]
    named = first_steps(state({"cup": 0, "none": 0}))
    assert [key for key, _ in named] == ["1", "2", "w"]
    assert "cup" in named[0][1]
    assert "none" in named[1][1]
    assert first_steps(state({"cup": 1, "none": 0})) == []


def test_a_label_that_is_not_learnt_yet_has_an_empty_bar() -> None:
    told = state({"thumbs_up": 9, "thumbs_down": 9, "none": 0})
    bars = probability_bars(told, prediction(0.75, 0.25))
    assert [(bar.share, bar.words) for bar in bars] == [(0.75, "75 %"), (0.25, "25 %"), (0.0, "-")]
    assert [bar.words for bar in probability_bars(told, prediction())] == ["-", "-", "-"]


def test_what_is_new_is_said_before_what_stays_true() -> None:
    job = JobState(1, "head", "running", 0.5, "looking", (), "", Path("models/d"))
    told = Message("undone: 3 pictures of cup", is_warning=False, at=10.0, until=14.0)
    warned = replace(TAUGHT, warnings=("record more of none",), skipped={"blurred": 2})
    skipped = replace(warned, last_skip=Skip("blurred", 11.0))

    assert choose_message(skipped, LEARNT, told, job, 12.0).text.startswith("blurred: ")
    assert choose_message(skipped, LEARNT, told, job, 12.0).is_warning
    newer = replace(told, at=11.5)
    assert choose_message(skipped, LEARNT, newer, job, 12.0) == newer
    assert choose_message(warned, LEARNT, told, job, 20.0).text == "writing models/d: looking"
    done = replace(job, status="done")
    assert choose_message(warned, LEARNT, told, done, 20.0).text == "record more of none"
    assert choose_message(replace(warned, warnings=()), None, told, None, 20.0).text == ""
    broken = replace(warned, problem="the disk is full")
    assert choose_message(broken, LEARNT, told, job, 20.0).text == "the disk is full"
    held_up = replace(LEARNT, problem="learning is held up")
    assert choose_message(warned, held_up, told, job, 20.0).text == "learning is held up"
    assert describe_skipped(skipped) == "2 blurred"


def test_what_was_learnt_and_not_written_ends_with_the_command_that_writes_it() -> None:
    command = "python train.py d --mode head --output models/x"
    output = Path("models/x")
    assert command in describe_teaching(TAUGHT, LEARNT, output, is_written=False)
    assert "train.py" not in describe_teaching(TAUGHT, LEARNT, output, is_written=True)
    one = {"cup": 3}
    assert "train.py" not in describe_teaching(state(one), learning(one), output, False)
    assert describe_teaching(state({}), learning({}), output, False) == "no snapshots were recorded"
    spaced = replace(TAUGHT, dataset=Path("my data"))
    command = "python train.py 'my data' --mode head --output 'my models/d'"
    assert command in describe_teaching(spaced, LEARNT, Path("my models/d"), is_written=False)


def test_without_a_model_bars_compare_counts_and_nothing_is_said_of_answers() -> None:
    told = state({"cup": 40, "pen": 10, "none": 0})
    behind = replace(told.labels[1], is_behind=True)
    told = replace(told, labels=(told.labels[0], behind, told.labels[2]))
    bars = count_bars(told, "none")
    assert [(bar.share, bar.colour, bar.words) for bar in bars] == [
        (1.0, GREEN, ""),
        (0.25, AMBER, ""),
        (0.0, WHITE, ""),
    ]
    assert [bar.share for bar in count_bars(state({"cup": 0}), "")] == [0.0]
    view = RecordView(label_rows(told, 0, ""), bars, "", "", False, "", "keys", None)
    image = drawn(view)
    assert np.all(image[400:480] == 90)  # no band
    assert "save" not in keys_line(3, is_typing=False, is_teaching=False)


def test_what_was_saved_and_what_was_not_is_said_at_the_end() -> None:
    skipped = replace(state({"cup": 3}), skipped={"too dark": 3, "blurred": 1})
    assert describe_saved(skipped, {"cup": 3}) == (
        "saved 3 of cup in d\nnot recorded: 3 too dark, 1 blurred (--keep-all records all)\n"
        "next: record a second label, such as background"
    )
    assert describe_saved(state({"cup": 3}), {}) == "nothing was saved"


def test_a_note_stands_beside_a_message_where_there_is_room_for_it() -> None:
    def has_note(message: str, note: str) -> bool:
        lines = [(message, WHITE), ("", PALE)]
        plain, noted = draw_footer(lines, 640, 1.0), draw_footer(lines, 640, 1.0, note)
        taken = 14 + text_size(message, 14)[0]
        assert np.array_equal(plain[:, :taken], noted[:, :taken])  # it never covers the message
        assert np.array_equal(plain[:, -14:], noted[:, -14:])
        return not np.array_equal(plain, noted)

    wide = "not recorded: 3 too dark, 12 nearly the same as the last"
    assert has_note("short", "not recorded: 3 too dark")
    assert has_note("a message with a few words, and then a few more words", wide)
    nearly_full = "a message that goes on and on, and comes near to the very end of its line"
    assert not has_note(nearly_full, wide)
    assert not has_note("a message without an end " * 9, wide)


@pytest.mark.parametrize("reason", [*SnapshotProblem, DISK_TOO_SLOW])
def test_there_is_advice_for_every_picture_that_is_not_recorded(
    reason: SnapshotProblem | str,
) -> None:
    words = reason.value if isinstance(reason, SnapshotProblem) else reason
    skipped = replace(TAUGHT, last_skip=Skip(words, 1.0))
    assert choose_message(skipped, None, SILENT, None, 2.0).text == f"{words}: {ADVICE[words]}"


@pytest.mark.parametrize("count", [0, 1, 2, 9, 30])
def test_the_keys_fit_into_the_smallest_window(count: int) -> None:
    for is_typing, is_teaching in product((False, True), repeat=2):
        line = keys_line(count, is_typing=is_typing, is_teaching=is_teaching)
        assert text_size(line, 14)[0] <= 640 - 2 * 14


@pytest.mark.parametrize("with_band", [False, True])
def test_twelve_labels_are_all_shown_and_leave_most_of_the_picture(with_band: bool) -> None:
    names = [f"label_{number}" for number in range(12)]
    told = state(dict.fromkeys(names, 40))
    view = view_of(told, prediction(0.9, 0.1, 0.0))
    if not with_band:
        view = replace(view, verdict=None, bars=count_bars(told, ""), status="")
    image = drawn(view)
    changed = np.any(image[:480] != 90, axis=2)
    panel = image[: 480 - (84 if with_band else 0), :300]
    counts = np.all(panel == 255, axis=2).any(axis=1)
    rows = np.count_nonzero(np.diff(counts.astype(int)) == 1)
    assert rows == 12  # each has its line of white letters, and nothing says that more are hidden
    assert changed[:, 320:][: 480 - 84].mean() < 0.06
    assert changed[:, :320].mean() < 0.85


def recorded(**recordings: int) -> RecordingState:
    """Labels with so many recordings of ten pictures each."""
    told = state({label: 10 * count for label, count in recordings.items()})
    labels = [replace(label, recordings=recordings[label.name]) for label in told.labels]
    return replace(told, labels=tuple(labels))


@pytest.mark.parametrize(
    ("recordings", "said"),
    [
        ({"cup": 0, "pen": 0}, "record cup"),
        ({"cup": 3, "pen": 0}, "record pen"),
        ({"cup": 3, "pen": 1}, "one more recording of pen, in another place or light (1 of 3)"),
        ({"cup": 3}, "enough of cup; n adds another label"),
        ({"cup": 3, "pen": 4}, "enough recordings of every label; more in other places make it "
         "better"),
    ],
)  # fmt: skip
def test_recording_says_whether_it_is_enough_and_what_comes_next(
    recordings: dict[str, int], said: str
) -> None:
    told = recorded(**recordings)
    assert choose_message(told, None, SILENT, None, 5.0).text == said
    assert choose_message(told, LEARNT, SILENT, None, 5.0).text == ""  # there the accuracy says it
    wanted = ["enough" if count >= 3 else f"{count} of 3" for count in recordings.values()]
    assert [bar.words for bar in count_bars(told, "")] == wanted


def test_the_end_says_what_to_run_next() -> None:
    told = describe_saved(recorded(cup=3, pen=1), {"cup": 30, "pen": 10})
    assert told.splitlines()[1:] == [
        "record each label 3 times or more, in different places or light; so far: pen 1",
        "next: python train.py d",
    ]
    assert describe_saved(recorded(cup=2, pen=0), {"cup": 10}).splitlines()[1:] == [
        "record each label 3 times or more, in different places or light; so far: cup 2, pen none",
        "next: record pen",
    ]
    assert describe_saved(recorded(cup=3, pen=3), {"pen": 1}).splitlines()[1:] == [
        "next: python train.py d"
    ]
    spaced = replace(recorded(cup=3, pen=3), dataset=Path("my data"))
    assert describe_saved(spaced, {"pen": 1}).endswith("python train.py 'my data'")


def test_of_pictures_from_elsewhere_no_recordings_are_told() -> None:
    assert choose_message(TAUGHT, None, SILENT, None, 5.0).text == ""
    assert count_recordings(["a.jpg", "20261122T143015x7f3a9c-002-0017.jpg"]) is None
    names = [
        f"20261122T143015x7f3a9c-00{burst}-000{index}.jpg"
        for burst in (1, 2)
        for index in range(1, 4)
    ]
    assert count_recordings(names) == 2
    assert count_recordings([]) == 0
