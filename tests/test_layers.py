"""Arrows run one way: which package may use which, and where the heavy libraries are used.

Read from the source: every import counts, wherever in a module it stands and whether it is for type
checkers alone.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_NAME = "webcam_classifier"

# From low to high. A package uses what is in the rows above its own, and itself. `dataset` is below
# `camera` and `runtime`, as both read pictures from files: a folder is a camera too, and a provider
# is tried on real pictures. `evaluation` is below `head`: a head is calibrated as it is fitted.
# `report` is below `training`: what is written down is a part of every training.
_LAYERS: tuple[tuple[str, ...], ...] = (
    ("command_names", "version"),
    (
        "errors",
        "visible_text",
        "frame",
        "rate_limiter",
        "priority",
        "sequences",
        "percentage",
        "worker_threads",
        "closing",
        "progress",
        "cache_folder",
        "private_onnxruntime",
    ),
    ("temporary_files", "stage_captions", "crop"),
    ("storage", "prediction", "model_card", "preprocess"),
    ("display", "graph_cache"),
    ("dataset",),
    ("camera", "exchange", "runtime"),
    ("backbone", "model"),
    ("evaluation",),
    ("head",),
    ("live",),
    ("events",),
    ("report", "finetune"),
    ("training",),
    ("export", "teaching"),
    ("ui", "web"),
    ("cli",),
)

_AGAINST_THE_ARROWS: Mapping[tuple[str, str], str] = {
    ("backbone.load", "finetune.network_export"): "features of another backbone take torch",
    ("backbone.load", "finetune.torch_weights"): "features of another backbone take torch",
    ("backbone.load", "finetune.timm_network"): "features of timm's networks take torch and timm",
}
"""Imports from a higher layer, with the reason; each must still be there."""

_WHO_MAY_IMPORT: Mapping[str, Collection[str]] = {
    "torch": {"finetune"},
    "torchvision": {"finetune"},
    "onnxscript": {"finetune"},
    "tqdm": {"finetune"},
    "timm": {"finetune"},
    "huggingface_hub": {"finetune"},
    "matplotlib": {"report", "export"},
    "openvino": {"export"},
    "ai_edge_litert": {"export", "runtime"},
    "coremltools": {"export"},
    "jinja2": {"report"},
    "sklearn": (),
    "starlette": {"web"},
    "uvicorn": {"web"},
    "websockets": {"web"},
    "paho": {"events"},
    "serial": {"events"},
    "prometheus_client": {"events"},
    "threadpoolctl": {"cli", "head"},
    "tests": (),
    "benchmarks": (),
}
"""Libraries that take long to load, or that not everybody has, and the packages that use them."""

_NAMED_AS_THEIR_FOLDER: set[str] = set()
_NAMESAKES: Mapping[str, str] = {
    "device.py": "a camera in `camera`, and what torch computes on in `finetune`",
    "session.py": "an opened graph in `runtime`, in onnxruntime's words; teaching in `teaching`",
    "thumbnails.py": "of the report's pictures in `report`, and of the page's in `web`",
}


@dataclass(frozen=True)
class _Import:
    """One import.

    Attributes:
        module: Where it stands, such as `camera.device`; empty for the package itself.
        target: What is imported: a module of the package without its name, or another library's.
        is_ours: Whether it is of the package.
    """

    module: str
    target: str
    is_ours: bool


def test_every_package_has_its_layer() -> None:
    units = {_unit(module) for module in _modules() if module}
    placed = [unit for layer in _LAYERS for unit in layer]
    assert sorted(placed) == sorted(units)


def test_a_package_uses_only_lower_ones() -> None:
    against = {
        (found.module, found.target) for found in _imports() if found.is_ours and _is_upward(found)
    }
    new = against - set(_AGAINST_THE_ARROWS)
    assert not new, "imports from the same or a higher layer"
    gone = set(_AGAINST_THE_ARROWS) - against
    assert not gone, "no longer exceptions: take them out of the list"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for found in _imports():
        if found.is_ours and found.module:
            graph[found.module].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("library", sorted(_WHO_MAY_IMPORT))
def test_a_library_that_not_everybody_has_is_used_by_its_package_alone(library: str) -> None:
    importing = {
        found.module
        for found in _imports()
        if not found.is_ours and found.target.split(".")[0] == library
    }
    allowed = _WHO_MAY_IMPORT[library]
    assert {module for module in importing if _unit(module) not in allowed} == set()


def test_no_file_is_called_as_its_folder() -> None:
    package = _ROOT / _NAME
    called_so = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.stem == path.parent.name
    }
    assert called_so == _NAMED_AS_THEIR_FOLDER


def test_no_two_files_share_a_name_without_need() -> None:
    """A file of `cli` is called as the script that a person types; no other name counts there."""
    package = _ROOT / _NAME
    scripts = {path.name for path in _ROOT.glob("*.py")} | {"export.py"}
    places: dict[str, list[str]] = defaultdict(list)
    for path in package.rglob("*.py"):
        is_script = path.parent.name == "cli" and path.name in scripts
        if path.name != "__init__.py" and not is_script:
            places[path.name].append(path.relative_to(package).as_posix())
    namesakes = {name: found for name, found in places.items() if len(found) > 1}
    assert set(namesakes) == set(_NAMESAKES), namesakes


def test_the_rules_find_what_breaks_them() -> None:
    assert _is_upward(_Import("camera.device", "live.loop", True))
    assert _is_upward(_Import("camera.device", "runtime.session", True))  # of the same layer
    assert not _is_upward(_Import("camera.device", "camera.device_list", True))
    assert not _is_upward(_Import("live.loop", "camera.protocol", True))
    code = "def f():\n    from webcam_classifier.live import loop\n    import torch.nn\n"
    assert list(_imports_in(code, "camera.device")) == [
        _Import("camera.device", "live.loop", True),
        _Import("camera.device", "torch.nn", False),
    ]


def _unit(module: str) -> str:
    return module.split(".")[0]


def _is_upward(found: _Import) -> bool:
    here, there = _unit(found.module), _unit(found.target)
    if not here or not there or here == there:  # the package itself names what it makes public
        return False
    level = {unit: number for number, layer in enumerate(_LAYERS) for unit in layer}
    return level[there] >= level[here]


@cache
def _modules() -> dict[str, Path]:
    """All modules of the package by their name within it; the package itself has none."""
    found = {}
    for path in sorted((_ROOT / _NAME).rglob("*.py")):
        parts = path.relative_to(_ROOT / _NAME).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def _imports() -> tuple[_Import, ...]:
    return tuple(
        found
        for module, path in _modules().items()
        for found in _imports_in(path.read_text(encoding="utf-8"), module)
    )


def _imports_in(code: str, module: str) -> Iterator[_Import]:
    for node in ast.walk(ast.parse(code)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{module} imports from where it is: name the package"
            # `from package import module` is of that module.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [
                name if name.removeprefix(f"{_NAME}.") in _modules() else node.module
                for name in whole
            ]
        for name in names:
            if name == _NAME or name.startswith(f"{_NAME}."):
                yield _Import(module, name.removeprefix(_NAME).removeprefix("."), True)
            else:
                yield _Import(module, name, False)
