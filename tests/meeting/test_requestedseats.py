"""Seats that an offer asks for: screens and speakers first, nobody without a picture, voices beside their faces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.meeting.requestedseats import RequestedSeats
from meetref.meeting.seating import Content, Scene, choose
from meetref.meeting.track import Track
from meetref.protocol.negotiation import OPUS, VP8, Kind, ReceivedTrack
from meetref.wire import signaling
from tests.meeting.links import Viewer
from tests.meeting.test_down import Camera

PEOPLE = ["ada", "bob", "eve", "dan", "fay"]


class Wall:
    """The seats of a viewer who asked for so many sections, and everybody's tracks."""

    def __init__(self, videos: int, voices: int) -> None:
        viewer = Viewer()
        viewer.down.slots.clear()
        self.slots = viewer.down.slots
        sections: list[tuple[str, Kind, int]] = [("v", "video", videos), ("a", "audio", voices)]
        for letter, kind, count in sections:
            codec = VP8 if kind == "video" else OPUS
            for index in range(count):
                section = ReceivedTrack(mid=f"{letter}{index}", kind=kind, codecs={codec.payload_type: codec})
                viewer.down.fill_slot(f"{letter}{index}", section, f"seat-{index}")
        self.seats = RequestedSeats(viewer.down)
        self.tracks: dict[tuple[str, str], Track] = {}
        self.now = 0.0

    def sends(self, person: str, *sources: signaling.Source) -> None:
        for source in sources:
            track = Camera(1).track
            track.owner, track.source = person, source
            track.codec = "VP8" if source in ("camera", "screen") else "opus"
            self.tracks[person, source] = track

    def look(self, *, screens: list[str] = (), speaker: str | None = None, loudest: list[str] = ()) -> None:  # type: ignore[assignment]
        self.now += 1.0
        scene = Scene(PEOPLE, screens, speaker, [])
        assert not self.seats.grow(scene.count("me"), 25)
        assert not self.seats.seat(choose(scene, signaling.Look(), "me"), scene.for_viewer("me"))
        assert not self.seats.hear([Content(person, "camera") for person in loudest])
        self.seats.show(lambda person, source: self.tracks.get((person, source)), self.now)

    def shown(self, letter: str) -> list[str | None]:
        slots = [slot for name, slot in self.slots.items() if name[0] == letter]
        return [f"{slot.track.owner} {slot.track.source}" if slot.track is not None else None for slot in slots]


def test_one_of_each_shows_who_came_first_then_who_speaks_and_a_screen_before_all() -> None:
    wall = Wall(1, 1)
    wall.look()
    assert (wall.shown("v"), wall.shown("a")) == ([None], [None])
    wall.sends("bob", "camera", "microphone")
    wall.sends("eve", "camera", "microphone")
    wall.look()
    assert (wall.shown("v"), wall.shown("a")) == (["bob camera"], ["bob microphone"])
    wall.look(speaker="eve")
    assert (wall.shown("v"), wall.shown("a")) == (["eve camera"], ["eve microphone"])
    wall.sends("bob", "screen", "screen-sound")
    wall.look(screens=["bob"], speaker="eve")
    assert (wall.shown("v"), wall.shown("a")) == (["bob screen"], ["eve microphone"])
    assert wall.seats.message() == signaling.Seats([])


def test_who_speaks_without_a_picture_is_heard_and_another_is_seen() -> None:
    wall = Wall(1, 1)
    wall.sends("bob", "camera", "microphone")
    wall.sends("eve", "microphone")
    wall.look(speaker="eve")
    assert (wall.shown("v"), wall.shown("a")) == (["bob camera"], ["eve microphone"])


def test_the_sound_of_a_screen_is_heard_where_there_is_a_voice_to_spare() -> None:
    wall = Wall(1, 2)
    for person in ("bob", "eve"):
        wall.sends(person, "camera", "microphone")
    wall.sends("eve", "screen", "screen-sound")
    wall.look(screens=["eve"])
    assert wall.shown("v") == ["eve screen"]
    assert wall.shown("a") == ["eve screen-sound", "bob microphone"]


def test_who_stays_keeps_the_seat_and_the_voice_beside_it() -> None:
    wall = Wall(3, 3)
    for person in PEOPLE[:3]:
        wall.sends(person, "camera", "microphone")
    wall.look()
    assert wall.shown("v") == ["ada camera", "bob camera", "eve camera"]
    assert wall.shown("a") == ["ada microphone", "bob microphone", "eve microphone"]
    wall.sends("dan", "camera", "microphone")
    wall.look(speaker="dan")
    assert wall.shown("v") == ["ada camera", "bob camera", "dan camera"]
    assert wall.shown("a")[2] == "dan microphone"
    del wall.tracks["ada", "camera"], wall.tracks["ada", "microphone"]
    wall.look(speaker="dan")
    assert wall.shown("v") == ["eve camera", "bob camera", "dan camera"]
    assert wall.shown("a") == ["eve microphone", "bob microphone", "dan microphone"]


def test_with_few_voices_the_loudest_are_heard() -> None:
    wall = Wall(4, 2)
    for person in PEOPLE:
        wall.sends(person, "camera", "microphone")
    wall.look(speaker="bob", loudest=["dan", "bob"])
    assert set(wall.shown("a")) == {"bob microphone", "dan microphone"}


@given(
    st.integers(0, 4),
    st.integers(0, 4),
    st.lists(
        st.tuples(
            st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["camera", "microphone", "screen"]))),
            st.sampled_from([None, *PEOPLE]),
        ),
        max_size=6,
    ),
)
def test_no_slot_is_empty_as_long_as_somebody_has_something_for_it(
    videos: int, voices: int, history: list[tuple[set[tuple[str, str]], str | None]]
) -> None:
    wall = Wall(videos, voices)
    for sending, speaker in history:
        wall.tracks.clear()
        for person, source in sending:
            wall.sends(person, source)  # type: ignore[arg-type]
        screens = [person for person, source in sending if source == "screen"]
        wall.look(screens=screens, speaker=speaker)
        seen = [each for each in wall.shown("v") if each is not None]
        heard = [each for each in wall.shown("a") if each is not None]
        assert len(seen) == len(set(seen)) == min(videos, sum(source != "microphone" for _, source in sending))
        assert len(heard) == len(set(heard)) == min(voices, sum(source == "microphone" for _, source in sending))
        if speaker is not None and (speaker, "microphone") in sending and voices:
            assert f"{speaker} microphone" in heard
