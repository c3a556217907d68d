"""What was found, as a table, and the ratios that say whether ours is as fast as it should be."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.inference_ways import WAYS

_OVERHEAD_OVER = "network"  # our network run alone


Times = dict[str, list[float]]
"""Milliseconds of each round, by the way's name."""


def table(times: Times, answers: Mapping[str, np.ndarray]) -> str:
    """Lay out what was found, the fastest first."""
    reference = answers.get("ours")
    ours = statistics.median(times["ours"]) if "ours" in times else float("nan")
    width = max(len(way.title) for way in WAYS.values()) + 2
    lines = [f"{'way':<{width}}{'bits':<6}{'ms':>7}  {'range':>13}{'times ours':>12}  same answers"]
    for name, found in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        middle = statistics.median(found)
        span = f"{min(found):.2f}-{max(found):.2f}"
        line = f"{WAYS[name].title:<{width}}{WAYS[name].precision:<6}{middle:>7.2f}  {span:>13}"
        line += f"{middle / ours:>12.2f}  "
        if reference is not None and WAYS[name].same_network:
            equal = int((answers[name].argmax(axis=1) == reference.argmax(axis=1)).sum())
            far = float(np.abs(answers[name] - reference).max())
            line += f"{equal} of {len(reference)}, {far:.3f} apart"
        lines.append(line.rstrip())
    return "\n".join(lines)


def ratios(times: Mapping[str, Sequence[float]]) -> list[str]:
    """Say in lines how ours compares; a line whose ways were left out is left out.

    Args:
        times: Of each round of each way, in milliseconds.
    """
    middles = {name: statistics.median(found) for name, found in times.items()}
    ours = {name: time for name, time in middles.items() if name.startswith("ours")}
    baselines = {
        name: time
        for name, time in middles.items()
        if name not in ours and name != _OVERHEAD_OVER and WAYS[name].same_network
    }
    notebook = {name: time for name, time in middles.items() if name.startswith("notebook")}
    ours_in_full, baselines_in_full = _in_full(ours), _in_full(baselines)
    reduced = {name: time for name, time in ours.items() if WAYS[name].precision == "int8"}
    lines = []
    for words, above, below in (
        ("fp32, ours over the fastest baseline", ours_in_full, baselines_in_full),
        ("best precision, ours over the fastest baseline", ours, baselines),
        ("int8 over fp32, ours", reduced, ours_in_full),
        ("notebook loop over ours, best precision", notebook, ours),
    ):
        if above and below:
            first, second = min(above, key=above.__getitem__), min(below, key=below.__getitem__)
            ratio = above[first] / below[second]
            lines.append(f"{words}: {ratio:.2f} ({WAYS[first].title} / {WAYS[second].title})")
    if "ours" in middles and _OVERHEAD_OVER in middles:
        overhead = middles["ours"] / middles[_OVERHEAD_OVER] - 1.0
        lines.append(f"overhead of ours over its network run alone: {overhead:.0%}")
    return lines


def _in_full(times: Mapping[str, float]) -> dict[str, float]:
    return {name: time for name, time in times.items() if WAYS[name].precision == "fp32"}
