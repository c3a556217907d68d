"""A model as a page that runs it in the browser: static files in a folder, or in one zip file.

The page runs the very model file, with onnxruntime-web. What is outside the graph, the crop and
the resize of `preprocess.prepare`, is written in JavaScript to OpenCV's arithmetic. At its start
the page asks the model about a drawn picture and compares the answer with the one written here.
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
    "MIT",
)

PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
"""What the page and its workers may do: nothing from another host, nothing inline."""

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
_CHECK_SIDES = (500, 373)  # width and height; odd, so that cropping and resizing are checked too


@dataclass(frozen=True)
class WebPage:
    """A page that was written.

    Attributes:
        folder: Where it is: a folder, or a zip file.
        byte_count: Of all its files; a browser loads the half of it that it runs.
        version: Changes with any of its files.
    """

    folder: Path
    byte_count: int
    version: str


def write_web_page(classifier: Classifier, folder: Path, title: str, smoothing: float) -> WebPage:
    """Write a page that runs a model; a page that was written there before is replaced whole.

    Args:
        classifier: The model, which gives the answer that the page compares itself with.
        folder: A new or empty folder, or one with such a page.
        title: What the page calls itself.
        smoothing: The time constant of the label, in seconds; 0 takes each frame as it is.

    Raises:
        UserError: The folder holds something else or can't be written, or the runtime can't be had.
    """
    check_page_folder(folder)
    files, version = _page_files(classifier, title, smoothing)
    write_together(folder, files)
    return WebPage(folder, sum(map(len, files.values())), version)


def write_web_page_zip(classifier: Classifier, file: Path, title: str, smoothing: float) -> WebPage:
    """Write the same files as one zip file; one that was written there before is replaced.

    Args:
        classifier: As for `write_web_page`, like the rest.
        file: A new file, or one with such a page.
        title: What the page calls itself.
        smoothing: The time constant of the label, in seconds.

    Raises:
        UserError: The file is something else or can't be written, or the runtime can't be had.
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
    """All files of a page by their names, and the name of their version."""
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
    # The page itself is kept under the folder's own address.
    shown = {"VERSION": version, "FILES": ["./", *kept], "POLICY": PAGE_POLICY}
    files["version.js"] = f"self.PAGE = {json.dumps(shown)};\n".encode()
    return files, version


def check_page_folder(folder: Path) -> None:
    """Find out before the work starts whether a page may be written to a folder.

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
    """Find out before the work starts whether a page may be written to a zip file.

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
    """Draw the picture that a page compares its answer on, as `model_worker.js` draws it.

    Args:
        width: In pixels.
        height: Likewise.

    Returns:
        (height, width, 3) uint8, blue green red: whole numbers alone, the same everywhere.
    """
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    channels = [x * (number + 1) + y * (3 - number) + (x * y >> 6) for number in range(3)]
    return np.asarray(np.stack(channels, axis=-1) & 255, dtype=np.uint8)


def _description(
    classifier: Classifier, model: bytes, title: str, smoothing: float
) -> dict[str, object]:
    """What the page knows of its model."""
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
    """What a phone needs to know to put the page among its apps."""
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
    """Whose the parts of the page are."""
    return (
        template.replace("@WEIGHTS@", weights)
        .replace("@VERSION@", ONNXRUNTIME_WEB.version)
        .replace("@INTEGRITY@", ONNXRUNTIME_WEB.integrity)
        .encode()
    )


def _json(fields: dict[str, object]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode()


def _version(files: dict[str, bytes]) -> str:
    """A name for exactly these files."""
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name} {len(files[name])}\n".encode())
        content.update(files[name])
    return content.hexdigest()[:16]
