"""Somebody who is a program: joins, sees, is seen, chats, and notices how it ends."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from meetref.app.client import open_client
from meetref.media.repair import REORDER_WAIT
from meetref.meeting.channel import ChannelClosed
from meetref.net.virtuallink import Impairments
from meetref.protocol.machine import Datagram
from meetref.wire import rtcp, signaling
from meetref.wire.address import Address
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import everyone_sees_everyone, until


def asks(name: str, room: str = "algebra") -> signaling.Join:
    return signaling.Join(room=room, name=name, microphone="on", camera="on")


async def test_a_client_knows_who_is_there(autojump_clock: MockClock) -> None:
    async with meeting(51) as scene:
        host = scene.network.host("ada")
        async with open_client(host, scene.address, asks("Ada")) as ada:
            assert ada.identity is not None
            assert [person.name for person in ada.people.values()] == ["Ada"]
            async with open_client(scene.network.host("bob"), scene.address, asks("Bob")) as bob:
                await until(lambda: len(ada.people) == 2, 5)
                bob.say(signaling.Devices(microphone="muted", camera="off"))
                await until(lambda: "muted" in {person.microphone for person in ada.people.values()}, 5)
                bob.say(signaling.SayChat(client_id="1", text="hello"))
                await until(lambda: [message.text for message in ada.chat] == ["hello"], 5)
            await until(lambda: len(ada.people) == 1, 5)
            ada.say(signaling.Join(room="algebra", name="again"))
            await until(lambda: [error.code for error in ada.errors] == ["already-joined"], 5)
        await until(lambda: not scene.server.rooms.rooms, 5)
        assert len(scene.server.exchange) == 0


async def test_a_client_that_is_not_let_in_says_why(autojump_clock: MockClock) -> None:
    async with meeting(52, maximum_people=1) as scene:
        await scene.join("ada")
        with pytest.raises(ChannelClosed, match="has 1 people and takes no more"):
            async with open_client(scene.network.host("bob"), scene.address, asks("Bob")):
                raise AssertionError
        with pytest.raises(OSError, match="refused"):
            async with open_client(scene.network.hosts["bob"], Address(scene.address.host, 9), asks("Bob")):
                raise AssertionError


@pytest.mark.spec("rtcp/round-trip-without-media", "rtcp/round-trip-agreed")
async def test_both_ends_learn_how_far_away_the_other_is(autojump_clock: MockClock) -> None:
    async with meeting(57) as scene:
        ada = await scene.join("ada", way=Impairments(delay=0.03))
        await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 5), 10)
        await trio.sleep(3)
        assert ada.down is not None
        assert ada.down.round_trip_time(trio.current_time()) == pytest.approx(0.06, abs=0.005)
        sooner_than_any_answer = ada.down.round_trip_time(trio.current_time()) + REORDER_WAIT
        assert {each._losses.round_trip_time for each in ada.receivers.values()} == {sooner_than_any_answer}
        (room,) = scene.server.rooms.rooms.values()
        (up,) = [each.up for each in room.people.values() if each.person.name == "ada"]
        assert up is not None
        assert up._round_trip.seconds(trio.current_time()) == pytest.approx(0.06, abs=0.005)


async def test_media_and_the_secrets_that_open_it(autojump_clock: MockClock) -> None:
    async with meeting(53) as scene:
        lines: list[str] = []
        await scene.join("bob")
        host = scene.network.host("ada")
        async with open_client(host, scene.address, asks("Ada"), key_log=lines.append) as ada:
            scene.people["ada"] = ada
            await ada.publish(["microphone", "camera"])
            assert not ada.senders["camera"].ready
            bob = next(identity for identity, person in ada.people.items() if person.name == "bob")
            await until(lambda: (seen := ada.seen(bob)) is not None and seen.frames > 20, 10)
            assert (heard := ada.heard(bob)) is not None
            assert heard.packets > 20
            assert heard.sender_reports
            assert ada.seen("nobody") is None
            await until(lambda: ada.senders["camera"].ready, 5)
            assert len({line.split()[1] for line in lines if line.startswith("EXPORTER_SECRET ")}) == 2


async def test_a_server_that_stops_is_noticed(autojump_clock: MockClock) -> None:
    """Without a word, or with a goodbye: `closed` says so, and nothing is raised at whoever waits."""
    async with meeting(54) as scene:
        ada = await scene.join("ada")
        bob = await scene.join("bob", sends=False)
        for stream in list(scene.network.hosts["ada"]._streams):
            stream.reset()
        await until(ada.closed.is_set, 5)
        (participant,) = [
            one for one in scene.server.rooms.rooms["algebra"].people.values() if one.person.name == "bob"
        ]
        participant.remove()
        await until(bob.closed.is_set, 5)


async def connected(scene: Meeting) -> None:
    for name in ("ada", "bob"):
        await scene.join(name)
    await until(lambda: everyone_sees_everyone(scene, 3), 10)


async def test_whatever_a_server_sends_is_survived(autojump_clock: MockClock) -> None:
    async with meeting(55) as scene:
        await connected(scene)
        ada = scene.people["ada"]
        assert ada.down is not None
        assert ada.down.peer.path is not None
        local, remote = ada.down.peer.path
        now = trio.current_time()
        octets = [b"", b"\x80", b"\x80\xc8", b"\x80" + bytes(40), b"\x80\xc8" + bytes(40), b"\x16" * 20, b"\xff" * 9]
        ada.down.receive_batch([Datagram(data, local, remote) for data in octets], now)
        assert ada.down.ignored["not unlocked"] >= 2
        before = sum(receiver.frames for receiver in ada.receivers.values())
        await trio.sleep(1)
        assert sum(receiver.frames for receiver in ada.receivers.values()) > before


async def test_a_link_without_a_connection_sends_nothing(autojump_clock: MockClock) -> None:
    async with meeting(56) as scene, open_client(scene.network.host("ada"), scene.address, asks("Ada")) as ada:
        await ada.publish(["microphone"])
        assert ada.up is not None
        assert not ada.up.connected.is_set()
        assert ada.up.send(b"\x80\x60" + bytes(20)) is None
        ada.up.send_control(rtcp.Goodbye([1]))
        assert [ada.up.count() for _ in range(3)] == [1, 2, 3]
        ada.up._transport_sequence = 0xFFFF
        assert ada.up.count() == 0


async def test_a_description_that_cannot_be_read_is_not_the_end(autojump_clock: MockClock) -> None:
    """A server that says nonsense is a broken server: the stay ends with `closed`, the program goes on."""
    async with meeting(57) as scene:
        ada = await scene.join("ada", sends=False)
        await until(lambda: ada.down is not None, 5)
        people = scene.server.rooms.rooms["algebra"].people.values()
        (participant,) = people
        participant.tell(signaling.DownOffer(connection=2, number=9, sdp="v=0\r\nnonsense"))
        await until(ada.closed.is_set, 5)
