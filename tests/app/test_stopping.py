"""A service manager's SIGTERM ends a server with goodbyes, and robots find their way into one with TLS."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from meetref.app.bot import be_bots, behaviours_of
from meetref.app.certificates import make_client_tls
from meetref.app.signaling import ClientChannel, open_client_channel
from meetref.app.stopping import until_terminated
from meetref.meeting.channel import ChannelClosed
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from tests.app.serving import server_process


async def hear_all(channel: ClientChannel) -> None:
    while True:
        await channel.receive()


async def test_everybody_is_told_goodbye(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with server_process(tmp_path) as server, open_client_channel(KernelNetwork(), server.address) as channel:
            channel.send(signaling.Join(room="algebra", name="Ada"))
            assert isinstance(await channel.receive(), signaling.Joined)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.terminate)
                with pytest.raises(ChannelClosed) as closed:
                    await hear_all(channel)
            assert closed.value.clean, "the stream did not just break"
            assert await server.terminate() == 0


async def test_work_that_ends_by_itself_is_over() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await trio.lowlevel.checkpoint()
        done.append(number)

    await until_terminated(work, 7)
    assert done == [7]


async def test_a_signal_cancels_the_work() -> None:
    ended: list[str] = []

    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        try:
            await trio.sleep_forever()
        finally:
            ended.append("with its goodbyes")

    with trio.fail_after(10):
        await until_terminated(work)
    assert ended == ["with its goodbyes"]


async def test_robots_join_a_server_with_tls_and_trust_nobody_by_mistake(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with server_process(tmp_path, "--self-signed") as server:
            with pytest.raises(ExceptionGroup) as refused:
                await be_bots(
                    KernelNetwork(), server.address, "algebra", behaviours_of(1, tls=make_client_tls(insecure=False))
                )
            assert refused.group_contains(ChannelClosed, match="no trusted TLS connection: self-signed certificate")
            robots = behaviours_of(1, receive_only=True, tls=make_client_tls(insecure=True))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(be_bots, KernelNetwork(), server.address, "algebra", robots)
                async with open_client_channel(
                    KernelNetwork(), server.address, tls=make_client_tls(insecure=True)
                ) as channel:
                    channel.send(signaling.Join(room="algebra", name="Ada"))
                    names: set[str] = set()
                    while robots[0].name not in names:
                        match await channel.receive():
                            case signaling.Joined(people=people):
                                names |= {person.name for person in people}
                            case signaling.PersonChanged(person=person):
                                names.add(person.name)
                nursery.cancel_scope.cancel()
