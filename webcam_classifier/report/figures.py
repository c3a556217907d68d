"""The report's drawings, as SVG that takes its colours from the page around it.

Matplotlib draws with stand-in colours, and each becomes a CSS variable of the page: so one drawing
is right on a light page, on a dark one and on paper. Text stays text, in the page's own typeface.
"""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter
from numpy.typing import NDArray

from webcam_classifier.evaluation.metrics import Evaluation
from webcam_classifier.percentage import percentage
from webcam_classifier.report.findings import Calibration
from webcam_classifier.report.learning_curve import LearningCurve

LABEL_COLOURS = 10
"""With up to this many labels each has a colour of its own; with more, none has."""

_INK, _MUTED, _RULE = "#000001", "#000002", "#000003"
_ACCENT, _WARNING, _CARD = "#000004", "#000005", "#000006"
_VARIABLES = {
    _INK: "--ink", _MUTED: "--muted", _RULE: "--rule",
    _ACCENT: "--accent", _WARNING: "--warning", _CARD: "--card",
}  # fmt: skip
_WIDTH = 380.0  # points, which are CSS pixels on a phone
_POINTS_AN_INCH = 72.0
_STYLE: dict[Any, object] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a label may hold any sign, dollars too
    "font.size": 10.0,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _RULE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.8,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "xtick.major.pad": 5.0,
    "figure.facecolor": "none",
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}
_LARGEST_WITH_COUNTS = 12  # labels whose confusions still have room for numbers
_LARGEST_WITH_NAMES = 24
_LARGEST_WITH_BARS = 30
_LONGEST_NAME = 16  # characters


def label_colour(index: int) -> str:
    """Return a label's colour as CSS: the same in every drawing, table and caption."""
    return f"var(--label-{index})"


def draw_confusion(evaluation: Evaluation) -> str:
    """Draw the confusion matrix: rows are actual labels, columns predicted ones."""
    count = len(evaluation.labels)
    shares = evaluation.confusion / np.maximum(1, evaluation.confusion.sum(axis=1, keepdims=True))

    def draw(axes: Axes) -> None:
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal")
        for place in range(count + 1) if count <= _LARGEST_WITH_NAMES else (0, count):
            axes.plot((0, count), (place, place), color=_RULE, linewidth=0.6)
            axes.plot((place, place), (0, count), color=_RULE, linewidth=0.6)
        for truth, answer in np.argwhere(evaluation.confusion).tolist():
            share = float(shares[truth, answer])
            colour = _ACCENT if truth == answer else _WARNING
            strength = 0.12 + 0.75 * math.sqrt(share)
            axes.add_patch(
                Rectangle((answer, truth), 1, 1, facecolor=colour, alpha=strength, linewidth=0)
            )
            if count <= _LARGEST_WITH_COUNTS:
                number = int(evaluation.confusion[truth, answer])
                axes.text(
                    answer + 0.5, truth + 0.5, str(number), ha="center", va="center_baseline",
                    fontweight="bold" if truth == answer else "normal",
                    color=_CARD if strength > 0.6 else _INK,
                )  # fmt: skip
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("predicted", labelpad=9)
        axes.set_ylabel("actual", labelpad=6)
        _name_both(axes, evaluation.labels)

    return _draw("confusion", "Confusion matrix. Rows: actual. Columns: predicted.", 330.0, draw)


def draw_reliability(calibration: Calibration) -> str:
    """Draw accuracy against confidence, with the temperature and without it."""

    def draw(axes: Axes) -> None:
        axes.plot((0, 1), (0, 1), color=_MUTED, linewidth=1.0, dashes=(3, 3))
        total = sum(one.count for one in calibration.bins)
        series = [(calibration.bins, _ACCENT, _ACCENT, "as the model says it")]
        if calibration.bins_without:
            series.insert(0, (calibration.bins_without, "none", _MUTED, "without temperature"))
        for bins, face, edge, name in series:
            x, y = ([getattr(one, key) for one in bins] for key in ("confidence", "accuracy"))
            sizes = [30.0 + 500.0 * one.count / total for one in bins]
            if face != "none":
                axes.plot(x, y, color=edge, linewidth=1.2, alpha=0.6)
            axes.scatter(
                x, y, s=sizes, facecolor=face, edgecolor=edge, linewidth=1.4, alpha=0.85,
                label=name, clip_on=False, zorder=3,
            )  # fmt: skip
        if len(series) > 1:
            legend = axes.legend(loc="upper left", fontsize=9.0, borderaxespad=0.2)
            for handle in legend.legend_handles:
                if handle is not None:
                    handle.set(sizes=[45.0])
        axes.set(xlim=(0, 1.0), ylim=(0, 1.0), xlabel="confidence", ylabel="accuracy")
        axes.xaxis.set_major_formatter(_percent_formatter())
        axes.yaxis.set_major_formatter(_percent_formatter())

    return _draw("reliability", "Accuracy against confidence", 270.0, draw)


def draw_learning_curve(curve: LearningCurve) -> str:
    """Draw accuracy against the number of snapshots, with its extrapolation."""
    last = curve.points[-1]
    sizes = [point.snapshots for point in curve.points]
    target = last.snapshots + curve.more

    def draw(axes: Axes) -> None:
        lows = [point.low for point in curve.points]
        highs = [point.high for point in curve.points]
        axes.fill_between(sizes, lows, highs, color=_ACCENT, alpha=0.16, linewidth=0)
        values = [point.accuracy for point in curve.points]
        axes.plot(sizes, values, color=_ACCENT, marker="o", markersize=5, clip_on=False)
        expected = last.accuracy + curve.gain
        axes.plot((last.snapshots, target), (last.accuracy, expected),
                  color=_ACCENT, linewidth=1.4, dashes=(2, 2))  # fmt: skip
        likely = [last.accuracy + gain for gain in (curve.gain_low, curve.gain_high)]
        axes.plot((target, target), likely, color=_ACCENT, linewidth=5, alpha=0.35)
        axes.plot(target, expected, color=_ACCENT, marker="o", markersize=5, fillstyle="none",
                  clip_on=False)  # fmt: skip
        floor = max(0.0, math.floor(10 * min(*lows, 0.89) - 0.2) / 10)
        axes.set(xlim=(0, target * 1.04), ylim=(floor, 1.0), xlabel="training snapshots")
        below = (1.0 - floor) * 0.06
        named = [(sizes[-1], values[-1])]
        if sizes[-1] - sizes[0] > target / 5:  # else the two names would lie upon each other
            named.append((sizes[0], values[0]))
        for size, value in named:
            axes.text(size, value - below, percentage(value, 0), ha="center", va="top", color=_INK)
        axes.text(target, expected - below, f"+{curve.more}", ha="center", va="top", color=_MUTED)
        _share_axis(axes, floor)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    return _draw("curve", "Accuracy against the number of training snapshots", 250.0, draw)


def draw_unknown_scores(scores: NDArray[np.floating], threshold: float) -> str:
    """Draw the distribution of the test pictures' novelty scores, with the threshold."""

    def draw(axes: Axes) -> None:
        low, high = (pick(float(pick(scores)), threshold) for pick in (min, max))
        edges = np.linspace(low, high + 1e-9, 31)
        counts, _ = np.histogram(scores, edges)
        for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
            colour = _WARNING if left >= threshold else _ACCENT
            axes.bar(left, count, (right - left) * 0.88, align="edge", color=colour, alpha=0.75)
        axes.axvline(threshold, color=_INK, linewidth=1.2)
        axes.text(threshold, 1.02, "unknown from here", transform=axes.get_xaxis_transform(),
                  ha="center", color=_INK)  # fmt: skip
        axes.set(xlabel="score for none of these", ylabel="test snapshots")
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(visible=False, axis="x")

    return _draw("unknown", "Histogram of the test pictures' unknown scores", 210.0, draw)


def draw_counts(labels: Sequence[str], counts: Sequence[int]) -> str:
    """Draw how many pictures there are of each label; of many labels, sorted and unnamed."""
    if len(labels) <= _LARGEST_WITH_BARS:
        return _draw_named_counts(labels, counts)

    def draw(axes: Axes) -> None:
        axes.bar(range(len(counts)), sorted(counts, reverse=True), 1.0, color=_ACCENT, alpha=0.75)
        axes.set(xlabel=f"{len(labels)} labels, most pictures first", ylabel="pictures",
                 xlim=(-0.5, len(labels) - 0.5))  # fmt: skip
        axes.grid(visible=False, axis="x")

    return _draw("counts", "Number of pictures of each label", 190.0, draw)


def _draw_named_counts(labels: Sequence[str], counts: Sequence[int]) -> str:
    def draw(axes: Axes) -> None:
        places = range(len(labels))
        colours = [_label_stand_in(place, len(labels)) for place in places]
        axes.barh(places, counts, 0.62, color=colours)
        for place, count in zip(places, counts, strict=True):
            axes.text(count, place, f"  {count}", va="center_baseline", color=_INK)
        axes.set(ylim=(len(labels) - 0.4, -0.6), xlim=(0, max(counts) * 1.12))
        axes.set_yticks(list(places), [_short(label) for label in labels])
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)

    return _draw("counts", "Number of pictures of each label", 26.0 * len(labels) + 24.0, draw)


def draw_recall_by_count(
    labels: Sequence[str], counts: Sequence[int], recalls: Sequence[float]
) -> str:
    """Draw each label's recall against its number of training pictures."""

    def draw(axes: Axes) -> None:
        for index, (count, recall) in enumerate(zip(counts, recalls, strict=True)):
            colour = _label_stand_in(index, len(labels))
            axes.scatter(count, recall, s=42, color=colour, alpha=0.8, clip_on=False, linewidth=0)
        for index in sorted(range(len(labels)), key=lambda place: recalls[place])[:3]:
            if recalls[index] < 1.0:
                axes.annotate(_short(labels[index]), (counts[index], recalls[index]),
                              (6, -3), textcoords="offset points")  # fmt: skip
        low = max(0.0, math.floor(10 * min(*recalls, 0.9) - 0.2) / 10)
        axes.set(xlabel="training pictures of the label", ylabel="recall", ylim=(low, 1.0))
        axes.margins(x=0.12)
        _share_axis(axes, low)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))

    return _draw("by_count", "Recall of each label against its training pictures", 230.0, draw)


def draw_history(
    epochs: Sequence[int], curves: Mapping[str, Sequence[float]], as_share: bool
) -> str:
    """Draw figures by epoch, each line named at its end.

    Args:
        epochs: Their numbers.
        curves: (epochs,) values by name; nan where there is none.
        as_share: Whether the values are shares of 1, to be shown in per cent.
    """

    def draw(axes: Axes) -> None:
        for (name, values), colour in zip(curves.items(), (_ACCENT, _WARNING), strict=False):
            axes.plot(epochs, values, color=colour, marker="o", markersize=3.5, label=name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if as_share:
            axes.yaxis.set_major_formatter(_percent_formatter(decimals=0))
        axes.legend(fontsize=9.0, labelcolor="linecolor", loc="best")

    return _draw("-".join(curves), " and ".join(curves) + " by epoch", 190.0, draw)


def draw_sizes(widths: Sequence[int], heights: Sequence[int]) -> str:
    """Draw the widths and heights of picture files; a larger dot means more of them."""
    found: dict[tuple[int, int], int] = {}
    for size in zip(widths, heights, strict=True):
        found[size] = found.get(size, 0) + 1

    def draw(axes: Axes) -> None:
        for (width, height), count in found.items():
            axes.scatter(width, height, s=20 + 300 * count / len(widths), color=_ACCENT,
                         alpha=0.5, linewidth=0, clip_on=False)  # fmt: skip
        (width, height), _ = max(found.items(), key=lambda item: item[1])
        axes.annotate(f"{width} x {height}", (width, height), (12, -3),
                      textcoords="offset points")  # fmt: skip
        axes.set(xlabel="width, pixels", ylabel="height, pixels",
                 xlim=(0, max(widths) * 1.25), ylim=(0, max(heights) * 1.25))  # fmt: skip

    return _draw("sizes", "Width and height of the picture files", 230.0, draw)


def _draw(name: str, description: str, height: float, draw: Callable[[Axes], None]) -> str:
    """Return one drawing as an SVG element for a page.

    Args:
        name: A unique prefix, so that all drawings can be in one document.
        description: For those who can't see it.
        height: In points.
        draw: Draws on empty axes.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The reader's browser has the signs that matplotlib's own typeface lacks.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from")
        figure = Figure(
            figsize=(_WIDTH / _POINTS_AN_INCH, height / _POINTS_AN_INCH), layout="constrained"
        )
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _for_page(written.getvalue(), description)


def _for_page(svg: str, description: str) -> str:
    """Keep the drawing alone: no fixed size, no typeface, nothing that names another place."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    opening, inside = svg[svg.index("<svg") :].strip().split(">", 1)
    box = opening[opening.index("viewBox") :].split('"')[1]
    inside = re.sub(r"<[^>]*>", _tag_for_page, inside)
    return f'<svg viewBox="{box}" role="img" aria-label="{html.escape(description)}">{inside}'


def _tag_for_page(found: re.Match[str]) -> str:
    """Change a tag, never the text between tags: that may be a user's."""
    tag = found[0].replace("xlink:href", "href")
    tag = re.sub(r"; font-family: [^;\"]*", "", tag)
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r"#0001([0-9a-f]{2})", lambda code: f"var(--label-{int(code[1], 16)})", tag)
    for stand_in, variable in _VARIABLES.items():
        tag = tag.replace(stand_in, f"var({variable})")
    return tag


def _percent_formatter(decimals: int | None = None) -> PercentFormatter:
    """Write percentages at an axis as they are written in the text: `90 %`."""
    return PercentFormatter(1.0, decimals, symbol=" %")


def _share_axis(axes: Axes, floor: float) -> None:
    """Label a vertical axis from `floor` to 1 in round per cents."""
    axes.yaxis.set_major_formatter(_percent_formatter(decimals=0))
    axes.yaxis.set_major_locator(MultipleLocator(0.2 if floor < 0.5 else 0.1))


def _label_stand_in(index: int, label_count: int) -> str:
    return f"#0001{index:02x}" if label_count <= LABEL_COLOURS else _ACCENT


def _name_both(axes: Axes, labels: Sequence[str]) -> None:
    places = np.arange(len(labels)) + 0.5
    if len(labels) > _LARGEST_WITH_NAMES:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    names = [_short(label) for label in labels]
    size = 10.0 if len(labels) <= _LARGEST_WITH_COUNTS else 7.0
    crowded = sum(map(len, names)) > 34
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xticks(
        places, names, fontsize=size,
        rotation=40 if crowded else 0, ha="left" if crowded else "center",
        rotation_mode="anchor" if crowded else "default",
    )  # fmt: skip


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_NAME else label[: _LONGEST_NAME - 1] + "…"
