"""The one kind of error that a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend.

    Its text is a sentence that says what is wrong, with the value, and a second one that says
    what to do next. Scripts print it without a traceback and end with exit code 1.
    """
