"""Send events to an MQTT broker, in order and at least once, across its restarts and ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event, jpeg
from webcam_classifier.events.event_queue import Pending, open_event_queue
from webcam_classifier.events.mqtt_broker import Broker
from webcam_classifier.events.mqtt_topics import (
    OFFLINE,
    ONLINE,
    Topics,
    camera_discovery,
    discovery,
)
from webcam_classifier.events.sink import DRAIN_SECONDS, Controls, Sink, SinkCounts, Tell
from webcam_classifier.model_card import NO_PICTURE, UNKNOWN_NAME
from webcam_classifier.visible_text import json_line

if TYPE_CHECKING:  # an optional package, imported only if a broker is used
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

QUEUE_LIMIT = 100_000  # events on the disk
_KEEPALIVE = 15  # seconds; a broker that hangs is noticed after one and a half times this
_CONNECT_SECONDS = 5.0
_QUEUE_PAUSE = 1.0  # seconds after the queue on the disk failed
_LONGEST_PAUSE = 10  # seconds between two tries to connect

_OBEYED = ("pause", "resume", "snapshot", "model NAME")


class MqttSink(Sink):
    """Publishes events one after another, waiting until the broker acknowledges each (QoS 1).

    An event is written to the disk before it is published, and removed once it is acknowledged. If
    the broker or this program is killed in between, the event is sent again, with the same id.

    Args:
        broker: The broker and the base of the topics.
        tell: Called with a sentence when the broker can't be reached or refuses, or when an unknown
            command arrives.
        labels: The labels of the model, for Home Assistant; or those of each region by its name.
            Events of a region go to topics below its name.
        queue_path: The file of the queue.
        limit: How many events wait at most.

    Raises:
        UserError: paho-mqtt is not installed.
    """

    def __init__(
        self,
        broker: Broker,
        tell: Tell,
        labels: Sequence[str] | Mapping[str, Sequence[str]],
        queue_path: Path,
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self.name = f"--mqtt {broker.shown}"
        self._controls: Controls | None = None
        self._tell = tell
        self._topics = Topics(broker.topic)
        self._labels = labels if isinstance(labels, Mapping) else {"": labels}
        self._discovered: frozenset[str] = frozenset()  # topics
        self._said = ""
        self._limit = limit
        self._arrived: list[Event] = []
        self._changed = threading.Condition()  # guards all below
        self._delivered = self._dropped = self._retried = 0
        self._connections = 0
        self._acknowledged: set[int] = set()  # numbers of messages, in paho's counting
        self._is_saving = False
        self._closing = False
        self._closed = threading.Event()
        self._queue, problem = open_event_queue(queue_path, limit)
        if problem:
            tell(f"{self.name}: events that wait are kept in memory alone: {problem}")
        self._client = self._connect(broker)
        self._threads = [
            threading.Thread(target=work, name=f"sink {self.name}", daemon=True)
            for work in (self._save, self._publish)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def counts(self) -> SinkCounts:
        """The counts so far; pending events include those of earlier runs on the disk."""
        with self._changed:
            pending = len(self._arrived) + self._is_saving + len(self._queue)
            reconnects = max(0, self._connections - 1)
            return SinkCounts(self._delivered, self._dropped, self._retried, pending, reconnects)

    def obey_with(self, controls: Controls) -> None:
        """Set what carries out commands."""
        self._controls = controls

    def take_labels(self, labels: Sequence[str]) -> None:
        """Tell Home Assistant the labels of the new model."""
        self._labels = {"": labels}
        if self._client.is_connected():  # otherwise once it is
            self._discover(self._client)

    def take_event(self, event: Event) -> None:
        """Publish an event."""
        with self._changed:
            if self._closing:
                return
            if len(self._arrived) >= self._limit:
                self._arrived.pop(0)
                self._dropped += 1
            self._arrived.append(event)
            self._changed.notify_all()

    def close(self) -> None:
        """Publish what is pending, for some seconds at most; the rest stays on the disk."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            if self._client.is_connected():
                self._changed.wait_for(self._is_idle, DRAIN_SECONDS)
            else:
                self._changed.wait_for(lambda: not self._arrived and not self._is_saving, 1.0)
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(1.0)
        if self._client.is_connected():
            last = self._client.publish(self._topics.availability, OFFLINE, qos=1, retain=True).mid
            with self._changed:
                self._changed.wait_for(lambda: last in self._acknowledged, 1.0)
            self._client.disconnect()
        stopping = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopping.start()  # in a thread, because a connection attempt would delay the end
        stopping.join(1.0)
        if pending := self.counts.pending:
            self._tell(f"{self.name}: {pending} events wait for the next start")
        if not any(thread.is_alive() for thread in self._threads):
            self._queue.close()

    def _is_idle(self) -> bool:
        return not self._arrived and not self._is_saving and not len(self._queue)

    def _connect(self, broker: Broker) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise UserError(
                "--mqtt needs paho-mqtt, which is not installed. Install it: "
                "`pip install paho-mqtt`."
            ) from error
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = _CONNECT_SECONDS
        client.reconnect_delay_set(1, _LONGEST_PAUSE)
        if broker.user:
            client.username_pw_set(broker.user, broker.password or None)
        if broker.is_encrypted:
            client.tls_set()
        client.will_set(self._topics.availability, OFFLINE, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.connect_async(broker.host, broker.port, _KEEPALIVE)
        client.loop_start()
        return client

    def _on_connect(
        self,
        client: Client,
        _data: Any,  # noqa: ANN401  paho's own
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._say(f"{self.name}: the broker refuses: {reason}. Check user and password.")
            return
        self._said = ""
        self._connections += 1
        client.subscribe(self._topics.command, qos=1)
        self._discover(client)
        client.publish(self._topics.availability, ONLINE, qos=1, retain=True)

    def _discover(self, client: Client) -> None:
        found = dict(
            entity
            for region, labels in self._labels.items()
            for entity in discovery(self._topics, _told_labels(labels), region)
        )
        gone = self._discovered - found.keys()
        if "" not in self._labels:
            found.update([camera_discovery(self._topics)])  # for the `snapshot` command
            # Retained messages of an earlier run with one model would look as if they still held.
            one_model = dict(discovery(self._topics, _told_labels(())))
            gone |= {self._topics.state, *one_model} - found.keys()
        self._discovered = frozenset(found)
        for topic, payload in [*((topic, b"") for topic in gone), *found.items()]:
            client.publish(topic, payload, qos=1, retain=True)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:  # noqa: ANN401  paho's own
        self._say(f"{self.name} can't be reached; events wait on the disk until it can.")

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,  # noqa: ANN401  paho's own
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not self._closed.is_set() and reason.is_failure:
            self._say(f"{self.name} was lost; events wait on the disk until it is back.")

    def _on_publish(
        self,
        _client: Client,
        _data: Any,  # noqa: ANN401  paho's own
        message: int,
        _reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        with self._changed:
            self._acknowledged.add(message)
            self._changed.notify_all()

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:  # noqa: ANN401  paho's own
        if message.retain:
            return  # a retained command would be carried out at every start
        command = message.payload.decode(errors="replace").strip()
        controls = self._controls
        if controls is None:
            return
        if command == "pause":
            controls.pause()
        elif command == "resume":
            controls.resume()
        elif command == "snapshot":
            image = controls.newest_image
            if image is not None:
                client.publish(self._topics.picture, jpeg(image), qos=1, retain=True)
        elif command.startswith("model "):
            try:
                controls.change_model(command.removeprefix("model ").strip())
            except UserError as error:
                self._say(f"{self.name}: {error}")
        else:
            shown = repr(command[:40])
            self._say(
                f"{self.name}: {shown} is not a command; the commands are {', '.join(_OBEYED)}."
            )

    def _say(self, sentence: str) -> None:
        if sentence != self._said:  # once, not at every attempt
            self._said = sentence
            self._tell(sentence)

    def _save(self) -> None:
        """Write arriving events to the disk."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._arrived or self._closing)
                if not self._arrived:
                    return
                event = self._arrived.pop(0)
                self._is_saving = True
            payload = json_line(event.fields()).encode()
            picture = None if event.image is None else jpeg(event.image)
            dropped = 0
            try:
                dropped = self._queue.add(payload, picture)
            except OSError as error:
                dropped = 1
                self._say(f"{self.name}: an event could not be kept on the disk: {error}")
            with self._changed:
                self._is_saving = False
                self._dropped += dropped
                self._changed.notify_all()
                is_last = not self._arrived  # otherwise save the next one first
            if is_last:
                try:
                    self._queue.flush()
                except OSError as error:
                    self._say(f"{self.name}: a power cut may lose events now: {error}")

    def _publish(self) -> None:
        """Publish the oldest event until it is acknowledged, then the next."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        self._closed.is_set() or (len(self._queue) and self._client.is_connected())
                    ),
                    timeout=0.2,  # paho does not notify this condition when it connects
                )
            if self._closed.is_set():
                return
            if not self._client.is_connected():
                continue
            try:
                pending = self._queue.oldest()
                if pending is not None and self._is_acknowledged(pending):
                    self._queue.remove(pending.number)
                    with self._changed:
                        self._delivered += 1
                        self._changed.notify_all()
            except OSError as error:  # the event is sent again, with the same id
                self._say(f"{self.name}: the queue on the disk can't be used: {error}")
                self._closed.wait(_QUEUE_PAUSE)

    def _is_acknowledged(self, pending: Pending) -> bool:
        """Send an event, and wait until the broker has acknowledged all of it.

        Returns:
            False if the sink was closed before that.
        """
        connections = self._connections
        # The event may be from an earlier run with other regions.
        topics = self._topics.of_region(json.loads(pending.payload).get("region", ""))
        with self._changed:
            self._acknowledged.clear()
        messages = {
            self._client.publish(topics.event, pending.payload, qos=1).mid,
            self._client.publish(topics.state, pending.payload, qos=1, retain=True).mid,
        }
        if pending.picture is not None:
            sent = self._client.publish(topics.picture, pending.picture, qos=1, retain=True)
            messages.add(sent.mid)
        with self._changed:  # paho sends them again after it has reconnected
            self._changed.wait_for(lambda: messages <= self._acknowledged or self._closed.is_set())
            if not messages <= self._acknowledged:
                return False
            self._retried += self._connections - connections
        return True


def _told_labels(labels: Sequence[str]) -> list[str]:
    return [*labels, UNKNOWN_NAME, NO_PICTURE]
