"""A package's archive is found as pip would find it, checked, and read; nothing of it is run."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from webcam_classifier.backbone.package_archive import (
    ArchiveError,
    PinnedArchive,
    PinnedFile,
    fetch_archive,
    fetch_file,
    pip_settings,
    read_member,
)

_USER = "anna"
_PASSWORD = "pass word@1"
_QUOTED = "pass%20word%401"


def archive_content(setup: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in {"thing-1.0/setup.py": setup, "thing-1.0/data.bin": "precious"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("thing-1.0/link.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def pinned(content: bytes) -> PinnedArchive:
    return PinnedArchive("thing", "1.0", hashlib.sha256(content).hexdigest())


@dataclass
class Index:
    """A package index on this machine, and what was asked of it."""

    content: bytes
    is_json: bool = False
    needs_login: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def answer(self, path: str) -> tuple[str, bytes] | None:
        if path == "/files/thing-1.0.tar.gz":
            return "application/gzip", self.content
        if path != "/simple/thing/":
            return None
        names = ["thing-0.9.tar.gz", "thing-1.0.tar.gz"]
        if self.is_json:
            files = [{"filename": name, "url": f"/files/{name}"} for name in names]
            page = json.dumps({"name": "thing", "files": files})
            return "application/vnd.pypi.simple.v1+json", page.encode()
        lines = [f'<a href="../../files/{name}#sha256=0">{name}</a><br/>' for name in names]
        return "text/html", f"<html>{''.join(lines)}</html>".encode()


@contextmanager
def served(index: Index) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "")
            index.asked.append((self.path, login))
            if index.needs_login and not login:
                self.send_error(401)
                return
            answer = index.answer(self.path)
            if answer is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{index.port}/simple"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("is_json", [False, True])
def test_it_comes_from_the_index_and_its_setup_is_not_run(is_json: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = archive_content(f"open({str(trace)!r}, 'w')")
    index = Index(content, is_json)
    with served(index) as address:
        found = fetch_archive(pinned(content), {"index-url": f"{address}/"})
    assert read_member(found, "thing-1.0/data.bin") == b"precious"
    assert [path for path, _ in index.asked] == ["/simple/thing/", "/files/thing-1.0.tar.gz"]
    assert not trace.exists()


def test_another_file_than_the_known_one_is_refused() -> None:
    content = archive_content()
    with (
        served(Index(content + b"!")) as address,
        pytest.raises(ArchiveError, match="another file than the known one"),
    ):
        fetch_archive(pinned(content), {"index-url": address})


def test_a_further_index_and_a_folder_of_links_are_asked_as_well(tmp_path: Path) -> None:
    content = archive_content()
    with served(Index(content)) as address:
        settings = {"index-url": f"{address}/nothing", "extra-index-url": address}
        assert fetch_archive(pinned(content), settings) == content
    (tmp_path / "thing-1.0.tar.gz").write_bytes(content)
    for place in (str(tmp_path), tmp_path.as_uri()):
        settings = {"no-index": "1", "find-links": place}
        assert fetch_archive(pinned(content), settings) == content
    mirror = tmp_path / "simple" / "thing"
    mirror.mkdir(parents=True)
    (mirror / "index.html").write_text('<a href="../../thing-1.0.tar.gz">thing</a>')
    settings = {"index-url": (tmp_path / "simple").as_uri()}
    assert fetch_archive(pinned(content), settings) == content


def test_without_an_index_nothing_is_asked_and_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no place that pip asks has thing-1"):
        fetch_archive(pinned(b""), {"no-index": "true", "find-links": str(tmp_path)})


def test_a_password_is_sent_and_never_told() -> None:
    content = archive_content()
    index = Index(content, needs_login=True)
    with served(index) as address:
        place = address.replace("//", f"//{_USER}:{_QUOTED}@")
        assert fetch_archive(pinned(content), {"index-url": place}) == content
        expected = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
        assert {login for _, login in index.asked} == {f"Basic {expected}"}
        with pytest.raises(ArchiveError) as refused:
            fetch_archive(pinned(b"other"), {"index-url": f"{place}/nothing"})
        with pytest.raises(ArchiveError) as another:
            fetch_archive(pinned(b"other"), {"index-url": place})
    for told in (str(refused.value), str(another.value)):
        assert "127.0.0.1" in told
        assert _QUOTED not in told
        assert _PASSWORD not in told


def test_an_index_that_is_not_there_is_a_reason() -> None:
    with served(Index(b"")) as address:
        pass
    with pytest.raises(ArchiveError, match=r"can't be read: .*refused"):
        fetch_archive(pinned(b""), {"index-url": address})


@pytest.mark.parametrize("name", ["thing-1.0/link.bin", "thing-1.0/missing", "thing-1.0"])
def test_only_a_regular_file_is_read(name: str) -> None:
    with pytest.raises(ArchiveError):
        read_member(archive_content(), name)


def test_a_larger_file_or_a_broken_archive_is_refused() -> None:
    content = archive_content()
    with pytest.raises(ArchiveError, match="too large"):
        read_member(content, "thing-1.0/data.bin", most_bytes=3)
    for broken in (b"", content[:40], b"no archive"):
        with pytest.raises(ArchiveError):
            read_member(broken, "thing-1.0/data.bin")


def wheel_content() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("a_thing/data.bin", b"precious")
    return buffer.getvalue()


def test_a_file_of_a_wheel_is_fetched_only_where_it_is_the_known_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = wheel_content()
    archive = PinnedArchive("a-thing", "1.0", hashlib.sha256(content).hexdigest(), "py3-none-any")
    (tmp_path / "a_thing-1.0-py3-none-any.whl").write_bytes(content)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    known = PinnedFile(archive, "a_thing/data.bin", hashlib.sha256(b"precious").hexdigest())
    assert fetch_file(known) == b"precious"
    with pytest.raises(ArchiveError, match="another file"):
        fetch_file(dataclasses.replace(known, sha256="0" * 64))


def test_a_broken_wheel_is_refused() -> None:
    content = wheel_content()
    with pytest.raises(ArchiveError, match="too large"):
        read_member(content, "a_thing/data.bin", most_bytes=3)
    for name, broken in {"a_thing/data.bin": content[:40], "missing": content}.items():
        with pytest.raises(ArchiveError, match="no readable"):
            read_member(broken, name)


def test_settings_are_those_of_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one.example/simple\ntimeout = 7\n"
        "[download]\nextra-index-url = https://two.example/a\n    https://three.example/b\n"
        "[install]\nproxy = http://four.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    found = pip_settings()
    assert found["index-url"] == "https://one.example/simple"
    assert found["extra-index-url"].split() == ["https://two.example/a", "https://three.example/b"]
    assert found["timeout"] == "9"
    assert "proxy" not in found
    monkeypatch.setenv("PIP_INDEX_URL", "https://five.example/simple")
    assert pip_settings()["index-url"] == "https://five.example/simple"
