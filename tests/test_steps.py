"""Measurements in turn: what each gave, what could not run and why, and an end in time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu import agreement, inference_step, plan
from benchmarks.steps import (
    Step,
    StepResult,
    describe_results,
    run_step,
    run_steps,
    write_results,
)

PYTHON = (sys.executable, "-c")


def test_a_step_gives_its_figures_and_its_last_words() -> None:
    code = "import json, sys; open(sys.argv[1], 'w').write(json.dumps([1, 2])); print('counted')"
    result = run_step(Step("counting", (code, "{json}"), launcher=PYTHON), 60.0)
    assert (result.found, result.said, result.problem) == ([1, 2], ("counted",), "")


def test_a_step_that_fails_says_why_and_the_next_one_runs() -> None:
    heard: list[StepResult] = []
    steps = [
        Step("failing", ("raise SystemExit('error: no such device')",), launcher=PYTHON),
        Step("hanging", ("import time; time.sleep(600)",), limit=1.0, launcher=PYTHON),
        Step("absent", ("x",), launcher=("/no/such/program",)),
        Step("working", ("print('done')",), launcher=PYTHON),
    ]
    results = run_steps(steps, 600.0, heard.append)
    assert heard == results
    failing, hanging, absent, working = results
    assert failing.problem == "it ended with status 1: no such device"
    assert hanging.problem == "it took more than 1 s"
    assert absent.problem.startswith("it could not be started")
    assert working.problem == ""
    described = describe_results(results)
    assert described.startswith("working")
    assert "could not run:\n  failing: it ended with status 1" in described


@pytest.mark.skipif(sys.platform == "win32", reason="there a step ends alone")
def test_a_step_that_takes_too_long_ends_with_what_it_has_started(tmp_path: Path) -> None:
    """What it has started holds its output open, so waiting for the output would wait for that."""
    file = tmp_path / "process"
    code = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        f"pathlib.Path({str(file)!r}).write_text(str(child.pid))\n"
        "print('began', flush=True)\n"
        "time.sleep(3600)"
    )
    limit = 1.0
    while not (file.exists() and file.read_text()):  # a slow machine starts Python for longer
        limit *= 2
        result = run_step(Step("launching", (code,), launcher=PYTHON), limit)
    assert result.problem.startswith("it took more than")
    child = Path(f"/proc/{file.read_text()}/stat")
    deadline = time.monotonic() + 60
    while child.exists() and child.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.01)


def test_what_is_sent_to_others_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    code = "import sys, pathlib; raise SystemExit(f'no {sys.argv[1]} in {pathlib.Path.cwd()}')"
    place = Path.home() / "kitchen/model.onnx"
    result = run_step(Step("asking", (code, str(place), str(tmp_path)), launcher=PYTHON), 60.0)
    written = tmp_path / "found.json"
    write_results(written, {"memory in GB": 8.0}, [result])
    assert result.problem == "it ended with status 1: no ~/kitchen/model.onnx in ."
    assert str(Path.home()) not in written.read_text()
    assert str(tmp_path.resolve()) not in written.read_text()


def test_parts_with_the_same_reason_are_told_together() -> None:
    results = [StepResult(name, "", 0.0, None, (), "no GPU") for name in ("fp32", "int8")]
    assert describe_results(results) == "could not run:\n  no GPU:\n    fp32; int8"


def test_where_no_time_is_left_nothing_is_begun() -> None:
    (result,) = run_steps([Step("late", ("print(1)",), launcher=PYTHON)], 1.0, lambda _: None)
    assert result.problem == "no time was left of 1 s"


def test_a_plan_for_a_gpu_names_each_part_once(tmp_path: Path) -> None:
    steps = plan(tmp_path, "cuda", is_short=False)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    for part in ("cuda, int8 file, without a CUDA graph", "tensorrt, fp32 file, features in fp16"):
        assert part in names


def test_answers_stand_beside_the_processors(tmp_path: Path) -> None:
    folder = tmp_path
    figures = {
        "median": 2.0,
        "late": 3.0,
        "first_answer_seconds": 1.0,
        "megabytes": 100.0,
        "device_megabytes": None,
    }

    def result(name: str, answers: list[list[float]]) -> StepResult:
        return StepResult(name, "", 1.0, {**figures, "answers": answers}, (), "")

    references = {
        "fp32": result("cpu, fp32 file", [[0.9, 0.1], [0.2, 0.8]]),
        "int8": result("cpu, int8 file", [[0.1, 0.9], [0.2, 0.8]]),
    }
    name = inference_step(folder, "cuda", "int8").name
    lines = agreement(references, [result(name, [[0.6, 0.4], [0.2, 0.8]])])
    assert lines[-1].startswith("cuda, int8 file")
    assert lines[-1].endswith("1 of 2, 0.5000 apart")


def test_without_a_gpu_it_is_said() -> None:
    facts = {"GPU providers of onnxruntime": [], "torch sees": "no GPU"}
    assert "no NVIDIA GPU" in gpu.why_no_gpu(facts)
    assert gpu.why_no_gpu({**facts, "GPU providers of onnxruntime": ["cuda"]}) == ""
