"""Writing a page that is given away, where its runtime comes from, and serving it."""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier import export as export_package
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.cli.export import main
from webcam_classifier.errors import UserError
from webcam_classifier.export.npm_archive import (
    NpmArchive,
    fetch_npm_archive,
    integrity,
    read_members,
)
from webcam_classifier.export.page_server import page_link, page_server
from webcam_classifier.export.web_page import ONNXRUNTIME_WEB, PAGE_POLICY, write_web_page
from webcam_classifier.model.classifier import Classifier

_PAGE = Path(export_package.__file__).parent / "page"
_SMALL = b"an archive"
_SMALL_ARCHIVE = NpmArchive("small", "1.2.3", integrity(_SMALL))


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "colours/model.onnx", unknown_threshold=1.5)
    return tmp_path / "colours"


@pytest.fixture
def runtime() -> None:
    try:
        fetch_npm_archive(ONNXRUNTIME_WEB)
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("runtime")
def test_the_folder_has_all_that_the_page_names(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "page"

    main([str(colours), "--web", str(folder), "--title", "Blue & <red>"])

    files = {path.name for path in folder.iterdir()}
    assert all(not name.startswith(".") for name in files)
    assert (folder / "model.onnx").read_bytes() == (colours / "model.onnx").read_bytes()
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert model["title"] == "Blue & <red>"
    assert model["labels"] == ["blue", "green", "red"]
    assert model["unknown_threshold"] == 1.5
    page = json.loads((folder / "version.js").read_text().removeprefix("self.PAGE = ")[:-2])
    assert set(page["FILES"]) - {"./"} <= files
    for path in folder.glob("*.js"):
        for name in re.findall(r'(?:from |import\()"\./([\w.]+)"', path.read_text()):
            assert name in files
            assert name in page["FILES"], "it would be missing without a network"
    for name in re.findall(r'(?:href|src)="([^"]+)"', (folder / "index.html").read_text()):
        assert name in files
    assert 'allow="camera"' in capsys.readouterr().out


@pytest.mark.usefixtures("runtime")
def test_a_page_is_replaced_and_its_version_follows_its_content(
    colours: Path, tmp_path: Path
) -> None:
    classifier = Classifier(colours / "model.onnx")
    first = write_web_page(classifier, tmp_path / "page", "one", 0.3)
    again = write_web_page(classifier, tmp_path / "page", "one", 0.3)
    other = write_web_page(classifier, tmp_path / "page", "two", 0.3)
    assert first == again
    assert other.version != first.version


@pytest.mark.usefixtures("runtime")
def test_a_zip_file_has_the_same_files(colours: Path, tmp_path: Path) -> None:
    folder, packed = tmp_path / "page", tmp_path / "page.zip"
    main([str(colours), "--web", str(folder)])
    main([str(colours), "--web", str(packed)])
    with zipfile.ZipFile(packed) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {path.name: path.read_bytes() for path in folder.iterdir()}
    before = packed.read_bytes()
    main([str(colours), "--web", str(packed)])
    assert packed.read_bytes() == before


def test_a_zip_file_of_something_else_is_left_alone(colours: Path, tmp_path: Path) -> None:
    packed = tmp_path / "holidays.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("beach.jpg", b"sand")
    before = packed.read_bytes()
    with pytest.raises(UserError, match=r"no web page that --web wrote"):
        main([str(colours), "--web", str(packed)])
    assert packed.read_bytes() == before


def test_a_zip_file_is_not_shown(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(colours), "--web", str(tmp_path / "page.zip"), "--serve"])
    assert "--serve shows a folder" in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_alone(colours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("mine")

    with pytest.raises(UserError, match=r"holds other files"):
        main([str(colours), "--web", str(folder)])
    with pytest.raises(UserError, match=r"holds other files"):
        main([str(colours), "--web", str(colours)])

    assert [path.name for path in folder.iterdir()] == ["index.html"]


@pytest.mark.parametrize("wrong", [("--serve",), ("--title", "Cups")])
def test_options_of_a_page_need_one(
    colours: Path, wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(colours), "--precision", "int8", *wrong])
    assert "--title and --serve belong to --web" in capsys.readouterr().err


def test_the_page_and_the_server_have_one_policy() -> None:
    """In the page trusted types are added: the policy that they need exists there alone."""
    (policy,) = re.findall(
        r'Content-Security-Policy" content="([^"]+)"', (_PAGE / "index.html").read_text()
    )
    added = "; require-trusted-types-for 'script'; trusted-types default"
    assert policy == PAGE_POLICY + added
    assert "http" not in policy
    assert "unsafe-inline" not in policy
    for path in _PAGE.iterdir():
        hosts = set(re.findall(r"https?://([\w.]+)", path.read_text()))
        assert hosts <= {"www.w3.org"}, path.name  # the name of SVG, which is no address


def test_an_archive_is_fetched_once_and_checked_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _npm_that_gives(_SMALL, tmp_path, monkeypatch)
    cached = cache_folder() / "small-1.2.3.tgz"

    assert fetch_npm_archive(_SMALL_ARCHIVE) == _SMALL
    cached.write_bytes(b"damaged")
    assert fetch_npm_archive(_SMALL_ARCHIVE) == _SMALL
    assert cached.read_bytes() == _SMALL
    monkeypatch.setenv("PATH", "")
    assert fetch_npm_archive(_SMALL_ARCHIVE) == _SMALL


def test_another_archive_than_the_known_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _npm_that_gives(b"another", tmp_path, monkeypatch)

    with pytest.raises(UserError, match=r"its hash differs"):
        fetch_npm_archive(_SMALL_ARCHIVE)
    assert not (cache_folder() / "small-1.2.3.tgz").exists()


def test_without_npm_it_is_said_where_the_archive_may_be_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UserError, match=r"npm is not installed.*put small-1\.2\.3\.tgz.*cache"):
        fetch_npm_archive(_SMALL_ARCHIVE)


@pytest.mark.usefixtures("runtime")
def test_a_file_that_the_archive_has_not_is_named() -> None:
    with pytest.raises(UserError, match=r"no usable dist/nothing\.js"):
        read_members(fetch_npm_archive(ONNXRUNTIME_WEB), ["package.json", "dist/nothing.js"])


def test_the_server_isolates_and_answers_its_own_names_alone(tmp_path: Path) -> None:
    (tmp_path / "a.mjs").write_text("1")
    (tmp_path / "folder").mkdir()
    with page_server(tmp_path, 0) as server:
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            host = str(urlsplit(page_link(server)).netloc)
            script = _ask(host, "/a.mjs", host)
            assert _ask(host, "/a.mjs", "localhost").status == 200, "as browsers say for port 80"
            statuses = [
                _ask(host, path, name).status
                for path, name in (
                    ("/a.mjs", "elsewhere.example:80"),
                    ("/folder/", host),
                    ("/../../etc/passwd", host),
                )
            ]
            with pytest.raises(UserError, match=r"is taken by another program"):
                page_server(tmp_path, server.server_address[1]).__enter__()
        finally:
            server.shutdown()
            thread.join()
    assert host.startswith("127.0.0.1:")
    assert script.status == 200
    assert script.headers["Content-Type"] == "text/javascript"
    assert script.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert script.headers["Content-Security-Policy"] == PAGE_POLICY
    assert statuses == [421, 404, 404]


def _ask(host: str, path: str, name: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": name})
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def _npm_that_gives(content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program of npm's name, arguments and manner first in the path."""
    programs = folder / "programs"
    programs.mkdir()
    (folder / "given").write_bytes(content)
    npm = programs / "npm"
    npm.write_text(
        "#!/bin/sh\n"
        '[ "$1 $2" = "pack small@1.2.3" ] || exit 1\n'
        'for last in "$@"; do :; done\n'
        f'cp "{folder / "given"}" "$last/small-1.2.3.tgz"\n'
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
