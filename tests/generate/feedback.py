"""Makes vectors/feedback: congestion control feedback by streams, and the reports that both kinds of feedback come to.

Read next: tests/vectors/test_feedback.py, which replays them; tests/confirm/feedback.py, who else reads them so.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from meetref.media.congestionfeedback import StreamDepartureHistory
from meetref.media.departures import PacketReport
from meetref.media.feedback import DepartureHistory
from meetref.wire import rtcp
from meetref.wire.congestionfeedback import LONG_AGO, UNTIMED, CongestionFeedback, StreamFeedback
from meetref.wire.transportfeedback import TransportFeedback
from tests.generate.mediacases import Case, Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("It ends before what its numbers announce", "it is dropped"),
}
SOURCE = "RFC 8888 section 3.1"
SENDER, TIME = 7, 0xB1A2C3D4


def values(packet: CongestionFeedback) -> Case:
    """A feedback as JSON has it; `marks` is empty where all are 0."""
    return asdict(packet)


def sets() -> dict[str, Case]:
    """The sets by name."""
    return {"feedback/packets": _packets(), "feedback/reports": _reports()}


# --- on the wire ----------------------------------------------------------------------------------


def _packets() -> Case:
    cases = Cases("feedback-packets", NOTES)
    cases.group("parse", SOURCE)
    for comment, reqs, streams in _streams():
        packet = CongestionFeedback(SENDER, TIME, streams)
        cases.valid(comment, reqs, rtcp.serialize([packet]), values(packet), ["Canonical"])
    cases.group("parse", SOURCE)
    for comment, reqs, body, streams in _unusual():
        cases.valid(comment, reqs, _raw(body), values(CongestionFeedback(SENDER, TIME, streams)))
    twice = [StreamFeedback(9, 100, [5]), StreamFeedback(9, 101, [4])]
    cases.acceptable(
        "a stream in two blocks",
        "feedback/stream-block",
        _raw("00000009 0064 0001 8005 0000 00000009 0065 0001 8004 0000"),
        values(CongestionFeedback(SENDER, TIME, twice)),
    )
    cases.group("parse", SOURCE)
    for comment, reqs, data in _broken():
        cases.invalid(comment, reqs, data, ["Truncated"])
    cases.group("parse", SOURCE)  # Pion lets a block reach into the time behind it, and takes any number
    for comment, reqs, data in _overlapping():
        cases.invalid(comment, reqs, data, ["Truncated"])
    more = _raw(f"00000009 0064 4001 {'8001' * 16385} 0000")
    cases.invalid("more than 16384 packets of a stream", "feedback/quarter-of-numbers", more)
    return cases.finish()


def _streams() -> list[tuple[str, str, list[StreamFeedback]]]:
    block, received = "feedback/stream-block", "feedback/received-bit"
    return [
        ("one packet", f"{block} feedback/padding", [StreamFeedback(9, 100, [512])]),
        ("two packets", block, [StreamFeedback(9, 100, [512, 511])]),
        ("one that did not come between two", received, [StreamFeedback(9, 100, [20, None, 10])]),
        ("none that came", received, [StreamFeedback(9, 100, [None] * 7)]),
        ("no packets of a stream", block, [StreamFeedback(9, 100)]),
        ("no streams", block, []),
        (
            "three streams",
            f"{block} feedback/every-active-stream",
            [StreamFeedback(ssrc, 10 * ssrc, [ssrc] * ssrc) for ssrc in (1, 2, 3)],
        ),
        ("numbers across the wrap", block, [StreamFeedback(9, 65534, [4, 3, 2, 1])]),
        ("arrived with the report", "feedback/arrival-offset", [StreamFeedback(9, 1, [0])]),
        ("the longest time that can be told", "feedback/arrival-offset", [StreamFeedback(9, 1, [8189])]),
        ("longer ago", "feedback/long-ago", [StreamFeedback(9, 1, [LONG_AGO, 8189])]),
        ("no time", "feedback/untimed", [StreamFeedback(9, 1, [UNTIMED, 0])]),
        ("arrived in another order", "feedback/arrival-offset", [StreamFeedback(9, 1, [5, 9, 7])]),
        ("ECN marks", block, [StreamFeedback(9, 1, [9, None, 7, 6, 5], [0, 0, 1, 2, 3])]),
        ("highest SSRC and number", block, [StreamFeedback(0xFFFFFFFF, 65535, [1])]),
        ("as many as fit a datagram", block, [StreamFeedback(9, 1000, [number % 8000 for number in range(500)])]),
    ]


def _unusual() -> list[tuple[str, str, str, list[StreamFeedback]]]:
    """Legal to read, and written by nobody here."""
    return [
        (
            "bits of a packet that did not come",
            "feedback/received-bit",
            "00000009 0064 0002 7fff 8005",
            [StreamFeedback(9, 100, [None, 5])],
        ),
        (
            "padding that is not zero",
            "feedback/padding",
            "00000009 0064 0001 8005 ffff",
            [StreamFeedback(9, 100, [5])],
        ),
    ]


def _broken() -> list[tuple[str, str, bytes]]:
    block = "feedback/stream-block"
    return [
        ("without its time", block, _packet("00000007")),
        ("without anything", block, _packet("")),
        ("more packets than there are", block, _raw("00000009 0064 0008 8005 8004")),
        ("65535 packets in a few octets", "feedback/quarter-of-numbers", _raw("00000009 0064 ffff 8005 8004")),
        ("the second stream ends within its packets", block, _raw("00000009 0064 0000 0000000a 0001 0009 8001 8002")),
    ]


def _overlapping() -> list[tuple[str, str, bytes]]:
    block = "feedback/stream-block"
    return [
        ("packets up to the end, and no time", block, _packet("00000007 00000009 0064 0004 8005 8004 8003 8002")),
        ("a block of a stream that is cut by the time", block, _raw("00000009")),
        ("packets that reach into the time", block, _raw("00000009 0064 0003 8005 8004")),
    ]


def _raw(body: str) -> bytes:
    """A feedback with these octets between its sender and its time."""
    return _packet(f"{SENDER:08x} {body} {TIME:08x}")


def _packet(body: str) -> bytes:
    content = bytes.fromhex(body)
    return rtcp.header.pack(0x8B, 205, len(content) // 4) + content


# --- what it comes to -----------------------------------------------------------------------------


def _reports() -> Case:
    cases = Cases("feedback-reports", {})
    cases.group("transport", "draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1")
    for comment, reqs, sent, told in _transport_cases():
        cases.valid(comment, reqs, _given(sent, told), _out(transport_reports(sent, told)))
    cases.group("stream", SOURCE)
    for comment, reqs, sent, told in _stream_cases():
        cases.valid(comment, reqs, _given(sent, told), _out(stream_reports(sent, told)))
    return cases.finish()


Run = tuple[int, int, list[int], float]
"""SSRC (0: the number is the connection's), first number, sizes, when they left."""


def transport_reports(sent: list[Run], told: list[Any]) -> list[list[PacketReport]]:
    history = DepartureHistory()
    for _, first, sizes, at in sent:
        history.record_run(first, sizes, at)
    return [history.match(feedback) for feedback in told]


def stream_reports(sent: list[Run], told: list[Any]) -> list[list[PacketReport]]:
    history = StreamDepartureHistory()
    for ssrc, first, sizes, at in sent:
        history.record_run(ssrc, first, sizes, at)
    return [history.match(feedback) for feedback in told]


def _given(sent: list[Run], told: list[Any]) -> Case:
    departures = [
        {"ssrc": ssrc, "first_sequence": first, "sizes": sizes, "at_us": round(at * 1e6)}
        for ssrc, first, sizes, at in sent
    ]
    return {"departures": departures, "feedback": [rtcp.serialize([packet]).hex() for packet in told]}


def _out(reports: list[list[PacketReport]]) -> list[list[Case]]:
    """Reports as JSON has them: arrivals in microseconds after the first one that was told of at all."""
    arrivals = [arrival for told in reports for _, _, _, arrival in told if arrival is not None]
    first = arrivals[0] if arrivals else 0.0
    return [
        [
            {
                "sequence": number & 0xFFFF,
                "size": size,
                "sent_us": round(sent_at * 1e6),
                "received_us": None if arrival is None else round((arrival - first) * 1e6),
            }
            for number, size, sent_at, arrival in told
        ]
        for told in reports
    ]


def _transport_cases() -> list[tuple[str, str, list[Run], list[Any]]]:
    def told(base: int, reference: int, count: int, arrivals: list[int | None]) -> TransportFeedback:
        return TransportFeedback(1, 2, base, reference, count, arrivals)

    four: list[Run] = [(0, 100, [1000, 1001, 1002, 1003], 0.5)]
    return [
        ("all of four", "rtcp/twcc-small-delta", four, [told(100, 10, 0, [0, 1, 2, 3])]),
        ("one of four missing", "rtcp/twcc-vectors", four, [told(100, 10, 0, [0, None, 2, 3])]),
        (
            "missing at first, and late",
            "rtcp/twcc-reported-once",
            four,
            [told(100, 10, 0, [0, None, 2, 3]), told(101, 10, 1, [400])],
        ),
        (
            "a feedback between two lost",
            "rtcp/twcc-feedback-count",
            [(0, 100, [500] * 6, 0.5)],
            [told(100, 10, 0, [0, 4]), told(104, 12, 2, [0, 8])],
        ),
        (
            "numbers across the wrap",
            "rtcp/twcc-status-count",
            [(0, 65534, [700, 701, 702, 703], 0.5)],
            [told(65534, 10, 0, [0, 1, 2, 3])],
        ),
        (
            "the reference time across its wrap",
            "rtcp/twcc-reference-wraps",
            [(0, 1, [100] * 3, 0.1), (0, 4, [100] * 3, 0.2)],
            [told(1, 0xFFFFFF, 0, [0, 100, 200]), told(4, 0, 1, [0, 100, 200])],
        ),
        (
            "the reference time back across its wrap",
            "rtcp/twcc-reference-wraps",
            [(0, 1, [100] * 2, 0.1), (0, 3, [100] * 2, 0.2)],
            [told(1, 0, 0, [0, 4]), told(3, 0xFFFFFF, 1, [10, 20])],
        ),
        ("packets that were not sent", "rtcp/twcc-status-count", four, [told(98, 10, 0, [0, 1, 2, None, 4])]),
        (
            "two batches, the second one in another order",
            "rtcp/twcc-large-delta",
            [(0, 10, [1200] * 3, 0.1), (0, 13, [300] * 3, 0.133)],
            [told(10, 10, 0, [0, 3, 6, 200, 150, 100])],
        ),
    ]


def _stream_cases() -> list[tuple[str, str, list[Run], list[Any]]]:
    def told(time: int, *streams: StreamFeedback) -> CongestionFeedback:
        return CongestionFeedback(SENDER, time, list(streams))

    two: list[Run] = [(9, 100, [1000, 1001, 1002], 0.5), (10, 7, [160], 0.51)]
    return [
        (
            "two streams",
            "feedback/every-active-stream feedback/arrival-offset",
            two,
            [told(TIME, StreamFeedback(9, 100, [30, 29, 28]), StreamFeedback(10, 7, [20]))],
        ),
        (
            "missing at first, and late: told again with those behind it",
            "feedback/received-stays-received",
            two,
            [
                told(TIME, StreamFeedback(9, 100, [30, None, 28])),
                told(TIME + 6400, StreamFeedback(9, 101, [110, 128])),
            ],
        ),
        (
            "long ago, and without a time: neither lost nor of use",
            "feedback/long-ago feedback/untimed",
            two,
            [told(TIME, StreamFeedback(9, 100, [LONG_AGO, UNTIMED, 5]))],
        ),
        (
            "a time told later than the fact",
            "feedback/untimed",
            two,
            [told(TIME, StreamFeedback(9, 100, [UNTIMED])), told(TIME + 65536, StreamFeedback(9, 100, [512]))],
        ),
        (
            "the time across its wrap",
            "feedback/time-wraps",
            [(9, 1, [100, 100], 0.1), (9, 3, [100, 100], 0.2)],
            [
                told(0xFFFFF000, StreamFeedback(9, 1, [64, 32])),
                told(0x00001000, StreamFeedback(9, 3, [64, 32])),
            ],
        ),
        (
            "numbers across the wrap",
            "feedback/stream-block",
            [(9, 65535, [100, 101], 0.1)],
            [told(TIME, StreamFeedback(9, 65535, [4, 3]))],
        ),
        (
            "a stream that was not sent",
            "feedback/stream-block",
            two,
            [told(TIME, StreamFeedback(11, 100, [4, 3]), StreamFeedback(10, 7, [2]))],
        ),
    ]
