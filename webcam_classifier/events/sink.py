"""A sink for events: a bounded queue, and threads that deliver from it outside of the loop."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.closing import Closing
from webcam_classifier.events.event import Event
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame

Tell = Callable[[str], None]
"""Called with a sentence for the person at the terminal, from any thread."""

Item = TypeVar("Item")

QUEUE_LIMIT = 1000  # items
DRAIN_SECONDS = 3.0  # to deliver what is pending at the end
_LONGEST_PAUSE = 30.0  # seconds

_logger = logging.getLogger(__name__)


class DeliveryError(Exception):
    """An item could not be delivered; the text is a sentence for a person.

    Args:
        sentence: What went wrong and where, without a password.
        may_retry: Whether another attempt may succeed.
    """

    def __init__(self, sentence: str, *, may_retry: bool) -> None:
        super().__init__(sentence)
        self.may_retry = may_retry


@dataclass(frozen=True)
class SinkCounts:
    """The counts of a sink so far.

    Attributes:
        delivered: Items that were delivered.
        dropped: Items that were given up, because the queue was full or every attempt failed.
        retried: Attempts after the first one.
        pending: Items that are waiting or being delivered.
        reconnects: How often the receiver was reached again.
    """

    delivered: int = 0
    dropped: int = 0
    retried: int = 0
    pending: int = 0
    reconnects: int = 0


class Controls(Protocol):
    """What a remote command can do; `EventStream` implements it."""

    @property
    def newest_image(self) -> BgrImage | None:
        """The picture of the newest frame; None before the first."""

    def pause(self) -> None:
        """Make no events until `resume`."""

    def resume(self) -> None:
        """Make events again."""

    def change_model(self, name: str) -> None:
        """Request another model, and return at once.

        Raises:
            UserError: There are no models to choose from.
        """


@dataclass(frozen=True)
class QueueSettings:
    """How a queue and its threads behave.

    Attributes:
        limit: How many items wait at most.
        tries: How many attempts an item gets; None never gives up.
        workers: How many items are delivered at the same time.
        first_pause: Seconds before the second attempt; each further pause is twice as long.
        waits_when_full: Whether `offer` waits for room instead of dropping an item; for frames of a
            file, which can wait.
        drain_seconds: How long `close` waits for what is pending.
    """

    limit: int = QUEUE_LIMIT
    tries: int | None = 1
    workers: int = 1
    first_pause: float = 0.5
    waits_when_full: bool = False
    drain_seconds: float = DRAIN_SECONDS


_COMMON_SETTINGS = QueueSettings()


class Sink(Closing):
    """A receiver of labelled frames and events. All its methods but `close` return at once.

    Attributes:
        name: Its name for a person, without a password.
    """

    name: str

    @property
    @abstractmethod
    def counts(self) -> SinkCounts:
        """The counts so far."""

    def take_frame(self, labelled: LabelledFrame) -> None:
        """Take a labelled frame."""

    def take_event(self, event: Event) -> None:
        """Take an event."""

    def take_status(self, status: CameraStatus) -> None:
        """Take a change of the camera's status: it stops giving pictures, or gives them again."""

    def take_labels(self, labels: Sequence[str]) -> None:
        """Take the labels of another model, which labels from now on."""

    def obey_with(self, controls: Controls) -> None:
        """Set what carries out remote commands; most sinks receive none."""


class QueuedSink(Sink, Generic[Item]):
    """A sink with a queue in memory and threads that deliver from it.

    A failed delivery is tried again after growing pauses. If the queue is full, the oldest item is
    dropped and counted, because newer items matter more.

    Args:
        name: Its name for a person, without a password.
        tell: Called with a sentence when deliveries begin to fail, and not again while they do.
        settings: The settings of the queue and its threads.
    """

    def __init__(self, name: str, tell: Tell, settings: QueueSettings = _COMMON_SETTINGS) -> None:
        self.name = name
        self._tell = tell
        self._settings = settings
        self._queue: deque[Item] = deque()
        self._changed = threading.Condition()  # guards all below
        self._under_way = 0
        self._delivered = self._dropped = self._retried = 0
        self._failing_with = ""
        self._closing = False
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"sink {name}", daemon=True)
            for _ in range(settings.workers)
        ]
        for thread in self._threads:
            thread.start()

    @abstractmethod
    def deliver(self, item: Item) -> None:
        """Deliver one item; called from a thread of the sink.

        Raises:
            DeliveryError: It could not be delivered.
        """

    @property
    def counts(self) -> SinkCounts:
        """The counts so far."""
        with self._changed:
            pending = len(self._queue) + self._under_way
            return SinkCounts(self._delivered, self._dropped, self._retried, pending)

    def offer(self, item: Item) -> None:
        """Add an item to the queue."""
        with self._changed:
            if self._settings.waits_when_full:
                self._changed.wait_for(
                    lambda: len(self._queue) < self._settings.limit or self._closing
                )
            if self._closing:
                return
            if len(self._queue) >= self._settings.limit:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Deliver what is pending, for some seconds at most, and report what is left."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_idle, self._settings.drain_seconds)
        self._closed.set()
        for thread in self._threads:
            thread.join(0.1)  # a thread that hangs ends with the process
        counts = self.counts
        if counts.pending:
            self._tell(f"{self.name}: {counts.pending} not delivered before the end")

    def _is_idle(self) -> bool:
        return not self._queue and not self._under_way

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue or self._closed.is_set():
                    return
                item = self._queue.popleft()
                self._under_way += 1
                self._changed.notify_all()
            is_delivered = False
            try:
                is_delivered = self._try(item)
            finally:
                with self._changed:
                    self._under_way -= 1
                    self._delivered += is_delivered
                    self._dropped += not is_delivered
                    self._changed.notify_all()

    def _try(self, item: Item) -> bool:
        tried = 0
        while True:
            try:
                self.deliver(item)
            except DeliveryError as error:
                self._fail(str(error))
                tried += 1
                if not error.may_retry or tried == self._settings.tries:
                    return False
            except Exception as error:  # the thread must go on
                _logger.exception("%s failed", self.name)
                self._fail(f"{self.name} failed: {error!r}")
                return False
            else:
                self.note_success(item)
                return True
            pause = min(_LONGEST_PAUSE, self._settings.first_pause * 2 ** min(tried - 1, 16))
            if self._closed.wait(pause):
                return False
            with self._changed:
                self._retried += 1

    def note_success(self, item: Item) -> None:  # noqa: ARG002  for subclasses
        """Note that an item was delivered: the next failure is reported again."""
        self._failing_with = ""

    def _fail(self, sentence: str) -> None:
        if sentence != self._failing_with:  # once, not for every item
            self._failing_with = sentence
            self._tell(sentence)
