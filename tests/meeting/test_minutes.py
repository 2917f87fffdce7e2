"""Who came, left and spoke is in the room's log, in that order, beside the chat."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from meetref.archive.log import Entry
from meetref.meeting.seating import Content
from meetref.wire import signaling
from tests.meeting.rooms import MINUTES, lobby
from tests.stories.people import meeting
from tests.stories.test_meeting import until


def told(entries: list[Entry]) -> list[tuple[object, ...]]:
    return [(entry.kind, *entry.body.values()) for entry in entries if isinstance(entry.body, dict)]


@pytest.mark.spec("log/minutes")
async def test_who_comes_leaves_and_leads_is_written_in_order(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob", bot=True)
        room, (one, other) = place.rooms.rooms["algebra"], (line.identity.participant for line in (alice, bob))
        for step in range(100):
            room.arranging.listening.hear(Content(other, "camera"), 20 if step % 25 else 70, trio.current_time())
            await trio.sleep(0.02)
        bob.says(signaling.Leave())
        await trio.sleep(1)
        alice.breaks()
        await trio.sleep(60)
        assert not place.rooms.rooms
        entries = await place.log.read(MINUTES)
        assert told(entries) == [
            ("joined", one, "alice", False),
            ("joined", other, "bob", True),
            ("speaker", other),
            ("speaker", None),
            ("left", other, "left"),
            ("left", one, "lost"),
        ]
        assert all(early.at <= late.at for early, late in pairwise(entries))


async def test_who_leads_is_not_kept_where_only_robots_listen(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        robot, alice = await place.joined("robot", bot=True), await place.joined("alice")
        alice.says(signaling.Leave())
        await trio.sleep(1)
        room = place.rooms.rooms["algebra"]
        for _ in range(100):
            room.arranging.listening.hear(Content(robot.identity.participant, "camera"), 20, trio.current_time())
            await trio.sleep(0.02)
        assert [kind for kind, *_ in told(await place.log.read(MINUTES))] == ["joined", "joined", "left"]


@pytest.mark.spec("log/minutes")
async def test_coming_back_is_not_coming(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        alice.breaks()
        await trio.sleep(1)
        place.comes_back(alice)
        await trio.sleep(30)
        assert [kind for kind, *_ in told(await place.log.read(MINUTES))] == ["joined"]


@pytest.mark.spec("log/minutes")
async def test_chat_and_minutes_share_the_numbers_of_a_room(autojump_clock: MockClock) -> None:
    async with meeting(24) as scene:
        alice = await scene.join("alice", sends=False)
        alice.say(signaling.SayChat(client_id="m1", text="hello"))
        await until(lambda: len(alice.chat) == 1, 5)
        bob = await scene.join("bob", sends=False)
        bob.say(signaling.SayChat(client_id="m2", text="hello"))
        await until(lambda: len(alice.chat) == len(bob.chat) == 2, 5)
        assert [message.sequence for message in bob.chat] == [2, 4]
        assert bob.identity is not None
        assert bob.identity.sequence == 2
        kinds = [entry.kind for entry in await scene.server.rooms._log.read("algebra", 0, 10)]
        assert kinds == ["joined", "chat", "joined", "chat"]
