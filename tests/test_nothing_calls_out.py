"""Nothing leaves the device: the whole road runs with every way out watched, and none is taken.

Python's own sockets are refused by an audit hook in each process, and where strace is installed the
kernel is asked as well, which sees what libraries in C do.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_HOOK = """
import os, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        outside = isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost")
    elif event == "socket.getaddrinfo":
        address = arguments[0]
        outside = address not in (None, "", "127.0.0.1", "::1", "localhost", "0.0.0.0")
    else:
        return
    if outside:
        with open(os.environ["CALLS_OUT"], "a") as file:
            file.write(f"{event} {address} {sys.argv}\\n")
        raise OSError(f"this test lets nothing out: {event} {address}")

sys.addaudithook(refuse)
"""
_CONNECT = re.compile(r'sin6?_addr[^"]*"([^"]+)"')
_LOOPBACK = ("127.", "::1", "::ffff:127.", "0.0.0.0")
_LABELS = ("thumbs_up", "thumbs_down")


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that notes and refuses each call out of this machine."""
    folder = tmp_path / "hook"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HOOK, encoding="utf-8")
    path = os.pathsep.join([str(folder), str(_ROOT)])
    return {**os.environ, "PYTHONPATH": path, "CALLS_OUT": str(tmp_path / "calls_out.txt")}


def calls_out(environment: dict[str, str]) -> str:
    noted = Path(environment["CALLS_OUT"])
    return noted.read_text(encoding="utf-8") if noted.exists() else ""


def test_a_call_out_would_be_noticed(watched: dict[str, str]) -> None:
    call = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = subprocess.run([sys.executable, "-c", call], env=watched, capture_output=True, text=True)
    assert done.returncode == 1
    assert "192.0.2.1" in calls_out(watched)


def test_the_whole_road_calls_nobody(
    squeezenet_weights: Path, tmp_path: Path, watched: dict[str, str]
) -> None:
    assert squeezenet_weights.is_file()  # in the cache now: fetching them once is the one call
    trace = tmp_path / "trace.txt"
    for command in road():
        line = [*_traced(trace), sys.executable, "-m", "webcam_classifier.cli", *command]
        done = subprocess.run(line, cwd=tmp_path, env=watched, capture_output=True, text=True)
        assert done.returncode in (0, 1 if command[0] == "doctor" else 0), done.stderr
    assert calls_out(watched) == ""
    addresses = _CONNECT.findall(trace.read_text(encoding="utf-8")) if trace.exists() else []
    assert [address for address in addresses if not address.startswith(_LOOPBACK)] == []


def road() -> list[list[str]]:
    collect = [
        ["collect", label, "--no-window", "--source", f"demo:{label}:1", "--count", "8"]
        for label in _LABELS
    ]
    return [
        *collect,
        ["train", "dataset", "--mode", "head"],
        ["evaluate", "models/dataset", "dataset"],
        ["live", "--no-window", "--source", "demo", "--frames", "20", "--provider", "auto"],
        ["export", "models/dataset", "--precision", "fp32", "--keep-anyway"],
        ["doctor", "--json"],
    ]


def test_the_page_calls_nobody(
    squeezenet_weights: Path, tmp_path: Path, watched: dict[str, str]
) -> None:
    assert squeezenet_weights.is_file()
    command = ["studio", "--no-browser", "--port", "0", "--source", "demo"]
    with subprocess.Popen(
        [sys.executable, "-m", "webcam_classifier.cli", *command],
        cwd=tmp_path, env=watched, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            assert any("Ctrl-C" in line for line in server.stdout)
            server.send_signal(signal.SIGINT)
            server.wait(60)
        finally:
            server.kill()
    assert calls_out(watched) == ""


def _traced(trace: Path) -> list[str]:
    """What to run a command under, so that the kernel notes what it connects to."""
    strace = shutil.which("strace")
    if strace is None:
        return []
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True)
    if tried.returncode:  # a container may forbid it
        return []
    calls = "connect,sendto,sendmsg,sendmmsg"
    return [strace, "-f", "-qq", "-A", "-e", f"trace={calls}", "-o", str(trace)]
