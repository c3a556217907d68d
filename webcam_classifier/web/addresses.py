"""The address the server listens on, the names it is reached by, and the links to print."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from webcam_classifier.errors import UserError

LOOPBACK = "127.0.0.1"
"""The address that only this machine can reach."""

_ELSEWHERE = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses reserved for documentation: nothing is sent there, only the route is looked up."""

_USUAL_PORTS = {"http": 80, "https": 443}  # which browsers leave out
_ORIGIN_EXAMPLE = "Write scheme and host, such as https://camera.example or https://10.0.0.7:8443."


@dataclass(frozen=True)
class AddressOptions:
    """The options of a command for the address, with `{host}` and `{port}` as placeholders.

    Attributes:
        host: The option for another host.
        port: The option for another port.
    """

    host: str = "--host {host}"
    port: str = "--port {port}"


_STUDIO_OPTIONS = AddressOptions()


def listen(host: str, port: int, options: AddressOptions = _STUDIO_OPTIONS) -> socket.socket:
    """Open the socket that the server takes connections from.

    Args:
        host: A name or an address of this machine; `0.0.0.0` and `::` are all of them.
        port: 0 takes a free one.
        options: The options of the command, for error messages.

    Raises:
        UserError: The port is taken or not allowed, or the host is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # IPv4 first: it is what people usually mean by localhost.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(_no_address(error, host, port, options)) from error
    try:
        # So that a restart need not wait for the old server's connections to time out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(_explain(error, host, port, options)) from error
    return listener


def parse_origin(text: str) -> str:
    """Parse the address by which people reach the page through a reverse proxy.

    >>> parse_origin("https://Camera.example:443/")
    'https://camera.example'

    Args:
        text: Scheme and host, with a port if it is not the usual one.

    Returns:
        The address as browsers write it in an Origin header.

    Raises:
        ValueError: It is not such an address.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not the address of a page ({error}). {_ORIGIN_EXAMPLE}"
        ) from None
    if parts.scheme not in _USUAL_PORTS or not host or "@" in parts.netloc:
        raise ValueError(f"{text!r} is not the address of a page. {_ORIGIN_EXAMPLE}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} goes on after the host, and the page can't. {_ORIGIN_EXAMPLE}")
    shown_port = "" if port in (None, _USUAL_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{_in_link(host)}{shown_port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback


def own_names(host: str) -> frozenset[str]:
    """Return the names of this machine in its network, in lower case.

    Args:
        host: The host to listen on, which may be a name too.
    """
    name = socket.gethostname().lower()
    names = {name, name.partition(".")[0], f"{name.partition('.')[0]}.local", host.lower()}
    return frozenset(names - {""})


def own_addresses(families: Collection[socket.AddressFamily]) -> list[str]:
    """Return the addresses under which other machines are likely to reach this one.

    Args:
        families: The address families that are listened on.
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
            continue  # there is no route for this address family
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def links(listener: socket.socket, token: str | None, origin: str | None = None) -> list[str]:
    """Return the links that lead to the page, the likeliest first.

    Args:
        listener: The socket the server listens on.
        token: The token to put into the links; None for none.
        origin: The origin of a proxy in front, which is used instead.
    """
    address, port = listener.getsockname()[:2]
    query = "" if token is None else f"?token={token}"
    if origin is not None:
        return [f"{origin}/{query}"]
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        # A socket that listens on all of IPv6 accepts IPv4 as well.
        families = {listener.family, socket.AF_INET}
        hosts = [*own_addresses(families), "localhost"]
    else:
        hosts = [address]
    return [f"http://{_in_link(host)}:{port}/{query}" for host in hosts]


def _in_link(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _explain(error: OSError, host: str, port: int, options: AddressOptions) -> str:
    if error.errno == errno.EADDRINUSE:
        other = options.port.format(host=_in_link(host), port=port + 1)
        return (
            f"Port {port} is taken by another program, perhaps by another one of these. Choose "
            f"another one: {other}"
        )
    if error.errno == errno.EACCES:
        other = options.port.format(host=_in_link(host), port=8000)
        return f"Port {port} is kept for the system. Choose one from 1024 up, such as {other}."
    return _no_address(error, host, port, options)


def _no_address(error: OSError, host: str, port: int, options: AddressOptions) -> str:
    asked = options.host.format(host=_in_link(host), port=port)
    return (
        f"{asked} is not an address of this machine ({error.strerror}). Leave the host out for "
        "this machine alone, or give 0.0.0.0 for every network that it is in."
    )
