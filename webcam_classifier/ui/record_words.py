"""The texts about recording and teaching, in the window and on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.command_names import typed
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.snapshot_quality import SnapshotProblem
from webcam_classifier.display.label_panel import Bar, LabelRow
from webcam_classifier.display.shapes import AMBER, GREEN, PALE, WHITE
from webcam_classifier.evaluation.metrics import describe_accuracy_briefly, describe_shown
from webcam_classifier.percentage import rounded_percentage
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.recording import DISK_TOO_SLOW
from webcam_classifier.teaching.state import LearningState, RecordingState
from webcam_classifier.teaching.training_job import JobState
from webcam_classifier.ui.overlay import Verdict, bar_colour, judge

LABELS_WITH_KEYS = 9
ENOUGH_RECORDINGS = 3
"""Recordings of a label: if one is left out to measure the accuracy, two remain to learn from."""

ADVICE: Mapping[str, str] = {
    SnapshotProblem.TOO_DARK.value: "let more light in",
    SnapshotProblem.TOO_BRIGHT.value: "turn away from the light",
    SnapshotProblem.BLURRED.value: "move more slowly, or focus the camera",
    SnapshotProblem.NEARLY_THE_SAME.value: "move a little",
    DISK_TOO_SLOW: "record at a lower --rate",
}
"""What to do if pictures are not recorded, by the reason."""

_SKIP_FOR = 3.0  # seconds that a skipped frame is shown
_PICTURES_OF = re.compile(r"\d+ pictures? of (?=\d+ bursts?)")
_NOT_KNOWN = Bar(0.0, PALE, "-")


@dataclass(frozen=True)
class Message:
    """A line that is shown for a while.

    Attributes:
        text: The line.
        is_warning: Whether it is about something to be fixed.
        at: Since when, in seconds on the monotonic clock.
        until: Until when, in seconds on the monotonic clock.
    """

    text: str
    is_warning: bool
    at: float = 0.0
    until: float = 0.0


def choose_message(
    state: RecordingState,
    learning: LearningState | None,
    told: Message,
    job: JobState | None,
    now: float,
) -> Message:
    """Choose the one message that is shown: news first, then what stays true.

    Args:
        state: The state of the session.
        learning: Its state of learning; None if it only records.
        told: The window's last message.
        job: The state of the job that writes the model; None if none is running.
        now: Seconds on the monotonic clock.
    """
    skip = state.last_skip
    if skip is not None and now < skip.at + _SKIP_FOR and skip.at > told.at:
        return Message(f"{skip.reason}: {ADVICE[skip.reason]}", True)
    if now < told.until:
        return told
    problem = state.problem or (learning.problem if learning is not None else "")
    if problem:
        return Message(problem, True)
    if job is not None and job.is_running:
        return Message(f"writing {job.output}: {job.message}", False)
    if state.warnings:
        return Message(state.warnings[0], True)
    return Message(describe_recordings(state) if learning is None else "", False)


def describe_recordings(state: RecordingState) -> str:
    """Say what to record next, or that there is enough; empty if recordings can't be counted.

    Args:
        state: The state of the session.
    """
    if not state.labels or any(label.recordings is None for label in state.labels):
        return ""
    counts = {label.name: label.recordings or 0 for label in state.labels}
    name = min(counts, key=lambda label: counts[label])
    if counts[name] == 0:
        return f"record {name}"
    if counts[name] < ENOUGH_RECORDINGS:
        return (
            f"one more recording of {name}, in another place or light "
            f"({counts[name]} of {ENOUGH_RECORDINGS})"
        )
    if len(counts) == 1:
        return f"enough of {name}; n adds another label"
    return "enough recordings of every label; more in other places make it better"


def key_for(index: int) -> str:
    """Return the key that records a label, by its index."""
    return str(index + 1) if index < LABELS_WITH_KEYS else "space"


def label_rows(state: RecordingState, chosen: int, recording: str) -> list[LabelRow]:
    """Return the row of each label.

    Args:
        state: The state of the session.
        chosen: Index of the label that the space bar records.
        recording: The label that is being recorded; empty if none is.
    """
    return [
        LabelRow(
            key=str(index + 1) if index < LABELS_WITH_KEYS else "",
            label=label.name,
            count=label.count,
            is_recording=label.name == recording,
            is_chosen=index == chosen,
            is_behind=label.is_behind,
        )
        for index, label in enumerate(state.labels)
    ]


def count_bars(state: RecordingState, recording: str) -> list[Bar]:
    """Return a bar for each label: its pictures compared with the largest label's."""
    most = max((label.count for label in state.labels), default=0)
    return [
        Bar(
            label.count / max(1, most),
            WHITE if label.name == recording else AMBER if label.is_behind else GREEN,
            _recordings_words(label.recordings),
        )
        for label in state.labels
    ]


def _recordings_words(recordings: int | None) -> str:
    if recordings is None:
        return ""
    return "enough" if recordings >= ENOUGH_RECORDINGS else f"{recordings} of {ENOUGH_RECORDINGS}"


def probability_bars(state: RecordingState, prediction: Prediction) -> list[Bar]:
    """Return a bar for each label: its probability, or an empty one if it is not learnt yet."""
    if not prediction.labels:
        return no_bars(state)
    verdict = judge(prediction)
    shares = dict(zip(prediction.labels, prediction.probabilities.tolist(), strict=True))
    return [
        Bar(
            shares[label.name],
            bar_colour(prediction, verdict, is_best=label.name == prediction.label),
            rounded_percentage(shares[label.name], 0),
        )
        if label.name in shares
        else _NOT_KNOWN
        for label in state.labels
    ]


def no_bars(state: RecordingState) -> list[Bar]:
    """Return an empty bar for each label, while there is no picture."""
    return [_NOT_KNOWN] * len(state.labels)


def verdict_or_step(state: RecordingState, prediction: Prediction) -> Verdict:
    """Return the model's verdict, or the next step if it can't tell labels apart yet."""
    if prediction.labels:
        names = [label.name for label in state.labels]
        is_there = prediction.label in names[:LABELS_WITH_KEYS]
        return judge(prediction, key_for(names.index(prediction.label)) if is_there else "")
    if not state.labels:
        return Verdict("press n", "and type the name of what you show it", WHITE)
    for index, label in enumerate(state.labels):
        if not label.count:
            return Verdict(f"hold {key_for(index)}", f"while you show it {label.name}", WHITE)
    if len(state.labels) == 1:
        return Verdict("press n", "for a second label, such as background", WHITE)
    return Verdict("learning", "it answers in a moment", WHITE)


def first_steps(state: RecordingState) -> list[tuple[str, str]]:
    """Return the first steps, each with its key; none once something was recorded."""
    if any(label.count for label in state.labels):
        return []
    names = [label.name for label in state.labels]
    steps = [] if len(names) > 1 else [("n", "type the name of what you show it")]
    first = f"hold it while you show {names[0]}, and move" if names else "hold it, and move about"
    second = (
        f"then the same for {names[1]}" if len(names) > 1 else "then the same for another label"
    )
    return [*steps, ("1", first), ("2", second), ("w", "save the model, when it is good enough")]


def facts(learning: LearningState) -> list[str]:
    """Return lines about the accuracy, how it was measured, and what is still to be learnt."""
    if not learning.is_ready:
        return []
    found = learning.accuracy
    if found is None:
        lines = [learning.accuracy_advice] if learning.accuracy_advice else []
    else:
        evaluation = found.evaluation
        of_now = "accuracy" if found.is_current else "accuracy was"
        # There is room for one line, so only the number of bursts is shown, not of pictures.
        accuracy = _PICTURES_OF.sub("", describe_accuracy_briefly(evaluation))
        cut = evaluation.cut_labels
        lines = [
            f"{of_now} {accuracy}",
            describe_shown(evaluation),
            f"{', '.join(cut)}: one burst each, cut in time; record more elsewhere"
            if cut
            else f"measured on {found.rests_on}",
        ]
    if learning.pending:
        lines.append(f"{_count(learning.pending, 'snapshot')} still being analysed")
    return lines


def keys_line(count: int, *, is_typing: bool, is_teaching: bool) -> str:
    """List the keys, for this number of labels."""
    if is_typing:
        return "type a name    Enter adds it    Escape cancels"
    if count == 0:
        return "n new label    m mirror    q quit"
    if count > LABELS_WITH_KEYS:
        record = "tab chooses, space records"
    else:
        record = f"hold {'1' if count == 1 else f'1-{count}'} to record, tap for one"
    own = "w save    drag a part" if is_teaching else "drag a part"
    return f"{record}    n new label    u undo    {own}    m mirror    q quit"


def describe_crop(crop: Crop, analysed_again: int = 0) -> str:
    """Say which part of the picture is used from now on.

    Args:
        crop: The part.
        analysed_again: How many snapshots are embedded again for it.
    """
    if crop.is_whole:
        told = "the whole picture is used"
    else:
        told = "only this part of the picture is used; press a for all of it"
    again = f"{_count(analysed_again, 'snapshot')} analysed again" if analysed_again else ""
    return f"{told}; {again}" if again else told


def describe_undone(undone: UndoneBurst | None) -> str:
    """Say what was undone."""
    if undone is None:
        return "nothing to undo: snapshots of earlier runs stay"
    return f"undone: {_count(undone.count, 'picture')} of {undone.label}"


def describe_skipped(state: RecordingState) -> str:
    """List how many frames were not recorded, by reason; empty if none was left out."""
    return ", ".join(f"{count} {reason}" for reason, count in state.skipped.items())


def describe_saved(state: RecordingState, saved: Mapping[str, int]) -> str:
    """Say at the end what was recorded and what was not.

    Args:
        state: The state of the session.
        saved: The number of saved snapshots by label.
    """
    counts = ", ".join(f"{count} of {label}" for label, count in saved.items())
    lines = [f"saved {counts} in {state.dataset}" if saved else "nothing was saved"]
    if state.skipped:
        lines.append(f"not recorded: {describe_skipped(state)} (--keep-all records all)")
    return "\n".join(lines + (_next_steps(state) if saved else []))


def _next_steps(state: RecordingState) -> list[str]:
    """Say what to run next."""
    lines = []
    few = [
        f"{label.name} {label.recordings or 'none'}"
        for label in state.labels
        if label.recordings is not None and label.recordings < ENOUGH_RECORDINGS
    ]
    if few:
        lines.append(
            f"record each label {ENOUGH_RECORDINGS} times or more, in different places or light; "
            f"so far: {', '.join(few)}"
        )
    dataset = typed(state.dataset)
    if sum(label.count > 0 for label in state.labels) > 1:
        lines.append(f"next: python train.py {dataset}")
    else:
        empty = next((label.name for label in state.labels if not label.count), "")
        lines.append(f"next: record {empty or 'a second label, such as background'}")
    return lines


def describe_teaching(
    state: RecordingState, learning: LearningState, output: Path, is_written: bool
) -> str:
    """Say at the end what was recorded, and how to write a model if none was written."""
    saved = ", ".join(f"{label.count} of {label.name}" for label in state.labels if label.count)
    lines = [f"snapshots in {state.dataset}: {saved}" if saved else "no snapshots were recorded"]
    if state.skipped:
        lines.append(f"not recorded: {describe_skipped(state)}")
    if learning.is_ready and not is_written:
        lines.append(
            "no model was written yet. To write it: "
            f"python train.py {typed(state.dataset)} --mode head --output {typed(output)}"
        )
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
