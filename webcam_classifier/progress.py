"""Progress events of long work, for a listener in Python and as lines of JSON.

The library emits `Progress` and `Epoch`. A command emits `Note` for each line that the library
logs, and `Result` or `Failed` at its end. To receive events, call `listening`; without a listener
nothing is emitted. Stages are stable identifiers; their texts for people are in `stage_captions`.

As JSON, each event is one object on one line, with "event", "version" and these fields:

- "progress": "stage" (a value of `Stage`), "done", "total" (null where it isn't known), "subject"
  (what it is about, such as a label; may be empty). In the last event of a stage that was
  completed, and in no other, done equals total.
- "epoch": "epoch", an object of "number" (from 0: the network before training), "epochs" (the
  maximum number), "training_loss", "validation_loss", "validation_accuracy" (0
  to 1), "seconds" (since training began), "seconds_left"; null is what isn't known.
- "note": "message", a sentence for a person.
- "result": "message", "output" (the file or folder that was written; null if none was),
  "accuracy" (0 to 1), "interval" (low and high of the 95 % interval), "right" and "count" (how many
  of how many pictures); null is what was not measured.
- "failed": "message", a sentence or two for a person.

A reader should ignore events and fields that it does not know, and events of a later version: the
version rises only when the meaning of a field changes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, ClassVar, TypeVar

VERSION = 1
"""Of the JSON."""

_TELL_EVERY = 0.1  # seconds

Item = TypeVar("Item")


class Stage(str, Enum):
    """What is being done. The values are stable: programs read them."""

    RECORD = "record"
    READ = "read"
    EMBED = "embed"
    TRAIN = "train"
    EVALUATE = "evaluate"
    CALIBRATE = "calibrate"
    COMPARE = "compare"
    EXPLAIN = "explain"
    TRY_RUNTIMES = "try_runtimes"
    START_CANDIDATES = "start_candidates"
    TIME_CANDIDATES = "time_candidates"


@dataclass(frozen=True)
class Progress:
    """How far a stage is.

    Attributes:
        stage: What is being done.
        done: How many of its items are done.
        total: How many there are; None where that isn't known.
        subject: What it is about, such as the label that is recorded; often empty.
    """

    stage: Stage
    done: int
    total: int | None
    subject: str = ""

    NAME: ClassVar[str] = "progress"

    @property
    def is_over(self) -> bool:
        """Whether this is the last of its stage."""
        return self.done == self.total

    def fields(self) -> dict[str, object]:
        """What JSON holds besides the event and the version."""
        return {**asdict(self), "stage": self.stage.value}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Progress:
        """The event of such fields; `KeyError`, `TypeError` or `ValueError` where they aren't."""
        total = fields["total"]
        return cls(
            Stage(fields["stage"]),
            int(fields["done"]),
            None if total is None else int(total),
            str(fields.get("subject", "")),
        )


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch of fine-tuning.

    Attributes:
        number: From 1; 0 is the network before training, with only its head fitted.
        epochs: How many there are going to be at the most.
        training_loss: Mean over the pictures' views; None for epoch 0.
        validation_loss: Cross-entropy; None without validation pictures.
        validation_accuracy: 0 to 1; None without validation pictures.
        seconds: Since training began, those before a resumption included.
        seconds_left: An estimate for the epochs that are left; None where there is none yet.
    """

    number: int
    epochs: int
    training_loss: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    seconds_left: float | None = None

    NAME: ClassVar[str] = "epoch"

    def fields(self) -> dict[str, object]:
        """What JSON holds besides the event and the version."""
        return {"epoch": asdict(self)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Epoch:
        """The event of such fields; `KeyError`, `TypeError` or `ValueError` where they aren't."""
        epoch = fields["epoch"]
        return cls(
            int(epoch["number"]),
            int(epoch["epochs"]),
            _number(epoch["training_loss"]),
            _number(epoch["validation_loss"]),
            _number(epoch["validation_accuracy"]),
            float(epoch["seconds"]),
            _number(epoch.get("seconds_left")),
        )


@dataclass(frozen=True)
class Note:
    """Something that a person should know, and that stops nothing.

    Attributes:
        message: A sentence.
    """

    message: str

    NAME: ClassVar[str] = "note"

    def fields(self) -> dict[str, object]:
        """What JSON holds besides the event and the version."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Note:
        """The event of such fields; `KeyError` where they aren't."""
        return cls(str(fields["message"]))


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Attributes:
        message: What came out, in a line for a person.
        output: The file or folder that was written; None where none was.
        accuracy: 0 to 1; None where none was measured.
        interval: Low and high of its 95 % interval; likewise.
        right: Of how many pictures the label was right; likewise.
        count: Of how many pictures; likewise.
    """

    message: str
    output: str | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    right: int | None = None
    count: int | None = None

    NAME: ClassVar[str] = "result"

    def fields(self) -> dict[str, object]:
        """What JSON holds besides the event and the version."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Result:
        """The event of such fields; `KeyError`, `TypeError` or `ValueError` where they aren't."""
        output, interval = fields.get("output"), fields.get("interval")
        right, count = fields.get("right"), fields.get("count")
        return cls(
            str(fields["message"]),
            None if output is None else str(output),
            _number(fields.get("accuracy")),
            None if interval is None else (float(interval[0]), float(interval[1])),
            None if right is None else int(right),
            None if count is None else int(count),
        )


@dataclass(frozen=True)
class Failed:
    """Why a command failed.

    Attributes:
        message: What is wrong and what to do next, for a person.
    """

    message: str

    NAME: ClassVar[str] = "failed"

    def fields(self) -> dict[str, object]:
        """What JSON holds besides the event and the version."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Failed:
        """The event of such fields; `KeyError` where they aren't."""
        return cls(str(fields["message"]))


Event = Progress | Epoch | Note | Result | Failed
Listener = Callable[[Event], None]

_KINDS: Mapping[str, type[Progress | Epoch | Note | Result | Failed]] = {
    kind.NAME: kind for kind in (Progress, Epoch, Note, Result, Failed)
}

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


def to_json(event: Event) -> str:
    """Write an event as JSON, one line of ASCII without its end."""
    return json.dumps({"event": event.NAME, "version": VERSION, **event.fields()}, allow_nan=False)


def from_json(line: str) -> Event | None:
    """Read an event back.

    Args:
        line: From `to_json`, of this version of the program or another.

    Returns:
        None for an event, a version or a stage that is not known here.

    Raises:
        ValueError: It is no event at all, or lacks a field.
    """
    fields = json.loads(line)
    if not isinstance(fields, dict) or "event" not in fields:
        raise ValueError(f"no event: {line[:80]!r}")
    kind = _KINDS.get(fields["event"])
    if kind is None or fields.get("version", 0) > VERSION:
        return None
    if kind is Progress and fields.get("stage") not in {stage.value for stage in Stage}:
        return None
    try:
        return kind.from_fields(fields)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"not a whole event: {line[:80]!r}") from error


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener called with each event, besides those that listen already.

    It holds for this context (see `contextvars`): other threads have listeners of their own.

    Args:
        listener: Called in the thread that works, so it must be quick.
    """
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def tell(event: Event) -> bool:
    """Call whoever listens here with an event; tells whether anybody does."""
    listeners = _listeners.get()
    for listener in listeners:
        listener(event)
    return bool(listeners)


def track(
    stage: Stage, items: Iterable[Item], total: int | None = None, subject: str = ""
) -> Iterator[Item]:
    """Yield the items, and tell how far it is.

    Args:
        stage: What is done with them.
        items: What to go through.
        total: How many items there are, where `items` can't tell.
        subject: See `Progress`.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    counter = Counter(stage, total, subject)
    for item in items:
        yield item
        counter.advance()
    counter.finish()


class Counter:
    """Tells how far a stage is, ten times a second at the most; for work that is no simple loop.

    Args:
        stage: What is being done.
        total: How many items there are; None where that isn't known.
        subject: See `Progress`.
        done: How many of them were done before, by a run that was cut short.
    """

    def __init__(
        self, stage: Stage, total: int | None, subject: str = "", *, done: int = 0
    ) -> None:
        self._stage = stage
        self._total = total
        self._subject = subject
        self._done = done
        self._told = time.monotonic()
        if total != done:
            self._tell(total)

    def advance(self) -> None:
        """Count one item more."""
        self._done += 1
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY and self._done != self._total:
            self._told = now
            self._tell(self._total)

    def finish(self) -> None:
        """Tell that the stage is over, also where there were fewer items than were expected."""
        if self._done or self._total:
            self._tell(self._done)

    def _tell(self, total: int | None) -> None:
        tell(Progress(self._stage, self._done, total, self._subject))


def _number(value: object) -> float | None:
    """A number of JSON; None for null, and for the NaN that Python's reader takes."""
    if value is None:
        return None
    number = float(str(value))
    return None if math.isnan(number) else number
