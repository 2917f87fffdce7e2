"""Our TURN client with Pion's server, which is nobody's child of coturn's, over UDP and TCP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meetref.net.relayed import Over
from meetref.protocol.turn import Allocated, ChannelBound, Lost, Permitted
from meetref.wire.address import Address
from tests.peers.pion import pion_turn
from tests.peers.relayed_talk import talk

pytestmark = pytest.mark.peer("pion-turn")
OVERS: list[Over] = ["udp", "tcp"]


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with pion_turn() as address:
        yield address


@pytest.mark.parametrize("over", OVERS)
async def test_packets_go_through_first_as_indications_then_on_a_channel(server: Address, over: Over) -> None:
    async with talk(server, over) as talking:
        (allocated,) = talking.of(Allocated)
        assert isinstance(allocated, Allocated)
        check = bytes([0, 1]) + bytes(20)
        assert await talking.say([check] * 3) == [check] * 3
        assert talking.of(Permitted) == [Permitted("127.0.0.1")]
        assert not talking.of(ChannelBound)
        media = [b"\x80" + bytes(length) for length in range(0, 1200, 7)]
        assert sorted(await talking.say(media)) == sorted(media)
        assert talking.of(ChannelBound) == [ChannelBound(talking.echo.local, 0x4000)]
        assert talking.origins == set(allocated.relayed)


@pytest.mark.parametrize("over", OVERS)
async def test_thousands_of_packets_on_a_channel(server: Address, over: Over) -> None:
    async with talk(server, over) as talking:
        await talking.say([b"\x80hello"])
        await talking.until(lambda: bool(talking.of(ChannelBound)))
        packets = [b"\x80" + number.to_bytes(3, "big") + bytes(number % 1000) for number in range(3000)]
        assert set(await talking.say(packets)) == set(packets)


@pytest.mark.spec("turn/client-refusal-told")
@pytest.mark.parametrize("over", OVERS)
async def test_a_wrong_password_is_refused(server: Address, over: Over) -> None:
    async with talk(server, over, password="guess") as talking:
        (lost,) = talking.of(Lost)
        assert isinstance(lost, Lost)
        assert lost.code in (400, 401)


@pytest.mark.parametrize("over", OVERS)
async def test_both_families_are_asked_for(server: Address, over: Over) -> None:
    async with talk(server, over, family="both") as talking:
        (allocated,) = talking.of(Allocated)
        assert isinstance(allocated, Allocated)
        assert not allocated.relayed[0].is_ipv6
        assert await talking.say([b"\x80hello"]) == [b"\x80hello"]
