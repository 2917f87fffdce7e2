"""A meeting that goes on for long needs no more memory than one that has just begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from meetref.meeting.exchange import Exchange
from meetref.wire import signaling
from tests.stories.census import census, growth
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import ROUGH, everyone_sees_everyone, until

MINUTE = 60.0
RATIO = 1.3  # of what there was after the first minute
NEWEST = "wire.signaling.Seats.seats"
ALLOWANCE = 40  # rows: how many packets a rough way happens to hold at the moment of counting


async def come_and_go(scene: Meeting, until_at: float) -> None:
    """One guest after another comes in, says something and leaves; one breaks off without a word."""
    for number in range(1000):
        guest = await scene.join("guest", way=ROUGH, sends=False)
        guest.say(signaling.SayChat(client_id=f"guest-{number}", text="hello"))
        await trio.sleep(4)
        if number % 3 == 2:
            for stream in list(scene.network.hosts["guest"]._streams):
                stream.reset()
        scene.leave("guest")
        await trio.sleep(1)
        if trio.current_time() >= until_at:
            return


@pytest.mark.soak(ci=1, full=20)
@pytest.mark.slow
async def test_six_people_for_two_minutes(autojump_clock: MockClock, seed: int) -> None:
    """Loss, reordering and a coming and going; after the first minute nothing grows any more, on either side."""
    others = census()  # what tests before this one have left
    async with meeting(seed + 40) as scene:
        for number, name in enumerate(("alice", "bob", "carol", "dave", "erin", "frank")):
            await scene.join(name, way=ROUGH, sends=number < 2)
        await come_and_go(scene, MINUTE)
        early = census()
        await come_and_go(scene, 2 * MINUTE)
        late = census()
        chats = {name for name in late if name.endswith("Client.chat") or name == "wire.signaling.Chat"}
        found = growth(early, late, ratio=RATIO, allowance=ALLOWANCE)
        if late[NEWEST] <= 7 * 9:  # each of seven may have the newest message in hand, with nine seats in it
            found.pop(NEWEST, None)
        assert chats >= set(found), found  # what was said is kept by those who heard it, as it should be
        assert late["meeting.up.Up"] - others["meeting.up.Up"] == 2
        assert late["meeting.down.Down"] - others["meeting.down.Down"] <= 7
        assert late["meeting.up.Stream.seen"] > 1000, "the census looks into tables"


@contextmanager
def leaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An exchange that keeps the size of each batch, for ever."""
    receive = Exchange.receive

    def remember(self: Exchange, batch: list[object], now: float) -> None:
        self.__dict__.setdefault("sizes", []).append(len(batch))
        receive(self, batch, now)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "receive", remember)
        yield


@pytest.mark.parametrize("leaks", [False, True])
async def test_a_leak_is_found_and_named(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, leaks: bool
) -> None:
    with leaking(monkeypatch):
        async with meeting(39) as scene:
            await scene.join("alice")
            await scene.join("bob")
            await until(lambda: everyone_sees_everyone(scene, 10), 10)
            await trio.sleep(3)
            early = census()
            await trio.sleep(3 if leaks else 0)
            found = growth(early, census(), ratio=RATIO, allowance=ALLOWANCE)
    assert ("meeting.exchange.Exchange.sizes" in found) is leaks
