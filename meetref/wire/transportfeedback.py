"""Transport-wide feedback: which packets of a connection arrived, and when, in one RTCP message.

Stands below `wire/rtcp`, which knows it as one more kind of packet. `media/feedback` makes and reads these.
Specification: draft-holmer-rmcat-transport-wide-cc-extensions-01. Where its text and its figures disagree we go by
what all senders do: the packet type is 205, a 1 in a one-bit vector means received, and symbol 3 is reserved.
Leaves out: spreading arrivals over several messages, which is `media/feedback`'s business.
Read next: `media/feedback.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from struct import Struct

from meetref.wire.reader import UINT16, Malformed, Reader

# |      base sequence number     |      packet status count      |
# |                 reference time                | fb pkt. count |
# |    chunks of 16 bits, then deltas of 8 or 16 bits, then zeros |
head = Struct("!HHI")

TICK = 0.00025  # seconds in one unit of an arrival
REFERENCE_TICKS = 256  # ticks in one unit of the reference time: 64 ms
MAXIMUM_STATUSES = 8192  # two seconds of 4000 packets each, the most that the ticks can tell apart
MAXIMUM_RUN = 8191

NOT_RECEIVED, SMALL, LARGE, RESERVED = range(4)


@dataclass(slots=True)
class TransportFeedback:
    """The fate of packets `base_sequence`, `base_sequence + 1`, ... (modulo 2**16).

    `arrivals` has one entry a packet: None for not received so far, otherwise the arrival in ticks of 250 us after the
    reference time. `reference_time` counts 64 ms and wraps at 2**24; `count` numbers the feedbacks, modulo 256.
    """

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    reference_time: int
    count: int
    arrivals: list[int | None] = field(default_factory=list)


def parse_body(reader: Reader, sender_ssrc: int, media_ssrc: int) -> TransportFeedback:
    """Read what follows the two SSRCs. Raises `Malformed`."""
    base, status_count, time_and_count = reader.struct(head, "transport feedback")
    if not 0 < status_count <= MAXIMUM_STATUSES:  # spec: rtcp/twcc-status-count
        raise Malformed(f"transport feedback about {status_count} packets", reader.offset)
    symbols: list[int] = []
    while len(symbols) < status_count:
        symbols += _symbols_of(reader.uint16("packet status chunk"))
    if symbols.count(SMALL) == len(symbols) == status_count:  # all came, one soon after the other: nearly always
        return TransportFeedback(
            sender_ssrc, media_ssrc, base, time_and_count >> 8, time_and_count & 0xFF,
            list(accumulate(reader.bytes(status_count, "delta"))),
        )  # fmt: skip
    arrivals: list[int | None] = []
    at = 0
    for symbol in symbols[:status_count]:  # spec: rtcp/twcc-surplus-symbols
        if symbol == NOT_RECEIVED:
            arrivals.append(None)
            continue
        if symbol == RESERVED:  # spec: rtcp/twcc-reserved-symbol
            raise Malformed("transport feedback with the reserved status", reader.offset)
        at += reader.uint8("delta") if symbol == SMALL else _signed16(reader.uint16("delta"))
        arrivals.append(at)
    return TransportFeedback(sender_ssrc, media_ssrc, base, time_and_count >> 8, time_and_count & 0xFF, arrivals)


def _symbols_of(chunk: int) -> list[int]:
    if not chunk & 0x8000:  # spec: rtcp/twcc-run-length
        return [chunk >> 13] * (chunk & 0x1FFF)
    if not chunk & 0x4000:  # spec: rtcp/twcc-vectors
        return [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return [chunk >> shift & 3 for shift in range(12, -2, -2)]


def _signed16(number: int) -> int:
    return number - 0x10000 if number & 0x8000 else number


def serialize_body(feedback: TransportFeedback) -> bytes:
    """What follows the two SSRCs. Raises `Malformed` where two arrivals are too far apart for one message."""
    if not 0 < len(feedback.arrivals) <= MAXIMUM_STATUSES:
        raise Malformed(f"transport feedback about {len(feedback.arrivals)} packets")
    symbols: list[int] = []
    deltas = bytearray()
    previous = 0
    for arrival in feedback.arrivals:
        if arrival is None:
            symbols.append(NOT_RECEIVED)
            continue
        delta, previous = arrival - previous, arrival
        if 0 <= delta <= 0xFF:  # spec: rtcp/twcc-small-delta
            symbols.append(SMALL)
            deltas.append(delta)
        elif -0x8000 <= delta <= 0x7FFF:  # spec: rtcp/twcc-large-delta
            symbols.append(LARGE)
            deltas += (delta & 0xFFFF).to_bytes(2)
        else:
            raise Malformed(f"{delta} ticks between two arrivals do not fit one feedback")
    time_and_count = (feedback.reference_time & 0xFFFFFF) << 8 | feedback.count & 0xFF
    body = head.pack(feedback.base_sequence, len(symbols), time_and_count) + _chunks(symbols) + deltas
    # The deltas can be counted, so zeros behind them need no padding bit, which only a last packet may carry.
    return body + bytes(-len(body) % 4)


def _chunks(symbols: list[int]) -> bytes:
    """The statuses in few chunks: a run where it covers at least what a vector would, otherwise a vector."""
    out = bytearray()
    at, end = 0, len(symbols)
    while at < end:
        symbol = symbols[at]
        stop = at + 1
        while stop < end and symbols[stop] == symbol and stop - at < MAXIMUM_RUN:
            stop += 1
        window = symbols[at : at + 14]
        reach = 14 if LARGE not in window else 7
        if stop - at >= reach or stop == end:
            out += UINT16.pack(symbol << 13 | stop - at)
            at = stop
            continue
        bits = 1 if reach == 14 else 2
        chunk = 0
        for place in range(reach):
            chunk = chunk << bits | (symbols[at + place] if at + place < end else NOT_RECEIVED)
        out += UINT16.pack((0x8000 if bits == 1 else 0xC000) | chunk)
        at += reach
    return bytes(out)
