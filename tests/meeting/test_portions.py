"""A viewer's bandwidth is divided, and the seats get what they were given."""

from __future__ import annotations

import math
from typing import Any

import pytest

from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.rewriting import Incoming
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.portions import VOICE_BPS, Portions
from meetref.meeting.seating import Content, Scene, Sight, choose
from meetref.meeting.seats import Seats
from meetref.meeting.track import Track
from meetref.wire import signaling
from tests.meeting.links import DELTA, KEY, Viewer

SMALL, LARGE = 150_000, 1_200_000  # bit/s of the two encodings


def camera(owner: str) -> Track:
    clock = TrackClock(PublisherClock(), 90000)
    return Track(owner=owner, source="camera", kind="video", clock=clock, ask=lambda: None, arrived=[], rids=("q", "f"))


def microphone(owner: str) -> Track:
    clock = TrackClock(PublisherClock(), 48000)
    return Track(owner=owner, source="microphone", kind="audio", clock=clock, ask=lambda: None, arrived=[])


class Stage:
    """One viewer before some publishers with two encodings each; time goes in steps of a frame."""

    def __init__(self, people: int, pinned: str | None = None) -> None:
        self.viewer = Viewer()
        self.down = self.viewer.down
        self.seats = Seats(self.down)
        self.down._accepted |= set(self.down.slots)
        self.names = [f"p{number}" for number in range(people)]
        self.cameras = {name: camera(name) for name in self.names}
        self.microphones = {name: microphone(name) for name in self.names}
        pins = (signaling.Pin(pinned),) if pinned else ()
        self.scene = Scene(self.names)
        self.seats.seat(choose(self.scene, signaling.Look(pinned=pins), "viewer"), self.scene.for_viewer("viewer"))
        self.portions = Portions(self.seats, lambda content: 0.0)
        self.now = 0.0
        self.frame = 0
        self.told: list[signaling.Video] = []
        self.seats.show(self._find, self.now)

    def _find(self, person: str, source: signaling.Source) -> Track | None:
        return {"camera": self.cameras, "microphone": self.microphones}.get(source, {}).get(person)

    def run(self, seconds: float, budget_bps: float, *, known: bool = True) -> None:
        """Everybody sends; the link's budget is what it is said to be."""
        self.down.capacity = Fixed(budget_bps, known=known)  # type: ignore[assignment]
        end = self.now + seconds
        while self.now < end:
            self.frame += 1
            self.now += 1 / 30
            for track in self.cameras.values():
                for encoding, rate, height in zip(track.encodings, (SMALL, LARGE), (180, 720), strict=True):
                    key = self.frame % 15 == 1
                    size = round(rate / 30 / 8) - 48
                    payload = (KEY if key else DELTA) + bytes(max(size, 0))
                    picture = Incoming(
                        self.frame, self.frame * 3000, 0x80, payload, key, size=(16 * height // 9, height)
                    )
                    encoding.receive(picture, self.now)
                    encoding.forward(self.now)
            self.viewer.locked()
            if self.frame % 6 == 0:
                news = self.portions.look({}, self.now)
                if news is not None:
                    self.told.append(news)

    def shown(self) -> dict[str, str | None]:
        """The encoding that each person is shown in."""
        found: dict[str, str | None] = {}
        for index, content in enumerate(self.seats.contents):
            if content is not None:
                selection = self.down.slots[f"v{index}"].selection
                found[content.person] = selection.shown.rid if selection.shown is not None else None
        return found


class Sizes(Stage):
    """One publisher with one stream in spatial layers."""

    RATES = ((60_000, 135), (140_000, 270), (280_000, 540))  # bit/s of each layer, and lines

    def __init__(self) -> None:
        super().__init__(1)
        self.asked = 0
        clock = TrackClock(PublisherClock(), 90000)
        camera = Track(
            owner="p0", source="camera", kind="video", clock=clock, ask=lambda: None, arrived=[], codec="VP9"
        )
        self.cameras["p0"] = camera
        self.seats.show(self._find, self.now)
        self.encoding = camera.encodings[0]
        self.slot = next(slot for slot in self.down.slots.values() if slot.track is camera)
        self.sizes = len(self.RATES)
        self.tells = True
        self.down.pacer.set_rate(math.inf)  # each picture leaves as it comes

    def run(self, seconds: float, budget_bps: float) -> None:
        self.down.capacity = Fixed(budget_bps)  # type: ignore[assignment]
        for _ in range(round(seconds * 30)):
            self.frame += 1
            self.now += 1 / 30
            key = self.frame == 1 or self.encoding.asks
            self.asked += self.encoding.asks
            self.encoding.asks = False
            for packet in self._picture(key):
                self.encoding.receive(packet, self.now)
            self.encoding.forward(self.now)
            if self.frame % 6 == 0:
                news = self.portions.look({}, self.now)
                if news is not None:
                    self.told.append(news)

    def _picture(self, key: bool) -> list[Incoming]:
        told = tuple((16 * height // 9, height) for _, height in self.RATES[: self.sizes]) if key and self.tells else ()
        return [
            Incoming(
                3 * self.frame + size, self.frame * 3000, 0x80 if size == self.sizes - 1 else 0, bytes(rate // 240),
                key and size == 0, picture=self.frame, lead=b"\xa8\x00", spatial=size, ends=True,
                sizes=told if size == 0 else (),
            )
            for size, (rate, _) in enumerate(self.RATES[: self.sizes])
        ]  # fmt: skip

    def height(self, seconds: float, budget_bps: float) -> int:
        """The lines that go after so long, which are also those that the viewer is told."""
        self.run(seconds, budget_bps)
        assert self.slot.size is not None
        assert self.told[-1].seats[0].layer == f"{self.slot.size[1]}p"
        self.viewer.locked()
        self.run(1, budget_bps)
        sent = [each for each in self.viewer.gets() if each.payload]
        assert sent[-1].marker
        assert len({each.timestamp for each in sent}) == sum(each.marker for each in sent) == 30
        return self.slot.size[1]


@pytest.mark.spec("simulcast/spatial-layers", "rewriting/spatial-down", "rewriting/spatial-up-at-keyframe")
def test_one_stream_in_several_sizes_is_portioned_as_several_streams_are() -> None:
    stage = Sizes()
    voice = VOICE_BPS
    assert stage.height(4, 20_000_000) == 540
    assert stage.height(1, voice + 400_000) == 270
    assert stage.height(1, voice + 110_000) == 135
    assert stage.asked == 1, "for the first picture: whatever comes can be made smaller"
    assert stage.height(5, 20_000_000) == 540
    assert stage.asked == 2, "larger from a keyframe on"
    assert stage.slot.rewriter.thinning is None, "nothing is left out any more"


@pytest.mark.spec("simulcast/spatial-layers")
def test_a_size_that_does_not_come_is_not_offered_and_goes_as_soon_as_it_comes() -> None:
    stage = Sizes()
    stage.sizes = 2
    assert stage.height(4, 20_000_000) == 270
    assert [layer.height for layer in stage.cameras["p0"].layers(stage.now)] == [135, 270]
    stage.sizes = 3
    assert stage.height(4, 20_000_000) == 270, "nobody told how large it is"
    assert len(stage.cameras["p0"].layers(stage.now)) == 3
    stage.encoding.asks = True
    assert stage.height(4, 20_000_000) == 540
    stage.sizes = 1
    stage.encoding.asks = True
    assert stage.height(4, 20_000_000) == 135
    assert [layer.height for layer in stage.cameras["p0"].layers(stage.now)] == [135]


@pytest.mark.spec("simulcast/spatial-layers")
def test_sizes_that_are_not_told_are_not_taken_for_one_another() -> None:
    stage = Sizes()
    stage.tells = False
    stage.run(4, 20_000_000)
    assert [layer.height for layer in stage.cameras["p0"].layers(stage.now)] == [0, 0, 0]
    assert stage.slot.selection.spatial == ALL_LAYERS
    assert stage.told[-1].seats[0].layer is None


class Fixed:
    """A capacity that somebody decides."""

    def __init__(self, budget_bps: float, *, known: bool = True) -> None:
        self.media_bps = self.carried_bps = budget_bps
        self.is_experimenting = False
        self.demand_bps = 0.0
        self.is_known = self.is_wide = known

    def on_keyframe(self, now: float) -> None:
        """It stays as it is."""

    def on_demand(self, bitrate_bps: float, step_bps: float) -> None:
        self.demand_bps = bitrate_bps

    def on_switch(self, now: float) -> None:
        """Nothing is estimated."""


def test_where_there_is_room_everybody_is_seen_at_their_best() -> None:
    stage = Stage(3)
    stage.run(6, 20_000_000)
    assert stage.shown() == {"p0": "f", "p1": "f", "p2": "f"}
    assert [each.state for each in stage.told[-1].seats] == ["playing"] * 3
    capacity: Any = stage.down.capacity
    assert capacity.demand_bps > 3 * LARGE * 0.9


@pytest.mark.spec("allocation/nothing-before-the-line-is-known")
def test_pictures_wait_until_it_is_known_what_the_line_carries() -> None:
    stage = Stage(2)
    stage.run(1, 300_000, known=False)
    assert stage.shown() == {"p0": None, "p1": None}
    assert not stage.told
    stage.run(1, 20_000_000)
    assert stage.shown() == {"p0": "f", "p1": "f"}


def test_a_narrow_link_has_everybody_small_and_who_is_pinned_large() -> None:
    stage = Stage(3, pinned="p1")
    stage.run(6, 2_200_000)
    assert stage.shown() == {"p0": "q", "p1": "f", "p2": "q"}


def test_who_does_not_fit_pauses_and_the_viewer_is_told_why() -> None:
    stage = Stage(4)
    stage.run(2, 20_000_000)
    stage.run(4, 4 * VOICE_BPS + 350_000)
    shown = stage.shown()
    assert sorted(map(str, shown.values())) == ["None", "None", "q", "q"]
    paused = [each for each in stage.told[-1].seats if each.state == "paused"]
    assert len(paused) == 2
    assert all(each.reason is not None and each.reason.startswith("paused: ") for each in paused)
    stage.run(20, 20_000_000)
    assert set(stage.shown().values()) == {"f"}, "and comes back"


def test_sound_is_never_given_up_for_a_picture() -> None:
    stage = Stage(3)
    stage.run(2, 20_000_000)
    stage.run(4, 3 * VOICE_BPS + 10_000)
    assert set(stage.shown().values()) == {None}
    for index in range(3):
        assert stage.down.slots[f"a{index}"].selection.wanted == "largest"
    stage.run(4, 100_000)
    assert [stage.down.slots[f"a{index}"].selection.wanted for index in range(3)].count("largest") == 1


@pytest.mark.parametrize("budget", [300_000, 1_000_000, 5_000_000])
def test_what_is_shown_fits(budget: float) -> None:
    stage = Stage(5)
    stage.run(8, budget)
    rates = {"q": SMALL, "f": LARGE, None: 0}
    voices = 5 * VOICE_BPS
    assert sum(rates[rid] for rid in stage.shown().values()) <= max(budget - voices, 0)


def test_a_seat_whose_person_changed_is_given_its_portion_anew() -> None:
    stage = Stage(2)
    stage.run(3, 1_000_000)
    stage.cameras["p0"] = camera("p0")
    stage.seats.show(stage._find, stage.now)
    stage.run(6, 20_000_000)
    assert stage.shown()["p0"] == "f"
    assert Sight(Content("p0", "camera"), "rest") in stage.seats.sights


@pytest.mark.spec("simulcast/codec-that-is-read")
def test_who_cannot_read_a_codec_is_told_and_sees_it_as_soon_as_it_is_another_one() -> None:
    stage = Stage(2)
    stage.down.slots["v0"].formats = {"VP8": (96, 97)}
    stage.cameras["p0"].codec = "H264"
    stage.seats.clear(0.0)
    assert stage.seats.show(stage._find, stage.now), "there is something to tell"
    assert not stage.seats.show(stage._find, stage.now), "once"
    stage.run(3, 20_000_000)
    assert stage.shown() == {"p0": None, "p1": "f"}
    assert stage.cameras["p0"].slots == []
    first = stage.told[-1].seats[0]
    assert (first.seat, first.state, first.reason) == (0, "paused", "This browser cannot show H264 video")
    assert len([each for each in stage.told[-1].seats if each.seat == 0]) == 1
    stage.cameras["p0"] = camera("p0")
    assert stage.seats.show(stage._find, stage.now)
    stage.portions.changed()
    stage.run(3, 20_000_000)
    assert stage.shown() == {"p0": "f", "p1": "f"}
    assert stage.told[-1].seats[0].state == "playing"
