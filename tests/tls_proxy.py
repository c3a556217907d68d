"""A small reverse proxy that speaks TLS, in front of the studio: what nginx or Caddy would do."""

from __future__ import annotations

import asyncio
import queue
import shutil
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
_CLOSES_WITHIN = 2.0  # seconds
_LOOKS_EVERY = 0.05  # seconds


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
    ports: queue.SimpleQueue[int] = queue.SimpleQueue()
    over = threading.Event()

    async def serve(near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await _serve(near, to_near, to[-1], keeps_host)
                to_near.close()
                await asyncio.wait_for(to_near.wait_closed(), _CLOSES_WITHIN)
        finally:
            to_near.transport.abort()

    async def listen() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            ports.put(int(server.sockets[0].getsockname()[1]))
            while not over.is_set():
                await asyncio.sleep(_LOOKS_EVERY)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(_LOOKS_EVERY)

    # One thread for all: OpenSSL lets no two threads read and write one connection at a time.
    thread = threading.Thread(target=asyncio.run, args=(listen(),), daemon=True)
    thread.start()
    try:
        yield TlsProxy(ports.get(timeout=_ENDS_WITHIN), certificate)
    finally:
        over.set()
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


async def _serve(
    near: asyncio.StreamReader, to_near: asyncio.StreamWriter, port: int, keeps_host: bool
) -> None:
    head = (await near.readuntil(_HEAD_ENDS)).removesuffix(_HEAD_ENDS)
    far, to_far = await asyncio.open_connection("127.0.0.1", port)
    to_far.write(_passed_on(head, port, keeps_host) + _HEAD_ENDS)
    try:
        ways = [
            asyncio.ensure_future(_pump(near, to_far)),
            asyncio.ensure_future(_pump(far, to_near)),
        ]
        # Whoever ends first ends both: a connection over TLS can't be closed by halves.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        to_far.transport.abort()


def _passed_on(head: bytes, port: int, keeps_host: bool) -> bytes:
    first, *lines = head.split(b"\r\n")
    replaced = {b"x-forwarded-for": b"127.0.0.1", b"x-forwarded-proto": b"https"}
    if not keeps_host:
        replaced[b"host"] = b"127.0.0.1:%d" % port
    if not any(line.lower().startswith(b"upgrade:") for line in lines):
        replaced[b"connection"] = b"close"  # one request each, whose head can be changed here
    kept = [line for line in lines if line.partition(b":")[0].lower() not in replaced]
    return b"\r\n".join([first, *kept, *(b": ".join(pair) for pair in replaced.items())])


async def _pump(source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await source.read(65536):
            goal.write(part)
            await goal.drain()
