"""What kind of NAT is on the way, as far as questions can tell: ask several servers from one socket, and compare.

Stands above `net/asking`, below `app/doctor`. Specification: RFC 5780 section 4.3 (mapping), RFC 4787 section 4.1.
Leaves out: filtering (section 4.4), which would need servers that answer from where they were not asked, and few do.
Read next: `app/doctor.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Literal

import trio

from meetref.net.asking import Asker
from meetref.net.network import Network
from meetref.protocol.stun import Answered, Failed
from meetref.wire.address import Address

Behaviour = Literal[
    "no NAT",
    "endpoint-independent",
    "address-dependent",
    "address-and-port-dependent",
    "address-dependent or worse",
    "unknown",
]
MAXIMUM_DESTINATIONS = 8


async def observe(
    network: Network, base: str, destinations: Iterable[Address]
) -> tuple[Address, dict[Address, Address]]:
    """Ask each of `destinations` from one socket on the host `base`: its address, and how each of them sees it.

    Who does not answer is left out; that takes up to 39.5 s. Raises `OSError` where `base` is not ours.
    """
    socket = await network.open_datagram(Address(base, 0))
    seen: dict[Address, Address] = {}
    askers: dict[Address, Asker] = {}

    async def read() -> None:
        while True:
            for datagram in await socket.receive():
                asker = askers.get(datagram.remote)
                if asker is not None and asker.owns(datagram.data):
                    asker.receive(datagram, trio.current_time())

    async def ask(destination: Address) -> None:
        asker = askers[destination] = Asker(
            socket.local, destination, network.dice, lambda datagram: socket.send((datagram.data,), datagram.remote)
        )
        with trio.CancelScope() as scope:

            def tell(answer: Answered | Failed) -> None:
                if asker.mapped is not None:
                    seen[destination] = asker.mapped
                scope.cancel()

            await asker.run(tell)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, name="answers")
            async with trio.open_nursery() as questions:
                for destination in list(dict.fromkeys(destinations))[:MAXIMUM_DESTINATIONS]:
                    questions.start_soon(ask, destination, name=f"asking {destination}")
            nursery.cancel_scope.cancel()
    finally:
        socket.close()
    return socket.local, seen


def classify(local: Address, seen: Mapping[Address, Address]) -> Behaviour:
    """What the mapping of `local` depends on, by how each of several destinations sees it (RFC 4787 section 4.1)."""
    if seen and all(mapped == local for mapped in seen.values()):
        return "no NAT"
    hosts_agree: list[bool] = []  # for two destinations of different hosts: did both see the same?
    ports_agree: list[bool] = []  # and for two of one host
    for (one, one_mapped), (two, two_mapped) in combinations(seen.items(), 2):
        (ports_agree if one.host == two.host else hosts_agree).append(one_mapped == two_mapped)
    if ports_agree and not all(ports_agree):
        return "address-and-port-dependent"
    if hosts_agree and all(hosts_agree):
        return "endpoint-independent"
    if hosts_agree:
        return "address-dependent" if ports_agree else "address-dependent or worse"
    return "unknown"
