"""Chat: on the disk first, in one order, once; who comes in gets exactly the rest."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.archive.log import LogUnavailable
from meetref.meeting.chat import KIND, PAGE, Chat
from meetref.meeting.participant import RETURN_WITHIN
from meetref.wire import signaling
from tests.meeting.rooms import Line, lobby


class Slow:
    """A log on a slow disk, which may also fail: `append` and `read` take a tenth of a second."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.note = log.note
        self.failing = False
        self.delay = 0.1

    async def append(self, *entry: Any) -> Any:
        await trio.sleep(self.delay)
        if self.failing:
            raise LogUnavailable("the disk is full")
        return await self.log.append(*entry)

    async def read(self, *what: Any) -> Any:
        await trio.sleep(self.delay)
        if self.failing:
            raise LogUnavailable("the disk is gone")
        return await self.log.read(*what)

    async def last(self, *what: Any) -> Any:
        return await self.log.last(*what)


def say(number: int, text: str = "") -> signaling.SayChat:
    return signaling.SayChat(client_id=f"m{number}", text=text or f"message {number}")


async def test_everybody_reads_the_same_in_the_same_order(autojump_clock: MockClock) -> None:
    async with lobby(log=Slow) as place:
        lines = [place.come(f"person {number}") for number in range(4)]
        await trio.sleep(2)
        for number in range(20):
            lines[number % 4].says(say(number))
        await trio.sleep(5)
        assert all(line.chat == list(range(1, 21)) for line in lines)
        texts = {tuple(message.text for message in line.of(signaling.Chat)) for line in lines}
        assert len(texts) == 1


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.05, 0.09, 0.1, 0.11, 0.15, 0.25])
async def test_a_newcomer_misses_none_and_hears_none_twice(autojump_clock: MockClock, delay: float) -> None:
    """Whatever is being stored at that very moment."""
    async with lobby(log=Slow) as place:
        alice = place.come("alice")
        await trio.sleep(1)
        for number in range(6):
            alice.says(say(number))
        await trio.sleep(delay)
        bob = place.come("bob")
        await trio.sleep(3)
        for line in (alice, bob):
            assert line.chat == [1, 2, 3, 4, 5, 6]
            assert isinstance(line.heard[0], signaling.Joined)
        back = place.comes_back(bob, last=4)
        await trio.sleep(1)
        assert back.chat == [5, 6]
        assert back.identity.sequence == 6


async def test_said_twice_it_is_stored_once_and_acknowledged_twice(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        for _ in range(3):
            alice.says(say(1))
        await wait_all_tasks_blocked()
        assert alice.chat == [1, 1, 1]
        assert bob.chat == [1]


async def test_in_a_room_that_opened_again_too(autojump_clock: MockClock) -> None:
    """Its author may not know that it was stored: the answer was lost with the room."""
    async with lobby() as place:
        alice = await place.joined("alice")
        alice.says(say(1))
        await wait_all_tasks_blocked()
        alice.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert not place.rooms.rooms
        again, bob = await place.joined("alice", last_sequence=1), await place.joined("bob", last_sequence=1)
        again.says(say(1))
        await wait_all_tasks_blocked()
        assert again.chat == [1]
        assert bob.chat == []
        again.says(say(2))
        await wait_all_tasks_blocked()
        assert (again.chat, bob.chat) == ([1, 2], [2])


async def test_what_cannot_be_stored_is_told_to_nobody(autojump_clock: MockClock) -> None:
    logs: list[Slow] = []

    def make(log: Any) -> Slow:
        logs.append(Slow(log))
        return logs[0]

    async with lobby(log=make) as place:
        alice, bob = place.come("alice"), place.come("bob")
        await trio.sleep(1)
        logs[0].failing = True
        alice.says(say(1))
        await trio.sleep(1)
        assert (alice.codes, alice.chat, bob.chat) == (["chat-unavailable"], [], [])
        late = place.come("carol")  # a room without its log is still a room
        await trio.sleep(1)
        assert late.codes == ["chat-unavailable"]
        assert late.of(signaling.DownOffer)
        logs[0].failing = False
        alice.says(say(1))
        await trio.sleep(1)
        assert alice.chat == bob.chat == late.chat == [1]
        assert not place.failures


async def test_who_waits_too_long_for_the_log_is_told_so_and_leaves_nothing(autojump_clock: MockClock) -> None:
    logs: list[Slow] = []

    def make(log: Any) -> Slow:
        logs.append(Slow(log))
        return logs[0]

    async with lobby(log=make) as place:
        alice = place.come("alice")
        await trio.sleep(1)
        logs[0].delay = RETURN_WITHIN + 10
        bob = place.come("bob")
        await trio.sleep(RETURN_WITHIN + 20)
        assert (bob.codes, bob.closed, bob.of(signaling.Joined)) == (["server-slow"], "server-slow", [])
        assert place.people() == ["alice"]
        assert [left.reason for left in alice.of(signaling.PersonLeft)] == ["lost"]
        assert not place.failures


async def test_more_than_a_page_is_read_whole(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        for number in range(2 * PAGE + 3):
            alice.says(say(number))
        await wait_all_tasks_blocked()
        bob: Line = await place.joined("bob")
        assert bob.chat == list(range(1, 2 * PAGE + 4))


async def test_the_order_of_telling_is_the_order_of_the_numbers(autojump_clock: MockClock) -> None:
    told: list[int] = []
    async with lobby(log=Slow) as place:
        chat = Chat("alone", place.rooms._log, lambda message: told.append(message.sequence))
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(chat.say, "p", "name", say(number))
        assert told == list(range(1, 11))
        assert [message.sequence for message in (await chat.page(7))[0]] == [8, 9, 10]


async def test_who_goes_while_a_long_history_is_told_ends_the_telling(autojump_clock: MockClock) -> None:
    async with lobby(log=Counted) as place:
        for number in range(5 * PAGE):
            await place.rooms._log.append("algebra", KIND, str(number), {"person": "p", "name": "n", "text": "t"})
        alice = await place.joined("alice")
        reads = place.rooms._log.reads  # type: ignore[attr-defined]
        bob = place.come("bob")
        while not bob.chat:
            await trio.lowlevel.checkpoint()
        bob.breaks(clean=True)
        await wait_all_tasks_blocked()
        assert place.rooms._log.reads <= reads + 2  # type: ignore[attr-defined]
        assert place.people() == ["alice"]
        assert not place.rooms.rooms["algebra"]._behind
        assert alice.closed is None
        carol = place.come("carol")
        await wait_all_tasks_blocked()
        assert carol.chat == list(range(1, 5 * PAGE + 1))
        back = place.comes_back(carol, last=PAGE)
        await wait_all_tasks_blocked()
        assert back.chat == list(range(PAGE + 1, 5 * PAGE + 1))
        assert not place.failures


class Counted:
    """A log that counts how often it is read."""

    def __init__(self, real: Any) -> None:
        self.append, self.note, self.last = real.append, real.note, real.last
        self.reads = 0
        self._real = real

    async def read(self, *what: Any) -> Any:
        self.reads += 1
        return await self._real.read(*what)


async def test_what_the_log_stored_unasked_is_told_before_what_follows(autojump_clock: MockClock) -> None:
    """Another server with the same log, or an append that was too slow to be acknowledged."""
    logs: list[Any] = []

    def keep(log: Any) -> Any:
        logs.append(log)
        return log

    body = {"person": "p", "name": "carol", "text": "from elsewhere"}
    async with lobby(log=keep) as place:
        alice = await place.joined("alice")
        alice.says(say(1))
        await trio.sleep(1)
        for number in range(2 * PAGE):
            kind = KIND if number % 2 else "recording"
            await logs[0].append("algebra", kind, f"elsewhere {number}", body)
        bob = await place.joined("bob")
        assert (alice.chat, bob.chat) == ([1], [1])
        alice.says(say(2))
        await trio.sleep(1)
        assert alice.chat == bob.chat == [1, *range(3, 2 * PAGE + 2, 2), 2 * PAGE + 2]
        alice.says(say(2))
        await trio.sleep(1)
        assert alice.chat[-2:] == [2 * PAGE + 2, 2 * PAGE + 2]
