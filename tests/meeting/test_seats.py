"""Who sits keeps the seat, rooms grow in steps, and in a large room only the loudest are heard."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.meeting.down import Down
from meetref.meeting.seating import Content, Scene, choose
from meetref.meeting.seats import STEPS, TOGETHER, VOICES, Seats, step_for
from meetref.meeting.track import Track
from meetref.wire.signaling import Look, Pin, SeatVideo, Source
from tests.meeting.links import Viewer

TRACKS: dict[tuple[str, Source], Track] = {}


def find(person: str, source: Source) -> Track:
    kind = "audio" if source in ("microphone", "screen-sound") else "video"
    if (person, source) not in TRACKS:
        clock = TrackClock(PublisherClock(), 90000)
        TRACKS[person, source] = Track(
            owner=person, source=source, kind=kind, clock=clock, ask=lambda: None, arrived=[]
        )  # type: ignore[arg-type]
    return TRACKS[person, source]


def seats() -> Seats:
    TRACKS.clear()
    down: Down = Viewer().down
    down.slots.clear()
    down.offered.clear()
    down.can_show = lambda mid: True  # type: ignore[method-assign]
    return Seats(down)


def people(count: int, first: int = 0) -> list[Content]:
    return [Content(f"p{number}", "camera") for number in range(first, first + count)]


def heard(of: Seats) -> list[str]:
    """Whose sound leaves on some slot, once for each."""
    return sorted(
        slot.track.owner for slot in of.down.slots.values() if slot.kind == "audio" and slot.track is not None
    )


def shown(of: Seats) -> list[str]:
    """Whose picture leaves on some slot."""
    return sorted(
        slot.track.owner for slot in of.down.slots.values() if slot.kind == "video" and slot.track is not None
    )


def arrange(of: Seats, contents: list[Content], loudest: list[Content] | None = None, look: Look | None = None) -> bool:
    """As a room does it; true when new slots must be offered."""
    look = look or Look()
    people = [content.person for content in contents if content.source == "camera"]
    scene = Scene(people, [content.person for content in contents if content.source == "screen"])
    grown = of.grow(len(contents), look.tiles)
    of.seat(choose(scene, look, "viewer"), contents)
    if of.voices:
        of.hear(loudest or [])
    of.show(find, 0.0)
    return grown


def test_rooms_grow_in_steps_one_ahead_of_need() -> None:
    assert [step_for(count) for count in (0, 3, 4, 8, 9, 15, 16, 24, 25, 99)] == [4, 4, 9, 9, 16, 16, 25, 25, 25, 25]
    of = seats()
    grown = [count for count in range(1, 40) if arrange(of, people(count))]
    assert grown == [4, 9, 16]
    assert len(of.contents) == STEPS[-1]
    assert not of.grow(0, 4), "a room never shrinks"


@settings(max_examples=60)
@given(st.lists(st.sets(st.integers(0, 30), max_size=30), min_size=1, max_size=8))
def test_who_can_stay_stays_and_everybody_has_one_seat(rooms: list[set[int]]) -> None:
    of = seats()
    before: list[Content | None] = []
    for room in rooms:
        contents = [Content(f"p{number}", "camera") for number in sorted(room)]
        arrange(of, contents)
        first = contents[: len(of.contents)]
        sitting = [content for content in of.contents if content is not None]
        assert sorted(sitting, key=lambda one: one.person) == sorted(first, key=lambda one: one.person)
        for seat, content in enumerate(before):
            assert content is None or content not in first or of.contents[seat] == content
        for seat, content in enumerate(of.contents):
            track = of.down.slots[f"v{seat}"].track
            assert (track.owner if track else None) == (content.person if content else None)
        before = list(of.contents)


def test_in_a_small_room_each_is_heard_beside_their_picture() -> None:
    of = seats()
    arrange(of, people(6))
    assert heard(of) == [f"p{number}" for number in range(6)]
    message = of.message()
    assert [(seat.audio, seat.video) for seat in message.seats] == [(f"a{n}", f"v{n}") for n in range(TOGETHER)]


def test_in_a_large_room_only_the_loudest_are_heard_and_each_once() -> None:
    of = seats()
    arrange(of, people(8))
    assert len(of.down.slots) == 2 * TOGETHER
    everybody = people(12)
    arrange(of, everybody, everybody[2:9])
    assert heard(of) == ["p2", "p3", "p4", "p5", "p6"]
    slots = {content.person: index for index, content in enumerate(of.voices) if content}
    arrange(of, everybody, [everybody[4], everybody[11], everybody[2]])
    assert heard(of) == ["p11", "p2", "p4"]
    after = {content.person: index for index, content in enumerate(of.voices) if content}
    assert (after["p2"], after["p4"]) == (slots["p2"], slots["p4"]), "who is heard keeps the slot"
    voices = list(of.voices)
    of.grow(25, 25)
    assert of.voices == voices, "growing silences nobody"
    entries = of.message().seats
    assert len([seat for seat in entries if seat.video]) == 25
    assert [seat.audio for seat in entries if seat.audio] == [f"a{index}" for index in range(VOICES)]


def test_a_screen_has_a_seat_and_a_sound_of_its_own() -> None:
    of = seats()
    arrange(of, [Content("p0", "screen"), *people(2)])
    sources = {slot.track.source for slot in of.down.slots.values() if slot.track is not None}
    assert sources == {"screen", "screen-sound", "camera", "microphone"}
    of.clear(1.0)
    assert all(slot.track is None for slot in of.down.slots.values())
    assert all(not track.slots for track in TRACKS.values())


def test_what_the_answer_did_not_take_is_not_shown() -> None:
    of = seats()
    of.down.can_show = lambda mid: mid == "v0"  # type: ignore[method-assign]
    arrange(of, people(2))
    assert [slot.mid for slot in of.down.slots.values() if slot.track is not None] == ["v0"]


def test_in_a_small_room_who_is_not_looked_at_is_heard_from_the_same_seat() -> None:
    of = seats()
    arrange(of, people(6), look=Look(tiles=4))
    assert (shown(of), heard(of)) == (["p0", "p1", "p2", "p3"], [f"p{number}" for number in range(6)])
    before = list(of.contents)
    message = of.message()
    assert (message.page, message.pages, message.large) == (0, 2, None)
    assert [seat.video for seat in message.seats] == ["v0", "v1", "v2", "v3", None, None, "v6", "v7", "v8"]
    arrange(of, people(6), look=Look(tiles=4, page=1))
    assert shown(of) == ["p4", "p5"]
    assert of.contents == before, "nobody moves"
    assert heard(of) == [f"p{number}" for number in range(6)]
    assert of.message().page == 1


def test_in_a_large_room_only_who_is_seen_sits_and_a_small_stage_needs_few_seats() -> None:
    of = seats()
    arrange(of, people(30), people(5, 10), Look(tiles=4))
    assert len(of.contents) == 4
    assert {f"a{index}" for index in range(VOICES)} <= set(of.down.slots)
    assert (shown(of), heard(of)) == (["p0", "p1", "p2", "p3"], ["p10", "p11", "p12", "p13", "p14"])
    assert of.message().pages == 8
    assert arrange(of, people(30), people(5, 10), Look(tiles=7)), "a larger stage needs more"
    assert len(shown(of)) == 7
    arrange(of, people(30), people(5, 10), Look(tiles=0))
    assert (shown(of), len(heard(of))) == ([], 5), "who looks at nothing still hears"


def test_the_viewer_is_told_when_something_to_be_told_changes() -> None:
    of = seats()
    scene = Scene(["p0", "p1"])
    of.grow(2, 25)
    assert of.seat(choose(scene, Look(), "viewer"), people(2))
    assert not of.seat(choose(scene, Look(small=180), "viewer"), people(2)), "how tall a tile is, is no news"
    assert [sight.height for sight in of.sights if sight] == [180, 180]
    assert of.seat(choose(scene, Look(pinned=(Pin("p1"),)), "viewer"), people(2))
    assert of.message().large == 1
    assert [sight.rank for sight in of.sights if sight] == ["rest", "pinned"], "seats stay, importance moves"


def test_what_comes_in_the_slots_is_told_once() -> None:
    of = seats()
    states = [SeatVideo(0, "paused", "paused: 180 of 220 kbit/s"), SeatVideo(1, layer="half")]
    told = of.tell_video(states)
    assert told is not None
    assert told.seats == states
    assert of.tell_video(list(states)) is None
    assert of.video == told
