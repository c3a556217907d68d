"""Open the sinks for labels and events that the command line asks for."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from webcam_classifier.camera.source_names import without_password
from webcam_classifier.errors import UserError
from webcam_classifier.events.event_stream import EventStream
from webcam_classifier.events.json_lines import JsonLines
from webcam_classifier.events.sink import Sink, Tell
from webcam_classifier.model_card import NO_PICTURE, UNKNOWN_NAME
from webcam_classifier.ui.frame_display import SourceFacts


def open_events(
    options: argparse.Namespace,
    tell: Tell,
    stack: ExitStack,
    *,
    labels: Mapping[str, Sequence[str]],
    models: Mapping[str, str],
    source: SourceFacts,
    served: Sink | None = None,
) -> EventStream | None:
    """Open every sink that was asked for, and the stream of events that feeds them.

    Args:
        options: From a parser with `add_event_arguments`.
        tell: Called with sentences for the person at the terminal, from any thread.
        stack: Closes the sinks, and reports what each has done.
        labels: The labels of each region's model by the region's name; the name is empty if one
            model labels the whole picture.
        models: The path of each region's model, for the events.
        source: The source of the frames: a live one drops frames that can't be written in time,
            and a file waits.
        served: A further sink, which is open already.

    Returns:
        The stream; None if there are no sinks.

    Raises:
        UserError: A file can't be written, an address is wrong, or a package is missing.
    """
    for text, _ in options.when:
        _warn_of_unknown_label(text, labels, tell)
    sinks: list[Sink] = [] if served is None else [served]
    stack.callback(_close_all, sinks, tell)
    if options.json_lines:
        lines = JsonLines(
            options.json_lines,
            tell,
            events_only=options.events_only,
            size_limit=options.json_lines_limit,
            waits=not source.is_live,
        )
        sinks.append(stack.enter_context(lines))  # an error at its end is one of the program
    for sink in _open(options, tell, labels, sinks, source):
        sinks.append(sink)
    if not sinks:
        return None
    stream = EventStream(
        sinks,
        source=without_password(str(options.source)),
        model=models,
        file_rate=source.file_rate,
        with_pictures=options.event_pictures,
    )
    for sink in sinks:
        sink.obey_with(stream)
    return stream


def _region_and_label(text: str, regions: Mapping[str, object]) -> tuple[str | None, str]:
    """Return region and label that `--when` names; the region is None for a label of any."""
    region, slash, label = text.partition("/")
    return (region, label) if slash and region and region in regions else (None, text)


def _warn_of_unknown_label(text: str, labels: Mapping[str, Sequence[str]], tell: Tell) -> None:
    region, label = _region_and_label(text, labels)
    theirs = labels if region is None else {region: labels[region]}
    known = list(dict.fromkeys(one for several in theirs.values() for one in several))
    if not known or label in (*known, UNKNOWN_NAME, NO_PICTURE):
        return
    problem, has = "the model has no such label", "It has"
    if region is not None:
        problem = "the region has no such label"
    elif "" not in labels:
        problem, has = "no region has such a label", "There are"
    tell(f"--when {text}: {problem}, so the command will never run. {has} {', '.join(known)}.")


def _open(
    options: argparse.Namespace,
    tell: Tell,
    labels: Mapping[str, Sequence[str]],
    others: Sequence[Sink],
    source: SourceFacts,
) -> Iterator[Sink]:
    # Each is imported only if it is used, for a quicker start.
    if options.on_change or options.when:
        from webcam_classifier.events.run_command import CommandSink

        every = [((None, None), command) for command in options.on_change]
        some = [(_region_and_label(text, labels), command) for text, command in options.when]
        for (region, label), command in [*every, *some]:
            yield CommandSink(
                command,
                tell,
                label=label,
                region=region,
                shell=options.shell,
                at_once=options.commands_at_once,
                time_limit=options.command_limit,
            )
    if options.mqtt:
        from webcam_classifier.events.mqtt import MqttSink
        from webcam_classifier.events.mqtt_broker import default_queue_path, parse_broker

        for url in options.mqtt:
            broker = parse_broker(url)
            yield MqttSink(broker, tell, labels, default_queue_path(broker))
    if options.webhook:
        from webcam_classifier.events.webhook import Webhook

        for url in options.webhook:
            yield Webhook(url, tell)
    if options.serial:
        from webcam_classifier.events.serial_port import SerialPort

        yield SerialPort(options.serial, tell)
    yield from _open_folders(options, tell, source)
    if options.metrics:
        from webcam_classifier.events.prometheus import PrometheusSink, parse_address

        host, port = parse_address(options.metrics)
        yield PrometheusSink(host, port, others, has_regions="" not in labels)


def _open_folders(options: argparse.Namespace, tell: Tell, source: SourceFacts) -> Iterator[Sink]:
    """Open the sinks that write pictures into folders."""
    if options.clips:
        if source.are_pictures:
            raise UserError("--clips is for a camera or a video, not for pictures. Leave it out.")
        from webcam_classifier.events.clips import Clips

        yield Clips(
            options.clips,
            tell,
            seconds=options.clip_seconds,
            size_limit=options.clips_limit,
            file_rate=source.file_rate,
        )
    if options.keep_uncertain:
        if not source.is_live:
            raise UserError(
                "--keep-uncertain is for a live source: of a file all pictures are there already. "
                "Leave it out."
            )
        from webcam_classifier.events.uncertain_pictures import UncertainPictures

        yield UncertainPictures(
            options.keep_uncertain,
            tell,
            rate=options.uncertain_rate,
            limit=options.uncertain_limit,
        )


def _close_all(sinks: Sequence[Sink], tell: Tell) -> None:
    """Close sinks in parallel, as each may take some seconds, and report undelivered items."""
    others = [sink for sink in sinks if not isinstance(sink, JsonLines)]
    closing = [threading.Thread(target=sink.close, daemon=True) for sink in others]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()
    for sink in sinks:
        _say_counts(sink, tell)


def _say_counts(sink: Sink, tell: Tell) -> None:
    counts = sink.counts
    if counts.dropped or counts.retried or counts.pending:
        tell(
            f"{sink.name}: {counts.delivered} delivered, {counts.dropped} dropped, "
            f"{counts.retried} retried, {counts.pending} pending"
        )
