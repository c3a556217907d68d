"""What to do if nearly everything is unknown, said while `live` runs and at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from webcam_classifier.command_names import typed
from webcam_classifier.dataset.predefined_split import find_parts
from webcam_classifier.errors import UserError
from webcam_classifier.live.unknown_watch import RECENTLY
from webcam_classifier.model_card import UNKNOWN_NORMAL, UNKNOWN_STRICT, ModelCard
from webcam_classifier.percentage import percentage

MOSTLY = 0.5
"""The share of pictures shown as unknown from which that is what matters about them."""

_UNLIKE = "unlike all pictures that the model was trained on"


def advise_on_unknown(card: ModelCard | None, level: str) -> str:
    """Say in one or two sentences what helps if nearly everything is unknown.

    Args:
        card: The model's; None if there are several.
        level: One of `UNKNOWN_LEVELS`, not off.
    """
    command = "" if card is None else _collect_command(Path(card.dataset))
    more = (
        f"--unknown {UNKNOWN_NORMAL} accepts more"
        if level == UNKNOWN_STRICT
        else "--unknown off shows the likeliest label in any case, and is wrong more often"
    )
    return (
        "If the room, the light, the camera or the person is new, record each label there too"
        f"{command}, and train again. {more}"
    )


class UnknownAdvice:
    """Says once what to do while nearly everything is unknown, and at the end of the run.

    Args:
        say: Prints a line.
        card: Returns the card of the model that labels; it returns None if there are several.
        level: One of `UNKNOWN_LEVELS`.
    """

    def __init__(
        self, say: Callable[[str], None], card: Callable[[], ModelCard | None], level: str
    ) -> None:
        self._say = say
        self._card = card
        self._level = level
        self._is_said = False

    def say_recent(self, regions: Sequence[str]) -> None:
        """Say that regions are unknown, unless it was said before.

        Args:
            regions: As `UnknownWatch.regions`.
        """
        if regions and not self._is_said:
            self._is_said = True
            where = f"{', '.join(regions)}: " if any(regions) else ""
            self._say(
                f"note: {where}unknown for {RECENTLY:.0f} s, {_UNLIKE}. "
                + advise_on_unknown(self._card(), self._level)
            )

    def say_share(self, share: float, noun: str) -> None:
        """Say how much was unknown if it was most of it, and what to do unless that was said.

        Args:
            share: 0 to 1.
            noun: What was labelled, such as `pictures`.
        """
        if share > MOSTLY:
            told = f"note: {percentage(share, 0)} of the {noun} were unknown, {_UNLIKE}"
            if not self._is_said:
                told += f". {advise_on_unknown(self._card(), self._level)}"
            self._say(told)


def _collect_command(dataset: Path) -> str:
    """Return the command that records into a model's data set, if that is here and one whole."""
    try:
        is_whole = dataset.is_dir() and not find_parts(dataset)
    except UserError:  # two folders are the same part
        is_whole = False
    if not is_whole:
        return ""
    return f" (`python collect.py --dataset {typed(dataset)}`)"
