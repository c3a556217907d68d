"""What the pages say lies in one file each: a translator who has that one has everything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page_literals import ShownHtml, shown_in_code

_PACKAGE = Path(__file__).resolve().parents[1] / "webcam_classifier"
_PAGES = ("web/page", "web/live_page", "export/page")
_TEXTS = "texts.js"
_NOT_SHOWN = {
    "Files",  # what a browser calls a drop from the desktop
    # Of a page whose own files do not fit together.
    "index.html has no {} with the id {}",
    "There is no text {}",
    "{} is not of this page.",
}

_BY_THEIR_VALUE = {
    *("connecting", "connected", "lost", "refused"),  # texts.link[link]
    *("head", "finetune", "export", "running", "done", "failed", "cancelled"),  # texts.job.titles
    *("label", "copy", "quality", "unlabelled"),  # texts.review.kinds
    "Roboflow",  # texts.importing.tools[tool]
    *("NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError"),
}


@pytest.mark.parametrize("page", _PAGES)
def test_no_text_stands_in_the_code(page: str) -> None:
    found = {
        (path.name, text)
        for path in (_PACKAGE / page).glob("*.js")
        if path.name != _TEXTS
        for text in shown_in_code(path.read_text(encoding="utf-8"))
        if text not in _NOT_SHOWN
    }
    assert not found, f"move them to {page}/{_TEXTS}"


@pytest.mark.parametrize("page", _PAGES)
def test_no_text_stands_in_the_html(page: str) -> None:
    assert not _html_of(page).found, f"move them to {page}/{_TEXTS}, and name them by data-text"


@pytest.mark.parametrize("page", _PAGES)
def test_each_text_of_the_html_is_there(page: str) -> None:
    known = set(_keys_of(page)) | (set(_keys_of("web/page")) if page == "web/live_page" else set())
    keys = _html_of(page).keys
    assert keys
    assert {key for key in keys if not set(key.split(".")) <= known} == set()


@pytest.mark.parametrize("page", _PAGES)
def test_each_text_is_used(page: str) -> None:
    sharing = _PAGES[:2] if page.startswith("web/") else (page,)
    files = [path for name in sharing for path in (_PACKAGE / name).iterdir()]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    used = set(re.findall(r"""[."{,]\s?(\w+)\b""", code))
    assert set(_keys_of(page)) - used - _BY_THEIR_VALUE == set()


def test_what_stands_in_code_is_found() -> None:
    code = """
    // notice("of a comment")
    import { one } from "./one of them.js";
    const LINKS = { lost: "Reconnecting…" };
    setText(find("the-place", HTMLElement), isOn ? "on" : `${count} of ${all}`);
    make("p", { class: "wide hint", "aria-label": "Camera", id: "a-b" }, "sure", title);
    const path = /["'`]/.exec(name) ?? `/api/${encodeURIComponent(`${name} `)}`;
    button.title = "undo";
    document.querySelector(".card .row > img");
    if (event.key === "Escape" || kind === "Not this one") stop("button held");
    throw new Error("The camera can't be used. Plug one in.");
    """
    assert shown_in_code(code) == [
        "Reconnecting…",
        "on",
        "{} of {}",
        "Camera",
        "sure",
        "undo",
        "The camera can't be used. Plug one in.",
    ]


def test_what_stands_in_html_is_found() -> None:
    html = ShownHtml()
    html.feed(
        '<title data-text="top.title"></title><b class="key">3</b><p>Gather</p><input alt="" '
        'placeholder="New" data-text-aria-label="gather.name"><noscript>It needs one.</noscript>'
    )
    assert html.found == ["Gather", "New"]
    assert html.keys == ["top.title", "gather.name"]


def _html_of(page: str) -> ShownHtml:
    html = ShownHtml()
    html.feed((_PACKAGE / page / "index.html").read_text(encoding="utf-8"))
    return html


def _keys_of(page: str) -> Iterator[str]:
    """Names within the texts of a page: of texts and of their groups."""
    texts = (_PACKAGE / page / _TEXTS).read_text(encoding="utf-8")
    inside = texts[texts.index("export const texts") :]
    for found in re.finditer(r"^ +(?:/\*\*.*\*/ )?(\w+)(?::|,$)", inside, re.MULTILINE):
        yield found[1]
