"""A small reverse proxy that speaks TLS, in front of the studio: what nginx or Caddy would do."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_HEAD_ENDS = b"\r\n\r\n"
_ENDS_WITHIN = 20.0  # seconds


@dataclass(frozen=True)
class TlsProxy:
    """A proxy that is listening.

    Attributes:
        port: Of this machine.
        certificate: Its own, which whoever connects has to trust.
    """

    port: int
    certificate: Path

    @property
    def origin(self) -> str:
        """That of the pages that are reached through it."""
        return f"https://localhost:{self.port}"


@contextmanager
def tls_proxy(folder: Path, to: list[int], *, keeps_host: bool) -> Iterator[TlsProxy]:
    """Pass on what comes by TLS, with the X-Forwarded headers that proxies add.

    Args:
        folder: For the certificate.
        to: Its last entry is the port that is passed on to; it may be added later.
        keeps_host: Whether the Host header is left as it came; else it is the server's own.
    """
    certificate, key = _new_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # the end
                    return
                threading.Thread(
                    target=_serve, args=(client, context, to[-1], keeps_host), daemon=True
                ).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield TlsProxy(listener.getsockname()[1], certificate)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(_ENDS_WITHIN)


def _new_certificate(folder: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl on this machine (Debian: apt-get install openssl)")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key),
            "-out", str(certificate),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


def _serve(client: socket.socket, context: ssl.SSLContext, port: int, keeps_host: bool) -> None:
    with suppress(OSError), client, context.wrap_socket(client, server_side=True) as near:
        received = b""
        while _HEAD_ENDS not in received:
            part = near.recv(65536)
            if not part:
                return
            received += part
        head, _, body = received.partition(_HEAD_ENDS)
        with socket.create_connection(("127.0.0.1", port)) as far:
            far.sendall(_passed_on(head, port, keeps_host) + _HEAD_ENDS + body)
            answers = threading.Thread(target=_pump, args=(far, near), daemon=True)
            answers.start()
            _pump(near, far)
            answers.join()


def _passed_on(head: bytes, port: int, keeps_host: bool) -> bytes:
    first, *lines = head.split(b"\r\n")
    replaced = {b"x-forwarded-for": b"127.0.0.1", b"x-forwarded-proto": b"https"}
    if not keeps_host:
        replaced[b"host"] = b"127.0.0.1:%d" % port
    if not any(line.lower().startswith(b"upgrade:") for line in lines):
        replaced[b"connection"] = b"close"  # one request each, whose head can be changed here
    kept = [line for line in lines if line.partition(b":")[0].lower() not in replaced]
    return b"\r\n".join([first, *kept, *(b": ".join(pair) for pair in replaced.items())])


def _pump(source: socket.socket, goal: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            goal.sendall(part)
    with suppress(OSError):
        goal.shutdown(socket.SHUT_WR)
