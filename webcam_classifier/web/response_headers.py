"""The security headers of every response."""

from __future__ import annotations

from collections.abc import Sequence

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""For the page: nothing from other sites, nothing inline, no text that becomes markup."""

REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""For the report: one file with inline style and drawings, and no script at all."""

DATA_POLICY = (
    "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For everything else: data, pictures and errors, which must not act as pages."""

REDIRECT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For the page that forwards to the studio: a sandbox would block that, and its cookie."""

_ALWAYS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",  # the link contains the token
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=(), display-capture=()",
    b"cache-control": b"no-store",
    b"content-security-policy": DATA_POLICY.encode(),
}


def with_protection(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add the security headers to a response, unless it sets them itself.

    Args:
        headers: Names, in lower case, and values.
    """
    present = {name for name, _ in headers}
    return [*headers, *(pair for pair in _ALWAYS.items() if pair[0] not in present)]
