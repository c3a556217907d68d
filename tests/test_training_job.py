"""Jobs beside the live picture: what they write, how they are followed, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.coloured_pictures import write_coloured_pictures
from tests.some_pictures import copy_some
from tests.tiny_model import write_tiny_model
from webcam_classifier.backbone.load import default_backbone
from webcam_classifier.camera.scene import LABELS, draw_scene
from webcam_classifier.cli import evaluate, train
from webcam_classifier.dataset.picture_files import encode_snapshot, read_picture
from webcam_classifier.dataset.snapshot_name import SnapshotName
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.progress import Event, Failed, Progress, Result, Stage, listening
from webcam_classifier.teaching.job_process import JobProcess
from webcam_classifier.teaching.session import TeachingSession
from webcam_classifier.teaching.training_job import TrainingJobs
from webcam_classifier.temporary_files import temporary_folder_path
from webcam_classifier.ui.save_job import SaveJob

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated camera's: three bursts of each label, in rooms of their own."""
    folder = tmp_path_factory.mktemp("data") / "thumbs"
    for burst in range(9):
        label = LABELS[burst % 3]
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(4):
            name = SnapshotName("20260101T000000x000000", burst + 1, index + 1).format()
            content = encode_snapshot(draw_scene(label, burst, 9 * index))
            (folder / label / f"{name}.jpg").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "colours"
    write_coloured_pictures(folder, 30)
    return folder


def initializers(model: Path) -> dict[str, NDArray[np.float64]]:
    graph = onnx.load(model).graph
    return {one.name: numpy_helper.to_array(one).astype(np.float64) for one in graph.initializer}


def check_saved(dataset: Path, output: Path) -> None:
    """Teach live, save, and compare with what live says, and with evaluate.py."""
    with (
        TeachingSession(dataset, default_backbone()) as session,
        TrainingJobs() as jobs,
    ):
        session.classifier.warm_up()
        assert session.wait_until_learnt(60.0)
        jobs.write(session, output / "saved")
        taught = session.classifier.head
        job = jobs.wait(120.0)
    assert taught is not None
    assert job is not None
    assert (job.status, job.progress, job.error) == ("done", 1.0, "")
    assert job.message.startswith("accuracy ")
    assert job.result is not None
    metrics = json.loads((output / "saved" / "metrics.json").read_text())
    assert job.result.accuracy == metrics["accuracy"]
    assert list(job.result.interval or (None, None)) == metrics["interval"]
    assert job.result.count == metrics["count"]
    assert job.result.right == sum(row[i] for i, row in enumerate(metrics["confusion"]))
    assert job.result.output == str(output / "saved")

    model = Classifier(output / "saved" / "model.onnx")
    assert model.card.labels == taught.labels
    live_scores, file_scores = [], []
    right = 0
    paths = sorted(dataset.glob("*/*.jpg"))
    for path in paths:
        image = read_picture(path)
        live = session.classifier.classify_prepared(session.classifier.prepare(image))
        file = model.classify(image)
        np.testing.assert_allclose(live.probabilities, file.probabilities, atol=2e-3)
        live_scores.append(live.unknown_score)
        file_scores.append(file.unknown_score)
        right += live.label == path.parent.name
    np.testing.assert_allclose(
        np.array(live_scores, np.float64), np.array(file_scores, np.float64), atol=2e-2
    )
    figures = output / "figures.json"
    evaluate.main([str(model.path), str(dataset), "--json", str(figures)])
    assert json.loads(figures.read_text())["accuracy"] == right / len(paths)


def test_what_is_saved_is_what_train_writes_and_what_live_answers(
    snapshots: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    check_saved(snapshots, tmp_path)
    train.main([str(snapshots), "--mode", "head", "--output", str(tmp_path / "by_hand")])
    saved = initializers(tmp_path / "saved" / "model.onnx")
    by_hand = initializers(tmp_path / "by_hand" / "model.onnx")
    assert saved.keys() == by_hand.keys()
    for name, value in saved.items():
        np.testing.assert_allclose(value, by_hand[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_same_on_real_hands(
    shared_data: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    copy_some(shared_data / "rock_paper_scissors" / "person_1", tmp_path / "hands", step=8)
    check_saved(tmp_path / "hands", tmp_path)


def test_progress_grows_and_one_job_runs_at_a_time(
    colours: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    told = threading.Event()
    with TrainingJobs(told.set) as jobs:
        assert jobs.state() is None
        first = jobs.teach("head", colours, tmp_path / "model", input_size=64)
        assert (first.number, first.kind, first.status) == (1, "head", "running")
        with pytest.raises(UserError, match="Wait, or cancel"):
            jobs.teach("head", colours, tmp_path / "model")
        with pytest.raises(UserError, match="Wait, or cancel"):
            jobs.export(tmp_path / "model", "fp16")
        seen = [0.0]
        while (state := jobs.state()) is not None and state.is_running:
            seen.append(state.progress or 0.0)
            time.sleep(0.05)
        assert seen == sorted(seen)
        assert state is not None
        assert state.status == "done"
        assert told.is_set()
        jobs.export(tmp_path / "model", "fp16")
        exported = jobs.wait(60.0)
    assert exported is not None
    assert (exported.number, exported.status) == (2, "done")
    assert exported.output == tmp_path / "model" / "model.fp16.onnx"
    assert exported.output.is_file()
    assert exported.result is not None
    assert exported.result.output == str(exported.output)
    assert exported.message == exported.result.message
    command = json.loads((tmp_path / "model" / "metrics.json").read_text())["command"]
    assert command.startswith(f"python train.py {colours} --mode head ")


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    with TrainingJobs() as jobs:
        jobs.export(tmp_path / "nothing.onnx", "int8")
        state = jobs.wait(60.0)
    assert state is not None
    assert state.status == "failed"
    assert "There is no model file" in state.error


def test_a_process_that_dies_without_a_word_shows_what_it_printed(tmp_path: Path) -> None:
    process = JobProcess(["train", str(tmp_path), "--input-size", "1"])
    assert list(process.events()) == []
    assert process.finish() == 2
    assert "1 is not between 64 and 1024 pixels" in process.log[-1]


def test_a_command_that_fails_says_so_in_an_event_and_in_its_log(tmp_path: Path) -> None:
    process = JobProcess(["evaluate", str(tmp_path / "nothing.onnx"), str(tmp_path)])
    (failed,) = process.events()
    assert process.finish() == 1
    assert isinstance(failed, Failed)
    assert process.log[-1] == f"error: {failed.message}"


def test_what_is_printed_is_kept_apart_from_the_events(
    colours: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    output = tmp_path / "model"
    process = JobProcess(
        ["train", str(colours), "--mode", "head", "--input-size", "64", "--output", str(output)]
    )
    events = list(process.events())
    assert process.finish() == 0
    assert isinstance(events[-1], Result)
    stages = {event.stage for event in events if isinstance(event, Progress)}
    assert Stage.EVALUATE in stages  # embeddings may be known already
    assert f"next: python live.py {output / 'model.onnx'}" in process.log


_PARENT = """
import sys
from webcam_classifier.teaching.job_process import JobProcess
process = JobProcess(sys.argv[1:])
print(process.pid, flush=True)
for event in process.events():
    print(type(event).__name__, flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("seen", ["", "Progress", "Epoch", "stopped"])
def test_a_job_ends_with_a_parent_that_was_killed(
    seen: str,
    colours: Path,
    squeezenet_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert squeezenet_weights.is_file()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = ["train", str(colours), "--mode", "finetune", "--epochs", "500"]
    command += ["--input-size", "64", "--output", str(tmp_path / "model")]
    environment = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, *command], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        event = "Progress" if seen == "stopped" else seen
        while event and parent.stdout.readline().strip() != event:
            assert parent.poll() is None
        if seen:
            assert list(scratch.iterdir()), "the child has a folder of its own"
        assert is_running(child)
        if seen == "stopped":  # none of its threads gets to see anything
            if sys.platform != "linux":
                os.kill(child, signal.SIGKILL)
                pytest.skip("only Linux ends a process that can't do anything itself")
            os.kill(child, signal.SIGSTOP)
        parent.kill()
    give_up_at = time.monotonic() + 20.0
    while is_running(child) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert not is_running(child)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    temporary_folder_path()  # the next program that needs one sweeps what the killed one left
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "model" / "model.onnx").exists()


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # nobody may be there to fetch its exit code


def test_a_cancelled_job_leaves_what_was_there(
    colours: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(b"the one before")
    with TrainingJobs() as jobs:
        jobs.teach("finetune", colours, tmp_path / "model", epochs=500, input_size=64)
        give_up_at = time.monotonic() + 50.0
        while (state := jobs.state()) is not None and not state.history:
            assert state.is_running, state.error
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        jobs.cancel()
        ended = jobs.wait(10.0)
    assert ended is not None
    assert ended.status == "cancelled"
    assert ended.history[0].number == 0
    assert ended.history[0].training_loss is None
    assert ended.history[0].validation_accuracy is not None
    assert (tmp_path / "model" / "model.onnx").read_bytes() == b"the one before"


def test_the_end_of_teaching_knows_whether_the_model_was_saved(
    snapshots: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    (tmp_path / "a file").write_bytes(b"no folder can be here")
    said: list[str] = []
    with (
        TeachingSession(snapshots, default_backbone()) as session,
        TrainingJobs() as jobs,
    ):
        assert session.wait_until_learnt(60.0)
        for output, is_saved in ((tmp_path / "a file" / "model", False), (tmp_path / "m", True)):
            writer = SaveJob(session, jobs, output, said.append)
            writer.write()
            assert writer.finish() == is_saved
            assert writer.is_written == is_saved
            assert writer.finish(), "nothing more was to be saved"
    assert [text for text in said if "not" in text and "a file" in text]
    assert (tmp_path / "m" / "model.onnx").is_file()


def test_a_job_that_is_cancelled_too_late_is_done(
    colours: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()

    def cancel_after_the_result() -> None:
        state = jobs.state()
        if state is not None and state.is_running and state.result is not None:
            jobs.cancel()

    jobs = TrainingJobs(cancel_after_the_result)
    with jobs:
        jobs.teach("head", colours, tmp_path / "model", input_size=64)
        ended = jobs.wait(60.0)
    assert ended is not None
    assert ended.status == "done"
    assert (tmp_path / "model" / "model.onnx").is_file()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_cancelled_job_ends_what_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.onnx"
    write_tiny_model(model)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with socket.create_server(("127.0.0.1", 0)) as registry:  # it never answers
        registry.settimeout(60.0)
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{registry.getsockname()[1]}/")
        with TrainingJobs() as jobs:
            jobs.write_page(model, tmp_path / "page.zip")
            npm, _ = registry.accept()
            with npm:
                npm.settimeout(20.0)
                assert npm.recv(4096).startswith(b"GET /onnxruntime-web")
                jobs.cancel()
                ended = jobs.wait(10.0)
                while npm.recv(4096):  # npm's end closes it
                    pass
    assert ended is not None
    assert ended.status == "cancelled"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends it")
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_killed_export_leaves_no_npm(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    write_tiny_model(model)
    command = [sys.executable, "-m", "webcam_classifier.cli", "export", str(model)]
    with socket.create_server(("127.0.0.1", 0)) as registry:  # it never answers
        registry.settimeout(60.0)
        address = f"http://127.0.0.1:{registry.getsockname()[1]}/"
        caches = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
        with subprocess.Popen(
            [*command, "--web", str(tmp_path / "page.zip")],
            env=os.environ | caches | {"npm_config_registry": address},
        ) as export:
            npm, _ = registry.accept()
            with npm:
                npm.settimeout(20.0)
                assert npm.recv(4096).startswith(b"GET /onnxruntime-web")
                export.kill()
                while npm.recv(4096):  # npm's end closes it
                    pass


def test_a_model_that_was_written_meanwhile_is_kept_and_told(
    colours: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()
    output = tmp_path / "model"
    newer = b"the model of another program, which was quicker"
    heard: list[Event] = []

    def write_another(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Progress) and event.stage is Stage.EVALUATE:
            output.mkdir(exist_ok=True)
            (output / "model.onnx").write_bytes(newer)

    command = [str(colours), "--mode", "head", "--input-size", "64", "--output", str(output)]
    with listening(write_another):
        train.main(command)
    assert (output / "model.other1.onnx").read_bytes() == newer
    assert Classifier(output / "model.onnx").card.labels
    (result,) = [event for event in heard if isinstance(event, Result)]
    assert f"another model was written to {output / 'model.onnx'}" in result.message
    assert "model.other1.onnx" in result.message

    heard.clear()  # what was there before it began is replaced, as ever
    with listening(heard.append):
        train.main(command)
    (result,) = [event for event in heard if isinstance(event, Result)]
    assert "another model" not in result.message
    assert not (output / "model.other2.onnx").exists()
    assert (output / "model.other1.onnx").read_bytes() == newer


@pytest.mark.skipif(sys.platform == "win32", reason="files are not counted there")
def test_a_job_that_can_t_be_started_is_told_and_the_next_one_can(tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with TrainingJobs() as jobs:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            with pytest.raises(UserError, match="could not be started"):
                jobs.export(tmp_path / "nothing.onnx", "int8")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert jobs.state() is None
        jobs.export(tmp_path / "nothing.onnx", "int8")
        state = jobs.wait(60.0)
    assert state is not None
    assert state.status == "failed"
