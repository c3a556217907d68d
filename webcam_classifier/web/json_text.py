r"""JSON for browsers, whatever names and figures contain.

The name of a file or folder may contain bytes that are not UTF-8. Python represents them as lone
surrogates (PEP 383), which UTF-8 can't encode; they are shown as `\xff`.
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
    """Return a value as JSON that every browser can read, with null for NaN and infinities.

    Args:
        value: Made of dictionaries, lists, tuples, text, numbers, booleans and None.
    """
    try:
        text = _written(value)
        if _SURROGATE.search(text) is None:
            return text
    except ValueError:  # NaN
        pass
    return _written(_plain(value))


def plain_text(sentence: str) -> str:
    r"""Return a sentence that UTF-8 can encode: a byte that it can't becomes `\xff`."""
    return _SURROGATE.sub(_escaped, sentence)


class Json(JSONResponse):
    """A response in the JSON of `json_text`."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 as the base class has it
        """Return the body."""
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
