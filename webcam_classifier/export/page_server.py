"""Serve a folder with a web page to this machine only, to try the page before publishing it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from os import PathLike
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.export.web_page import PAGE_POLICY

_HOST = "127.0.0.1"

_HEADERS = {
    # Isolation from other sites, without which browsers deny threads to WebAssembly.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@contextmanager
def page_server(folder: Path, port: int) -> Iterator[ThreadingHTTPServer]:
    """Open a server for a folder, which is closed at the end of the context.

    Its `serve_forever` answers requests until another thread calls `shutdown`.

    Args:
        folder: With the page.
        port: 0 takes any free one.

    Raises:
        UserError: The port is taken or not allowed.
    """
    try:
        server = ThreadingHTTPServer((_HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        reason = "is taken by another program" if is_taken else f"can't be used ({error.strerror})"
        raise UserError(
            f"Port {port} {reason}. Choose another one, such as --serve 8137."
        ) from error
    server.daemon_threads = True
    with server:
        yield server


def page_link(server: ThreadingHTTPServer) -> str:
    """Return the address of the page."""
    return f"http://{_HOST}:{server.server_address[1]}/"


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the folder's files, but lists none."""

    extensions_map = {  # noqa: RUF012 the base class's attribute
        **SimpleHTTPRequestHandler.extensions_map,
        # Some systems register other types for these, which browsers refuse to run.
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        ".svg": "image/svg+xml",
        ".onnx": "application/octet-stream",
    }

    def parse_request(self) -> bool:
        """Refuse requests for another host, such as a DNS rebinding attack by a page elsewhere."""
        if not super().parse_request():
            return False
        host = self.headers.get("Host", "").partition(":")[0]  # without a port where it is 80
        if host not in (_HOST, "localhost"):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return False
        return True

    def list_directory(self, path: str | PathLike[str]) -> None:  # noqa: ARG002
        """Refuse: the page has one folder, which has an index.html."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Add the headers of every answer."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
