"""RTP: the packet that carries sound and pictures, and its header extensions.

Stands above `wire/reader`; used by everything that touches media. `parse` and `serialize` are for tests, bots and
tools; a forwarded packet is only looked into, by the functions at the end, which make no objects.
Specification: RFC 3550 section 5 (packet), RFC 8285 (extensions), RFC 6464 (audio level), RFC 4588 (retransmission).
Leaves out: what a payload type or an extension id means; that is agreed in SDP and known to `protocol/negotiation`.
Read next: `wire/vp8.py`, what a video payload begins with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from meetref.wire.reader import UINT16, Malformed

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# |V=2|P|X|  CC   |M|     PT      |       sequence number         |
# |                           timestamp                           |
# |                              SSRC                             |
# |                    CSRC, 0 to 15 of them                      |
# |   extension profile, when X   |   extension length in words   |
fixed = Struct("!BBHII")
extension_head = Struct("!HH")

HEADER_SIZE = 12
ONE_BYTE = 0xBEDE
TWO_BYTE = 0x1000  # the low four bits are the application's

# What the header extensions that we know are called in SDP.
EXTENSIONS = {
    "mid": "urn:ietf:params:rtp-hdrext:sdes:mid",
    "rid": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "repaired-rid": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "audio-level": "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "transport-sequence": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "absolute-send-time": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "video-orientation": "urn:3gpp:video-orientation",
}

Octets = bytes | bytearray | memoryview


@dataclass(slots=True)
class Packet:
    """One RTP packet. `timestamp` counts the payload's own clock; `padding_size` is in octets and counts its last one.

    `extension_profile` is None where the X bit is not set. Elements of RFC 8285 are in `extensions`, by id; the
    octets of any other profile are in `extension_body`, a multiple of four.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: list[int] = field(default_factory=list)
    extension_profile: int | None = None
    extensions: dict[int, bytes] = field(default_factory=dict)
    extension_body: bytes = b""
    padding_size: int = 0


def parse(data: Octets) -> Packet:
    """Read one packet. Of an extension id that comes twice the first counts. Raises `Malformed`."""
    start, end = payload_bounds(data)
    first, second, sequence, timestamp, ssrc = fixed.unpack_from(data)
    # spec: rtp/marker-and-type
    packet = Packet(second & 0x7F, sequence, timestamp, ssrc, bytes(data[start:end]), bool(second & 0x80))
    packet.padding_size = len(data) - end
    at = HEADER_SIZE
    for _ in range(first & 0x0F):  # spec: rtp/csrc-count
        packet.csrcs.append(int.from_bytes(data[at : at + 4]))
        at += 4
    if first & 0x10:
        packet.extension_profile = UINT16.unpack_from(data, at)[0]
        # spec: rtp/foreign-extension-ignored
        if _is_known(packet.extension_profile):
            packet.extensions = _elements(data, at + 4, start, packet.extension_profile == ONE_BYTE)
        else:
            packet.extension_body = bytes(data[at + 4 : start])
    return packet


def serialize(packet: Packet) -> bytes:
    """The octets of `packet`, with the smallest extension form that fits where none is named. Raises `Malformed`."""
    profile = packet.extension_profile
    if profile is None and packet.extensions:  # spec: rtp/extension-only-with-elements
        profile = profile_for(packet.extensions)
    first = 0x80 | bool(packet.padding_size) << 5 | (profile is not None) << 4 | len(packet.csrcs)
    if len(packet.csrcs) > 15 or packet.padding_size > 255:
        raise Malformed("at most 15 CSRCs and 255 octets of padding fit an RTP packet")
    parts = [
        fixed.pack(first, packet.marker << 7 | packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc),
        *(csrc.to_bytes(4) for csrc in packet.csrcs),
    ]
    if profile is not None:
        body = _pack_elements(packet.extensions, profile == ONE_BYTE) if _is_known(profile) else packet.extension_body
        parts += [extension_head.pack(profile, (len(body) + 3) // 4), body, bytes(-len(body) % 4)]
    parts.append(packet.payload)
    if packet.padding_size:
        parts += [bytes(packet.padding_size - 1), bytes([packet.padding_size])]
    return b"".join(parts)


def profile_for(extensions: dict[int, bytes]) -> int:
    """`ONE_BYTE` where every element fits that form, otherwise `TWO_BYTE` (RFC 8285 section 4.1.2)."""
    # spec: rtp/one-byte-when-small
    small = all(1 <= number <= 14 and 1 <= len(value) <= 16 for number, value in extensions.items())
    return ONE_BYTE if small else TWO_BYTE


def _is_known(profile: int) -> bool:
    return profile == ONE_BYTE or profile & 0xFFF0 == TWO_BYTE  # spec: rtp/appbits-ignored


def _elements(data: Octets, at: int, end: int, one_byte: bool) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at < end:
        number, at, size = _next_element(data, at, end, one_byte)
        if number:
            found.setdefault(number, bytes(data[at : at + size]))
        at += size
    return found


def _next_element(data: Octets, at: int, end: int, one_byte: bool) -> tuple[int, int, int]:
    """Id, offset and size of the element at `at`; id 0 is padding, and `offset + size == end` where the list stops."""
    head = data[at]
    if head == 0:  # spec: rtp/extension-padding
        return 0, at + 1, 0
    if one_byte:
        number, size, at = head >> 4, (head & 0x0F) + 1, at + 1  # spec: rtp/extension-one-byte
        # spec: rtp/extension-id-15-stops
        # spec: rtp/extension-id-0-with-length-stops
        if number in (0, 15):
            return 0, end, 0
    else:
        if at + 2 > end:
            raise Malformed("header extension element without its length", at)
        number, size, at = head, data[at + 1], at + 2  # spec: rtp/extension-two-byte
    if at + size > end:  # spec: rtp/extension-within-bounds
        raise Malformed(f"header extension {number} is longer than the extension", at)
    return number, at, size


def _pack_elements(extensions: dict[int, bytes], one_byte: bool) -> bytes:
    out = bytearray()
    for number, value in extensions.items():
        if one_byte:
            if not (1 <= number <= 14 and 1 <= len(value) <= 16):
                raise Malformed(f"extension {number} of {len(value)} octets does not fit the one-byte form")
            out.append(number << 4 | len(value) - 1)
        else:
            if not (1 <= number <= 255 and len(value) <= 255):
                raise Malformed(f"extension {number} of {len(value)} octets does not fit the two-byte form")
            out += bytes((number, len(value)))
        out += value
    return bytes(out)


# --- looking into a packet without making one: the hot path ---------------------------------------


def payload_offset(data: Octets) -> int:
    """Where the payload begins, behind CSRCs and extension. Raises `Malformed`; checks the version as well."""
    size = len(data)
    if size < HEADER_SIZE:
        raise Malformed(f"RTP packet of {size} octets, at least {HEADER_SIZE} are needed", size)
    first = data[0]
    if first & 0xC0 != 0x80:  # spec: rtp/version
        raise Malformed(f"RTP version {first >> 6}, not 2")
    offset = HEADER_SIZE + (first & 0x0F) * 4
    if first & 0x10:  # spec: rtp/one-extension
        if offset + 4 > size:
            raise Malformed("RTP packet ends before its extension", offset)
        offset += 4 + (data[offset + 2] << 8 | data[offset + 3]) * 4
    if offset > size:  # spec: rtp/length-consistent
        raise Malformed("RTP packet ends inside its header", size)
    return offset


def payload_bounds(data: Octets) -> tuple[int, int]:
    """Where the payload begins and where it ends, in front of the padding. Raises `Malformed`."""
    start = payload_offset(data)
    size = len(data)
    if not data[0] & 0x20:
        return start, size
    # A packet may be padding alone: browsers probe for bandwidth with those.
    padding = data[size - 1] if size > start else 0
    if padding == 0 or start + padding > size:  # spec: rtp/padding-count
        raise Malformed(f"RTP padding of {padding} octets where {size - start} are left", size - 1)
    return start, size - padding


def find_extension(data: Octets, number: int) -> tuple[int, int] | None:
    """Offset and length of the value of extension `number` (RFC 8285, both forms), or None. Raises `Malformed`."""
    if not data[0] & 0x10:
        return None
    end = payload_offset(data)
    at = HEADER_SIZE + (data[0] & 0x0F) * 4
    profile = data[at] << 8 | data[at + 1]
    if not _is_known(profile):
        return None
    one_byte = profile == ONE_BYTE
    at += 4
    while at < end:
        found, at, size = _next_element(data, at, end, one_byte)
        if found == number and found:
            return at, size
        at += size
    return None


def element_places(head: Octets) -> list[tuple[int, int, int]]:
    """Id, offset and length of the value of every element in a header (RFC 8285, both forms). Raises `Malformed`."""
    at, places = HEADER_SIZE + (head[0] & 0x0F) * 4, list[tuple[int, int, int]]()
    if not head[0] & 0x10 or not _is_known(head[at] << 8 | head[at + 1]):
        return places
    end, one_byte = payload_offset(head), head[at] == ONE_BYTE >> 8
    at += 4
    while at < end:
        number, at, size = _next_element(head, at, end, one_byte)
        if number:
            places.append((number, at, size))
        at += size
    return places


def audio_level(octet: int) -> tuple[bool, int]:
    """Voice activity and level of the audio-level extension: 0 is the loudest, 127 silence, in -dBov (RFC 6464)."""
    return bool(octet & 0x80), octet & 0x7F  # spec: rtp/audio-level


def retransmission(data: Octets, payload_type: int, sequence: int, ssrc: int) -> bytes:
    """The RTX packet of `data`: another stream, the old sequence number before the payload (RFC 4588 section 4)."""
    start = payload_offset(data)
    first, second, lost, timestamp, _ = fixed.unpack_from(data)
    head = fixed.pack(first, second & 0x80 | payload_type, sequence, timestamp, ssrc)
    # spec: rtp/rtx-original-sequence, rtp/rtx-same-timestamp, rtp/rtx-own-sequence
    return b"".join((head, data[HEADER_SIZE:start], UINT16.pack(lost), data[start:]))


def original(data: Octets, payload_type: int, ssrc: int) -> bytes:
    """The packet that an RTX packet repeats. Raises `Malformed`, as for a probe, which is nothing but padding."""
    start, end = payload_bounds(data)
    if end < start + 2:
        raise Malformed("RTX packet without an original sequence number", start)
    first, second, _, timestamp, _ = fixed.unpack_from(data)
    lost = UINT16.unpack_from(data, start)[0]
    head = fixed.pack(first & ~0x20, second & 0x80 | payload_type, lost, timestamp, ssrc)  # the padding stays behind
    return b"".join((head, data[HEADER_SIZE:start], data[start + 2 : end]))
