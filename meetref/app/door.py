"""The TCP door: one port for the page, the API and signaling; the first octets tell what a connection is.

Stands above `net` (a listener, real or virtual) and `wire/multiplex`; below `app/server`, which says who answers what.
Nobody is answered before the head of the request is complete, within a bounded size and time.
Source: docs/architecture.md (two doors); RFC 9112 (HTTP/1.1), RFC 6455 section 4 (the upgrade to WebSocket).
Leaves out: HTTP/2; a page of a dozen files does not need it.
Read next: `app/signaling.py`, `app/http.py`.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import h11
import trio

from meetref.app.admission import Admission
from meetref.app.limits import Places
from meetref.app.visitor import Head, ReplayingStream, StreamVisitor, Visitor, local_of, refuse
from meetref.wire import multiplex
from meetref.wire.address import Address
from meetref.wire.multiplex import StreamKind

Answer = Callable[[Visitor], Awaitable[None]]
StreamAnswer = Callable[[StreamVisitor], Awaitable[None]]

SIGNALING_PATH = "/signal"
MAXIMUM_CONNECTIONS = 4000


@dataclass(slots=True, frozen=True)
class DoorLimits:
    """What strangers may take: connections in all and from one source, octets and seconds for a request's head."""

    connections: int = MAXIMUM_CONNECTIONS
    connections_per_source: int = 400
    head_size: int = 16 * 1024
    head_timeout: float = 10.0


class Refused(Exception):
    """The visitor is sent away with an HTTP status and a sentence, or (status 0) without a word."""

    def __init__(self, status: int, sentence: str, counter: str, *more: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.counter, self.more = status, sentence, counter, more


class Door:
    """Lets visitors in and finds out what they want.

    `counters` counts what became of them under short fixed words; `places.taken` says how many are inside.
    With `tls`, plain HTTP is only told the way to HTTPS. `streams` says who answers what is not HTTP, by its kind.
    """

    def __init__(
        self,
        *,
        answer_http: Answer,
        answer_signaling: Answer,
        streams: Mapping[StreamKind, StreamAnswer] | None = None,
        tls: ssl.SSLContext | None = None,
        limits: DoorLimits | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.limits = limits or DoorLimits()
        self.places = Places(total=self.limits.connections, per_source=self.limits.connections_per_source)
        self._answer_http = answer_http
        self._answer_signaling = answer_signaling
        self._streams = dict(streams or {})
        self._tls = tls
        self.serve = Admission(self.places, self.counters, self._answer).serve

    async def _answer(self, stream: trio.abc.Stream, remote: Address) -> None:
        visitor = None
        with trio.move_on_after(self.limits.head_timeout) as patience:
            visitor = await self._meet(stream, remote)
        if visitor is None:
            self.counters["slow-head"] += patience.cancelled_caught
        elif isinstance(visitor, StreamVisitor):
            self.counters[visitor.kind] += 1
            await self._streams[visitor.kind](visitor)
        elif "websocket" not in visitor.head.words("upgrade"):
            self.counters["http"] += 1
            await self._answer_http(visitor)
        elif visitor.head.path == SIGNALING_PATH:
            self.counters["signaling"] += 1
            await self._answer_signaling(visitor)
        else:
            self.counters["not-found"] += 1
            await visitor.refuse(404, f"A WebSocket is at {SIGNALING_PATH} only.")

    async def _meet(self, stream: trio.abc.Stream, remote: Address) -> Visitor | StreamVisitor | None:
        """Read until it is clear what the visitor wants; `None` when that is nothing we do."""
        try:
            early, kind = await _classify(stream)
            is_secure = kind == "tls" and self._tls is not None
            if self._tls is not None and is_secure:
                stream = await _unlock(ReplayingStream(early, stream), self._tls)
                early, kind = await _classify(stream)
            if kind in self._streams:
                return StreamVisitor(ReplayingStream(early, stream), local_of(stream), remote, kind, is_secure)
            if kind != "http":
                raise Refused(0, "", "unknown")
            head, early = await self._read_head(stream, early)
            if self._tls is not None and not is_secure:
                raise _way_to_https(head)
        except Refused as refusal:
            self.counters[refusal.counter] += 1
            if refusal.status:
                await refuse(stream, refusal.status, refusal.sentence, *refusal.more)
            return None
        return Visitor(ReplayingStream(early, stream), remote, is_secure, head)

    async def _read_head(self, stream: trio.abc.Stream, early: bytes) -> tuple[Head, bytes]:
        """The head, and everything that was read. Raises `Refused`."""
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=self.limits.head_size)
        parser.receive_data(early)
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                counter = "large-head" if error.error_status_hint == 431 else "bad-head"
                raise Refused(error.error_status_hint, "This is not a request that can be read.", counter) from None
            if isinstance(event, h11.Request):
                break
            more = bytes(await stream.receive_some(4096))
            if not more:
                raise Refused(0, "", "gone")
            early += more
            parser.receive_data(more)
        if event.http_version not in (b"1.1", b"1.0"):
            raise Refused(505, "This server speaks HTTP/1.1.", "bad-head")
        headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers)
        return Head(event.method.decode("ascii"), event.target.decode("ascii"), headers), early


async def _classify(stream: trio.abc.Stream) -> tuple[bytes, StreamKind]:
    """Read the few octets that tell what the stream carries. Raises `Refused` when they do not come."""
    early = b""
    while (kind := multiplex.classify_stream(early)) is None:
        more = await stream.receive_some(4096)
        if not more:
            raise Refused(0, "", "gone")
        early += more
    return early, kind


async def _unlock(stream: trio.abc.Stream, tls: ssl.SSLContext) -> trio.abc.Stream:
    # A browser that closes without TLS's goodbye has closed; HTTP says itself where a message ends.
    inner = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
    await inner.do_handshake()
    return inner


def _way_to_https(head: Head) -> Refused:
    host = head.header("host") or ""
    if not host.isascii() or not host.isprintable() or head.method not in ("GET", "HEAD"):
        return Refused(400, "This port speaks HTTPS.", "plain")
    return Refused(308, "Permanent Redirect", "plain", ("Location", f"https://{host}{head.target}"))
