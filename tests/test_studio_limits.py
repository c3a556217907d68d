"""Whoever only holds connections open keeps nobody from the page, and costs no snapshot."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.studio_server import SMALL_CAMERA, Page, StudioServer, limited, need_weights, run_studio
from webcam_classifier.web.connections import Connection, Connections, Limits, network_of
from webcam_classifier.web.protocols import HEAD_WITHIN

IDLE = 1200  # connections
DESCRIPTORS = 1024  # of the server: what most systems allow a process
HELD_FOR = 3.0  # seconds


@pytest.fixture(autouse=True)
def _weights() -> None:
    need_weights()


@contextmanager
def run_studio_as_on_most_systems(folder: Path) -> Iterator[StudioServer]:
    with ExitStack() as stack:
        with limited(resource.RLIMIT_NOFILE, DESCRIPTORS):
            server = stack.enter_context(run_studio(folder, *SMALL_CAMERA))
        yield server


class Crowd:
    """Many connections on which nothing, or the beginning of a request, is ever sent."""

    def __init__(self, port: int, count: int, begins_with: bytes) -> None:
        self._port = port
        self._count = count
        self._begins_with = begins_with
        self._open: list[socket.socket] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for connection in self._open:
            connection.close()

    def _hold(self) -> None:
        """Open them all, and others in place of those that were closed."""
        while not self._stop.is_set():
            while len(self._open) < self._count and not self._stop.is_set():
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=20)
                connection.settimeout(0)
                try:
                    connection.sendall(self._begins_with)
                except OSError:  # it had to go already
                    connection.close()
                    continue
                self._open.append(connection)
            self._stop.wait(0.02)
            self._open = [one for one in self._open if not is_closed(one)]


def is_closed(connection: socket.socket) -> bool:
    try:
        is_over = not connection.recv(1024)
    except BlockingIOError:
        return False
    except OSError:
        is_over = True
    if is_over:
        connection.close()
    return is_over


@pytest.mark.parametrize(
    "begins_with", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "], ids=["idle", "slow"]
)
def test_idle_connections_keep_nobody_from_the_page_and_cost_no_snapshot(
    begins_with: bytes, tmp_path: Path
) -> None:
    with run_studio_as_on_most_systems(tmp_path) as studio, studio.page() as page:
        assert studio.change("POST", "/api/labels", {"name": "cup"}, page.client).status == 200
        with Crowd(studio.port, IDLE, begins_with):
            page.say(type="record", label="cup", on=True)
            answered = 0
            ends = time.monotonic() + HELD_FOR
            while time.monotonic() < ends or not answered:
                for path in ("/", "/page/main.js", "/api/state"):
                    assert ask_as_browsers_do(studio, path) == 200
                answered += 1
                take_in(page)
            page.say(type="record", label="cup", on=False)
            page.until(lambda page: page.state["recording"] is None)
        page.until(lambda page: page.count("cup") > 0)
        count = page.count("cup")
        assert page.state["problem"] is None
        ends = time.monotonic() + 20
        while len(list((tmp_path / "dataset" / "cup").glob("*.jpg"))) < count:
            assert time.monotonic() < ends, "a snapshot that was counted is not on the disk"
            time.sleep(0.05)
    assert (tmp_path / "stderr.txt").read_text() == ""


def ask_as_browsers_do(studio: StudioServer, path: str) -> int:
    """Ask for something, and once more where the connection was lost on the way there."""
    try:
        return studio.ask("GET", path).status
    except ConnectionError:
        return studio.ask("GET", path).status


def take_in(page: Page) -> None:
    """Take in what a page was sent, so that nothing waits."""
    try:
        while True:
            page.next(0.01)
    except TimeoutError:
        pass


def test_who_does_not_go_on_is_let_go_of(tmp_path: Path) -> None:
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, ExitStack() as stack:
        host = f"Host: 127.0.0.1:{studio.port}\r\nCookie: {studio.cookie['Cookie']}\r\n"
        whole = f"GET /api/state HTTP/1.1\r\n{host}\r\n".encode()
        change = f"POST /api/labels HTTP/1.1\r\n{host}Origin: {studio.origin}\r\n"
        body = f'{change}Content-Length: 100\r\n\r\n{{"name"'.encode()
        began = time.monotonic()
        waiting = []
        for begins_with in (b"", b"GE", b"GET / HTTP/1.1\r\n", whole + b"GET / HT", body):
            connection = socket.create_connection(("127.0.0.1", studio.port), timeout=60)
            stack.enter_context(connection)
            connection.sendall(begins_with)
            waiting.append(connection)
        answers = [answer_until_end(connection) for connection in waiting]
        assert time.monotonic() - began >= HEAD_WITHIN - 1
        assert studio.ask("GET", "/api/state").json["labels"] == []
    assert answers[:3] == [b"", b"", b""]
    assert answers[3].startswith(b"HTTP/1.1 200 ")
    assert answers[4].startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answers[4]
    assert (tmp_path / "stderr.txt").read_text() == ""


def answer_until_end(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while more := connection.recv(65536):
            answer += more
    except ConnectionResetError:
        pass
    return answer


class Opened:
    """Connections as the server sees them, and which of them it has ended."""

    def __init__(self, limits: Limits) -> None:
        self.all = Connections(limits)
        self.ended: list[int] = []
        self._count = 0

    def open(self, address: str, is_known: bool = False) -> Connection:
        number = self._count
        self._count += 1
        connection = self.all.enter(address, lambda: self.ended.append(number))
        if is_known:
            connection.admit()
        return connection


def test_the_oldest_unauthenticated_connection_makes_room() -> None:
    opened = Opened(Limits(in_all=6, of_address=6, unauthenticated=3, unauthenticated_of_address=3))
    for _ in range(5):
        opened.open("1.2.3.4")
    assert opened.ended == [0, 1]
    assert len(opened.all) == 3


def test_one_address_does_not_make_others_go() -> None:
    opened = Opened(
        Limits(in_all=20, of_address=10, unauthenticated=8, unauthenticated_of_address=3)
    )
    person = opened.open("5.6.7.8")
    for _ in range(10):
        opened.open("1.2.3.4")
    assert 0 not in opened.ended
    assert len(opened.all) == 4
    opened.all.leave(person)
    opened.all.leave(person)
    assert len(opened.all) == 3


def test_those_who_may_talk_stay_and_a_new_one_goes_when_nothing_else_can() -> None:
    opened = Opened(Limits(in_all=4, of_address=3, unauthenticated=2, unauthenticated_of_address=2))
    for _ in range(3):
        opened.open("1.2.3.4", is_known=True)
    opened.open("1.2.3.4")
    assert opened.ended == [3]
    opened.open("5.6.7.8", is_known=True)
    opened.open("5.6.7.8")
    assert opened.ended == [3, 5]
    assert len(opened.all) == 4


def test_a_process_that_may_open_few_files_holds_fewer_connections() -> None:
    usual, few = Limits().within(1024), Limits().within(256)
    assert usual == Limits()
    assert few.in_all == 85
    assert max(few) <= 85
    assert min(Limits().within(16)) >= 24, "a browser has to be able to open the page"


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(host: str, network: str) -> None:
    assert network_of(host) == network
