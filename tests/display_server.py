"""A display without a screen for tests that open windows, fingers for its keys, and patience."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

_PATIENCE = 15.0  # seconds


class Display:
    """An X server of its own, with nobody at it but xdotool."""

    def __init__(self, number: str) -> None:
        self.environment = {**os.environ, "DISPLAY": f":{number}"}
        self.environment.pop("WAYLAND_DISPLAY", None)

    def key(self, *arguments: str) -> str:
        """Run xdotool, such as `key("keydown", "1")`, and give what it prints."""
        run = subprocess.run(
            ["xdotool", *arguments],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        return run.stdout

    def focus(self, title: str) -> None:
        """Wait for a window and let it have the keys; there is no window manager to do so."""
        found = self.key("search", "--sync", "--onlyvisible", "--name", title).split()
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            self.key("windowfocus", found[0])
            if self.key("getwindowfocus", "-f").strip() == found[0]:
                return
            time.sleep(0.05)
        raise TimeoutError(f"the window {title!r} did not take the focus")


@contextmanager
def display_server() -> Iterator[Display]:
    """Start an X server, or skip the test where there is none to start."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt install xvfb xdotool)")
    reading, writing = os.pipe()
    # Without -noreset it restarts when its last window closes, and refuses the next one meanwhile.
    options = ("-noreset", "-screen", "0", "1280x1024x24", "-nolisten", "tcp")
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), *options],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            yield Display(answer.readline().strip())
    finally:
        server.terminate()
        server.wait(_PATIENCE)


def wait_for(condition: Callable[[], bool], seconds: float = _PATIENCE) -> None:
    """Wait until something has come to be, and fail where it does not."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.02)
