"""Say what the state of teaching comes to, in the words of the window and of the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.display.label_panel import Bar, LabelRow
from webcam_classifier.display.shapes import PALE, WHITE
from webcam_classifier.evaluation.metrics import describe_accuracy_briefly, describe_shown
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.state import TeachingState
from webcam_classifier.teaching.training_job import JobState
from webcam_classifier.ui.collect_window import ADVICE
from webcam_classifier.ui.overlay import Verdict, bar_colour, judge

LABELS_WITH_KEYS = 9

_SKIP_FOR = 3.0  # seconds that a frame which was not recorded is told of
_NOT_KNOWN = Bar(0.0, PALE, "-")


@dataclass(frozen=True)
class Message:
    """A line that is said for a while.

    Attributes:
        text: The line.
        is_warning: Whether it is about something to be mended.
        at: Seconds on the monotonic clock: since when.
        until: Likewise: when it has been said long enough.
    """

    text: str
    is_warning: bool
    at: float = 0.0
    until: float = 0.0


def choose_message(
    state: TeachingState, told: Message, job: JobState | None, now: float
) -> Message:
    """Choose what is worth the one line that there is: what is new first, then what stays true.

    Args:
        state: Of the session.
        told: What the window has said last.
        job: How the writing of the model goes, if it does.
        now: Seconds on the monotonic clock.
    """
    skip = state.last_skip
    if skip is not None and now < skip.at + _SKIP_FOR and skip.at > told.at:
        return Message(f"{skip.reason}: {ADVICE.get(skip.reason, 'not recorded')}", True)
    if now < told.until:
        return told
    if state.problem:
        return Message(state.problem, True)
    if job is not None and job.is_running:
        return Message(f"writing {job.output}: {job.message}", False)
    if state.warnings:
        return Message(state.warnings[0], True)
    skipped = describe_skipped(state)
    return Message(f"not recorded: {skipped}" if skipped else "", False)


def key_for(index: int) -> str:
    """Name what is pressed to record a label, by its place in the list."""
    return str(index + 1) if index < LABELS_WITH_KEYS else "space"


def label_rows(state: TeachingState, chosen: int, recording: str) -> list[LabelRow]:
    """Give each label its row.

    Args:
        state: Of the session.
        chosen: Index of the label that the space bar records.
        recording: The label that is being recorded; empty where none is.
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


def probability_bars(state: TeachingState, prediction: Prediction) -> list[Bar]:
    """Give each label the bar of its probability; without one what has not been learnt yet."""
    if not prediction.labels:
        return [_NOT_KNOWN] * len(state.labels)
    verdict = judge(prediction)
    shares = dict(zip(prediction.labels, prediction.probabilities.tolist(), strict=True))
    return [
        Bar(
            shares[label.name],
            bar_colour(prediction, verdict, is_best=label.name == prediction.label),
            f"{100 * shares[label.name]:.0f} %",
        )
        if label.name in shares
        else _NOT_KNOWN
        for label in state.labels
    ]


def verdict_or_step(state: TeachingState, prediction: Prediction) -> Verdict:
    """Say what is seen, or what to do next as long as nothing can be told apart."""
    if prediction.labels:
        return judge(prediction)
    if not state.labels:
        return Verdict("press n", "and type the name of what you show it", WHITE)
    for index, label in enumerate(state.labels):
        if not label.count:
            return Verdict(f"hold {key_for(index)}", f"while you show it {label.name}", WHITE)
    if len(state.labels) == 1:
        return Verdict("press n", "for a second label, such as none", WHITE)
    return Verdict("learning", "it answers in a moment", WHITE)


def first_steps(state: TeachingState) -> list[tuple[str, str]]:
    """Say how to begin, each step with its key; nothing once something was recorded."""
    if any(label.count for label in state.labels):
        return []
    names = [label.name for label in state.labels]
    steps = [] if len(names) > 1 else [("n", "type the name of what you show it")]
    first = f"hold it while you show {names[0]}, and move" if names else "hold it, and move about"
    second = (
        f"then the same for {names[1]}" if len(names) > 1 else "then the same for another label"
    )
    return [*steps, ("1", first), ("2", second), ("w", "write the model, when it is right")]


def facts(state: TeachingState) -> list[str]:
    """Say how good it is, what that rests on, and how much of what is there is learnt."""
    if not state.is_ready:
        return []
    found = state.accuracy
    if found is None:
        lines = [state.accuracy_advice] if state.accuracy_advice else []
    else:
        evaluation = found.evaluation
        of_now = "accuracy" if found.is_current else "accuracy was"
        lines = [
            f"{of_now} {describe_accuracy_briefly(evaluation)}",
            describe_shown(evaluation),
            f"measured on {found.rests_on}",
        ]
    return [*lines, learning(state)]


def learning(state: TeachingState) -> str:
    """Say how many snapshots are learnt, and how many are on their way."""
    told = f"learnt {_count(state.learnt, 'snapshot')}"
    if state.pending:
        return f"{told}, looking again at {state.pending}"
    if state.corrections:
        return f"{told}, {_count(state.corrections, 'correction')}"
    return told


def keys_line(count: int, is_typing: bool) -> str:
    """Say which keys there are, for so many labels."""
    if is_typing:
        return "type a name    Enter takes it    Escape leaves"
    if count == 0:
        return "n new label    m mirror    q quit"
    if count > LABELS_WITH_KEYS:
        record = "tab chooses, hold space to record"
    else:
        record = f"hold {'1' if count == 1 else f'1-{count}'} to record, tap for one"
    return f"{record}    n new label    u undo    w write the model    m mirror    q quit"


def describe_skipped(state: TeachingState) -> str:
    """List how many frames were not recorded, by reason; empty where none was left out."""
    return ", ".join(f"{count} {reason}" for reason, count in state.skipped.items())


def describe_teaching(state: TeachingState, output: Path, is_written: bool) -> str:
    """Say at the end what there is, and how to write a model of it where that was not done."""
    saved = ", ".join(f"{label.count} of {label.name}" for label in state.labels if label.count)
    lines = [f"snapshots in {state.dataset}: {saved}" if saved else "no snapshots were recorded"]
    if state.skipped:
        lines.append(f"not recorded: {describe_skipped(state)}")
    if state.is_ready and not is_written:
        lines.append(
            "no model was written of them yet. That is done with: "
            f"python train.py {state.dataset} --mode head --output {output}"
        )
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
