"""The benchmark of accuracies: its plan, its child processes, what it keeps, and its tables."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.accuracy_runs import Kept, Results, Run, RunFailedError, execute, plan
from benchmarks.accuracy_table import (
    accuracy_rows,
    draw,
    shown_rows,
    tabulate,
    with_temperature,
)
from benchmarks.baselines.environments import (
    Environment,
    EnvironmentFailedError,
    environment_python,
)
from benchmarks.baselines.exchange import Answer, Job, read_answer, read_job, write
from benchmarks.baselines.methods import METHODS, Method
from benchmarks.protocols import FOLDERS, Fold, Protocol
from tests.coloured_pictures import COLOURS, write_coloured_pictures
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.errors import UserError

_ROOT = Path(__file__).resolve().parents[1]
_PYTHON = Path(sys.executable)
ROOM = "rock_paper_scissors/person_1"

RIGHT = Method(
    "right", "always right", "tests.accuracy_baseline", None, ("tests/accuracy_baseline.py",),
    is_seeded=True, start=1, each_training=0, each_test=0,
)  # fmt: skip
WRONG = dataclasses.replace(RIGHT, name="wrong", title="always wrong", is_seeded=False)
BROKEN = dataclasses.replace(RIGHT, name="broken", title="broken")
SLOW = dataclasses.replace(RIGHT, name="slow", title="slow")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, LabelledPictures]:
    for seed, name in enumerate(("here", "there")):
        write_coloured_pictures(tmp_path / name, 6, seed=seed)
    return {name: load_labelled_pictures(tmp_path / name, 64) for name in ("here", "there")}


def protocol(name: str, training: str, asked: str) -> Protocol:
    everything = np.arange(12)
    return Protocol(name, "elsewhere", (Fold(training, everything, asked, everything),))


BOTH = (protocol("rooms 1>2", "here", "there"), protocol("rooms 2>1", "there", "here"))


def planned(
    folders: Mapping[str, LabelledPictures],
    tmp_path: Path,
    *methods: Method,
    seeds: tuple[int, ...] = (0,),
) -> list[Run]:
    weights = tmp_path / "weights.npz"
    weights.write_bytes(b"none are needed here")
    by_method = accuracy.seeds_by_method(methods, (), seeds)
    return plan(BOTH, folders, methods, by_method, 1.0, weights)


def kept(run: Run, right: int, session: str = "1", temperature: float | None = None) -> Kept:
    """An answer of which the first few are right, each with a confidence of 0.8."""
    truths = [run.job.labels.index(name.split("/")[0]) for name in run.job.test_names]
    rows = [[0.2, 0.2] for _ in truths]
    for place, truth in enumerate(truths):
        rows[place][truth if place < right else 1 - truth] = 0.8
    return Kept(Answer(rows, 3.0, says=0.99, temperature=temperature), session)


def test_a_job_and_an_answer_come_back_as_they_were_written(tmp_path: Path) -> None:
    job = Job(
        "head", ("a", "b"), "/x", ("a/1.jpg", "b/2.jpg"), "/y", ("b/3.jpg",), 2, 0.5, "w.npz", 7.5
    )
    write(job, tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job
    assert job.training_labels() == [0, 1]
    assert job.test_paths() == [Path("/y/b/3.jpg")]
    answer = Answer([[0.25, 0.75]], 1.5, 0.9, 2.0, [False], {"torch": "2"}, ("well",))
    write(answer, tmp_path / "answer.json")
    assert read_answer(tmp_path / "answer.json") == answer


def test_a_share_of_the_effort_is_at_least_one_epoch() -> None:
    job = Job("notebook", ("a",), "", (), "", (), 0, 0.1, "")
    assert [job.epochs(30), job.epochs(4)] == [3, 1]


def test_only_what_chance_has_a_part_in_runs_with_every_seed(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    runs = planned(folders, tmp_path, RIGHT, WRONG, seeds=(0, 1))
    counts = {"right": 0, "wrong": 0}
    for run in runs:
        counts[run.method.name] += 1
    assert counts == {"right": 4, "wrong": 2}


def test_baselines_have_seeds_of_their_own() -> None:
    seeds = accuracy.seeds_by_method(METHODS, (0, 1, 2), (7, 8))
    assert (seeds["finetune"], seeds["notebook"], seeds["probe"]) == ((0, 1, 2), (7, 8), (7,))


def test_every_method_gets_the_same_pictures_and_no_asked_one_is_taught(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    first, _, second, _ = planned(folders, tmp_path, RIGHT, WRONG)
    assert first.job.training_paths() == second.job.training_paths()
    assert first.job.test_paths() == second.job.test_paths()
    assert not set(first.job.training_paths()) & set(first.job.test_paths())
    assert all(path.is_file() for path in first.job.training_paths())


def test_a_child_process_answers_what_it_was_asked(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    (run, _) = planned(folders, tmp_path, RIGHT)
    answer = execute(run, _PYTHON)
    table = tabulate([run], {run: Kept(answer, "1")})
    assert table["rooms 1>2", "right"].accuracy == 1.0
    assert 0.0 < answer.seconds < 60.0


def test_a_failing_baseline_is_reported_with_its_last_words(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    (run, _) = planned(folders, tmp_path, BROKEN)
    with pytest.raises(RunFailedError, match="this baseline is broken"):
        execute(run, _PYTHON)


def test_a_kept_answer_is_found_for_the_same_run_only(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    results = Results(tmp_path / "results")
    run, other = planned(folders, tmp_path, RIGHT)
    assert results.find(run) is None
    results.keep(run, kept(run, 12))
    (again, _) = planned(folders, tmp_path, RIGHT)
    assert results.find(again) == kept(run, 12)
    assert results.find(other) is None
    (another_seed, _) = planned(folders, tmp_path, RIGHT, seeds=(1,))
    assert results.find(another_seed) is None


def test_other_pictures_make_another_run(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    (before, _) = planned(folders, tmp_path, RIGHT)
    (tmp_path / "here" / "red" / "000.jpg").write_bytes(
        (tmp_path / "there" / "red" / "001.jpg").read_bytes()
    )
    changed = {**folders, "here": load_labelled_pictures(tmp_path / "here", 64)}
    (after, _) = planned(changed, tmp_path, RIGHT)
    assert before.key != after.key


def test_a_table_shows_mean_spread_and_what_a_method_says_of_itself(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    runs = planned(folders, tmp_path, RIGHT, seeds=(0, 1))
    rights = {("rooms 1>2", 0): 12, ("rooms 1>2", 1): 6, ("rooms 2>1", 0): 6, ("rooms 2>1", 1): 6}
    answers = {run: kept(run, rights[run.protocol, run.job.seed]) for run in runs}
    table = tabulate(runs, answers)
    rows = accuracy_rows(BOTH, (RIGHT,), table, {})
    assert rows == [
        ["accuracy", "held out", "pictures", "always right says", "always right"],
        ["rooms 1>2", "elsewhere", "12", "0.990", "0.750 ± 0.250"],
        ["rooms 2>1", "elsewhere", "12", "0.990", "0.500 ± 0.000"],
        ["rooms, mean", "elsewhere", "24", "0.990", "0.625 ± 0.125"],
    ]
    # 0.8 was said, and 0.75 right on the mean of both seeds: 0.2 and 0.3 off.
    assert table["rooms 1>2", "right"].calibration_error == pytest.approx((0.2 + 0.3) / 2)
    assert draw(rows, markdown=True).splitlines()[1] == "| --- | --- | --- | --- | --- |"
    assert "0.750 ± 0.250" in draw(rows, markdown=False)


def test_only_two_directions_of_one_kind_have_a_mean() -> None:
    apart = [protocol(name, "here", "there") for name in ("10 masks", "10 flowers", "rooms 1>2")]
    assert [row[0] for row in accuracy_rows(apart, (RIGHT,), {}, {})] == [
        "accuracy",
        "10 masks",
        "10 flowers",
        "rooms 1>2",
    ]


def test_a_table_shows_what_is_on_the_screen_where_a_method_knows_unknown(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    runs = planned(folders, tmp_path, RIGHT, WRONG)
    answers = {run: kept(run, 9) for run in runs}
    for run in [run for run in runs if run.method is RIGHT]:
        unknown = [place in (0, 1, 2, 11) for place in range(12)]  # 3 right ones, and a wrong one
        if run.protocol == "rooms 2>1":
            unknown = [False] * 12
        answer = dataclasses.replace(answers[run].answer, unknown=unknown)
        answers[run] = Kept(answer, "1")
    assert shown_rows(BOTH, (RIGHT, WRONG), tabulate(runs, answers)) == [
        ["shown right, shown wrong, unknown", "always right"],
        ["rooms 1>2", "0.50, 0.17, 0.33"],
        ["rooms 2>1", "0.75, 0.25, 0.00"],
        ["rooms, mean", "0.62, 0.21, 0.17"],
    ]


def test_what_is_not_done_has_no_figure_and_what_failed_says_so(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    runs = planned(folders, tmp_path, RIGHT, WRONG)
    done = next(run for run in runs if run.method is RIGHT)
    failures = {("rooms 2>1", "wrong"): "no hands"}
    rows = accuracy_rows(BOTH, (RIGHT, WRONG), tabulate(runs, {done: kept(done, 12)}), failures)
    assert [row[4:] for row in rows[1:]] == [["1.000", "-"], ["-", "failed"], ["-", "failed"]]


def test_a_failure_with_one_seed_is_not_hidden_behind_another(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    runs = planned(folders, tmp_path, RIGHT)
    answers = {run: kept(run, 12) for run in runs}
    rows = accuracy_rows(
        BOTH, (RIGHT,), tabulate(runs, answers), {("rooms 1>2", "right"): "seed 1"}
    )
    assert rows[1][-1] == "failed"


def test_taking_the_temperature_out_gives_the_softmax_of_the_bare_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 4))

    def softmax(values: np.ndarray) -> np.ndarray:
        raised = np.exp(values)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    calibrated = softmax(logits / 2.5)
    assert with_temperature(calibrated, 2.5) == pytest.approx(softmax(logits), abs=1e-9)


def test_comments_and_docstrings_keep_what_was_measured(tmp_path: Path) -> None:
    source = tmp_path / "baseline.py"
    method = dataclasses.replace(RIGHT, sources=(os.path.relpath(source, _ROOT),))
    source.write_text('"""One."""\nrate = 1\n')
    before = method.source_hash()
    source.write_text('"""Another."""\nrate = 1  # a remark\n')
    assert method.source_hash() == before
    source.write_text('"""One."""\nrate = 2\n')
    assert method.source_hash() != before


def test_our_own_code_counts_in_every_package_that_has_a_say() -> None:
    (head,) = (method for method in METHODS if method.name == "head")
    files = {path.relative_to(_ROOT).as_posix() for path in head.source_files()}
    wanted = {"head/lda.py", "backbone/feature_graph.py", "dataset/split.py"}
    assert {f"webcam_classifier/{name}" for name in wanted} <= files
    without_say = {"web/studio.py", "camera/v4l2.py", "dataset/recorder.py"}
    assert not {f"webcam_classifier/{name}" for name in without_say} & files


def test_all_sources_of_all_methods_exist() -> None:
    for method in METHODS:
        for pattern in method.sources:
            assert list(_ROOT.glob(pattern)), pattern
        assert (_ROOT / (method.module.replace(".", "/") + ".py")).is_file()


def test_a_ready_environment_is_taken_as_it_is(tmp_path: Path) -> None:
    environment = Environment("ready", ("nothing==1",), 0.0)
    place = tmp_path / "ready" / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to(sys.executable)
    (tmp_path / "ready" / "installed.json").write_text('["nothing==1"]')
    assert environment_python(environment, tmp_path) == place / "python"


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder is needed")
    with pytest.raises(EnvironmentFailedError, match="blocked"):
        environment_python(Environment("blocked", (), 0.0), tmp_path)


def test_an_unknown_protocol_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="rooms 1>2, rooms 2>1"):
        accuracy.choose_protocols("kitchens", BOTH)
    assert accuracy.choose_protocols("rooms 2>1", BOTH) == [BOTH[1]]
    assert accuracy.choose_protocols("rooms", BOTH) == list(BOTH)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A whole DATA folder of coloured pictures, two labels each."""
    folder = tmp_path / "data"
    for seed, name in enumerate(FOLDERS):
        write_coloured_pictures(folder / name, 24, COLOURS, seed)
    for path in sorted((folder / "sign_digits").rglob("*.jpg")):
        path.rename(path.with_name(f"subject_{path.stem}_0.jpg"))
    return folder


def benchmark(data: Path, tmp_path: Path, *more: str) -> None:
    accuracy.main([str(data), "--results", str(tmp_path / "results"), "--seeds", "0", *more])


def real_run(method: str, data: Path, tmp_path: Path) -> Run:
    """One of the real methods on a few pictures, with a twentieth of its epochs."""
    pictures = {ROOM: load_labelled_pictures(data / ROOM, 64)}
    training, asked = np.array([0, 1, 2, 3, 4, 24, 25, 26, 27, 28]), np.array([22, 23, 46, 47])
    few = Protocol("few", "the end", (Fold(ROOM, training, ROOM, asked),))
    weights = accuracy.write_weights(tmp_path)
    chosen = [known for known in METHODS if known.name == method]
    (run,) = plan([few], pictures, chosen, {method: (0,)}, 0.05, weights)
    return run


def test_the_whole_benchmark_teaches_measures_and_keeps(
    data: Path, squeezenet_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del squeezenet_weights  # only to skip where there are none
    command = ("--methods", "probe", "--protocols", "few", "--json", str(tmp_path / "f.json"))
    benchmark(data, tmp_path, *command)
    first = capsys.readouterr()
    assert "[2/2] few" in first.err
    figures = json.loads((tmp_path / "f.json").read_text())["figures"]
    assert {found["method"]: found["accuracy"] for found in figures} == {"probe": 1.0}
    assert all(found["asked"] == 32 for found in figures)
    benchmark(data, tmp_path, *command)
    second = capsys.readouterr()
    assert "2 of 2 runs were kept" in second.err
    assert second.out == first.out
    assert "left out: probe-scaled, mediapipe, fastai, notebook, head, finetune" in first.out
    assert "has no masks, no flowers/train, no flowers/test" in first.out


def test_the_notebook_recipe_answers_and_reports_itself_by_a_random_split(
    data: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    del squeezenet_weights
    answer = execute(real_run("notebook", data, tmp_path), _PYTHON)
    assert answer.says in (0.0, 0.5, 1.0)  # a fifth of ten pictures is two
    assert np.sum(answer.probabilities, axis=1) == pytest.approx(np.ones(4))


def test_ours_is_the_command_of_a_user_and_its_model_file(
    data: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    del squeezenet_weights
    run = real_run("head", data, tmp_path)
    answer = execute(run, _PYTHON)
    assert tabulate([run], {run: Kept(answer, "1")})["few", "head"].accuracy == 1.0
    assert answer.temperature is not None
    assert answer.temperature > 0.0
    assert answer.unknown is not None
    assert len(answer.unknown) == len(answer.probabilities)


def test_a_method_without_its_environment_fails_loudly(
    data: Path, squeezenet_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del squeezenet_weights
    (tmp_path / "environments").write_text("a file where a folder is needed")
    with pytest.raises(UserError, match="--without mediapipe"):
        benchmark(data, tmp_path, "--methods", "mediapipe", "--protocols", "few",
                  "--environments", str(tmp_path / "environments"))  # fmt: skip
    printed = capsys.readouterr().out
    assert "failed: mediapipe on few" in printed


def test_ctrl_c_stops_the_child_with_its_children(
    folders: dict[str, LabelledPictures], tmp_path: Path
) -> None:
    (run, _) = planned(folders, tmp_path, SLOW)
    program = tmp_path / "program.py"
    write(run.job, tmp_path / "job.json")
    program.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from benchmarks.accuracy_runs import Run, execute\n"
        "from benchmarks.baselines.exchange import read_job\n"
        "from tests.test_accuracy_benchmark import SLOW\n"
        f"job = read_job(Path({str(tmp_path / 'job.json')!r}))\n"
        "execute(Run(SLOW, 'rooms', 0, job, 'key'), Path(sys.executable))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(program)], env=environment, stderr=subprocess.PIPE
    )
    started = tmp_path / "here" / "started"  # the slow baseline writes its process id there
    deadline = time.monotonic() + 60
    while not (started.is_file() and started.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
