"""What is left of a stream when sizes of its pictures are left out, by what Chromium sent and by decoders."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import numpy as np
import pytest

from meetref.media.formats import FORMATS
from meetref.media.rewriting import Incoming, Rewriter
from meetref.media.sequence import Unwrapper, difference
from meetref.media.thinning import ALL_LAYERS
from meetref.wire import rtp, vp9
from tests.media.spatial import CASES, Decoder, Film, codec_of, film, shows

DESCRIPTOR_ID = 12
cases = pytest.mark.parametrize("case", CASES)


@dataclass
class Viewer:
    """A slot's stream: what goes of a film, and what was wished for when each picture came."""

    film: Film
    sent: list[rtp.Packet] = field(default_factory=list)
    wishes: dict[int, tuple[int, int]] = field(default_factory=dict)
    wish: tuple[int, int] = (ALL_LAYERS, ALL_LAYERS)

    def __post_init__(self) -> None:
        self.rewriter = Rewriter(
            ssrc=7, payload_type=96, clock_rate=90000, transport_id=3, level_id=0,
            first_sequence=65530, first_timestamp=0xFFFFFF00, descriptor_id=DESCRIPTOR_ID,
        )  # fmt: skip
        self.rewriter.writing = FORMATS[self.film.codec].writing
        self.rewriter.begin(self.film.packets[0], 0xFFFFFF00, 3000)

    def want(self, temporal: int, spatial: int) -> None:
        self.wish = temporal, spatial
        self.rewriter.keep_layers(temporal, spatial)

    def take(self, packets: list[Incoming]) -> None:
        go = self.rewriter.rewrite if self.rewriter.thinning is None else self.rewriter.thin
        self.sent += [rtp.parse(b"".join(parts)) for parts in go(packets, 0)]

    def play(self, dice: random.Random, *, lossy: bool) -> None:
        """In batches that end anywhere, as somebody else is wished for now and then."""
        packets, since = late(self.film.packets, dice) if lossy else self.film.packets, 0
        while since < len(packets):
            if dice.random() < 0.15:
                self.want(dice.choice((0, 1, 2, ALL_LAYERS)), dice.choice((0, 1, 2, ALL_LAYERS)))
            batch = packets[since : since + dice.choice((1, 1, 2, 3, 8))]
            since += len(batch)
            for packet in batch:
                self.wishes.setdefault(packet.timestamp, self.wish)
            self.take(sorted(batch, key=lambda packet: packet.sequence))


def late(packets: list[Incoming], dice: random.Random, lost: float = 0.03) -> list[Incoming]:
    """Some late, some lost; not the first."""
    kept = [packet for packet in packets[1:] if dice.random() >= lost]
    places = [
        (index + (dice.uniform(1, 30) if dice.random() < 0.1 else 0), packet) for index, packet in enumerate(kept)
    ]
    return [packets[0], *(packet for _, packet in sorted(places, key=lambda each: each[0]))]


def body(codec: str, packet: rtp.Packet) -> bytes:
    return packet.payload[vp9.locate(packet.payload).end :] if codec == "VP9" else packet.payload


def whole_frames(viewer: Viewer) -> dict[tuple[int, int], list[rtp.Packet]]:
    """The frames that came out whole, in order. Asserts that no number comes twice."""
    source, unwrapper = viewer.film, Unwrapper()
    numbered = {unwrapper.unwrap(packet.sequence): packet for packet in viewer.sent}
    assert len(numbered) == len(viewer.sent)
    owners = {}
    for name, frame in source.frames.items():
        for place, packet in enumerate(frame.packets):
            owners[packet.timestamp, body(source.codec, rtp.parse(packet.whole))] = name, place
    found = dict[tuple[int, int], dict[int, rtp.Packet]]()
    for _, packet in sorted(numbered.items()):
        timestamp = (packet.timestamp - viewer.rewriter.timestamp_offset) & 0xFFFFFFFF
        if packet.payload:
            name, place = owners[timestamp, body(source.codec, packet)]
            found.setdefault(name, {})[place] = packet
    return {
        name: list(parts.values())
        for name, parts in sorted(found.items())
        if len(parts) == len(source.frames[name].packets)
    }


def check_decoded(case: str, viewer: Viewer) -> int:
    """Each picture that has all it needs shows what it is to show, in the largest size that came. Gives how many."""
    source, decoder, known, made = viewer.film, Decoder(codec_of(case)), set[tuple[int, int]](), 0
    frames = whole_frames(viewer)
    for number, names in groupby(frames, lambda name: name[0]):
        decodable = []
        for name in names:
            if not source.frames[name].needs:
                known = {each for each in known if each[0] == number}
            if known.issuperset(source.frames[name].needs):
                known.add(name)
                decodable.append(name)
        if not decodable:
            continue
        picture = decoder.decode([packet.payload for name in decodable for packet in frames[name]])
        largest = decodable[-1][1]
        assert picture is not None, f"picture {number} does not decode"
        assert np.array_equal(picture, shows(case, largest)[number]), (
            f"picture {number} in size {largest} is another one"
        )
        made += 1
    return made


@cases
@pytest.mark.parametrize("spatial", [0, 1, 2])
@pytest.mark.parametrize("temporal", [0, ALL_LAYERS])
@pytest.mark.spec(
    "vp9/marker-ends-picture", "av1/marker-ends-unit", "rewriting/spatial-down", "rewriting/no-gap-no-repeat"
)
def test_each_choice_is_a_whole_stream_of_one_size(case: str, spatial: int, temporal: int) -> None:
    viewer = Viewer(film(case))
    viewer.want(temporal, spatial)
    viewer.take(viewer.film.packets)
    numbers = [packet.sequence for packet in viewer.sent]
    assert all(difference(later, earlier, 16) == 1 for earlier, later in pairwise(numbers))
    pictures = [list(group) for _, group in groupby(viewer.sent, lambda packet: packet.timestamp)]
    assert all([packet.marker for packet in group] == [False] * (len(group) - 1) + [True] for group in pictures)
    sent, top = whole_frames(viewer), min(spatial, len(viewer.film.sizes) - 1)
    assert {name[1] for name in sent} == set(range(top + 1))
    goes = [name for name, frame in viewer.film.frames.items() if frame.spatial <= top and frame.temporal <= temporal]
    assert list(sent) == goes
    assert check_decoded(case, viewer) == len(pictures) == len({picture for picture, _ in goes})


@pytest.mark.soak(ci=10, full=500)
@pytest.mark.spec("rewriting/gap-judged", "rewriting/whole-pictures", "rewriting/no-gap-no-repeat")
def test_who_comes_late_and_is_wanted_has_a_number(seed: int) -> None:
    case, dice = CASES[seed % len(CASES)], random.Random(seed)
    viewer = Viewer(film(case))
    temporal, spatial = dice.choice((0, 1, ALL_LAYERS)), dice.choice((0, 1))
    viewer.want(temporal, spatial)
    for packet in late(viewer.film.packets, dice, lost=0.0):
        viewer.take([packet])
    frames = viewer.film.frames
    goes = [name for name, frame in frames.items() if frame.spatial <= spatial and frame.temporal <= temporal]
    assert list(whole_frames(viewer)) == goes


@pytest.mark.soak(ci=20, full=1000)
@pytest.mark.spec(
    "rewriting/decodable", "rewriting/spatial-down", "rewriting/spatial-up-at-keyframe", "rewriting/whole-pictures",
    "rewriting/pictures-keep-gaps", "rewriting/no-gap-no-repeat",
)  # fmt: skip
def test_every_picture_that_should_decode_does(seed: int) -> None:
    case, lossy = CASES[seed % len(CASES)], seed // len(CASES) % 2 == 1
    viewer = Viewer(film(case))
    viewer.play(random.Random(seed), lossy=lossy)
    made = check_decoded(case, viewer)
    assert made > (0 if lossy else 3)
    if lossy:
        return
    sent = whole_frames(viewer)
    assert made == len({picture for picture, _ in sent}), "nothing that goes lacks anything"
    numbers = [packet.sequence for packet in viewer.sent]
    assert all(difference(later, earlier, 16) == 1 for earlier, later in pairwise(numbers))
    for _, group in groupby(viewer.sent, lambda packet: packet.timestamp):
        markers = [packet.marker for packet in group]
        assert markers == [False] * (len(markers) - 1) + [True]
    for name in sent:
        frame = viewer.film.frames[name]
        temporal, spatial = viewer.wishes[frame.packets[0].timestamp]
        assert frame.temporal <= temporal, "not more than was wished for when the picture began"
        assert frame.spatial <= spatial
    tops = dict(sorted(sent))
    for earlier, later in pairwise(tops):
        key, had_all = not viewer.film.frames[later, 0].needs, tops[earlier] == largest(viewer.film, earlier)
        assert key or had_all or tops[later] <= tops[earlier], "larger from a keyframe on"


def largest(source: Film, picture: int) -> int:
    return max(size for number, size in source.frames if number == picture)
