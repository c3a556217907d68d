"""Say what to do next, based on the mistakes and the snapshots."""

from __future__ import annotations

from collections import Counter

from webcam_classifier.command_names import typed
from webcam_classifier.dataset.burst_numbers import are_bursts_named
from webcam_classifier.percentage import percentage
from webcam_classifier.report.findings import Answer, Findings

_AT_MOST = 3  # sentences
_FEW = 3  # mistakes; fewer say nothing about what to record
_MOST_OF = 0.5  # share of the mistakes that is worth naming
_MANY_UNKNOWN = 0.15  # share of known pictures
_ANYTHING_ELSE = ("none", "nothing", "background", "other", "negative")


def next_steps(findings: Findings) -> tuple[str, ...]:
    """Say it in one to three sentences, the most helpful first."""
    found = [
        _check_labels(findings),
        _change_backgrounds(findings),
        _record_again(findings),
        _record_mistaken(findings),
        _record_elsewhere(findings),
        _record_more_kinds(findings),
    ]
    steps = tuple(step for step in found if step)[:_AT_MOST]
    return steps or (
        "Nothing stands out: watch it live, and record more of whatever it gets wrong there.",
    )


def _check_labels(findings: Findings) -> str:
    count = len(findings.analysis.label_errors)
    if not count:
        return ""
    which = "1 snapshot looks" if count == 1 else f"{count:,} snapshots look"
    them = "it" if count == 1 else "them"
    dataset = typed(findings.task.pictures.folder)
    return (
        f"{which} like another label: look through {them} with "
        f"`python collect.py --review --dataset {dataset}`, or with Review on the page."
    )


def _change_backgrounds(findings: Findings) -> str:
    check = findings.background
    return "" if check is None else check.describe(findings.task.pictures.category_names)


def _record_again(findings: Findings) -> str:
    cut = [_quoted(findings, label) for label in findings.task.split.cut_labels]
    if not cut:
        return ""
    its = "its snapshots are" if len(cut) == 1 else "the snapshots of each are"
    return f"Record {_listed(cut)} once more, elsewhere: {its} nearly all of one burst."


def _record_mistaken(findings: Findings) -> str:
    """Name the most frequent mistakes, leaving out snapshots that may be labelled wrongly."""
    mistakes = _mistakes(findings)
    if len(mistakes) < _FEW:
        return ""
    is_all = len(mistakes) == sum(not one.is_right for one in findings.answers)
    total = f"{len(mistakes)} mistakes" if is_all else f"{len(mistakes)} other mistakes"
    (pair, of_pair) = Counter((one.truth, one.label) for one in mistakes).most_common(1)[0]
    (truth, of_truth) = Counter(one.truth for one in mistakes).most_common(1)[0]
    (answer, of_answer) = Counter(one.label for one in mistakes).most_common(1)[0]
    if of_pair >= _MOST_OF * len(mistakes):
        wrong, said = (_quoted(findings, label) for label in pair)
        return (
            f"{_in_other_ways(findings, pair[0])}: {of_pair} of {total} are {wrong} taken "
            f"for {said}."
        )
    if of_truth >= max(of_answer, _MOST_OF * len(mistakes)):
        wrong = _quoted(findings, truth)
        return (
            f"{_in_other_ways(findings, truth)}: {of_truth} of {total} are {wrong} taken "
            "for others."
        )
    if of_answer >= _MOST_OF * len(mistakes):
        said = _quoted(findings, answer)
        what = (
            f"Record the other labels where they resemble {said}"
            if _are_recorded(findings)
            else f"Add pictures of other labels that resemble {said}"
        )
        return f"{what}: {of_answer} of {total} are others taken for {said}."
    truths = [_quoted(findings, label) for label in dict.fromkeys(one.truth for one in mistakes)]
    more = "Record more bursts" if _are_recorded(findings) else "Add more pictures"
    return f"{more} of {_listed(truths)}: the {total} are spread over them."


def _mistakes(findings: Findings) -> list[Answer]:
    pictures = findings.task.pictures
    label_errors = {pictures.names[error.picture] for error in findings.analysis.label_errors}
    if findings.task.test_pictures is not None:
        label_errors = set()  # names of another folder
    return [one for one in findings.answers if not one.is_right and one.file not in label_errors]


def _in_other_ways(findings: Findings, label: str) -> str:
    is_anything = label.lower() in _ANYTHING_ELSE
    quoted = _quoted(findings, label)
    if not _are_recorded(findings):
        what = "pictures of other things" if is_anything else "more varied pictures"
        return f"Add {what} to {quoted}"
    return f"Record {quoted} {'with other things to see' if is_anything else 'in other ways'}"


def _are_recorded(findings: Findings) -> bool:
    """Whether the training pictures are recordings by their names, and not photographs."""
    return are_bursts_named(findings.task.pictures.names)


def _record_elsewhere(findings: Findings) -> str:
    if findings.sessions != 1 or findings.task.test_pictures is not None:
        return ""
    return (
        "Record all labels once more at another place or on another day: all snapshots come from "
        "one session."
    )


def _record_more_kinds(findings: Findings) -> str:
    share = findings.evaluation.shown_unknown if findings.evaluation.count else None
    if share is None or share < _MANY_UNKNOWN:
        return ""
    more = "Record more varied bursts" if _are_recorded(findings) else "Add more varied pictures"
    return f"{more}: {percentage(share, 0)} of the test pictures are shown as unknown."


def _quoted(findings: Findings, label: str) -> str:
    return f'"{findings.task.pictures.category_names.get(label, label)}"'


def _listed(names: list[str], most: int = 3) -> str:
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more labels"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
