"""TensorRT's module and CUDA's runtime for machines without a GPU, computing on the processor.

They have as much of both as a session uses, refuse the graphs that the real parser is documented to
refuse, and compute with onnxruntime between places in this process's memory. So everything up to
the real library is run: what is handed to it, what is kept, and what is told when it fails.
"""

from __future__ import annotations

import ctypes
import enum
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from webcam_classifier.private_onnxruntime import onnxruntime

VERSION = "TENSORRT_STAND_IN_VERSION"
"""An environment variable: which version the module says that it is."""
IS_WRONG = "TENSORRT_STAND_IN_IS_WRONG"
"""An environment variable: set, the answers are wrong."""
NO_DEVICE = "CUDA_STAND_IN_NO_DEVICE"
"""An environment variable: set, there is no GPU."""

_MAGIC = b"an engine of the stand-in\n"
_NUMBERS: dict[int, tuple[str, type[np.generic]]] = {
    TensorProto.FLOAT: ("FLOAT", np.float32),
    TensorProto.FLOAT16: ("HALF", np.float16),
    TensorProto.UINT8: ("UINT8", np.uint8),
}

__version__ = os.environ.get(VERSION, "10.3.0")

_CUDA = r"""
#include <stdlib.h>
#include <string.h>
static int absent(void) { return getenv("CUDA_STAND_IN_NO_DEVICE") ? 100 : 0; }
const char *cudaGetErrorString(int status) {
    return status == 100 ? "no CUDA-capable device is detected" : "unspecified launch failure";
}
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 16 ? 16 : -1;
    return device ? 101 : absent();
}
int cudaMalloc(void **place, size_t size) { *place = malloc(size); return absent(); }
int cudaFree(void *place) { free(place); return 0; }
int cudaStreamCreate(void **stream) { *stream = malloc(1); return absent(); }
int cudaStreamSynchronize(void *stream) { return stream ? 0 : 400; }
int cudaStreamDestroy(void *stream) { free(stream); return 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    if (!stream || (kind != 1 && kind != 2)) return 21;
    memcpy(to, from, size);
    return 0;
}
"""


def install(folder: Path, compiler: str) -> None:
    """Put both into a folder for `sys.path`, as packages of NVIDIA lie in one.

    Args:
        folder: Empty.
        compiler: Of C.
    """
    package = folder / "tensorrt" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text(
        "from tests.tensorrt_stand_in import *\nfrom tests.tensorrt_stand_in import __version__\n"
    )
    (folder / "tensorrt-10.3.0.dist-info").mkdir()
    library = folder / "nvidia" / "cuda_runtime" / "lib" / "libcudart.so.12"
    library.parent.mkdir(parents=True)
    source = folder / "cudart.c"
    source.write_text(_CUDA)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True, timeout=60
    )


def header_of(engine: Path) -> dict[str, Any]:
    """What an engine was built with: `flags` of the builder, `typed`, and the `graph`'s digest."""
    content = engine.read_bytes().removeprefix(_MAGIC)
    header: dict[str, Any] = json.loads(content.partition(b"\n")[0])
    return header


class BuilderFlag(enum.IntEnum):
    """Of TensorRT 10; 11 has none of the precisions."""

    if int(__version__.partition(".")[0]) < 11:
        FP16 = 0
        INT8 = 1
    TF32 = 7


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    UINT8 = 5


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def __init__(self) -> None:
        self.is_made = True

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        raise NotImplementedError


class Network:
    def __init__(self, flags: int) -> None:
        self.is_typed = bool(flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self.graph = b""


class BuilderConfig:
    def __init__(self) -> None:
        self.flags = {BuilderFlag.TF32}

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)


class Builder:
    def __init__(self, logger: ILogger) -> None:
        assert logger.is_made  # without it the real one crashes
        self._logger = logger

    def create_network(self, flags: int = 0) -> Network:
        return Network(flags)

    def create_builder_config(self) -> BuilderConfig:
        return BuilderConfig()

    def build_serialized_network(self, network: Network, config: BuilderConfig) -> memoryview:
        assert network.graph
        header = {
            "flags": sorted(flag.name for flag in config.flags),
            "typed": network.is_typed,
            "graph": hashlib.sha256(network.graph).hexdigest(),
        }
        return memoryview(_MAGIC + json.dumps(header).encode() + b"\n" + network.graph)


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text


class OnnxParser:
    def __init__(self, network: Network, logger: ILogger) -> None:
        assert logger.is_made
        self._network = network
        self._errors: list[str] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return ParserError(self._errors[index])

    def parse(self, model: bytes) -> bool:
        self._errors = refusals(onnx.load_from_string(model).graph)
        self._network.graph = model
        return not self._errors


def refusals(graph: onnx.GraphProto) -> list[str]:
    """Why the real parser would refuse a graph, as its sources and NVIDIA's documentation say."""
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    found = []
    for node in graph.node:
        if graph.input[0].name in node.input and node.op_type != "Cast":
            found.append(f"{node.op_type}: UINT8 is only supported as network input or output")
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        stored = constants.get(node.input[0])
        if stored is not None and stored.dtype == np.int32:
            found.append("only activation datatypes allowed as input to this layer")
        zero = constants[node.input[2]]
        if zero.any():
            found.append("Non-zero zero point is not supported.")
        if zero.dtype == np.uint8:  # the real one takes it for int8, with a warning
            found.append("TensorRT supports UINT8 zero_point only on DLA")
    for value in (*graph.input, *graph.output):
        if any(not axis.dim_value for axis in value.type.tensor_type.shape.dim):
            found.append("network has dynamic inputs, but no optimization profile has been defined")
    return found


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        content = bytes(serialized_engine)
        if not content.startswith(_MAGIC):
            self._logger.log(ILogger.Severity.ERROR, "Magic tag does not match")
            return None
        return Engine(content.removeprefix(_MAGIC).partition(b"\n")[2])


class Engine:
    def __init__(self, graph: bytes) -> None:
        model = onnx.load_from_string(graph)
        self._values = (*model.graph.input, *model.graph.output)
        self._inputs = {value.name for value in model.graph.input}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            graph, sess_options=options, providers=["CPUExecutionProvider"]
        )

    @property
    def num_io_tensors(self) -> int:
        return len(self._values)

    def get_tensor_name(self, index: int) -> str:
        return str(self._values[index].name)

    def get_tensor_shape(self, name: str) -> list[int]:
        return [axis.dim_value for axis in self._type(name).shape.dim]

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[_NUMBERS[self._type(name).elem_type][0]]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def create_execution_context(self) -> ExecutionContext:
        return ExecutionContext(self)

    def view(self, name: str, address: int) -> NDArray[Any]:
        kind = np.dtype(_NUMBERS[self._type(name).elem_type][1])
        shape = self.get_tensor_shape(name)
        size = int(np.prod(shape)) * kind.itemsize
        memory = memoryview((ctypes.c_char * size).from_address(address)).cast("B")
        return np.frombuffer(memory, kind).reshape(shape)

    def is_input(self, name: str) -> bool:
        return name in self._inputs

    def _type(self, name: str) -> onnx.TypeProto.Tensor:
        found: onnx.ValueInfoProto = next(value for value in self._values if value.name == name)
        return found.type.tensor_type


class ExecutionContext:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle
        names = [*self._addresses]
        feeds = {
            name: self._engine.view(name, self._addresses[name])
            for name in names
            if self._engine.is_input(name)
        }
        outputs = [name for name in names if not self._engine.is_input(name)]
        for name, found in zip(outputs, self._engine.session.run(outputs, feeds), strict=True):
            answer = found[..., ::-1] if IS_WRONG in os.environ else found
            self._engine.view(name, self._addresses[name])[...] = answer
        return True
