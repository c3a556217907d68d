"""How fast a run is: frames a second, dropped frames, and the time that each stage takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

_KEPT_DURATIONS = 20_000  # eleven minutes at 30 frames a second; a run of days stays small
_RECENT_FRAMES = 31  # 30 intervals: one second of a common camera


class Durations:
    """The latest durations of one stage, for their median and 95th percentile."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT_DURATIONS)

    def add(self, seconds: float) -> None:
        """Take note of one duration."""
        self._seconds.append(seconds)

    def __len__(self) -> int:
        return len(self._seconds)

    def percentile(self, percent: float) -> float:
        """Return the duration that `percent` of the noted ones stay below.

        Returns:
            Milliseconds; not a number where none was noted.
        """
        if not self._seconds:
            return float("nan")
        return 1000.0 * float(np.percentile(np.array(self._seconds), percent))


class FrameCounter:
    """Counts frames as they are labelled, and those that were dropped in between."""

    def __init__(self) -> None:
        self.frames = 0
        self.dropped = 0
        self._last_index = -1
        self._first_at = 0.0
        self._recent: deque[float] = deque(maxlen=_RECENT_FRAMES)

    def count(self, index: int, at: float) -> None:
        """Count one frame.

        Args:
            index: `Frame.index`; a gap to the one before counts as dropped.
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
        """Measure the recent rate anew, after a gap."""
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
        counter: Of its frames.
        dropped_frames: How many frames drawing was too slow for.
        stages: By name; stages without any duration are left out.
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
