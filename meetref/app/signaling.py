"""Signaling: the WebSocket at `/signal`, as the server opens it and as a bot does.

Stands above `app/channel` (the conversation), `app/deflate` (which makes it small on the wire) and `app/door` (which
read the request), below `app/server` and `app/client`.
Specification: RFC 6455 section 4 (handshake), 10.2 (origin). The messages are those of `wire/signaling`.
Read next: `app/channel.py`, `meeting/participant.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from trio_websocket import WebSocketConnection

from meetref.app.channel import HANDSHAKE_TIMEOUT, Channel, ClientChannel, hold
from meetref.app.deflate import wrap_client_stream, wrap_server_stream
from meetref.app.door import SIGNALING_PATH
from meetref.app.origin import HostNames, is_same_origin
from meetref.app.visitor import Head, ReplayingStream, Visitor
from meetref.meeting.channel import ChannelClosed
from meetref.net.network import Network
from meetref.wire.address import Address
from meetref.wire.signaling import MAXIMUM_MESSAGE_SIZE

__all__ = ["Channel", "ChannelClosed", "ClientChannel", "open_client_channel", "serve_channel", "serve_signaling"]

# A message a little too large is answered with a sentence; one that is far too large ends the connection (1009).
FAR_TOO_LARGE = 4 * MAXIMUM_MESSAGE_SIZE
Attend = Callable[[Channel], Awaitable[None]]


async def serve_signaling(visitor: Visitor, attend: Attend, *, hosts: HostNames) -> None:
    """Answer a visitor who asks for the WebSocket: check who it is, then `attend` to its channel."""
    refused = _why_refused(visitor.head, hosts)
    if refused is not None:
        await visitor.refuse(*refused)
        return
    await serve_channel(visitor.stream, visitor.remote, attend)


async def serve_channel(stream: trio.abc.Stream, remote: Address, attend: Attend) -> None:
    """Do the handshake on `stream` and run `attend` with the channel; when it returns, the channel is closed."""

    async def connect(nursery: trio.Nursery) -> WebSocketConnection:
        request = await wrap_server_stream(nursery, stream, max_message_size=FAR_TOO_LARGE)
        return await request.accept()

    async with trio.open_nursery() as nursery:
        try:
            channel = await nursery.start(hold, Channel, connect, remote, name=f"signaling {remote}")
        except ChannelClosed:
            return
        try:
            await attend(channel)
        except ChannelClosed:
            pass
        finally:
            channel.close()


@asynccontextmanager
async def open_client_channel(
    network: Network,
    address: Address,
    host: str = "localhost",
    path: str = SIGNALING_PATH,
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ClientChannel]:
    """Open a channel to the server at `address`, which is called `host` (with its port, if that is not the usual one).

    Works on any network. Raises `OSError` when nobody listens, `ChannelClosed` when the server refuses.
    """
    stream: trio.abc.Stream = await network.open_stream(address)
    if tls is not None:
        stream = await _secured(stream, tls, host)
    held = ReplayingStream(b"", stream)

    async def connect(nursery: trio.Nursery) -> WebSocketConnection:
        return await wrap_client_stream(nursery, held, host, path, max_message_size=FAR_TOO_LARGE)

    ended: ChannelClosed | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                channel = await nursery.start(hold, ClientChannel, connect, address, name=f"signaling to {address}")
                try:
                    yield channel
                finally:
                    channel.close()
            except ChannelClosed as closed:
                ended = closed  # leaves the nursery alone, and not in a group
    finally:
        await trio.aclose_forcefully(stream)
    if ended is not None:
        raise ended


async def _secured(stream: trio.abc.Stream, tls: ssl.SSLContext, host: str) -> trio.abc.Stream:
    """TLS over `stream`. Raises `ChannelClosed`."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    secured = trio.SSLStream(stream, tls, server_hostname=name.strip("[]"), https_compatible=True)
    try:
        with trio.fail_after(HANDSHAKE_TIMEOUT):
            await secured.do_handshake()
    except (trio.BrokenResourceError, trio.TooSlowError) as error:
        await trio.aclose_forcefully(stream)
        cause = error.__cause__
        why = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "it does not speak TLS"
        raise ChannelClosed(False, f"no trusted TLS connection: {why}") from None
    return secured


def _why_refused(head: Head, hosts: HostNames) -> tuple[int, str] | None:
    """HTTP status and sentence for a handshake that we do not accept."""
    host = head.header("host")
    if not hosts.allows(host):
        return 421, "This server does not answer to that name; --host-name tells it its names."
    if not is_same_origin(head.header("origin"), host):
        return 403, "A page from elsewhere may not speak to this server."
    if head.method != "GET" or head.header("sec-websocket-key") is None:
        return 400, "This is no WebSocket handshake."
    return None
