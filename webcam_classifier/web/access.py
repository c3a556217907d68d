"""Who may talk to the server: by which host name, from which page, and with which token.

Three kinds of access are refused. A page of another site whose name was pointed at this machine
(DNS rebinding) is recognised by the Host header. A request from a page of another site is
recognised by the Origin header. And nothing is served without the token in the link: neither to
other machines nor to other accounts of this one, which can reach loopback as well.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import HTTPConnection

_SAFE_METHODS = ("GET", "HEAD")
_LOOPBACK_NAME = "localhost"
_OWN_SITE = ("same-origin", "none")  # "none" is a typed address or a bookmark


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        status: The status of the response.
        reason: A sentence, and another that says what to do.
    """

    status: HTTPStatus
    reason: str


@dataclass(frozen=True)
class Access:
    """The conditions for access to the server.

    Attributes:
        names: Host names that are accepted besides those of loopback, in lower case. There are some
            if other machines can reach the server; then any IP address is accepted too.
        token: Required for everything; None if everybody on this machine has access.
        cookie: The name of the cookie with the token. It contains the port, because cookies are
            shared between ports.
        origin: The only origin whose pages may change anything, from `addresses.parse_origin`: that
            of a reverse proxy in front of the server. None is the server's own address. It is never
            taken from a header such as X-Forwarded-Proto, which anybody can send.
        program: The program that printed the link, for messages.
    """

    names: frozenset[str] = frozenset()
    token: str | None = None
    cookie: str = "studio"
    origin: str | None = None
    program: str = "studio.py"

    @property
    def is_encrypted(self) -> bool:
        """Whether the page is only reached by https."""
        return self.origin is not None and self.origin.startswith("https:")

    def refusal(self, connection: HTTPConnection) -> Refusal | None:
        """Return why a request or a WebSocket is refused; None if it is not.

        Args:
            connection: The connection, of which only headers and cookies are read.
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
        # A proxy passes on the name it was called by, or replaces it by this machine's.
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
        # DNS rebinding needs a name, so an address is safe. All are accepted, because a router in
        # between may give this machine addresses that it does not know.
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
        """Whether the Authorization header has the token, which no browser sends by itself."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        return self.token is not None and scheme.lower() == "bearer" and self._is_token(given)

    def _is_token(self, given: str) -> bool:
        # Compared in constant time, and as bytes, since it may contain anything.
        return hmac.compare_digest(given.encode(), (self.token or "").encode())


def _origin_problem(
    connection: HTTPConnection, origin: str | None, shows_token: bool
) -> Refusal | None:
    is_socket = connection.scope["type"] == "websocket"
    method = "GET" if is_socket else connection.scope["method"]
    headers = connection.headers
    origins = headers.getlist("origin")
    own = [origin or f"http://{headers['host']}"]
    # Browsers send an origin with all of these, so a request without one is not from our page. It
    # may be from a program with the token, which another page can't send.
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
    """Return the name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
