"""The studio behind a reverse proxy that speaks TLS: a real one, in front of the real server."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import expect, sync_playwright
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.studio_server import SMALL_CAMERA, Answer, StudioServer, need_weights, run_studio
from tests.tls_proxy import TlsProxy, tls_proxy
from webcam_classifier.cli import studio as studio_command
from webcam_classifier.errors import UserError
from webcam_classifier.web.addresses import parse_origin

_ANSWERS_WITHIN = 20.0  # seconds

Proxied: TypeAlias = tuple[StudioServer, TlsProxy, int]
"""A studio, the proxy in front of it, and the port on which the studio itself listens."""


@pytest.fixture(scope="module", params=[True, False], ids=["same host", "own host"])
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    """A studio, and a proxy in front of it that keeps the Host header or does not."""
    need_weights()
    folder = tmp_path_factory.mktemp("proxied")
    with ExitStack() as stack:
        ports: list[int] = []
        proxy = stack.enter_context(tls_proxy(folder, ports, keeps_host=request.param))
        studio = stack.enter_context(run_studio(folder, *SMALL_CAMERA, "--origin", proxy.origin))
        assert studio.process.stdout is not None
        passed_on_to = studio.process.stdout.readline()
        ports.append(int(passed_on_to.strip().rstrip("/").rpartition(":")[2]))
        yield studio, proxy, ports[0]


def ask(
    proxy: TlsProxy, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> Answer:
    """Ask through the proxy, whose certificate is checked."""
    context = ssl.create_default_context(cafile=proxy.certificate)
    connection = http.client.HTTPSConnection(
        "localhost", proxy.port, timeout=_ANSWERS_WITHIN, context=context
    )
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def cookie(studio: StudioServer, proxy: TlsProxy) -> dict[str, str]:
    answer = ask(proxy, "GET", f"/?token={studio.token}", {})
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_the_link_is_the_one_that_people_use_and_its_cookie_needs_tls(
    proxied: Proxied,
) -> None:
    studio, proxy, _ = proxied
    assert studio.link == f"{proxy.origin}/?token={studio.token}"
    answer = ask(proxy, "GET", f"/?token={studio.token}", {})
    assert answer.status == 200
    assert "secure" in answer.headers["set-cookie"].lower().split("; ")


def test_its_own_page_may_change_things_and_others_may_not(
    proxied: Proxied,
) -> None:
    studio, proxy, _ = proxied
    key = cookie(studio, proxy)
    content = json.dumps({"name": "cup"}).encode()
    own = {"Origin": proxy.origin}
    assert ask(proxy, "POST", "/api/labels", key | own, content).status == 200
    assert ask(proxy, "DELETE", "/api/labels/cup", key | own).status == 200
    assert ask(proxy, "POST", "/api/undo", own, b"{}").status == 401
    for origin in (
        proxy.origin.replace("https", "http"),  # somebody in between, without a certificate
        "https://localhost",
        f"https://127.0.0.1:{proxy.port}",
        "https://evil.example",
        "null",
        "",
    ):
        stated = {"Origin": origin} if origin else {}
        assert ask(proxy, "POST", "/api/labels", key | stated, content).status == 403, origin


def test_websockets_go_through_it_from_its_own_page_alone(
    proxied: Proxied,
) -> None:
    studio, proxy, _ = proxied
    context = ssl.create_default_context(cafile=proxy.certificate)
    key = cookie(studio, proxy)

    def greeted(origin: str) -> str:
        with connect(
            f"wss://localhost:{proxy.port}/ws/live",
            ssl=context,
            origin=Origin(origin),
            additional_headers=key,
            compression=None,
            open_timeout=_ANSWERS_WITHIN,
        ) as socket:
            return str(json.loads(socket.recv(_ANSWERS_WITHIN))["client"])

    assert greeted(proxy.origin)
    for origin in ("https://evil.example", proxy.origin.replace("https", "http")):
        with pytest.raises(InvalidStatus, match="403"):
            greeted(origin)


def test_a_name_that_is_not_the_proxys_is_refused(
    proxied: Proxied,
) -> None:
    studio, proxy, port = proxied
    key = cookie(studio, proxy)
    direct = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWERS_WITHIN)
    try:
        direct.request("GET", "/api/state", headers=key | {"Host": "evil.example"})
        assert direct.getresponse().status == 421
    finally:
        direct.close()


def test_forwarded_headers_are_not_trusted(tmp_path: Path) -> None:
    need_weights()
    with run_studio(tmp_path, *SMALL_CAMERA) as studio:
        for name in ("evil.example", f"127.0.0.1:{studio.port}"):
            said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": name}
            headers = said | {"Forwarded": f"proto=https;host={name}", "Origin": f"https://{name}"}
            answer = studio.ask("POST", "/api/labels", {"name": "cup"}, headers)
            assert answer.status == 403
            assert "http://127.0.0.1" in answer.json["error"]


def test_a_browser_teaches_through_the_proxy(chromium: str, proxied: Proxied) -> None:
    studio, _, _ = proxied
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(ignore_https_errors=True)  # nobody signed its certificate
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(studio.link)
        page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
        assert page.evaluate("isSecureContext && Boolean(navigator.mediaDevices)")
        page.get_by_test_id("new-label-name").fill("pen")
        page.get_by_test_id("new-label-add").click()
        expect(page.locator('[data-testid="label-card"][data-label="pen"]')).to_be_visible()
        assert studio.token not in page.url
        browser.close()
        assert not complaints


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Cam.Example/", "https://cam.example"),
        ("https://cam.example:443", "https://cam.example"),
        ("http://cam.example:8080", "http://cam.example:8080"),
        ("https://[FD00::7]:8443", "https://[fd00::7]:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_written_as_browsers_state_it(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "", "cam.example", "ftp://cam.example", "https://", "https://cam.example/studio",
        "https://cam.example?x", "https://me@cam.example", "https://cam.example:99999",
        "https://cam.example:a", "https://[::1", "*", "null", "https://" + "a" * 70 + ".example",
        "https://cam.example https://evil.example", "https://cam.example#x",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="such as https://"):
        parse_origin(text)
    with pytest.raises(SystemExit):
        studio_command.parse(["--origin", text])
    assert "such as https://" in capsys.readouterr().err


def test_without_a_token_nobody_is_let_in_by_a_proxy(tmp_path: Path) -> None:
    need_weights()
    folder = str(tmp_path / "d")
    arguments = ["--no-token", "--origin", "https://cam.example", "--port", "0"]
    with pytest.raises(UserError, match="--origin lets others in"):
        studio_command.main([*arguments, "--dataset", folder, "--output", str(tmp_path / "m")])
