"""What is deleted, and what is older than it should be, goes: journals and objects, and the log has said so before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.archive import keeper
from meetref.archive.keeper import delete, keep_for, sweep
from meetref.archive.kept import began_in
from meetref.archive.log import LogUnavailable
from meetref.archive.objects import ObjectsUnavailable
from tests.archive.workshop import ROOM, Shop, name_of, open_shop, record, say

ONE, TWO, THREE = name_of(1), name_of(2), name_of(3)
AFTER_TWO = (began_in(TWO) or 0.0) + 1.0


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """With three recordings, of which two are composed and the last goes on."""
    with trio.fail_after(60.0):
        async with open_shop(tmp_path, ONE, TWO) as shop:
            record(shop.recordings, THREE, is_closed=False)
            await say(shop.log, THREE, "began", person="p1", name="Ada")
            yield shop


def journals(shop: Shop) -> list[str]:
    return sorted(path.name for path in shop.recordings.iterdir())


@pytest.mark.spec("worker/deleted")
async def test_what_is_deleted_is_gone_and_the_log_says_by_whom(shop: Shop) -> None:
    await delete(shop.log, shop.recordings, shop.objects, await shop.kept(ONE), "p1")
    assert (await shop.kept(ONE)).state == "deleted"
    assert (journals(shop), await shop.objects.folders()) == ([TWO, THREE], [TWO])
    (entry,) = [each for each in await shop.log.read(ROOM) if each.key == f"{ONE}-deleted"]
    assert entry.body == {"recording": ONE, "what": "deleted", "by": "p1"}


@pytest.mark.spec("worker/deleted")
async def test_several_may_take_the_same_away_at_once(shop: Shop) -> None:
    for _ in range(60):
        (shop.recordings / ONE).mkdir(exist_ok=True)
        for number in range(5):
            (shop.recordings / ONE / f"voice-{number}.mrj").touch()
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(keeper.erase, shop.recordings, shop.objects, ONE)
        assert journals(shop) == [TWO, THREE]
    assert await shop.objects.folders() == [TWO]


@pytest.mark.spec("worker/deleted")
async def test_where_the_log_takes_nothing_nothing_is_deleted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*words: Any) -> Any:
        raise LogUnavailable("the disk is full")

    monkeypatch.setattr(shop.log, "append", refuse)
    with pytest.raises(LogUnavailable):
        await delete(shop.log, shop.recordings, shop.objects, await shop.kept(ONE), "p1")
    assert journals(shop) == [ONE, TWO, THREE]


@pytest.mark.spec("worker/retention")
async def test_what_is_older_goes_and_what_is_being_recorded_stays(shop: Shop) -> None:
    (shop.recordings / "something else").mkdir()
    assert await sweep(shop.log, shop.recordings, shop.objects, began_in(TWO) or 0.0) == [ONE]
    assert await sweep(shop.log, shop.recordings, shop.objects, AFTER_TWO + 1e6) == [TWO]
    assert journals(shop) == [THREE, "something else"]
    assert await shop.objects.folders() == []


@pytest.mark.spec("worker/retention")
async def test_what_could_not_be_deleted_is_deleted_the_next_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = shop.objects.keys

    async def refuse(prefix: str) -> list[str]:
        if prefix == ONE:
            raise ObjectsUnavailable("connection refused")
        return await keys(prefix)

    with monkeypatch.context() as patch:
        patch.setattr(shop.objects, "keys", refuse)
        assert await sweep(shop.log, shop.recordings, shop.objects, AFTER_TWO) == [TWO]
    assert await sweep(shop.log, shop.recordings, shop.objects, AFTER_TWO) == [ONE]
    assert await shop.objects.folders() == []


@pytest.mark.spec("worker/retention")
async def test_it_is_looked_at_again_and_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SWEEP_EVERY", 0.0)
    moments = iter([AFTER_TWO - 1.0, AFTER_TWO])
    with trio.CancelScope() as scope:

        def wall_clock() -> float:
            now = next(moments, None)
            if now is None:
                scope.cancel()
            return (now or 0.0) + 2 * keeper.DAY

        await keep_for(2.0, shop.log, shop.recordings, shop.objects, wall_clock)
    assert journals(shop) == [THREE]
