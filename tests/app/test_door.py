"""The door: what a connection is, and that nobody takes more than a place, a head and ten seconds."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from meetref.app.door import DoorLimits
from meetref.app.visitor import ReplayingStream, Visitor
from meetref.net.virtual import VirtualNetwork
from meetref.wire.address import Address
from tests.app.doorway import open_doorway

GET = b"GET /somewhere?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


async def test_a_request_reaches_whoever_answers_it() -> None:
    async with open_doorway() as doorway:
        answer = await doorway.ask(GET)
        assert status(answer) == 200
        assert answer.endswith(b"/somewhere")
        assert doorway.door.counters["http"] == 1
    assert doorway.door.places.taken == 0


async def test_the_answer_can_read_the_request_from_its_first_octet() -> None:
    seen = bytearray()

    async def read(visitor: Visitor) -> None:
        while len(seen) < len(GET) + 4:
            seen.extend(await visitor.stream.receive_some(7))
        await visitor.refuse(404, "read")

    async with open_doorway(answer_http=read) as doorway:
        stream = await doorway.network.open_stream(doorway.address)
        for start in range(0, len(GET), 9):
            await stream.send_all(GET[start : start + 9])
        await stream.send_all(b"body")
        await doorway.ask(b"", stream=stream)
    assert bytes(seen) == GET + b"body"


@pytest.mark.parametrize(
    ("request_octets", "expected", "counter"),
    [
        (b"GET / HTTP/1.1\r\nnot a header\r\n\r\n", 400, "bad-head"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad-head"),  # no Host
        (b"GET /" + b"a" * 20_000, 431, "large-head"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "bad-head"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0, "unknown"),  # TLS, and we have none
        (b"SSH-2.0-OpenSSH_9\r\n", 0, "unknown"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), 0, "unknown"),
        (b"GET /other HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 404, "not-found"),
    ],
)
async def test_what_is_not_for_us(request_octets: bytes, expected: int, counter: str) -> None:
    async with open_doorway() as doorway:
        assert status(await doorway.ask(request_octets)) == expected
        assert doorway.door.counters[counter] == 1
        assert status(await doorway.ask(GET)) == 200


async def test_a_head_has_a_bounded_size() -> None:
    async with open_doorway(limits=DoorLimits(head_size=500)) as doorway:
        assert status(await doorway.ask(GET[:-2] + b"X-Long: " + b"x" * 300 + b"\r\n\r\n")) == 200
        assert status(await doorway.ask(GET[:-2] + b"X-Long: " + b"x" * 5000 + b"\r\n\r\n")) == 431


async def test_a_head_has_a_bounded_time(autojump_clock: trio.testing.MockClock) -> None:
    network = VirtualNetwork(1)
    server, client = network.host("server"), network.host("client")
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        at = Address(server.addresses()[0], 80)
        async with open_doorway(network=server, at=at) as doorway:
            for early in (b"", b"GE", b"GET / HTTP/1.1\r\nHost"):
                stream = await client.open_stream(at)
                started = trio.current_time()
                await stream.send_all(early or b"G")
                assert await stream.receive_some() == b""
                assert 9 < trio.current_time() - started < 12
            assert doorway.door.counters["slow-head"] == 3
            assert doorway.door.places.taken == 0
        nursery.cancel_scope.cancel()


async def test_places_are_bounded() -> None:
    async with open_doorway(limits=DoorLimits(connections=2)) as doorway:
        streams = [await doorway.network.open_stream(doorway.address) for _ in range(3)]
        assert await streams[2].receive_some() == b""
        assert doorway.door.counters["full"] == 1
        assert status(await doorway.ask(GET, stream=streams[0])) == 200
        with trio.fail_after(5):
            while status(await doorway.ask(GET)) != 200:  # the place is free when the first task has ended
                await trio.lowlevel.checkpoint()
        await streams[1].aclose()
        await streams[2].aclose()


async def test_places_are_bounded_for_each_source() -> None:
    async with open_doorway(limits=DoorLimits(connections_per_source=1)) as doorway:
        first = await doorway.network.open_stream(doorway.address)
        second = await doorway.network.open_stream(doorway.address)
        assert await second.receive_some() == b""
        assert doorway.door.counters["full-for-source"] == 1
        await first.aclose()
        await second.aclose()


async def test_a_visitor_who_makes_the_answer_fail_takes_nobody_along(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(visitor: Visitor) -> None:
        async with trio.open_nursery():
            raise KeyError(visitor.head.path)

    async with open_doorway(answer_http=fail) as doorway:
        assert await doorway.ask(GET) == b""
        assert await doorway.ask(GET) == b""
        assert doorway.door.counters["failed"] == 2
    assert "answering a visitor failed" in caplog.text


async def test_an_error_while_the_server_stops_does_not_stop_the_stopping() -> None:
    arrived = trio.Event()

    async def fail_when_cancelled(visitor: Visitor) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            arrived.set()
            try:
                await trio.sleep_forever()
            finally:
                raise KeyError("late")

    async with open_doorway(answer_http=fail_when_cancelled) as doorway:
        stream = await doorway.network.open_stream(doorway.address)
        await stream.send_all(GET)
        await arrived.wait()
    assert doorway.door.counters["failed"] == 1
    await stream.aclose()


async def test_any_octets_are_survived() -> None:
    dice = random.Random(3)
    beginnings = [b"", b"GET ", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"\x00\x00\x21\x12\xa4\x42", GET[:-2]]
    async with open_doorway(limits=DoorLimits(head_timeout=0.05)) as doorway:
        for number in range(60):
            await doorway.ask(beginnings[number % 6] + dice.randbytes(dice.randrange(200)) + b"\r\n\r\n")
        assert status(await doorway.ask(GET)) == 200
        assert doorway.door.counters["failed"] == 0


async def test_a_peer_that_does_not_read_is_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    near, far = trio.testing.lockstep_stream_pair()
    with trio.CancelScope(shield=True), pytest.raises(trio.BrokenResourceError, match="does not read"):
        await ReplayingStream(b"", near).send_all(b"x" * 200_000)
    assert trio.current_time() == pytest.approx(10.0)
    await far.aclose()


async def test_a_replaying_stream_gives_everything_once() -> None:
    near, far = trio.testing.memory_stream_pair()
    stream = ReplayingStream(b"early", near)
    await far.send_all(b" and late")
    assert [await stream.receive_some(2), await stream.receive_some(), await stream.receive_some()] == [
        b"ea",
        b"rly",
        b" and late",
    ]
    await stream.wait_send_all_might_not_block()
    await stream.aclose()
    assert await far.receive_some() == b""
