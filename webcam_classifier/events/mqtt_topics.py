"""The topics of the MQTT sink, and the messages with which Home Assistant discovers them.

Discovery is Home Assistant's own format:
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
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

    def of_region(self, name: str) -> Topics:
        """Return the topics of a region's events; without a name, those of the whole camera."""
        return Topics(f"{self.base}/{name}") if name else self

    @property
    def event(self) -> str:
        """Each event as JSON, when it happens; not retained."""
        return f"{self.base}/event"

    @property
    def state(self) -> str:
        """The newest event, retained, so that later subscribers know the label at once."""
        return f"{self.base}/state"

    @property
    def availability(self) -> str:
        """`online` or `offline`, retained; the broker publishes `offline` if the program dies."""
        return f"{self.base}/availability"

    @property
    def picture(self) -> str:
        """A JPEG, retained: of the newest event with a picture, or from a `snapshot` command."""
        return f"{self.base}/picture"

    @property
    def command(self) -> str:
        """Takes the commands `pause`, `resume`, `snapshot`, and `model NAME`."""
        return f"{self.base}/command"


def discovery(
    topics: Topics, labels: Sequence[str], region: str = ""
) -> Iterator[tuple[str, bytes]]:
    """Yield topics and retained payloads that make the camera appear in Home Assistant.

    There is a sensor for the label, one for its confidence, a binary sensor for each label, and a
    camera with the newest picture. Those of all regions belong to one device.

    Args:
        topics: The topics of the sink.
        labels: All labels that events can have, including `unknown` and `no_picture`.
        region: The name of the region, which is put before the names of the entities; empty if
            there is one model.
    """
    told = topics.of_region(region)
    prefix = f"{region} " if region else ""
    for kind, key, settings in _entities(told, labels, prefix):
        yield _entity(topics, kind, f"{_identifier(region)}_{key}" if region else key, settings)


def camera_discovery(topics: Topics) -> tuple[str, bytes]:
    """Return topic and payload of the camera's picture, for a camera with regions."""
    return _entity(topics, *_picture(topics, ""))


def _entity(
    topics: Topics, kind: str, key: str, settings: Mapping[str, object]
) -> tuple[str, bytes]:
    device_id = _identifier(topics.base)
    name = topics.base.rsplit("/", 1)[-1]
    unique = f"{device_id}_{key}"
    content = {
        "availability_topic": topics.availability,
        "device": {
            "identifiers": [device_id],
            "name": name,
            "manufacturer": "webcam-classifier",
            "model": "trained camera",
        },
        "origin": {"name": "webcam-classifier"},
        "unique_id": unique,
        "object_id": unique,
        **settings,
    }
    topic = f"{DISCOVERY_PREFIX}/{kind}/{device_id}/{key}/config"
    return topic, json_line(content).encode()


def _entities(
    topics: Topics, labels: Sequence[str], prefix: str
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Yield kind, key and settings of each entity."""
    sensor: dict[str, object] = {
        "name": _named(prefix, "Label"),
        "icon": "mdi:tag",
        "device_class": "enum",
        "options": list(labels),
        "state_topic": topics.state,
        "value_template": "{{ value_json.label }}",
        "json_attributes_topic": topics.state,
    }
    yield "sensor", "label", sensor
    confidence: dict[str, object] = {
        "name": _named(prefix, "Confidence"),
        "icon": "mdi:percent",
        "unit_of_measurement": "%",
        "state_topic": topics.state,
        "value_template": "{{ (100 * value_json.confidence) | round(1) "
        "if value_json.confidence is not none else none }}",
    }
    yield "sensor", "confidence", confidence
    for label in labels:
        # A JSON string is also a valid Jinja string.
        quoted = json.dumps(label, ensure_ascii=False)
        is_label: dict[str, object] = {
            "name": f"{prefix}{label}",
            "state_topic": topics.state,
            "value_template": f"{{{{ 'ON' if value_json.label == {quoted} else 'OFF' }}}}",
        }
        yield "binary_sensor", f"is_{_identifier(label)}", is_label
    yield _picture(topics, prefix)


def _picture(topics: Topics, prefix: str) -> tuple[str, str, Mapping[str, object]]:
    return "camera", "picture", {"name": _named(prefix, "Picture"), "topic": topics.picture}


def _named(prefix: str, name: str) -> str:
    return f"{prefix}{name.lower()}" if prefix else name


def _identifier(text: str) -> str:
    """Make an identifier that Home Assistant accepts; a hash keeps changed ones distinct."""
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", text)
    if plain == text:
        return plain
    return f"{plain.strip('_') or 'label'}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
