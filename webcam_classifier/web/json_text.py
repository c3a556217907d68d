r"""JSON for browsers, whatever stands in names and figures.

The name of a file or folder may hold bytes that are no UTF-8. Python has them as lone surrogates
(PEP 383), which no UTF-8 can hold; a person is shown them as `\xff`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(value: object) -> str:
    """Write a value as JSON that every browser reads; NaN and infinities, which it lacks, as null.

    Args:
        value: Of dictionaries, lists, tuples, text, numbers, truth values and None.
    """
    try:
        text = _written(value)
        if _SURROGATE.search(text) is None:
            return text
    except ValueError:  # NaN
        pass
    return _written(_plain(value))


def plain_text(sentence: str) -> str:
    r"""Write a sentence so that UTF-8 can hold it: a byte that it can't hold becomes `\xff`."""
    return _SURROGATE.sub(_escaped, sentence)


class Json(JSONResponse):
    """An answer as `json_text` writes it."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 as the base class has it
        """Write the body."""
        return json_text(content).encode()


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code & 0xFF:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
