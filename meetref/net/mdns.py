"""Asking the neighbours whose a `.local` name is: browsers give such names in place of their addresses.

Stands above `wire/mdns`, below whoever takes a peer's candidates. A question goes to the group of all that answer, and
an answer comes back directly. Specification: RFC 6762 section 5.1, draft-ietf-rtcweb-mdns-ice-candidates section 3.2.
Leaves out: names for our own addresses, the group's IPv6 address (which needs an interface), and remembering.
Read next: `app/clientlink.py`.
"""

from __future__ import annotations

import trio

from meetref.net.datagram import DatagramSocket
from meetref.net.network import Network
from meetref.wire import mdns
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

GROUP = Address("224.0.0.251", 5353)
WAITS = (0.25, 0.75, 1.5)  # seconds after each question: neighbours answer at once, or are not there
MAXIMUM_NAMES = 16  # that one peer may have us ask for: each question goes to everybody in the network


async def resolve_local(network: Network, name: str) -> list[str]:
    """The addresses behind a `.local` name; none where nobody answers within two and a half seconds."""
    identifier = int.from_bytes(network.dice(2))
    try:
        question = mdns.serialize_question(identifier, name)
    except Malformed:
        return []
    sockets = []
    for host in network.default_addresses():
        if ":" not in host:
            sockets.append(await network.open_datagram(Address(host, 0)))
    found: list[str] = []
    try:
        async with trio.open_nursery() as nursery:
            for socket in sockets:
                nursery.start_soon(_listen, socket, name, found, nursery.cancel_scope)
            for wait in WAITS if sockets else ():
                for socket in sockets:
                    socket.send((question,), GROUP)
                await trio.sleep(wait)
            nursery.cancel_scope.cancel()
    finally:
        for socket in sockets:
            socket.close()
    return found


async def _listen(socket: DatagramSocket, name: str, found: list[str], done: trio.CancelScope) -> None:
    while True:
        for datagram in await socket.receive():
            try:
                found += mdns.parse_addresses(datagram.data, name)
            except Malformed:
                continue  # anybody may send here
        if found:
            done.cancel()
