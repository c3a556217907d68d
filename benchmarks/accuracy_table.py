"""From the answers of the accuracy benchmark to its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_runs import Kept, Run
from benchmarks.baselines.methods import Method
from benchmarks.protocols import Protocol
from webcam_classifier.evaluation.calibration import expected_calibration_error

FAILED, MISSING = "failed", "-"

_SMALLEST = 1e-30  # a probability, for its logarithm


@dataclass(frozen=True)
class Figures:
    """What one method came to in one protocol: means over its folds.

    Attributes:
        accuracies: One for each seed, 0 to 1.
        says: What the method reports of itself, 0 to 1, mean over seeds; None where it does not.
        calibration_error: Expected calibration error over all answers, mean over seeds.
        uncalibrated_error: The same with the temperature taken out; None where there is none.
        shown: Of all answers the shares that are shown as the right label, shown as a wrong one,
            and called unknown, mean over seeds; None where the method knows no unknown.
        seconds: From the start of the process to a trained model, mean over seeds.
        asked: How many pictures were asked about, over all folds.
        sessions: In which calls of the benchmark it was measured.
    """

    accuracies: tuple[float, ...]
    says: float | None
    calibration_error: float
    uncalibrated_error: float | None
    shown: tuple[float, float, float] | None
    seconds: float
    asked: int
    sessions: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.accuracies))

    @property
    def spread(self) -> float | None:
        """Half the range over seeds; None for a single one."""
        if len(self.accuracies) == 1:
            return None
        return (max(self.accuracies) - min(self.accuracies)) / 2


Table = dict[tuple[str, str], Figures]
"""By protocol and method; what was not measured in all of its folds is missing."""


def tabulate(runs: Sequence[Run], answers: Mapping[Run, Kept]) -> Table:
    """Compute the figures of all protocols and methods.

    Args:
        runs: All that were planned.
        answers: Those that were done.
    """
    table: Table = {}
    cells = dict.fromkeys((run.protocol, run.method.name) for run in runs)
    for protocol, method in cells:
        own = [run for run in runs if (run.protocol, run.method.name) == (protocol, method)]
        by_seed: list[list[tuple[Run, Kept]]] = []
        for seed in dict.fromkeys(run.job.seed for run in own):
            folds = [run for run in own if run.job.seed == seed]
            if all(run in answers for run in folds):
                by_seed.append([(run, answers[run]) for run in folds])
        if by_seed:
            table[protocol, method] = _figures(by_seed)
    return table


def _figures(by_seed: Sequence[Sequence[tuple[Run, Kept]]]) -> Figures:
    accuracies, errors, uncalibrated, shown = [], [], [], []
    for folds in by_seed:
        right = [_right(run, kept) for run, kept in folds]
        accuracies.append(float(np.mean([part.mean() for part in right])))
        together = np.concatenate(right)
        errors.append(_calibration_error(folds, together, calibrated=True))
        if all(kept.answer.temperature is not None for _, kept in folds):
            uncalibrated.append(_calibration_error(folds, together, calibrated=False))
        if all(kept.answer.unknown is not None for _, kept in folds):
            shown.append(_shown(folds, right))
    kept = [kept for folds in by_seed for _, kept in folds]
    says = [one.answer.says for one in kept if one.answer.says is not None]
    return Figures(
        accuracies=tuple(accuracies),
        says=float(np.mean(says)) if says else None,
        calibration_error=float(np.mean(errors)),
        uncalibrated_error=float(np.mean(uncalibrated)) if uncalibrated else None,
        shown=_means(shown),
        seconds=float(np.mean([one.answer.seconds for one in kept])),
        asked=sum(len(run.job.test_names) for run, _ in by_seed[0]),
        sessions=tuple(dict.fromkeys(one.session for one in kept)),
    )


def _right(run: Run, kept: Kept) -> NDArray[np.bool_]:
    probabilities = np.array(kept.answer.probabilities)
    truths = [run.job.labels.index(name.split("/")[0]) for name in run.job.test_names]
    return np.asarray(probabilities.argmax(axis=1) == np.array(truths))


def _shown(
    folds: Sequence[tuple[Run, Kept]], right: Sequence[NDArray[np.bool_]]
) -> tuple[float, float, float]:
    """Shares of right, wrong and unknown among what is shown: the mean over folds."""
    shares = []
    for (_, kept), own in zip(folds, right, strict=True):
        unknown = np.array(kept.answer.unknown, dtype=np.bool_)
        shares.append(((own & ~unknown).mean(), (~own & ~unknown).mean(), unknown.mean()))
    return _triple(shares)


def _means(shown: Sequence[tuple[float, float, float]]) -> tuple[float, float, float] | None:
    return _triple(shown) if shown else None


def _triple(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    right, wrong, unknown = np.mean(rows, axis=0).tolist()
    return right, wrong, unknown


def _calibration_error(
    folds: Sequence[tuple[Run, Kept]], right: NDArray[np.bool_], calibrated: bool
) -> float:
    confidences = []
    for _, kept in folds:
        probabilities = np.array(kept.answer.probabilities)
        if not calibrated:
            probabilities = with_temperature(probabilities, kept.answer.temperature or 1.0)
        confidences.append(probabilities.max(axis=1))
    return expected_calibration_error(np.concatenate(confidences), right)


def with_temperature(probabilities: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """The probabilities of a softmax, had its logits been multiplied.

    Args:
        probabilities: (answers, labels).
        power: What the logits are multiplied by; the temperature itself takes it out.
    """
    logits = np.log(np.maximum(probabilities, _SMALLEST)) * power
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def accuracy_rows(
    protocols: Sequence[Protocol],
    methods: Sequence[Method],
    table: Table,
    failures: Mapping[tuple[str, str], str],
) -> list[list[str]]:
    """Accuracy of each method, and beside it what the method says of itself, where it does."""
    saying = {name for (_, name), figures in table.items() if figures.says is not None}
    header = ["accuracy", "held out", "pictures"]
    for method in methods:
        header += [f"{method.title} says"] * (method.name in saying) + [method.title]
    rows = [header]
    for names, title, held_out in _lines(protocols):
        row = [title, held_out, _pictures(names, table)]
        for method in methods:
            found = _all_of(names, method, table)
            if method.name in saying:
                row.append(_mean(found, lambda figures: figures.says))
            has_failed = any((name, method.name) in failures for name in names)
            row.append(FAILED if has_failed else _accuracy(found))
        rows.append(row)
    return rows


def calibration_rows(
    protocols: Sequence[Protocol], methods: Sequence[Method], table: Table
) -> list[list[str]]:
    """Expected calibration error, and without the temperature, where there is one."""
    calibrated = {
        name for (_, name), figures in table.items() if figures.uncalibrated_error is not None
    }
    header = ["calibration error"]
    for method in methods:
        header += [method.title] + [f"{method.title}, no temperature"] * (method.name in calibrated)
    rows = [header]
    for names, title, _ in _lines(protocols):
        row = [title]
        for method in methods:
            found = _all_of(names, method, table)
            row.append(_mean(found, lambda figures: figures.calibration_error))
            if method.name in calibrated:
                row.append(_mean(found, lambda figures: figures.uncalibrated_error))
        rows.append(row)
    return rows


def shown_rows(
    protocols: Sequence[Protocol], methods: Sequence[Method], table: Table
) -> list[list[str]]:
    """What is on the screen at the default threshold, of methods that know unknown."""
    asking = {name for (_, name), figures in table.items() if figures.shown is not None}
    chosen = [method for method in methods if method.name in asking]
    rows = [["shown right, shown wrong, unknown", *(method.title for method in chosen)]]
    for names, title, _ in _lines(protocols):
        row = [title]
        for method in chosen:
            triples = [figures.shown for figures in _all_of(names, method, table)]
            known = [one for one in triples if one is not None]
            complete = known and len(known) == len(triples)
            row.append(
                ", ".join(f"{share:.2f}" for share in _triple(known)) if complete else MISSING
            )
        rows.append(row)
    return rows


def seconds_rows(
    protocols: Sequence[Protocol], methods: Sequence[Method], table: Table
) -> list[list[str]]:
    """Seconds from nothing to a trained model, mean over folds and seeds."""
    rows = [["seconds", "trained on", *(method.title for method in methods)]]
    for protocol in protocols:
        counts = sorted(len(fold.training_indices) for fold in protocol.folds)
        row = [protocol.name, " to ".join(map(str, sorted({counts[0], counts[-1]})))]
        for method in methods:
            figures = table.get((protocol.name, method.name))
            row.append(f"{figures.seconds:.1f}" if figures else MISSING)
        rows.append(row)
    return rows


def describe_speed(protocol: str, table: Table) -> str:
    """Compare our head with the notebook recipe in time and accuracy, in a sentence or two."""
    ours, theirs = table.get((protocol, "head")), table.get((protocol, "notebook"))
    if ours is None or theirs is None:
        return ""
    text = (
        f"{protocol}: train.py takes {ours.seconds:.1f} s and gets {ours.accuracy:.3f}, the "
        f"notebook recipe {theirs.seconds:.1f} s and {theirs.accuracy:.3f}: "
        f"1/{theirs.seconds / ours.seconds:.0f} of its time."
    )
    if ours.sessions != theirs.sessions or len(ours.sessions) > 1:
        text += " They were not timed in one run: --again does that."
    return text


def draw(rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """Draw a table, the first row its header.

    Args:
        rows: Of equal length.
        markdown: With bars, instead of columns of text.
    """
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "| " + " | ".join("---" for _ in rows[0]) + " |", *lines[1:]])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _lines(protocols: Sequence[Protocol]) -> list[tuple[tuple[str, ...], str, str]]:
    """Each protocol, and below both directions of one kind their mean: names, title, held out."""
    lines: list[tuple[tuple[str, ...], str, str]] = []
    for protocol in protocols:
        lines.append(((protocol.name,), protocol.name, protocol.held_out))
        kind, _, direction = protocol.name.partition(" ")
        if ">" not in direction:
            continue
        alike = [other for other in protocols if other.name.startswith(f"{kind} ")]
        if len(alike) > 1 and protocol is alike[-1]:
            names = tuple(other.name for other in alike)
            lines.append((names, f"{kind}, mean", protocol.held_out))
    return lines


def _all_of(names: Sequence[str], method: Method, table: Table) -> list[Figures]:
    """The figures of all these protocols, or none where one is missing."""
    found = [table[name, method.name] for name in names if (name, method.name) in table]
    return found if len(found) == len(names) else []


def _pictures(names: Sequence[str], table: Table) -> str:
    """How many pictures are asked about, over all folds."""
    asked = {name: figures.asked for (name, _), figures in table.items() if name in names}
    return str(sum(asked.values())) if len(asked) == len(names) else MISSING


def _accuracy(found: Sequence[Figures]) -> str:
    if not found:
        return MISSING
    seeds = min(len(figures.accuracies) for figures in found)
    by_seed = np.mean([figures.accuracies[:seeds] for figures in found], axis=0)
    spread = f" ± {(by_seed.max() - by_seed.min()) / 2:.3f}" if seeds > 1 else ""
    return f"{by_seed.mean():.3f}{spread}"


def _mean(found: Sequence[Figures], value: Callable[[Figures], float | None]) -> str:
    values = [value(figures) for figures in found]
    known = [one for one in values if one is not None]
    return f"{np.mean(known):.3f}" if known and len(known) == len(values) else MISSING
