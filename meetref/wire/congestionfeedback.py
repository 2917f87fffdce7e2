"""Congestion control feedback: for each stream, which of its packets arrived, and how long before the report.

Stands below `wire/rtcpfeedback`, which knows it as one more kind of packet; it says what `wire/transportfeedback`
says, but by the streams' own numbers, so that packets need no number of the connection. `media/congestionfeedback`
makes and reads these.
Specification: RFC 8888 section 3.1. Where it calls a range inclusive and yet lets the number of reports be 0, that
number is taken for how many metric blocks there are, as libwebrtc and Pion do.
Leaves out: ECN, beyond carrying its two bits.
Read next: `media/congestionfeedback.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct, unpack_from

from meetref.wire.reader import UINT16, UINT32, Malformed, Reader

# |                   SSRC of the RTP stream                      |
# |          begin_seq            |          num_reports          |
# |R|ECN|  arrival time offset    | ...  one for each packet, and zeros up to the next 32 bits
block_head = Struct("!IHH")

MAXIMUM_REPORTS = 16384  # packets of one stream
OFFSET_TICK = 1 / 1024  # seconds in one unit of an arrival
LONG_AGO = 0x1FFE  # what an arrival says that lies back further than can be told
UNTIMED = 0x1FFF  # one of which no time is known
TIME_TICK = 1 / 65536  # seconds in one unit of the report's time, the middle of an NTP time


@dataclass(slots=True)
class StreamFeedback:
    """The fate of packets `first_sequence`, `first_sequence + 1`, ... (modulo 2**16) of one stream.

    `arrivals` has one entry a packet: None for not received so far, otherwise how long before the report it arrived, in
    1/1024 s, or `LONG_AGO`, or `UNTIMED`. `marks` has its ECN bits, or is empty where all are 0.
    """

    ssrc: int
    first_sequence: int
    arrivals: list[int | None] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)


@dataclass(slots=True)
class CongestionFeedback:
    """What `sender_ssrc` received; `time` is its wall clock, 32 bits in 1/65536 s that wrap after 18 hours."""

    sender_ssrc: int
    time: int
    streams: list[StreamFeedback] = field(default_factory=list)


def parse_body(reader: Reader, sender_ssrc: int) -> CongestionFeedback:
    """Read what follows the first SSRC. Raises `Malformed`."""
    streams = []
    while reader.remaining > UINT32.size:
        streams.append(_parse_stream(reader))
    return CongestionFeedback(sender_ssrc, reader.uint32("report timestamp"), streams)


def _parse_stream(reader: Reader) -> StreamFeedback:
    # spec: feedback/stream-block
    ssrc, first_sequence, count = reader.struct(block_head, "congestion feedback of a stream")
    if count > MAXIMUM_REPORTS:  # spec: feedback/quarter-of-numbers
        raise Malformed(f"congestion feedback about {count} packets of a stream", reader.offset)
    words = unpack_from(f"!{count}H", reader.bytes(2 * (count + count % 2), "packet metrics"))  # spec: feedback/padding
    # spec: feedback/received-bit, feedback/arrival-offset
    arrivals = [word & 0x1FFF if word & 0x8000 else None for word in words]
    marks = [word >> 13 & 3 if word & 0x8000 else 0 for word in words]
    return StreamFeedback(ssrc, first_sequence, arrivals, marks if any(marks) else [])


def serialize_body(feedback: CongestionFeedback) -> bytes:
    """What follows the first SSRC. Raises `Malformed` for too many packets of a stream, or for an arrival too large."""
    return b"".join(map(_serialize_stream, feedback.streams)) + UINT32.pack(feedback.time)


def _serialize_stream(stream: StreamFeedback) -> bytes:
    count = len(stream.arrivals)
    if count > MAXIMUM_REPORTS:
        raise Malformed(f"congestion feedback about {count} packets of a stream")
    marks = stream.marks or [0] * count
    body = b""
    for arrival, mark in zip(stream.arrivals, marks, strict=True):
        if arrival is not None and not 0 <= arrival <= UNTIMED:
            raise Malformed(f"an arrival {arrival} ticks before the report does not fit")
        body += UINT16.pack(0 if arrival is None else 0x8000 | (mark & 3) << 13 | arrival)
    return block_head.pack(stream.ssrc, stream.first_sequence, count) + body + bytes(len(body) % 4)
