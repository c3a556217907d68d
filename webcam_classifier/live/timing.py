"""Measure a run: frames per second, dropped frames, and the time each stage takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

_KEPT_DURATIONS = 20_000  # eleven minutes at 30 frames a second; bounds the memory of long runs
_RECENT_FRAMES = 31  # 30 intervals: one second of most cameras


class Durations:
    """The latest durations of one stage, for their median and 95th percentile."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT_DURATIONS)

    def add(self, seconds: float) -> None:
        """Add a duration.

        Args:
            seconds: The duration.
        """
        self._seconds.append(seconds)

    def __len__(self) -> int:
        return len(self._seconds)

    def percentile(self, percent: float) -> float:
        """Return a percentile of the durations.

        Args:
            percent: 0 to 100.

        Returns:
            Milliseconds; not a number if there are no durations.
        """
        if not self._seconds:
            return float("nan")
        return 1000.0 * float(np.percentile(np.array(self._seconds), percent))


class FrameCounter:
    """Counts labelled frames, and frames of the source that were dropped between them."""

    def __init__(self) -> None:
        self.frames = 0
        self.dropped = 0
        self._last_index = -1
        self._first_at = 0.0
        self._recent: deque[float] = deque(maxlen=_RECENT_FRAMES)

    def count(self, index: int, at: float) -> None:
        """Count one frame.

        Args:
            index: `Frame.index`; skipped numbers count as dropped frames.
            at: Seconds on the monotonic clock.
        """
        if self.frames == 0:
            self._first_at = at
        else:
            self.dropped += max(0, index - self._last_index - 1)
        self._last_index = index
        self.frames += 1
        self._recent.append(at)

    def restart(self) -> None:
        """Restart the measurement of the recent rate, after a gap."""
        self._recent.clear()

    @property
    def rate(self) -> float:
        """Frames a second over the whole run; 0 before the second frame."""
        last = self._recent[-1] if self._recent else 0.0
        return _rate(self.frames, last - self._first_at)

    @property
    def recent_rate(self) -> float:
        """Frames a second over about the last second; 0 before the second frame."""
        recent = self._recent
        return _rate(len(recent), recent[-1] - recent[0]) if recent else 0.0


def _rate(frames: int, seconds: float) -> float:
    return (frames - 1) / seconds if frames > 1 and seconds > 0 else 0.0


def describe_run(
    counter: FrameCounter, dropped_frames: int, stages: Mapping[str, Durations]
) -> str:
    """Say in a few lines how fast a run was.

    Args:
        counter: The counter of its frames.
        dropped_frames: How many labelled frames drawing was too slow for.
        stages: The durations by stage; stages without any are left out.
    """
    not_drawn = f", {dropped_frames} labelled but not drawn" if dropped_frames else ""
    lines = [
        f"{counter.frames} frames, {counter.dropped} dropped{not_drawn}, "
        f"{counter.rate:.1f} frames a second"
    ]
    measured = {name: durations for name, durations in stages.items() if len(durations)}
    if measured:
        width = max(len(name) for name in measured)
        lines.append(f"  {'milliseconds':{width}}   median  95th percentile")
        for name, durations in measured.items():
            median, late = durations.percentile(50), durations.percentile(95)
            lines.append(f"  {name:{width}} {median:8.2f} {late:16.2f}")
    return "\n".join(lines)
