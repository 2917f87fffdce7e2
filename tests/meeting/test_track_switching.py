"""Random switches between encodings and layers, and a real decoder behind them: every picture that should decode does.

A camera in three encodings (`tests/media/layered`) with random clocks, numbers, losses, latecomers and pauses; a slot
whose wishes change; what comes out is put together and decoded as a browser would do it, and each picture is compared,
pixel by pixel, with what the publisher encoded.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from meetref.media.clock import to_ntp
from meetref.media.formats import FORMATS
from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.pacing import Pacer
from meetref.media.parts import Parts
from meetref.media.rewriting import Incoming, Rewriter
from meetref.media.sequence import Unwrapper, difference
from meetref.meeting.forwarder import Slot
from meetref.meeting.repair import Verbatim
from meetref.meeting.track import Encoding, Track
from meetref.wire import rtp, vp8
from tests.media.layered import KEYFRAME_EVERY, Coded, Decoder, Stream, coded, decoded

DESCRIPTOR_ID = 13  # of dependency descriptors, on the publisher's side
FRAME_RATE = 30
RIDS = ("q", "h", "f")
SECONDS = 8.0


class Wire:
    """A `Link` without locks: what goes out, in its order."""

    def __init__(self) -> None:
        self.transport_sequence = 0
        self.now = 0.0
        self.sent: list[tuple[float, rtp.Packet]] = []
        self.switches = 0
        self.pacer: Pacer[tuple[Slot, Incoming]] = Pacer()

    def release(self, now: float) -> None:
        """Nothing waits here."""

    def lock(self, run: Sequence[Parts]) -> list[bytes]:
        return [b"".join(parts) for parts in run]

    def on_sent(self, number: int, locked: Sequence[bytes], now: float) -> None:
        """Nobody estimates here."""

    def on_keyframe(self, now: float) -> None:
        """Nor here."""

    def send(self, packets: Sequence[bytes]) -> None:
        self.sent += [(self.now, rtp.parse(data)) for data in packets]

    def may_repeat(self, now: float) -> bool:
        return True

    def started(self, slot: Slot, now: float) -> None:
        self.switches += 1

    def switched(self, slot: Slot, now: float) -> None:
        self.switches += 1

    def fail(self, error: Exception) -> None:
        raise error


@dataclass
class Scene:
    """A publisher, its track, and one slot. Everything that happens comes from `seed`."""

    seed: int
    lossy: bool
    codec: str = "VP8"
    stream: Callable[..., Stream] = Stream
    wire: Wire = field(default_factory=Wire)
    arrived: list[Encoding] = field(default_factory=list)
    payloads: dict[bytes, set[tuple[str, int]]] = field(default_factory=dict)
    gone: set[tuple[str, int]] = field(default_factory=set)
    pauses: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.offset = self.dice.uniform(1e6, 2e9)  # of the publisher's wall clock
        clock = TrackClock(PublisherClock(), 90000)
        self.track = Track(
            owner="alice", source="camera", kind="video", clock=clock, ask=lambda: None, arrived=self.arrived,
            rids=RIDS, codec=self.codec,
        )  # fmt: skip
        rewriter = Rewriter(
            ssrc=7, payload_type=96, clock_rate=90000, transport_id=3, level_id=0,
            first_sequence=self.dice.randrange(1 << 15), first_timestamp=self.dice.randrange(1 << 32), descriptor_id=12,
        )  # fmt: skip
        self.slot = Slot(
            mid="v0", kind="video", link=self.wire, rewriter=rewriter, repair=Verbatim(), formats={self.codec: (96, 0)}
        )
        long_ids = self.dice.random() < 0.7
        self.streams = [
            self.stream(
                rid, number, sequence=self.dice.randrange(1 << 16), timestamp=self.dice.randrange(1 << 32),
                picture_id=self.dice.randrange(1 << 15), tl0=self.dice.randrange(256), long_ids=long_ids,
            )
            for number, rid in enumerate(RIDS)
        ]  # fmt: skip
        self.readers = {rid: FORMATS[self.codec].reader(0, DESCRIPTOR_ID) for rid in RIDS}
        for rid in self.dice.sample(RIDS, 2):
            if self.dice.random() < 0.4:
                begins = self.dice.uniform(1, SECONDS - 2)
                self.pauses[rid] = (begins, begins + self.dice.uniform(0.3, 3))

    def body(self, payload: bytes) -> bytes:
        """What of a payload is not rewritten."""
        return payload[vp8.locate(payload).end :]

    def run(self) -> None:
        """The whole script, frame by frame; each batch is what comes within a few milliseconds."""
        coming: list[tuple[float, Encoding, int, bytes]] = []
        for number in range(round(SECONDS * FRAME_RATE)):
            captured = 10 + number / FRAME_RATE
            for stream in self.streams:
                coming += self._sent(stream, number, captured)
            if number % FRAME_RATE == 5:
                self._report(captured)
            if number == 3:
                self.slot.show(self.track, captured)
            elif number > 3 and self.dice.random() < 0.03:
                self._wish(captured)
            due = captured + 1 / FRAME_RATE
            batch = sorted((each for each in coming if each[0] <= due), key=lambda each: each[0])
            coming = [each for each in coming if each[0] > due]
            self._deliver(batch)

    def _sent(self, stream: Stream, number: int, captured: float) -> list[tuple[float, Encoding, int, bytes]]:
        if stream.rid in self.pauses and captured - 10 >= self.pauses[stream.rid][0]:
            if captured - 10 < self.pauses[stream.rid][1] or number % KEYFRAME_EVERY:
                return []
            del self.pauses[stream.rid]  # an encoder that is switched on again begins with a keyframe
        encoding = self.track.find(stream.rid)
        assert encoding is not None
        found = []
        for place, (sequence, data) in enumerate(stream.packets(number)):
            self.payloads.setdefault(self.body(rtp.parse(data).payload), set()).add((stream.rid, number))
            fate = self.dice.random()
            if self.lossy and fate < 0.01:
                self.gone.add((stream.rid, number))
                continue
            late = self.dice.uniform(0.01, 0.15) if fate < 0.06 else 0.0
            found.append((captured + 0.02 + place * 0.0004 + late, encoding, sequence, data))
        return found

    def _report(self, now: float) -> None:
        """A sender report of each encoding: the RTP time of this moment on the publisher's clock."""
        for stream in self.streams:
            encoding = self.track.find(stream.rid)
            assert encoding is not None
            timestamp = (stream.timestamp + round((now - 10) * 90000)) & 0xFFFFFFFF
            encoding.clock.on_sender_report(to_ntp(now + self.offset), timestamp, now + 0.02)

    def _wish(self, now: float) -> None:
        wish = self.dice.choice([*RIDS, *RIDS, "largest"])
        encoding = self.track.find(wish)
        self.slot.want(encoding if encoding is not None else "largest", self.dice.choice([0, 1, 2, 3, 3]), now)

    def _deliver(self, batch: list[tuple[float, Encoding, int, bytes]]) -> None:
        while batch:
            now = batch[0][0]
            together, batch = (
                [each for each in batch if each[0] < now + 0.002], [each for each in batch if each[0] >= now + 0.002]
            )  # fmt: skip
            for _, encoding, sequence, data in together:
                encoding.receive(self.readers[encoding.rid](data, sequence), now)
            self.wire.now = now
            for encoding in self.arrived:
                encoding.forward(now)
            self.arrived.clear()


@dataclass
class Shown:
    """A picture that came out whole."""

    at: float
    timestamp: int
    rid: str
    number: int
    octets: bytes
    picture_id: int
    tl0: int
    temporal: int


def put_together(scene: Scene) -> list[Shown]:
    """The whole pictures, in the order of their sequence numbers. Asserts that no number comes twice."""
    unwrapper = Unwrapper()
    packets: dict[int, tuple[float, rtp.Packet]] = {}
    for at, packet in scene.wire.sent:
        number = unwrapper.unwrap(packet.sequence)
        assert number not in packets, f"number {number} comes twice"
        packets[number] = (at, packet)
    missing = [number for number in range(min(packets), max(packets)) if number not in packets]
    if not scene.lossy:
        since = unwrapper.nearest(scene.slot.rewriter._begun)
        assert all(number > since for number in missing), "numbers of latecomers are filled when their encoding is left"
        assert len(missing) <= 20, "and at the end some are still on their way"
    shown: list[Shown] = []
    parts: list[tuple[int, float, rtp.Packet]] = []
    for number in sorted(packets):
        at, packet = packets[number]
        if not packet.payload:
            assert packet.padding_size
            continue
        descriptor = vp8.parse(packet.payload)
        if descriptor.start:
            parts = []
        if parts and packet.timestamp != parts[-1][2].timestamp:
            parts = []
        parts.append((number, at, packet))
        if packet.marker:
            shown += _whole(scene, parts)
            parts = []
    return shown


def _whole(scene: Scene, parts: list[tuple[int, float, rtp.Packet]]) -> list[Shown]:
    descriptors = [vp8.parse(packet.payload) for _, _, packet in parts]
    pieces = [packet.payload[each.size :] for (_, _, packet), each in zip(parts, descriptors, strict=True)]
    if not descriptors[0].start or any(later - earlier != 1 for (earlier, *_), (later, *_) in pairwise(parts)):
        return []
    of = set.intersection(*(scene.payloads[piece] for piece in pieces))
    assert of, "pieces of different pictures in one"
    due = (parts[0][1] - 10) * FRAME_RATE
    rid, number = min(of, key=lambda each: abs(each[1] - due))  # small pictures may be equal to the octet
    first = descriptors[0]
    assert all(each.picture_id == first.picture_id for each in descriptors)
    assert first.picture_id is not None
    assert first.tl0_picture_index is not None
    return [
        Shown(
            max(at for _, at, _ in parts), parts[0][2].timestamp, rid, number, b"".join(pieces), first.picture_id,
            first.tl0_picture_index, first.temporal_layer or 0,
        )
    ]  # fmt: skip


@pytest.mark.soak(ci=12, full=1000)
@pytest.mark.spec(
    "rewriting/decodable", "rewriting/no-gap-no-repeat", "rewriting/time-goes-on", "rewriting/pictures-continue",
    "rewriting/sequence-continues", "rewriting/kept-numbers-filled", "simulcast/switch-at-keyframe",
)  # fmt: skip
def test_every_picture_that_should_decode_does(seed: int) -> None:
    scene = Scene(seed, lossy=seed % 3 == 2)
    scene.run()
    shown = put_together(scene)
    made = decoded(shown, Decoder(), coded, lambda each, _: each.octets)
    assert len(made) > 20
    assert not scene.slot.selection.uses.isdisjoint({scene.slot.selection.shown})
    _check_time(scene, made)
    if not scene.lossy:
        _check_counts(shown)
        skipped = Counter(each.rid for each in shown) - Counter(each.rid for each, _ in made)
        assert skipped.total() <= scene.wire.switches * 6, (
            "whole pictures that lacked others were those around a switch"
        )


def _check_time(scene: Scene, made: list[tuple[Shown, Coded]]) -> None:
    """Timestamps only grow, and go with the time of capture; the picture never stands still for long."""
    for (one, _), (other, _) in pairwise(made):
        assert difference(other.timestamp, one.timestamp, 32) > 0, "the picture jumps back"
    lags = [
        difference(each.timestamp, made[0][0].timestamp, 32) / 90000 - (each.number - made[0][0].number) / FRAME_RATE
        for each, _ in made
    ]
    assert max(lags) - min(lags) < 0.25, "a keyframe may come as late as its latest packet"
    longest = max(later.at - earlier.at for (earlier, _), (later, _) in pairwise(made))
    if not scene.lossy:
        keyframes = KEYFRAME_EVERY / FRAME_RATE
        assert longest < 1.0 + 2 * keyframes, "the publisher switched it off, and the next keyframe had begun already"


def _check_counts(shown: list[Shown]) -> None:
    """Picture ids go up one by one but for what was cut off by a switch, TL0PICIDX one by one with layer 0."""
    steps = Counter(difference(later.picture_id, earlier.picture_id, 15) for earlier, later in pairwise(shown))
    assert min(steps) >= 1
    assert steps[1] > 0.9 * steps.total() - 5, "an id is only left out for a picture that may still have been wanted"
    for one, other in pairwise(shown):
        step = difference(other.tl0, one.tl0, 8)
        if one.rid == other.rid and 0 < other.number - one.number < 8:
            lowest = sum(number % 4 == 0 for number in range(one.number + 1, other.number + 1))
            assert step == lowest, "TL0PICIDX counts the pictures of layer 0"
        else:
            assert 0 <= step <= 4, "some may have been cut off"
