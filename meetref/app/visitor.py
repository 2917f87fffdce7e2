"""One connection at the TCP door, and what is known about it before anybody answers.

Stands below `app/door`, which makes a `Visitor`, and `app/http` and `app/signaling`, which answer it.
A stream that was read to find out what it carries is wrapped so that it can be read again from the start.
Source: RFC 9112 section 2 (the head of a request; h11 reads it).
Read next: `app/door.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import trio

from meetref.wire.address import Address, canonical_host
from meetref.wire.multiplex import StreamKind
from meetref.wire.reader import Malformed

PIECE = 64 * 1024  # octets given to the network in one go
SEND_TIMEOUT = 10.0  # seconds in which a peer must take a piece


@dataclass(slots=True, frozen=True)
class Head:
    """The first lines of an HTTP request. Names of headers are lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of the header `name` (lower case); of several, all, joined by commas."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def words(self, name: str) -> set[str]:
        """The comma-separated words of a header, in lower case."""
        return {word.strip().lower() for word in (self.header(name) or "").split(",")} - {""}


class ReplayingStream(trio.abc.Stream):
    """`stream`, with `early` (what was already read from it) in front.

    `.socket` is there when the stream below has one: Hypercorn asks it for the addresses. A peer that does not take
    what it is sent for ten seconds is cut off, so that nobody who sends waits without an end, not even under a shield.
    """

    def __init__(self, early: bytes, stream: trio.abc.Stream) -> None:
        self._early = early
        self._stream = stream

    @property
    def socket(self) -> Any:
        return socket_of(self._stream)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if not self._early:
            return bytes(await self._stream.receive_some(max_bytes))
        await trio.lowlevel.checkpoint()
        size = len(self._early) if max_bytes is None else max_bytes
        first, self._early = self._early[:size], self._early[size:]
        return first

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as octets:
            for start in range(0, len(octets), PIECE):
                with trio.move_on_after(SEND_TIMEOUT) as patience:
                    await self._stream.send_all(octets[start : start + PIECE])
                if patience.cancelled_caught:
                    await trio.aclose_forcefully(self._stream)
                    raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        with trio.move_on_after(SEND_TIMEOUT):
            await self._stream.aclose()


@dataclass(slots=True)
class Visitor:
    """A connection whose first octets were read; `stream` still has them. `head` is there for HTTP."""

    stream: ReplayingStream
    remote: Address
    is_secure: bool
    head: Head

    async def refuse(self, status: int, sentence: str, *more: tuple[str, str]) -> None:
        """Answer with `status` and a sentence, and close."""
        await refuse(self.stream, status, sentence, *more)


@dataclass(slots=True)
class StreamVisitor:
    """A connection that carries something else than HTTP, such as `ice-tcp`; `stream` still has its first octets."""

    stream: ReplayingStream
    local: Address
    remote: Address
    kind: StreamKind
    is_secure: bool = False


async def refuse(stream: trio.abc.Stream, status: int, sentence: str, *more: tuple[str, str]) -> None:
    """Answer an HTTP request with nothing but a sentence, and close. A peer that is gone does not mind."""
    body = f"{sentence}\n".encode()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: text/plain; charset=utf-8"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", *(f"{name}: {value}" for name, value in more)]
    try:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        await stream.aclose()
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        await trio.aclose_forcefully(stream)


def socket_of(stream: trio.abc.Stream) -> Any:
    """The socket below a stream and its wrappers. Raises `AttributeError` when there is none (a virtual stream)."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return stream.socket  # type: ignore[attr-defined]


def local_of(stream: trio.abc.Stream) -> Address:
    """Which of our addresses was asked. Raises `OSError` when the stream is already gone."""
    try:
        host, port = socket_of(stream).getsockname()[:2]
    except AttributeError:
        return Address(*stream.local)  # type: ignore[attr-defined]
    return Address(canonical_host(host), port)


def remote_of(stream: trio.abc.Stream) -> Address:
    """Who is at the other end. Raises `OSError` when it is already gone."""
    try:
        host, port = socket_of(stream).getpeername()[:2]
    except AttributeError:
        return Address(*stream.remote)  # type: ignore[attr-defined]
    try:
        return Address(canonical_host(host), port)
    except Malformed as error:
        raise OSError(str(error)) from None
