"""Makes vectors/rewriting: the packets of one or more publishers' streams in, the packets of a viewer's one stream out.

Read next: tests/vectors/test_rewriting.py, which replays them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from meetref.wire import rtp, vp8
from tests.generate.mediacases import Case, Cases
from tests.generate.rewritingformats import Step, Trace, formats, layers, play
from tests.generate.rewritingsizes import sizes

KEY, DELTA = bytes.fromhex("1002009d012a4001b400"), bytes.fromhex("110200")
SLOT = {
    "ssrc": 0x5EA75EA7, "payload_type": 96, "clock_rate": 90000, "transport_id": 3, "level_id": 0,
    "first_sequence": 100, "first_timestamp": 5000,
}  # fmt: skip
WRAPPING = SLOT | {"first_sequence": 65532, "first_timestamp": 0xFFFFFF00}
FRAME, MILLISECOND = 3000, 90
ALL = 3


@dataclass(frozen=True)
class Source:
    """A publisher's stream: where its numbers begin."""

    name: str
    sequence: int = 1000
    timestamp: int = 90000
    picture: int = 300
    tl0: int = 7
    long_ids: bool = True
    layered: bool = True

    def packet(
        self, number: int, picture: int, temporal: int = 0, *, part: int = 0, last: bool = True, key: bool = False,
        sync: bool = False, group: int | None = None,
    ) -> str:  # fmt: skip
        """Packet `number` of the stream, part of picture `picture`; both count from 0."""
        descriptor = vp8.Descriptor(
            start=part == 0,
            picture_id=self.picture + picture & (0x7FFF if self.long_ids else 0x7F),
            long_picture_id=self.long_ids,
            tl0_picture_index=self.tl0 + (picture // 4 if group is None else group) & 0xFF if self.layered else None,
            temporal_layer=temporal if self.layered else None,
            layer_sync=sync,
        )
        body = (KEY if key else DELTA) if part == 0 else b""
        return self._written(number, picture, last, vp8.serialize(descriptor) + body + bytes([picture, part]))

    def padding(self, number: int, picture: int) -> str:
        """Nothing but padding, as a probe has it."""
        return self._written(number, picture, False, b"", 4)

    def _written(self, number: int, picture: int, last: bool, payload: bytes, padding: int = 0) -> str:
        packet = rtp.Packet(
            payload_type=101, sequence=self.sequence + number & 0xFFFF,
            timestamp=self.timestamp + picture * FRAME & 0xFFFFFFFF, ssrc=1, marker=last, payload=payload,
            padding_size=padding,
        )  # fmt: skip
        return rtp.serialize(packet).hex()


A, B = Source("a"), Source("b", 7, 1_000_000, 40, 200)


def begin(source: Source, packet: str, timestamp: int, step: int = FRAME) -> Step:
    """The slot begins with this packet of a source, which should stand at `timestamp`."""
    return {"begin": source.name, "packet": packet, "timestamp": timestamp, "step": step}


def comes(source: Source, packet: str) -> Step:
    return {"comes": source.name, "packet": packet}


def sets() -> dict[str, Case]:
    """The sets by name."""
    return {"rewriting/traces": _traces(), "rewriting/formats": formats(), "rewriting/sizes": sizes()}


def _traces() -> Case:
    cases = Cases("rewriting-traces", {})
    cases.group("rewrite", "RFC 3550 section 5.1, RFC 7741 section 4.2")
    for comment, reqs, slot, steps in _switches():
        cases.valid(comment, reqs, {"slot": slot, "steps": steps}, {"packets": play(slot, steps)})
    cases.group("rewrite", "RFC 7741 section 4.2; the scenarios of doc/svc.md of the Jitsi bridge")
    for comment, reqs, slot, steps in _thinnings():
        cases.valid(comment, reqs, {"slot": slot, "steps": steps}, {"packets": play(slot, steps)})
    return cases.finish()


def _stream(source: Source, pictures: int, since: int = 0) -> list[Step]:
    """Pictures of one packet, all of layer 0."""
    return [comes(source, source.packet(number, number, group=number)) for number in range(since, pictures)]


def _key(source: Source, number: int = 0) -> str:
    return source.packet(number, number, key=True, group=number)


def _switches() -> list[Trace]:
    start = begin(A, _key(A), 5000)
    short = replace(A, picture=126, long_ids=False)
    bare = replace(B, layered=False)
    wraps = replace(A, sequence=65534, timestamp=0xFFFFF000, picture=32766, tl0=254)
    continues = "sequence-continues pictures-continue continuing"
    return [
        ("one source", continues, SLOT, [start, *_stream(A, 4, 1)]),
        ("all numbers of the source wrap", continues, SLOT, [begin(wraps, _key(wraps), 5000), *_stream(wraps, 5, 1)]),
        ("all numbers of the slot wrap", continues, WRAPPING, [begin(A, _key(A), 0xFFFFFF00), *_stream(A, 6, 1)]),
        (
            "picture ids of 7 bits become 15",
            "pictures-continue",
            SLOT,
            [begin(short, _key(short), 5000), *_stream(short, 4, 1)],
        ),
        (
            "late and in disorder",
            "no-gap-no-repeat",
            SLOT,
            [start, *(_stream(A, 5, 1)[place] for place in (1, 0, 3, 2))],
        ),
        (
            "what is older than the first packet does not go",
            "no-gap-no-repeat",
            SLOT,
            [begin(A, _key(A, 2), 5000), *_stream(A, 2), *_stream(A, 4, 3)],
        ),
        (
            "another source, half a second later",
            "time-goes-on " + continues,
            SLOT,
            [start, *_stream(A, 3, 1), begin(B, _key(B), 5000 + 45000), *_stream(B, 3, 1)],
        ),
        (
            "another source that would be in the past",
            "time-goes-on",
            SLOT,
            [start, *_stream(A, 3, 1), begin(B, _key(B), 6000), *_stream(B, 3, 1)],
        ),
        (
            "another encoding, captured at the same moment as what was sent last",
            "time-goes-on",
            SLOT,
            [start, *_stream(A, 3, 1), begin(B, _key(B), 5000 + 2 * FRAME, MILLISECOND), *_stream(B, 3, 1)],
        ),
        (
            "another encoding that has no temporal layers, and back",
            "pictures-continue",
            SLOT,
            [
                start,
                *_stream(A, 2, 1),
                begin(bare, _key(bare), 20000, MILLISECOND),
                *_stream(bare, 2, 1),
                begin(A, _key(A, 5), 40000, MILLISECOND),
                *_stream(A, 7, 6),
            ],
        ),
        (
            "padding",
            "padding-keeps-its-number",
            SLOT,
            [start, comes(A, A.padding(1, 0)), comes(A, A.packet(2, 1, group=1))],
        ),
    ]


def _svc(numbers: list[int]) -> list[Step]:
    """The packets of Jitsi's scenarios by their numbers: layers 0 (1 2 3), 2 (4 5), 1 (6 7), 2 (8), 0 (9 10 11)."""
    rows = [(0, (1, 2, 3)), (2, (4, 5)), (1, (6, 7)), (2, (8,)), (0, (9, 10, 11))]
    made = {
        number: A.packet(
            number, picture, temporal, part=part, last=number == packets[-1], key=number == 1,
            sync=temporal == 1 or number == 4,
        )
        for picture, (temporal, packets) in enumerate(rows)
        for part, number in enumerate(packets)
    }  # fmt: skip
    first, *others = numbers
    return [begin(A, made[first], 5000), *(comes(A, made[number]) for number in others)]


def _pattern(pictures: int, since: int = 0) -> list[Step]:
    """Pictures of one packet in the pattern 0 2 1 2, as libwebrtc has it: every other group has sync points."""
    return [
        comes(A, A.packet(number, number, (0, 2, 1, 2)[number % 4], sync=number % 8 in (1, 2)))
        for number in range(since, pictures)
    ]


def _thinnings() -> list[Trace]:
    first = A.packet(0, 0, key=True)
    late = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 5]
    again = "temporal-up-at-sync numbers-close-up pictures-close-up"
    return [
        ("A: layer 0 of three", "numbers-close-up pictures-close-up", SLOT, [layers(0), *_svc(list(range(1, 12)))]),
        ("B: all layers, one packet late", "no-gap-no-repeat", SLOT, [layers(2), *_svc(late)]),
        ("C: layer 0, a packet of a layer that is left out is late", "gap-judged", SLOT, [layers(0), *_svc(late)]),
        (
            "D: layers 0 and 1, a packet of which nobody knows is late",
            "gap-judged late-and-unwanted",
            SLOT,
            [layers(1), *_svc([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 8])],
        ),
        (
            "layer 0, a whole picture of a layer that is left out is late: TL0PICIDX tells",
            "gap-judged",
            SLOT,
            [layers(0), *_svc([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 8])],
        ),
        (
            "down between two pictures",
            "temporal-down",
            SLOT,
            [begin(A, first, 5000), *_pattern(6, 1), layers(0), *_pattern(14, 6)],
        ),
        (
            "down within a picture, which goes on",
            "temporal-down whole-pictures",
            SLOT,
            [
                begin(A, first, 5000),
                comes(A, A.packet(1, 1, 2, last=False)),
                layers(0),
                comes(A, A.packet(2, 1, 2, part=1)),
                comes(A, A.packet(3, 2, 1)),
                comes(A, A.packet(4, 4)),
            ],
        ),
        (
            "up at sync points, a layer at a time",
            again,
            SLOT,
            [layers(0), begin(A, first, 5000), *_pattern(5, 1), layers(ALL), *_pattern(28, 5)],
        ),
        (
            "up at a keyframe",
            again,
            SLOT,
            [
                layers(0),
                begin(A, first, 5000),
                *_pattern(4, 1),
                layers(ALL),
                comes(A, A.packet(4, 4, key=True)),
                *_pattern(8, 5),
            ],
        ),
        (
            "another encoding while a layer is left out",
            "pictures-continue numbers-close-up",
            SLOT,
            [
                layers(1),
                begin(A, first, 5000),
                *_pattern(6, 1),
                begin(B, _key(B), 50000, MILLISECOND),
                comes(B, B.packet(1, 1, 2)),
                comes(B, B.packet(2, 2, 1)),
                comes(B, B.packet(3, 3, 2)),
                comes(B, B.packet(4, 4)),
            ],
        ),
    ]
