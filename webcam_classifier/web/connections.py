"""How many connections the server holds, and which of them has to go when there are too many.

Every connection costs a file descriptor, which snapshots and the camera need as well. A connection
on which nobody has shown yet that they may talk to the server is a stranger. When there are too
many strangers, the oldest one goes: a person's browser asks within milliseconds of connecting, and
whoever only holds connections open makes room for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import NamedTuple

_DESCRIPTORS_FOR_US = 3  # one of so many may be a connection
_BROWSERS_NEED = 24  # connections: two browsers with all that they open at once


class Limits(NamedTuple):
    """How many connections there may be at once.

    Attributes:
        in_all: Of all kinds.
        of_address: Of one address, or of one network of IPv6.
        strangers: On which nobody has shown yet that they may talk to the server.
        strangers_of_address: Likewise, of one address.
    """

    in_all: int = 320
    of_address: int = 256
    strangers: int = 192
    strangers_of_address: int = 128

    def within(self, descriptors: int) -> Limits:
        """Reduce them to what a process can hold that may open so many files."""
        most = max(_BROWSERS_NEED, descriptors // _DESCRIPTORS_FOR_US)
        return Limits(*(min(limit, most) for limit in self))


class Connection:
    """One connection, as long as it is open.

    Args:
        address: Whose it is, from `network_of`.
        close: Ends it at once, whatever it is doing.

    Attributes:
        is_stranger: Whether nobody has shown on it yet that they may talk to the server.
    """

    def __init__(self, address: str, close: Callable[[], None]) -> None:
        self.address = address
        self.close = close
        self.is_stranger = True

    def admit(self) -> None:
        """Note that who is on it may talk to the server."""
        self.is_stranger = False


class Connections:
    """All that are open; used from the server's event loop alone.

    Args:
        limits: Kept by ending the oldest stranger, or else by not letting the new one in.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[Connection, None] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, address: str, close: Callable[[], None]) -> Connection:
        """Take a new connection in, and end an older one, or it, where that is one too many."""
        new = Connection(address, close)
        self._open[new] = None
        surplus = self._surplus(new)
        if surplus is not None:
            self.leave(surplus)
            surplus.close()
        return new

    def leave(self, connection: Connection) -> None:
        """Forget one that has ended; a second call does nothing."""
        self._open.pop(connection, None)

    def _surplus(self, new: Connection) -> Connection | None:
        """Which has to go, now that there is a new one; None if none has to."""
        limits = self._limits
        own = [one for one in self._open if one.address == new.address]
        own_strangers = [one for one in own if one.is_stranger]
        if len(own) > limits.of_address or len(own_strangers) > limits.strangers_of_address:
            return own_strangers[0]  # the new one at the latest
        strangers = [one for one in self._open if one.is_stranger]
        if len(self._open) > limits.in_all or len(strangers) > limits.strangers:
            return strangers[0]
        return None


def network_of(host: str) -> str:
    """Return what counts as one address: of IPv6 a network, of which one machine has them all.

    Args:
        host: As the operating system gives it; anything else stands for itself.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
