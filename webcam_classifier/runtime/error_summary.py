"""Summarise a library's exception in a few words that can be shown to a user."""

from __future__ import annotations

from webcam_classifier.visible_text import visible

_LONGEST = 200  # characters


def summarise_error(error: BaseException) -> str:
    """Return the first line of an exception's text, or its type if it has no text.

    Args:
        error: From onnxruntime, say, whose messages run over many lines and may quote a damaged
            file.

    Returns:
        At most 200 characters, without control characters.
    """
    lines = str(error).strip().splitlines()
    return visible(lines[0])[:_LONGEST] if lines else type(error).__name__
