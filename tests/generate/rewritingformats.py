"""The set vectors/rewriting/formats: streams of H264, VP9 and AV1, and one slot that shows them and VP8 in turn.

Stands beside `tests/generate/rewriting.py`, which hands it out. Read next: meetref/media/formats.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meetref.media.formats import FORMATS, Read
from meetref.media.rewriting import Rewriter
from meetref.media.sequence import Unwrapper
from meetref.wire import dependencydescriptor as dd
from meetref.wire import h264, rtp, vp8, vp9
from tests.generate.dependencydescriptors import L1T3, structure_from
from tests.generate.mediacases import Case, Cases

PAYLOAD_TYPES = {"VP8": 96, "VP9": 98, "H264": 102, "AV1": 104}
SLOT = {
    "ssrc": 0x5EA75EA7, "clock_rate": 90000, "transport_id": 3, "descriptor_id": 12, "first_sequence": 100,
    "first_timestamp": 5000,
}  # fmt: skip
THEIR_DESCRIPTOR_ID = 13
FRAME, MILLISECOND = 3000, 90
ALL = 3
PATTERN = (0, 2, 1, 2)
STRUCTURE = structure_from(L1T3, [0, 0, 0])
STRUCTURE.resolutions = [(320, 180)]
TEMPLATES = {0: 1, 2: 3, 1: 2}  # of L1T3, by temporal layer; the last of layer 2 has one of its own
H264_PARAMETERS = bytes.fromhex("6742c01fda014016e8"), bytes.fromhex("68ce3c80")
VP9_KEY = bytes.fromhex("8249834200013f00b3")  # frame marker 2, profile 0, a keyframe that is shown: 320 x 180
AV1_SEQUENCE = bytes.fromhex("0a0a00000002a7fcfb3a8040")

Step = dict[str, object]


@dataclass(frozen=True)
class Source:
    """A publisher's stream: its codec, and where its numbers begin. With `sharing` its frames are counted together
    with those of so many encodings beside it; `bare`: without picture ids, layers or dependency descriptors."""

    name: str
    codec: str
    sequence: int = 1000
    timestamp: int = 90000
    picture: int = 300
    tl0: int = 7
    sharing: int = 1
    long_ids: bool = True
    bare: bool = False

    def picture_of(self, number: int, first: int, *, parts: int = 1, key: bool = False) -> list[str]:
        """The packets of picture `number`, of which the first is packet `first` of the stream."""
        return [self._packet(number, first + part, part == 0, part == parts - 1, key) for part in range(parts)]

    def _packet(self, number: int, packet: int, begins: bool, ends: bool, key: bool) -> str:
        temporal = 0 if key else PATTERN[number % 4]
        extensions: dict[int, bytes] = {}
        body = bytes([number & 0xFF, packet & 0xFF])
        match self.codec:
            case "VP9":
                payload = (
                    self._vp9(number, temporal, begins, ends, key) + (VP9_KEY if key and begins else b"\x86") + body
                )
            case "VP8":
                payload = self._vp8(number, temporal, begins, key) + body
            case "H264":
                payload = self._h264(begins, ends, key, body)
            case _:
                payload = bytes([0x18 if key and begins else 0x10 if begins else 0x90]) + AV1_SEQUENCE * key + body
        if self.codec in ("H264", "AV1") and not self.bare:
            extensions[THEIR_DESCRIPTOR_ID] = self._descriptor(number, temporal, begins, ends, key)
        made = rtp.Packet(
            payload_type=120, sequence=self.sequence + packet & 0xFFFF,
            timestamp=self.timestamp + number * FRAME & 0xFFFFFFFF, ssrc=1, marker=ends, payload=payload,
            extensions=extensions,
        )  # fmt: skip
        return rtp.serialize(made).hex()

    def _vp8(self, number: int, temporal: int, begins: bool, key: bool) -> bytes:
        descriptor = vp8.Descriptor(
            start=begins, picture_id=self.picture + number & 0x7FFF, long_picture_id=True,
            tl0_picture_index=self.tl0 + number // 4 & 0xFF, temporal_layer=temporal, layer_sync=number % 4 in (1, 2),
        )  # fmt: skip
        return vp8.serialize(descriptor) + (bytes.fromhex("1002009d012a4001b400") if key else b"\x11")

    def _vp9(self, number: int, temporal: int, begins: bool, ends: bool, key: bool) -> bytes:
        descriptor = vp9.Descriptor(
            start=begins, end=ends, predicted=not key,
            picture_id=self.picture + number & (0x7FFF if self.long_ids else 0x7F), long_picture_id=self.long_ids,
            layers=None if self.bare else (temporal, 0), switching_up=not key and temporal < 2,
            tl0_picture_index=None if self.bare else self.tl0 + number // 4 & 0xFF,
        )  # fmt: skip
        return vp9.serialize(descriptor)

    @staticmethod
    def _h264(begins: bool, ends: bool, key: bool, body: bytes) -> bytes:
        if key and begins:
            slice_too = [b"\x65\x88" + body] if ends else []
            return h264.serialize(h264.Aggregate([*H264_PARAMETERS, *slice_too]))
        return h264.serialize(h264.Fragment(0x65 if key else 0x61, b"\x88" + body, begins, ends and not begins))

    def _descriptor(self, number: int, temporal: int, begins: bool, ends: bool, key: bool) -> bytes:
        template = 0 if key else 4 if number % 4 == 3 else TEMPLATES[temporal]
        differences = None if key or self.sharing == 1 else [
            self.sharing * difference for difference in STRUCTURE.templates[template].frame_differences
        ]  # fmt: skip
        descriptor = dd.Descriptor(
            template, self.picture + number * self.sharing & 0xFFFF, begins, ends,
            structure=STRUCTURE if key and begins else None, frame_differences=differences,
        )  # fmt: skip
        return dd.serialize(descriptor, STRUCTURE)


def begin(source: Source, packet: str, timestamp: int, step: int = FRAME) -> Step:
    """The slot begins with this packet of a source, which should stand at `timestamp`."""
    return {
        "begin": source.name, "codec": source.codec, "payload_type": PAYLOAD_TYPES[source.codec], "packet": packet,
        "timestamp": timestamp, "step": step,
    }  # fmt: skip


def stream(source: Source, numbers: Sequence[int], parts: int = 1) -> list[Step]:
    """Pictures of so many packets each."""
    return [
        {"comes": source.name, "packet": packet}
        for number in numbers
        for packet in source.picture_of(number, number * parts, parts=parts)
    ]


def whole(source: Source, timestamp: int, pictures: int, *, parts: int = 1, step: int = FRAME) -> list[Step]:
    """A keyframe, with which the slot begins, and pictures behind it."""
    first, *rest = source.picture_of(0, 0, parts=parts, key=True)
    return [
        begin(source, first, timestamp, step),
        *({"comes": source.name, "packet": packet} for packet in rest),
        *stream(source, range(1, pictures), parts),
    ]


def layers(highest: int) -> Step:
    """Only temporal layers up to this one are wanted from now on."""
    return {"layers": highest}


def play(slot: dict[str, int], steps: list[Step]) -> list[str]:
    """What goes out, one packet after the other; without a `codec` packets are of VP8."""
    out = Rewriter(**{"payload_type": 0, "level_id": 0, **slot})
    readers: dict[str, tuple[Unwrapper, Read]] = {}
    sent: list[str] = []
    for step in steps:
        if "layers" in step:
            out.keep_layers(int(str(step["layers"])), int(str(step.get("sizes", ALL))))
            continue
        data = bytes.fromhex(str(step["packet"]))
        name = str(step.get("begin") or step["comes"])
        if name not in readers:
            readers[name] = Unwrapper(), FORMATS[str(step.get("codec", "VP8"))].reader(0, THEIR_DESCRIPTOR_ID)
        numbers, read = readers[name]
        packet = read(data, numbers.unwrap(data[2] << 8 | data[3]))
        if "payload_type" in step:
            out.payload_type, out.writing = int(str(step["payload_type"])), FORMATS[str(step["codec"])].writing
        if "begin" in step:
            out.begin(packet, int(str(step["timestamp"])), int(str(step["step"])))
        made = out.rewrite([packet], len(sent)) if out.thinning is None else out.thin([packet], len(sent))
        sent += [b"".join(parts).hex() for parts in made]
    return sent


def formats() -> Case:
    """The set."""
    cases = Cases("rewriting-formats", {})
    groups = [
        ("RFC 3550 section 5.1, RFC 6184", _h264()),
        ("RFC 3550 section 5.1, RFC 9628 section 4.2", _vp9()),
        ("RFC 3550 section 5.1, RTP Payload Format For AV1 appendix A", _av1()),
        ("RFC 3550 section 5.1", _mixed()),
    ]
    for source, traces in groups:
        cases.group("rewrite", source)
        for comment, reqs, slot, steps in traces:
            cases.valid(comment, reqs, {"slot": slot, "steps": steps}, {"packets": play(slot, steps)})
    return cases.finish()


Trace = tuple[str, str, dict[str, int], list[Step]]


def _again(source: Source) -> list[Step]:
    return [layers(0), *whole(source, 5000, 6), layers(ALL), *stream(source, range(6, 17))]


def _late(source: Source) -> list[Step]:
    """One packet of layer 0 and one of layer 2 are late, while only layer 0 goes."""
    steps = whole(source, 5000, 14)
    steps[8], steps[9] = steps[9], steps[8]
    steps[5], steps[7] = steps[7], steps[5]
    return [layers(0), *steps]


def _common(one: Source, other: Source) -> list[Trace]:
    continues = "sequence-continues pictures-continue payload-type-of-codec"
    return [
        ("one source, pictures of two packets", continues, SLOT, whole(one, 5000, 4, parts=2)),
        (
            "another encoding, captured at the same moment as what was sent last",
            "time-goes-on " + continues,
            SLOT,
            [*whole(one, 5000, 4), *whole(other, 5000 + 3 * FRAME, 3, step=MILLISECOND)],
        ),
        ("layer 0 of three", "numbers-close-up pictures-keep-gaps", SLOT, [layers(0), *whole(one, 5000, 9)]),
        ("layers up again, one after the other", "temporal-up-at-sync", SLOT, _again(one)),
        ("late and in disorder, while only layer 0 goes", "no-gap-no-repeat late-and-unwanted", SLOT, _late(one)),
    ]


def _h264() -> list[Trace]:
    one, other = Source("a", "H264"), Source("b", "H264", 7, 1_000_000, 40)
    bare = Source("c", "H264", 65534, 0xFFFFF000, bare=True)
    continues = "sequence-continues payload-type-of-codec"
    return [
        *_common(one, other),
        ("without dependency descriptors, and the numbers of the source wrap", continues, SLOT, whole(bare, 5000, 5)),
        (
            "without dependency descriptors nothing is left out",
            "sequence-continues",
            SLOT,
            [layers(0), *whole(bare, 5000, 5)],
        ),
    ]


def _vp9() -> list[Trace]:
    one, other = Source("a", "VP9"), Source("b", "VP9", 7, 1_000_000, 32766, 254)
    short = Source("c", "VP9", picture=126, long_ids=False)
    bare = Source("d", "VP9", picture=11, bare=True)
    return [
        *_common(one, other),
        ("picture ids of 7 bits become 15", "pictures-continue", SLOT, whole(short, 5000, 5)),
        (
            "a source without layers, and another one",
            "pictures-continue",
            SLOT,
            [*whole(bare, 5000, 3), *whole(one, 50000, 3)],
        ),
    ]


def _av1() -> list[Trace]:
    one, other = Source("a", "AV1"), Source("b", "AV1", 7, 1_000_000, 65534)
    shared = Source("c", "AV1", picture=65530, sharing=3)
    bare = Source("d", "AV1", bare=True)
    unasked = SLOT | {"descriptor_id": 0}
    return [
        *_common(one, other),
        (
            "frames that are counted with those of two encodings beside",
            "pictures-continue",
            SLOT,
            whole(shared, 5000, 9),
        ),
        ("and their layers up again", "temporal-up-at-sync", SLOT, _again(shared)),
        ("a viewer who takes no dependency descriptor", "long-extensions", unasked, [layers(1), *whole(one, 5000, 9)]),
        ("without dependency descriptors", "sequence-continues", SLOT, whole(bare, 5000, 4)),
        (
            "a descriptor, and no transport-wide number",
            "long-extensions",
            SLOT | {"transport_id": 0},
            whole(one, 5000, 3),
        ),
    ]


def _mixed() -> list[Trace]:
    sources = [
        Source("a", "VP8"), Source("b", "H264", 7, 1_000_000, 40), Source("c", "VP9", 65000, 0xFFFFFF00, 9),
        Source("d", "AV1", 1, 2, 65535), Source("e", "VP8", 400, 500, 600),
    ]  # fmt: skip
    everything = [step for place, source in enumerate(sources) for step in whole(source, 5000 + 45000 * place, 3)]
    return [("people of all codecs, one after the other", "payload-type-of-codec pictures-continue", SLOT, everything)]
