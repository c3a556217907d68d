"""Draw accuracy against latency, with the frontier."""

from __future__ import annotations

from pathlib import Path

from webcam_classifier.export.advise import Advice
from webcam_classifier.export.candidates import frontier
from webcam_classifier.storage import replace_atomically

_MARKERS = {"fp32": "o", "int8": "s", "fp16": "^"}
_FRONTIER, _OTHER, _CHOSEN = "#1f6f54", "#9aa5b1", "#c2410c"


def plot_advice(advice: Advice, path: Path) -> None:
    """Write a plot as a PNG file.

    Args:
        advice: What was measured.
        path: Of the file.

    Raises:
        UserError: It can't be written.
    """
    # Imported only here, because it takes a second. Not pyplot, which has global state and keeps
    # every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ordered = sorted(advice.candidates, key=lambda one: one.milliseconds)
    best = frontier(ordered)
    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    times, heights = [one.milliseconds for one in best], [one.accuracy for one in best]
    axes.plot(times, heights, color=_FRONTIER, linewidth=1, zorder=1)
    for number, one in enumerate(ordered, 1):
        low, high = one.interval
        colour = _FRONTIER if one in best else _OTHER
        axes.errorbar(
            one.milliseconds,
            one.accuracy,
            yerr=[[one.accuracy - low], [high - one.accuracy]],
            fmt=_MARKERS.get(one.precision, "o"),
            color=_CHOSEN if one is advice.chosen else colour,
            elinewidth=0.5,
            label=f"{number}  {one.name}, {one.runs_on}",
        )
        place = (one.milliseconds, one.accuracy)
        axes.annotate(str(number), place, (0, 7), textcoords="offset points", ha="center")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms for one prepared picture")
    known = advice.truth_is_known
    axes.set_ylabel("accuracy, 95 % interval" if known else "same answers as the original")
    axes.set_title(f"recommended: {advice.chosen.name}", color=_CHOSEN, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    replace_atomically(path, lambda partial: figure.savefig(partial, format="png", dpi=150))
