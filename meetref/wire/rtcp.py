"""RTCP: what receivers and senders of media tell each other, several packets in one datagram.

Stands above `wire/reader`; `media/reception`, `repair`, `keyframes` and `feedback` decide what is said.
Specification: RFC 3550 section 6 (reports, descriptions, goodbye), RFC 5506 (any packet may stand alone).
Leaves out: application packets, which come out as `Unknown`; a report's profile extension.
Read next: `wire/rtcpfeedback.py`, the packets that ask for something; `wire/extendedreport.py`, those that measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from struct import Struct

from meetref.wire import extendedreport, rtcpfeedback
from meetref.wire.congestionfeedback import CongestionFeedback
from meetref.wire.extendedreport import ExtendedReport, ReferenceDelay, ReferenceDelays, ReferenceTime
from meetref.wire.reader import UINT32, Malformed, Reader
from meetref.wire.rtcpfeedback import Feedback, FullIntra, Nack, PictureLoss, ReceiverEstimate
from meetref.wire.transportfeedback import TransportFeedback

__all__ = [
    "Chunk",
    "CongestionFeedback",
    "ExtendedReport",
    "FullIntra",
    "Goodbye",
    "Nack",
    "Packet",
    "PictureLoss",
    "ReceiverEstimate",
    "ReceiverReport",
    "ReferenceDelay",
    "ReferenceDelays",
    "ReferenceTime",
    "ReportBlock",
    "SenderReport",
    "SourceDescription",
    "TransportFeedback",
    "Unknown",
    "named",
    "parse",
    "serialize",
]

# |V=2|P|  count  |  packet type  |   length in words, minus one  |
header = Struct("!BBH")
sender_info = Struct("!IQIII")
report_block = Struct("!IIIIII")

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
CNAME = 1


@dataclass(slots=True)
class ReportBlock:
    """How one stream arrived. `fraction_lost` counts 1/256, `jitter` the stream's clock, the delay 1/65536 s.

    `cumulative_lost` is signed (duplicates count as received); `last_sender_report` is the middle of its NTP time.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int = 0
    delay_since_last_sender_report: int = 0


@dataclass(slots=True)
class SenderReport:
    """`ntp` (64 bits, 32 of them the fraction) and `rtp_timestamp` are the same instant."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    blocks: list[ReportBlock] = field(default_factory=list)


@dataclass(slots=True)
class ReceiverReport:
    """What `ssrc` received, a block a stream; without blocks it only says that `ssrc` is there."""

    ssrc: int
    blocks: list[ReportBlock] = field(default_factory=list)


@dataclass(slots=True)
class Chunk:
    """What is said of one source: items of (type, octets); type 1 is the CNAME."""

    ssrc: int
    items: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def cname(self) -> str | None:
        return next((value.decode(errors="replace") for kind, value in self.items if kind == CNAME), None)


@dataclass(slots=True)
class SourceDescription:
    """What the sender says of its sources; `named` makes the usual one."""

    chunks: list[Chunk]


def named(ssrc: int, cname: str) -> SourceDescription:
    """The description that must be in every compound: whose stream this is."""
    # spec: rtcp/cname
    return SourceDescription([Chunk(ssrc, [(CNAME, cname.encode())])])


@dataclass(slots=True)
class Goodbye:
    """These sources are gone; `reason` is UTF-8, up to 255 octets."""

    sources: list[int]
    reason: bytes = b""


@dataclass(slots=True)
class Unknown:
    """A packet that we do not read; `count` is the five bits of the first octet, `body` all behind the first four."""

    packet_type: int
    body: bytes
    count: int = 0


Packet = SenderReport | ReceiverReport | SourceDescription | Goodbye | Feedback | ExtendedReport | Unknown


# --- reading --------------------------------------------------------------------------------------


def parse(data: bytes) -> list[Packet]:
    """Read a compound of any order and size. One packet that is wrong makes all of it `Malformed`."""
    packets: list[Packet] = []
    offset = 0
    while offset < len(data) or not packets:  # spec: rtcp/reduced-size
        if offset + 4 > len(data):
            raise Malformed("RTCP packet without a header", offset)
        first, packet_type, words = header.unpack_from(data, offset)
        end = offset + 4 + words * 4
        if first & 0xC0 != 0x80:  # spec: rtcp/version
            raise Malformed(f"RTCP version {first >> 6}, not 2", offset)
        if end > len(data):  # spec: rtcp/lengths-add-up
            raise Malformed("RTCP packet is longer than its datagram", offset)
        padding = _padding(data, offset, end) if first & 0x20 else 0
        read = _READERS.get(packet_type, _read_unknown)
        packets.append(read(Reader(data, offset + 4, end - padding), packet_type, first & 0x1F))
        offset = end
    return packets


def _padding(data: bytes, offset: int, end: int) -> int:
    # The RFC wants a multiple of four, and only on the last packet; libwebrtc fills transport feedback by one to
    # three octets wherever it stands, so both are accepted.
    size = data[end - 1] if end > offset + 4 else 0
    if size == 0 or offset + 4 + size > end:  # spec: rtcp/padding-count
        raise Malformed(f"RTCP padding of {size} octets in {end - offset - 4}", end - 1)
    return size


def _read_unknown(reader: Reader, packet_type: int, count: int) -> Packet:
    return Unknown(packet_type, reader.rest(), count)  # spec: rtcp/unknown-types-ignored


def _read_sender_report(reader: Reader, packet_type: int, count: int) -> Packet:
    # spec: rtcp/sender-report
    ssrc, ntp, timestamp, packets, octets = reader.struct(sender_info, "sender report")
    return SenderReport(ssrc, ntp, timestamp, packets, octets, _read_blocks(reader, count))


def _read_receiver_report(reader: Reader, packet_type: int, count: int) -> Packet:
    # spec: rtcp/receiver-report, rtcp/profile-extension-ignored
    return ReceiverReport(reader.uint32("receiver report"), _read_blocks(reader, count))


def _read_blocks(reader: Reader, count: int) -> list[ReportBlock]:
    blocks = []
    for _ in range(count):
        ssrc, loss, highest, jitter, last, delay = reader.struct(report_block, "report block")
        lost = (loss & 0xFFFFFF) - (0x1000000 if loss & 0x800000 else 0)
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return blocks


def _read_source_description(reader: Reader, packet_type: int, count: int) -> Packet:
    chunks = []
    for _ in range(count):
        start = reader.offset
        chunk = Chunk(reader.uint32("SDES chunk"))
        # spec: rtcp/sdes-items-within-bounds
        while kind := reader.uint8("SDES item"):
            chunk.items.append((kind, reader.vector(1, "SDES item")))
        # One zero ends the items; more fill the chunk to a word.
        reader.bytes((start - reader.offset) % 4, "SDES chunk padding")  # spec: rtcp/sdes-chunk-alignment
        chunks.append(chunk)
    return SourceDescription(chunks)


def _read_goodbye(reader: Reader, packet_type: int, count: int) -> Packet:
    sources = [reader.uint32("BYE source") for _ in range(count)]
    # spec: rtcp/goodbye
    return Goodbye(sources, reader.vector(1, "BYE reason") if reader.remaining else b"")


def _read_feedback(reader: Reader, packet_type: int, count: int) -> Packet:
    start = reader.offset
    parse_feedback = (
        rtcpfeedback.parse_transport if packet_type == rtcpfeedback.TRANSPORT else rtcpfeedback.parse_payload
    )
    packet = parse_feedback(reader, count)
    return packet or _read_unknown(Reader(reader.data, start, reader.end), packet_type, count)


def _read_extended_report(reader: Reader, packet_type: int, count: int) -> Packet:
    return extendedreport.parse_body(reader)


_READERS: dict[int, Callable[[Reader, int, int], Packet]] = {
    SENDER_REPORT: _read_sender_report,
    RECEIVER_REPORT: _read_receiver_report,
    SOURCE_DESCRIPTION: _read_source_description,
    GOODBYE: _read_goodbye,
    rtcpfeedback.TRANSPORT: _read_feedback,
    rtcpfeedback.PAYLOAD: _read_feedback,
    extendedreport.EXTENDED_REPORT: _read_extended_report,
}


# --- writing --------------------------------------------------------------------------------------


def serialize(packets: Sequence[Packet]) -> bytes:
    """One datagram of all `packets`, in their order. Raises `Malformed` where a count does not fit."""
    return b"".join(map(_write, packets))


def _write(packet: Packet) -> bytes:
    packet_type, count, body = _write_body(packet)
    if count > 31:
        raise Malformed(f"{count} entries do not fit an RTCP packet, which takes 31")
    body += bytes(-len(body) % 4)
    return header.pack(0x80 | count, packet_type, len(body) // 4) + body


def _write_body(packet: Packet) -> tuple[int, int, bytes]:
    match packet:
        case SenderReport():
            info = sender_info.pack(
                packet.ssrc, packet.ntp, packet.rtp_timestamp, packet.packet_count, packet.octet_count
            )
            return SENDER_REPORT, len(packet.blocks), info + _write_blocks(packet.blocks)
        case ReceiverReport():
            return RECEIVER_REPORT, len(packet.blocks), UINT32.pack(packet.ssrc) + _write_blocks(packet.blocks)
        case SourceDescription():
            return SOURCE_DESCRIPTION, len(packet.chunks), b"".join(map(_write_chunk, packet.chunks))
        case Goodbye():
            reason = bytes([len(packet.reason)]) + packet.reason if packet.reason else b""
            return GOODBYE, len(packet.sources), b"".join(map(UINT32.pack, packet.sources)) + reason
        case ExtendedReport():
            return extendedreport.EXTENDED_REPORT, 0, extendedreport.serialize_body(packet)
        case Unknown():
            return packet.packet_type, packet.count, packet.body
    return rtcpfeedback.serialize_body(packet)


def _write_blocks(blocks: list[ReportBlock]) -> bytes:
    return b"".join(
        report_block.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF,
            block.highest_sequence,
            block.jitter,
            block.last_sender_report,
            block.delay_since_last_sender_report,
        )
        for block in blocks
    )


def _write_chunk(chunk: Chunk) -> bytes:
    out = UINT32.pack(chunk.ssrc) + b"".join(bytes((kind, len(value))) + value for kind, value in chunk.items)
    return out + bytes(4 - len(out) % 4)
