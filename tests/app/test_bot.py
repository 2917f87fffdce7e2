"""Robots: they keep the beat, take turns, come in with a token, and go when the server does."""

from __future__ import annotations

import argparse

import pytest
import trio
from trio.testing import MockClock

from meetref.app import bot
from meetref.app.bot import Behaviour, be_bot, be_bots, behaviours_of, ticks
from meetref.app.command import CommandFailed, first_error
from meetref.meeting.channel import ChannelClosed
from meetref.meeting.room import NotAdmitted
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import until


def people(scene: Meeting) -> dict[str, signaling.Person]:
    return {one.person.name: one.person for room in scene.server.rooms.rooms.values() for one in room.people.values()}


async def test_what_is_late_is_caught_up_with(autojump_clock: MockClock) -> None:
    seen = []
    async for number in ticks(0.5):
        seen.append((number, trio.current_time()))
        if number == 1:
            await trio.sleep(1.2)
        if number == 5:
            break
    assert [number for number, _ in seen] == [0, 1, 2, 3, 4, 5]
    assert [at for _, at in seen] == pytest.approx([0, 0.5, 1.7, 1.7, 2.0, 2.5])


def test_several_take_turns_under_names_of_their_own() -> None:
    several = behaviours_of(30, silent=True, token="open")
    assert len({each.name for each in several}) == 30
    assert [each.turn for each in several] == list(range(30))
    assert {(each.turns, each.silent, each.receive_only, each.token) for each in several} == {(30, True, False, "open")}


async def test_bots_are_seen_and_heard_as_they_were_told_to(autojump_clock: MockClock) -> None:
    async with meeting(61) as scene, trio.open_nursery() as robots:
        watcher = await scene.join("watcher", room="demo", sends=False)
        host = scene.network.host("robots")
        for behaviour in (
            Behaviour(name="loud", light=True),
            Behaviour(name="quiet", light=True, silent=True),
            Behaviour(name="deaf", receive_only=True),
        ):
            robots.start_soon(be_bot, host, scene.address, "demo", behaviour)
        await until(lambda: len(people(scene)) == 4, 5)
        assert {name: (one.microphone, one.camera, one.bot) for name, one in people(scene).items() if one.bot} == {
            "loud": ("on", "on", True),
            "quiet": ("none", "on", True),
            "deaf": ("none", "none", True),
        }
        by_name = {person.name: identity for identity, person in watcher.people.items()}

        def frames(name: str) -> int:
            receiver = watcher.seen(by_name[name])
            return receiver.frames if receiver is not None else 0

        await until(lambda: frames("loud") > 20 and frames("quiet") > 20, 15)
        assert (heard := watcher.heard(by_name["loud"])) is not None
        assert heard.packets > 20
        assert frames("deaf") == 0
        robots.cancel_scope.cancel()
    assert not scene.server.rooms.rooms


async def test_bots_bring_their_token(autojump_clock: MockClock) -> None:
    def admit(join: signaling.Join) -> None:
        if join.token != "open":
            raise NotAdmitted("This room needs a token.")

    async with meeting(62, admit=admit) as scene:
        host = scene.network.host("robots")
        for token in (None, "closed"):
            with pytest.raises(ExceptionGroup) as refused:
                await be_bots(host, scene.address, "demo", behaviours_of(2, receive_only=True, token=token))
            first = first_error(refused.value)
            assert isinstance(first, ChannelClosed)
            assert first.why == "This room needs a token."
        async with trio.open_nursery() as robots:
            behaviours = behaviours_of(2, receive_only=True, token="open")
            robots.start_soon(be_bots, host, scene.address, "demo", behaviours)
            await until(lambda: len(people(scene)) == 2, 5)
            robots.cancel_scope.cancel()


async def test_the_command_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[tuple[object, ...]] = []

    async def remember(*arguments: object) -> None:
        handed.append(arguments)

    monkeypatch.setattr(bot, "be_bots", remember)
    parser = argparse.ArgumentParser()
    bot.add_arguments(parser)
    words = ["--room", "algebra", "--count", "2", "--token", "open", "--light", "--silent", "--port", "8000"]
    await bot._run(parser.parse_args(words))
    ((network, address, room, behaviours),) = handed
    assert isinstance(network, KernelNetwork)
    assert (address, room) == (Address("127.0.0.1", 8000), "algebra")
    assert behaviours == behaviours_of(2, silent=True, light=True, token="open")


async def test_a_bot_goes_when_the_server_says_goodbye(autojump_clock: MockClock) -> None:
    async with meeting(63) as scene:
        host = scene.network.host("robot")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(be_bot, host, scene.address, "demo", Behaviour(name="robot", receive_only=True))
            await until(lambda: "robot" in people(scene), 5)
            (participant,) = scene.server.rooms.rooms["demo"].people.values()
            participant.remove()
        assert not host._sockets, "nothing is left open"


def test_nobody_there_is_told_in_a_sentence() -> None:
    parser = argparse.ArgumentParser()
    bot.add_arguments(parser)
    with pytest.raises(CommandFailed, match=r"nobody answers at 127\.0\.0\.1 port 1; is the server running"):
        bot.run(parser.parse_args(["--port", "1"]))
