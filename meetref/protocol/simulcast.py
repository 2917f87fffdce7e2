"""Which encodings of one source are taken, out of those that an offer lists, and how the answer says so.

A publisher with simulcast sends one source several times, each time smaller, as RTP streams of one section; every
stream has a name there, its RID. Stands above `wire/sdpattributes`; `protocol/answering` takes and writes the lines.
Specification: RFC 8853 (a=simulcast), RFC 8851 (a=rid), RFC 8852 (how a packet names its stream).
Leaves out: offering simulcast, which is the page's business; pausing by RTCP (the message `layers` does that); streams
whose name is told in RTCP only. Read next: `media/simulcast.py`, who is shown which encoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from meetref.protocol.negotiation import REPAIRED_RID, RID, Codec
from meetref.wire import sdpattributes as attributes
from meetref.wire.reader import Malformed
from meetref.wire.sdp import Attribute, Section
from meetref.wire.sdpattributes import Extension, Simulcast

ENCODING_EXTENSIONS = (RID, REPAIRED_RID)
MAXIMUM_ENCODINGS = 3
MAXIMUM_RID_LENGTH = 16  # what fits into a one-byte header extension


def choose_encodings(section: Section, codec: Codec, extensions: Sequence[Extension]) -> tuple[attributes.RID, ...]:
    """The streams that are taken of an offered section, the offerer's preferred one first; none without simulcast."""
    simulcast = _read_simulcast(section)
    if simulcast is None or not any(extension.uri == RID for extension in extensions):
        return ()  # spec: simulcast/rid-extension
    rids = _read_rids(section)
    chosen: list[attributes.RID] = []
    for stream in simulcast.send:
        fitting = (_fit(rids.get(name), codec) for name in stream)
        found = next((rid for rid in fitting if rid is not None), None)  # spec: simulcast/alternatives
        if found is not None:
            chosen.append(found)
    return tuple(chosen[:MAXIMUM_ENCODINGS])  # spec: simulcast/three-streams


def encoding_attributes(taken: Sequence[attributes.RID]) -> Iterator[Attribute]:
    """The lines of the answer that take these streams: their directions are turned around."""
    if not taken:
        return
    for rid in taken:
        answered = attributes.RID(rid.id, "recv", rid.payload_types, rid.restrictions)
        yield Attribute("rid", attributes.serialize_rid(answered))  # spec: simulcast/answer-reversed
    received = Simulcast(recv=tuple((rid.id,) for rid in taken))  # spec: simulcast/answer-not-paused
    yield Attribute("simulcast", attributes.serialize_simulcast(received))


def _read_simulcast(section: Section) -> Simulcast | None:
    lines = list(section.values("simulcast"))  # spec: simulcast/session-level
    if len(lines) != 1:  # spec: simulcast/one-line
        return None
    try:
        return attributes.parse_simulcast(lines[0])
    except Malformed:
        return None  # spec: simulcast/malformed-ignored


def _read_rids(section: Section) -> dict[str, attributes.RID]:
    """The streams that the offerer sends, by name; a name that comes twice is none."""
    found: list[attributes.RID] = []
    for value in section.values("rid"):
        try:
            found.append(attributes.parse_rid(value))
        except Malformed:
            continue  # spec: simulcast/malformed-ignored
    uses = Counter(rid.id for rid in found)  # spec: simulcast/rid-unique
    return {rid.id: rid for rid in found if uses[rid.id] == 1 and rid.direction == "send"}


def _fit(rid: attributes.RID | None, codec: Codec) -> attributes.RID | None:
    """The stream as far as it is taken: with the one codec of the section, which it must be allowed to have."""
    if rid is None or len(rid.id) > MAXIMUM_RID_LENGTH:  # spec: simulcast/rid-defined
        return None
    if rid.payload_types and codec.payload_type not in rid.payload_types:  # spec: simulcast/payload-types
        return None
    kept = (codec.payload_type,) if rid.payload_types else ()
    # spec: simulcast/restrictions-kept
    restrictions = tuple((name, value) for name, value in rid.restrictions if value is not None)
    return attributes.RID(rid.id, rid.direction, kept, restrictions)
