"""A room with an audience: everybody knows, hands are answered, and a show that ends is followed by another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.meeting import webinar
from meetref.meeting.webinar import Stage, Webinar
from meetref.wire import signaling
from tests.meeting.rooms import Line, Lobby, lobby
from tests.meeting.test_recorded import FakeRecorder


class NoStudio(Exception):
    """What the stage raises here."""


class FakeBroadcast(FakeRecorder):
    """A show that keeps what it is told."""

    keyframe_wanted: Callable[[Any], None]


class Studios:
    """A stage; with `refuses` it can open nothing."""

    def __init__(self) -> None:
        self.shows: list[FakeBroadcast] = []
        self.refuses = False
        self.dies = False
        self.over: list[str] = []
        self.stage = Stage(
            open=self._open, over=self.over.append, errors=(NoStudio,), has=lambda room: room == "algebra"
        )

    @asynccontextmanager
    async def _open(self, room: str) -> AsyncIterator[FakeBroadcast]:
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise NoStudio("no place")
        show = FakeBroadcast(room)
        self.shows.append(show)
        if self.dies:
            show.finish()
        try:
            yield show
        finally:
            show.closed = True


@asynccontextmanager
async def on_air() -> AsyncIterator[tuple[Lobby, Studios]]:
    studios = Studios()
    async with lobby(stage=studios.stage) as place:
        yield place, studios


def hands(line: Line) -> list[list[str]]:
    return [list(message.hands.values()) for message in line.of(signaling.Audience)]


def of(place: Lobby) -> Webinar:
    found = place.rooms.rooms["algebra"].webinar
    assert found is not None
    return found


async def test_everybody_is_told_and_the_show_is_told_of_everybody(autojump_clock: MockClock) -> None:
    async with on_air() as (place, studios):
        alice, other = await place.joined("alice"), await place.joined("carol", room="history")
        await trio.sleep(0.5)
        assert hands(alice) == [[]]
        assert hands(other) == []
        (show,) = studios.shows
        assert [event["name"] for event in show.events if event["event"] == "joined"] == ["alice"]
        alice.says(signaling.Leave())
        await trio.sleep(1)
        assert show.closed
        assert studios.over == ["algebra"]


async def test_a_hand_is_seen_by_all_and_answered_once(autojump_clock: MockClock) -> None:
    async with on_air() as (place, _):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        hand = of(place).raise_hand("Vera", trio.current_time())
        assert hand is not None
        assert hands(alice)[-1] == hands(bob)[-1] == ["Vera"]
        bob.says(signaling.Admit(hand=hand.id, yes=True))
        await wait_all_tasks_blocked()
        alice.says(signaling.Admit(hand=hand.id, yes=False))
        with trio.fail_after(5):
            await hand.answered.wait()
        await wait_all_tasks_blocked()
        assert hand.answer == "admitted"
        assert hands(alice)[-1] == []
        late = await place.joined("late")
        assert hands(late) == [[]]
        alice.says(signaling.Admit(hand="unheard of", yes=True))
        await wait_all_tasks_blocked()
        assert place.failures == []


async def test_hands_sink_when_nobody_asks_for_them(autojump_clock: MockClock) -> None:
    async with on_air() as (place, _):
        alice = await place.joined("alice")
        stage = of(place)
        gone, kept = stage.raise_hand("Gone", trio.current_time()), stage.raise_hand("Kept", trio.current_time())
        assert gone is not None
        assert kept is not None
        for _ in range(4):
            await trio.sleep(webinar.FORGOTTEN_AFTER / 3)
            assert stage.hand(kept.id, trio.current_time()) is kept
        assert stage.hand(gone.id, trio.current_time()) is None
        assert hands(alice)[-1] == ["Kept"]
        stage.lower(kept.id)
        assert hands(alice)[-1] == []


async def test_hands_are_bounded(autojump_clock: MockClock) -> None:
    async with on_air() as (place, _):
        alice = await place.joined("alice")
        raised = [of(place).raise_hand(f"V{number}", trio.current_time()) for number in range(webinar.MOST_HANDS + 3)]
        assert raised[webinar.MOST_HANDS :] == [None] * 3
        assert len(hands(alice)[-1]) == webinar.MOST_HANDS


async def test_a_show_that_ends_is_followed_by_another(autojump_clock: MockClock) -> None:
    async with on_air() as (place, studios):
        await place.joined("alice")
        await trio.sleep(0.5)
        studios.refuses = True
        studios.shows[0].fails("it stopped")
        await trio.sleep(10)
        assert len(studios.shows) == 1
        studios.refuses = False
        await trio.sleep(10)
        assert [show.closed for show in studios.shows] == [True, False]
        assert "alice" in [event.get("name") for event in studios.shows[1].events]
        assert studios.over == [], "who watches waits for it"


async def test_studios_that_die_are_followed_by_others_and_not_too_often(autojump_clock: MockClock) -> None:
    async with on_air() as (place, studios):
        studios.dies = True
        await place.joined("alice")
        await trio.sleep(600)
        assert 20 <= len(studios.shows) <= 30
        studios.dies = False
        await trio.sleep(webinar.AGAIN_AFTER[-1] + webinar.STEADY_AFTER + 1)
        count = len(studios.shows)
        studios.shows[-1].fails("it stopped")
        await trio.sleep(0.1)
        assert len(studios.shows) == count + 1, "after a good while the next one comes at once"
        assert studios.over == []


async def test_without_an_audience_nobody_is_admitted(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        alice.says(signaling.Admit(hand="x", yes=True))
        await wait_all_tasks_blocked()
        assert hands(alice) == []
        assert place.failures == []
