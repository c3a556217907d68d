"""What an NVIDIA GPU does, with one command, in ten minutes at most.

    $ python -m benchmarks.gpu
    $ python -m benchmarks.gpu --json gpu.json
    $ python -m benchmarks.gpu --on cpu --short       the same code without a GPU

It wants torch for CUDA and onnxruntime-gpu, and is offline after that; beside a plain onnxruntime
NVIDIA's tensorrt alone will do, as a Jetson has it. In order, each a process: the CUDA and the
TensorRT provider with the answers beside the processor's, with a CUDA graph and
without, in fp32, fp16 and int8, started for the first time and again; the age of a label and the
rate at 30 and 60 frames a second; a step of fine-tuning in 32 bits against mixed precision, with
the memory used up, and in two processes on one GPU; AlexNet, SqueezeNet, ResNet-18, VGG-16 and
ViT-S in torch as the notebooks run them, by torch's own advice, with torch.compile, with torch2trt
where it is installed, and on our session. What could not run stands at the end, with the reason.

Exit codes: 0 something was measured on the device, 1 there is no such device, and nothing was.

Written from the documentation of NVIDIA, onnxruntime and torch; not yet run on a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.board import device_facts, tell
from benchmarks.inference_models import write_integer_model, write_models
from benchmarks.inference_request import INTEGER_MODEL, MODEL
from benchmarks.steps import (
    Step,
    StepResult,
    describe_results,
    run_step,
    run_steps,
    write_results,
)
from webcam_classifier.cli.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.runtime.providers import CPU, PROVIDERS, installed_providers, is_library

_BUDGET = 570.0  # seconds; the rest of ten minutes is for the models and the table
_ENGINE = 150.0  # seconds that TensorRT may take to build one
_NETWORKS = ("squeezenet1_1", "alexnet", "resnet18", "vit_s_16", "vgg16")
_GPU_PROVIDERS = ("cuda", "tensorrt")
_NO_GPU = "there is no NVIDIA GPU here that torch or onnxruntime can use"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what can be measured, and print it and what could not.

    Raises:
        UserError: Nothing could be measured on the device.
    """
    options = parse(arguments)
    facts = device_facts() | gpu_facts()
    print("\n".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
    references: dict[str, StepResult] = {}  # the processor's, by the precision of the file
    results: list[StepResult] = []

    def keep(result: StepResult) -> None:
        tell(result)
        results.append(result)
        if options.json:
            write_results(options.json, facts, [*references.values(), *results])

    if options.json:
        options.json.open("a").close()  # where it can't be written, that is said now
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_models(folder)
        write_integer_model(folder)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # a first start finds nothing
        problem = "" if options.on == CPU else why_no_gpu(facts)
        planned = plan(folder, options.on, options.short)
        if problem:
            results = [StepResult(one.name, "", 0.0, None, (), problem) for one in planned]
        else:
            print(f"{len(planned)} parts, ten minutes at the most", flush=True)
            for precision in ("fp32", "int8"):
                step = inference_step(folder, CPU, precision)
                references[precision] = run_step(step, 60.0)
            run_steps(planned, _BUDGET, keep)
    print("\n" + describe_results([*references.values(), *results]))
    if not problem:
        print("\n" + "\n".join(agreement(references, results)))
    if options.json:
        write_results(options.json, facts, [*references.values(), *results])
        print(f"all of it: {options.json}")
    if all(result.problem for result in results):
        raise UserError(
            f"Nothing was measured on a GPU: {problem or 'see above'}. Run it on a machine with "
            "one, with torch for CUDA and onnxruntime-gpu or tensorrt installed."
        )


def plan(folder: Path, device: str, is_short: bool) -> list[Step]:
    """List all parts, the most telling first.

    Args:
        folder: With the models.
        device: `cuda`, or `cpu` to see that the command works.
        is_short: Fewer networks and steps.
    """
    providers = _GPU_PROVIDERS if device == "cuda" else (CPU,)
    steps = [
        step
        for provider in providers
        for precision in ("fp32", "int8")
        for step in inference_steps(folder, provider, precision)
    ]
    seconds = "3" if is_short else "10"
    steps += [
        Step(
            f"age and rate, {provider}",
            (
                "benchmarks.latency", str(folder / MODEL), "--provider", provider,
                "--rates", "30", "60", "--seconds", seconds, "--json", "{json}",
            ),
        )
        for provider in providers
    ]  # fmt: skip
    count = ["--steps", "1" if is_short else "30", "--device", device, "--json", "{json}"]
    for part in ("precision", "memory"):
        steps.append(Step(f"fine-tuning, {part}", ("benchmarks.gpu_training", part, *count), 90.0))
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m")
    steps.append(
        Step(
            "fine-tuning, two processes on one device",
            ("benchmarks.gpu_training", "processes", *count),
            90.0,
            launcher,
        )
    )
    networks = _NETWORKS[:1] if is_short else _NETWORKS
    present = [one for one in providers if one in installed_providers()]
    steps += [
        Step(
            f"{network}, in torch and ours",
            (
                "benchmarks.gpu_networks", network, "--device", device,
                "--provider", (present or providers)[0], "--json", "{json}",
                *(["--without-compile", "--runs", "2"] if is_short else []),
            ),
        )
        for network in networks
    ]  # fmt: skip
    return steps


def inference_steps(folder: Path, provider: str, precision: str) -> list[Step]:
    """List the starts of one provider with one file."""
    start = inference_step(folder, provider, precision)
    steps = [start, dataclasses.replace(start, name=f"{start.name}, started again")]
    if provider in _GPU_PROVIDERS:
        if not is_library(provider):  # TensorRT without onnxruntime makes no CUDA graph
            steps.append(inference_step(folder, provider, precision, "--no-graph"))
        if precision == "fp32":
            steps.append(inference_step(folder, provider, precision, "--reduced"))
    return steps


def inference_step(folder: Path, provider: str, precision: str, option: str = "") -> Step:
    """One start of a provider with one file; its name is looked up by `agreement`."""
    file = INTEGER_MODEL if precision == "int8" else MODEL
    words = {"--reduced": ", features in fp16", "--no-graph": ", without a CUDA graph", "": ""}
    return Step(
        f"{provider}, {precision} file{words[option]}",
        (
            "benchmarks.gpu_child", str(folder / file), "--provider", provider,
            "--precision", precision, "--json", "{json}", *([option] if option else []),
        ),
        _ENGINE,
    )  # fmt: skip


def agreement(references: Mapping[str, StepResult], results: Sequence[StepResult]) -> list[str]:
    """Lay out times, starts and memory of the providers, and their answers beside the processor's.

    Args:
        references: The processor's, by the precision of the file.
        results: Those of `inference_steps` are picked out.
    """
    lines = [
        f"{'provider':<46}{'ms':>8}{'95 %':>8}{'first answer s':>16}{'MB':>7}{'GPU MB':>8}"
        "  the processor's answers"
    ]
    for result in (*references.values(), *results):
        if not isinstance(result.found, dict) or "answers" not in result.found:
            continue
        found = result.found
        line = f"{result.name:<46}{found['median']:>8.2f}{found['late']:>8.2f}"
        line += f"{found['first_answer_seconds']:>16.2f}{found['megabytes']:>7.0f}"
        line += f"{found['device_megabytes'] or 0:>8.0f}"
        precision = "int8" if " int8 " in result.name else "fp32"
        reference = references[precision].found
        if reference is not None:
            ours, theirs = np.array(reference["answers"]), np.array(found["answers"])
            equal = int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum())
            line += f"  {equal} of {len(ours)}, {np.abs(ours - theirs).max():.4f} apart"
        lines.append(line)
    return lines


def gpu_facts() -> dict[str, object]:
    """Tell what there is of NVIDIA's software, and what uses it."""
    facts: dict[str, object] = {
        "nvidia-smi": shutil.which("nvidia-smi") is not None,
        "GPU providers of onnxruntime": [
            name for name in installed_providers() if PROVIDERS[name].device == "cuda"
        ],
        "TensorRT without onnxruntime": is_library("tensorrt"),
        "torch2trt": importlib.util.find_spec("torch2trt") is not None,
    }
    try:
        import torch
    except ImportError:
        return facts | {"torch": "not installed"}
    facts["torch sees"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    facts["CUDA of torch"] = torch.version.cuda
    return facts


def why_no_gpu(facts: Mapping[str, object]) -> str:
    """Say why nothing can run on a GPU, empty where something may."""
    has_torch = facts.get("torch sees", "no GPU") != "no GPU"
    return "" if has_torch or facts["GPU providers of onnxruntime"] else _NO_GPU


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--on", choices=("cuda", CPU), default="cuda", help="device (default: %(default)s)")
    add("--short", action="store_true", help="fewer networks and steps")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
