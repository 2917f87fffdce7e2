"""Names that only the neighbours know."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from meetref.net.mdns import GROUP, resolve_local
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from tests.wire.test_mdns import NAME, OWNER, answer, record


async def neighbour(host: VirtualHost, *answers: bytes) -> None:
    """Answers questions in turn, as one of the group; an empty answer is silence."""
    socket = await host.open_datagram(GROUP)
    left = list(answers)
    while True:
        for datagram in await socket.receive():
            said = left.pop(0) if left else b""
            if said:
                socket.send((said,), datagram.remote)


GOOD = answer(record(OWNER, 1, bytes([192, 0, 2, 77])))
OTHER = answer(record(b"\x05other\x05local\0", 1, bytes([192, 0, 2, 78])))


@pytest.mark.parametrize(
    ("answers", "found", "took"),
    [
        ((GOOD,), ["192.0.2.77"], 0.0),
        ((b"", GOOD), ["192.0.2.77"], 0.25),
        ((OTHER, b"rubbish", GOOD), ["192.0.2.77"], 1.0),
        ((), [], 2.5),
        ((OTHER,), [], 2.5),
    ],
)
async def test_a_name_is_asked_for_three_times(
    autojump_clock: MockClock, answers: tuple[bytes, ...], found: list[str], took: float
) -> None:
    seed_trio(1)
    network = VirtualNetwork(1)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        home = network.host("home")
        nursery.start_soon(neighbour, network.host("neighbour", GROUP.host), *answers)
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        assert await resolve_local(home, NAME) == found
        assert trio.current_time() - before == pytest.approx(took)
        nursery.cancel_scope.cancel()


async def test_no_question_is_asked_for_other_names(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(1)
    assert await resolve_local(network.host("home"), "example.org") == []
    assert trio.current_time() == 0
