"""What a publisher sends as one source: a track, and its encodings, each with the slots that show it.

`meeting/up` unlocks and parses a packet once and gives it to its `Encoding`. When the batch is over, `meeting/exchange`
has each encoding forward what it got to its slots. A slot that switches is with two encodings: it shows one, and waits
for a keyframe of the other; so nobody asks packet by packet which layer goes.
Stands above `media/simulcast` (which encodings live) and `media/demand` (which are used), below `meeting/forwarder`.
Specification: RFC 8853 (a source in several encodings), RFC 7667 section 3.7 (selective forwarding).
Leaves out: which encoding a slot should have: `Slot.want` is told. Read next: `meeting/forwarder.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from meetref.media.bitrate import LayerRates, Rate
from meetref.media.demand import Demand
from meetref.media.keyframes import KeyframeGate, Pace
from meetref.media.ladder import Layer
from meetref.media.lipsync import TrackClock
from meetref.media.redundancy import Doubling
from meetref.media.rewriting import Incoming
from meetref.media.simulcast import Activity, order
from meetref.media.thinning import ALL_LAYERS
from meetref.protocol.negotiation import OPUS_PAYLOAD_TYPE
from meetref.wire.signaling import Source

if TYPE_CHECKING:
    from meetref.meeting.viewing import Viewing

Kind = Literal["audio", "video"]

by_sequence = attrgetter("sequence")

MAXIMUM_ENCODINGS = 4
"""Of one track, over all offers: three with names, and one from before there were names."""

NOTHING = -(1 << 62)  # lower than any sequence number, extended as they are

LOOK_EVERY = 0.2
"""Seconds between two looks at which encodings live, while something comes."""


class Encoding:
    """One RTP stream of a track: the whole of a track without simulcast.

    `number` is its place in the offer, `rid` its name there; `size` is the newest keyframe's, in pixels, and `sizes`
    are those of its spatial layers, where it has any and tells.
    """

    def __init__(self, track: Track, number: int, rid: str, clock: TrackClock) -> None:
        self.track = track
        self.number = number
        self.rid = rid
        self.clock = clock
        self.ssrc: int | None = None
        self.size: tuple[int, int] | None = None
        self.sizes: Sequence[tuple[int, int]] = ()
        self.slots: list[Viewing] = []
        """Those that show it: all of the hot path."""
        self.waiting: list[Viewing] = []
        """Those that will, from its next keyframe on."""
        self.keyframes = KeyframeGate(track.pace)
        self.keyframe_timestamp: int | None = None
        """Of the newest keyframe."""
        self.asks = False
        """A keyframe request is to be sent."""
        self.activity = Activity()
        self._rates = LayerRates()
        self._measured: list[list[Rate]] = [[]]
        self.forwarded = NOTHING
        """The highest sequence number that slots have been given."""
        self.doubling = Doubling(OPUS_PAYLOAD_TYPE)
        """What it sends, said twice; of sound, and as long as there is a viewer whom that helps."""
        self._packets: list[Incoming] = []

    def bind(self, ssrc: int, now: float) -> None:
        """The SSRC of the stream. Another than before is another stream: who shows the old one waits for a keyframe."""
        if self.ssrc is not None:
            self.clock = TrackClock(self.clock.publisher, self.clock.clock_rate)
            self.forwarded = NOTHING
            self.doubling = Doubling(OPUS_PAYLOAD_TYPE)
            for slot in [*self.slots, *self.waiting]:
                slot.lose(self, now)
        else:
            self.track.appear(self, now)
        self.ssrc = ssrc

    def receive(self, packet: Incoming, now: float) -> None:
        """A packet came; it is kept until the batch is over."""
        self.clock.on_packet(packet.timestamp, now)
        if packet.starts and self.track.kind == "video":
            self.keyframes.arrived(now)
            self.keyframe_timestamp = packet.timestamp
            if packet.size not in (None, self.size):
                self.size = packet.size
                self.track.resize(now)
        if packet.tail:
            self.take(packet)

    def take(self, packet: Incoming) -> None:
        """Keep a packet until the batch is over; the first one enters the encoding in the list `arrived`."""
        if not self._packets:
            self.track.arrived.append(self)
        self._packets.append(packet)

    def forward(self, now: float) -> None:
        """Give what came, in order, to every slot that shows this encoding, and to those that wait for its keyframe."""
        packets, self._packets = self._packets, []
        packets.sort(key=by_sequence)
        if self.track.kind == "video":
            self._account(packets, now)
        for slot in self.slots:
            try:
                slot.send(packets, now)
            except Exception as error:
                slot.link.fail(error)
        for slot in tuple(self.waiting):
            try:
                slot.begin(self, packets, now)
            except Exception as error:
                slot.link.fail(error)
        if not self.waiting and any(packet.starts for packet in packets):
            self.keyframes.arrived(now)  # whoever asked while it came has it now
        if packets:
            self.forwarded = max(self.forwarded, packets[-1].sequence)

    def _account(self, packets: Sequence[Incoming], now: float) -> None:
        track = self.track
        pictures = self._rates.add(packets, now)
        if self._rates.sizes > 1:
            self._see_sizes(packets, now)
        keyframe = bool(packets) and packets[-1].timestamp == self.keyframe_timestamp
        if self.activity.receive(pictures, now, keyframe=keyframe):
            track.look(now, changed=True)
        elif now >= track.look_at:
            track.look(now)

    def _see_sizes(self, packets: Sequence[Incoming], now: float) -> None:
        """Spatial layers may also be told anew, one more or less, when no keyframe comes."""
        told = next((packet.sizes for packet in reversed(packets) if packet.sizes or packet.starts), self.sizes)
        if told != self.sizes:
            self.sizes, self.size = told, told[-1] if told else self.size
            self.track.resize(now)

    def want_keyframe(self, now: float) -> None:
        """A viewer cannot go on without a keyframe; the requests of all viewers become one (media/keyframes)."""
        if self.track.kind == "video" and self.keyframes.ask(now):
            self.ask()

    @property
    def is_used(self) -> bool:
        """Whether anybody shows it, or waits for it."""
        return bool(self.slots or self.waiting)

    def ask(self) -> None:
        """Have a request sent."""
        self.asks = True
        self.track.ask()

    @property
    def layers(self) -> int:
        """How many spatial layers there are, or were: 1 where it is not sent in such."""
        return len(self._measured)

    def rates_of_sizes(self, now: float) -> list[list[Rate]]:
        """Of each spatial layer with all below it, what each temporal layer takes with all below it.

        What is not sent now keeps the rates that it had. That goes for what the publisher was told not to send, too,
        though it has not been silent for long. But of one spatial layer there are none while only others are sent.
        """
        if self.activity.living and self.track.sends(self):
            rates = self._rates.of_sizes(now)
            if any(rates) and (self._rates.is_settled(now) or not any(self._measured)):
                self._measured = rates
        return self._measured

    def rates(self, now: float) -> list[Rate]:
        """What each temporal layer takes in the largest size."""
        return next((rates for rates in reversed(self.rates_of_sizes(now)) if rates), [])

    def layers_up_to(self, size: int, temporal: int, now: float) -> tuple[int, int]:
        """What a slot is to be told, temporal first, to have it up to these: the highest are all that there are."""
        rates = self.rates_of_sizes(now)
        return (
            ALL_LAYERS if temporal + 1 >= len(rates[size]) else temporal,
            size if any(rates[size + 1 :]) else ALL_LAYERS,
        )

    def size_of(self, spatial: int) -> tuple[int, int] | None:
        """The size of a spatial layer, or of the highest that comes, as far as is known."""
        if not self.sizes:
            return self.size if self.layers == 1 else None
        highest = max((place for place, rates in enumerate(self._measured) if rates), default=ALL_LAYERS)
        return self.sizes[min(spatial, highest, len(self.sizes) - 1)]


class Track:
    """One source of a publisher, in one encoding or, where `rids` name them, in several.

    `encodings` go from small to large, as far as is known. `ask` has the publisher told what there is to tell;
    `arrived` is where encodings with packets are put.
    """

    def __init__(
        self,
        *,
        owner: str,
        source: Source,
        kind: Kind,
        clock: TrackClock,
        ask: Callable[[], None],
        arrived: list[Encoding],
        rids: Sequence[str] = (),
        codec: str | None = None,
    ) -> None:
        self.pace = Pace()
        """Of requests for keyframes, whichever encoding they are for."""
        self.codec = codec or ("opus" if kind == "audio" else "VP8")
        """By its name in SDP; see `media/formats`."""
        self.owner = owner
        self.source = source
        self.kind = kind
        self.ask = ask
        self.arrived = arrived
        self.slots: list[Viewing] = []
        """All that show it or wait for it."""
        self.on_level: Callable[[int, float], None] | None = None
        """Told the level of every audio packet (0 is loudest) while somebody listens: in large rooms."""
        self.on_report: Callable[[bytes, float], None] | None = None
        """Told every control packet with a sender report of this track, while it is recorded."""
        self.look_at = -math.inf
        self.layers_changed = False
        """The publisher is to be told which encodings are `active`."""
        self.demand: Demand[tuple[Viewing | None, Encoding], Track] = Demand()
        """Which encodings are used, by their numbers: what the publisher is to be told."""
        self.encodings: list[Encoding] = []
        self._offered: list[Encoding] = []
        self._counted = False
        self.add(rids or ("",), clock)

    @property
    def is_recorded(self) -> bool:
        return self.on_report is not None

    def add(self, rids: Sequence[str], clock: TrackClock | None = None) -> None:
        """Have encodings of these names, too; a later offer may add some, within bounds, and takes none away."""
        for rid in rids:
            if self.find(rid) is None and len(self._offered) < MAXIMUM_ENCODINGS:
                of = clock or TrackClock(self._offered[0].clock.publisher, self._offered[0].clock.clock_rate)
                self._offered.append(Encoding(self, len(self._offered), rid, of))
                clock, self._counted = None, False
        self._sort()

    def _sort(self) -> None:
        self.encodings = [self._offered[place] for place in order([encoding.size for encoding in self._offered])]

    def find(self, rid: str) -> Encoding | None:
        """The encoding of that name."""
        return next((encoding for encoding in self._offered if encoding.rid == rid), None)

    @property
    def views(self) -> list[tuple[Encoding, int]]:
        """What a slot may be told to show: the encodings from small to large, each up to each of its spatial layers."""
        return [(encoding, spatial) for encoding in self.encodings for spatial in range(encoding.layers)]

    @property
    def living(self) -> list[Encoding]:
        """The encodings that are being sent, as far as can be seen."""
        return [encoding for encoding in self.encodings if encoding.activity.living]

    def layers(self, now: float) -> list[Layer]:
        """What the source offers, for `media/ladder`: the temporal layers of each view, which is its place in `views`.
        One that was never seen is not in the list."""
        measured = [rates for encoding in self.encodings for rates in encoding.rates_of_sizes(now)]
        return [
            Layer(place, temporal, rate.bitrate_bps, (encoding.size_of(spatial) or (0, 0))[1], rate.frame_rate)
            for place, ((encoding, spatial), rates) in enumerate(zip(self.views, measured, strict=True))
            for temporal, rate in enumerate(rates)
        ]

    def resize(self, now: float) -> None:
        """An encoding has another size than before."""
        self._sort()
        self.look(now, changed=True)

    def look(self, now: float, *, changed: bool = False) -> None:
        """See which encodings live; where that has changed, or slots have waited too long, they choose anew."""
        self.look_at = now + LOOK_EVERY
        activities = [encoding.activity for encoding in self.encodings]
        for place, encoding in enumerate(self.encodings):
            others = activities[:place], activities[place + 1 :]
            changed |= encoding.activity.look(*others, now, is_due=self.sends(encoding))
        slots = self.slots if changed else [slot for encoding in self._offered for slot in encoding.waiting]
        for slot in tuple(slots):
            try:
                slot.look(now)
            except Exception as error:
                slot.link.fail(error)

    def use(self, slot: Viewing, before: frozenset[Encoding], after: frozenset[Encoding], now: float) -> None:
        """A slot uses other encodings than before; a picture that nobody sees need not be sent."""
        if self.kind == "audio":
            return  # it is listened to here, for who speaks
        if not self._counted:
            self._counted = True
            self.demand.add(self, range(len(self._offered)), now)
        for encoding in after - before:
            self.demand.watch((slot, encoding), {self: encoding.number}, now)
        for encoding in before - after:
            self.demand.leave((slot, encoding), now)
        self.review()

    def appear(self, encoding: Encoding, now: float) -> None:
        """The first of an encoding comes: as long as one that nobody uses any more, it may be looked at."""
        if self._counted and not encoding.is_used:
            self.demand.watch((None, encoding), {self: encoding.number}, now)
            self.demand.leave((None, encoding), now)
            self.review()

    def review(self) -> None:
        """Where the encodings that the publisher is to send are others than before, have it told."""
        if list(self.demand.changes()):  # spec: simulcast/layers-told
            self.layers_changed = True
            self.ask()

    def next_timeout(self) -> float:
        """When `handle_timeout` wants to be called."""
        return min(self.demand.next_timeout(), *(encoding.keyframes.next_timeout() for encoding in self.encodings))

    def handle_timeout(self, now: float) -> None:
        """Ask once more for keyframes that did not come; switch off encodings that nobody uses."""
        for encoding in self.encodings:
            if encoding.keyframes.repeat(now):
                encoding.ask()
        if self.demand.next_timeout() <= now:
            self.demand.handle_timeout(now)
            self.review()

    def sends(self, encoding: Encoding) -> bool:
        """Whether the publisher is to send this one."""
        return not self._counted or encoding.number in self.demand.active(self)

    @property
    def active(self) -> list[str]:
        """The names of the encodings that the publisher is to send, while anybody sees any.

        One that never came is among them: nobody can want what nobody knows, and the publisher's way may yet carry it.
        """
        used = any(self.sends(encoding) for encoding in self._offered)
        return [each.rid for each in self._offered if self.sends(each) or (used and each.ssrc is None)]
