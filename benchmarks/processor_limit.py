"""What this processor can do at most, and how long a network must take at least.

    $ python -m benchmarks.processor_limit models/thumbs
    $ python -m benchmarks.processor_limit models/thumbs/model.int8.onnx --threads 1

Measures the product of two large matrices of floats and of bytes, and copying memory far beyond and
well within the caches; counts the multiplications of a model's graph, and the bytes that its layers
read and write; and divides. No runtime can be faster than the slower of both, with these kinds of
numbers. Processors with matrix units do more with bf16 and bytes than is measured here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.cli.console import run_script
from webcam_classifier.model.classifier import find_model
from webcam_classifier.model_card import BATCH_AXIS
from webcam_classifier.runtime.device_name import device_name, physical_cores

_SIDE = 1024  # of the matrices
_RUNS = 25
_FAR, _NEAR = 256 << 20, 512 << 10  # bytes: beyond every cache, and within a core's own
_BYTES = {TensorProto.FLOAT: 4, TensorProto.INT32: 4, TensorProto.INT64: 8}  # others: one


@dataclass(frozen=True)
class Work:
    """What one run of a graph takes.

    Attributes:
        multiplications: Each with its addition.
        parameters: Bytes of constants.
        traffic: Bytes that all nodes read and write, were nothing fused.
        by_kind: Bytes that nodes of each kind read and write.
    """

    multiplications: int
    parameters: int
    traffic: int
    by_kind: dict[str, int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, count, and say."""
    options = parse(arguments)
    path = find_model(options.model)
    work = count_work(onnx.load(path))
    print(device_name())
    print(
        f"{path}: {work.multiplications / 1e6:.0f} million multiplications, "
        f"{work.parameters / 1e6:.1f} MB of parameters, "
        f"{work.traffic / 1e6:.0f} MB read and written by its layers"
    )
    for kind, count in sorted(work.by_kind.items(), key=lambda item: -item[1])[:6]:
        print(f"  {kind:<18} {count / 1e6:6.1f} MB")
    for threads in options.threads:
        floats, integers = product_rate(threads, False), product_rate(threads, True)
        far, near = copy_rate(threads, _FAR), copy_rate(threads, _NEAR)
        words = f"{threads} thread{'' if threads == 1 else 's'}"
        print(
            f"{words}: {2 * floats / 1e9:.0f} GFLOP/s, {2 * integers / 1e9:.0f} GOP/s of bytes, "
            f"memory {far / 1e9:.0f} GB/s, cache {near / 1e9:.0f} GB/s"
        )
        print(
            f"  at least {1000 * work.multiplications / floats:.2f} ms in fp32, "
            f"{1000 * work.multiplications / integers:.2f} ms in int8, "
            f"{1000 * work.traffic / near:.2f} ms to read and write it all in the cache"
        )


def count_work(model: onnx.ModelProto) -> Work:
    """Count what one picture takes.

    Args:
        model: From pixels (batch, size, size, 3).
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == BATCH_AXIS:
                axis.dim_value = 1
    del fixed.graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {
        value.name: (
            [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim],
            value.type.tensor_type.elem_type,
        )
        for value in (*graph.input, *graph.output, *graph.value_info)
    }
    constants = {entry.name: entry for entry in graph.initializer}
    shapes |= {name: (list(entry.dims), entry.data_type) for name, entry in constants.items()}

    def size_of(name: str) -> int:
        dimensions, kind = shapes.get(name, ([0], TensorProto.FLOAT))
        return int(np.prod(dimensions)) * _BYTES.get(kind, 1)

    multiplications, by_kind = 0, dict[str, int]()
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.output[0] in shapes:
            weight = shapes[node.input[1]][0] if node.input[1] in shapes else [0]
            outputs = int(np.prod(shapes[node.output[0]][0]))
            inner = int(np.prod(weight[1:])) if node.op_type == "Conv" else max(weight)
            if node.op_type != "Conv":
                inner = int(np.prod(weight)) // max(1, shapes[node.output[0]][0][-1])
            multiplications += outputs * inner
        moved = sum(size_of(name) for name in (*node.input, *node.output) if name)
        by_kind[node.op_type] = by_kind.get(node.op_type, 0) + moved
    parameters = sum(size_of(name) for name in constants)
    return Work(multiplications, parameters, sum(by_kind.values()), by_kind)


def product_rate(threads: int, of_bytes: bool) -> float:
    """Measure the multiplications a second of a large product of matrices in onnxruntime.

    Args:
        threads: Of the processor.
        of_bytes: 8-bit integers, else floats.
    """
    random = np.random.default_rng(0)
    kind = TensorProto.UINT8 if of_bytes else TensorProto.FLOAT
    right = random.integers(-127, 128, (_SIDE, _SIDE))
    node = helper.make_node("MatMulInteger" if of_bytes else "MatMul", ["left", "right"], ["out"])
    given = TensorProto.INT32 if of_bytes else TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("left", kind, [_SIDE, _SIDE])],
        [helper.make_tensor_value_info("out", given, [_SIDE, _SIDE])],
        [numpy_helper.from_array(right.astype(np.int8 if of_bytes else np.float32), "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    left = random.integers(0, 256, (_SIDE, _SIDE)).astype(np.uint8 if of_bytes else np.float32)
    return _SIDE**3 / _shortest(lambda: session.run(None, {"left": left}))


def copy_rate(threads: int, size: int) -> float:
    """Measure the bytes that are read and written a second when memory is copied.

    Args:
        threads: Each copies its own.
        size: Bytes of each copy.
    """
    pairs = [(np.zeros(size, np.uint8), np.ones(size, np.uint8)) for _ in range(threads)]
    repeats = max(1, _FAR // size)

    def copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(repeats):
            np.copyto(*pair)

    with ThreadPoolExecutor(threads) as pool:
        seconds = _shortest(lambda: list(pool.map(copy, pairs)), runs=5)
    return 2.0 * size * repeats * threads / seconds


def _shortest(run: Callable[[], object], runs: int = _RUNS) -> float:
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.processor_limit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="a model file, or the folder train.py wrote")
    cores = sorted({1, physical_cores()})
    add("--threads", type=int, nargs="+", default=cores, help="default: %(default)s")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
