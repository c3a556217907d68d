"""The demo: --help does nothing else, and the last output is kept until the new one is complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from webcam_classifier.cli import demo
from webcam_classifier.errors import UserError

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "demo_output" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("of the last time")
    return kept


@pytest.mark.parametrize("arguments", [["--help"], ["--nonsense"], ["extra"]])
def test_help_and_wrong_options_run_and_delete_nothing(earlier: Path, arguments: list[str]) -> None:
    command = [sys.executable, str(_ROOT / "demo.py"), *arguments]
    done = subprocess.run(command, cwd=Path.cwd(), capture_output=True, text=True)
    assert done.returncode == (0 if arguments == ["--help"] else 2)
    assert "simulated camera" in done.stdout or "unrecognized" in done.stderr
    assert earlier.read_text() == "of the last time"
    assert [path.name for path in Path.cwd().iterdir()] == ["demo_output"]


@pytest.mark.parametrize("ending", [UserError("no"), KeyboardInterrupt(), OSError("full")])
def test_the_last_output_is_put_back_where_the_new_one_fails(
    earlier: Path, ending: BaseException
) -> None:
    def fail() -> None:
        assert not earlier.exists()
        write_output("half")
        raise ending

    with pytest.raises(type(ending)), demo.replacing_output():
        fail()
    assert earlier.read_text() == "of the last time"
    assert not Path("demo_output/half").exists()
    assert [path.name for path in Path.cwd().iterdir()] == ["demo_output"]


def test_a_killed_demo_costs_nothing_either(earlier: Path) -> None:
    earlier.parent.rename("demo_output.earlier")  # what a kill leaves
    write_output("half")
    with pytest.raises(UserError), demo.replacing_output():
        raise UserError("no")
    assert earlier.read_text() == "of the last time"


def test_a_complete_one_takes_its_place(earlier: Path) -> None:
    with demo.replacing_output():
        write_output("whole")
    assert not earlier.exists()
    assert [path.name for path in Path.cwd().rglob("*")] == ["demo_output", "whole"]


def test_recording_shows_one_command_and_what_the_last_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SEEDS", range(1, 4))
    demo.record("thumbs_up", tmp_path / "d")
    said = capfd.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("$ ")] == [
        f"$ python collect.py thumbs_up --source demo:thumbs_up:1 --count 4 --no-window "
        f"--dataset {tmp_path / 'd'}"
    ]
    assert "and 2 times more: demo:thumbs_up:2 to demo:thumbs_up:3" in said
    assert [line for line in said if line.startswith("saved")] == [
        f"saved 4 of thumbs_up in {tmp_path / 'd'}"
    ]
    assert len(list((tmp_path / "d" / "thumbs_up").glob("*.jpg"))) == 12


def write_output(name: str) -> None:
    Path("demo_output").mkdir()
    (Path("demo_output") / name).write_text(name)
