"""The library leaves the process to the program: it prints nothing and sets nothing for all of it.

What holds for a whole process (limits of threads, signal handlers, the environment, where messages
go) belongs to the program. Here that is a command, in `webcam_classifier.cli`.
"""

from __future__ import annotations

import ast
import gc
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import threadpoolctl  # type: ignore[import-untyped] # it ships no types

from tests.stage import lesson
from tests.tiny_model import write_tiny_model
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import CameraError
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.live_process import live_process, teaching_process
from webcam_classifier.dataset.picture_files import picture_size, read_picture
from webcam_classifier.web.picture_problem import picture_problem

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = _ROOT / "webcam_classifier"
_MODULES = sorted(
    (path for path in _PACKAGE.rglob("*.py") if path.name != "__init__.py"),
    key=lambda path: path.as_posix(),
)
_LIBRARY = [path for path in _MODULES if "cli" not in path.relative_to(_PACKAGE).parts]

_OF_THE_PROCESS = {
    "print", "input", "exit", "quit", "sys.exit", "os._exit", "os.abort",
    "sys.setswitchinterval", "sys.setrecursionlimit", "sys.settrace",
    "gc.freeze", "gc.unfreeze", "gc.disable", "gc.enable", "gc.set_threshold",
    "threadpool_limits", "threadpoolctl.threadpool_limits", "cv2.setNumThreads",
    "torch.set_num_threads", "torch.set_num_interop_threads", "torch.set_default_dtype",
    "signal.signal", "signal.setitimer", "atexit.register", "faulthandler.enable",
    "warnings.simplefilter", "warnings.filterwarnings",
    "logging.basicConfig", "logging.disable", "logging.config.dictConfig",
    "matplotlib.use", "mpl.use", "plt.switch_backend", "np.random.seed", "random.seed",
    "os.chdir", "os.umask", "os.nice", "os.putenv", "os.unsetenv", "locale.setlocale",
    "socket.setdefaulttimeout",
    "os.environ.setdefault", "os.environ.update", "os.environ.pop", "os.environ.clear",
}  # fmt: skip
"""Calls that show something to whoever started the process, or change what holds for all of it."""

_SET_FOR_A_MOMENT: Mapping[tuple[str, str], str] = {
    ("private_onnxruntime.py", "os.environ[...]"): "read by onnxruntime while it is imported",
    ("camera/opencv_capture.py", "os.environ[...]"): "read by OpenCV while it opens a video",
    ("camera/opencv_capture.py", "os.environ.pop"): "takes that back",
    ("report/figures.py", "warnings.filterwarnings"): "within warnings.catch_warnings",
    ("export/core_ml.py", "warnings.simplefilter"): "within warnings.catch_warnings",
    ("finetune/torch_programs.py", "warnings.filterwarnings"): "within warnings.catch_warnings",
    ("report/render_process.py", "os.nice"): "a program of its own, which gives way to others",
    ("web/server.py", "signal.signal"): "while the server runs, as uvicorn does for its signals",
    ("runtime/trial.py", "print"): "a program of its own, which answers on its standard output",
    ("runtime/untrusted_model_trial.py", "print"): "likewise",
}

_LOOK_AND_IMPORT = """
import gc, importlib, json, logging, os, signal, sys, threading, warnings

for name in {third_party}:
    try:
        importlib.import_module(name)
    except ImportError:  # not installed here
        continue
import cv2, matplotlib, PIL.Image, threadpoolctl

def look():
    return dict(
        threads=threading.active_count(),
        switch_interval=sys.getswitchinterval(),
        frozen=gc.get_freeze_count(),
        collects=gc.isenabled(),
        signals=[str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        environment=dict(os.environ),
        warnings=[str(one) for one in warnings.filters],
        pillow=PIL.Image.MAX_IMAGE_PIXELS,
        opencv_threads=cv2.getNumThreads(),
        opencv_log=cv2.utils.logging.getLogLevel(),
        backend=str(dict.get(matplotlib.rcParams, "backend")),
        libraries={{
            one["filepath"]: one["num_threads"] for one in threadpoolctl.threadpool_info()
        }},
        log_handlers=[str(one) for name in (None, "webcam_classifier")
                      for one in logging.getLogger(name).handlers],
        log_level=logging.getLogger("webcam_classifier").level,
        folder=os.getcwd(),
        path=[one for one in sys.path if "onnxruntime" not in one],  # it adds a folder of its own
        hooks=[str(hook) for hook in (sys.excepthook, sys.unraisablehook, threading.excepthook)],
        output=[str(stream) for stream in (sys.stdout, sys.stderr)],
    )

before = look()
for name in {modules}:
    importlib.import_module(name)
after = look()
changed = {{key: (before[key], after[key]) for key in before if before[key] != after[key]}}
print(json.dumps(changed))
"""


@pytest.mark.slow
def test_importing_every_module_changes_nothing_in_the_process() -> None:
    has_torch = importlib.util.find_spec("torch") is not None
    modules = [
        ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        for path in _MODULES
        if has_torch or "finetune" not in path.parts
    ]
    assert len(modules) > 100
    # What other libraries change as they are imported is theirs, so they come first. onnxruntime
    # alone comes with the package: how it is imported is the package's doing.
    third_party = [
        name
        for name in sorted({name for path in _MODULES for name in _imports_of_others(path)})
        if not name.startswith("onnxruntime")
    ]
    code = _LOOK_AND_IMPORT.format(third_party=third_party, modules=modules)
    environment = {**os.environ}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}
    assert done.stdout.count("\n") == 1, "an import printed something"


@pytest.mark.parametrize("path", _LIBRARY, ids=lambda path: path.relative_to(_PACKAGE).as_posix())
def test_no_module_but_the_commands_prints_exits_or_sets_anything_global(path: Path) -> None:
    name = path.relative_to(_PACKAGE).as_posix()
    found = {
        use: line
        for use, line in _uses(ast.parse(path.read_text(encoding="utf-8")))
        if (name, use) not in _SET_FOR_A_MOMENT
    }
    assert found == {}


def test_each_exception_is_still_needed() -> None:
    uses = {
        (path.relative_to(_PACKAGE).as_posix(), use)
        for path in _LIBRARY
        for use, _ in _uses(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert set(_SET_FOR_A_MOMENT) - uses == set()


def test_the_search_finds_what_it_is_for() -> None:
    code = (
        "def f():\n    print(1)\n    os.environ['A'] = '1'\n    Image.MAX_IMAGE_PIXELS = None\n"
        "def g(say=print): ...\n"
    )
    assert sorted(_uses(ast.parse(code)), key=lambda found: found[1]) == [
        ("print", 2),
        ("os.environ[...]", 3),
        ("Image.MAX_IMAGE_PIXELS", 4),
        ("print", 5),
    ]


def test_onnxruntime_is_imported_in_one_place() -> None:
    """Whichever module came first would else decide whether it reports to its maker."""
    importing = {
        path.relative_to(_PACKAGE).as_posix()
        for path in _MODULES
        if any(name.split(".")[0] == "onnxruntime" for name in _imports_of_others(path))
    }
    # Quantisation is a package of its own in there; `export/__init__` sees to the order.
    assert importing == {"private_onnxruntime.py", "export/int8.py"}


@pytest.mark.parametrize("setting", [None, "0", "1"])
def test_onnxruntime_reports_only_where_somebody_wants_it(
    setting: str | None, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import cv2\n"  # it says where its fonts are
        "before = dict(os.environ)\n"
        "from webcam_classifier import Classifier\n"
        "Classifier(Path(sys.argv[1])).warm_up()\n"
        "assert dict(os.environ) == before\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for variable in ("ORT_DISABLE_TELEMETRY", "CI"):
        environment.pop(variable, None)
    if setting is not None:
        environment["ORT_DISABLE_TELEMETRY"] = setting
    command = [sys.executable, "-c", code, str(tmp_path / "model.onnx")]
    subprocess.run(command, cwd=_ROOT, env=environment, check=True)
    # Where it reports, it keeps a device's number and a queue in the cache folder.
    assert (tmp_path / "cache" / "Microsoft").exists() == (setting == "0")


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp"])
def test_a_picture_is_read_whatever_limit_a_program_has_given_pillow(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.full((48, 64, 3), (40, 120, 220), dtype=np.uint8)
    path = tmp_path / f"picture{ending}"
    path.write_bytes(cv2.imencode(ending, image)[1].tobytes())
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)  # it has thirty times as many
    assert np.abs(read_picture(path).astype(int) - image).max() <= 2
    assert picture_size(path.read_bytes()) == (64, 48)
    assert picture_problem(path.read_bytes()) is None
    assert PIL.Image.MAX_IMAGE_PIXELS == 100


def test_opening_a_broken_video_leaves_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENCV_FFMPEG_LOGLEVEL", raising=False)
    (tmp_path / "clip.mp4").write_bytes(b"no video at all" * 100)
    before = dict(os.environ)
    with pytest.raises(CameraError), open_camera(str(tmp_path / "clip.mp4")):
        pass
    assert dict(os.environ) == before


def test_a_teaching_session_changes_nothing_in_the_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = _settings()
    with lesson(tmp_path) as taught:
        for name in ("cup", "pen"):
            taught.record(name, 6)
        taught.session.wait_until_learnt(10.0)
        assert _settings() == before
    assert _settings() == before
    assert capfd.readouterr() == ("", "")


def test_a_live_process_has_its_settings_for_as_long_as_it_lasts() -> None:
    before = _settings()
    with live_process():
        assert cv2.getNumThreads() == 1
    assert _settings() == before
    with teaching_process() as on_loaded:
        assert sys.getswitchinterval() < 0.005
        assert {one["num_threads"] for one in threadpoolctl.threadpool_info()
                if one["user_api"] == "blas"} == {1}  # fmt: skip
        on_loaded()
        assert gc.get_freeze_count() > 0
    assert _settings() == before


def test_a_command_shows_what_the_library_logs_as_plain_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("webcam_classifier.backbone.load")
    with library_messages(), library_messages():  # one command may call another
        logger.info("fetching %s", "weights")
        logger.warning("note: %d left", 3)
        logger.debug("a detail")
    assert capsys.readouterr() == ("", "fetching weights\nnote: 3 left\n")
    package = logging.getLogger("webcam_classifier")
    assert (package.handlers, package.level) == ([], logging.NOTSET)


def _settings() -> dict[str, object]:
    return {
        "switch interval": sys.getswitchinterval(),
        "frozen": gc.get_freeze_count(),
        "opencv": cv2.getNumThreads(),
        "blas": {one["filepath"]: one["num_threads"] for one in threadpoolctl.threadpool_info()
                 if one["user_api"] == "blas"},
        "environment": dict(os.environ),
    }  # fmt: skip


def _uses(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Find calls and mentions of `_OF_THE_PROCESS`, and assignments to what belongs to others."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = ast.unparse(node)
            if name in _OF_THE_PROCESS:
                yield name, node.lineno
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            if ast.unparse(node.value) == "os.environ":
                yield "os.environ[...]", node.lineno
        elif isinstance(node, ast.Attribute) and node.attr == "MAX_IMAGE_PIXELS":
            yield ast.unparse(node), node.lineno


def _imports_of_others(path: Path) -> Iterator[str]:
    """Name the modules of other projects that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        for name in names:
            first = name.split(".")[0]
            if first not in sys.stdlib_module_names and first != "webcam_classifier":
                yield name
