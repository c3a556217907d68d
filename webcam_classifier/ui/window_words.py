"""The texts of the windows, for translation; those about recording are in `record_words`."""

from __future__ import annotations

from collections.abc import Sequence

from webcam_classifier.percentage import rounded_percentage

LIVE_TITLE = "live - webcam classifier"
COLLECT_TITLE = "collect - webcam classifier"
TEACH_TITLE = "teach - webcam classifier"

EMPTY_PANEL = "Teach it what it sees"
NEW_LABEL = "A new label"
ENTRY_KEYS = "Enter adds it    Escape cancels"
PAUSED = "paused"
NO_PICTURE = "no picture"
NOTHING_TO_SAVE = "there is no picture to save"
NO_MODEL_YET = "nothing to save yet: at least two labels need snapshots"
FINISHING = "finishing the model (Ctrl-C ends without it)"
ENDS_ONCE_WRITTEN = "ends once the model is written; press q again to end now"


def sureness(is_sure: bool, confidence: float) -> str:
    """How sure a model is.

    Args:
        is_sure: Whether that is enough to be relied on.
        confidence: 0 to 1.
    """
    return f"{'sure' if is_sure else 'not sure'}, {rounded_percentage(confidence, 0)}"


def guess(label: str, key: str) -> str:
    """What an unknown picture looks like most.

    Args:
        label: The likeliest.
        key: What records it; empty if nothing does.
    """
    return f"perhaps {label}; hold {key} if so" if key else f"perhaps {label}"


def unlike_training(regions: Sequence[str]) -> str:
    """What to do if nearly everything has been unknown for a while; empty if it was not.

    Args:
        regions: Names of the regions; that of a single model is empty.
    """
    if not regions:
        return ""
    where = f"{', '.join(regions)}: " if any(regions) else ""
    return f"{where}unlike all training pictures: record each label here too"


def live_keys(*, is_paused: bool, can_explain: bool) -> str:
    """Which keys the live window takes."""
    explain = "   e explain" if can_explain else ""
    return f"q quit   space {'continue' if is_paused else 'pause'}   s snapshot{explain}"


def snapshot_saved(folder: str) -> str:
    """Where a snapshot of the live window went."""
    return f"saved to {folder}/: raw and annotated"


def hold_to_record(key: str, label: str) -> str:
    """What to do about a label that was added."""
    return f"hold {key} while you show it {label}"


def recording(label: str) -> str:
    """What is being recorded."""
    return f"recording {label}"


def not_recorded(skipped: str) -> str:
    """What was left out, such as `12 nearly the same as the last`."""
    return f"not recorded: {skipped}"


def model_written(file: str, message: str) -> str:
    """What came of writing a model."""
    return f"wrote {file}: {message}"


def model_not_written(reason: str) -> str:
    """Why there is none."""
    return f"no model: {reason}"


def no_picture_for(seconds: float) -> str:
    """For how long there was no picture."""
    return f"{NO_PICTURE} for {seconds:.0f} s"


def frame_of(number: int, total: int | None) -> str:
    """Which frame of a file it is; the total is None or 0 if it is not known."""
    return f"frame {number} of {total}" if total else f"frame {number}"


def pace(frames_per_second: float, inference_seconds: float, age_seconds: float) -> str:
    """How fast it goes, and how old the picture is."""
    return (
        f"{frames_per_second:.1f} frames/s   "
        f"{1000 * inference_seconds:.1f} ms inference   "
        f"{1000 * age_seconds:.0f} ms old"
    )
