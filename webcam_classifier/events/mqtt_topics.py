"""The topics of the MQTT sink, and what Home Assistant has to be told to show them by itself.

Discovery is Home Assistant's own format:
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webcam_classifier.visible_text import json_line

DISCOVERY_PREFIX = "homeassistant"
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Topics:
    """The topics below one base.

    Attributes:
        base: Such as `home/door`.
    """

    base: str

    @property
    def event(self) -> str:
        """Each event as JSON, once it happens; not retained."""
        return f"{self.base}/event"

    @property
    def state(self) -> str:
        """The newest event, retained: who subscribes later knows the label at once."""
        return f"{self.base}/state"

    @property
    def availability(self) -> str:
        """`online` or `offline`, retained; the broker says offline when the program is gone."""
        return f"{self.base}/availability"

    @property
    def picture(self) -> str:
        """A JPEG, retained: of the newest event that carries one, or of a `snapshot`."""
        return f"{self.base}/picture"

    @property
    def command(self) -> str:
        """Obeyed: `pause`, `resume`, `snapshot`, and `model NAME`."""
        return f"{self.base}/command"


def discovery(topics: Topics, labels: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield topics and retained payloads that make the camera appear in Home Assistant.

    It gets a sensor for the label, one for its confidence, a binary sensor for each label, and a
    camera with the newest picture.

    Args:
        topics: Of the sink.
        labels: Those that can be told, `unknown` and `no_picture` among them.
    """
    device_id = _identifier(topics.base)
    name = topics.base.rsplit("/", 1)[-1]
    common = {
        "availability_topic": topics.availability,
        "device": {
            "identifiers": [device_id],
            "name": name,
            "manufacturer": "webcam-classifier",
            "model": "trained camera",
        },
        "origin": {"name": "webcam-classifier"},
    }

    def entity(kind: str, key: str, **settings: object) -> tuple[str, bytes]:
        unique = f"{device_id}_{key}"
        content = {**common, "unique_id": unique, "object_id": unique, **settings}
        topic = f"{DISCOVERY_PREFIX}/{kind}/{device_id}/{key}/config"
        return topic, json_line(content).encode()

    yield entity(
        "sensor",
        "label",
        name="Label",
        icon="mdi:tag",
        device_class="enum",
        options=list(labels),
        state_topic=topics.state,
        value_template="{{ value_json.label }}",
        json_attributes_topic=topics.state,
    )
    yield entity(
        "sensor",
        "confidence",
        name="Confidence",
        icon="mdi:percent",
        unit_of_measurement="%",
        state_topic=topics.state,
        value_template="{{ (100 * value_json.confidence) | round(1) "
        "if value_json.confidence is not none else none }}",
    )
    for label in labels:
        # JSON's strings are Jinja's as well.
        quoted = json.dumps(label, ensure_ascii=False)
        yield entity(
            "binary_sensor",
            f"is_{_identifier(label)}",
            name=label,
            state_topic=topics.state,
            value_template=f"{{{{ 'ON' if value_json.label == {quoted} else 'OFF' }}}}",
        )
    yield entity("camera", "picture", name="Picture", topic=topics.picture)


def _identifier(text: str) -> str:
    """What Home Assistant takes in a topic and an id; other letters leave a trace of their own."""
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", text)
    if plain == text:
        return plain
    return f"{plain.strip('_') or 'label'}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
