"""A head that was taught on real pictures, exported: answers, size, and what is unknown stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.colour_model import ON_CPU
from webcam_classifier.cli.export import main
from webcam_classifier.model.classifier import Classifier


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_answers_and_what_is_unknown_stay_in_every_precision(
    precision: str,
    taught_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original, converted = taught_model / "model.onnx", tmp_path / f"model.{precision}.onnx"

    main([str(original), "--precision", precision, "--output", str(converted), *ON_CPU])

    both = Classifier(original), Classifier(converted)
    assert both[1].card.accuracy is not None
    assert both[1].card.accuracy > 0.9
    assert both[0].card.unknown_threshold is not None
    assert both[0].card.unknown_threshold == both[1].card.unknown_threshold
    line = next(
        line
        for line in capsys.readouterr().out.splitlines()
        if "shown as unknown by only one" in line
    )
    assert int(line.split()[-1]) <= 1
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    found = [classifier.classify(noise) for classifier in both]
    assert found[0].is_unknown
    assert found[1].is_unknown
    near = {"fp32": 0.05, "fp16": 0.05, "int8": 0.25}[precision]  # 0.18 measured on noise
    assert found[1].unknown_score == pytest.approx(found[0].unknown_score, rel=near)
    # A quarter, and what tells the unknown, which stays float like the head.
    share = {"fp32": 1.05, "fp16": 0.65, "int8": 0.35}[precision]
    assert converted.stat().st_size < share * original.stat().st_size
    tail = [node for node in onnx.load(converted).graph.node if node.name.startswith("unknown")]
    assert {node.op_type for node in tail} >= {"Gemm", "TopK", "Sqrt"}
    assert not {node.op_type for node in tail} & {"QuantizeLinear", "DequantizeLinear"}
