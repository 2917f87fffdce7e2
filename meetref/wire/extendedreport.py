"""RTCP extended reports: the two blocks by which an end that sends no media learns how far away the other one is.

Stands below `wire/rtcp`, which finds the packets in a datagram and offers these classes under its own name. The end
that only receives tells its clock, and the other one says what it heard last and how long ago, as report blocks do
for sender reports.
Specification: RFC 3611 sections 2, 3, 4.4 and 4.5.
Leaves out: the other blocks, which are passed over: they tell of losses and of telephones, and no browser sends them.
Read next: `media/roundtrip.py`, which makes and reads these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from meetref.wire.reader import UINT32, UINT64, Reader

# |  block type   |   (reserved)  |    length in words, minus one |
block_head = Struct("!BBH")
delay = Struct("!III")

EXTENDED_REPORT = 207
REFERENCE_TIME, REFERENCE_DELAYS = 4, 5


@dataclass(slots=True)
class ReferenceTime:
    """The clock of an end that sends no media: 64 bits, 32 of them the fraction; of the wall, or since any instant."""

    ntp: int


@dataclass(slots=True)
class ReferenceDelay:
    """That `ssrc` told its clock as `last_reference`, its middle 32 bits, `delay_since` ago; both in 1/65536 s."""

    ssrc: int
    last_reference: int
    delay_since: int


@dataclass(slots=True)
class ReferenceDelays:
    """The answers to those whose clocks were heard."""

    delays: list[ReferenceDelay]


@dataclass(slots=True)
class ExtendedReport:
    """The blocks of `ssrc` that we read, in their order; there may be none."""

    ssrc: int
    blocks: list[ReferenceTime | ReferenceDelays] = field(default_factory=list)


def parse_body(reader: Reader) -> ExtendedReport:
    """Read what stands behind the first four octets. Raises `Malformed`."""
    report = ExtendedReport(reader.uint32("extended report"))
    while reader.remaining:
        kind, _, words = reader.struct(block_head, "extended report block")  # spec: rtcp/extended-reserved-bits
        start = reader.offset
        reader.bytes(4 * words, "extended report block")  # spec: rtcp/extended-block-lengths
        block = Reader(reader.data, start, reader.offset)
        if kind == REFERENCE_TIME:
            report.blocks.append(ReferenceTime(block.uint64("reference time")))
            block.expect_end("reference time")  # spec: rtcp/reference-time
        elif kind == REFERENCE_DELAYS:
            report.blocks.append(_parse_delays(block))
        # spec: rtcp/extended-unknown-blocks
    return report


def _parse_delays(block: Reader) -> ReferenceDelays:
    # spec: rtcp/reference-delays
    delays = []
    while block.remaining:
        delays.append(ReferenceDelay(*block.struct(delay, "reference delay")))
    return ReferenceDelays(delays)


def serialize_body(report: ExtendedReport) -> bytes:
    """What stands behind the first four octets."""
    return UINT32.pack(report.ssrc) + b"".join(map(_serialize_block, report.blocks))


def _serialize_block(block: ReferenceTime | ReferenceDelays) -> bytes:
    if isinstance(block, ReferenceTime):
        return block_head.pack(REFERENCE_TIME, 0, 2) + UINT64.pack(block.ntp)
    body = b"".join(delay.pack(each.ssrc, each.last_reference, each.delay_since) for each in block.delays)
    return block_head.pack(REFERENCE_DELAYS, 0, len(body) // 4) + body
