"""aiortc as participants: another implementation of every protocol, both ways through our server."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meetref.app.server import Settings, open_server
from meetref.app.signaling import open_client_channel
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.peers.aiortc_person import AiortcPerson


async def take_part(
    port: int, name: str, brightness: int, person: AiortcPerson, *, task_status: trio.TaskStatus[None]
) -> None:
    """Signal for an aiortc person until cancelled."""
    async with open_client_channel(KernelNetwork(), Address("127.0.0.1", port)) as channel:
        channel.send(signaling.Join(room="algebra", name=name, microphone="on", camera="on"))
        while True:
            message = await channel.receive()
            match message:
                case signaling.Joined():
                    sdp = await person.do(person.offer(brightness))
                    tracks: dict[str, signaling.Source] = {"0": "microphone", "1": "camera"}
                    channel.send(signaling.UpOffer(connection=1, number=1, sdp=sdp, tracks=tracks))
                case signaling.UpAnswer(sdp=sdp):
                    await person.do(person.take_answer(sdp))
                    task_status.started()
                case signaling.DownOffer(number=number, sdp=sdp):
                    answer = await person.do(person.answer(sdp))
                    channel.send(signaling.DownAnswer(number=number, sdp=answer))
                case signaling.Error(message=words):
                    raise AssertionError(words)


def sees(person: AiortcPerson, brightness: int) -> bool:
    return any(abs(seen - brightness) < 12 for seen in person.brightness.values())


@pytest.mark.peer("aiortc")
async def test_two_aiortc_people_see_and_hear_each_other(tmp_path: Path) -> None:
    settings = Settings(port=0, log=tmp_path / "log")
    async with open_server(KernelNetwork(), settings) as server, trio.open_nursery() as nursery:
        people = [AiortcPerson(), AiortcPerson()]
        try:
            for index, person in enumerate(people):
                await nursery.start(take_part, server.http_port, f"person {index}", 60 + 120 * index, person)
            for _ in range(200):
                if sees(people[0], 180) and sees(people[1], 60) and all(each.loudness for each in people):
                    break
                await trio.sleep(0.1)
            assert sees(people[0], 180)
            assert sees(people[1], 60)
            assert all(max(each.loudness.values()) > 500 for each in people)
        finally:
            for person in people:
                await person.close()
            nursery.cancel_scope.cancel()
