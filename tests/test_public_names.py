"""The names that a program imports: there at once, typed, light, and with an example that runs."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import webcam_classifier
from tests.coloured_pictures import write_coloured_pictures
from tests.tiny_model import write_tiny_model
from webcam_classifier import (
    Classifier,
    Frame,
    ModelCard,
    Prediction,
    UserError,
    find_model,
    open_camera,
    read_picture,
)
from webcam_classifier.dataset.picture_files import encode_snapshot

_ROOT = Path(__file__).resolve().parents[1]
_HEAVY = ("numpy", "cv2", "onnxruntime", "onnx", "PIL", "torch", "scipy", "sklearn", "matplotlib")
_NAMES = {
    "Camera",
    "CaptureSettings",
    "Classifier",
    "Dataset",
    "ExecutionConfig",
    "Frame",
    "Learner",
    "LiveLoop",
    "ModelCard",
    "Prediction",
    "UserError",
    "find_model",
    "open_camera",
    "read_picture",
}


@pytest.fixture
def examples_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, squeezenet_weights: Path
) -> Path:
    """A folder with the files that the examples name, as the current one."""
    write_tiny_model(tmp_path / "models" / "colours" / "model.onnx")
    red = np.full((48, 64, 3), (40, 40, 220), dtype=np.uint8)
    (tmp_path / "photo.jpg").write_bytes(encode_snapshot(red))
    assert squeezenet_weights.is_file()  # a learner embeds with them
    write_coloured_pictures(tmp_path / "dataset", 6)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_these_are_the_public_names() -> None:
    assert set(webcam_classifier.__all__) == _NAMES
    assert set(dir(webcam_classifier)) >= _NAMES


def test_a_type_checker_and_a_program_find_each_name_in_the_same_module() -> None:
    """The imports that are only for type checkers name what is loaded on demand."""
    tree = ast.parse(Path(webcam_classifier.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    loaded = {
        name: f"{webcam_classifier.__name__}.{module}"
        for name, module in webcam_classifier._MODULES.items()
    }
    assert typed == loaded
    assert (Path(webcam_classifier.__file__).parent / "py.typed").is_file()


def test_other_names_are_refused_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        _ = webcam_classifier.Clasifier  # type: ignore[attr-defined] # it is not there
    with pytest.raises(ImportError):
        exec("from webcam_classifier import Clasifier", {})


def test_the_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, webcam_classifier\n"
        "from webcam_classifier import UserError\n"
        f"sys.exit(' '.join(name for name in {_HEAVY} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", sorted(_NAMES))
def test_the_example_of_each_public_name_does_what_it_says(
    name: str, examples_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examples_folder == Path.cwd()
    public = getattr(webcam_classifier, name)
    examples = [
        test
        for test in doctest.DocTestFinder(recurse=False).find(public, name, globs={})
        if test.examples
    ]
    assert examples, f"{name} has no example in its docstring"
    imports = f"from {webcam_classifier.__name__} import"
    for example in examples:
        text = example.docstring or ""
        assert imports in text, f"the example of {name} does not say where names come from"
        assert name in text
        failed = doctest.DocTestRunner().run(example).failed
        assert failed == 0, capsys.readouterr().out


def test_a_program_can_label_a_picture_with_what_is_public(examples_folder: Path) -> None:
    classifier = Classifier(find_model(examples_folder / "models" / "colours"))
    card: ModelCard = classifier.card
    with open_camera("photo.jpg") as camera:
        frame: Frame | None = camera.read()
    assert frame is not None
    prediction: Prediction = classifier.classify(frame.image)
    assert (prediction.label, card.labels) == ("red", ("blue", "green", "red"))
    assert classifier.classify(read_picture(Path("photo.jpg"))).label == "red"
    with pytest.raises(UserError, match=r"no model\.onnx in the folder"):
        find_model(examples_folder)
