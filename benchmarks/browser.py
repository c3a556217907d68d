"""Milliseconds a frame in the browser: the page that is given away against Teachable Machine's.

    $ python -m benchmarks.browser                 in a minute or two; needs Chromium, npm and torch

Both run MobileNet V2 of width 0.35 at 224 pixels, the network that Teachable Machine's site trains
on, from the same canvas of 640 x 480, in one browser, in turns. The baseline is
@teachablemachine/image with the tfjs that it asks for, on each backend that runs here; how it crops
and resizes is its own.
Weights are random: they change nothing about the time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from playwright.sync_api import Error, Page, sync_playwright
from torchvision.models import mobilenet_v2

from webcam_classifier.errors import UserError
from webcam_classifier.export.npm_archive import NpmArchive, fetch_npm_archive, read_members
from webcam_classifier.export.page_server import page_link, page_server
from webcam_classifier.export.web_page import write_web_page
from webcam_classifier.finetune.network_export import export_finetuned_features, finetuned_head
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.head.lda import append_head
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import ModelCard
from webcam_classifier.runtime.device_name import device_name
from webcam_classifier.temporary_files import temporary_folder

_WIDTH = 0.35
_SIZE = 224  # pixels
_LABELS = ("a", "b", "c")
_WARM_UP = 5  # frames before each turn
_TURNS = 3
_BASELINE = Path(__file__).parent / "baselines" / "teachable_machine"
_ARCHIVES = {
    NpmArchive(
        "image",
        "0.8.5",
        "sha512-u6BLQ8RBn38BKee7mmAl+HS9qWgM/2YmUbQYy21eQfqhb7E8xT5LDp7QqEU31rtgEIMDwB/OG8cjmSiuHpqb7A==",
        "teachablemachine",
    ): "dist/teachablemachine-image.min.js",
    NpmArchive(
        "tfjs",
        "1.3.1",
        "sha512-eJ8+WYRYYx6o3R4daV3T46ZHI/FN0+wslNnobh6d2Sp/T8PfaFpdR38nRrYtxnz33A80B2pMk4VxzoVivS4/jA==",
        "tensorflow",
    ): "dist/tf.min.js",
}

_TIME = """async ([ask, warmUp, count]) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, 480];
    const context = canvas.getContext("2d");
    const classify = eval(`(canvas) => ${ask}`);
    const times = [];
    for (let number = 0; number < warmUp + count; number++) {
        context.fillStyle = `hsl(${37 * number} 60% 50%)`;
        context.fillRect((97 * number) % 640, (61 * number) % 480, 200, 200);
        const began = performance.now();
        await classify(canvas);
        times.push(performance.now() - began);
    }
    return times.slice(warmUp);
}"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=30, help="of each turn (default: 30)")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise UserError("There is no Chromium on this machine. Debian: apt-get install chromium.")
    with temporary_folder() as folder, sync_playwright() as playwright:
        _write_ours(folder / "ours")
        _write_baseline(folder / "baseline")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--enable-unsafe-swiftshader"]
        )
        print(f"{device_name()}, Chromium {browser.version}")
        plain = partial(_PlainHandler, directory=str(folder / "baseline"))
        with (
            page_server(folder / "ours/page", 0) as our_server,
            ThreadingHTTPServer(("127.0.0.1", 0), plain) as baseline_server,
            _in_thread(our_server) as ours,
            _in_thread(baseline_server) as baseline,
        ):
            pages = {"ours": (browser.new_page(), "webcamClassifier.classify(canvas)")}
            pages["ours"][0].goto(ours)
            runtime = pages["ours"][0].evaluate(
                "async () => (await webcamClassifier.ready).runtime"
            )
            for backend in ("webgl", "cpu"):
                page = browser.new_page()
                page.goto(baseline)
                try:
                    page.evaluate("async (backend) => openBaseline(backend)", backend)
                    pages[f"tfjs {backend}"] = (page, "baseline.predict(canvas)")
                except Error as error:
                    print(f"not run: tfjs {backend} ({error.message.splitlines()[0]})")
            _report(_measure(pages, options.frames), runtime)
        browser.close()


def _measure(pages: dict[str, tuple[Page, str]], frames: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(_TURNS):
        for name, (page, ask) in pages.items():
            page.bring_to_front()
            # A backend without a graphics card takes a second a frame.
            count = frames if name == "ours" else max(3, frames // 5)
            times[name] += page.evaluate(_TIME, [ask, _WARM_UP, count])
    return times


def _report(times: dict[str, list[float]], runtime: str) -> None:
    ours = statistics.median(times["ours"])
    print("| way | median ms a frame | lowest | over ours |")
    print("| --- | --- | --- | --- |")
    for name, found in times.items():
        middle = statistics.median(found)
        shown = f"ours, {runtime}" if name == "ours" else f"@teachablemachine/image, {name}"
        print(f"| {shown} | {middle:.1f} | {min(found):.1f} | {middle / ours:.2f} |")


def _write_ours(folder: Path) -> None:
    torch.manual_seed(0)
    network = PixelNetwork(mobilenet_v2(num_classes=len(_LABELS), width_mult=_WIDTH).eval())
    features = export_finetuned_features(network, _SIZE)
    whole = append_head(features, finetuned_head(network, 1.0))
    card = ModelCard(_LABELS, _SIZE, "mobilenet_v2", "finetune", "random", "", "", "")
    write_model(whole, card, folder / "model.onnx")
    write_web_page(Classifier(folder / "model.onnx"), folder / "page", "benchmark", 0.0)


def _write_baseline(folder: Path) -> None:
    shutil.copytree(_BASELINE, folder)
    for archive, name in _ARCHIVES.items():
        content = read_members(fetch_npm_archive(archive), [name])[name]
        (folder / Path(name).name).write_bytes(content)


class _PlainHandler(SimpleHTTPRequestHandler):
    """Sends no policy: the baseline evaluates text, which ours forbids."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


@contextmanager
def _in_thread(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
    thread.start()
    try:
        yield page_link(server)
    finally:
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    main()
