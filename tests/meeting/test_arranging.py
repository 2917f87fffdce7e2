"""What the people of a room are told by the same rules: who speaks, who sits where, how connections do."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.meeting.arranging import GAUGE_EVERY
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
