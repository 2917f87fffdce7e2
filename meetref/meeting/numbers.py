"""How the packets of a slot are marked: payload types and ids of header extensions, ours or those a viewer offered.

Stands below `meeting/down`, which gives them to each slot's `media/rewriting`.
Specification: RFC 3264 section 5.1 (payload types), RFC 8285 section 6 (ids of extensions).
Leaves out: how they are written into a description, which is `protocol/negotiation`'s.
Read next: `meeting/forwarder.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from meetref.meeting.track import Kind
from meetref.protocol.negotiation import (
    AUDIO_LEVEL,
    AUDIO_LEVEL_ID,
    DEPENDENCY_DESCRIPTOR,
    DEPENDENCY_DESCRIPTOR_ID,
    OPUS_PAYLOAD_TYPE,
    TRANSPORT_SEQUENCE,
    TRANSPORT_SEQUENCE_ID,
    ReceivedTrack,
)
from meetref.protocol.videocodecs import VIDEO, rtx_of


@dataclass(slots=True, frozen=True)
class Numbers:
    """How the packets of a slot are marked: its payload types, and the ids of its header extensions (0: none).

    `formats` has for each codec its payload type and that of its retransmissions, the preferred codec first.
    """

    formats: Mapping[str, tuple[int, int]]
    transport_id: int
    level_id: int = 0
    descriptor_id: int = 0


OUR_NUMBERS: dict[Kind, Numbers] = {
    "audio": Numbers({"opus": (OPUS_PAYLOAD_TYPE, 0)}, TRANSPORT_SEQUENCE_ID, AUDIO_LEVEL_ID),
    "video": Numbers(
        {codec.name: (codec.payload_type, rtx_of(codec).payload_type) for codec in VIDEO},
        TRANSPORT_SEQUENCE_ID,
        descriptor_id=DEPENDENCY_DESCRIPTOR_ID,
    ),
}
"""Of what we offer ourselves."""


def formats_of(kind: Kind, codecs: Collection[str]) -> Mapping[str, tuple[int, int]]:
    """Those of our own formats that a viewer reads."""
    return {name: numbers for name, numbers in OUR_NUMBERS[kind].formats.items() if name in codecs}


def numbers_of(section: ReceivedTrack) -> Numbers:
    """Those of a section that the viewer offered."""
    repairing = {repaired: number for number, repaired in section.rtx.items()}
    formats = {codec.name: (number, repairing.get(number, 0)) for number, codec in section.codecs.items()}
    ids = section.extensions
    return Numbers(formats, ids.get(TRANSPORT_SEQUENCE, 0), ids.get(AUDIO_LEVEL, 0), ids.get(DEPENDENCY_DESCRIPTOR, 0))
