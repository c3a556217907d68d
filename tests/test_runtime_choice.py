"""What runs a model: tried once, compared with the processor, remembered."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import METRICS_NAME, ModelError
from webcam_classifier.runtime import choice as choice_module
from webcam_classifier.runtime import runtime_benchmark
from webcam_classifier.runtime.choice import AUTO, choose_runtime, remember
from webcam_classifier.runtime.device_name import device_name, physical_cores, processor_in
from webcam_classifier.runtime.providers import (
    PROVIDERS,
    ExecutionConfig,
    ProviderError,
    RuntimeChoice,
    installed_providers,
)
from webcam_classifier.runtime.runtime_benchmark import (
    NoReferenceError,
    benchmark_runtimes,
    choose_fastest,
    describe_times,
    is_possible,
    list_candidates,
    why_not_equal,
)
from webcam_classifier.runtime.runtime_cache import forget_old_folders, runtime_folder
from webcam_classifier.runtime.session import open_model
from webcam_classifier.runtime.trial import RuntimeTrial
from webcam_classifier.runtime.trial_pictures import blobs, trial_pictures


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "models" / "colours" / "model.onnx"
    write_tiny_model(path)
    return path


def test_a_choice_is_measured_once_said_and_remembered(model: Path) -> None:
    said: list[str] = []
    first = choose_runtime(model, AUTO, 0, said.append)
    assert first.runtime.provider in installed_providers()
    if len(installed_providers()) > 1 or physical_cores() > 1:
        assert first.reason.startswith("measured: cpu")
        assert len(said) == 1
        assert said[0].startswith("trying cpu")
        assert choose_runtime(model, AUTO, 0, said.append) == first
        assert len(said) == 1


def test_the_choice_runs_the_model(model: Path) -> None:
    choice = choose_runtime(model, AUTO, 1, lambda _: None)
    classifier = Classifier(model, choice.runtime)
    red = np.full((40, 50, 3), (0, 0, 255), np.uint8)
    assert classifier.classify(red).label == "red"
    assert choice.runtime.describe() in classifier.runtime


def test_another_model_is_measured_again(model: Path) -> None:
    before = runtime_folder(model)
    write_tiny_model(model, ("blue", "green"))
    assert runtime_folder(model) != before


def test_a_damaged_memory_is_measured_again(model: Path) -> None:
    path = runtime_folder(model) / "choice-cpu-1.json"
    remember(path, RuntimeChoice(ExecutionConfig("cpu", 7), "said so"), pytest.fail)
    whole = path.read_bytes()
    for place in (0, 30, len(whole) - 2):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        for content in (bytes(damaged), whole[:place], b'{"runtime": 5}', b"\xff\x00"):
            path.write_bytes(content)
            said: list[str] = []
            choice = choose_runtime(model, "cpu", 1, said.append)
            assert choice.runtime == ExecutionConfig("cpu", 1)
            assert len(said) == 1
            assert "was damaged: measuring again" in said[0]


def test_a_provider_that_is_gone_is_not_taken_from_memory(model: Path) -> None:
    path = runtime_folder(model) / "choice-auto-1.json"
    for name in ("abacus", "tensorrt"):
        remember(path, RuntimeChoice(ExecutionConfig(name), "there once"), pytest.fail)
        choice = choose_runtime(model, AUTO, 1, lambda _: None)
        assert choice.runtime.provider in installed_providers()


def test_what_is_remembered_is_taken_without_a_measurement(model: Path) -> None:
    path = runtime_folder(model) / "choice-auto-0.json"
    said: list[str] = []
    remember(path, RuntimeChoice(ExecutionConfig("cpu", 7), "said so"), said.append)
    choice = choose_runtime(model, AUTO, 0, said.append)
    assert (choice.runtime, choice.reason, said) == (ExecutionConfig("cpu", 7), "said so", [])


def test_a_cache_that_cannot_be_written_costs_the_memory_only(model: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file where the folder should be")
    said: list[str] = []
    choice = choose_runtime(model, "cpu", 0, said.append)
    assert choice.runtime.provider == "cpu"
    if physical_cores() > 1:
        assert "not remembered" in said[-1]


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "cpu"])
def test_a_provider_that_is_not_installed_is_refused_with_its_remedy(
    model: Path, provider: str
) -> None:
    if provider in installed_providers():
        pytest.skip(f"{provider} is installed here")
    with pytest.raises(ProviderError, match=f"--provider {provider}: this onnxruntime has no"):
        choose_runtime(model, provider, 0, lambda _: None)


def test_a_missing_model_is_said_before_anything_is_tried(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model file"):
        choose_runtime(tmp_path / "none.onnx", AUTO, 0, lambda _: None)


def test_candidates_keep_the_files_numbers_first_and_gpus_have_no_threads() -> None:
    assert list_candidates(("cpu", "openvino", "cuda"), "fp32", 2) == [
        ExecutionConfig("cpu", 2),
        ExecutionConfig("cpu", 2, is_optimised=True),
        ExecutionConfig("openvino", 2),
        ExecutionConfig("openvino", 2, is_reduced=True),
        ExecutionConfig("cuda", 0),
    ]


def test_a_quantised_file_is_always_optimised_for_openvino() -> None:
    on_openvino = list_candidates(("openvino",), "int8", 2)
    assert all(runtime.is_optimised for runtime in on_openvino)
    assert [runtime.is_reduced for runtime in on_openvino] == [False, True]


@pytest.mark.parametrize(("milliseconds", "wins"), [(3.99, False), (3.9, True)])
def test_the_same_numbers_in_another_order_need_not_be_much_faster(
    milliseconds: float, wins: bool
) -> None:
    optimised = ExecutionConfig("cpu", 2, is_optimised=True)
    times = {ExecutionConfig("cpu", 2): 4.0, optimised: milliseconds}
    assert (choose_fastest(times) == optimised) == wins


@pytest.mark.parametrize(
    ("milliseconds", "place"),
    [([4.0], 0), ([4.0, 3.9], 0), ([4.0, 3.5], 1), ([4.0, 2.0, 1.9], 1), ([2.0, 4.0, 1.0], 2)],
)
def test_the_more_modest_one_wins_unless_another_is_much_faster(
    milliseconds: list[float], place: int
) -> None:
    times = {ExecutionConfig(threads=threads): time for threads, time in enumerate(milliseconds)}
    assert choose_fastest(times).threads == place


def test_times_of_two_rounds_are_told_apart() -> None:
    two, one = (ExecutionConfig("cpu", threads) for threads in (2, 1))
    assert describe_times({two: 1.9}, {}) == "measured: cpu on 2 threads 1.9 ms"
    assert describe_times({two: 1.9}, {one: 2.3, two: 2.4}) == (
        "measured: cpu on 2 threads 1.9 ms; then with fewer threads, taken unless over 10 % "
        "slower: cpu on 1 thread 2.3 ms, cpu on 2 threads 2.4 ms"
    )


def test_one_answer_in_a_hundred_may_differ_on_real_pictures_and_no_more() -> None:
    reference = np.tile(np.array([[0.6, 0.4]], np.float32), (100, 1))
    answers = reference.copy()
    answers[0] = (0.4, 0.6)
    assert why_not_equal(reference, answers, are_real=True, is_reduced=False) == ""
    answers[1] = (0.4, 0.6)
    assert "98.0 % of 100" in why_not_equal(reference, answers, are_real=True, is_reduced=False)


def test_on_made_up_pictures_the_probabilities_have_to_agree() -> None:
    reference = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert why_not_equal(reference, reference + 0.01, are_real=False, is_reduced=False) == ""
    assert "up to 0.30" in why_not_equal(
        reference, reference + 0.3, are_real=False, is_reduced=False
    )
    assert "not numbers" in why_not_equal(
        reference, reference * np.nan, are_real=True, is_reduced=False
    )


def test_fewer_bits_need_real_pictures_of_more_than_one_label() -> None:
    various = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert why_not_equal(various, various, are_real=True, is_reduced=True) == ""
    assert "held back" in why_not_equal(various, various, are_real=False, is_reduced=True)
    assert "held back" in why_not_equal(various[:1], various[:1], are_real=True, is_reduced=True)


def test_a_taught_model_is_raced_on_its_own_pictures(
    taught_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    choice = choose_runtime(taught_model / "model.onnx", AUTO, 1, lambda _: None)
    if "openvino" in installed_providers():
        assert "openvino bf16 on 1 thread" in choice.reason
        assert "held back are not here" not in choice.reason
    picture = np.full((1, 224, 224, 3), 127, np.uint8)
    found = open_model(taught_model / "model.onnx", choice.runtime).run(picture)["probabilities"]
    expected = open_model(taught_model / "model.onnx", ExecutionConfig()).run(picture)[
        "probabilities"
    ]
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_trial_answers_and_is_timed_round_by_round(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    np.save(path, np.stack([np.full((32, 32, 3), (255, 0, 0), np.uint8)] * 2))
    with RuntimeTrial(model, ExecutionConfig("cpu", 1), path, "probabilities") as trial:
        answers = trial.answers()
        assert answers is not None
        assert answers.argmax(axis=1).tolist() == [0, 0]
        trial.time_round()
        trial.time_round()
    assert len(trial.seconds) == 2
    assert trial.milliseconds == 1000 * min(trial.seconds) > 0


def test_a_trial_that_fails_says_why_and_goes_on(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    np.save(path, blobs(32))
    with RuntimeTrial(model, ExecutionConfig("coreml"), path, "probabilities") as trial:
        answers = trial.answers()
    if answers is None:
        assert "can't run on coreml" in trial.problem


def test_a_trial_that_takes_too_long_is_ended(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    np.save(path, blobs(32))
    with RuntimeTrial(model, ExecutionConfig("cpu"), path, "probabilities", patience=0.01) as trial:
        assert trial.answers() is None
        assert "took over" in trial.problem


def test_a_trial_that_ends_while_it_is_timed_says_so(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    np.save(path, blobs(32))
    with RuntimeTrial(model, ExecutionConfig("cpu", 1), path, "probabilities") as trial:
        assert trial.answers() is not None
        trial._process.kill()
        trial._process.wait()
        trial.time_round()
        assert "timing it failed" in trial.problem


def test_what_a_driver_prints_is_no_answer(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers = tmp_path / "drivers"
    drivers.mkdir()
    (drivers / "sitecustomize.py").write_text("print('driver 1.0')\nprint(3)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(drivers))
    path = tmp_path / "pictures.npy"
    np.save(path, blobs(32))
    with RuntimeTrial(model, ExecutionConfig("cpu", 1), path, "probabilities") as trial:
        assert trial.answers() is not None, trial.problem


def damage(model: Path) -> None:
    """Make a model's answers no numbers."""
    graph = onnx.load(model)
    (weights,) = [tensor for tensor in graph.graph.initializer if tensor.name == "weights"]
    broken = np.full(tuple(weights.dims), np.nan, np.float32)
    weights.CopyFrom(onnx.numpy_helper.from_array(broken, "weights"))
    onnx.save(graph, model)


@pytest.mark.parametrize("wanted", [AUTO, "cpu"])
def test_a_model_whose_answers_are_no_numbers_is_refused(model: Path, wanted: str) -> None:
    damage(model)
    with pytest.raises(ModelError, match="does not answer with probabilities"):
        choose_runtime(model, wanted, 0, lambda _: None)


@pytest.mark.parametrize("wanted", [AUTO, "cpu"])
def test_without_the_processors_answers_nothing_is_chosen_or_remembered(
    model: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setattr(runtime_benchmark, "REFERENCE_WITHIN", 0.01)
    said: list[str] = []
    with pytest.raises(NoReferenceError, match="no other runtime can be checked"):
        benchmark_runtimes(model, ("cpu",), 0, ())
    monkeypatch.setattr(choice_module, "physical_cores", lambda: 2)  # one has nothing to choose
    choice = choose_runtime(model, wanted, 0, said.append)
    assert choice.runtime == ExecutionConfig("cpu")
    assert choice.reason.startswith("nothing was measured")
    assert "took over" in said[-1]
    assert not list(runtime_folder(model).glob("choice-*"))


@pytest.mark.parametrize("provider", [name for name in installed_providers() if name != "cpu"])
def test_a_provider_that_cannot_be_checked_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setattr(runtime_benchmark, "REFERENCE_WITHIN", 0.01)
    with pytest.raises(ProviderError, match=f"--provider {provider} can't be checked"):
        choose_runtime(model, provider, 0, lambda _: None)
    assert not list(runtime_folder(model).glob("choice-*"))


def test_a_faster_runtime_is_not_taken_without_the_processors_answers(
    taught_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime_benchmark, "REFERENCE_WITHIN", 0.01)
    optimised = ExecutionConfig("cpu", 1, is_optimised=True)
    assert is_possible(taught_model / "model.onnx", optimised)  # so there is one to be taken
    with pytest.raises(NoReferenceError, match=r"processor \(cpu on 1 thread: .* took over"):
        benchmark_runtimes(taught_model / "model.onnx", ("cpu",), 1, ())


def test_pictures_held_back_are_taken_where_there_are_enough(model: Path, tmp_path: Path) -> None:
    names = [f"red/{index}.png" for index in range(25)]
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "data" / name), np.full((20, 30, 3), 9, np.uint8))
    split = {
        "validation": {"pictures": names[:10]},
        "test": {"pictures": names[10:]},
        "test_dataset": None,
    }
    model.with_name(METRICS_NAME).write_text(json.dumps({"split": split}))
    card = dataclasses.replace(
        Classifier(model).card, input_size=32, dataset=str(tmp_path / "data")
    )
    found = trial_pictures(model, card)
    assert found.are_real
    assert found.pixels.shape == (25, 32, 32, 3)
    moved = dataclasses.replace(card, dataset=str(tmp_path / "moved"))
    assert not trial_pictures(model, moved).are_real


def test_blobs_are_various_and_the_same_every_time() -> None:
    assert np.array_equal(blobs(32), blobs(32))
    assert len(np.unique(blobs(32).mean(axis=(1, 2, 3)).round())) > 10


def test_old_folders_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for index in range(23):
        (tmp_path / "webcam-classifier" / "runtimes" / f"{index:02d}").mkdir(parents=True)
    folders = tmp_path / "webcam-classifier" / "runtimes"
    os.utime(folders / "07", (0, 0))  # written now, by a clock that was set back
    forget_old_folders(folders / "07")
    assert len(list(folders.iterdir())) == 20
    assert (folders / "07").is_dir()


@pytest.mark.parametrize("folder", ["models", "runtimes/0", "features", "."])
def test_what_kills_left_anywhere_in_the_cache_goes_with_the_old_folders(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = tmp_path / "webcam-classifier" / folder / "graph.onnx"
    place.parent.mkdir(parents=True)
    write = (
        f"import sys, pathlib\nfrom webcam_classifier.temporary_files import partial_path\n"
        f"partial_path(pathlib.Path({str(place)!r})).write_bytes(b'half')"
    )
    subprocess.run([sys.executable, "-c", write], check=True)
    assert len(list(place.parent.glob(".*.partial"))) == 1
    forget_old_folders(tmp_path / "webcam-classifier" / "runtimes" / "1")
    assert list(place.parent.glob(".*.partial")) == []


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC\n", "AMD EPYC"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n" * 4, "Cortex-A76"),  # a Raspberry Pi 5
        (
            "CPU implementer : 0x41\nCPU part : 0xd05\nCPU implementer : 0x41\nCPU part : 0xd0b\n",
            "Cortex-A55 and Cortex-A76",
        ),
        ("CPU implementer : 0x61\nCPU part : 0x022\n", "ARM core 0x61:0x022"),
        ("CPU implementer : 0x41\nCPU part : 0xfff\n", "ARM core 0x41:0xfff"),
        ("processor : 0\nisa : rv64imafdc\n", ""),
        ("", ""),
    ],
)
def test_a_processor_is_named_by_what_linux_tells_of_it(cpuinfo: str, name: str) -> None:
    assert processor_in(cpuinfo) == name


def test_the_device_is_named_with_its_cores() -> None:
    assert f"with {physical_cores()} cores" in device_name()
    assert physical_cores() >= 1
