"""RTCP feedback: what is asked of the sender of media, or told to it, at once.

Stands below `wire/rtcp`, which finds the packets in a datagram and offers these classes under its own name.
Specification: RFC 4585 section 6 (NACK, PLI), RFC 5104 section 4.3.1 (FIR), draft-alvestrand-rmcat-remb-03 (REMB).
Leaves out: slice loss and reference picture selection, which no browser sends, and TMMBR: they come out as `Unknown`.
Read next: `wire/transportfeedback.py` and `wire/congestionfeedback.py`, the two messages of some depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from meetref.wire import congestionfeedback, transportfeedback
from meetref.wire.congestionfeedback import CongestionFeedback
from meetref.wire.reader import UINT16, UINT32, Malformed, Reader
from meetref.wire.transportfeedback import TransportFeedback

# |                  SSRC of packet sender                        |
# |                  SSRC of media source                         |
head = Struct("!II")

TRANSPORT, PAYLOAD = 205, 206
# What the count field says in the two types:
NACK, CONGESTION, TRANSPORT_WIDE = 1, 11, 15
PICTURE_LOSS, FULL_INTRA, APPLICATION_LAYER = 1, 4, 15


@dataclass(slots=True)
class Nack:
    """The packets `lost` of stream `media_ssrc` are asked for again, by sequence number (16 bits)."""

    sender_ssrc: int
    media_ssrc: int
    lost: list[int]


@dataclass(slots=True)
class PictureLoss:
    """PLI: a decoder of `media_ssrc` needs a keyframe."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(slots=True)
class FullIntra:
    """FIR: a keyframe is demanded of each SSRC in `entries`, with a number (8 bits) that a repetition keeps."""

    sender_ssrc: int
    entries: list[tuple[int, int]]


@dataclass(slots=True)
class ReceiverEstimate:
    """REMB: what a receiver believes it can take of all `ssrcs` together; written, it is rounded down to 18 bits."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: list[int]


Feedback = Nack | PictureLoss | FullIntra | TransportFeedback | CongestionFeedback | ReceiverEstimate


def parse_transport(reader: Reader, count: int) -> Feedback | None:
    """Read a packet of type 205; None where `count` names a kind that we do not read. Raises `Malformed`."""
    if count == CONGESTION:  # spec: feedback/alone
        return congestionfeedback.parse_body(reader, reader.uint32("feedback"))
    if count not in (NACK, TRANSPORT_WIDE):
        return None
    sender, media = reader.struct(head, "feedback")
    if count == TRANSPORT_WIDE:
        return transportfeedback.parse_body(reader, sender, media)
    if not reader.remaining:  # spec: rtcp/nack-not-empty
        raise Malformed("NACK of nothing", reader.offset)
    lost = []
    while reader.remaining:
        first, mask = reader.uint16("NACK"), reader.uint16("NACK mask")
        lost.append(first)
        lost += [first + 1 + bit & 0xFFFF for bit in range(16) if mask >> bit & 1]  # spec: rtcp/nack-bitmask
    return Nack(sender, media, lost)


def parse_payload(reader: Reader, count: int) -> Feedback | None:
    """Read a packet of type 206; None where it is of a kind that we do not read. Raises `Malformed`."""
    if count not in (PICTURE_LOSS, FULL_INTRA, APPLICATION_LAYER):
        return None
    sender, media = reader.struct(head, "feedback")
    if count == PICTURE_LOSS:
        reader.expect_end("PLI")  # spec: rtcp/pli-is-bare
        return PictureLoss(sender, media)
    if count == FULL_INTRA:
        if not reader.remaining or reader.remaining % 8:  # spec: rtcp/fir-entries
            raise Malformed(f"FIR entries of {reader.remaining} octets", reader.offset)
        # spec: rtcp/fir-reserved-zero
        return FullIntra(sender, [(reader.uint32(), reader.uint32() >> 24) for _ in range(reader.remaining // 8)])
    if reader.remaining < 4 or reader.bytes(4) != b"REMB":  # spec: rtcp/remb-identifier
        return None
    sources, rate = reader.uint8("REMB"), reader.uint24("REMB")
    # spec: rtcp/remb-rate
    return ReceiverEstimate(sender, (rate & 0x3FFFF) << (rate >> 18), [reader.uint32("REMB") for _ in range(sources)])


def serialize_body(packet: Feedback) -> tuple[int, int, bytes]:
    """Packet type, count and what stands behind the first four octets. Raises `Malformed`."""
    if isinstance(packet, CongestionFeedback):  # it names its sources one by one
        return TRANSPORT, CONGESTION, UINT32.pack(packet.sender_ssrc) + congestionfeedback.serialize_body(packet)
    # spec: rtcp/fir-media-ssrc-zero
    # spec: rtcp/remb-media-ssrc-zero
    media = 0 if isinstance(packet, FullIntra | ReceiverEstimate) else packet.media_ssrc
    ssrcs = head.pack(packet.sender_ssrc, media)  # spec: rtcp/feedback-head
    match packet:
        case Nack():
            return TRANSPORT, NACK, ssrcs + _write_lost(packet.lost)
        case TransportFeedback():
            return TRANSPORT, TRANSPORT_WIDE, ssrcs + transportfeedback.serialize_body(packet)
        case PictureLoss():
            return PAYLOAD, PICTURE_LOSS, ssrcs
        case FullIntra():
            entries = b"".join(head.pack(ssrc, number << 24) for ssrc, number in packet.entries)
            return PAYLOAD, FULL_INTRA, ssrcs + entries
        case ReceiverEstimate():
            exponent = max(packet.bitrate_bps.bit_length() - 18, 0)
            rate = len(packet.ssrcs) << 24 | exponent << 18 | packet.bitrate_bps >> exponent
            body = ssrcs + b"REMB" + UINT32.pack(rate) + b"".join(map(UINT32.pack, packet.ssrcs))
            return PAYLOAD, APPLICATION_LAYER, body


def _write_lost(lost: list[int]) -> bytes:
    """Each entry names a packet and, in a mask, those of the next sixteen that follow it in `lost`."""
    if not lost:
        raise Malformed("NACK of nothing")
    entries: list[tuple[int, int]] = []
    for sequence in lost:
        distance = sequence - entries[-1][0] & 0xFFFF if entries else 0
        # Only upwards: so the list comes out in the order in which it went in.
        if 1 <= distance <= 16 and not entries[-1][1] >> distance - 1:
            entries[-1] = (entries[-1][0], entries[-1][1] | 1 << distance - 1)
        else:
            entries.append((sequence, 0))
    return b"".join(UINT16.pack(first) + UINT16.pack(mask) for first, mask in entries)
