"""One HTTP request to a server that is to be tried, and what came back.

Stands above `net` and h11, below `app/replay/whip`. Specification: RFC 9112.
Leaves out: connections that are kept, redirections, TLS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import h11
import trio

from meetref.net.network import Network
from meetref.wire.address import Address

PATIENCE = 10.0  # seconds for an answer
MAXIMUM_BODY = 1_000_000


@dataclass(slots=True, frozen=True)
class Answer:
    """Names of headers are lower case; of several of a name this is the first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Ask = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer | None]]
"""Method, path, headers and body; None where no sane answer came."""


def ask_at(network: Network, target: Address) -> Ask:
    """Requests to a server at `target`, each on a connection of its own."""

    async def ask(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        with trio.move_on_after(PATIENCE):
            try:
                async with await network.open_stream(target) as stream:
                    return await _exchange(stream, method, path, {"host": str(target), **headers}, body)
            except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError):
                return None
        return None

    return ask


async def _exchange(
    stream: trio.abc.Stream, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> Answer | None:
    connection = h11.Connection(h11.CLIENT)
    sized = [*headers.items(), ("connection", "close"), ("content-length", str(len(body)))]
    said = connection.send(h11.Request(method=method, target=path, headers=sized)) or b""
    said += (connection.send(h11.Data(data=body)) or b"") + (connection.send(h11.EndOfMessage()) or b"")
    await stream.send_all(said)
    head: h11.Response | None = None
    octets = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(65536)))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            octets += event.data
            if len(octets) > MAXIMUM_BODY:
                return None
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return _answer(head, bytes(octets)) if head is not None else None


def _answer(head: h11.Response, body: bytes) -> Answer:
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
    return Answer(head.status_code, headers, body)
