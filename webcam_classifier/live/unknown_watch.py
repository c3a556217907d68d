"""Notice that nearly everything is unknown, as in a room that the model was not trained in."""

from __future__ import annotations

from collections import deque

from webcam_classifier.live.loop import LabelledFrame

RECENTLY = 10.0
"""Seconds after which a picture that stays unknown is no passing hand or blur."""

_NEARLY_ALL = 0.9  # of the recent frames; a guess may come through now and then


class UnknownWatch:
    """Counts the frames that were shown as unknown; used from one thread.

    Counting begins anew with another model.
    """

    def __init__(self) -> None:
        self._model: tuple[str, ...] | None = None
        self._regions: dict[str, _RecentFrames] = {}
        self._count = 0
        self._unknown = 0

    @property
    def share(self) -> float:
        """The share of all frames, 0 to 1, that were unknown in every region."""
        return self._unknown / self._count if self._count else 0.0

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions that have been unknown recently; a single model's name is empty."""
        return tuple(name for name, recent in self._regions.items() if recent.are_unknown)

    def take(self, labelled: LabelledFrame) -> None:
        """Count one more frame.

        Args:
            labelled: The frame, labelled later than the one before.
        """
        model = tuple(region.model for region in labelled.regions)
        if model != self._model:
            self._model, self._count, self._unknown = model, 0, 0
            self._regions = {region.region: _RecentFrames() for region in labelled.regions}
        for region in labelled.regions:
            recent = self._regions[region.region]
            recent.add(labelled.labelled_at, region.steady.is_unknown)
        self._count += 1
        self._unknown += all(region.steady.is_unknown for region in labelled.regions)

    def forget_recent(self) -> None:
        """Forget the recent frames, because pictures stopped coming."""
        for name in self._regions:
            self._regions[name] = _RecentFrames()


class _RecentFrames:
    """The frames of about the last `RECENTLY` seconds, and how many of them were unknown."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, bool]] = deque()
        self._unknown = 0

    def add(self, at: float, is_unknown: bool) -> None:
        """Add a frame, labelled at a moment on the monotonic clock."""
        self._frames.append((at, is_unknown))
        self._unknown += is_unknown
        while len(self._frames) > 1 and at - self._frames[1][0] >= RECENTLY:
            self._unknown -= self._frames.popleft()[1]

    @property
    def are_unknown(self) -> bool:
        """Whether they reach back far enough, and nearly all are unknown."""
        frames = self._frames
        return (
            len(frames) > 1
            and frames[-1][0] - frames[0][0] >= RECENTLY
            and self._unknown >= _NEARLY_ALL * len(frames)
        )
