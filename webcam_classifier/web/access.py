"""Who may talk to the server: by which name, from which page, and with which token.

Three things are kept out. A page of another site whose name was pointed at this machine (DNS
rebinding) gives itself away by the name that it asks for. A page of another site that sends its
requests here gives itself away by the origin that its browser states. And nobody gets anything
without the token that is in the link: not from other machines, and no other account of this one,
which reaches loopback as well.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import HTTPConnection

_SAFE_METHODS = ("GET", "HEAD")
_LOOPBACK_NAME = "localhost"
_OWN_SITE = ("same-origin", "none")  # "none" is a person: an address typed, a bookmark


@dataclass(frozen=True)
class Refusal:
    """Why somebody gets nothing.

    Attributes:
        status: Of the answer.
        reason: A sentence, and another that says what to do.
    """

    status: HTTPStatus
    reason: str


@dataclass(frozen=True)
class Access:
    """What the server asks of everybody who talks to it.

    Attributes:
        names: By which it may be called besides loopback's, in lower case. There are some where
            other machines can reach it, and then any address of its own will do as well.
        token: Required for everything; None if everybody on this machine may.
        cookie: The name of the cookie that holds the token. Cookies know no ports, so it has one.
        origin: The one origin whose pages may change anything, as `addresses.parse_origin` gives
            it: that of a reverse proxy in front of the server. None is the server's own address.
            It is never taken from a header such as X-Forwarded-Proto, which anybody may send.
        program: What printed the link, for a person.
    """

    names: frozenset[str] = frozenset()
    token: str | None = None
    cookie: str = "studio"
    origin: str | None = None
    program: str = "studio.py"

    @property
    def is_encrypted(self) -> bool:
        """Whether people reach the page by https alone."""
        return self.origin is not None and self.origin.startswith("https:")

    def refusal(self, connection: HTTPConnection) -> Refusal | None:
        """Say why a request or a WebSocket is refused, or None.

        Args:
            connection: Its headers and cookies; no more of it is read.
        """
        return (
            self._name_problem(connection)
            or _origin_problem(connection, self.origin, self._shows_token(connection))
            or self._token_problem(connection)
        )

    def opens(self, connection: HTTPConnection) -> bool:
        """Whether a request is the link with the right token."""
        given = connection.query_params.get("token")
        return (
            self.token is not None
            and given is not None
            and connection.scope["path"] == "/"
            and self._is_token(given)
        )

    def _name_problem(self, connection: HTTPConnection) -> Refusal | None:
        hosts = connection.headers.getlist("host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else ""
        if name == _LOOPBACK_NAME or name in self.names or self._is_own_address(name):
            return None
        # A proxy passes the name on that it was called by, or puts this machine's in its place.
        if self.origin is not None and name == _host_name(self.origin.partition("://")[2]):
            return None
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"This server is not called {name!r}. Open it by the link that {self.program} printed.",
        )

    def _is_own_address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # No name was looked up to get at an address, so nobody can have pointed it here. Which
        # addresses lead here is not known: there may be a router in between.
        return address.is_loopback or bool(self.names)

    def _token_problem(self, connection: HTTPConnection) -> Refusal | None:
        if self.token is None or self._is_token(connection.cookies.get(self.cookie, "")):
            return None
        if self._shows_token(connection):
            return None
        return Refusal(
            HTTPStatus.UNAUTHORIZED,
            f"This page needs the token in its link. Open the whole link that {self.program} "
            "printed.",
        )

    def _shows_token(self, connection: HTTPConnection) -> bool:
        """Whether a program shows the token in a header, which no browser does by itself."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        return self.token is not None and scheme.lower() == "bearer" and self._is_token(given)

    def _is_token(self, given: str) -> bool:
        # Compared in constant time; as bytes, since it may hold anything.
        return hmac.compare_digest(given.encode(), (self.token or "").encode())


def _origin_problem(
    connection: HTTPConnection, origin: str | None, shows_token: bool
) -> Refusal | None:
    is_socket = connection.scope["type"] == "websocket"
    method = "GET" if is_socket else connection.scope["method"]
    headers = connection.headers
    origins = headers.getlist("origin")
    own = [origin or f"http://{headers['host']}"]
    # Browsers state an origin with all of these; what states none is no page of ours. It may be a
    # program, which no page can make show the token.
    must_state = (is_socket or method not in _SAFE_METHODS) and not shows_token
    if (origins or must_state) and origins != own:
        stated = ", ".join(origins) or "no origin"
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"Requests of other pages are refused: {own[0]} is expected, and {stated} was stated.",
        )
    site = headers.get("sec-fetch-site", "none")
    is_visit = (
        headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and method in _SAFE_METHODS
    )
    if site not in _OWN_SITE and not is_visit:
        return Refusal(
            HTTPStatus.FORBIDDEN,
            "Requests of other sites are refused. Open this server's own page.",
        )
    return None


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
