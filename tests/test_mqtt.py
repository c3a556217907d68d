from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.mosquitto import Mosquitto, Subscriber
from tests.labelled_frames import an_event
from webcam_classifier.errors import UserError
from webcam_classifier.events.event_queue import EventQueue, open_event_queue
from webcam_classifier.events.mqtt import MqttSink
from webcam_classifier.events.mqtt_broker import parse_broker
from webcam_classifier.events.mqtt_topics import Topics, discovery

LABELS = ("cup", "hand")


def wait_until(is_so: Callable[[], object], seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


class WrittenDown:
    """Obeys commands by writing them down."""

    newest_image = np.full((30, 40, 3), 90, np.uint8)

    def __init__(self) -> None:
        self.done: list[str] = []

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def change_model(self, name: str) -> None:
        self.done.append(f"model {name}")


def broker_in(folder: Path, password: str = "") -> Mosquitto:
    try:
        return Mosquitto(folder / "mosquitto", password)
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with broker_in(tmp_path) as broker:
        yield broker


def sink_to(
    port: int, queue: Path, said: list[str] | None = None, user: str = "", limit: int = 1000
) -> MqttSink:
    tell = print if said is None else said.append
    return MqttSink(
        parse_broker(f"mqtt://{user}127.0.0.1:{port}/home/door"), tell, LABELS, queue, limit
    )


def test_events_come_in_order_and_the_newest_is_kept_for_who_comes_later(
    broker: Mosquitto, tmp_path: Path
) -> None:
    with Subscriber(broker.port, "home/#") as early:
        with sink_to(broker.port, tmp_path / "queue.db") as sink:
            for number in range(20):
                sink.take_event(an_event(number, LABELS[number % 2], with_image=number == 19))
            wait_until(lambda: sink.counts.delivered == 20)
            wait_until(lambda: len(early.of("home/door/event")) == 20)
            assert early.json_of("home/door/event") == [
                an_event(number, LABELS[number % 2]).fields() for number in range(20)
            ]
            with Subscriber(broker.port, "home/door/state") as late:
                wait_until(lambda: late.messages)
                assert late.json_of("home/door/state")[0]["number"] == 19
                assert late.messages[0][2]  # retained
            picture = np.frombuffer(early.of("home/door/picture")[0], np.uint8)
            decoded = cv2.imdecode(picture, cv2.IMREAD_COLOR)
            assert decoded is not None
            assert decoded.shape == (48, 64, 3)
        wait_until(lambda: early.of("home/door/availability") == [b"online", b"offline"])


def test_home_assistant_is_told_all_that_it_needs(broker: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(broker.port, "homeassistant/#") as home, sink_to(broker.port, tmp_path / "q"):
        wait_until(lambda: len(home.messages) >= 7)
        found = {topic: json.loads(payload) for topic, payload, _ in list(home.messages)}
    kinds = sorted(topic.split("/")[1] for topic in found)
    assert kinds == ["binary_sensor"] * 4 + ["camera"] + ["sensor"] * 2
    assert len({one["unique_id"] for one in found.values()}) == 7
    for topic, one in found.items():
        assert topic.endswith("/config")
        assert one["availability_topic"] == "home/door/availability"
        assert one["device"]["identifiers"] == [topic.split("/")[2]]


def test_templates_of_home_assistant_hold_for_every_label() -> None:
    from jinja2 import Environment

    labels = ["cup", 'the "big" one', "Tür ü", "a\\b", "Tür ö"]
    found = list(discovery(Topics("home/door"), labels))
    sensors = [json.loads(payload) for topic, payload in found if "/binary_sensor/" in topic]
    assert len({sensor["unique_id"] for sensor in sensors}) == len(labels)
    environment = Environment()
    for label, sensor in zip(labels, sensors, strict=True):
        template = environment.from_string(sensor["value_template"])
        told = [template.render(value_json={"label": other}) for other in labels]
        assert told == ["ON" if other == label else "OFF" for other in labels]


def test_the_will_says_offline_when_the_program_is_killed(
    broker: Mosquitto, tmp_path: Path
) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from webcam_classifier.events.mqtt import MqttSink\n"
        "from webcam_classifier.events.mqtt_broker import parse_broker\n"
        "MqttSink(parse_broker(sys.argv[1]), print, ['cup'], Path(sys.argv[2]))\n"
        "time.sleep(600)\n"
    )
    with Subscriber(broker.port, "home/door/availability") as watcher:
        process = subprocess.Popen(
            [sys.executable, "-c", program, f"mqtt://127.0.0.1:{broker.port}/home/door",
             str(tmp_path / "queue.db")]
        )  # fmt: skip
        wait_until(lambda: watcher.of("home/door/availability") == [b"online"])
        process.kill()
        process.wait()
        wait_until(lambda: watcher.of("home/door/availability") == [b"online", b"offline"])


def test_commands_are_obeyed_and_others_are_told(broker: Mosquitto, tmp_path: Path) -> None:
    said: list[str] = []
    controls = WrittenDown()
    with (
        Subscriber(broker.port, "home/#") as other,
        sink_to(broker.port, tmp_path / "queue.db", said) as sink,
    ):
        sink.obey_with(controls)
        wait_until(lambda: other.of("home/door/availability"))
        for command in ("pause", "resume", "snapshot", "self-destruct"):
            other.publish("home/door/command", command)
        wait_until(lambda: other.of("home/door/picture") and said)
    assert controls.done == ["pause", "resume"]
    assert "self-destruct" in said[0]


def test_a_broker_that_is_not_there_yet_gets_all_once_it_is(tmp_path: Path) -> None:
    broker, said = broker_in(tmp_path), list[str]()
    queue = tmp_path / "queue.db"
    with sink_to(broker.port, queue, said) as sink:
        for number in range(3):
            sink.take_event(an_event(number))
        wait_until(lambda: said)
        assert "can't be reached" in said[0]
    assert said[1:] == [f"{sink.name}: 3 events wait for the next start"]
    with broker, Subscriber(broker.port, "home/#") as subscriber:
        with sink_to(broker.port, queue) as sink:
            sink.take_event(an_event(3))
            wait_until(lambda: sink.counts.delivered == 4)
        wait_until(lambda: len(subscriber.of("home/door/event")) == 4)
        numbers = [event["number"] for event in subscriber.json_of("home/door/event")]
    assert numbers == [0, 1, 2, 3]


def test_over_restarts_of_the_broker_nothing_is_lost(broker: Mosquitto, tmp_path: Path) -> None:
    with (
        Subscriber(broker.port, "home/door/event") as subscriber,
        sink_to(broker.port, tmp_path / "queue.db") as sink,
    ):
        number = 0
        for turn in range(3):
            for _ in range(20):
                sink.take_event(an_event(number))
                number += 1
            half = number - 10
            wait_until(lambda half=half: sink.counts.delivered >= half)  # type: ignore[misc]
            if turn % 2:
                broker.stop()
            else:
                broker.kill()
            for _ in range(5):
                sink.take_event(an_event(number))
                number += 1
            broker.start()
            wait_until(lambda turn=turn: sink.counts.reconnects > turn)  # type: ignore[misc]
        wait_until(lambda: sink.counts.delivered == number)
        wait_until(
            lambda: len({one["id"] for one in subscriber.json_of("home/door/event")}) == number
        )
        assert in_order_of_first(subscriber.json_of("home/door/event")) == list(range(number))


def in_order_of_first(events: Sequence[dict[str, object]]) -> list[object]:
    """The numbers of events, each where it came first."""
    return list(dict.fromkeys(event["number"] for event in events))


def test_a_broker_that_refuses_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    said: list[str] = []
    with broker_in(tmp_path, password="right") as broker:
        with sink_to(broker.port, tmp_path / "queue.db", said, user="me:wr0ng@") as sink:
            wait_until(lambda: said)
            sink.take_event(an_event())
            wait_until(lambda: sink.counts.pending == 1)
        assert "refuses" in said[0]
        assert not [line for line in said if "wr0ng" in line]
        with sink_to(broker.port, tmp_path / "queue.db", user="me:right@") as sink:
            wait_until(lambda: sink.counts.delivered == 1)


def test_a_broker_that_hangs_delays_nobody(tmp_path: Path) -> None:
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        sink = sink_to(hanging.getsockname()[1], tmp_path / "queue.db")
        started_at = time.monotonic()
        for number in range(100):
            sink.take_event(an_event(number))
        assert time.monotonic() - started_at < 1
        sink.close()
        assert time.monotonic() - started_at < 20


@pytest.mark.parametrize(
    "url",
    ["mqtt://host", "mqtt://host/", "http://host/topic", "host/topic", "mqtt:///topic",
     "mqtt://host/a/#", "mqtt://host:port/a"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="--mqtt"):
        parse_broker(url)


def test_an_address_is_read_whole() -> None:
    broker = parse_broker("mqtts://me:p%40ss@host/home/front%20door")
    assert (broker.host, broker.port, broker.topic) == ("host", 8883, "home/front door")
    assert (broker.user, broker.password, broker.is_encrypted) == ("me", "p@ss", True)
    assert "p@ss" not in repr(broker)


# The queue on the disk


def test_the_queue_keeps_order_and_drops_the_oldest(tmp_path: Path) -> None:
    queue = EventQueue(tmp_path / "queue.db", limit=3)
    assert [queue.add(b"%d" % number, None) for number in range(5)] == [0, 0, 0, 1, 1]
    queue.close()
    again = EventQueue(tmp_path / "queue.db", limit=3)
    found = []
    while (pending := again.oldest()) is not None:
        found.append(pending.payload)
        again.remove(pending.number)
    assert found == [b"2", b"3", b"4"]
    assert len(again) == 0
    again.close()


def test_a_queue_that_is_in_use_or_no_queue_goes_into_memory_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    first = EventQueue(path, 10)
    second, reason = open_event_queue(path, 10)
    assert "another program" in reason
    second.add(b"x", None)
    assert len(second) == 1
    first.close()
    path.write_bytes(b"no database" * 100)
    _, reason = open_event_queue(path, 10)
    assert reason
    assert path.read_bytes().startswith(b"no database")
    _, reason = open_event_queue(tmp_path / "queue.db" / "below", 10)
    assert reason


def test_a_queue_of_a_killed_program_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    program = (
        "import os, sys\nfrom pathlib import Path\n"
        "from webcam_classifier.events.event_queue import EventQueue\n"
        "queue = EventQueue(Path(sys.argv[1]), 1000)\n"
        "for number in range(50): queue.add(b'%d' % number, None)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    queue = EventQueue(path, 1000)
    assert len(queue) == 50
    queue.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
