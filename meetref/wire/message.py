"""Handshake messages by the number of their type: how each is read and written, a table for each version.

Stands above `wire/reader`; `wire/handshake12` and `wire/handshake13` have the rows.
Specification: RFC 5246 section 7.4, RFC 9846 section 4.
Leaves out: fragments and their header, which are `wire/dtls`.
Read next: `wire/handshake13.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from meetref.wire.reader import Malformed, Reader

Message = TypeVar("Message")


class MessageRow(NamedTuple):
    """How one type of handshake message is read from its body and written."""

    kind: type[Any]
    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]


class MessageTable(Generic[Message]):
    """The messages of one version of the handshake, by number."""

    def __init__(self, rows: Mapping[int, MessageRow]) -> None:
        self._rows = rows
        self._numbers = {row.kind: number for number, row in rows.items()}

    def number_of(self, message: Message) -> int:
        """The number of a message's type."""
        return self._numbers[type(message)]

    def parse(self, number: int, body: bytes) -> Message:
        """Read the body of a message of type `number`. Raises `Malformed`, also for a type that is not in the table."""
        row = self._rows.get(number)
        if row is None:
            raise Malformed(f"handshake message of type {number}")
        reader = Reader(body)
        message: Message = row.read(reader)
        reader.expect_end(row.kind.__name__)
        return message

    def serialize(self, message: Message) -> bytes:
        """The body of a message."""
        return self._rows[self.number_of(message)].write(message)
