"""The error whose text is meant for the user."""

from __future__ import annotations

from webcam_classifier.command_names import as_installed


class UserError(Exception):
    """Something that the user can fix.

    Its text is a sentence that says what is wrong, with the value, and a second one that says
    what to do next. Scripts print it without a traceback and end with exit code 1.

    >>> from pathlib import Path
    >>> from webcam_classifier import UserError, find_model
    >>> try:  # doctest: +ELLIPSIS
    ...     find_model(Path("models"))
    ... except UserError as error:
    ...     print(error)
    There is no model.onnx in the folder models. Train a model with `python train.py`, ...

    Args:
        message: Both sentences; commands in it are named as a checkout has them, and shown as this
            installation has them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(as_installed(message))
