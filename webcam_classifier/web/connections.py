"""The limits on open connections, and which connection is closed when there are too many.

Every connection takes a file descriptor, which snapshots and the camera need as well. A connection
is unauthenticated until its first authorised request. When there are too many of these, the oldest
is closed: a person's browser sends a request within milliseconds, so only those who merely hold
connections open lose them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import NamedTuple

_DESCRIPTORS_FOR_US = 3  # one in this many descriptors may be a connection
_BROWSERS_NEED = 24  # connections that two browsers may open at once


class Limits(NamedTuple):
    """How many connections may be open at once.

    Attributes:
        in_all: All connections.
        of_address: From one address, or one IPv6 network.
        unauthenticated: Connections without an authorised request so far.
        unauthenticated_of_address: The same from one address.
    """

    in_all: int = 320
    of_address: int = 256
    unauthenticated: int = 192
    unauthenticated_of_address: int = 128

    def within(self, descriptors: int) -> Limits:
        """Reduce the limits for a process that may have this many files open."""
        most = max(_BROWSERS_NEED, descriptors // _DESCRIPTORS_FOR_US)
        return Limits(*(min(limit, most) for limit in self))


class Connection:
    """One open connection.

    Args:
        address: The client's address, from `network_of`.
        close: Closes it at once, whatever it is doing.

    Attributes:
        is_unauthenticated: Whether it has had no authorised request so far.
    """

    def __init__(self, address: str, close: Callable[[], None]) -> None:
        self.address = address
        self.close = close
        self.is_unauthenticated = True

    def admit(self) -> None:
        """Note that it had an authorised request."""
        self.is_unauthenticated = False


class Connections:
    """All open connections; used from the server's event loop only.

    Args:
        limits: Enforced by closing the oldest unauthenticated connection, or else the new
            connection.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[Connection, None] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, address: str, close: Callable[[], None]) -> Connection:
        """Add a new connection; if there are too many, close an older one or the new one."""
        new = Connection(address, close)
        self._open[new] = None
        surplus = self._surplus(new)
        if surplus is not None:
            self.leave(surplus)
            surplus.close()
        return new

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended; a second call does nothing."""
        self._open.pop(connection, None)

    def _surplus(self, new: Connection) -> Connection | None:
        """Return the connection to close for a new one; None if there is room."""
        limits = self._limits
        own = [one for one in self._open if one.address == new.address]
        own_unauthenticated = [one for one in own if one.is_unauthenticated]
        if (
            len(own) > limits.of_address
            or len(own_unauthenticated) > limits.unauthenticated_of_address
        ):
            return own_unauthenticated[0]  # the new one at the latest
        unauthenticated = [one for one in self._open if one.is_unauthenticated]
        if len(self._open) > limits.in_all or len(unauthenticated) > limits.unauthenticated:
            return unauthenticated[0]
        return None


def network_of(host: str) -> str:
    """Return what counts as one address: for IPv6, a network, since one machine may have it all.

    Args:
        host: An address from the operating system; anything else is returned unchanged.
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
