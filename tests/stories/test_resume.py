"""The WebSocket breaks, the media does not: its owner comes back and has exactly the chat that was missed."""

from __future__ import annotations

from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from meetref.app.signaling import ClientChannel, open_client_channel
from meetref.meeting.chat import PAGE
from meetref.meeting.participant import RETURN_WITHIN
from meetref.wire import signaling
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import everyone_sees_everyone, until


def cut_streams(scene: Meeting, name: str) -> None:
    """Break the TCP streams of a host, as a router does that forgot them; its datagrams go on."""
    for stream in list(scene.network.hosts[name]._streams):
        stream.reset()


Heard = TypeVar("Heard", bound=signaling.ServerMessage)


async def hear(channel: ClientChannel, kind: type[Heard]) -> Heard:
    """The next message of that kind."""
    with trio.fail_after(5):
        while not isinstance(message := await channel.receive(), kind):
            pass
    return message


def frames_from(scene: Meeting, viewer: str, name: str) -> int:
    client = scene.people[viewer]
    person = next(person.id for person in client.people.values() if person.name == name)
    receiver = client.seen(person)
    return receiver.frames if receiver is not None else 0


async def test_media_goes_on_and_exactly_the_missed_chat_follows(autojump_clock: MockClock) -> None:
    async with meeting(21) as scene:
        alice, bob = await scene.join("alice"), await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 10), 10)
        for number in range(3):
            bob.say(signaling.SayChat(client_id=f"before-{number}", text="before"))
        await until(lambda: len(alice.chat) == 3, 5)
        cut_streams(scene, "alice")
        await until(lambda: alice.closed.is_set(), 5)
        seen_before, shown_before = frames_from(scene, "alice", "bob"), frames_from(scene, "bob", "alice")
        for number in range(4):
            bob.say(signaling.SayChat(client_id=f"missed-{number}", text="missed"))
        await trio.sleep(RETURN_WITHIN / 2)
        assert len(bob.people) == 2, "the others still see who is about to return"
        assert frames_from(scene, "alice", "bob") > seen_before + 100
        assert frames_from(scene, "bob", "alice") > shown_before + 100
        assert alice.identity is not None
        resume = signaling.Resume(participant=alice.identity.participant, secret=alice.identity.secret)
        join = signaling.Join(room="algebra", name="alice", resume=resume, last_sequence=alice.chat[-1].sequence)
        async with open_client_channel(scene.network.hosts["alice"], scene.address) as channel:
            channel.send(join)
            joined = await channel.receive()
            assert isinstance(joined, signaling.Joined)
            assert joined.resumed
            assert joined.participant == alice.identity.participant
            missed: list[signaling.Chat] = []
            while len(missed) < 4:
                if isinstance(message := await channel.receive(), signaling.Chat):
                    missed.append(message)
            assert missed == bob.chat[3:]
            assert [one.client_id for one in missed] == [f"missed-{number}" for number in range(4)]
            bob.say(signaling.SayChat(client_id="after", text="after"))
            while not isinstance(message := await channel.receive(), signaling.Chat):
                assert not isinstance(message, signaling.DownOffer), "the connections were never away"
            assert message.client_id == "after"
            shown_before = frames_from(scene, "bob", "alice")
            await trio.sleep(RETURN_WITHIN + 2)
            assert frames_from(scene, "bob", "alice") > shown_before + 100
            assert len(bob.people) == 2


async def test_an_offer_that_was_not_answered_is_made_again(autojump_clock: MockClock) -> None:
    """A WebSocket that breaks between offer and answer takes one of them along."""
    async with meeting(24) as scene:
        host = scene.network.host("alice")
        async with open_client_channel(host, scene.address) as channel:
            channel.send(signaling.Join(room="algebra", name="alice"))
            first = await hear(channel, signaling.Joined)
            offered = await hear(channel, signaling.DownOffer)
            cut_streams(scene, "alice")
        resume = signaling.Resume(participant=first.participant, secret=first.secret)
        async with open_client_channel(host, scene.address) as channel:
            channel.send(signaling.Join(room="algebra", name="alice", resume=resume))
            assert (await hear(channel, signaling.Joined)).resumed
            again = await hear(channel, signaling.DownOffer)
            assert (again.connection, again.number) == (offered.connection, offered.number + 1)


async def test_who_stays_away_is_gone_after_twenty_seconds(autojump_clock: MockClock) -> None:
    async with meeting(22) as scene:
        await scene.join("alice")
        bob = await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 5), 10)
        cut_streams(scene, "alice")
        await trio.sleep(RETURN_WITHIN - 2)
        assert len(bob.people) == 2
        await until(lambda: len(bob.people) == 1, 4)
        assert all(seat.person is None for seat in bob.seats)
        await until(lambda: len(scene.server.exchange) == 2, 2)


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, 3 * PAGE + 7])
async def test_a_long_history_is_told_to_who_comes_late(autojump_clock: MockClock, count: int) -> None:
    """Far more messages than may wait for a client at once, and more being said while they are told."""
    async with meeting(23) as scene:
        log = scene.server.rooms._log
        for number in range(count):
            await log.append("algebra", "chat", f"old-{number}", {"person": "p", "name": "old", "text": "x" * 300})
        alice = await scene.join("alice", sends=False)
        carol = await scene.join("carol", sends=False)
        for number in range(20):
            alice.say(signaling.SayChat(client_id=f"new-{number}", text="meanwhile"))
            carol.say(signaling.SayChat(client_id=f"hers-{number}", text="me too"))
            await trio.sleep(0.01)
        await until(lambda: len(carol.chat) == count + 40, 30)
        numbers = [message.sequence for message in carol.chat]
        assert numbers == sorted(set(numbers))
        assert len({message.client_id for message in carol.chat}) == count + 40
        assert alice.chat == carol.chat
        assert carol.identity is not None
        assert count <= carol.identity.sequence <= numbers[-1]
        assert not carol.closed.is_set()
        dave = await scene.join("dave")
        await until(lambda: len(dave.chat) == count + 40, 30)
