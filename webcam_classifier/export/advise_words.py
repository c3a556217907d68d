"""The texts of `--advise`: the table, the recommendation, and the commands to follow it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from webcam_classifier.command_names import typed
from webcam_classifier.evaluation.metrics import describe_interval
from webcam_classifier.export.agreement import align
from webcam_classifier.export.candidates import MUCH_FASTER, NEARLY_ALL, Candidate
from webcam_classifier.model_card import ModelCard
from webcam_classifier.percentage import percentage


def describe_table(
    candidates: Sequence[Candidate],
    best: Sequence[Candidate],
    origin: str,
    truth_is_known: bool,
) -> str:
    """Format the candidates as a table, the fastest first.

    Args:
        candidates: What was measured.
        best: The frontier among them, which is marked.
        origin: Which pictures the figures were measured on, in words.
        truth_is_known: Whether accuracy could be measured.
    """
    head = ["", "model", "runs on", "median", "best", "accuracy", "same answers", "size"]
    rows = [head]
    for one in sorted(candidates, key=lambda candidate: candidate.milliseconds):
        low, high = one.interval
        rows.append(
            [
                "*" if one in best else "",
                one.name,
                one.runs_on,
                f"{one.milliseconds:.2f} ms",
                f"{one.best_milliseconds:.2f} ms",
                f"{percentage(one.accuracy)} ({describe_interval(low, high)})"
                if truth_is_known
                else "-",
                percentage(one.agreement),
                f"{one.size_in_bytes / 1e6:.2f} MB",
            ]
        )
    meaning = "accurate" if truth_is_known else "close to the original"
    return "\n".join(
        [
            f"measured on {origin}; times are for one prepared picture, in alternating rounds",
            *align(rows),
            f"* the frontier: no other candidate is both faster and at least as {meaning}",
        ]
    )


def describe_recommendation(chosen: Candidate, today: Candidate, truth_is_known: bool) -> str:
    """Say in a sentence what is recommended, and why.

    Args:
        chosen: The recommended candidate.
        today: The model as it is, on its fastest runtime.
        truth_is_known: Whether accuracy could be measured.
    """
    if chosen is today:
        meaning = "accurate" if truth_is_known else "close to it"
        return (
            f"the model as it is ({today.name}, on {today.runs_on}, {today.milliseconds:.2f} ms): "
            f"nothing as {meaning} takes less than {percentage(MUCH_FASTER, 0)} of its time"
        )
    speed = (
        f"{chosen.name}, on {chosen.runs_on}: {chosen.milliseconds:.2f} ms instead of "
        f"{today.milliseconds:.2f} ms, {today.milliseconds / chosen.milliseconds:.1f} times as fast"
    )
    count = len(chosen.right)
    if not truth_is_known:
        return f"{speed}, with the same answer on {int(chosen.same.sum())} of {count} pictures"
    lost = int((today.right & ~chosen.right).sum())
    won = int((chosen.right & ~today.right).sum())
    noise = "" if lost == won == 0 else f", {lost} lost and {won} won, which is within noise"
    if chosen.accuracy > today.accuracy and lost - won < 0:
        noise = f", {lost} lost and {won} won"
    now, before = int(chosen.right.sum()), int(today.right.sum())
    compared = "as before" if now == before else f"instead of {before}"
    return f"{speed}, and {now} of {count} pictures correct, {compared}{noise}"


def caution(candidates: Sequence[Candidate], chosen: Candidate, today: Candidate) -> str:
    """Say what the pictures are too easy to show; empty if there is nothing to add.

    Args:
        candidates: What was measured.
        chosen: The recommended candidate.
        today: The model as it is.
    """
    fastest = min(candidates, key=lambda one: one.milliseconds)
    if today.accuracy < NEARLY_ALL or fastest.milliseconds >= MUCH_FASTER * chosen.milliseconds:
        return ""
    return (
        f"{fastest.name} takes {fastest.milliseconds:.2f} ms, but these pictures are too easy to "
        "show what fewer pixels lose: nearly all are classified correctly. To find out, train with "
        "`python train.py --test-dataset FOLDER`, pictures of another person or room, and run this "
        "again"
    )


def commands(
    chosen: Candidate, today: Candidate, model: Path, card: ModelCard, train_command: str
) -> str:
    """Return the commands that make the recommended model, a line each.

    Args:
        chosen: The recommended candidate.
        today: The model as it is.
        model: Its file.
        card: Its card.
        train_command: The command that trained it; empty if it is not known.
    """
    lines, path = [], model
    if chosen.size != today.size:
        folder = model.parent.with_name(f"{model.parent.name}-{chosen.size}")
        lines.append(_retrain_command(train_command, card, chosen.size, folder))
        path = folder / "model.onnx"
    if chosen.precision != today.precision:
        lines.append(f"python -m export {typed(path)} --precision {chosen.precision}")
        path = path.with_name(f"{path.stem}.{chosen.precision}.onnx")
    return "\n".join([*lines, f"python live.py {typed(path)}"])


def _retrain_command(train_command: str, card: ModelCard, size: int, folder: Path) -> str:
    """Return the command that trained the model, with another input size and output folder."""
    words = shlex.split(train_command) or ["python", "train.py", card.dataset, "--mode", "head"]
    if not train_command and card.backbone != "squeezenet1_1":
        words += ["--backbone", card.backbone]
    for option in ("--input-size", "--output", "--mode"):
        words = _without(words, option)
    words += ["--mode", "head", "--input-size", str(size), "--output", str(folder)]
    return shlex.join(words)


def _without(words: list[str], option: str) -> list[str]:
    """Remove an option with its value, also in the form `--option=value`."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word == option or word.startswith(f"{option}="):
            skip = word == option
            continue
        kept.append(word)
    return kept
