r"""A bridge to Frigate: pictures of its cameras in, their state out, as its own models tell it.

    $ python -m examples.frigate_bridge models/gate mqtt://broker/frigate --object car
    $ python -m examples.frigate_bridge models/gate mqtt://broker/frigate --camera gate \
          --poll http://frigate:5000

Frigate publishes a crop of what it has found as a JPEG on `frigate/CAMERA/OBJECT/snapshot`; with
`--poll` whole pictures are taken from `/api/CAMERA/latest.jpg` instead. The answer goes to
`frigate/CAMERA/classification/MODEL` as the bare label, once several pictures in a row agree on
another one, which is how Frigate's state classification does it; so Home Assistant and automations
that know one know the other. `unknown` is a state as well.

Topics: https://docs.frigate.video/integrations/mqtt and the state processor in Frigate's source,
frigate/data_processing/real_time/custom_classification.py.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from webcam_classifier import Classifier, UserError, find_model
from webcam_classifier.dataset.picture_files import decode_picture
from webcam_classifier.events.mqtt_broker import Broker, parse_broker

AGREEING = 3
"""Answers in a row that make a state, as in Frigate."""

_UNKNOWN = "unknown"
_TIMEOUT = 5.0  # seconds
_LARGEST = 16_000_000  # bytes of a picture


class States:
    """The state of each camera: it changes when enough answers in a row agree.

    Args:
        agreeing: How many.
    """

    def __init__(self, agreeing: int = AGREEING) -> None:
        self._agreeing = agreeing
        self._states: dict[str, str] = {}
        self._pending: dict[str, tuple[str, int]] = {}

    def take(self, camera: str, label: str) -> str | None:
        """Take an answer about a camera, and return its state where it has become another one."""
        if label == self._states.get(camera):
            self._pending.pop(camera, None)
            return None
        before, count = self._pending.get(camera, (label, 0))
        count = count + 1 if before == label else 1
        if count < self._agreeing:
            self._pending[camera] = label, count
            return None
        self._pending.pop(camera, None)
        self._states[camera] = label
        return label


class Bridge:
    """Labels pictures of cameras and publishes their states, as long as the context lasts.

    Args:
        classifier: The model.
        broker: Its topic is Frigate's `topic_prefix`.
        name: What the model is called in topics.
        wanted_object: The kind of object whose crops are looked at; `+` is all of them, and None
            looks at none.
        agreeing: How many answers in a row make a state.
    """

    def __init__(
        self,
        classifier: Classifier,
        broker: Broker,
        name: str,
        wanted_object: str | None = "+",
        agreeing: int = AGREEING,
    ) -> None:
        self._classifier = classifier
        self._prefix = broker.topic
        self._name = name
        self._snapshots = wanted_object and f"{broker.topic}/+/{wanted_object}/snapshot"
        self._available = f"{broker.topic}-bridge/{name}/available"
        self._states = States(agreeing)
        self._lock = threading.Lock()  # pictures may come from a broker's thread and from polling
        self._client = Client(CallbackAPIVersion.VERSION2)
        if broker.user:
            self._client.username_pw_set(broker.user, broker.password or None)
        if broker.is_encrypted:
            self._client.tls_set()
        self._client.will_set(self._available, "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 10)
        self._client.connect_async(broker.host, broker.port)

    def __enter__(self) -> Bridge:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._client.is_connected():
            self._client.publish(self._available, "offline", qos=1, retain=True).wait_for_publish(1)
        self._client.disconnect()
        self._client.loop_stop()

    def look(self, camera: str, content: bytes) -> None:
        """Label a picture of a camera, and publish its state where that has changed.

        Args:
            camera: Its name in Frigate.
            content: A picture file; what is none is said, and changes nothing.
        """
        try:
            with self._lock:
                prediction = self._classifier.classify(decode_picture(content))
                label = _UNKNOWN if prediction.is_unknown else prediction.label
                state = self._states.take(camera, label)
        except UserError as error:
            print(f"{camera}: no picture that can be used: {error}", file=sys.stderr, flush=True)
            return
        if state is not None:
            topic = f"{self._prefix}/{camera}/classification/{self._name}"
            self._client.publish(topic, state, qos=1, retain=True)
            print(f"{camera}: {state}", flush=True)

    def _on_connect(
        self,
        client: Client,
        _data: Any,  # noqa: ANN401  paho's own
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            print(f"the broker refuses: {reason}", file=sys.stderr, flush=True)
            return
        if self._snapshots:
            client.subscribe(self._snapshots)
        client.publish(self._available, "online", qos=1, retain=True)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:  # noqa: ANN401  paho's own
        camera = message.topic.removeprefix(f"{self._prefix}/").split("/")[0]
        self.look(camera, bytes(message.payload))


def poll(bridge: Bridge, address: str, cameras: Sequence[str], is_over: threading.Event) -> None:
    """Look at the newest picture of some cameras once a second, over Frigate's HTTP API."""
    while not is_over.wait(1.0):
        for camera in cameras:
            url = f"{address.rstrip('/')}/api/{quote(camera, safe='')}/latest.jpg"
            try:
                with urlopen(url, timeout=_TIMEOUT) as answer:
                    content = answer.read(_LARGEST)
            except (URLError, OSError) as error:
                print(f"{camera}: {url} gives no picture: {error}", file=sys.stderr, flush=True)
                continue
            bridge.look(camera, content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Bridge until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("broker", help="with Frigate's topic_prefix: mqtt://broker/frigate")
    parser.add_argument("--name", help="of the model in topics (default: that of its folder)")
    parser.add_argument("--object", default="+", help="whose crops are looked at (default: all)")
    parser.add_argument("--agree", type=int, default=AGREEING, help="answers that make a state")
    parser.add_argument("--poll", metavar="URL", help="of Frigate: look at whole pictures instead")
    parser.add_argument("--camera", action="append", default=[], help="to poll; may be repeated")
    options = parser.parse_args(arguments)
    path = find_model(options.model)
    name = options.name or path.resolve().parent.name
    wanted = None if options.poll else options.object
    bridge = Bridge(
        Classifier(path), parse_broker(options.broker), name, wanted, max(1, options.agree)
    )
    is_over = threading.Event()
    with bridge:
        if options.poll:
            poll(bridge, options.poll, options.camera, is_over)
        else:
            is_over.wait()


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, UserError) as error:
        sys.exit(str(error) or 130)
