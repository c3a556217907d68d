"""The benchmarks of speed: their children run, their tables say what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import inference, latency
from benchmarks.inference import WayProcess, alternate, pythons_for
from benchmarks.inference_models import write_models
from benchmarks.inference_request import MODEL, Request, numpy_pixels
from benchmarks.inference_summary import ratios, table
from benchmarks.inference_torch import torch_network
from benchmarks.inference_ways import WAYS, plain_onnxruntime
from benchmarks.latency import describe_growth, write_jpegs
from benchmarks.latency_child import JpegGrabber
from tests.tiny_model import write_tiny_model
from webcam_classifier.camera.scene import draw_scene
from webcam_classifier.errors import UserError
from webcam_classifier.runtime.providers import installed_providers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_tiny_model(tmp_path / MODEL)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = np.stack([np.full((48, 64, 3), colour, np.uint8) for colour in colours])
    np.save(tmp_path / "frames.npy", frames)
    return tmp_path


def test_a_way_answers_and_is_timed_in_its_own_process(folder: Path) -> None:
    python = pythons_for(["ours"], folder, {})["ours"]
    way = WayProcess("ours", folder, python, threads=1)
    try:
        assert way.answers.argmax(axis=1).tolist() == [0, 1, 2]
        times = alternate({"ours": way}, rounds=2)
    finally:
        way.close()
    assert len(times["ours"]) == 2
    assert min(times["ours"]) > 0


def test_a_way_that_cannot_run_says_its_last_words_and_how_to_leave_it_out(folder: Path) -> None:
    python = pythons_for(["onnxruntime"], folder, {})["onnxruntime"]
    with pytest.raises(UserError, match=r"plain onnxruntime.* can't run: .*--without onnxruntime"):
        WayProcess("onnxruntime", folder, python)


def test_what_cannot_run_is_left_out_and_said_with_the_reason(
    tmp_path: Path,
    squeezenet_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert squeezenet_weights.is_file()
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # as on a machine without a network
    wanted = {"ours", "ours-as-it-is", "openvino"}
    if "openvino" not in installed_providers():
        wanted.add("ours-openvino-bf16")
    without = [name for name in WAYS if name not in wanted]
    command = ["--rounds", "1", "--environments", str(tmp_path), "--without", *without]
    inference.main(command)
    said = capsys.readouterr().out
    assert "ours, the file as it is" in said.split("left out")[0]
    assert "left out: OpenVINO: The other runtimes can't be installed" in said
    if "ours-openvino-bf16" in wanted:
        assert "left out: ours, bf16 on the OpenVINO provider" in said
        assert "pip install onnxruntime-ep-openvino" in said


def test_the_table_is_sorted_and_compares_answers_of_the_same_network_only() -> None:
    answers = {
        "ours": np.array([[0.9, 0.1], [0.2, 0.8]]),
        "ncnn": np.array([[0.8, 0.2], [0.6, 0.4]]),
        "notebook-alexnet": np.array([[0.0, 1.0], [1.0, 0.0]]),
    }
    times = {"ncnn": [4.0, 6.0, 5.0], "ours": [2.0, 2.0, 2.5], "notebook-alexnet": [40.0] * 3}
    header, ours, ncnn, alexnet = table(times, answers).splitlines()
    assert header.startswith("way")
    assert ours.split()[:2] == ["ours", "fp32"]
    assert "1.00  2 of 2, 0.000 apart" in ours
    assert "4.00-6.00" in ncnn
    assert "2.50  1 of 2, 0.400 apart" in ncnn
    assert alexnet.endswith("20.00")


def test_the_ratios_take_the_fastest_on_both_sides() -> None:
    times = {
        "ours": [2.2, 2.2],
        "ours-int8": [1.0, 1.2],
        "network": [2.0, 2.0],
        "onnxruntime": [3.0, 3.0],
        "openvino-int8": [1.0, 1.0],
        "notebook": [30.0, 30.0],
        "notebook-alexnet": [22.0, 22.0],
    }
    assert [line.split(" (")[0] for line in ratios(times)] == [
        "fp32, ours over the fastest baseline: 0.73",
        "best precision, ours over the fastest baseline: 1.10",
        "int8 over fp32, ours: 0.50",
        "notebook loop over ours, best precision: 20.00",
        "overhead of ours over its network run alone: 10%",
    ]
    assert ratios({"ours": [1.0], "onnxruntime": [2.0]}) == [
        "fp32, ours over the fastest baseline: 0.50 (ours / plain onnxruntime, numpy)",
        "best precision, ours over the fastest baseline: 0.50 (ours / plain onnxruntime, numpy)",
    ]


def test_no_two_ways_share_a_title() -> None:
    titles = [way.title for way in WAYS.values()]
    assert len(set(titles)) == len(titles)


def test_the_examples_preprocessing_is_torchvisions_without_its_smoothing() -> None:
    frame = np.full((48, 64, 3), (0, 0, 255), np.uint8)  # red
    pixels = numpy_pixels(frame)
    assert pixels.shape == (1, 3, 224, 224)
    np.testing.assert_allclose(pixels[0, :, 0, 0], [2.2489, -2.0357, -1.8044], atol=1e-3)


def test_torch_and_onnxruntime_are_given_the_same_network(
    tmp_path: Path, squeezenet_weights: Path
) -> None:
    assert squeezenet_weights.is_file()  # in the cache by now, where write_models looks for them
    torch = pytest.importorskip("torch", reason="torch is not installed")
    write_models(tmp_path)
    request = Request(tmp_path, "", 1)
    frame = draw_scene("thumbs_up", 1, 0)
    with torch.inference_mode():
        found = torch_network(request, "squeezenet1_1")(torch.from_numpy(numpy_pixels(frame)))
    expected = plain_onnxruntime(request)(frame)
    np.testing.assert_allclose(torch.softmax(found, dim=1).numpy(), expected, atol=1e-4)


def test_an_unknown_way_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        inference.main(["--without", "abacus"])
    assert "abacus" in capsys.readouterr().err


def test_latency_is_measured_at_a_cameras_pace(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(folder / MODEL)
    latency.main([model, "--rates", "30", "--seconds", "1", "--provider", "cpu"])
    header, line = capsys.readouterr().out.splitlines()
    found = dict(zip(header.replace("age ms", "age").split(), line.split(), strict=False))
    assert found["rate"] == "30"
    assert 5 <= int(found["frames"]) <= 32
    assert float(found["age"]) > 0


def test_growth_is_told_from_the_second_window_on() -> None:
    windows = [
        {"megabytes": 90.0, "age_median": 9.0, "age_late": 20.0},
        {"megabytes": 100.0, "age_median": 5.0, "age_late": 8.0},
        {"megabytes": 101.5, "age_median": 5.5, "age_late": 7.0},
    ]
    assert describe_growth(windows) == "growth: +1.5 MB, age +0.5 ms, 95 % -1.0 ms"


def test_the_simulated_camera_sends_jpegs_of_a_cameras_size(tmp_path: Path) -> None:
    write_jpegs(tmp_path)
    paths = sorted(tmp_path.iterdir())
    grabber = JpegGrabber([np.frombuffer(paths[0].read_bytes(), np.uint8)], rate=200)
    assert grabber.grab()
    image = grabber.retrieve()
    assert image.shape == (480, 640, 3)
    assert grabber.describe(image) == "JPEGs of 640 x 480, 200 a second"
