"""Encoders and players in a meeting: who sees whom, and how a stay ends."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from meetref.net.nat import NAT, everything
from meetref.net.virtuallink import Impairments
from meetref.wire import signaling
from tests.stories.people import meeting
from tests.stories.test_healing import only_from
from tests.stories.test_meeting import ROUGH, until
from tests.stories.whipclients import Encoder, Player

CONSENT_LASTS = 30  # seconds


def whole(player: Player, frames: int) -> bool:
    """Whether so many frames came to each video section and packets to each audio one since the last look."""
    return all(each.frames >= frames if each.kind == "video" else each.packets >= frames for each in player.receivers)


@pytest.mark.parametrize("way", [Impairments(), ROUGH], ids=["clean", "rough"])
async def test_an_encoder_is_seen_and_heard_by_people_and_players(autojump_clock: MockClock, way: Impairments) -> None:
    async with meeting(81) as scene, trio.open_nursery() as nursery:
        olga = await scene.join("olga", way=way, sends=False)
        encoder, player = Encoder(scene, "studio"), Player(scene, "screen")
        for each in (encoder, player):
            scene.network.connect(each.host, scene.host, way)
        await player.watch(nursery)
        await encoder.publish(nursery)
        await until(lambda: whole(player, 50), 15)
        studio = next(person for person in olga.people.values() if person.name == "studio")
        await until(lambda: (seen := olga.seen(studio.id)) is not None and seen.frames > 50, 10)
        heard = olga.heard(studio.id)
        assert heard is not None
        assert heard.packets > 50
        assert {person.name for person in olga.people.values()} == {"olga", "studio", "screen"}
        assert (encoder.link.dtls, player.link.dtls) == ("1.3", "1.3")
        await trio.sleep(3)
        assert all(receiver.sender_reports > 0 for receiver in player.receivers)
        nursery.cancel_scope.cancel()


@pytest.mark.spec("whip/sections-are-seats")
async def test_a_player_sees_the_screen_first_and_else_who_has_a_picture(autojump_clock: MockClock) -> None:
    async with meeting(82) as scene, trio.open_nursery() as nursery:
        await scene.join("silent", sends=False)  # came first, and has nothing to show
        player = Player(scene, "screen")
        await player.watch(nursery)
        await trio.sleep(1)
        assert player.shown() is None
        encoder = Encoder(scene, "studio")
        await encoder.publish(nursery)
        await until(lambda: player.shown() == encoder.visitor.id, 5)
        alice = await scene.join("alice")
        await trio.sleep(3)
        assert player.shown() in (encoder.visitor.id, alice.identity.participant)  # type: ignore[union-attr]
        await encoder.delete()
        await until(lambda: player.shown() == alice.identity.participant, 3)  # type: ignore[union-attr]
        assert player.shown("a0") == alice.identity.participant  # type: ignore[union-attr]
        before = [receiver.packets for receiver in player.receivers]
        await trio.sleep(2)
        assert all(receiver.packets > old + 20 for receiver, old in zip(player.receivers, before, strict=True))
        nursery.cancel_scope.cancel()


@pytest.mark.spec("whip/sections-are-seats")
async def test_sections_are_seats(autojump_clock: MockClock) -> None:
    async with meeting(83) as scene, trio.open_nursery() as nursery:
        wall = Player(scene, "wall")
        await wall.watch(nursery, "video", "audio", "video", "video", "audio")
        names = ("alice", "bob", "carol", "dave")
        people = [(await scene.join(name)).identity.participant for name in names]  # type: ignore[union-attr]
        await until(lambda: whole(wall, 30), 10)
        seated = [wall.shown(f"v{seat}") for seat in range(3)]
        assert len(set(seated)) == 3
        assert set(seated) <= set(people)
        heard = [wall.shown(f"a{voice}") for voice in range(2)]
        assert len(set(heard)) == 2
        for voice, person in enumerate(heard):
            if person in seated[:2]:
                assert seated[voice] == person, "who is seen and heard has picture and sound in one seat"
        scene.leave("alice")
        await until(lambda: people[0] not in {wall.shown(f"v{seat}") for seat in range(3)}, 5)
        await until(lambda: None not in {wall.shown(f"v{seat}") for seat in range(3)}, 5)
        nursery.cancel_scope.cancel()


async def test_only_sound_or_only_pictures(autojump_clock: MockClock) -> None:
    async with meeting(84) as scene, trio.open_nursery() as nursery:
        await scene.join("alice")
        ear, eye = Player(scene, "ear"), Player(scene, "eye")
        await ear.watch(nursery, "audio")
        await eye.watch(nursery, "video")
        await until(lambda: whole(ear, 50) and whole(eye, 50), 10)
        nursery.cancel_scope.cancel()


@pytest.mark.spec("whip/consent-ends")
@pytest.mark.parametrize("kind", ["whip", "whep"])
async def test_who_falls_silent_is_lost(autojump_clock: MockClock, kind: str) -> None:
    async with meeting(85) as scene, trio.open_nursery() as nursery:
        olga = await scene.join("olga")
        box = NAT("203.0.113.9", dice=random.Random(85))
        scene.network.host("client", "192.168.1.2", behind=box)
        client = Encoder(scene, "client") if kind == "whip" else Player(scene, "client")
        await (client.publish(nursery) if isinstance(client, Encoder) else client.watch(nursery))
        await until(client.link.connected.is_set, 5)
        await until(lambda: len(olga.people) == 2, 5)
        box.policy = lambda header: False
        await trio.sleep(CONSENT_LASTS - 10)
        assert len(olga.people) == 2
        await until(lambda: len(olga.people) == 1, 40)
        assert (await client.web.ask("GET", client.location)).status == 404
        await until(lambda: len(scene.server.exchange) == 2, 5)
        nursery.cancel_scope.cancel()


@pytest.mark.spec("whip/restart-in-vain")
@pytest.mark.parametrize("kind", ["whip", "whep"])
async def test_a_restart_in_vain_ends_the_session(autojump_clock: MockClock, kind: str) -> None:
    async with meeting(90) as scene, trio.open_nursery() as nursery:
        await scene.join("olga")
        box = NAT("203.0.113.9", dice=random.Random(90))
        scene.network.host("client", "192.168.1.2", behind=box)
        client = Encoder(scene, "client") if kind == "whip" else Player(scene, "client")
        await (client.publish(nursery) if isinstance(client, Encoder) else client.watch(nursery))
        await until(client.link.connected.is_set, 5)
        box.policy = lambda header: False
        await client.restart()
        await trio.sleep(CONSENT_LASTS - 10)
        assert (await client.web.ask("GET", client.location)).status == 204, "not at once"
        await trio.sleep(60)
        assert (await client.web.ask("GET", client.location)).status == 404
        nursery.cancel_scope.cancel()


@pytest.mark.spec("whip/teardown")
@pytest.mark.parametrize("kind", ["whip", "whep"])
async def test_a_goodbye_of_either_side_ends_both(autojump_clock: MockClock, kind: str) -> None:
    async with meeting(86) as scene, trio.open_nursery() as nursery:
        olga = await scene.join("olga")
        for ends in ("client", "server"):
            client = Encoder(scene, ends) if kind == "whip" else Player(scene, ends)
            async with trio.open_nursery() as living:
                await (client.publish(living) if isinstance(client, Encoder) else client.watch(living))
                await until(client.link.connected.is_set, 5)
                await until(lambda: len(olga.people) == 2, 5)
                if ends == "server":
                    await client.delete()
                    await until(lambda: client.link.peer.state == "closed", 1)  # noqa: B023
                living.cancel_scope.cancel()
            await until(lambda: len(olga.people) == 1, 2)
            assert (await client.web.ask("GET", client.location)).status == 404
        nursery.cancel_scope.cancel()


@pytest.mark.spec("whip/restart-answer")
@pytest.mark.parametrize("kind", ["whip", "whep"])
async def test_a_restart_finds_another_path_and_media_go_on(autojump_clock: MockClock, kind: str) -> None:
    async with meeting(87) as scene, trio.open_nursery() as nursery:
        box = NAT("203.0.113.9", dice=random.Random(87))
        scene.network.host("client", "192.168.1.2", behind=box)
        encoder = Encoder(scene, "client" if kind == "whip" else "studio")
        player = Player(scene, "client" if kind == "whep" else "screen")
        await encoder.publish(nursery)
        await player.watch(nursery)
        client = encoder if kind == "whip" else player
        await until(lambda: whole(player, 30), 10)
        keys = client.link.peer.srtp
        former = client.tag
        box.policy = only_from({mapping.port for mapping in client.link.port.locals})
        await trio.sleep(2)
        stuck = player.receivers[1].frames
        await trio.sleep(3)
        assert kind == "whep" or player.receivers[1].frames <= stuck + 1
        box.policy = everything
        await client.restart()
        assert client.tag != former
        await until(lambda: player.receivers[1].frames > stuck + 60, 10)
        assert client.link.peer.srtp is keys
        assert client.visitor.tag == client.tag.strip('"')
        nursery.cancel_scope.cancel()


async def test_the_server_stops(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(_Enough), flatten_subgroups=True):
        async with meeting(88) as scene, trio.open_nursery() as nursery:
            player, encoder = Player(scene, "screen"), Encoder(scene, "studio")
            await player.watch(nursery)
            await encoder.publish(nursery)
            await until(lambda: whole(player, 10), 10)
            raise _Enough


class _Enough(Exception):
    pass


async def test_players_do_not_take_the_seats_of_people(autojump_clock: MockClock) -> None:
    async with meeting(89) as scene, trio.open_nursery() as nursery:
        alice = await scene.join("alice")
        for number in range(6):
            await Player(scene, f"player-{number}").watch(nursery, "video")
        await scene.join("bob")
        await until(lambda: len(alice.people) == 8, 5)
        await trio.sleep(1)
        assert [alice.people[seat.person].name for seat in alice.seats if seat.person is not None] == ["bob"]
        assert len(alice.seats) == 4, "no larger step because of them"
        assert isinstance(alice.identity, signaling.Joined)
        nursery.cancel_scope.cancel()
