"""`--advise` on a small model: what is tried, what is said, and what is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import safetensors.numpy

from tests.colour_model import ON_CPU, colour_card, colour_graph, write_colours, write_metrics
from webcam_classifier.backbone.feature_graph import FeatureExtractor, squeezenet1_1_features
from webcam_classifier.cli.export import main
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.export import candidate_trials
from webcam_classifier.export.sized_features import features_at
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import ModelCard
from webcam_classifier.runtime.providers import CPU, ExecutionConfig, installed_providers
from webcam_classifier.runtime.trial import OPENS_WITHIN, REFERENCE_WITHIN, RuntimeTrial

SIZE = 128  # pixels; only 96 is tried below


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A head of three colours whose metrics.json names the pictures that are really there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_colours(tmp_path / "dataset")
    (tmp_path / "model").mkdir()
    write_model(colour_graph(size=SIZE), card_of(tmp_path), tmp_path / "model/model.onnx")
    write_metrics(tmp_path)
    path = tmp_path / "model/metrics.json"
    told = {
        "data_hash": card_of(tmp_path).data_hash,
        "command": f"python train.py {tmp_path / 'dataset'} --mode auto",
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    return tmp_path


def card_of(folder: Path) -> ModelCard:
    data_hash = load_labelled_pictures(folder / "dataset", SIZE).data_hash
    return replace(colour_card(folder / "dataset"), input_size=SIZE, data_hash=data_hash)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_sizes_and_precisions_are_measured_on_the_same_held_out_pictures(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(colours)
    figures, plot = colours / "figures.json", colours / "frontier.png"

    main([str(colours / "model"), "--advise", *ON_CPU, "--json", str(figures), "--plot", str(plot)])

    found = json.loads(figures.read_text())
    rows = found["candidates"]
    assert {(row["precision"], row["size"]) for row in rows} == {
        ("fp32", 128), ("int8", 128), ("fp32", 96), ("int8", 96),
    }  # fmt: skip
    assert found["pictures"] == 18
    for row in rows:
        assert row["accuracy"] > 0.8
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
        assert 0 < row["best_milliseconds"] <= row["milliseconds"]
    times = [row["milliseconds"] for row in rows]
    assert times == sorted(times)
    assert rows[0]["is_on_frontier"]
    assert sum(row["is_recommended"] for row in rows) == 1
    (today,) = [row for row in rows if row["is_the_model_as_it_is"]]
    assert (today["precision"], today["size"], today["agreement"]) == ("fp32", 128, 1.0)
    printed = capsys.readouterr().out
    assert "measured on 18 test pictures" in printed
    assert printed.splitlines()[-1] == f"  {found['commands'][-1]}"
    picture = cv2.imread(str(plot))
    assert picture is not None
    assert picture.std() > 10
    new = files(colours) - before
    assert {path for path in new if "cache" not in path.parts} == {figures, plot}


def test_a_file_that_learnt_from_the_test_pictures_is_not_measured_on_them(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = colours / "model/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"learnt_from_test": True}))

    main([str(colours / "model"), "--advise", *ON_CPU])

    captured = capsys.readouterr()
    assert "training a head for 128 pixels" in captured.err
    assert "measured on 18 test pictures" in captured.out


def test_what_cannot_be_tried_is_said_and_the_rest_goes_on(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    extra = generator.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    cv2.imwrite(str(colours / "dataset/red/new.png"), extra)

    main([str(colours / "model"), "--advise", *ON_CPU])

    printed = capsys.readouterr().out
    assert "note: smaller pictures are not tried: The pictures in" in printed
    assert "int8, 128 pixels" in printed
    assert "96 pixels" not in printed


def test_a_fine_tuned_network_keeps_its_size(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = replace(card_of(colours), mode="finetune")
    write_model(colour_graph(size=SIZE), card, colours / "model/model.onnx")

    main([str(colours / "model"), "--advise", *ON_CPU])

    printed = capsys.readouterr().out
    assert "note: smaller pictures are tried for heads only" in printed
    assert "100.0 % (82 to 100 %)" in printed
    assert "96 pixels" not in printed


def test_pictures_without_a_truth_decide_by_equal_answers(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(colours / "model"), "--advise", *ON_CPU, "--pictures", str(colours / "dataset")])

    printed = capsys.readouterr().out
    assert "at least as close to the original" in printed
    assert "can't be measured" in printed


def test_what_was_kept_of_passing_files_is_removed(colours: Path) -> None:
    if "openvino" not in installed_providers():
        pytest.skip("onnxruntime-ep-openvino is not installed")

    main([str(colours / "model"), "--advise"])

    kept = list((colours / "cache/webcam-classifier/runtimes").glob("*/"))
    assert len(kept) <= 1  # the model's own


def test_figures_without_advice_are_refused(colours: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(colours / "model"), "--precision", "int8", "--json", "figures.json"])


def test_features_of_another_size_are_those_of_the_network_built_for_it(
    squeezenet_weights: Path,
) -> None:
    tensors = safetensors.numpy.load(squeezenet_weights.read_bytes())
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    expected = FeatureExtractor(squeezenet1_1_features(tensors, 96)).embed([pixels])

    resized = features_at(squeezenet1_1_features(tensors, 160), 96)

    np.testing.assert_allclose(FeatureExtractor(resized).embed([pixels]), expected, rtol=1e-5)


def test_a_graph_without_an_embedding_has_one_size_only() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(colour_graph())
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == "embedding":
                    names[place] = "hidden"

    with pytest.raises(UserError, match="no embedding"):
        features_at(model, 24)


def test_what_the_others_are_compared_with_is_waited_for_longer(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow or busy device may take minutes to start, and without it nothing is found out."""
    patience: list[float] = []

    class Noted(RuntimeTrial):
        def __init__(
            self, model: Path, runtime: ExecutionConfig, pictures: Path, output: str, most: float
        ) -> None:
            patience.append(most)
            super().__init__(model, runtime, pictures, output, most)

    monkeypatch.setattr(candidate_trials, "RuntimeTrial", Noted)
    file = candidate_trials.TrialFile(
        colours / "model/model.onnx", "fp32", [np.zeros((SIZE, SIZE, 3), np.uint8)]
    )
    runtimes = [ExecutionConfig(CPU, 1), ExecutionConfig(CPU, 1, is_optimised=True)]
    found = candidate_trials.try_files([(file, runtime) for runtime in runtimes], 1)

    assert patience == [REFERENCE_WITHIN, OPENS_WITHIN]
    assert found.usable[0].runtime == runtimes[0]


class Crashing(RuntimeTrial):
    """A trial whose process ends while it is timed, unless its graph is an optimised one."""

    rounds_before = 1

    def time_round(self) -> None:
        if not self.runtime.is_optimised and len(self.seconds) >= self.rounds_before:
            self._process.kill()
            self._process.wait()
        super().time_round()


def test_a_runtime_that_crashes_while_it_is_timed_is_not_used(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_trials, "RuntimeTrial", Crashing)
    file = candidate_trials.TrialFile(
        colours / "model/model.onnx", "fp32", [np.zeros((SIZE, SIZE, 3), np.uint8)]
    )
    steady = ExecutionConfig(CPU, 1, is_optimised=True)
    found = candidate_trials.try_files([(file, ExecutionConfig(CPU, 1)), (file, steady)], 3)

    assert [trial.runtime for trial in found.usable] == [steady]
    (problem,) = found.problems
    assert "fp32, 128 pixels, on cpu on 1 thread not taken: timing it failed" in problem


def test_nothing_is_recommended_where_the_model_as_it_is_crashes_in_the_last_rounds(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_trials, "RuntimeTrial", Crashing)
    monkeypatch.setattr(Crashing, "rounds_before", 5)  # finding each file's runtime takes fewer
    with pytest.raises(UserError, match=r"model\.onnx can't be run here: .*timing it failed"):
        main([str(colours / "model"), "--advise", *ON_CPU])
