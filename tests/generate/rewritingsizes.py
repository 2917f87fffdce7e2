"""The set vectors/rewriting/sizes: what Chromium sent in spatial layers, and viewers who are sent fewer of them.

Stands beside `tests/generate/rewriting.py`, which hands it out. The packets are of tests/captured, as short as a
forwarder can read them: four pictures behind a keyframe, and right behind those the next keyframe with two more.
Read next: tests/generate/rewritingformats.py.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby

from meetref.wire import av1, rtp, vp9
from tests.generate.mediacases import Case, Cases
from tests.generate.rewritingformats import ALL, PAYLOAD_TYPES, SLOT, THEIR_DESCRIPTOR_ID, Step, Trace, play
from tests.media.spatial import captured, codec_of, descriptor_id

BEFORE, BEHIND = 5, 3  # pictures from the first keyframe on, and from the second one
READ = 8  # octets of a frame
VP9_TEXT, AV1_TEXT = "RFC 9628 sections 4.1 and 4.2", "RTP Payload Format For AV1 section 4.2 and appendix A"


def sizes() -> Case:
    """The set."""
    cases = Cases("rewriting-sizes", {})
    for source, case, marker in [
        (VP9_TEXT, "vp9-l3t3", "vp9/marker-ends-picture"),
        (VP9_TEXT, "vp9-l3t3_key", "vp9/marker-ends-picture"),
        (AV1_TEXT, "av1-l3t3", "av1/marker-ends-unit"),
    ]:
        cases.group("rewrite", source)
        for comment, reqs, slot, steps in _traces(case, marker):
            cases.valid(f"{case}: {comment}", reqs, {"slot": slot, "steps": steps}, {"packets": play(slot, steps)})
    return cases.finish()


def _traces(case: str, marker: str) -> list[Trace]:
    first, *_, last = (len(picture) for picture in _pictures(case)[:BEFORE])
    second = sum(map(len, _pictures(case)[:BEFORE])) - last  # the first packet of the last picture before the keyframe
    return [
        ("the smallest size", f"spatial-down {marker}", SLOT, _steps(case, {0: (ALL, 0)})),
        ("two sizes of every other picture", f"spatial-down temporal-down {marker}", SLOT, _steps(case, {0: (1, 1)})),
        (
            "less from the middle of a picture on",
            "spatial-down whole-pictures",
            SLOT,
            _steps(case, {first + 1: (ALL, 1)}),
        ),
        ("more, and a keyframe comes", "spatial-up-at-keyframe", SLOT, _steps(case, {0: (ALL, 0), second: (ALL, ALL)})),
    ]


def _steps(case: str, wishes: dict[int, tuple[int, int]]) -> list[Step]:
    """All of it, as layers up to these are wanted from such a packet on."""
    codec, steps = codec_of(case), list[Step]()
    packets = [packet for picture in _pictures(case) for packet in picture]
    for place, packet in enumerate(packets):
        if place in wishes:
            temporal, spatial = wishes[place]
            steps.append({"layers": temporal, "sizes": spatial})
        packet.sequence = packets[0].sequence + place & 0xFFFF
        text = rtp.serialize(packet).hex()
        if place:
            steps.append({"comes": "a", "packet": text})
        else:
            begin: Step = {"codec": codec, "payload_type": PAYLOAD_TYPES[codec], "timestamp": 5000, "step": 3000}
            steps.append({"begin": "a", "packet": text} | begin)
    return steps


@cache
def _pictures(case: str) -> list[list[rtp.Packet]]:
    packets, begins = captured(case), vp9.is_keyframe if codec_of(case) == "VP9" else av1.is_keyframe
    identifier = descriptor_id(packets) if codec_of(case) == "AV1" else 0
    groups = [list(group) for _, group in groupby(map(rtp.parse, packets), lambda packet: packet.timestamp)]
    _, second = (place for place, group in enumerate(groups) if begins(group[0].payload))
    kept = groups[:BEFORE] + groups[second : second + BEHIND]
    return [[_shortened(packet, identifier) for packet in group] for group in kept]


def _shortened(packet: rtp.Packet, identifier: int) -> rtp.Packet:
    head = 0 if identifier else vp9.locate(packet.payload).end
    return rtp.Packet(
        payload_type=120, sequence=packet.sequence, timestamp=packet.timestamp, ssrc=1, marker=packet.marker,
        payload=packet.payload[: head + READ],
        extensions={THEIR_DESCRIPTOR_ID: packet.extensions[identifier]} if identifier else {},
    )  # fmt: skip
