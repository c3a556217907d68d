"""Post events to a web server, signed if there is a secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit

from webcam_classifier.errors import UserError
from webcam_classifier.events.defaults import SECRET_VARIABLE
from webcam_classifier.events.event import Event
from webcam_classifier.events.shown_address import without_user_info
from webcam_classifier.events.sink import DeliveryError, QueuedSink, QueueSettings, Tell
from webcam_classifier.visible_text import json_line

SIGNATURE_HEADER = "X-Signature-256"
ID_HEADER = "X-Event-Id"

_TRIES = 8  # attempts; about a minute with the pauses
_WORTH_A_RETRY = (408, 425, 429)  # and all from 500 on: RFC 9110, RFC 8470, RFC 6585
_READ_BYTES = 65_536  # of the answer, which is not used


class Webhook(QueuedSink[Event]):
    """Posts each event as JSON, one after another, until the server takes it.

    Args:
        url: An http or https URL, with user and password if the server needs them.
        tell: Called with a sentence when posting fails.
        time_limit: Seconds that the server may take for each step of its answer.
        first_pause: Seconds before the second attempt; each further pause is twice as long.
        secret: Signs the body: the header `X-Signature-256` is `sha256=` and the HMAC in hex.
            None takes it from the environment variable `SECRET_VARIABLE`.

    Raises:
        UserError: It is not such a URL.
    """

    def __init__(
        self,
        url: str,
        tell: Tell,
        *,
        time_limit: float = 10.0,
        first_pause: float = 0.5,
        secret: str | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host:
            raise UserError(
                f"--webhook {without_user_info(url)} is not the address of a web server. It looks "
                "like https://example.org/hook."
            )
        self._shown = without_user_info(url)
        self._headers: dict[str, str] = {"Content-Type": "application/json"}
        if parts.username is not None:
            self._headers["Authorization"] = _basic(parts.username, parts.password or "")
        place = f"[{host}]" if ":" in host else host
        netloc = place if port is None else f"{place}:{port}"
        self._url = parts._replace(netloc=netloc, fragment="").geturl()
        self._secret = os.environ.get(SECRET_VARIABLE, "") if secret is None else secret
        self._time_limit = time_limit
        self._opener = urllib.request.build_opener(_NoRedirect)
        super().__init__(
            f"--webhook {self._shown}", tell, QueueSettings(tries=_TRIES, first_pause=first_pause)
        )

    def take_event(self, event: Event) -> None:
        """Post an event."""
        self.offer(event)

    def deliver(self, item: Event) -> None:
        """Post it once.

        Raises:
            DeliveryError: The server can't be reached, or did not accept it.
        """
        body = json_line(item.fields_with_picture()).encode()
        headers = {**self._headers, ID_HEADER: item.id}
        if self._secret:
            headers[SIGNATURE_HEADER] = signature(self._secret, body)
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._time_limit) as answer:
                answer.read(_READ_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                may_retry = error.code >= 500 or error.code in _WORTH_A_RETRY
            raise DeliveryError(
                f"{self.name}: the server answered {error.code} {error.reason}", may_retry=may_retry
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise DeliveryError(
                f"{self.name} can't be reached: {reason}", may_retry=True
            ) from error


def signature(secret: str, body: bytes) -> str:
    """Return the value of `X-Signature-256` for a body; GitHub's webhooks use the same format."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: they would turn the POST into a GET, and the event would be lost."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
