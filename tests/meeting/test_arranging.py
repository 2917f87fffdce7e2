"""What the people of a room are told by the same rules: who speaks, who sits where, how connections do."""

from __future__ import annotations

from typing import get_args

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.meeting import arranging
from meetref.meeting.arranging import ARRANGE_EVERY, GAUGE_EVERY, ON_THE_SPOT, Arranging
from meetref.meeting.participant import Participant, Way
from meetref.meeting.seating import Content
from meetref.wire import signaling
from tests.meeting.rooms import lobby


async def test_who_speaks_is_told_to_all_and_to_newcomers(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        assert bob.of(signaling.Speaker) == [signaling.Speaker()]
        room, speaker = place.rooms.rooms["algebra"], alice.identity.participant
        for step in range(100):
            room.arranging.listening.hear(Content(speaker, "camera"), 20 if step % 25 else 70, trio.current_time())
            await trio.sleep(0.02)
        for line in (alice, bob):
            assert line.of(signaling.Speaker)[1:] == [signaling.Speaker(speaker)]
        carol = await place.joined("carol")
        assert carol.of(signaling.Speaker) == [signaling.Speaker(speaker)]
        alice.says(signaling.Devices(microphone="muted", camera="off"))
        await trio.sleep(6)
        assert carol.of(signaling.Speaker)[-1] == signaling.Speaker(None, (speaker,))
        alice.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert carol.of(signaling.Speaker)[-1] == signaling.Speaker()
        dave = await place.joined("dave")
        assert dave.of(signaling.Speaker) == [signaling.Speaker()], "who left has not led"


async def test_a_look_is_answered_with_its_page_and_a_pinned_one_is_large(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        lines = [await place.joined(f"person {number}") for number in range(6)]
        first, last = lines[0], lines[-1].identity.participant
        told = len(lines[1].of(signaling.Seats))
        first.says(signaling.Look(tiles=2, page=1))
        await wait_all_tasks_blocked()
        answer = first.of(signaling.Seats)[-1]
        assert (answer.page, answer.pages, answer.large) == (1, 3, None)
        assert len([seat for seat in answer.seats if seat.person and seat.video]) == 2
        assert len([seat for seat in answer.seats if seat.person and seat.audio]) == 5, "all are heard"
        first.says(signaling.Look(layout="speaker", tiles=4, page=99, pinned=(signaling.Pin(last),)))
        await wait_all_tasks_blocked()
        answer = first.of(signaling.Seats)[-1]
        assert (answer.page, answer.pages) == (1, 2)
        assert answer.large is not None
        assert answer.seats[answer.large].person == last
        assert len(lines[1].of(signaling.Seats)) == told, "what one looks at is nobody else's business"
        first.breaks()
        await wait_all_tasks_blocked()
        again = place.comes_back(first)
        await wait_all_tasks_blocked()
        assert again.of(signaling.Seats)[-1] == answer
        assert again.of(signaling.Video) == [signaling.Video([])]


async def test_bars_are_told_when_they_change_and_to_newcomers(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        assert alice.of(signaling.Quality) == [signaling.Quality([])]
        room = place.rooms.rooms["algebra"]
        (down,) = [one.down for one in room.people.values() if one.person.name == "bob"]
        assert down is not None
        down.connected, down.peer.state = True, "connected"
        await trio.sleep(3 * GAUGE_EVERY)
        told = signaling.Quality([signaling.PersonQuality(bob.identity.participant, 4)])
        assert alice.of(signaling.Quality)[1:] == [told], "once, and of him only"
        carol = await place.joined("carol")
        assert carol.of(signaling.Quality) == [told]
        down.peer.state = "disconnected"
        await trio.sleep(1.5 * GAUGE_EVERY)
        assert carol.of(signaling.Quality)[-1].people[0].bars == 0
        bob.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert list(room.arranging.gauges) == [alice.identity.participant, carol.identity.participant]


class Looks:
    """Whose seats are looked at, from now on: a list of ids."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: list[str] = []
        look = Arranging._arrange_for

        def counted(arranging: Arranging, viewer: Participant, now: float) -> bool:
            self.at.append(viewer.id)
            return look(arranging, viewer, now)

        monkeypatch.setattr(Arranging, "_arrange_for", counted)

    async def during(self, ticks: float) -> list[str]:
        """Those since the last time, after so many ticks."""
        await trio.sleep(ticks * ARRANGE_EVERY)
        found, self.at = self.at, []
        return found


async def test_many_changes_are_one_look(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lobby() as place:
        lines = [await place.joined(f"person {number}") for number in range(ON_THE_SPOT + 1)]
        looks = Looks(monkeypatch)
        await looks.during(3)
        room = place.rooms.rooms["algebra"]
        for participant in room.people.values():
            for way in get_args(Way):
                room.connection_changed(participant, way)
            room.changed(participant)
        everybody = sorted(line.identity.participant for line in lines)
        assert sorted(await looks.during(3)) == everybody, "each once"
        assert await looks.during(3) == []


@pytest.mark.parametrize(("others", "ticks"), [(ON_THE_SPOT - 2, 0), (ON_THE_SPOT - 1, 1)])
async def test_a_newcomer_is_seen_at_once_in_a_small_room_and_within_a_tick_in_a_large_one(
    autojump_clock: MockClock, others: int, ticks: int
) -> None:
    async with lobby() as place:
        first, *_ = [await place.joined(f"person {number}") for number in range(others)]
        await trio.sleep(1)
        now = trio.current_time()
        for number in range(2):  # in a large room the second one waits for the next tick
            newcomer = place.come(f"newcomer {number}")
        await wait_all_tasks_blocked()
        assert trio.current_time() == now
        await trio.sleep(1.01 * ticks * ARRANGE_EVERY)
        assert newcomer.identity.participant in [seat.person for seat in first.of(signaling.Seats)[-1].seats]


async def test_what_somebody_sends_concerns_those_who_have_them_in_a_seat(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lobby() as place:
        lines = [await place.joined(f"person {number}") for number in range(12)]
        first, second = (line.identity.participant for line in lines[:2])
        looks = Looks(monkeypatch)
        for line in lines[2:]:
            line.says(signaling.Look(tiles=1, pinned=(signaling.Pin(second),)))
        await looks.during(20)
        room = place.rooms.rooms["algebra"]
        room.connection_changed(room.people[first], "up")
        assert await looks.during(3) == [second], "the others see the second, and hear nobody"
        room.connection_changed(room.people[first], "down")
        assert await looks.during(3) == [first]
        lines[0].says(signaling.Devices(microphone="muted", camera="off"))
        assert await looks.during(3) == [], "who sits where has not changed"
        lines[0].says(signaling.Devices(microphone="muted", camera="off", screen=True))
        assert len(await looks.during(3)) == 12


async def test_a_large_room_no_longer_hears_who_has_muted(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        lines = [await place.joined(f"person {number}", microphone="on") for number in range(12)]
        room, speaker = place.rooms.rooms["algebra"], lines[0].identity.participant
        for _ in range(100):
            room.arranging.listening.hear(Content(speaker, "camera"), 20, trio.current_time())
            await trio.sleep(0.02)
        voices = [seat.person for seat in lines[1].of(signaling.Seats)[-1].seats if seat.video is None]
        assert speaker in voices
        lines[0].says(signaling.Devices(microphone="muted", camera="none"))
        await trio.sleep(3 * ARRANGE_EVERY)
        voices = [seat.person for seat in lines[1].of(signaling.Seats)[-1].seats if seat.video is None]
        assert voices == [None] * 5


async def test_each_tick_looks_at_so_many_and_everybody_has_a_turn(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those who wait longest, while others change something all the time."""
    monkeypatch.setattr(arranging, "ON_THE_SPOT", 9)
    monkeypatch.setattr(arranging, "LOOKS_AT_A_TIME", 3)
    async with lobby() as place:
        lines = [await place.joined(f"person {number}") for number in range(11)]
        looks = Looks(monkeypatch)
        await looks.during(50)
        lines[-1].says(signaling.Devices(microphone="on", camera="on", screen=True))
        await wait_all_tasks_blocked()
        room = place.rooms.rooms["algebra"]
        busy = room.people[lines[0].identity.participant]
        turns = [await looks.during(0.5)]
        for _ in range(4):
            room.connection_changed(busy, "down")
            turns.append(await looks.during(1))
        assert [len(turn) for turn in turns] == [3, 3, 3, 3, 1]
        assert {one for turn in turns for one in turn} == set(room.people)


@pytest.mark.parametrize(("others", "seats"), [(3, 4), (4, 9), (ON_THE_SPOT + 5, 25)])
async def test_the_first_offer_has_as_many_seats_as_the_room_needs(
    autojump_clock: MockClock, others: int, seats: int
) -> None:
    """And no second one follows: with many newcomers that would be twice the work, and a long wait for the last."""
    async with lobby() as place:
        for number in range(others):
            await place.joined(f"person {number}")
        newcomer = await place.joined("newcomer")
        await trio.sleep(2 * ARRANGE_EVERY)
        (offer,) = newcomer.of(signaling.DownOffer)
        assert offer.sdp.count("m=video") == seats


async def test_a_mistake_of_ours_about_one_viewer_ends_that_connection_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a viewer tells of its line is read for all of them by one task, of which the whole server would die."""
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        room = place.rooms.rooms["algebra"]
        (down,) = [one.down for one in room.people.values() if one.person.name == "bob"]
        assert down is not None

        def fails(now: float) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(down.capacity, "look", fails)
        await trio.sleep(1)
        assert place.people() == ["alice"]
        assert bob.closed == "removed"
        assert alice.of(signaling.PersonLeft) == [signaling.PersonLeft(bob.identity.participant, "removed")]
        assert await place.joined("carol")
