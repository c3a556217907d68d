"""The few calls of CUDA's runtime that a TensorRT engine needs. Not run on such a device yet.

They go through ctypes, because on a Jetson the library comes with JetPack, without a Python
package. Names and numbers are those of NVIDIA's "CUDA Runtime API"; they are the same in CUDA 11,
12 and 13.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

_NAMES = ("libcudart.so", "libcudart.so.12", "libcudart.so.13")
_FOLDERS = (Path("/usr/local/cuda/lib64"),)  # JetPack's and the toolkit's
_TO_DEVICE, _TO_HOST = 1, 2  # cudaMemcpyKind
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76  # cudaDeviceAttr
_FIRST_DEVICE = 0


class CudaError(RuntimeError):
    """A call of CUDA failed, or there is no CUDA."""


class CudaRuntime:
    """Memory and streams of the first GPU.

    Args:
        library: libcudart, loaded.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.cudaGetErrorString.restype = ctypes.c_char_p

    def describe_device(self) -> str:
        """Return what an engine depends on, such as 'sm87x16': architecture and multiprocessors.

        Raises:
            CudaError: There is no GPU, or its driver is too old for this CUDA.
        """
        major, minor, count = (
            self._attribute(number) for number in (_MAJOR, _MINOR, _MULTIPROCESSORS)
        )
        return f"sm{major}{minor}x{count}"

    def allocate(self, size: int) -> int:
        """Allocate memory on the device.

        Args:
            size: Bytes.

        Returns:
            Its address.

        Raises:
            CudaError: There is too little memory.
        """
        place = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(place), ctypes.c_size_t(size))
        return _address(place)

    def create_stream(self) -> int:
        """Create a stream, and return its handle."""
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(stream))
        return _address(stream)

    def copy_in(self, place: int, values: NDArray[Any], stream: int) -> None:
        """Copy a contiguous array to the device's memory."""
        self._copy(place, values.ctypes.data, values.nbytes, _TO_DEVICE, stream)

    def copy_out(self, values: NDArray[Any], place: int, stream: int) -> None:
        """Copy from the device's memory into a contiguous array, which is complete after `wait`."""
        self._copy(values.ctypes.data, place, values.nbytes, _TO_HOST, stream)

    def wait(self, stream: int) -> None:
        """Wait until a stream has finished all its work."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(stream))

    def release(self, places: list[int], stream: int) -> None:
        """Free memory and a stream; the list is empty afterwards."""
        while places:
            self._library.cudaFree(ctypes.c_void_p(places.pop()))
        self._library.cudaStreamDestroy(ctypes.c_void_p(stream))

    def _copy(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        self._call(
            "cudaMemcpyAsync", ctypes.c_void_p(to), ctypes.c_void_p(source),
            ctypes.c_size_t(size), ctypes.c_int(kind), ctypes.c_void_p(stream),
        )  # fmt: skip

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call(
            "cudaDeviceGetAttribute",
            ctypes.byref(value),
            ctypes.c_int(number),
            ctypes.c_int(_FIRST_DEVICE),
        )
        return value.value

    def _call(self, name: str, *arguments: Any) -> None:  # noqa: ANN401 ctypes' own
        status: int = getattr(self._library, name)(*arguments)
        if status:
            said = self._library.cudaGetErrorString(ctypes.c_int(status)) or b"unknown error"
            raise CudaError(f"{name}: {said.decode(errors='replace')}")


def load_cuda_runtime() -> CudaRuntime:
    """Load the first libcudart that finds a GPU: the system's, or one from NVIDIA's packages.

    A library that was built for another driver loads too, but finds no GPU.

    Raises:
        CudaError: There is no libcudart, or none that finds a GPU.
    """
    problem = CudaError("there is no CUDA runtime (libcudart.so) here")
    for place in _places():
        try:
            runtime = CudaRuntime(ctypes.CDLL(place))
            runtime.describe_device()
        except (OSError, AttributeError):  # AttributeError: another library with that name
            continue
        except CudaError as error:
            problem = error
            continue
        return runtime
    raise problem


def _places() -> Iterator[str]:
    yield from _NAMES
    yield from (str(folder / name) for folder in _FOLDERS for name in _NAMES)
    for folder in sys.path:
        yield from sorted(map(str, Path(folder).glob("nvidia/*/lib/libcudart.so.*")))


def _address(pointer: ctypes.c_void_p) -> int:
    return pointer.value or 0
