"""What kind of NAT is on the way, by how several servers see one socket."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from meetref.net.nat import NAT, Behaviour, Dependence
from meetref.net.natprobe import Behaviour as Answer
from meetref.net.natprobe import classify, observe
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualsocket import VirtualDatagramSocket
from meetref.protocol.binding import answer_binding
from meetref.wire.address import Address

HERE = Address("10.0.0.2", 40000)
ONE, ONE_OTHER_PORT = Address("198.51.100.1", 3478), Address("198.51.100.1", 3479)
TWO = Address("198.51.100.2", 3478)
FIRST, SECOND, THIRD = (Address("203.0.113.1", port) for port in (50000, 50001, 50002))


@pytest.mark.parametrize(
    ("seen", "answer"),
    [
        ({}, "unknown"),
        ({ONE: HERE}, "no NAT"),
        ({ONE: HERE, TWO: HERE}, "no NAT"),
        ({ONE: FIRST}, "unknown"),
        ({ONE: FIRST, ONE_OTHER_PORT: FIRST}, "unknown"),
        ({ONE: FIRST, TWO: FIRST}, "endpoint-independent"),
        ({ONE: FIRST, ONE_OTHER_PORT: FIRST, TWO: FIRST}, "endpoint-independent"),
        ({ONE: FIRST, TWO: SECOND}, "address-dependent or worse"),
        ({ONE: FIRST, ONE_OTHER_PORT: FIRST, TWO: SECOND}, "address-dependent"),
        ({ONE: FIRST, ONE_OTHER_PORT: SECOND}, "address-and-port-dependent"),
        ({ONE: FIRST, ONE_OTHER_PORT: SECOND, TWO: THIRD}, "address-and-port-dependent"),
    ],
)
def test_the_answers_tell(seen: dict[Address, Address], answer: Answer) -> None:
    assert classify(HERE, seen) == answer


@pytest.mark.parametrize("mapping", list(Dependence))
async def test_each_nat_is_known_by_what_it_does(autojump_clock: MockClock, mapping: Dependence) -> None:
    seed_trio(1)
    network = VirtualNetwork(1)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        box = NAT("203.0.113.1", dice=network.dice("nat"), behaviour=Behaviour(mapping=mapping, ports="random"))
        home = network.host("home", "10.0.0.2", behind=box)
        for number, host in enumerate({place.host: None for place in (ONE, TWO)}):
            server = network.host(f"server {number}", host)
            for place in (ONE, ONE_OTHER_PORT, TWO):
                if place.host == host:
                    nursery.start_soon(_answer, await server.open_datagram(place))
        local, seen = await observe(home, "10.0.0.2", [ONE, ONE_OTHER_PORT, TWO, Address("198.51.100.9", 1)])
        assert set(seen) == {ONE, ONE_OTHER_PORT, TWO}
        assert classify(local, seen) == mapping.value
        assert trio.current_time() == pytest.approx(39.5)  # the silent one
        nursery.cancel_scope.cancel()


async def _answer(socket: VirtualDatagramSocket) -> None:
    while True:
        for datagram in await socket.receive():
            answer = answer_binding(datagram.data, datagram.remote)
            assert isinstance(answer, bytes)
            socket.send((answer,), datagram.remote)
