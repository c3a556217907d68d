"""Draw times as bars: `python -m benchmarks.inference_plot OUT.png < TIMES.json`."""

from __future__ import annotations

import json
import statistics
import sys

_OURS, _OTHERS = "#1f6f54", "#9aa5b1"


def main() -> None:
    """Read the times of each way from the standard input, and draw their medians and ranges."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    times: dict[str, list[float]] = json.load(sys.stdin)
    ways = sorted(times, key=lambda name: -statistics.median(times[name]))
    middles = [statistics.median(times[way]) for way in ways]
    spread = [
        [middle - min(times[way]) for way, middle in zip(ways, middles, strict=True)],
        [max(times[way]) - middle for way, middle in zip(ways, middles, strict=True)],
    ]
    figure, axes = plt.subplots(figsize=(8, 0.36 * len(ways) + 1.2), layout="constrained")
    colours = [_OURS if way.startswith("ours") else _OTHERS for way in ways]
    axes.barh(ways, middles, xerr=spread, color=colours, ecolor="#444444", capsize=2)
    ends = [middle + late for middle, late in zip(middles, spread[1], strict=True)]
    for place, (middle, end) in enumerate(zip(middles, ends, strict=True)):
        axes.text(end + 0.01 * max(ends), place, f"{middle:.1f}", va="center", fontsize=9)
    axes.set_xlim(0, 1.08 * max(ends))
    axes.set_xlabel("ms from frame to label: median and range of rounds")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(sys.argv[1], dpi=150)


if __name__ == "__main__":
    main()
