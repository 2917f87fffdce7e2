"""Media over TCP: a stream that began with ICE-TCP becomes one more path of the exchange.

Stands above `net/streampath` and `meeting/exchange`, below the door, which found out what the stream is.
A stream must prove itself as an address does: by an authentic check within ten seconds, and as long as it lasts by a
connection that still has it among its paths.
Specification: RFC 6544 sections 7.2 and 11. Leaves out: opening streams; a server is passive.
Read next: `app/door.py`, `protocol/ice.py`.
"""

from __future__ import annotations

from collections import Counter

import trio

from meetref.app.visitor import StreamVisitor
from meetref.meeting.exchange import Exchange
from meetref.net.streampath import StreamPath
from meetref.wire.address import StreamAddress

PROVEN_WITHIN = 10.0  # seconds; looked at again and again


async def carry_media(visitor: StreamVisitor, exchange: Exchange, forgotten: Counter[str]) -> None:
    """Carry datagrams between the exchange and one stream until either is done with it.

    `forgotten` counts what found no place in a stream's queue.
    """
    path = StreamPath(visitor.stream, StreamAddress(*visitor.local), StreamAddress(*visitor.remote))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, exchange, path, nursery.cancel_scope, name="watching")
            await exchange.port.run_stream(path, exchange.receive_batch)
            nursery.cancel_scope.cancel()
    finally:
        forgotten.update(path.forgotten)
        exchange.path_closed(path.local, path.remote)


async def _watch(exchange: Exchange, path: StreamPath, end: trio.CancelScope) -> None:
    while True:
        await trio.sleep(PROVEN_WITHIN)
        if not exchange.knows(path.remote):  # spec: ice/tcp-passive, ice/tcp-closed
            end.cancel()
