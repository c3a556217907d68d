"""Read parameters from files in the format of torch before version 1.6, without torch.

Such a file consists of pickles followed by the values of each storage. The unpickler allows
ordered dictionaries, tensors and storages only.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class TorchArchiveError(ValueError):
    """A file has another format, is damaged, or has a forbidden class. The text is a clause."""


@dataclass(frozen=True)
class _StorageType:
    code: str


@dataclass(frozen=True)
class _Tensor:
    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_archive(content: bytes) -> dict[str, NDArray[Any]]:
    """Read the tensors of a state dict.

    Args:
        content: A whole file.

    Returns:
        Arrays by name, float32 or int64.

    Raises:
        TorchArchiveError: It can't be read.
    """
    file = BytesIO(content)
    kinds: dict[str, str] = {}
    try:
        if _Unpickler(file, kinds).load() != _MAGIC or _Unpickler(file, kinds).load() != _VERSION:
            raise TorchArchiveError("it was not written by torch before 1.6")
        _Unpickler(file, kinds).load()  # of the machine that wrote it
        state = _Unpickler(file, kinds).load()
        keys = _Unpickler(file, kinds).load()
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            kind = np.dtype(kinds[key])
            storages[key] = np.frombuffer(file.read(count * kind.itemsize), kind, count)
        return {
            str(name): _array(tensor, storages[tensor.storage])
            for name, tensor in state.items()
            if isinstance(tensor, _Tensor)
        }
    except TorchArchiveError:
        raise
    except Exception as error:  # a damaged pickle makes it raise nearly anything
        raise TorchArchiveError(f"it is damaged ({error})") from error


def _array(tensor: _Tensor, storage: NDArray[Any]) -> NDArray[Any]:
    if any(step < 0 for step in (tensor.offset, *tensor.shape, *tensor.strides)):
        raise TorchArchiveError("a tensor has a negative size")
    last = tensor.offset + sum(
        (length - 1) * step for length, step in zip(tensor.shape, tensor.strides, strict=True)
    )
    if last >= storage.size:
        raise TorchArchiveError("a tensor reaches beyond its storage")
    strides = [step * storage.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides)
    return np.array(view, order="C")


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BytesIO, kinds: dict[str, str]) -> None:
        super().__init__(file)
        self._kinds = kinds

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 the base class's type
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _TYPES:
            return _StorageType(_TYPES[name])
        raise TorchArchiveError(f"{module}.{name} is not allowed in a file of weights")

    def persistent_load(self, pid: Any) -> str:  # noqa: ANN401 the base class's type
        _, kind, key, _, _, view = pid
        if not isinstance(kind, _StorageType) or view is not None:
            raise TorchArchiveError("a storage of an unknown kind is in it")
        self._kinds[key] = kind.code
        return str(key)


def _rebuild(
    storage: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)
