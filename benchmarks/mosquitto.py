"""A real MQTT broker, and somebody who writes down what it sends."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from webcam_classifier.errors import UserError

_PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Mosquitto:
    """Mosquitto on a free port of this device; what it holds survives a kill.

    Args:
        folder: For its files.
        password: Of the user `me`; empty lets everybody in.

    Raises:
        UserError: There is no mosquitto on this device.
    """

    def __init__(self, folder: Path, password: str = "") -> None:
        if _PROGRAM is None:
            raise UserError("There is no mosquitto here. Install it: `apt-get install mosquitto`.")
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            f"allow_anonymous {'false' if password else 'true'}",
        ]
        if Path("/root").stat().st_uid == 0:
            lines.append("user root")  # else it gives up its rights, and can't write there
        if password:
            passwords = folder / "passwords"
            subprocess.run(
                ["mosquitto_passwd", "-c", "-b", str(passwords), "me", password], check=True
            )
            lines.append(f"password_file {passwords}")
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert _PROGRAM is not None
        self._process = subprocess.Popen(
            [_PROGRAM, "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


class Subscriber:
    """Writes down all messages, over restarts of the broker, as its session survives them.

    Args:
        port: Of the broker.
        topic: What is wanted, such as `#`.
    """

    def __init__(self, port: int, topic: str) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.is_subscribed = threading.Event()
        self._topic = topic
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=secrets.token_hex(8), clean_session=False
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self.is_subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> Subscriber:
        assert self.is_subscribed.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str | bytes) -> None:
        """Send something, such as a command."""
        self._client.publish(topic, payload, qos=1)

    def of(self, topic: str) -> list[bytes]:
        """What came on a topic."""
        return [payload for found, payload, _ in list(self.messages) if found == topic]

    def json_of(self, topic: str) -> list[dict[str, Any]]:
        """The same, as JSON."""
        return [json.loads(payload) for payload in self.of(topic)]

    def _on_connect(
        self,
        client: Client,
        _data: Any,  # noqa: ANN401  paho's own
        _flags: ConnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        client.subscribe(self._topic, qos=1)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:  # noqa: ANN401  paho's own
        self.messages.append((message.topic, bytes(message.payload), message.retain))
