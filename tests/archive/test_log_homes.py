"""What every home of the event log promises: the same cases for SQLite and for Kafka.

Read next: spec/log.toml, whose requirements these are; tests/peers/test_kafka.py (a broker that dies or stands still).
"""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import trio
import trio.testing

from meetref.archive import log as log_module
from meetref.archive.log import Entry, EventLog, LogUnavailable, Share, open_log

PATIENCE = 60.0  # seconds; a busy machine is slow

WRITER = """
import sys, trio
from meetref.archive.log import open_log

async def main():
    async with open_log(sys.argv[1]) as log, trio.open_nursery() as nursery:
        async def author(name):
            for number in range(10_000):
                entry = await log.append("demo", "chat", f"{name}-{number}", {"text": f"{name} says {number}"})
                sys.stdout.write(f"{entry.sequence} {entry.key}\\n")
                sys.stdout.flush()
        for name in sys.argv[2:]:
            nursery.start_soon(author, name)

trio.run(main)
"""


async def everything(log: EventLog, room: str, limit: int = 1000) -> list[Entry]:
    """All entries of a room, page by page; their numbers are above 0 and grow."""
    entries: list[Entry] = []
    while page := await log.read(room, entries[-1].sequence if entries else 0, limit):
        assert len(page) <= limit
        entries += page
    numbers = [0, *(entry.sequence for entry in entries)]
    assert all(one < next_one for one, next_one in itertools.pairwise(numbers))
    return entries


@pytest.mark.spec("log/order", "log/read-after", "log/read-own")
async def test_a_room_has_its_entries_in_the_order_of_their_numbers(place: str) -> None:
    async with open_log(place, wall_clock=lambda: 12.5) as log:
        assert (await log.last("algebra"), await log.read("algebra")) == (0, [])
        first = await log.append("algebra", "chat", "a", {"text": "hello"})
        other = await log.append("geometry", "chat", "a", b"\x00\xff")
        second = await log.append("algebra", "chat", "b", {"text": "again"})
        assert 0 < first.sequence < second.sequence
        assert await log.read("algebra", 0, 10) == [first, second]
        assert await log.read("algebra", first.sequence, 10) == [second]
        assert await log.read("algebra", second.sequence, 10) == []
        assert await log.read("algebra", 0, 1) == [first]
        assert await log.read("algebra", 0, 0) == []
        assert await log.read("algebra", 2**70, -5) == []
        assert await log.read("geometry") == [other]
        assert await log.last("algebra") == second.sequence
        assert (first.room, first.kind, first.key, first.body, first.at) == (
            "algebra", "chat", "a", {"text": "hello"}, 12.5,
        )  # fmt: skip
    async with open_log(place) as log:
        assert await log.read("algebra") == [first, second]
        assert await log.last("algebra") == second.sequence
        assert (await log.append("algebra", "chat", "c", {})).sequence > second.sequence


@pytest.mark.spec("log/body-as-given")
async def test_a_body_is_given_back_as_it_was(place: str) -> None:
    bodies = [b"", b"{}", b"\x00\xff" * 100, {}, {"text": "ä\U0001f600\x00", "list": [1, None, 2.5]}]
    async with open_log(place) as log:
        stored = [await log.append("rööm \U0001f600", "k" * 256, f"\x00{at}", body) for at, body in enumerate(bodies)]
        assert [(entry.room, entry.kind, entry.key, entry.body) for entry in stored] == [
            ("rööm \U0001f600", "k" * 256, f"\x00{at}", body) for at, body in enumerate(bodies)
        ]
        assert await log.read("rööm \U0001f600") == stored


@pytest.mark.spec("log/stored-once", "log/read-after")
async def test_said_twice_is_stored_once(place: str) -> None:
    async with open_log(place) as log:
        first = await log.append("demo", "chat", "k", {"text": "one"})
        assert await log.append("demo", "chat", "k", {"text": "two"}) == first
        other_kind = await log.append("demo", "recording", "k", {})
        other_room = await log.append("algebra", "chat", "k", {})
    async with open_log(place) as log:
        assert await log.append("demo", "chat", "k", {"text": "three"}) == first
        assert await log.read("demo") == [first, other_kind]
        assert await log.read("demo", 0, 10, "recording") == [other_kind]
        assert await log.read("demo", other_kind.sequence, 10, "recording") == []
        assert await log.read("algebra") == [other_room]


@pytest.mark.spec("log/stored-once", "log/order")
async def test_many_at_once_share_the_way_and_what_is_said_twice_meanwhile_is_stored_once(place: str) -> None:
    stored: list[Entry] = []

    async def author(number: int) -> None:
        room, key = f"room {number % 3}", str(number % 150)
        stored.append(await log.append(room, "chat", key, {"number": number % 150}))

    async with open_log(place) as log:
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(author, number)
        assert log.syncs < 50
        for room in ("room 0", "room 1", "room 2"):
            entries = await everything(log, room, limit=7)
            assert len(entries) == len({entry.key for entry in entries}) == 50
            assert {entry.sequence: entry for entry in stored if entry.room == room} == {
                entry.sequence: entry for entry in entries
            }


@pytest.mark.spec("log/follow")
async def test_a_follower_hears_everything_once_and_in_order(place: str) -> None:
    heard: list[Entry] = []
    behind = trio.Event()

    async def follow(after: int, count: int) -> None:
        async with aclosing(log.follow("demo", after)) as entries:
            async for entry in entries:
                heard.append(entry)
                behind.set()
                if len(heard) == count:
                    return

    with trio.fail_after(PATIENCE):
        async with open_log(place) as log:
            stored = [await log.append("demo", "chat", str(number), {}) for number in range(5)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow, stored[1].sequence, 23)
                await behind.wait()
                for number in range(5, 25):
                    stored.append(await log.append("demo", "chat", str(number), {}))
                    await log.append("elsewhere", "chat", str(number), {})
            assert heard == stored[2:]


@pytest.mark.spec("log/follow")
async def test_a_follower_is_told_when_the_log_is_closed(place: str) -> None:
    ends: list[str] = []

    async def follow(entries: AsyncIterator[Entry]) -> None:
        try:
            async for _ in entries:
                pass
        except LogUnavailable as error:
            ends.append(str(error))

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery, open_log(place) as log:
            nursery.start_soon(follow, log.follow("demo"))
            await log.append("demo", "chat", "a", {})
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert len(ends) == 1


@pytest.mark.spec("log/names-bounded", "log/body-bounded")
async def test_names_and_bodies_have_bounds(place: str) -> None:
    async with open_log(place) as log:
        for wrong in ("", "x" * 257, "\ud800"):
            for names in ((wrong, "chat", "a"), ("demo", wrong, "a"), ("demo", "chat", wrong)):
                with pytest.raises(ValueError):  # noqa: PT011
                    await log.append(*names, {})
        for body in (b"x" * (256 * 1024 + 1), {"x": "y" * (256 * 1024)}):
            with pytest.raises(ValueError, match="octets"):
                await log.append("demo", "chat", "a", body)
        with pytest.raises(ValueError, match="JSON"):
            await log.append("demo", "chat", "a", {"x": object()})
        assert await log.read("demo") == []
        largest = await log.append("\U0001f600" * 256, "chat", "a", b"x" * (256 * 1024))
        assert await log.read("\U0001f600" * 256) == [largest]


@pytest.mark.spec("log/read-bounded")
async def test_one_answer_has_no_more_than_a_thousand_entries(place: str) -> None:
    async with open_log(place) as log:
        async with trio.open_nursery() as nursery:
            for number in range(1001):
                nursery.start_soon(log.append, "demo", "chat", str(number), {})
        assert len(await log.read("demo", 0, 5000)) == 1000
        assert len(await everything(log, "demo")) == 1001


@pytest.mark.spec("log/waiting-bounded", "log/unavailable-told")
async def test_a_log_that_does_not_keep_up_is_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAXIMUM_WAITING", 3)
    refused = 0

    async def author(number: int) -> None:
        nonlocal refused
        try:
            await log.append("demo", "chat", str(number), {})
        except LogUnavailable:
            refused += 1

    async with open_log(place) as log:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(author, number)
        assert refused == 10 - len(await log.read("demo")) > 0


@pytest.mark.spec("log/closed-takes-nothing")
async def test_a_closed_log_takes_nothing_and_what_it_took_is_stored(place: str) -> None:
    async with trio.open_nursery() as nursery, open_log(place) as log:
        for number in range(20):
            nursery.start_soon(log.append, "demo", "chat", str(number), {})
        await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(LogUnavailable, match="closed"):
        await log.append("demo", "chat", "late", {})
    async with open_log(place) as log:
        assert {entry.key for entry in await log.read("demo")} == {str(number) for number in range(20)}


@pytest.mark.slow
@pytest.mark.spec("log/safe-before-acknowledged", "log/stored-once", "log/order")
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(place: str) -> None:
    dice = random.Random(7)
    acknowledged: dict[str, int] = {}
    for round_number in range(4):
        # The same authors come back and say again what they do not know to be stored.
        command = [sys.executable, "-c", WRITER, place, "alice", "bob", f"guest{round_number}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(dice.randrange(1, 400)):
                _note(acknowledged, process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            for line in process.stdout.read().splitlines(keepends=True):
                _note(acknowledged, line)
        stored = trio.run(_everything_at, place)
        assert len({entry.key for entry in stored}) == len(stored)
        assert set(acknowledged.items()) <= {(entry.key, entry.sequence) for entry in stored}
    assert len(acknowledged) > 100


def _note(acknowledged: dict[str, int], line: str) -> None:
    if line.endswith("\n"):
        sequence, key = line.split()
        assert acknowledged.setdefault(key, int(sequence)) == int(sequence)


async def _everything_at(place: str) -> list[Entry]:
    async with open_log(place) as log:
        return await everything(log, "demo")


async def taken(share: Share, count: int) -> list[Entry]:
    return [await share.take() for _ in range(count)]


@pytest.mark.spec("log/shared", "log/shared-again")
async def test_a_group_is_given_each_entry_until_it_is_done(place: str) -> None:
    with trio.fail_after(PATIENCE):
        async with open_log(place) as log:
            stored = [await log.append(f"room {number % 2}", "chat", str(number), {}) for number in range(6)]
            for _ in range(2):
                await log.append("room 0", "chat", "0", {"said": "again"})
            async with log.share("workers") as share:
                first = await taken(share, 2)
                await share.commit()
                given = await taken(share, 2)
            async with log.share("workers") as share:
                rest = await taken(share, 4)
                assert all(entry in rest for entry in given), "what was not committed is given again"
                await share.commit()
        assert sorted((entry.room, entry.key) for entry in first + rest) == [
            (one.room, one.key) for one in by_room(stored)
        ]
        assert all([entry for entry in first + rest if entry.room == room] == by_room(stored, room) for room in ROOMS)
        async with open_log(place) as log:
            late = await log.append("room 0", "chat", "late", {})
            async with log.share("workers") as share, log.share("others") as other:
                assert await share.take() == late
                assert by_room(await taken(other, 7)) == by_room([*stored, late])


ROOMS = ("room 0", "room 1")


def by_room(entries: list[Entry], *rooms: str) -> list[Entry]:
    kept = [entry for entry in entries if entry.room in (rooms or ROOMS)]
    return sorted(kept, key=lambda entry: (entry.room, entry.sequence))


@pytest.mark.spec("log/shared")
async def test_a_member_waits_for_what_comes(place: str) -> None:
    heard: list[Entry] = []

    async def work(share: Share) -> None:
        heard.append(await share.take())

    with trio.fail_after(PATIENCE):
        async with open_log(place) as log, log.share("workers") as share:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, share)
                await trio.testing.wait_all_tasks_blocked(0.01)
                stored = await log.append("demo", "chat", "a", {})
            assert heard == [stored]


WORKER = """
import sys, trio
from meetref.archive import share
from meetref.archive.log import open_log

share.MISSED_AFTER = 1.0

async def main():
    async with open_log(sys.argv[1]) as log, log.share("workers") as share:
        for number in range(3):
            print((await share.take()).key, flush=True)
            if number == 1:
                await share.commit()
        print("waits", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.spec("log/shared-again")
def test_what_a_killed_member_had_not_committed_is_given_again(place: str) -> None:
    async def say() -> None:
        async with open_log(place) as log:
            for number in range(4):
                await log.append("demo", "chat", str(number), {})

    async def work() -> list[str]:
        with trio.fail_after(PATIENCE):
            async with open_log(place) as log, log.share("workers") as share:
                return [entry.key for entry in await taken(share, 2)]

    trio.run(say)
    with subprocess.Popen([sys.executable, "-c", WORKER, place], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(4)] == ["0", "1", "2", "waits"]
        process.send_signal(signal.SIGKILL)
    assert trio.run(work) == ["2", "3"]
