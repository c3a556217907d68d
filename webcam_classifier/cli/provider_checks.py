"""The check of the execution providers: `doctor` runs a small graph on each."""

from __future__ import annotations

import tempfile
from pathlib import Path

from webcam_classifier.cli.check import Check, Status
from webcam_classifier.command_names import PROGRAM

_SIDE, _CHANNELS = 16, 8  # of the graph that providers are tried with


def check_providers() -> list[Check]:
    """Run a small graph on each execution provider, and compare the answers with the CPU's."""
    import numpy as np

    from webcam_classifier.runtime.providers import CPU, ExecutionConfig, installed_providers
    from webcam_classifier.runtime.trial import RuntimeTrial

    checks = []
    with tempfile.TemporaryDirectory() as folder:
        model, pictures = _write_trial(Path(folder))
        expected = None
        for name in installed_providers():
            with RuntimeTrial(model, ExecutionConfig(name), pictures, "answer") as trial:
                answers = trial.answers()
            if answers is None:
                checks.append(_unusable(name, trial.problem))
                continue
            expected = answers if expected is None else expected
            if np.allclose(answers, expected, rtol=1e-2, atol=1e-2):
                words = "runs, with the processor's answers" if name != CPU else "runs"
                checks.append(Check(f"provider {name}", Status.FINE, words))
            else:
                checks.append(_unusable(name, "its answers differ from the processor's"))
    return checks


def _unusable(name: str, problem: str) -> Check:
    from webcam_classifier.runtime.providers import CPU, PROVIDERS

    remedy = PROVIDERS[name].remedy
    advice = f"live goes on with another one. {remedy}".strip()
    status = Status.PROBLEM if name == CPU else Status.NOTE
    return Check(f"provider {name}", status, f"installed, but can't be used: {problem}", advice)


def _write_trial(folder: Path) -> tuple[Path, Path]:
    """Write a model with one convolution, and two pictures of noise for it."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(_CHANNELS, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["features"]),
        helper.make_node("Relu", ["features"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "provider_check",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", _SIDE, _SIDE, 3])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", _CHANNELS])],
        [
            onnx.numpy_helper.from_array(kernel, "kernel"),
            onnx.numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name=PROGRAM
    )
    path, pictures = folder / "check.onnx", folder / "pictures.npy"
    path.write_bytes(model.SerializeToString())
    np.save(pictures, generator.integers(0, 256, (2, _SIDE, _SIDE, 3), dtype=np.uint8))
    return path, pictures
