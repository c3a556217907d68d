"""Something that closes itself at the end of a `with`, and never hides the error that ended it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

_Closing = TypeVar("_Closing", bound="Closing")


class Closing(ABC):
    """A context manager whose end may fail; where the work failed first, that error is told."""

    @abstractmethod
    def close(self) -> None:
        """End the work; a second call does no harm."""

    def __enter__(self: _Closing) -> _Closing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise
