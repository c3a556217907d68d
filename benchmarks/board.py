"""What a Raspberry Pi, a Jetson or any other small computer can do, in ten minutes, as one file.

    $ bash benchmarks/board.sh                  makes an environment, and runs this in it
    $ python -m benchmarks.board --json board.json
    $ python -m benchmarks.board --short        two minutes, to see that it works

It runs the benchmarks of speed that this project uses itself: from a frame to its label against
plain onnxruntime and OpenCV, the live loop at 30 and 60 frames a second, a first start, a network
that is slower than the camera, what the processor could do at the most, and where CUDA or TensorRT
are installed the network on the GPU, its answers beside the processor's. What could not run
stands at the end, with the reason. Nothing leaves the device: the file is there to be sent by hand,
and holds no name of a person, host or folder, but processor, board, memory, system and versions.

Not yet run on a board.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.inference_models import write_models
from benchmarks.inference_request import MODEL
from benchmarks.inference_ways import WAYS
from benchmarks.steps import Step, StepResult, describe_results, run_steps, write_results
from webcam_classifier.cli.console import run_script
from webcam_classifier.runtime.device_name import device_name
from webcam_classifier.runtime.providers import installed_providers

_BUDGET = 600.0  # seconds
_ENGINE = 300.0  # seconds that TensorRT may take to build one
_PACKAGES = (
    "numpy",
    "opencv-python",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnx",
    "torch",
    "tensorrt",
)
_HERE = ("ours", "ours-as-it-is", "ours-int8", "network", "onnxruntime", "opencv")
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the file."""
    options = parse(arguments)
    facts = device_facts()
    print("\n".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
    options.json.open("a").close()  # where it can't be written, that is said now
    results: list[StepResult] = []

    def keep(result: StepResult) -> None:
        tell(result)
        results.append(result)
        write_results(options.json, facts, results)

    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        planned = steps(str(Path(folder) / MODEL), options.short)
        print(f"{len(planned)} parts, {_BUDGET / 60:.0f} minutes at the most", flush=True)
        run_steps(planned, _BUDGET, keep)
    print("\n" + describe_results(results))
    facts["celsius at the end"] = celsius()
    write_results(options.json, facts, results)
    print(f"\nall of it: {options.json}")


def steps(model: str, is_short: bool) -> list[Step]:
    """List what is run.

    Args:
        model: The default network with a plain head.
        is_short: Fewer rounds and seconds, whose figures say little.
    """
    rounds, seconds = ("1", "3") if is_short else ("5", "20")
    foreign = [name for name in WAYS if name not in _HERE]
    without = ["--without", *foreign]
    at_pace = ["--rates", "30", "60", "--seconds", seconds, "--json", "{json}"]
    slow = ["--milliseconds", "36", "--seconds", seconds, "--json", "{json}"]
    return [
        Step(
            "from a frame to its label",
            ("benchmarks.inference", "--rounds", rounds, "--json", "{json}", *without),
            200.0,
        ),
        Step("at a camera's pace", ("benchmarks.latency", model, *at_pace), 120.0),
        Step(
            "the first label",
            ("benchmarks.first_start", model, "--rounds", rounds[:1], "--json", "{json}"),
            200.0,
        ),
        Step("a network slower than the camera", ("benchmarks.slow_model", *slow), 120.0),
        Step("the limit of the processor", ("benchmarks.processor_limit", model), 60.0),
        *(
            Step(
                f"on the GPU with {provider}",
                (
                    "benchmarks.gpu_child", model, "--provider", provider, "--compare",
                    "--json", "{json}",
                ),
                _ENGINE,
            )
            for provider in ("cuda", "tensorrt")
            if provider in installed_providers()
        ),
    ]  # fmt: skip


def tell(result: StepResult) -> None:
    """Say that a step has ended."""
    print(f"{result.seconds:5.0f} s  {result.name}: {result.problem or 'done'}", flush=True)


def device_facts() -> dict[str, object]:
    """Tell what the figures hold for."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": device_name(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()}",
        "python": platform.python_version(),
        "packages": versions,
        "providers": list(installed_providers()),
        "memory in GB": memory(),
        "governor": read(_GOVERNOR),
        "load": load(),
        "celsius": celsius(),
        "day": time.strftime("%Y-%m-%d"),
    }


def load() -> float | None:
    """How many processes wanted a processor in the last minute; None on Windows."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def memory() -> float | None:
    """Memory in gigabytes; None where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def celsius() -> float | None:
    """How hot the processor is, as Linux tells it; None where it does not."""
    text = read(_TEMPERATURE)
    return int(text) / 1000 if text and text.lstrip("-").isdecimal() else None


def read(path: Path) -> str | None:
    """What stands in a file of the system, None where there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.board",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", type=Path, default=Path("board.json"), metavar="FILE",
        help="where the figures go (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--short", action="store_true", help="two minutes, to see that it works")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
