"""Write each new label to a serial port, for example for a microcontroller."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event
from webcam_classifier.events.sink import DeliveryError, QueuedSink, QueueSettings, Tell

if TYPE_CHECKING:
    import serial

BAUD = 115_200
_WRITE_SECONDS = 1.0
_QUEUE_LIMIT = 20  # events; older ones are of no use to a device that moves something
_PAUSE = 0.5  # seconds before the port is opened again
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # tabs and line ends among them


class SerialPort(QueuedSink[Event]):
    r"""Writes a line for each event: the label, a tab, the confidence, a line feed, in UTF-8.

    `thumbs_up\t0.97\n`; the confidence is empty if there is none. Where there are regions, the
    region's name and a tab come first; control characters in names become spaces. A port that was
    unplugged is opened again, and gets the newest label alone. If a write broke off, a line feed
    ends what may be left of its line.

    Args:
        port: For example /dev/ttyUSB0, or with a speed /dev/ttyUSB0@9600.
        tell: Called with a sentence when the port can't be opened or written.

    Raises:
        UserError: The speed is not a number, or pyserial is not installed.
    """

    def __init__(self, port: str, tell: Tell) -> None:
        place, at, baud = port.rpartition("@")
        if not at:
            place, baud = port, str(BAUD)
        if not place or not baud.isdecimal() or not int(baud):
            raise UserError(
                f"--serial {port} names no port. It looks like /dev/ttyUSB0, COM3, or with a "
                "speed /dev/ttyUSB0@9600."
            )
        try:
            import serial
        except ImportError as error:
            raise UserError(
                "--serial needs pyserial, which is not installed. Install it: "
                "`pip install pyserial`."
            ) from error
        self._place, self._baud = place, int(baud)
        self._serial: serial.Serial | None = None
        self._open_port = serial.Serial
        self._is_line_cut = False
        super().__init__(
            f"--serial {place}",
            tell,
            QueueSettings(limit=_QUEUE_LIMIT, tries=None, first_pause=_PAUSE),
        )

    def take_event(self, event: Event) -> None:
        """Write an event's line."""
        self.offer(event)

    def deliver(self, item: Event) -> None:
        """Write it once.

        Raises:
            DeliveryError: The port can't be opened or written, or could not, and there is a newer
                event by now.
        """
        if self._failing_with and self._queue:
            raise DeliveryError(self._failing_with, may_retry=False)
        line = f"{_without_control(item.label)}\t"
        if item.region:
            line = f"{_without_control(item.region)}\t{line}"
        if item.confidence is not None:
            line += f"{item.confidence:.2f}"
        try:
            if self._serial is None:
                self._serial = self._open_port(
                    self._place, self._baud, write_timeout=_WRITE_SECONDS
                )
            start, self._is_line_cut = "\n" if self._is_line_cut else "", True
            self._serial.write(f"{start}{line}\n".encode(errors="replace"))
            self._is_line_cut = False
        except OSError as error:  # pyserial's own errors among them
            self._let_go()
            reason = error.strerror or str(error)
            raise DeliveryError(
                f"{self.name} can't be written: {reason}", may_retry=True
            ) from error

    def close(self) -> None:
        """Write what is pending, and close the port."""
        super().close()
        if not self.counts.pending:
            self._let_go()

    def _let_go(self) -> None:
        if self._serial is not None:
            port, self._serial = self._serial, None
            with suppress(OSError):  # it was unplugged
                port.close()


def _without_control(text: str) -> str:
    return _CONTROL.sub(" ", text)
