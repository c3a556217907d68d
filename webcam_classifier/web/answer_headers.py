"""What every answer tells the browser it must not do."""

from __future__ import annotations

from collections.abc import Sequence

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Of the page: nothing from elsewhere, nothing inline, no text that becomes markup."""

REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Of the report: one file with its style and drawings inside, and no script at all."""

BARE_POLICY = (
    "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of everything else: data, pictures and errors, which are no pages even when opened as one."""

DOOR_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of the page that goes on to the studio: a sandbox would keep it, and its cookie, from that."""

_ALWAYS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",  # the link has the token in it
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=(), display-capture=()",
    b"cache-control": b"no-store",
    b"content-security-policy": BARE_POLICY.encode(),
}


def with_protection(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add to an answer's headers what every answer has and this one does not say otherwise.

    Args:
        headers: Names in lower case.
    """
    present = {name for name, _ in headers}
    return [*headers, *(pair for pair in _ALWAYS.items() if pair[0] not in present)]
