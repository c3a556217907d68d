"""Where the server listens, by which names it is reached there, and the links to print."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection

from webcam_classifier.errors import UserError

_ELSEWHERE = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses kept for documentation: nothing is sent there, only the way there is looked up."""


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the server takes connections from.

    Args:
        host: A name or an address of this machine; `0.0.0.0` and `::` are all of them.
        port: 0 takes a free one.

    Raises:
        UserError: The port is taken or not allowed, or the host is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # IPv4 first: who says localhost without more usually means it.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(
            f"--host {host} is no address of this machine ({error.strerror}). Leave it out for "
            "this machine alone, or give 0.0.0.0 for every network that it is in."
        ) from error
    try:
        # A restart need not wait for the last connections of the server before to be forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(_explain(error, host, port)) from error
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback


def own_names(host: str) -> frozenset[str]:
    """Return the names, in lower case, that people call this machine by in a network.

    Args:
        host: What was asked to listen on, which may be a name too.
    """
    name = socket.gethostname().lower()
    names = {name, name.partition(".")[0], f"{name.partition('.')[0]}.local", host.lower()}
    return frozenset(names - {""})


def own_addresses(families: Collection[socket.AddressFamily]) -> list[str]:
    """Return the addresses under which other machines are likely to reach this one.

    Args:
        families: The kinds of address that are listened on.
    """
    found = []
    for elsewhere, family in _ELSEWHERE:
        if family not in families:
            continue
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as way:
                way.connect((elsewhere, 9))
                found.append(str(way.getsockname()[0]).partition("%")[0])
        except OSError:
            continue  # there is no way out by this kind of address
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def links(listener: socket.socket, token: str | None) -> list[str]:
    """Return the links that lead to the page, the likeliest first.

    Args:
        listener: Where the server listens.
        token: Part of the links, where there is one.
    """
    address, port = listener.getsockname()[:2]
    query = "" if token is None else f"?token={token}"
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        # Who listens on all of IPv6 hears IPv4 as well.
        families = {listener.family, socket.AF_INET}
        hosts = [*own_addresses(families), "localhost"]
    else:
        hosts = [address]
    return [f"http://{_in_link(host)}:{port}/{query}" for host in hosts]


def _in_link(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken by another program, perhaps by another studio. Choose another "
            f"one: --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is kept for the system. Choose one from 1024 up, such as --port 8000."
    return (
        f"--host {host} is no address of this machine ({error.strerror}). Leave it out for this "
        "machine alone, or give 0.0.0.0 for every network that it is in."
    )
