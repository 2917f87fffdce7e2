"""Long messages of signaling made small on the wire: permessage-deflate, as every browser offers it.

An SDP offer of nine seats has 20 KB, and repeats itself: it shrinks to a tenth. It would fill a line of 150 kbit/s for
a second, with the queue before it, and voices would be lost there.
Stands above `trio-websocket`, which leaves extensions out, and wsproto, which has this one; used by `app/signaling`.
Specification: RFC 7692. Each message is compressed by itself, for a context that is kept takes 300 KB a person; and not
one with a secret, beside which strangers may have written: how far it shrinks would tell them how close they guessed.
Leaves out: a bound for what a small message swells to, which the channel's largest message is: it is counted by then.
Read next: `app/signaling.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import trio
from trio_websocket import WebSocketConnection, WebSocketRequest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Request
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import Opcode, RsvBits

WORTH_IT = 1000  # octets: a shorter message fits into one packet as it is
SECRET = b'"secret":'  # in the answer to `join`, which has everybody's name in it, too


class Deflate(PerMessageDeflate):
    """The extension, for messages of one frame that are long enough and have no secret."""

    def __init__(self) -> None:
        super().__init__(client_no_context_takeover=True, server_no_context_takeover=True)

    def frame_outbound(self, proto: Any, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool) -> tuple[RsvBits, bytes]:
        if fin and opcode is not Opcode.CONTINUATION and (len(data) < WORTH_IT or SECRET in data):
            return rsv, data
        compressed: tuple[RsvBits, bytes] = super().frame_outbound(proto, opcode, rsv, data, fin)
        return compressed


class DeflatingProtocol(WSConnection):
    """A WebSocket that offers the extension, or takes it where it is offered."""

    def send(self, event: Event) -> bytes:
        if isinstance(event, Request | AcceptConnection):
            event = replace(event, extensions=[Deflate()])
        sent: bytes = super().send(event)
        return sent


async def wrap_server_stream(
    nursery: trio.Nursery, stream: trio.abc.Stream, *, max_message_size: int
) -> WebSocketRequest:
    """As that of `trio_websocket`, whose two steps these are: the request of who comes, to be accepted."""
    protocol = DeflatingProtocol(ConnectionType.SERVER)
    connection = WebSocketConnection(stream, protocol, max_message_size=max_message_size)
    nursery.start_soon(connection._reader_task)
    return await connection._get_request()


async def wrap_client_stream(
    nursery: trio.Nursery, stream: trio.abc.Stream, host: str, resource: str, *, max_message_size: int
) -> WebSocketConnection:
    """The same for who goes there: the connection, once it is accepted."""
    protocol = DeflatingProtocol(ConnectionType.CLIENT)
    connection = WebSocketConnection(stream, protocol, host=host, path=resource, max_message_size=max_message_size)
    nursery.start_soon(connection._reader_task)
    await connection._open_handshake.wait()
    return connection
