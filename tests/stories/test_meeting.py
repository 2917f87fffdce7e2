"""Whole meetings on the virtual network, in virtual time, from a seed."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from meetref.app.bot import ticks
from meetref.app.client import Client
from meetref.net.virtuallink import Impairments
from meetref.protocol.libsrtp import LibrarySession
from meetref.protocol.srtphiding import HidingSession
from meetref.wire import signaling
from tests.stories.people import Meeting, meeting

ROUGH = Impairments(delay=0.05, jitter=0.01, loss=0.05, reordering=0.02)


def everyone_sees_everyone(scene: Meeting, frames: int) -> bool:
    """Whether each person has had so many whole pictures, and sound, of each other one."""
    for client in scene.people.values():
        for person in client.people.values():
            if client.identity is None or person.id == client.identity.participant:
                continue
            seen, heard = client.seen(person.id), client.heard(person.id)
            if seen is None or heard is None or seen.frames < frames or heard.packets < frames:
                return False
    return True


async def until(condition: Callable[[], bool], limit: float) -> None:
    """Wait in virtual time; asserts that the condition came true."""
    for _ in range(round(limit / 0.05)):
        if condition():
            return
        await trio.sleep(0.05)
    assert condition()


async def test_two_people_see_and_hear_each_other(autojump_clock: MockClock) -> None:
    async with meeting(1) as scene:
        for name in ("alice", "bob"):
            await scene.join(name)
        await until(lambda: everyone_sees_everyone(scene, 30), 10)
        assert all(client.up is not None and client.up.dtls == "1.3" for client in scene.people.values())


@pytest.mark.spec("sped/options-offered", "sped/early-checks")
@pytest.mark.parametrize("embeds", [True, False])
async def test_handshakes_ride_in_checks_unless_the_server_is_told_otherwise(
    autojump_clock: MockClock, embeds: bool
) -> None:
    async with meeting(1, embeds_handshake=embeds) as scene:
        for name in ("alice", "bob"):
            await scene.join(name, way=Impairments(delay=0.05))
        await until(lambda: everyone_sees_everyone(scene, 5), 10)
        links = [link for client in scene.people.values() for link in (client.up, client.down) if link is not None]
        assert [link.peer.sped.carried > 0 for link in links] == 4 * [embeds]
        seated = [person for room in scene.server.rooms.rooms.values() for person in room.people.values()]
        ends = [end.peer for person in seated for end in (person.up, person.down) if end is not None]
        assert [peer.sped.received > 0 for peer in ends] == 4 * [embeds]


@pytest.mark.parametrize("engine", ["ours", "libsrtp"])
async def test_people_meet_whoever_locks_their_media(autojump_clock: MockClock, engine: str) -> None:
    async with meeting(1, srtp_engine=engine) as scene:
        for name in ("alice", "bob"):
            await scene.join(name)
        await until(lambda: everyone_sees_everyone(scene, 30), 10)
        peers = [
            person.up.peer for room in scene.server.rooms.rooms.values() for person in room.people.values() if person.up
        ]
        assert [isinstance(peer.srtp, LibrarySession) for peer in peers] == [engine == "libsrtp"] * 2


@pytest.mark.spec("srtp/cryptex-negotiated")
async def test_headers_are_not_hidden_from_people_who_do_not_say_that_they_take_it(autojump_clock: MockClock) -> None:
    async with meeting(1, hides_headers=True) as scene:
        for name in ("alice", "bob"):
            await scene.join(name)
        await until(lambda: everyone_sees_everyone(scene, 5), 10)
        seated = [person for room in scene.server.rooms.rooms.values() for person in room.people.values()]
        peers = [end.peer for person in seated for end in (person.up, person.down) if end is not None]
        assert [(peer.hides_headers, isinstance(peer.srtp, HidingSession)) for peer in peers] == 4 * [(True, False)]


async def test_leaving_is_seen_within_two_seconds(autojump_clock: MockClock) -> None:
    async with meeting(2) as scene:
        alice = await scene.join("alice", way=ROUGH)
        bob = await scene.join("bob", way=ROUGH)
        await until(lambda: len(alice.people) == 2 and len(bob.people) == 2, 5)
        scene.leave("bob")
        await until(lambda: len(alice.people) == 1 and all(seat.person is None for seat in alice.seats), 2)


async def test_who_only_watches_stays(autojump_clock: MockClock) -> None:
    async with meeting(6) as scene:
        alice = await scene.join("alice")
        bob = await scene.join("bob", sends=False)
        assert alice.identity is not None
        identity = alice.identity.participant
        await until(lambda: (seen := bob.seen(identity)) is not None and seen.frames > 20, 10)
        assert len(alice.people) == 2
        assert not bob.closed.is_set()
        scene.leave("bob")
        await until(lambda: len(alice.people) == 1, 2)
        again = await scene.join("bob", sends=False)
        await until(lambda: (seen := again.seen(identity)) is not None and seen.frames > 20, 10)


async def test_chat_arrives_in_order_and_a_newcomer_reads_it_all(autojump_clock: MockClock) -> None:
    async with meeting(3) as scene:
        alice, bob = await scene.join("alice", way=ROUGH), await scene.join("bob", way=ROUGH)
        for number in range(10):
            speaker = alice if number % 2 else bob
            await until(lambda speaker=speaker, read=number: len(speaker.chat) == read, 5)
            speaker.say(signaling.SayChat(client_id=f"m{number}", text=f"message {number}"))
        alice.say(signaling.SayChat(client_id="m9", text="message 9"))  # said again: stored once
        await until(lambda: len(alice.chat) == 11 and len(bob.chat) == 10, 5)
        carol = await scene.join("carol")
        await until(lambda: len(carol.chat) == 10, 5)
        for client in (bob, carol):
            assert [message.text for message in client.chat] == [f"message {number}" for number in range(10)]
            numbers = [message.sequence for message in client.chat]
            assert numbers == sorted(set(numbers))


async def test_a_large_room_grows_its_seats(autojump_clock: MockClock) -> None:
    async with meeting(4) as scene:
        names = [f"person-{number}" for number in range(12)]
        for name in names:
            await scene.join(name)
        first = scene.people[names[0]]
        await until(lambda: len([seat for seat in first.seats if seat.video and seat.person]) == 11, 20)
        assert len([seat for seat in first.seats if seat.video]) == 16
        voices = [seat for seat in first.seats if seat.audio and not seat.video]
        assert len(voices) == 5
        await until(lambda: all(r.frames > 5 for p in first.people if (r := first.seen(p)) is not None), 20)


@pytest.mark.spec("speaker/silent-place-free")
async def test_the_first_word_is_heard_in_a_large_room(autojump_clock: MockClock) -> None:
    """All five voices of the room have a microphone on and are silent; a sixth begins to speak."""
    async with meeting(5) as scene:
        for number in range(12):
            await scene.join(f"person-{number}", sends=False)
        people = list(scene.people.values())
        listener, levels = people[-1], dict.fromkeys(people[:6], 127)
        names = {}
        for talker in levels:
            assert talker.identity is not None
            names[talker.identity.participant] = talker
            await talker.publish(["microphone"])
            scene.nursery.start_soon(_talk, talker, levels)
        await trio.sleep(4)
        heard = {seat.person for seat in listener.seats if seat.audio and not seat.video}
        assert len(heard) == 5
        [(identity, speaker)] = [(name, talker) for name, talker in names.items() if name not in heard]
        levels[speaker] = 30
        began = trio.current_time()
        await until(lambda: identity in [seat.person for seat in listener.seats if seat.audio], 2)
        assert trio.current_time() - began < 0.3


async def _talk(client: Client, levels: dict[Client, int]) -> None:
    async for _ in ticks(0.02):
        client.senders["microphone"].send([b"a voice"], trio.current_time(), level=levels[client])


@pytest.mark.soak(ci=3, full=100)
@pytest.mark.slow
async def test_six_people_on_a_rough_network(autojump_clock: MockClock, seed: int) -> None:
    """5 % loss, 50 ms, reordering: everyone sees everyone, nothing is left behind."""
    async with meeting(seed) as scene:
        for name in ("alice", "bob", "carol", "dave", "erin", "frank"):
            await scene.join(name, way=ROUGH)
        await until(lambda: everyone_sees_everyone(scene, 20), 30)
        before = {
            client: {person: receiver.frames for person in client.people if (receiver := client.seen(person))}
            for client in scene.people.values()
        }
        await trio.sleep(5)
        for client, frames in before.items():
            for person, count in frames.items():
                receiver = client.seen(person)
                assert receiver is not None
                assert receiver.frames > count + 30, f"{person} stands still"
        for name in list(scene.people):
            scene.leave(name)
        await until(lambda: not scene.server.rooms.rooms, 5)
        assert len(scene.server.exchange) == 0
    gc.collect()
