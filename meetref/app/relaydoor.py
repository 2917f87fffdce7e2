"""The relay's own TCP ports: TURN, or TURN in TLS, whatever the first octets say.

Stands above `net/relay` and `wire/multiplex`; below `app/relay`. (`app/door` does the same for `meetref serve`, where
pages come in, too.) Specification: RFC 8656 section 3.1, RFC 7983. Leaves out: ALPN, which browsers do not send here.
Read next: `net/relay.py`.
"""

from __future__ import annotations

import ssl
from collections import Counter

import trio

from meetref.app.admission import Admission
from meetref.app.limits import Places
from meetref.app.visitor import ReplayingStream, local_of
from meetref.net.relay import RelayServer
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_stream

HEAD_TIMEOUT = 10.0  # seconds until it is known what a stream carries, and TLS is unlocked
MAXIMUM_STREAMS = 2000
MAXIMUM_STREAMS_PER_SOURCE = 200


class RelayDoor:
    """Lets streams in. `counters` says what became of them."""

    def __init__(self, server: RelayServer, tls: ssl.SSLContext | None) -> None:
        self.counters: Counter[str] = Counter()
        places = Places(total=MAXIMUM_STREAMS, per_source=MAXIMUM_STREAMS_PER_SOURCE)
        self.serve = Admission(places, self.counters, self._attend).serve
        self._server = server
        self._tls = tls

    async def _attend(self, stream: trio.abc.HalfCloseableStream, remote: Address) -> None:
        unlocked = None
        with trio.move_on_after(HEAD_TIMEOUT):
            unlocked = await self._unlock(stream)
        if unlocked is None:
            self.counters["neither TURN nor TLS"] += 1
            return
        secure = isinstance(unlocked, trio.SSLStream)
        await self._server.serve_stream(unlocked, local_of(stream), remote, secure=secure)

    async def _unlock(self, stream: trio.abc.Stream) -> trio.abc.Stream | None:
        """The stream of TURN's messages, from the start; None when it is something else."""
        early = b""
        while (kind := classify_stream(early)) is None:
            more = bytes(await stream.receive_some(4096))
            if not more:
                return None
            early += more
        if kind == "stun":
            return ReplayingStream(early, stream)
        if kind != "tls" or self._tls is None:
            return None
        inner = trio.SSLStream(ReplayingStream(early, stream), self._tls, server_side=True, https_compatible=True)
        await inner.do_handshake()
        return inner
