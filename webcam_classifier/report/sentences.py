"""The report's sentences about its figures, and its warnings."""

from __future__ import annotations

from webcam_classifier.evaluation.metrics import FEW_PICTURES, describe_ground
from webcam_classifier.percentage import percentage, rounded_percentage
from webcam_classifier.report.findings import Findings

_FEW_OF_A_LABEL = 10  # test pictures
_FEW_PASS = 0.85  # share of known pictures; 0.95 is meant


def describe_figure(findings: Findings) -> str:
    """Describe the accuracy in one sentence: what to expect of new bursts."""
    evaluation = findings.evaluation
    if evaluation.count == 0:
        return "No pictures were held back to test on, so the accuracy is not known."
    if evaluation.cut_labels:
        return (
            "This share of the test snapshots was classified correctly, but the model was trained "
            "on others of the same bursts. What to expect of new ones can't be said before each "
            "label has a second burst."
        )
    if evaluation.interval is None:
        few = (
            "1 burst is" if evaluation.burst_count == 1 else f"{evaluation.burst_count} bursts are"
        )
        return (
            f"This share of the test snapshots was classified correctly, but {few} too few to say "
            "what to expect of new ones."
        )
    low, high = (f"{100 * end:.0f}" for end in evaluation.interval)
    new = "bursts" if _has_bursts(findings) and findings.bursts_are_named else "snapshots"
    of = " of the snapshots" if new == "bursts" else ""
    return (
        f"Over many new {new}, expect {low} to {high} %{of} to be correct, {_as_long_as(findings)}."
    )


def _as_long_as(findings: Findings) -> str:
    task = findings.task
    if task.test_pictures is not None:
        return f"as long as they are like those in {task.test_pictures.folder}"
    return "as long as room, light, camera and people stay as in these snapshots"


def _has_bursts(findings: Findings) -> bool:
    """Whether any pictures are known to be of one burst."""
    return findings.evaluation.burst_count not in (None, findings.evaluation.count)


def describe_what_it_rests_on(findings: Findings) -> str:
    """Say what the accuracy is based on, and which labels it leaves out."""
    evaluation, measured = (
        findings.evaluation,
        f"Measured on {describe_ground(findings.evaluation)}",
    )
    if findings.task.test_pictures is not None:
        told = f"{measured} of that folder; none of them was used in training."
    else:
        told = f"{measured}: {findings.card.accuracy_rests_on}."
    unasked = evaluation.unasked_labels
    if evaluation.count and unasked:
        was, them = ("was", "it") if len(unasked) == 1 else ("were", "them")
        told += f" {_list(unasked)} {was} not measured: no picture of {them} was tested."
    if findings.learnt_from_test:
        told += (
            " Afterwards the model was trained on these pictures too: test it on others, since "
            "these would give too high a figure. --measured-only keeps them out of training."
        )
    return told


def warnings_of(findings: Findings) -> tuple[str, ...]:
    """The warnings, the most serious first."""
    found = [_few(findings), _one_burst(findings), _elsewhere(findings)]
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
            "The file names don't say who was recorded where and when. If all pictures are from "
            "one place, the figure holds for that place only; if they were taken in a row, it is "
            f"less certain than its interval says. {measure}"
        )
    return ""


def _few(findings: Findings) -> str:
    evaluation = findings.evaluation
    if evaluation.count < FEW_PICTURES:
        return (
            f"{_many(evaluation.count, 'test picture')} are few, so the figure may be far off. "
            f"More {'bursts' if findings.bursts_are_named else 'pictures'} make it more certain."
        )
    rare = [
        label for label, one in evaluation.per_label().items() if 0 < one.count < _FEW_OF_A_LABEL
    ]
    if len(rare) == len(evaluation.labels):
        return (
            f"Each label has fewer than {_FEW_OF_A_LABEL} test pictures, so its figures are rough."
        )
    if rare:
        return (
            f"Fewer than {_FEW_OF_A_LABEL} test pictures: {_list(rare)}. Their figures are rough."
        )
    return ""


def _one_burst(findings: Findings) -> str:
    cut = findings.task.split.cut_labels
    if not cut:
        return ""
    return (
        f"Nearly all pictures of {_list(cut)} are one burst, which was cut in time: the figure "
        "says how the model does in this very burst, not in a new one."
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _list(names: tuple[str, ...] | list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def describe_interval(findings: Findings) -> str:
    """Describe the scale below the headline."""
    evaluation = findings.evaluation
    right = round(evaluation.accuracy * evaluation.count)
    told = f"{right:,} of {evaluation.count:,} test pictures correct"
    if evaluation.interval is not None:
        low, high = (f"{100 * end:.0f}" for end in evaluation.interval)
        told += f"; with 95 % confidence between {low} and {high} %"
    if not _has_bursts(findings):
        return f"{told}."
    what = "one press of the key"
    if not findings.bursts_are_named:
        what = "pictures that follow each other and look alike, as from one press of the key"
    return (
        f"{told}. A burst is {what}: its pictures are near duplicates, so bursts are what counts."
    )


def describe_confidence(findings: Findings) -> str:
    """Say whether the confidence can be trusted."""
    calibration = findings.calibration
    if calibration is None:
        return ""
    answers = findings.answers
    said = sum(answer.confidence for answer in answers) / len(answers)
    right = sum(answer.is_right for answer in answers) / len(answers)
    sentence = (
        f"Its confidence is {rounded_percentage(said, 0)} on average; "
        f"{percentage(right, 0)} are correct. "
    )
    if not calibration.is_beyond_chance:
        return sentence + (
            f"That is within chance: with {describe_ground(findings.evaluation)} a perfectly "
            f"calibrated model is off by up to {rounded_percentage(calibration.chance)} too."
        )
    if said < right:
        return sentence + "It is underconfident: more often correct than it says."
    return sentence + "It is overconfident: take its confidence with caution."


def describe_unknown(findings: Findings) -> str:
    """Say how many known pictures pass, and how well a left-out label is detected."""
    unknowns, novelty = findings.unknowns, findings.analysis.novelty
    if unknowns is None:
        return ""
    sentence = f"{percentage(unknowns.passing, 0)} of the test pictures are recognised as known."
    if unknowns.passing < _FEW_PASS:
        sentence += " live.py shows the others as unknown, although they are of your labels."
    if novelty is not None and novelty.auroc is not None:
        sentence += (
            f" A picture of a label that was left out gets a higher score than a known one "
            f"{100 * novelty.auroc:.0f} times in 100."
        )
    return sentence


def describe_split_rule(findings: Findings) -> str:
    """Say how test and training pictures were kept apart."""
    split = findings.task.split
    if "test" in split.given or "validation" in split.given:
        sentence = "The split is predefined: the folder holds its parts."
        if split.leaked:
            sentence += f" {_many(split.leaked, 'test picture')} have a near duplicate in training."
        return sentence
    kept = "Each burst is on one side only."
    if findings.outcome.cross_validation is not None:
        kept = (
            "The model was trained on all pictures. To measure it, bursts were left out in turn, "
            "and classified by heads that were not trained on them."
        )
    if split.are_named:
        return kept
    return (
        "The file names don't say which pictures are one burst, so near duplicates, and pictures "
        f"that follow each other and look alike, count as one. {kept}"
    )
