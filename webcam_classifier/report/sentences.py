"""What the report says of a figure in plain words, and what it warns of."""

from __future__ import annotations

from webcam_classifier.evaluation.metrics import FEW_PICTURES
from webcam_classifier.report.findings import Findings

_FEW_OF_A_LABEL = 10  # test pictures
_FEW_PASS = 0.85  # share of known pictures; 0.95 is meant
_COPIES = 3.0  # pictures of one recording on average, from which on they are hardly independent


def describe_figure(findings: Findings) -> str:
    """Say the honest figure in one sentence: of a hundred new snapshots, how many will be right."""
    if findings.evaluation.count == 0:
        return "No picture was kept to measure with, so nothing is known of how right it is."
    if findings.evaluation.interval is None:
        return "Too few bursts were measured to say how right it is on new ones."
    low, high = (f"{100 * end:.0f}" for end in findings.evaluation.interval)
    return f"On new bursts, {low} to {high} % of the snapshots are right, {_as_long_as(findings)}."


def _as_long_as(findings: Findings) -> str:
    task = findings.task
    if task.test_pictures is not None:
        return f"as long as they are like those in {task.test_pictures.folder}"
    if set(task.split.cut_labels) == set(findings.labels):
        return "as long as they come from these very recordings: this room, light, person and pose"
    return "as long as room, light, camera and people stay as in these snapshots"


def describe_ground(findings: Findings) -> str:
    """Say on what the figure rests, in one sentence."""
    count, bursts = findings.evaluation.count, findings.test_bursts
    of_recordings = "" if bursts is None else f" of {_many(bursts, 'recording')}"
    if findings.task.test_pictures is not None:
        return f"Measured on {_many(count, 'picture')} of that folder; it was not taught with any."
    sentence = f"Measured on {_many(count, 'test picture')}{of_recordings}: "
    return sentence + findings.task.rests_on + "."


def warnings_of(findings: Findings) -> tuple[str, ...]:
    """List what to beware of, the gravest first."""
    found = [_few(findings), _one_recording(findings), _elsewhere(findings), _copies(findings)]
    if findings.learnt_from_test:
        found.append(
            "The model file learnt from the test pictures as well, once it was measured. Asking it "
            "about those again would flatter it; --measured-only keeps them out."
        )
    if findings.task.pictures.skipped:
        count = len(findings.task.pictures.skipped)
        found.append(f"{_many(count, 'file')} could not be used; metrics.json lists them.")
    return tuple(warning for warning in found if warning)


def _elsewhere(findings: Findings) -> str:
    if findings.task.test_pictures is not None:
        return ""
    measure = "--test-dataset FOLDER measures it elsewhere."
    if findings.sessions == 1:
        return (
            "All pictures come from one session, so the figure holds for this room, light and "
            f"person. {measure}"
        )
    if findings.sessions is None:
        return (
            "The pictures' names don't tell who was recorded where and when. If they are all from "
            f"one place, the figure holds for that place only. {measure}"
        )
    return ""


def _few(findings: Findings) -> str:
    evaluation = findings.evaluation
    if evaluation.count < FEW_PICTURES:
        return (
            f"{_many(evaluation.count, 'test picture')} are few, so the figure may be far off. "
            "More recordings make it surer."
        )
    rare = [label for label, one in evaluation.per_label().items() if one.count < _FEW_OF_A_LABEL]
    if len(rare) == len(evaluation.labels):
        return (
            f"Each label has fewer than {_FEW_OF_A_LABEL} test pictures, so little is known of it."
        )
    if rare:
        return (
            f"Fewer than {_FEW_OF_A_LABEL} test pictures: {_list(rare)}. Little is known of them."
        )
    return ""


def _one_recording(findings: Findings) -> str:
    cut = findings.task.split.cut_labels
    if not cut:
        return ""
    return (
        f"Nearly all pictures of {_list(cut)} are one recording. It was cut in time: that tells "
        "how the model does in this very recording, not in a new one."
    )


def _copies(findings: Findings) -> str:
    count, bursts = findings.evaluation.count, findings.test_bursts
    if not bursts or count / bursts <= _COPIES:
        return ""
    return (
        f"The {count} test pictures come from {_many(bursts, 'recording')}, and pictures of "
        "one recording resemble each other: the true range is wider than the interval."
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _list(names: tuple[str, ...] | list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def describe_interval(findings: Findings) -> str:
    """Say what the scale below the headline shows."""
    evaluation = findings.evaluation
    right = round(evaluation.accuracy * evaluation.count)
    told = f"{right:,} of {evaluation.count:,} test pictures right"
    if evaluation.interval is None:
        return f"{told}."
    low, high = evaluation.interval
    return f"{told}; with 95 % confidence between {100 * low:.0f} and {100 * high:.0f} %."


def describe_confidence(findings: Findings) -> str:
    """Say whether the confidence can be taken at its word."""
    calibration = findings.calibration
    if calibration is None:
        return ""
    answers = findings.answers
    said = sum(answer.confidence for answer in answers) / len(answers)
    right = findings.evaluation.accuracy
    noise = 0.3 / len(answers) ** 0.5  # what chance alone makes the error
    sentence = f"On average it is {100 * said:.0f} % sure, and right in {100 * right:.0f} %. "
    if calibration.error < 2 * noise:
        return sentence + f"With {len(answers)} answers no difference beyond chance can be seen."
    if said < right:
        return sentence + "It is too modest: more often right than it says."
    return sentence + "It is too sure of itself: take its confidence with caution."


def describe_unknown(findings: Findings) -> str:
    """Say how many known pictures pass, and how well a label is noticed that was left out."""
    unknowns, novelty = findings.unknowns, findings.analysis.novelty
    if unknowns is None:
        return ""
    sentence = f"{100 * unknowns.passing:.0f} % of the test pictures pass as known."
    if unknowns.passing < _FEW_PASS:
        sentence += " live.py calls the others unknown, though they are none."
    if novelty is not None and novelty.auroc is not None:
        sentence += (
            f" A picture of a label that was left out gets a higher score than a known one "
            f"{100 * novelty.auroc:.0f} times in 100."
        )
    return sentence


def describe_split_rule(findings: Findings) -> str:
    """Say what was kept apart from what."""
    split = findings.task.split
    if "test" in split.given or "validation" in split.given:
        sentence = "The parts are those that the folder came with."
        if split.leaked:
            sentence += f" {_many(split.leaked, 'test picture')} have a near copy in training."
        return sentence
    if split.are_named:
        return "A recording, which is one press of the key, is on one side only."
    return (
        "The names don't tell bursts, so near copies, and pictures that follow each other and "
        "look alike, were put into one group. A group is on one side only."
    )
