"""Who may talk to the studio, asked of the running server."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from websockets.exceptions import InvalidStatus

from tests.studio_server import (
    ROOT,
    SMALL_CAMERA,
    StudioServer,
    need_weights,
    run_small_studio,
    run_studio,
)
from webcam_classifier.errors import UserError
from webcam_classifier.web.addresses import listen
from webcam_classifier.web.link_token import link_token, private_page

ENDS_WITHIN = 2.0  # seconds
STRICT = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """A studio for this machine alone, on which no test of this module changes anything."""
    with run_small_studio(tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture(scope="module")
def open_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """A studio that other machines can reach."""
    need_weights()
    folder = tmp_path_factory.mktemp("open")
    with run_studio(folder, *SMALL_CAMERA, "--host", "0.0.0.0") as server:
        yield server


def status_of_socket(
    studio: StudioServer, path: str, origin: str, headers: dict[str, str] | None = None
) -> int:
    """Give the status with which a WebSocket is refused; 101 where it is not."""
    try:
        with studio.socket(path, origin, headers):
            return 101
    except InvalidStatus as refused:
        response = refused.response
    assert "content-security-policy" in response.headers
    return response.status_code


def cookie_of(studio: StudioServer) -> dict[str, str]:
    answer = studio.ask_without_cookie("GET", f"/?token={studio.token}")
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_by_default_only_this_machine_reaches_it(studio: StudioServer) -> None:
    assert studio.link == f"http://127.0.0.1:{studio.port}/?token={studio.token}"
    assert studio.ask("GET", "/api/state").status == 200
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    for address in addresses - {"127.0.0.1", "127.0.1.1", "::1"}:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((str(address), studio.port), timeout=5).close()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.1.7", ""])
def test_a_name_that_was_pointed_here_is_refused(studio: StudioServer, host: str) -> None:
    answer = studio.ask("GET", "/api/state", headers={"Host": f"{host}:{studio.port}"})
    assert answer.status == 421
    assert "link" in answer.json["error"]
    headers = {"Host": f"{host}:{studio.port}", "Origin": f"http://{host}:{studio.port}"}
    assert studio.ask("POST", "/api/undo", {}, headers).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:80", "[::1]:8000"])
def test_this_machines_own_names_are_known_behind_any_port(studio: StudioServer, host: str) -> None:
    assert studio.ask("GET", "/api/state", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:1", "https://127.0.0.1:{port}", "null", ""],
)
def test_requests_that_other_pages_send_are_refused(studio: StudioServer, origin: str) -> None:
    origin = origin.format(port=studio.port)
    headers = {"Origin": origin} if origin else {}
    for method, path in (
        ("POST", "/api/labels"), ("PATCH", "/api/labels/a"), ("DELETE", "/api/labels/a"),
        ("PUT", "/api/labels/a/uploads/a.jpg"), ("POST", "/api/undo"), ("POST", "/api/teach"),
    ):  # fmt: skip
        assert studio.ask(method, path, {}, headers).status == 403
    assert studio.ask("GET", "/api/state", headers=headers).status == (403 if origin else 200)


def test_websockets_that_other_pages_open_are_refused(studio: StudioServer) -> None:
    for path in ("/ws/live", "/ws/camera"):
        assert status_of_socket(studio, path, studio.origin) == 101
        assert status_of_socket(studio, path, "http://evil.example") == 403
        assert status_of_socket(studio, path, f"http://localhost:{studio.port}") == 403
        assert status_of_socket(studio, path, "null") == 403
        handshake = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }  # fmt: skip
        assert studio.ask("GET", path, headers=handshake).status == 403  # it states no origin


def test_other_sites_may_link_to_the_page_but_embed_nothing_of_it(studio: StudioServer) -> None:
    visit = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for site in ("cross-site", "same-site"):
        embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        framed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
        assert studio.ask("GET", "/api/state", headers=embedded).status == 403
        assert studio.ask("GET", "/", headers=framed).status == 403
        assert studio.ask("GET", "/", headers={"Sec-Fetch-Site": site, **visit}).status == 200
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert studio.ask("GET", "/api/state", headers=own).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/api/state", 200),
        ("GET", "/page/nothing.js", 404),
        ("GET", "/page/../studio.py", 404),
        ("GET", "/page/%2e%2e/%2e%2e/studio.py", 404),
        ("GET", "/nothing", 404),
        ("GET", "/report", 404),
        ("GET", "/api/models/model.onnx", 404),
        ("GET", "/api/models/..%2f..%2fstudio.py", 404),
        ("OPTIONS", "/api/state", 403),  # what comes before a request from elsewhere
        ("HEAD", "/api/undo", 405),
        ("GET", "/api/pictures/a/b.jpg?side=1e9", 400),
    ],
)
def test_every_answer_forbids_the_browser_what_is_not_needed(
    studio: StudioServer, method: str, path: str, status: int
) -> None:
    check_strict(studio.ask(method, path).headers)
    assert studio.ask(method, path).status == status
    check_strict(studio.ask(method, path, headers={"Host": "evil.example"}).headers)


def check_strict(headers: object) -> None:
    assert isinstance(headers, dict)
    policy = dict(part.strip().partition(" ")[::2] for part in
                  headers["content-security-policy"].split(";"))  # fmt: skip
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & {
        source for sources in policy.values() for source in sources.split()
    }
    assert {name: headers[name] for name in STRICT} == STRICT


def test_even_the_answer_to_what_is_no_http_is_protected(studio: StudioServer) -> None:
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 no http at all\r\n\r\n")
        answer = b""
        while more := raw.recv(4096):
            answer += more
    head = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[0] == "HTTP/1.1 400 Bad Request"
    check_strict(dict(line.lower().split(": ", 1) for line in head[1:]) | STRICT)


def test_a_websocket_that_nobody_serves_is_refused_with_protection(studio: StudioServer) -> None:
    assert status_of_socket(studio, "/ws/nothing", studio.origin) == 404


@pytest.mark.parametrize("reached_from", ["this machine", "the network"])
def test_nothing_is_given_without_the_token(
    reached_from: str, studio: StudioServer, open_studio: StudioServer
) -> None:
    server = studio if reached_from == "this machine" else open_studio
    assert len(server.token) >= 40
    wrong = [{}, {"Cookie": f"studio-{server.port}=wrong"}, {"Cookie": "studio=é"}]
    for path in ("/", "/page/style.css", "/api/state", "/report", "/api/models/model.onnx", "/x"):
        for headers in wrong:
            answer = server.ask_without_cookie("GET", path, headers=headers)
            assert answer.status == 401
            check_strict(answer.headers)
    assert server.ask_without_cookie("GET", "/?token=wrong").status == 401
    assert server.ask_without_cookie("GET", f"/api/state?token={server.token}").status == 401
    for path in ("/ws/live", "/ws/camera", f"/ws/live?token={server.token}"):
        assert status_of_socket(server, path, server.origin, {}) == 401
    origin = {"Origin": server.origin}
    assert server.ask_without_cookie("POST", "/api/undo", {}, origin).status == 401


def test_who_wants_no_token_has_none_on_this_machine(tmp_path: Path) -> None:
    with run_studio(tmp_path, *SMALL_CAMERA, "--no-token") as server:
        assert server.link == f"http://127.0.0.1:{server.port}/"
        assert server.ask_without_cookie("GET", "/api/state").status == 200
        assert server.ask_without_cookie("GET", "/", headers={"Host": "evil.example"}).status == 421
        assert server.ask_without_cookie("GET", "/", headers={"Host": "192.168.1.7"}).status == 421


def test_without_a_token_nobody_else_may_be_let_in() -> None:
    command = [sys.executable, str(ROOT / "studio.py"), "--port", "0", "--no-token"]
    command += ["--host", "0.0.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: --no-token is for this machine alone" in done.stderr


def test_the_link_is_not_on_the_command_line_of_the_browser_that_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with private_page("http://127.0.0.1:8000/?token=secret") as address:
        assert "secret" not in address
        path = Path(url2pathname(urlsplit(address).path))
        assert "http://127.0.0.1:8000/?token=secret" in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    with private_page("http://127.0.0.1:8000/") as address:
        assert address == "http://127.0.0.1:8000/"


def test_the_link_opens_everything_and_its_token_stays_in_a_cookie_no_script_can_read(
    open_studio: StudioServer,
) -> None:
    answer = open_studio.ask_without_cookie("GET", f"/?token={open_studio.token}")
    assert answer.status == 200
    assert open_studio.token not in answer.body.decode()
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict"} <= attributes
    cookie = cookie_of(open_studio)
    assert open_studio.ask_without_cookie("GET", "/api/state", headers=cookie).status == 200
    assert status_of_socket(open_studio, "/ws/live", open_studio.origin, cookie) == 101


def test_with_a_token_too_names_and_origins_are_checked(open_studio: StudioServer) -> None:
    cookie = cookie_of(open_studio)
    assert open_studio.ask("GET", "/", headers=cookie | {"Host": "evil.example"}).status == 421
    name = {"Host": f"{socket.gethostname()}:{open_studio.port}"}
    assert open_studio.ask("GET", "/api/state", headers=cookie | name).status == 200
    foreign = cookie | {"Origin": "http://evil.example"}
    assert open_studio.ask("POST", "/api/undo", {}, foreign).status == 403
    assert status_of_socket(open_studio, "/ws/live", "http://evil.example", cookie) == 403


def test_a_link_outlives_a_restart_and_only_its_owner_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    token = link_token(8000)
    assert link_token(8000) == token
    assert link_token(8001) != token
    assert link_token(0) != link_token(0)
    kept = next(tmp_path.rglob("8000.token"))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for days in (-1, 1):  # long ago, or before the clock was set back
        another_day = time.time() + days * 24 * 3600
        os.utime(kept, (another_day, another_day))
        assert link_token(8000) != token
        token = kept.read_text()
    kept.chmod(0o644)  # somebody else may have read it
    assert link_token(8000) != token


def test_ctrl_c_ends_it_at_once_even_with_pages_open(tmp_path: Path) -> None:
    need_weights()
    for attempt in ("first", "second"):  # other work on the machine may be in the way once
        folder = tmp_path / attempt
        folder.mkdir()
        with run_studio(folder, *SMALL_CAMERA) as studio, studio.page(pictures=True) as page:
            page.until(lambda page: bool(page.picture))
            seconds = studio.end()
            assert studio.process.returncode == 130
        assert "Traceback" not in (folder / "stderr.txt").read_text()
        if seconds < ENDS_WITHIN:
            return
    pytest.fail(f"it took {seconds:.1f} s to end")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_service_manager_or_a_closed_terminal_ends_it_as_well(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    need_weights()
    with run_studio(tmp_path, *SMALL_CAMERA) as studio:
        studio.end(sent)
        assert studio.process.returncode == code
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


def test_ctrl_c_that_is_pressed_twice_ends_it_as_one_does(tmp_path: Path) -> None:
    need_weights()
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, studio.page():
        studio.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        studio.end(signal.SIGINT)
        assert studio.process.returncode == 130
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


def test_a_port_that_is_taken_is_said_before_anything_else() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(UserError, match=rf"Port {port} is taken .* --port {port + 1}"):
            listen("127.0.0.1", port)
        command = [sys.executable, str(ROOT / "studio.py"), "--port", str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: Port {port} is taken")


def test_a_host_that_is_none_of_this_machines_is_refused() -> None:
    for host in ("203.0.113.9", "no-such-name.invalid"):
        with pytest.raises(UserError, match=f"--host {host}"):
            listen(host, 0)


def test_without_the_servers_packages_it_says_which_requirements_to_install() -> None:
    # Python asks its finders first, and this one knows no starlette: as where it is missing.
    code = (
        "import sys\n"
        "class WithoutStarlette:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'starlette':\n"
        "            raise ModuleNotFoundError('No module named starlette', name=name)\n"
        "sys.meta_path.insert(0, WithoutStarlette())\n"
        "sys.argv = ['studio.py', '--port', '0']\n"
        "from webcam_classifier.cli.console import run_command, run_script\n"
        "run_script(lambda: run_command('studio'))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "requirements-studio.txt" in done.stderr
    assert "Traceback" not in done.stderr
