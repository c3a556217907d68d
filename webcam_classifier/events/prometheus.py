"""Figures of a running loop for Prometheus, on a port of this device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event
from webcam_classifier.events.event_stream import steady_label
from webcam_classifier.events.sink import Sink, SinkCounts
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model_card import NO_PICTURE

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from prometheus_client.core import Metric

    _Labelled = TypeVar("_Labelled", Counter, Histogram)

LOOPBACK = "127.0.0.1"
_PREFIX = "webcam_classifier"
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # seconds


def parse_address(text: str) -> tuple[str, int]:
    """Parse [HOST:]PORT; without a host, only this device can connect.

    Raises:
        UserError: It is not a port.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise UserError(
            f"--metrics {text} is not a port. It looks like 9464, or 0.0.0.0:9464 to let other "
            "devices read them."
        )
    return host.strip("[]") or LOOPBACK, int(port)


class PrometheusSink(Sink):
    """Serves figures at http://HOST:PORT/metrics.

    Args:
        host: The address to listen on.
        port: TCP port; 0 takes a free one.
        sinks: The sinks whose queues are reported.
        has_regions: Whether there are regions, whose names are then a label of the metrics.

    Attributes:
        port: The port it listens on.

    Raises:
        UserError: The port is taken, or prometheus-client is not installed.
    """

    def __init__(
        self, host: str, port: int, sinks: Sequence[Sink], *, has_regions: bool = False
    ) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
        except ImportError as error:
            raise UserError(
                "--metrics needs prometheus-client, which is not installed. Install it: "
                "`pip install prometheus-client`."
            ) from error
        self.name = f"--metrics {host}:{port}"
        self._sinks = sinks
        self._last_index: int | None = None
        self._region_key = ("region",) if has_regions else ()
        self._labels: dict[str, str] = {}  # the current label by region
        self._known: dict[tuple[str, str], None] = {}  # regions and labels seen so far
        registry = CollectorRegistry()
        self._frames = Counter(f"{_PREFIX}_frames", "Frames labelled.", registry=registry)
        self._dropped = Counter(
            f"{_PREFIX}_dropped_frames",
            "Frames that the source gave and the loop was too slow for.",
            registry=registry,
        )
        self._changes = Counter(
            f"{_PREFIX}_changes",
            "Changes to a label.",
            (*self._region_key, "label"),
            registry=registry,
        )
        self._inference = Histogram(
            f"{_PREFIX}_inference_seconds", "Time that the graph ran.", self._region_key,
            buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self._age = Histogram(
            f"{_PREFIX}_age_seconds", "Age of the frame when its label was known.",
            self._region_key, buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise UserError(
                f"--metrics can't listen on {host}:{port}: {error.strerror or error}. Name another "
                "port."
            ) from error
        self.port = int(self._server.server_port)

    @property
    def counts(self) -> SinkCounts:
        """Zeros: nothing is queued here, because Prometheus fetches the figures."""
        return SinkCounts()

    def take_frame(self, labelled: LabelledFrame) -> None:
        """Count a frame."""
        index, last = labelled.frame.index, self._last_index
        self._last_index = index
        self._frames.inc()
        if last is not None and index > last + 1:
            self._dropped.inc(index - last - 1)
        for region in labelled.regions:
            self._of(self._inference, region.region).observe(region.inference_seconds)
            self._of(self._age, region.region).observe(region.age)
            label = steady_label(region.steady)
            if label is not None:  # even if events are paused
                self._show(region.region, label)

    def take_event(self, event: Event) -> None:
        """Count a change."""
        self._show(event.region, event.label)
        self._of(self._changes, event.region, event.label).inc()

    def take_status(self, status: CameraStatus) -> None:
        """Replace the labels by `no_picture` when the camera gives none."""
        if status.is_stale:
            for region in list(self._labels):
                self._show(region, NO_PICTURE)

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(1.0)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics that are computed when somebody reads the figures."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        keys = (*self._region_key, "label")
        label = GaugeMetricFamily(f"{_PREFIX}_label", "1 for the label now.", labels=keys)
        for region, known in list(self._known):
            values = (region, known) if self._region_key else (known,)
            label.add_metric(values, float(known == self._labels[region]))
        yield label
        all_counts = [(sink.name, sink.counts) for sink in self._sinks]
        for key in ("delivered", "dropped", "retried"):
            counter = CounterMetricFamily(f"{_PREFIX}_sink_{key}", f"Items {key}.", labels=["sink"])
            for name, counts in all_counts:
                counter.add_metric([name], getattr(counts, key))
            yield counter
        pending = GaugeMetricFamily(f"{_PREFIX}_sink_pending", "Items that wait.", labels=["sink"])
        for name, counts in all_counts:
            pending.add_metric([name], counts.pending)
        yield pending
        reconnects = CounterMetricFamily(
            f"{_PREFIX}_sink_reconnects", "Times that a broker was reached again.", labels=["sink"]
        )
        for name, counts in all_counts:
            reconnects.add_metric([name], counts.reconnects)
        yield reconnects

    def _show(self, region: str, label: str) -> None:
        self._labels[region] = label  # first, because figures are read from another thread
        self._known[region, label] = None

    def _of(self, metric: _Labelled, region: str, *values: str) -> _Labelled:
        """Return a metric for a region, or for the one model."""
        labels = (region, *values) if self._region_key else values
        return metric.labels(*labels) if labels else metric
