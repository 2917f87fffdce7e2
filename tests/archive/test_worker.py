"""The worker in memory: killed between any two things that outlive it, given bad recordings, and with objects away."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from meetref.archive import attempt as attempt_module
from meetref.archive import worker as worker_module
from meetref.archive.composecommand import Crashed, NoRoom
from meetref.archive.kept import KIND, PROGRESS, read_progress
from meetref.archive.log import LogUnavailable, open_log
from meetref.archive.objects import ObjectsUnavailable, open_objects
from meetref.archive.reading import CannotCompose
from meetref.archive.share import FileMember
from meetref.archive.worker import MAXIMUM_CRASHES, Worker
from tests.archive.workshop import (
    ROOM,
    Composer,
    Fate,
    Killed,
    Shop,
    done,
    name_of,
    open_shop,
    record,
    recorded,
    say,
    troubled,
)

ONE, TWO = name_of(1), name_of(2)
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "AGAIN_AFTER", 0.0)
    monkeypatch.setattr(attempt_module, "AGAIN_AFTER", (0.0,))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    with trio.fail_after(PATIENCE):
        async with open_shop(tmp_path) as shop:
            yield shop


async def live(shop: Shop, fate: Fate) -> bool:
    """Work on two recordings under a fate; whether the worker outlives it."""
    log, objects = shop.log, shop.objects
    mortal: dict[Any, tuple[str, ...]] = {log: ("append", "read"), objects: ("put", "keys", "delete")}
    with pytest.MonkeyPatch.context() as patch:
        for thing, names in mortal.items():
            for name in names:
                patch.setattr(thing, name, fate.around(getattr(thing, name)))
        lives = True
        try:
            await shop.work_until(done(TWO), Composer(fate=fate))
        except* Killed:
            lives = False
    return lives


@pytest.mark.soak(ci=1, full=8)
@pytest.mark.spec("worker/one-result", "worker/leftovers", "objects/there-when-committed")
async def test_killed_at_each_eighth_moment_another_finishes_and_there_is_one_result(tmp_path: Path, seed: int) -> None:
    async def try_it(folder: Path, fate: Fate) -> None:
        async with open_shop(folder) as shop:
            for name in (ONE, TWO):
                await recorded(shop.log, shop.recordings, name)
            if not await live(shop, fate):
                await live(shop, Fate())
            await shop.check(ONE)
            shutil.rmtree(folder)

    with trio.fail_after(PATIENCE):
        whole = Fate()
        await try_it(tmp_path / "whole", whole)
        assert whole.count > 40
        for at in range(1 + seed, whole.count + 1, 8):
            await try_it(tmp_path / str(at), Fate(at))


@pytest.mark.soak(ci=3, full=300)
@pytest.mark.spec("worker/one-result", "worker/leftovers")
async def test_killed_again_and_again(shop: Shop, seed: int) -> None:
    random = Random(seed)
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    while not await live(shop, Fate(random.randrange(1, 60))):
        pass
    await shop.check(ONE)


@pytest.mark.spec("worker/one-result")
async def test_two_that_finish_the_same_leave_one_result(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    slow = Composer()
    gate = trio.Event()

    async def wait_first(*words: Any) -> None:
        await slow(*words)
        await gate.wait()

    async with trio.open_nursery() as nursery:
        # The second comes by another way than the group, as after a broker that took the first for dead.
        first = Worker(shop.log, shop.workshop(wait_first), shop.hear)
        nursery.start_soon(first._finish, await shop.kept(ONE))
        await trio.testing.wait_all_tasks_blocked(0.01)
        await shop.work_until(done(TWO), Composer())
        gate.set()
    await shop.check(ONE)


@pytest.mark.spec("worker/dead-letter")
async def test_what_cannot_be_composed_fails_with_the_reason_and_blocks_nobody(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    composer = Composer(CannotCompose("There is no stream in it."))
    await shop.work_until(done(TWO), composer)
    kept = await shop.kept(ONE)
    assert (kept.state, kept.trouble, kept.files) == ("failed", "There is no stream in it.", ())
    assert composer.composed == [ONE, TWO]
    assert not list(shop.scratch.glob(f"{ONE}-*"))


@pytest.mark.spec("worker/dead-letter", "worker/crash")
async def test_what_crashes_is_tried_again_and_fails_at_last_also_by_several_workers(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    first = Composer(Crashed("It was ended by signal 11."))
    await shop.work_until(done(TWO), first)
    assert first.composed == [ONE, ONE, TWO]
    await shop.check(ONE)

    three, four = name_of(3), name_of(4)
    for name in (three, four):
        await recorded(shop.log, shop.recordings, name)
    fate = Fate()
    killed = Composer(*[Crashed("It was ended by signal 11.")] * 2, fate=fate)

    async def kill(*words: Any) -> None:
        if len(killed.composed) == 2:
            raise Killed
        await killed(*words)

    with pytest.raises(BaseExceptionGroup):
        await shop.work_until(done(four), kill)
    last = Composer(Crashed("It was ended by signal 11."))
    await shop.work_until(done(four), last)
    assert last.composed == [three, four], "the crashes of the one that was killed count, too"
    kept = await shop.kept(three)
    assert (kept.state, kept.trouble) == ("failed", f"It was ended by signal 11. It was tried {MAXIMUM_CRASHES} times.")
    assert await read_progress(shop.log, kept) == MAXIMUM_CRASHES


@pytest.mark.spec("worker/again")
async def test_what_failed_is_tried_again_when_that_is_wanted(shop: Shop) -> None:
    await recorded(shop.log, shop.recordings, ONE)
    await shop.work_until(troubled(ONE), Composer(*[Crashed("It was ended by signal 11.")] * MAXIMUM_CRASHES))
    assert (await shop.kept(ONE)).state == "failed"
    await again(shop, 1)
    await again(shop, 1)  # two people want it, and it is tried once
    assert ((await shop.kept(ONE)).state, (await shop.kept(ONE)).trouble) == ("waiting", None)
    composer = Composer(Crashed("It was ended by signal 9."), CannotCompose("There is no stream in it."))
    await recorded(shop.log, shop.recordings, TWO)
    await shop.work_until(done(TWO), composer)
    assert composer.composed == [ONE, ONE, TWO], "what crashed before does not count any more"
    assert ((await shop.kept(ONE)).state, (await shop.kept(ONE)).trouble) == ("failed", "There is no stream in it.")
    await again(shop, 2)
    await shop.work_until(done(ONE), Composer())
    kept = await shop.kept(ONE)
    assert (kept.state, kept.trouble, len(kept.files)) == ("composed", None, 4)
    assert await shop.objects.keys(ONE) == sorted(f"{kept.prefix}/{file.name}" for file in kept.files)


async def again(shop: Shop, number: int) -> None:
    await shop.log.append(ROOM, KIND, f"{ONE}-again-{number}", {"recording": ONE, "what": "again"})


@pytest.mark.spec("worker/dead-letter")
async def test_a_mistake_of_ours_costs_one_recording(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    await shop.work_until(done(TWO), Composer(ZeroDivisionError("nobody thought of it")))
    assert ((await shop.kept(ONE)).state, (await shop.kept(ONE)).trouble) == ("failed", worker_module.MISTAKE)


@pytest.mark.spec("worker/dead-letter")
async def test_what_cannot_be_stored_by_its_name_or_number_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "MAXIMUM_FILES", 3)
    await recorded(shop.log, shop.recordings, ONE)
    await shop.work_until(troubled(ONE), Composer())
    assert "more files" in str((await shop.kept(ONE)).trouble)


async def test_a_recording_whose_journals_are_elsewhere_fails(shop: Shop) -> None:
    await recorded(shop.log, shop.recordings, ONE)
    shutil.rmtree(shop.recordings)
    await shop.work_until(troubled(ONE), Composer())
    assert "Its journals are not in" in str((await shop.kept(ONE)).trouble)


@pytest.mark.spec("worker/objects-away")
async def test_a_disk_that_is_full_is_waited_for(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    composer = Composer(*[NoRoom("The disk is full.")] * 5)
    await shop.work_until(done(TWO), composer)
    assert composer.composed == [ONE] * 6 + [TWO]
    await shop.check(ONE)


@pytest.mark.spec("worker/objects-away")
async def test_objects_that_are_away_are_waited_for_and_that_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, refusals = shop.objects.put, 0

    async def refuse(*words: Any) -> Any:
        nonlocal refusals
        refusals += 1
        if refusals < 20:
            raise ObjectsUnavailable("The objects cannot be used: connection refused.")
        return await put(*words)

    monkeypatch.setattr(shop.objects, "put", refuse)
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    composer = Composer()
    await shop.work_until(done(TWO), composer)
    assert composer.composed == [ONE, TWO], "it is not composed again for that"
    await shop.check(ONE)
    told = [entry.body for entry in await shop.log.read(ROOM, kind=PROGRESS)]
    troubles = [body["trouble"] for body in told if isinstance(body, dict) and body["trouble"]]
    assert troubles == ["The objects cannot be used: connection refused."], "once, not nineteen times"


@pytest.mark.spec("worker/progress-bounded")
async def test_progress_is_told_at_every_step_and_written_seldom(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    told: list[float] = []

    async def compose(folder: Path, into: Path, chat: Path, progress: Any) -> None:
        for step in range(2001):
            progress(step / 2000)
            await trio.sleep(0.1 if step < 1000 else 10.0)
        await trio.Path(into).mkdir(parents=True)

    async with open_log(":memory:", inline=True) as log:
        shop = Shop(tmp_path, log, open_objects(tmp_path / "objects"))
        await recorded(log, shop.recordings, ONE)
        worker = Worker(log, shop.workshop(compose), lambda name, how_much, trouble: told.append(how_much))
        await worker._finish(await shop.kept(ONE))
        written = [entry.body["done"] for entry in await log.read(ROOM, kind=PROGRESS)]  # type: ignore[index]
    assert len(told) >= 2001
    assert 20 <= len(written) <= 51
    assert written == sorted(written)
    assert written[0] == 0.0
    assert written[-1] > 0.95


@pytest.mark.spec("worker/complete-journals")
async def test_it_waits_until_the_recorder_has_ended_its_journals(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LOOK_AT_MANIFEST_EVERY", 0.001)
    record(shop.recordings, ONE, is_closed=False)
    await say(shop.log, ONE, "began")
    await say(shop.log, ONE, "ended")
    composer, looks, is_closed = Composer(), 0, worker_module._is_closed

    def look(manifest: Path) -> bool:
        nonlocal looks
        looks += 1
        assert composer.composed == []
        if looks == 3:
            shutil.rmtree(manifest.parent)
            record(shop.recordings, ONE)
        return is_closed(manifest)

    monkeypatch.setattr(worker_module, "_is_closed", look)
    await shop.work_until(done(ONE), composer)
    assert (composer.composed, looks) == ([ONE], 3)


@pytest.mark.spec("worker/complete-journals")
async def test_of_a_recorder_that_died_what_there_is_is_taken(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "CLOSED_WITHIN", 0.01)
    monkeypatch.setattr(worker_module, "LOOK_AT_MANIFEST_EVERY", 0.005)
    record(shop.recordings, ONE, is_closed=False)
    await say(shop.log, ONE, "ended")
    composer = Composer()
    await shop.work_until(done(ONE), composer)
    assert composer.composed == [ONE]


async def test_the_chat_of_the_recording_is_handed_to_the_composer(shop: Shop) -> None:
    await shop.log.append(ROOM, "chat", "before", {"person": "p1", "name": "Ada", "text": "before"})
    record(shop.recordings, ONE)
    await say(shop.log, ONE, "began", person="p1", name="Ada")
    said = await shop.log.append(ROOM, "chat", "amid", {"person": "p2", "name": "Bob", "text": "amid"})
    await say(shop.log, ONE, "ended", people=["p1"])
    await shop.log.append(ROOM, "chat", "after", {"person": "p1", "name": "Ada", "text": "after"})
    composer = Composer()
    await shop.work_until(done(ONE), composer)
    assert composer.chats == [[{"at": said.at, "from": "Bob", "text": "amid"}]]


@pytest.mark.spec("worker/deleted")
async def test_what_is_deleted_meanwhile_leaves_nothing(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    composer = Composer()

    async def compose(folder: Path, *words: Any) -> None:
        if folder.name == ONE:
            await say(shop.log, ONE, "deleted", by="p1")
        await composer(folder, *words)

    await shop.work_until(done(TWO), compose)
    assert (await shop.kept(ONE)).state == "deleted"
    assert await shop.objects.keys(ONE) == []
    assert not (shop.recordings / ONE).exists()


@pytest.mark.spec("worker/deleted")
async def test_a_deletion_that_was_interrupted_is_done_again(shop: Shop) -> None:
    for name in (ONE, TWO):
        await recorded(shop.log, shop.recordings, name)
    await shop.work_until(done(TWO), Composer())
    await say(shop.log, ONE, "deleted", by="p1")  # and the server was killed
    await recorded(shop.log, shop.recordings, name_of(3))
    await shop.work_until(done(name_of(3)), Composer())
    assert await shop.objects.folders() == [TWO, name_of(3)]
    assert not (shop.recordings / ONE).exists()


async def test_entries_that_are_no_recordings_are_passed_over(shop: Shop) -> None:
    for number, body in enumerate(
        (
            {"recording": "../../etc", "what": "ended"},
            {"recording": name_of(1, "geometry"), "what": "ended"},
            {"what": "ended"},
            {"recording": name_of(9), "what": "composed", "prefix": 3},
            {"recording": ONE, "what": "ended", "people": ["p1"]},
        )
    ):
        await shop.log.append(ROOM, KIND, str(number), body)
    await shop.log.append(ROOM, KIND, "octets", b"\xff")
    record(shop.recordings, ONE)
    await recorded(shop.log, shop.recordings, TWO)
    composer = Composer()
    await shop.work_until(done(TWO), composer)
    assert composer.composed == [ONE, TWO]
    await shop.check(ONE)


@pytest.mark.spec("worker/given-away")
async def test_one_whose_recording_was_given_to_another_stops(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "STAY_EVERY", 0.0)
    monkeypatch.setattr(worker_module, "LOOK_EVERY", 0.01)
    begun: list[bool] = []
    stopped: list[bool] = []
    composer = Composer()

    def stay(member: FileMember) -> None:
        if begun and not stopped:
            raise LogUnavailable("another member of the group has taken over")

    async def compose(*words: Any) -> None:
        if stopped:
            return await composer(*words)
        begun.append(True)
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(True)

    monkeypatch.setattr(FileMember, "stay", stay)
    await recorded(shop.log, shop.recordings, ONE)
    await shop.work_until(done(ONE), compose)
    assert stopped == [True]
    await shop.check(ONE)


@pytest.mark.spec("worker/chat-bounded")
async def test_a_flood_of_chat_is_not_held_in_memory(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "MOST_CHAT", 35)
    await say(shop.log, ONE, "began", person="p1", name="Ada")
    for number in range(20):
        await shop.log.append(ROOM, "chat", str(number), {"person": "p1", "name": "Ada", "text": "x" * 7})
    record(shop.recordings, ONE)
    await say(shop.log, ONE, "ended", people=["p1"])
    composer = Composer()
    await shop.work_until(done(ONE), composer)
    assert [len(chat) for chat in composer.chats] == [3]


@pytest.mark.spec("worker/leftovers", "worker/given-away")
async def test_one_whose_recording_another_has_finished_meanwhile_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "STAY_EVERY", 0.0)
    given_away, stopped = trio.Event(), trio.Event()

    def stay(member: FileMember) -> None:
        if given_away.is_set() and not stopped.is_set():
            raise LogUnavailable("another member of the group has taken over")

    async def compose(folder: Path, into: Path, chat: Path, progress: Any) -> None:
        other = Worker(shop.log, shop.workshop(Composer()), shop.hear)
        await other._finish(await shop.kept(ONE))  # which takes away what there is, and this one goes on
        await trio.Path(into.with_name(f".{into.name}-part")).mkdir(parents=True)
        await trio.Path(chat).write_bytes(b"[]")
        given_away.set()
        try:
            await trio.sleep_forever()
        finally:
            stopped.set()

    monkeypatch.setattr(FileMember, "stay", stay)
    await recorded(shop.log, shop.recordings, ONE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Worker(shop.log, shop.workshop(compose), shop.hear).run)
        await stopped.wait()
        nursery.cancel_scope.cancel()
    await shop.check(ONE)


@pytest.mark.spec("worker/one-result", "worker/crash")
@pytest.mark.parametrize("trouble", [Crashed("There is no such file."), FileNotFoundError("film.mp4")])
async def test_what_another_has_finished_meanwhile_neither_crashed_nor_failed(shop: Shop, trouble: Exception) -> None:
    tried = []

    async def compose(folder: Path, into: Path, chat: Path, progress: Any) -> None:
        tried.append(folder.name)
        other = Worker(shop.log, shop.workshop(Composer()), shop.hear)
        await other._finish(await shop.kept(ONE))  # which takes away what this one works with
        raise trouble

    await recorded(shop.log, shop.recordings, ONE)
    await Worker(shop.log, shop.workshop(compose), shop.hear)._finish(await shop.kept(ONE))
    assert tried == [ONE]
    assert await read_progress(shop.log, await shop.kept(ONE)) == 0
    await shop.check(ONE)
