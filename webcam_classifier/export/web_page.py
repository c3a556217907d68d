"""Write a web page that runs a model in the browser: static files in a folder or a zip file.

The page runs the model file itself with onnxruntime-web. What is outside the graph (the crop, and
the resizing of `preprocess.prepare`) is written in JavaScript with the same arithmetic as OpenCV.
When it starts, the page runs the model on a drawn picture and compares the answer with the one
that is stored here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from webcam_classifier.errors import UserError
from webcam_classifier.export.npm_archive import NpmArchive, fetch_npm_archive, read_members
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.storage import (
    check_file_writable,
    check_writable,
    write_atomically,
    write_together,
)

ONNXRUNTIME_WEB = NpmArchive(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)

PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
"""The content security policy of the page and its workers: no other hosts, nothing inline."""

_DESCRIPTION = "model.json"
_FORMAT = "webcam-classifier page"
_PAGE = Path(__file__).parent / "page"
_RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
_CHECK_SIDES = (500, 373)  # width, height; unequal, so that cropping and resizing are checked too


@dataclass(frozen=True)
class WebPage:
    """A page that was written.

    Attributes:
        folder: The folder or zip file.
        byte_count: Of all its files, of which a browser loads only the half that it runs.
        version: A hash of its files.
    """

    folder: Path
    byte_count: int
    version: str


def write_web_page(classifier: Classifier, folder: Path, title: str, smoothing: float) -> WebPage:
    """Write a page that runs a model to a folder, replacing a former page there.

    Args:
        classifier: The model, whose answer the page compares its own with.
        folder: A new or empty folder, or one with such a page.
        title: Of the page.
        smoothing: The time constant of the label, in seconds; 0 shows each frame's own label.

    Raises:
        UserError: The folder holds other files or can't be written, or the runtime can't be
            fetched.
    """
    check_page_folder(folder)
    files, version = _page_files(classifier, title, smoothing)
    write_together(folder, files)
    return WebPage(folder, sum(map(len, files.values())), version)


def write_web_page_zip(classifier: Classifier, file: Path, title: str, smoothing: float) -> WebPage:
    """Write a page that runs a model to a zip file, replacing a former page there.

    Args:
        classifier: See `write_web_page`.
        file: A new file, or one with such a page.
        title: See `write_web_page`.
        smoothing: See `write_web_page`.

    Raises:
        UserError: The file is something else or can't be written, or the runtime can't be fetched.
    """
    check_page_zip(file)
    files, version = _page_files(classifier, title, smoothing)
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, one in files.items():
            # Without the time of day, the same page is the same file to the last byte.
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, one)
    write_atomically(file, content.getvalue())
    return WebPage(file, sum(map(len, files.values())), version)


def _page_files(
    classifier: Classifier, title: str, smoothing: float
) -> tuple[dict[str, bytes], str]:
    """Return all files of a page by name, and their version."""
    runtime = read_members(
        fetch_npm_archive(ONNXRUNTIME_WEB), [f"dist/{name}" for name in _RUNTIME_FILES]
    )
    files = {path.name: path.read_bytes() for path in sorted(_PAGE.iterdir()) if path.is_file()}
    model = classifier.path.read_bytes()
    files["model.onnx"] = model
    files[_DESCRIPTION] = _json(_description(classifier, model, title, smoothing))
    files["manifest.webmanifest"] = _json(_manifest(title))
    files["licences.txt"] = _licences(files["licences.txt"].decode(), classifier.card.weights)
    kept = sorted(set(files) - {"index.html", "service_worker.js"})
    files |= {name.removeprefix("dist/"): content for name, content in runtime.items()}
    version = _version(files)
    # The service worker caches the page itself under the folder's own address.
    shown = {"VERSION": version, "FILES": ["./", *kept], "POLICY": PAGE_POLICY}
    files["version.js"] = f"self.PAGE = {json.dumps(shown)};\n".encode()
    return files, version


def check_page_folder(folder: Path) -> None:
    """Check before long work that a page may be written to a folder.

    Raises:
        UserError: It holds something other than such a page, or can't be written to.
    """
    check_writable(folder)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        found = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        is_page = isinstance(found, dict) and found.get("format") == _FORMAT
    except (OSError, ValueError):
        is_page = False
    if not is_page:
        raise UserError(
            f"{folder} holds other files, which a page would mix with. Name a new or empty folder."
        )


def check_page_zip(file: Path) -> None:
    """Check before long work that a page may be written to a zip file.

    Raises:
        UserError: It is something other than such a page, or can't be written.
    """
    check_file_writable(file)
    if not file.exists():
        return
    try:
        with zipfile.ZipFile(file) as archive:
            found = json.loads(archive.read(_DESCRIPTION))
        is_page = isinstance(found, dict) and found.get("format") == _FORMAT
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, NotImplementedError):
        is_page = False
    if not is_page:
        raise UserError(
            f"{file} is there already, and is no web page that --web wrote. Name another file, or "
            "move it away."
        )


def check_picture(width: int, height: int) -> BgrImage:
    """Draw the picture for which a page compares its answer, as `model_worker.js` draws it.

    It is computed in integers, so that it is the same everywhere.

    Args:
        width: In pixels.
        height: In pixels.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    channels = [x * (number + 1) + y * (3 - number) + (x * y >> 6) for number in range(3)]
    return np.asarray(np.stack(channels, axis=-1) & 255, dtype=np.uint8)


def _description(
    classifier: Classifier, model: bytes, title: str, smoothing: float
) -> dict[str, object]:
    """Return the content of model.json: what the page knows about its model."""
    card = classifier.card
    width, height = _CHECK_SIDES
    answer = classifier.classify(check_picture(width, height))
    return {
        "format": _FORMAT,
        "title": title,
        "labels": card.labels,
        "names": card.shown_labels,
        "input_size": card.input_size,
        "crop": None if classifier.crop is None else dataclasses.asdict(classifier.crop),
        "unknown_threshold": card.unknown_threshold,
        "accuracy": card.accuracy,
        "accuracy_count": card.accuracy_count,
        "smoothing": smoothing,
        "model": "model.onnx",
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "check": {
            "width": width,
            "height": height,
            "probabilities": [float(value) for value in answer.probabilities],
        },
    }


def _manifest(title: str) -> dict[str, object]:
    """Return the web app manifest, with which phones install the page as an app."""
    icon = {"src": "icon.svg", "type": "image/svg+xml", "sizes": "any", "purpose": "any"}
    return {
        "name": title,
        "short_name": title,
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#111317",
        "theme_color": "#111317",
        "icons": [icon],
    }


def _licences(template: str, weights: str) -> bytes:
    """Return the licences of the parts of the page."""
    return (
        template.replace("@WEIGHTS@", weights)
        .replace("@VERSION@", ONNXRUNTIME_WEB.version)
        .replace("@INTEGRITY@", ONNXRUNTIME_WEB.integrity)
        .encode()
    )


def _json(fields: dict[str, object]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode()


def _version(files: dict[str, bytes]) -> str:
    """Return a hash of all files."""
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name} {len(files[name])}\n".encode())
        content.update(files[name])
    return content.hexdigest()[:16]
