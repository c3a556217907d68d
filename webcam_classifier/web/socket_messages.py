"""Receive and check the messages of a WebSocket, and the codes to close one with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

# Close codes; those from 4000 up are free for applications.
NOT_UNDERSTOOD = 4400
NOT_ALLOWED = 4409
TOO_MANY = 4429

SAID_NOT_UNDERSTOOD = "This message is not understood."

_LONGEST_MESSAGE = 4096  # characters of a page's message
_LONGEST_REASON = 120  # bytes; RFC 6455 allows 123


async def serve_both_ways(
    socket: WebSocket, listen: Coroutine[Any, Any, None], send: Coroutine[Any, Any, None]
) -> None:
    """Listen and send until one of the two ends, as when the other side is gone.

    Args:
        socket: An accepted WebSocket.
        listen: Receives messages.
        send: Sends messages.

    Raises:
        Exception: An error that occurred while the connection was open.
    """
    tasks = [asyncio.create_task(listen), asyncio.create_task(send)]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        states = {socket.application_state, socket.client_state}
        stood = WebSocketState.DISCONNECTED not in states
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        error = task.exception()
        if error is not None and stood and not isinstance(error, WebSocketDisconnect):
            raise error


async def received(socket: WebSocket) -> str | bytes | None:
    """Wait for the next message; None once the connection has ended."""
    message = await socket.receive()
    if message["type"] != "websocket.receive":
        return None
    text, content = message.get("text"), message.get("bytes")
    if isinstance(text, str):
        return text
    return bytes(content or b"")


def parsed(text: str) -> dict[str, Any] | None:
    """Parse a message, which is a JSON object with a `type`; None if it is not."""
    if len(text) > _LONGEST_MESSAGE:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_message = isinstance(message, dict) and isinstance(message.get("type"), str)
    return message if is_message else None


def close_reason(sentence: str) -> str:
    """Shorten a sentence to the length that a close frame allows."""
    return sentence.encode()[:_LONGEST_REASON].decode(errors="ignore")
