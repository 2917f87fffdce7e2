"""What the meeting needs of signaling: somewhere to say messages to one client, and to hear from it.

`app/signaling` has it on a WebSocket; a test may have it on nothing at all. The messages are `wire/signaling`.
"""

from __future__ import annotations

from typing import Protocol

from meetref.wire.address import Address
from meetref.wire.signaling import ClientMessage, ServerMessage


class ChannelClosed(Exception):
    """No more messages. `clean`: the client closed it on purpose, as a closed tab does; nobody waits for its return."""

    def __init__(self, clean: bool, why: str) -> None:
        super().__init__(why)
        self.clean = clean
        self.why = why


class Channel(Protocol):
    """One client's signaling, as long as its WebSocket lives."""

    remote: Address

    def send(self, message: ServerMessage) -> None:
        """Queue a message; a client that does not read them is closed, never waited for."""

    async def drained(self) -> None:
        """Wait until what was sent has gone out. Raises `ChannelClosed`."""

    async def receive(self) -> ClientMessage:
        """The next valid message. Raises `ChannelClosed`."""
        ...

    def close(self, code: str) -> None:
        """Close with a reason; what is queued before it still goes out."""
