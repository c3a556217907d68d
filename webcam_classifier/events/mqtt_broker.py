"""The address of an MQTT broker, and the file of the queue for it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from webcam_classifier.errors import UserError
from webcam_classifier.events.shown_address import without_user_info

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Broker:
    """A broker and a topic, from `mqtt[s]://[user:password@]host[:port]/topic`.

    Attributes:
        host: Name or address.
        port: TCP port.
        topic: The base of all topics.
        user: Empty if there is none.
        password: Empty if there is none.
        is_encrypted: Whether TLS is used.
    """

    host: str
    port: int
    topic: str
    user: str
    password: str
    is_encrypted: bool

    def __repr__(self) -> str:
        return f"Broker({self.shown})"

    @property
    def shown(self) -> str:
        """The address for a person, without user and password."""
        scheme = "mqtts" if self.is_encrypted else "mqtt"
        return f"{scheme}://{self.host}:{self.port}/{self.topic}"


def parse_broker(url: str) -> Broker:
    """Parse the address of a broker and a topic.

    Args:
        url: As given by the user.

    Raises:
        UserError: It is not such an address, or names no topic that can be published to.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    topic = unquote(parts.path).strip("/")
    has_more = bool(parts.query or parts.fragment) or url.endswith(("#", "?"))
    if parts.scheme not in _PORTS or not host or not topic or has_more or set("#+\0") & set(topic):
        raise UserError(
            f"--mqtt {without_user_info(url)} names no broker and topic. It looks like "
            "mqtt://example.org/home/door, or mqtts://user:password@example.org/home/door."
        )
    return Broker(
        host,
        port or _PORTS[parts.scheme],
        topic,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "mqtts",
    )


def default_queue_path(broker: Broker) -> Path:
    """Return the file of the queue for a broker and topic, in the XDG folder for state data."""
    base = os.environ.get("XDG_STATE_HOME")
    folder = (Path(base) if base else Path.home() / ".local" / "state") / "webcam-classifier"
    plain = re.sub(r"[^a-zA-Z0-9._-]+", "_", f"{broker.host}-{broker.topic}")[:80]
    return folder / f"mqtt-{plain}-{hashlib.sha256(broker.shown.encode()).hexdigest()[:8]}.db"
