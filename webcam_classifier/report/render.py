"""The report on a trained model: one self-contained HTML file.

It shows in words and drawings what metrics.json holds as data. Nothing is loaded from elsewhere:
drawings are inline SVG, pictures are embedded data, there is no script, and a policy in its head
forbids the browser to fetch anything.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from webcam_classifier.command_names import as_installed
from webcam_classifier.dataset.duplicates import Copy
from webcam_classifier.evaluation.metrics import describe_shown
from webcam_classifier.evaluation.top_k import TOP
from webcam_classifier.model.heat_map import draw_heat_map
from webcam_classifier.percentage import percentage
from webcam_classifier.report.figures import (
    LABEL_COLOURS,
    draw_confusion,
    draw_counts,
    draw_history,
    draw_learning_curve,
    draw_recall_by_count,
    draw_reliability,
    draw_sizes,
    draw_unknown_scores,
    label_colour,
)
from webcam_classifier.report.findings import Answer, Findings, describe_environment
from webcam_classifier.report.label_errors import LabelError
from webcam_classifier.report.next_steps import next_steps
from webcam_classifier.report.sentences import (
    describe_confidence,
    describe_figure,
    describe_interval,
    describe_split_rule,
    describe_unknown,
    describe_what_it_rests_on,
    warnings_of,
)
from webcam_classifier.report.thumbnails import picture_uri

_FOLDER = Path(__file__).parent
_MOST_PICTURES = 12  # of one kind
_DIMMED = 0.6  # brightness of a picture below its heat
_SHOWN_LABELS = 15  # of a table; the others are folded away
_MIXED_UP = 5
_FEWEST_LABELS_BY_COUNT = 5
_SHOWN_TERMS = {
    "right": "correct",
    "wrong": "wrong",
    "unknown": "as unknown",
}
_SHORT_HASH = 16  # characters


def render_report(findings: Findings, title: str) -> str:
    """Return the report as one HTML document.

    Args:
        findings: What it tells.
        title: The model's name.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["prose"] = _prose
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    labels, names = findings.labels, findings.task.pictures.category_names
    places = {label: place for place, label in enumerate(labels)}
    return environment.get_template("report.html.jinja").render(
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),  # ours
        title=title,
        colour=lambda label: label_colour(places[label]),
        called=lambda label: names.get(label, label),
        percent=_percent,
        coloured=LABEL_COLOURS,
        labels=labels,
        shown_labels=_SHOWN_LABELS,
        figures={name: Markup(svg) for name, svg in _figures(findings).items()},
        **_answers(findings),
        **_data(findings),
        **_background(findings),
        **_repeat(findings),
    )


def _answers(findings: Findings) -> dict[str, object]:
    """The template's values about the accuracy."""
    evaluation, analysis = findings.evaluation, findings.analysis
    figures = list(evaluation.per_label().items())
    if len(figures) > _SHOWN_LABELS:
        figures.sort(key=lambda item: np.nan_to_num(item[1].recall, nan=2.0))
    return {
        "headline_figure": _headline(findings),
        "sentence": describe_figure(findings),
        "ground": describe_what_it_rests_on(findings),
        "interval_words": describe_interval(findings) if evaluation.count else "",
        "next_steps": [as_installed(step) for step in next_steps(findings)],
        "warnings": warnings_of(findings),
        "evaluation": evaluation,
        "is_cross_validated": findings.outcome.cross_validation is not None,
        "shown": (
            ("right", evaluation.shown_right),
            ("wrong", evaluation.shown_wrong),
            ("unknown", evaluation.shown_unknown),
        ),
        "shown_words": describe_shown(evaluation),
        "shown_terms": _SHOWN_TERMS,
        "label_figures": figures,
        "mixed_up": _mixed_up(findings),
        "wrong": sum(not answer.is_right for answer in findings.answers),
        "mistakes": [_mistake(findings, place) for place in findings.worst_mistakes],
        "has_heat": bool(findings.mistake_heat_maps),
        "curve": analysis.curve,
        "random_split": analysis.random_split,
        "calibration": findings.calibration,
        "confidence_sentence": describe_confidence(findings),
        "unknown": findings.unknowns,
        "unknown_sentence": describe_unknown(findings),
        "novelty": analysis.novelty,
    }


def _headline(findings: Findings) -> Markup:
    if findings.evaluation.count == 0:
        return Markup("?")
    text = percentage(findings.evaluation.accuracy).removesuffix(" %").removesuffix(".0")
    return Markup("{}<small>%</small>").format(text)


def _mixed_up(findings: Findings) -> list[tuple[int, str, str]]:
    """The most frequent mistakes: how often, the actual label, the predicted one."""
    confusion, labels = findings.evaluation.confusion.copy(), findings.labels
    np.fill_diagonal(confusion, 0)
    order = np.argsort(-confusion, axis=None, kind="stable")[:_MIXED_UP]
    pairs = [divmod(int(place), len(labels)) for place in order]
    return [
        (int(confusion[truth, answer]), labels[truth], labels[answer])
        for truth, answer in pairs
        if confusion[truth, answer]
    ]


def _mistake(findings: Findings, place: int) -> dict[str, object]:
    answer: Answer = findings.answers[place]
    image, heat = findings.test.images[place], findings.mistake_heat_maps.get(place)
    heat_uri = ""
    if heat is not None:
        grey = _DIMMED * cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)  # heat shows on bright things too
        dimmed = np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2)
        draw_heat_map(dimmed, heat)
        heat_uri = picture_uri(dimmed)
    return {
        "uri": picture_uri(image),
        "heat_uri": heat_uri,
        "file": answer.file,
        "truth": answer.truth,
        "label": answer.label,
        "confidence": answer.confidence,
    }


def _background(findings: Findings) -> dict[str, object]:
    """The template's values about the background."""
    check = findings.background
    if check is None:
        return {"background_results": None}
    said = check.describe(findings.task.pictures.category_names)
    examples = [
        {
            "uri": picture_uri(findings.test.images[place]),
            "hidden_uri": picture_uri(hidden),
            "label": findings.answers[place].label,
            "file": findings.answers[place].file,
        }
        for place, hidden in check.examples
    ]
    return {
        "background_results": check.labels,
        "background_words": said or "Nothing shows that the model depends on the background.",
        "hidden": examples,
    }


def _data(findings: Findings) -> dict[str, object]:
    """The template's values about the pictures."""
    duplicates, label_errors = findings.analysis.duplicates, findings.analysis.label_errors
    copies = () if duplicates is None else duplicates.across_labels
    return {
        "label_errors": [_label_error(findings, error) for error in label_errors[:_MOST_PICTURES]],
        "label_error_count": len(label_errors),
        "duplicates": [_pair(findings, copy) for copy in copies[: _MOST_PICTURES // 2]],
        "duplicate_count": len(copies),
        "split": findings.task.split,
        "part_rows": list(findings.part_counts().items()),
        "split_sentence": describe_split_rule(findings),
        "card": findings.card,
    }


def _label_error(findings: Findings, error: LabelError) -> dict[str, object]:
    pictures = findings.task.pictures
    return {
        "uri": picture_uri(pictures.images[error.picture]),
        "file": pictures.names[error.picture],
        "truth": pictures.labels[error.label],
        "label": pictures.labels[error.suggested],
        "confidence": error.probability,
    }


def _pair(findings: Findings, copy: Copy) -> dict[str, object]:
    pictures = findings.task.pictures
    pair: dict[str, object] = {"is_identical": copy.is_identical}
    for which, index in (("first", copy.first), ("second", copy.second)):
        pair[f"{which}_uri"] = picture_uri(pictures.images[index])
        pair[f"{which}_file"] = pictures.names[index]
        pair[f"{which}_label"] = pictures.labels[int(pictures.label_indices[index])]
    return pair


def _repeat(findings: Findings) -> dict[str, object]:
    """The template's values about the machine, the model file and how to reproduce it."""
    card, task, measured = findings.card, findings.task, findings.measured
    facts: dict[str, object] = {
        "labels": len(card.labels),
        "snapshots": f"{len(task.pictures):,}",
        "trained as": {"head": "a head on frozen features"}.get(card.mode, "fine-tuning"),
        "network": f"{card.backbone}, {card.input_size} px",
        "trained in": f"{findings.seconds:.0f} s",
        "trained on": card.created_at[:10],
    }
    if findings.top_k_accuracy is not None:
        facts[f"top-{TOP} accuracy"] = _percent(findings.top_k_accuracy, 1)
    speed = {
        "median": f"{measured.milliseconds:.1f} ms",
        "95th percentile": f"{measured.late_milliseconds:.1f} ms",
        "model file": f"{findings.model_bytes / 1e6:.1f} MB",
    }
    repeat = {
        "data": f"{card.dataset}, sha256 {card.data_hash[:_SHORT_HASH]}…",
        "pretrained weights": card.weights,
        "seed": task.seed,
        **describe_environment(),
    }
    best_epoch = findings.outcome.details.get("best_epoch")
    return {
        "facts": facts.items(),
        "speed": speed.items() if findings.evaluation.count else (),
        "runtime": measured.runtime,
        "command": task.command,
        "repeat": repeat.items(),
        "best_epoch": best_epoch,
    }


def _figures(findings: Findings) -> dict[str, str]:
    """All drawings; those without data are empty."""
    evaluation, pictures = findings.evaluation, findings.task.pictures
    shown, counts = findings.card.shown_labels, list(pictures.counts().values())
    drawn = dict.fromkeys(("confusion", "reliability", "curve", "unknown", "by_count", "sizes"), "")
    drawn["counts"] = draw_counts(shown, counts)
    if len(np.unique(pictures.sizes, axis=0)) > 1:
        drawn["sizes"] = draw_sizes(*pictures.sizes.T.tolist())
    if evaluation.count:
        drawn["confusion"] = draw_confusion(dataclasses.replace(evaluation, labels=shown))
    if findings.calibration is not None:
        drawn["reliability"] = draw_reliability(findings.calibration)
    if findings.analysis.curve is not None:
        drawn["curve"] = draw_learning_curve(findings.analysis.curve)
    if findings.unknowns is not None:
        unknowns = findings.unknowns
        drawn["unknown"] = draw_unknown_scores(unknowns.scores, unknowns.threshold)
    drawn["by_count"] = _recall_by_count(findings)
    return drawn | _history_figures(findings.outcome.details.get("history"))


def _recall_by_count(findings: Findings) -> str:
    """Draw whether labels with more pictures have a higher recall, if there are enough labels."""
    rows = findings.part_counts()
    asked = {
        label: one.recall for label, one in findings.evaluation.per_label().items() if one.count
    }
    counts = [rows[label]["training"] + rows[label]["validation"] for label in asked]
    if len(asked) < _FEWEST_LABELS_BY_COUNT or len(set(counts)) == 1:
        return ""
    names = [findings.task.pictures.category_names.get(label, label) for label in asked]
    return draw_recall_by_count(names, counts, list(asked.values()))


def _history_figures(history: object) -> dict[str, str]:
    """Draw loss and accuracy by epoch, if layers were trained."""
    if not isinstance(history, list) or len(history) < 2:
        return {"loss": "", "accuracy": ""}
    epochs = [int(epoch["epoch"]) for epoch in history]
    series = {
        name: [np.nan if epoch[key] is None else float(epoch[key]) for epoch in history]
        for name, key in (
            ("training", "training_loss"),
            ("validation", "validation_loss"),
            ("right", "validation_accuracy"),
        )
    }
    right = series.pop("right")
    known = {name: values for name, values in series.items() if not np.isnan(values).all()}
    return {
        "loss": draw_history(epochs, known, as_share=False),
        "accuracy": ""
        if np.isnan(right).all()
        else draw_history(epochs, {"validation": right}, as_share=True),
    }


def _percent(share: float, decimals: int = 0) -> str:
    return _prose(percentage(share, decimals))


def _prose(text: str) -> str:
    """Keep a number and its per cent sign on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")
