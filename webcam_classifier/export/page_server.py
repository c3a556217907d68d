"""Serve a folder with a page to this machine alone, to try it before it is given away."""

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
    # Isolation: WebAssembly may use threads only in pages that share memory with no other site.
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
    """Open a server for a folder; `serve_forever` answers until `shutdown` is called elsewhere.

    Args:
        folder: With the page.
        port: 0 takes a free one.

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
    """The address of the page."""
    return f"http://{_HOST}:{server.server_address[1]}/"


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the folder's files, and with no list of them."""

    extensions_map = {  # noqa: RUF012 the base class's attribute
        **SimpleHTTPRequestHandler.extensions_map,
        # Some systems know other types for these, and a browser then refuses to run them.
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        ".svg": "image/svg+xml",
        ".onnx": "application/octet-stream",
    }

    def parse_request(self) -> bool:
        """Refuse requests that name another host: a page of elsewhere would have sent them."""
        if not super().parse_request():
            return False
        host = self.headers.get("Host", "").partition(":")[0]  # without a port where it is 80
        if host not in (_HOST, "localhost"):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return False
        return True

    def list_directory(self, path: str | PathLike[str]) -> None:  # noqa: ARG002
        """Refuse: a page has one folder, with its index."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Add what every answer says."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""
