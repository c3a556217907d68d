"""The page that is given away in a real browser: the same answers, live, offline and embedded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="playwright is not installed (requirements-dev.txt)")

from tests.browser_page import (
    fake_camera,
    need_browser_runtime,
    open_browser,
    served,
    write_clip,
)
from tests.some_pictures import copy_some
from tests.tiny_model import CHANNEL_LABELS, write_tiny_model
from webcam_classifier.cli import evaluate, export
from webcam_classifier.export.web_page import ONNXRUNTIME_WEB
from webcam_classifier.frame import BgrImage

_SOFTWARE_WEBGPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)
_PARENT = """<!doctype html><meta charset="utf-8"><title>parent</title>
<iframe src="PAGE" allow="camera" width="400" height="700"></iframe>
<script>
  const heard = [];
  const frame = document.querySelector("iframe").contentWindow;
  addEventListener("message", ({ data }) => heard.push(data));
  const ask = (message) => frame.postMessage({ target: "webcam-classifier", ...message }, "*");
</script>
"""


@pytest.fixture(scope="module")
def hands_page(taught_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a head that was taught on real pictures."""
    need_browser_runtime()
    folder = tmp_path_factory.mktemp("page") / "hands"
    export.main([str(taught_model), "--web", str(folder)])
    return folder


@pytest.fixture
def colour_page(tmp_path: Path) -> Path:
    """A page with a model of a few bytes."""
    need_browser_runtime()
    write_tiny_model(tmp_path / "colours/model.onnx", unknown_threshold=1.5)
    export.main([str(tmp_path / "colours"), "--web", str(tmp_path / "page")])
    return tmp_path / "page"


def test_it_answers_as_evaluate_does_also_without_a_network(
    hands_page: Path, taught_model: Path, shared_data: Path, chromium: str, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    copy_some(shared_data / "rock_paper_scissors" / "person_2", pictures, step=2)
    figures = tmp_path / "figures.json"
    evaluate.main([str(taught_model), str(pictures), "--json", str(figures)])
    expected = json.loads(figures.read_text())["answers"]
    assert len(expected) >= 200

    with open_browser(chromium) as given:
        with served(hands_page) as link:
            opened = given.open(link)
            found = {name: given.classify(pictures / name) for name in expected}
            given.wait_until_kept()
        given.context.set_offline(True)
        given.page.reload()
        some = next(iter(expected))
        again = given.classify(pictures / some)

    assert opened["notes"] == []
    assert opened["apart"] < 0.01
    right = sum(found[name]["label"] == answer["label"] for name, answer in expected.items())
    assert right >= 0.995 * len(expected)
    for name, answer in expected.items():
        assert found[name]["confidence"] == pytest.approx(answer["confidence"], abs=0.01), name
    assert again["probabilities"] == pytest.approx(found[some]["probabilities"], abs=1e-5)
    assert given.complaints == []
    assert all(address.startswith((link, "blob:")) for address in given.addresses)


def test_the_camera_is_labelled_live(
    hands_page: Path, hands: Path, chromium: str, tmp_path: Path
) -> None:
    labels = sorted(folder.name for folder in hands.iterdir() if folder.is_dir())
    shown = [sorted((hands / label).iterdir())[0] for label in labels]
    write_clip(shown, 30, tmp_path / "clip.y4m", (320, 240))

    with (
        served(hands_page) as link,
        open_browser(chromium, *fake_camera(tmp_path / "clip.y4m")) as given,
    ):
        given.open(link)  # the camera was allowed before, so it starts by itself
        given.wait_for_state("live")
        verdict = given.page.get_by_test_id("verdict")
        for label in labels:
            verdict.get_by_text(label, exact=True).wait_for()
        given.page.evaluate("document.querySelector('video').pause()")
        given.wait_for_state("stale")
        assert not verdict.is_visible()
        given.page.evaluate("document.querySelector('video').play()")
        given.wait_for_state("live")
        mirrored = given.page.get_by_test_id("mirror").get_attribute("aria-pressed")
        given.page.get_by_test_id("stop").click()
        given.wait_for_state("off")
        assert not verdict.is_visible()
        given.page.get_by_test_id("start").click()
        given.wait_for_state("live")

    assert mirrored == "true"
    assert given.complaints == []


def test_a_page_of_another_host_embeds_it(
    colour_page: Path, chromium: str, tmp_path: Path, solid_red: Path
) -> None:
    write_clip([solid_red], 15, tmp_path / "clip.y4m", (160, 120))

    with (
        served(colour_page) as link,
        _parent_of(link, tmp_path / "parent") as elsewhere,
        open_browser(chromium, *fake_camera(tmp_path / "clip.y4m")) as given,
    ):
        parent = given.page
        parent.goto(elsewhere)
        parent.wait_for_function("heard.some(({ type }) => type === 'ready')")
        parent.evaluate("ask({ type: 'start' })")
        parent.wait_for_function("heard.some(({ type, label }) => type === 'answer' && label)")
        parent.evaluate("ask({ type: 'classify', id: 7, picture: new ImageData(40, 30) })")
        parent.wait_for_function("heard.some(({ type, id }) => type === 'classified' && id === 7)")
        parent.evaluate("ask({ type: 'dance', id: 8 })")
        parent.wait_for_function("heard.some(({ type, id }) => type === 'refused' && id === 8)")
        heard = parent.evaluate("heard")

    (ready,) = (message for message in heard if message["type"] == "ready")
    assert ready["labels"] == list(CHANNEL_LABELS)
    answers = [message for message in heard if message["type"] == "answer"]
    assert {message["label"] for message in answers} == {"red"}
    assert not answers[-1]["isUnknown"]
    assert sum(answers[-1]["probabilities"]) == pytest.approx(1.0, abs=1e-4)


def test_a_model_that_answers_otherwise_or_is_of_another_version_is_told(
    colour_page: Path, chromium: str
) -> None:
    path = colour_page / "model.json"
    written = json.loads(path.read_text())
    with served(colour_page) as link, open_browser(chromium) as given:
        off = written | {"check": written["check"] | {"probabilities": [0.5, 0.5, 0.0]}}
        path.write_text(json.dumps(off))
        given.open(link)
        (note,) = given.page.get_by_test_id("notes").locator("li").all_text_contents()

    with served(colour_page) as link, open_browser(chromium) as given:
        path.write_text(json.dumps(written | {"model_sha256": "0" * 64}))
        given.page.goto(link)
        given.page.get_by_text("not of one version").wait_for()

    assert note.startswith("This browser's answers differ from the original's by up to 0.")


def test_webgpu_gives_the_same_answers_and_is_not_chosen_without_a_graphics_card(
    colour_page: Path, chromium: str
) -> None:
    with served(colour_page) as link, open_browser(chromium, *_SOFTWARE_WEBGPU) as given:
        opened = given.open(link)
        if not given.page.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())"):
            pytest.skip("this Chromium has no WebGPU by software")
        forced = given.page.evaluate(
            """async () => {
                const { Classifier } = await import("./classifier.js");
                const { runtime, apart } = await Classifier.open({ runtime: "webgpu" });
                return { runtime, apart };
            }"""
        )
    assert opened["runtime"].startswith("WebAssembly")
    assert forced["runtime"] == "WebGPU"
    assert forced["apart"] < 0.01


def test_a_plain_host_will_do_and_is_isolated_from_the_second_visit_on(
    colour_page: Path, chromium: str
) -> None:
    with _plain_host(colour_page) as link, open_browser(chromium) as given:
        isolated = []
        for _ in range(2):
            given.open(link)
            given.wait_until_kept()
            isolated.append(given.page.evaluate("crossOriginIsolated"))
        assert given.complaints == []
        other = link.replace("localhost", "127.0.0.1")
        refused = given.page.evaluate("(link) => fetch(link).catch(String)", other)
    assert isolated == [False, True]
    assert refused == "TypeError: Failed to fetch"
    assert any("connect-src" in complaint for complaint in given.complaints)


def test_a_newer_version_is_offered_and_loaded_whole(
    colour_page: Path, chromium: str, tmp_path: Path
) -> None:
    with served(colour_page) as link, open_browser(chromium) as given:
        given.open(link)
        given.wait_until_kept()
        write_tiny_model(tmp_path / "colours/model.onnx", labels=("sea", "grass", "fire"))
        export.main([str(tmp_path / "colours"), "--web", str(colour_page), "--title", "newer"])
        given.open(link)
        assert given.page.title() == "colours"  # the one that was kept, whole
        given.page.get_by_test_id("newer").click()
        given.page.get_by_role("heading", name="newer").wait_for()
        given.page.get_by_test_id("bars").get_by_text("grass").wait_for()
    assert given.complaints == []


def test_it_runs_the_runtime_that_its_licences_name(colour_page: Path, chromium: str) -> None:
    with served(colour_page) as link, open_browser(chromium) as given:
        given.open(link)
        version = given.page.evaluate(
            "async () => (await import('./ort.wasm.min.mjs')).env.versions.web"
        )
    assert version == ONNXRUNTIME_WEB.version
    assert ONNXRUNTIME_WEB.integrity in (colour_page / "licences.txt").read_text()


@contextmanager
def _parent_of(link: str, folder: Path) -> Iterator[str]:
    """Serve a page of another origin that embeds a page."""
    folder.mkdir()
    (folder / "index.html").write_text(_PARENT.replace("PAGE", link))
    with _plain_host(folder) as address:
        yield address


@contextmanager
def _plain_host(folder: Path) -> Iterator[str]:
    """Serve a folder as most hosts do, without any headers of ours."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="parent", daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def solid_red(tmp_path: Path) -> Path:
    image: BgrImage = np.zeros((120, 160, 3), np.uint8)
    image[:, :, 2] = 230
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), image)
    return path
