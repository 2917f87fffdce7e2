"""Makes vectors/rtcp: compounds, transport-wide feedback and extended reports, as octets and as values.

What a serializer writes comes from `wire/rtcp`; everything else is put together here octet by octet.
Read next: tests/vectors/test_rtcp.py, which replays them; tests/confirm/rtcp.py, who else reads them so.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from meetref.wire import rtcp
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the values gives these octets again"),
    "Truncated": ("A packet ends within something that it announced", "the whole datagram is dropped"),
    "ReducedSize": ("Neither a report nor a description in front", "read like any compound"),
}

BLOCK = rtcp.ReportBlock(0x11111111, 64, 1000, 0x0001FFFF, 480, 0xAABBCCDD, 65536)
SENDER = rtcp.SenderReport(0xCAFEBABE, 0xE5B0A1B2_80000000, 90_000, 1000, 1_000_000)
REPORT = rtcp.serialize([rtcp.ReceiverReport(7)])
NAME = rtcp.named(0xCAFEBABE, "alice")


def values(packets: list[rtcp.Packet]) -> list[dict[str, Any]]:
    """Packets as JSON has them: the class as `type`, octets in hexadecimal, NTP times and bitrates as text.

    Of the arrivals of a transport-wide feedback only those that are there stand in the object, by their place.
    """
    return [{"type": type(packet).__name__, **_fields(packet)} for packet in packets]


def _fields(packet: rtcp.Packet) -> dict[str, Any]:
    fields: dict[str, Any] = _plain(asdict(packet))
    if isinstance(packet, rtcp.TransportFeedback):
        fields["statuses"] = len(packet.arrivals)
        fields["arrivals"] = {str(at): ticks for at, ticks in enumerate(packet.arrivals) if ticks is not None}
    if isinstance(packet, rtcp.ExtendedReport):
        fields["blocks"] = [{"type": type(block).__name__, **_plain(asdict(block))} for block in packet.blocks]
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: str(item) if key in ("ntp", "bitrate_bps") else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {
        "rtcp/compounds": _compounds(),
        "rtcp/transport-feedback": _transport_feedback(),
        "rtcp/extended-reports": _extended_reports(),
    }


# --- compounds ------------------------------------------------------------------------------------


def _compounds() -> dict[str, Any]:
    cases = Cases("rtcp-compounds", NOTES)
    cases.group("parse", "RFC 3550 section 6, RFC 4585 section 6, RFC 5104 section 4.3.1")
    for comment, reqs, packets in [*_reports(), *_feedback()]:
        cases.valid(comment, reqs, rtcp.serialize(packets), values(packets), ["Canonical"])
    cases.group("parse", "RFC 3550 sections 6.5 to 6.7, RFC 4585 sections 6.2 and 6.3, RFC 5506")
    for comment, reqs, packets in [*_descriptions(), *_nacks(), *_unknown()]:
        flags = ["Canonical"] if "reduced" not in reqs else ["Canonical", "ReducedSize"]
        cases.valid(comment, reqs, rtcp.serialize(packets), values(packets), flags)
    cases.group("parse", "RFC 5104 section 4.3.1")
    _unusual_requests(cases)
    cases.group("parse", "RFC 3550 section 6.1")
    _padded(cases)
    cases.group("parse", "RFC 3550 section 6.4.3")
    _profile_extension(cases)
    cases.group("parse", "RFC 3550 section 6.1")
    _broken(cases)
    cases.group("parse", "RFC 3550 section 6.5, RFC 4585 section 6, RFC 5104 section 4.3.1")
    _broken_inside(cases)
    return cases.finish()


def _reports() -> list[tuple[str, str, list[rtcp.Packet]]]:
    bounds = [
        rtcp.ReportBlock(1, 0, -1, 0, 0),
        rtcp.ReportBlock(2, 255, 0x7FFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        rtcp.ReportBlock(3, 1, -0x800000, 1, 1, 1, 1),
    ]
    full = rtcp.SenderReport(0xFFFFFFFF, 2**64 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, [BLOCK])
    many = [rtcp.ReportBlock(number, number, number, number, number) for number in range(31)]
    return [
        ("sender report without blocks", "sender-report", [SENDER]),
        ("sender report, numbers at their upper bound", "sender-report", [full]),
        ("receiver report without blocks", "receiver-report", [rtcp.ReceiverReport(7)]),
        ("receiver report, one block", "receiver-report", [rtcp.ReceiverReport(7, [BLOCK])]),
        ("losses: -1, most, least", "receiver-report cumulative-lost", [rtcp.ReceiverReport(7, bounds)]),
        ("receiver report, 31 blocks", "receiver-report", [rtcp.ReceiverReport(7, many)]),
        ("report and description", "sender-report cname", [SENDER, NAME]),
        ("report, description and goodbye", "goodbye cname", [SENDER, NAME, rtcp.Goodbye([0xCAFEBABE])]),
    ]


def _feedback() -> list[tuple[str, str, list[rtcp.Packet]]]:
    receiver = rtcp.ReceiverReport(7, [BLOCK])
    remb = "remb-identifier remb-rate remb-media-ssrc-zero"
    fir = "feedback-head fir-entries fir-reserved-zero fir-media-ssrc-zero"
    return [
        ("one packet lost", "feedback-head nack-bitmask nack-not-empty", [receiver, rtcp.Nack(7, 9, [100])]),
        ("a packet and all sixteen behind it", "nack-bitmask", [receiver, rtcp.Nack(7, 9, list(range(100, 117)))]),
        ("the first and the last of a mask", "nack-bitmask", [receiver, rtcp.Nack(7, 9, [100, 101, 116])]),
        ("one more than a mask can tell", "nack-bitmask", [receiver, rtcp.Nack(7, 9, [100, 117])]),
        ("several entries", "nack-bitmask", [receiver, rtcp.Nack(7, 9, [1, 3, 40, 41, 42, 5000])]),
        ("picture loss", "feedback-head pli-is-bare", [receiver, rtcp.PictureLoss(7, 9)]),
        ("full intra request", fir, [receiver, rtcp.FullIntra(7, [(9, 1)])]),
        ("full intra requests to two", fir, [receiver, rtcp.FullIntra(7, [(9, 255), (10, 0)])]),
        ("REMB of 0", remb, [receiver, rtcp.ReceiverEstimate(7, 0, [9])]),
        ("REMB that needs no exponent", remb, [receiver, rtcp.ReceiverEstimate(7, 0x3FFFF, [9])]),
        ("REMB that needs one", remb, [receiver, rtcp.ReceiverEstimate(7, 0x40000, [9, 10, 11])]),
        ("REMB of no sources", remb, [receiver, rtcp.ReceiverEstimate(7, 2_500_000, [])]),
        ("REMB at its upper bound", remb, [receiver, rtcp.ReceiverEstimate(7, 0x3FFFF << 63, [9])]),
    ]


def _descriptions() -> list[tuple[str, str, list[rtcp.Packet]]]:
    reqs = "sdes-chunk-alignment"
    cases: list[tuple[str, str, list[rtcp.Packet]]] = [
        (f"CNAME of {size} octets", reqs, [SENDER, rtcp.named(5, "x" * size)]) for size in (0, 1, 2, 3, 4, 255)
    ]
    two = [rtcp.Chunk(5, [(1, b"alice"), (2, b"Alice")]), rtcp.Chunk(6, [(1, b"bob")])]
    cases += [
        ("two chunks, three items", reqs, [SENDER, rtcp.SourceDescription(two)]),
        ("chunk without items", reqs, [SENDER, rtcp.SourceDescription([rtcp.Chunk(5)])]),
        ("no chunks", reqs, [SENDER, rtcp.SourceDescription([])]),
    ]
    for size in (1, 3, 4, 255):
        cases.append((f"goodbye, reason of {size} octets", "goodbye", [SENDER, rtcp.Goodbye([5], b"r" * size)]))
    cases.append(("goodbye to 31", "goodbye", [SENDER, rtcp.Goodbye(list(range(31)))]))
    cases.append(("goodbye to nobody", "goodbye", [SENDER, rtcp.Goodbye([])]))
    return cases


def _nacks() -> list[tuple[str, str, list[rtcp.Packet]]]:
    return [
        ("mask across the wrap", "nack-bitmask reduced-size", [rtcp.Nack(7, 9, [65535, 0, 15])]),
        ("entries in falling order", "nack-bitmask reduced-size", [rtcp.Nack(7, 9, [200, 100])]),
        ("NACK and picture loss alone", "reduced-size", [rtcp.Nack(7, 9, [1]), rtcp.PictureLoss(7, 9)]),
    ]


def _unknown() -> list[tuple[str, str, list[rtcp.Packet]]]:
    reqs = "unknown-types-ignored"
    head = bytes.fromhex("0000000700000009")
    return [
        ("application packet", reqs, [SENDER, rtcp.Unknown(204, head[:4] + b"meetdata", 3), NAME]),
        (
            "extended report: receiver reference time",
            "reference-time",
            [SENDER, rtcp.ExtendedReport(7, [rtcp.ReferenceTime(0xE5B0A1B2_80000000)])],
        ),
        ("transport feedback of another format", reqs, [SENDER, rtcp.Unknown(205, head + bytes(8), 3)]),
        ("slice loss", reqs, [SENDER, rtcp.Unknown(206, head + bytes(4), 2)]),
        (
            "application feedback other than REMB",
            f"{reqs} remb-identifier",
            [SENDER, rtcp.Unknown(206, head + b"MEET" + bytes(4), 15)],
        ),
    ]


def _unusual_requests(cases: Cases) -> None:
    """Legal, and written by nobody here."""
    wanted: list[rtcp.Packet] = [rtcp.ReceiverReport(7), rtcp.FullIntra(7, [(9, 1)])]
    reserved = REPORT + bytes.fromhex("84ce0004 00000007 00000000 00000009 01ffffff")
    cases.valid("reserved bits of a FIR", "fir-reserved-zero", reserved, values(wanted))
    media = REPORT + bytes.fromhex("84ce0004 00000007 00000009 00000009 01000000")
    cases.valid("media SSRC in the head of a FIR", "fir-media-ssrc-zero", media, values(wanted))


def _padded(cases: Cases) -> None:
    """What tshark 4.0 calls malformed, since it looks for content in the padding."""
    wanted: list[rtcp.Packet] = [rtcp.ReceiverReport(7), rtcp.PictureLoss(7, 9)]
    for size in (4, 8):
        length = 2 + size // 4
        data = bytes.fromhex(f"a1ce{length:04x} 00000007 00000009") + bytes(size - 1) + bytes([size])
        cases.valid(f"{size} octets of padding on the last packet", "padding-count", REPORT + data, values(wanted))
    first = bytes.fromhex("a0c90002 00000007 00000004 81ce0002 00000007 00000009")
    cases.acceptable("padding on the first packet", "padding-count", first, values(wanted))


def _profile_extension(cases: Cases) -> None:
    """What aiortc 1.16 refuses, and tshark 4.0 takes for an extension of Microsoft's."""
    profile = bytes.fromhex("80c80007") + rtcp.serialize([SENDER])[4:] + b"\x01\x02\x03\x04"
    cases.valid("profile extension behind a report", "profile-extension-ignored", profile, values([SENDER]))


def _broken(cases: Cases) -> None:
    for size in (1, 2, 3):
        cases.invalid(f"{size} octets", "lengths-add-up", REPORT[:size], ["Truncated"])
    for version in (0, 1, 3):
        cases.invalid(f"version {version}", "version", bytes([version << 6]) + REPORT[1:])
        cases.invalid(f"second packet has version {version}", "version", REPORT + bytes([version << 6]) + REPORT[1:])
    cases.invalid("ends within its first packet", "lengths-add-up", REPORT[:-1], ["Truncated"])
    cases.invalid("ends within its second packet", "lengths-add-up", REPORT + REPORT[:-4], ["Truncated"])
    cases.invalid("octets behind the last packet", "lengths-add-up", REPORT + b"\x80\xc9\x00")
    cases.invalid("padding of 0 octets", "padding-count", bytes.fromhex("a0c90001 00000000"))
    cases.invalid("padding that reaches into the header", "padding-count", bytes.fromhex("a0c90001 00000005"))
    cases.invalid("padding bit and no body", "padding-count", bytes.fromhex("a0c90000"))
    cases.invalid("receiver report without its SSRC", "receiver-report", bytes.fromhex("80c90000"), ["Truncated"])
    cases.invalid(
        "receiver report with fewer blocks than it counts",
        "receiver-report",
        bytes.fromhex("81c90001 00000007"),
        ["Truncated"],
    )
    short = bytes.fromhex("80c80005") + rtcp.serialize([SENDER])[4:24]
    cases.invalid("sender report without its octet count", "sender-report", short, ["Truncated"])
    cases.invalid("goodbye to fewer than it counts", "goodbye", bytes.fromhex("82cb0001 00000007"), ["Truncated"])
    cases.invalid(
        "SDES item longer than its packet",
        "sdes-items-within-bounds",
        bytes.fromhex("81ca0002 00000007 0103610a"),
        ["Truncated"],
    )
    cases.invalid(
        "SDES of fewer chunks than it counts", "sdes-items-within-bounds", bytes.fromhex("81ca0000"), ["Truncated"]
    )
    for packet_type in ("cd", "ce"):
        cases.invalid(
            f"feedback of type {packet_type} without its media SSRC",
            "feedback-head",
            bytes.fromhex(f"81{packet_type}0001 00000007"),
            ["Truncated"],
        )


def _broken_inside(cases: Cases) -> None:
    """What aiortc 1.16 takes, or leaves to its caller."""
    cases.invalid("nothing", "lengths-add-up", b"", ["Truncated"])
    cases.invalid(
        "SDES item without its end", "sdes-chunk-alignment", bytes.fromhex("81ca0002 00000007 01026162"), ["Truncated"]
    )
    cases.invalid(
        "reason longer than its packet", "goodbye", bytes.fromhex("81cb0002 00000007 04616263"), ["Truncated"]
    )
    cases.invalid("NACK of nothing", "nack-not-empty", bytes.fromhex("81cd0002 00000007 00000009"))
    cases.invalid(
        "NACK with half an entry", "nack-bitmask", bytes.fromhex("a1cd0003 00000007 00000009 00010002"), ["Truncated"]
    )
    cases.invalid("PLI with an entry", "pli-is-bare", bytes.fromhex("81ce0003 00000007 00000009 00000000"))
    cases.invalid("FIR of nobody", "fir-entries", bytes.fromhex("84ce0002 00000007 00000000"))
    cases.invalid(
        "FIR with half an entry", "fir-entries", bytes.fromhex("84ce0003 00000007 00000000 00000009"), ["Truncated"]
    )
    cases.invalid(
        "REMB of fewer sources than it counts",
        "remb-identifier",
        bytes.fromhex("8fce0005 00000007 00000000 52454d42 02000001 00000009"),
        ["Truncated"],
    )


# --- transport-wide feedback ----------------------------------------------------------------------


def _transport_feedback() -> dict[str, Any]:
    cases = Cases("rtcp-transport-feedback", NOTES)
    source = "draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1"
    cases.group("parse", source)
    for comment, reqs, packet in _feedbacks():
        cases.valid(comment, reqs, rtcp.serialize([packet]), values([packet]), ["Canonical"])
    cases.group("parse", source)
    for comment, reqs, body, arrivals, *base in _chosen_chunks():
        wanted = rtcp.TransportFeedback(7, 9, base[0] if base else 100, 0x010203, 4, arrivals)
        cases.valid(comment, reqs, _twcc(len(arrivals), body, *base), values([wanted]))
    for size in (5, 4, 3):
        feedback = rtcp.TransportFeedback(7, 9, 100, 0x010203, 4, list(range(5, 5 + size)))
        data = _twcc(size, f"200{size} 05" + "01" * (size - 1), padding=6 - size)
        comment = f"padding under the P bit as libwebrtc writes it, octets: {6 - size}"
        cases.valid(comment, "padding-count", data, values([feedback]))
    cases.group("parse", source)
    for comment, reqs, body in (
        ("runs of no length", "twcc-run-length", "2000 0000 2002 0102"),
        ("run that is longer than the feedback", "twcc-surplus-symbols", "3fff 0102"),
        ("surplus symbols that are set", "twcc-surplus-symbols", "bfff 0102"),
    ):
        wanted = rtcp.TransportFeedback(7, 9, 100, 0x010203, 4, [1, 3])
        cases.acceptable(comment, reqs, _twcc(2, body), values([wanted]))
    _broken_feedback(cases)
    return cases.finish()


def _feedbacks() -> list[tuple[str, str, rtcp.TransportFeedback]]:
    def made(arrivals: list[int | None], **more: int) -> rtcp.TransportFeedback:
        given = {"base_sequence": 100, "reference_time": 0x010203, "count": 4, **more}
        return rtcp.TransportFeedback(7, 9, arrivals=arrivals, **given)

    small, large = "twcc-small-delta", "twcc-large-delta"
    every_third: list[int | None] = [number if number % 3 else None for number in range(42)]
    mixed: list[int | None] = [0, None, 300, 301, None, None, 900, 901]
    return [
        ("one packet, at the reference time", f"{small} twcc-status-count", made([0])),
        ("run of small deltas", f"{small} twcc-run-length", made(list(range(0, 200, 10)))),
        ("smallest and largest small delta", small, made([255, 255, 510])),
        ("smallest large delta", large, made([256])),
        ("largest and smallest large delta", large, made([0x7FFF, -1])),
        ("largest negative delta", large, made([0, -0x8000])),
        ("arrivals in another order", large, made([40, 20, 30])),
        ("losses among small deltas", "twcc-vectors", made(every_third)),
        ("losses among deltas of both kinds", f"twcc-vectors {large}", made(mixed)),
        (
            "seven of two bits and one more",
            "twcc-vectors twcc-surplus-symbols",
            made([0, 300, 301, 601, 602, 902, 903, 1203]),
        ),
        ("first packet lost", "twcc-vectors", made([None, 5, 6])),
        ("long loss", "twcc-run-length", made([0, *([None] * 1000), 10])),
        ("run longer than a chunk can tell", "twcc-run-length", made([None] * 8191 + [1])),
        ("numbers across the wrap", "twcc-status-count", made([1, 2, 3, 4], base_sequence=65534)),
        ("reference time before its wrap", "twcc-reference-wraps", made([0], reference_time=0xFFFFFF)),
        ("reference time after its wrap", "twcc-reference-wraps", made([0], reference_time=0)),
        ("last count", "twcc-feedback-count", made([0], count=255)),
    ]


def _twcc(status_count: int, body: str, base: int = 100, padding: int = 0) -> bytes:
    """A feedback with exactly these chunks and deltas, filled with zeros, or with `padding` octets under the P bit."""
    content = bytes.fromhex(f"00000007 00000009 {base:04x} {status_count:04x} 010203 04 {body}")
    if padding:
        content += bytes(padding - 1) + bytes([padding])
    content += bytes(-len(content) % 4)
    return rtcp.header.pack((0xA0 if padding else 0x80) | 15, 205, len(content) // 4) + content


def _chosen_chunks() -> list[Any]:
    """Chunks that our serializer would not choose; the first three are figures of the document."""
    five, three = [1, 2, 3, 4, 5], [6, 7, 8]
    figure = [None, *five, None, None, None, *three, None, None]
    return [
        ("figure: run of 221 not received, and one received", "twcc-run-length", "00dd 2001 05", [None] * 221 + [5]),
        ("figure: vector of one-bit symbols", "twcc-vectors", "9f1c 0101010101 010101", figure),
        ("vector of two-bit symbols", "twcc-vectors", "d550 01 01 01 01 01", [*five, None, None]),
        ("one packet a chunk", "twcc-run-length", "2001 0001 4001 01 ffff", [1, None, 0]),
        ("small delta told as a large one", "twcc-large-delta", "4001 0005", [5]),
    ]


def _broken_feedback(cases: Cases) -> None:
    cases.invalid("of no packets", "twcc-status-count", _twcc(0, "0000 0000"))
    cases.acceptable(
        "of 8193 packets: more than we believe",
        "twcc-status-count",
        _twcc(8193, "1fff 0002"),
        values([rtcp.TransportFeedback(7, 9, 100, 0x010203, 4, [None] * 8193)]),
    )
    cases.invalid("ends before its chunks", "twcc-status-count", _twcc(1, ""), ["Truncated"])
    cases.invalid("fewer chunks than packets", "twcc-status-count", _twcc(100, "2001 2001"), ["Truncated"])
    cases.invalid("fewer deltas than packets", "twcc-small-delta", _twcc(7, "2007 0101"), ["Truncated"])
    cases.invalid("half of a large delta", "twcc-large-delta", _twcc(2, "4002 0001"), ["Truncated"])
    cases.invalid("reserved symbol in a run", "twcc-reserved-symbol", _twcc(24, "6018 0000"))
    cases.invalid("reserved symbol in a vector", "twcc-reserved-symbol", _twcc(7, "f000 0000"))
    cases.invalid("without its media SSRC", "feedback-head", bytes.fromhex("8fcd0001 00000007"), ["Truncated"])


# --- extended reports -----------------------------------------------------------------------------


def _extended_reports() -> dict[str, Any]:
    cases = Cases("rtcp-extended-reports", NOTES)
    source = "RFC 3611 sections 2, 3, 4.4 and 4.5"
    cases.group("parse", source)
    for comment, reqs, packets in _clocks_and_delays():
        cases.valid(comment, reqs, rtcp.serialize(packets), values(packets), ["Canonical"])
    cases.group("parse", source)
    _passed_over(cases)
    cases.group("parse", "RFC 3611 sections 3 and 4.5")
    nobody = values([rtcp.ExtendedReport(7, [rtcp.ReferenceDelays([])])])
    cases.acceptable("delays of nobody", "reference-delays", _extended("05000000"), nobody)
    cases.group("parse", source)
    _broken_blocks(cases)
    cases.group("parse", source)
    _long_blocks(cases)
    return cases.finish()


def _clocks_and_delays() -> list[tuple[str, str, list[rtcp.Packet]]]:
    clock, receiver = rtcp.ReferenceTime(0xE5B0A1B2_80000000), rtcp.ReceiverReport(7, [BLOCK])
    one = rtcp.ReferenceDelay(7, 0xA1B28000, 0x00008000)
    bounds = [rtcp.ReferenceDelay(0, 0, 0), rtcp.ReferenceDelay(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)]
    many = [rtcp.ReferenceDelay(number, number << 16, number) for number in range(1, 32)]
    asked = rtcp.ExtendedReport(7, [clock])
    return [
        ("a receiver tells its clock", "reference-time", [receiver, rtcp.named(7, "bob"), asked]),
        ("time since an instant of its own", "reference-time", [rtcp.ExtendedReport(7, [rtcp.ReferenceTime(1 << 32)])]),
        ("no time", "reference-time", [rtcp.ExtendedReport(7, [rtcp.ReferenceTime(0)])]),
        ("latest time", "reference-time", [rtcp.ExtendedReport(0xFFFFFFFF, [rtcp.ReferenceTime(2**64 - 1)])]),
        ("an answer", "reference-delays", [SENDER, NAME, rtcp.ExtendedReport(9, [rtcp.ReferenceDelays([one])])]),
        ("answers at the bounds", "reference-delays", [rtcp.ExtendedReport(9, [rtcp.ReferenceDelays(bounds)])]),
        ("answers to 31", "reference-delays", [rtcp.ExtendedReport(9, [rtcp.ReferenceDelays(many)])]),
        (
            "clock and answer in one report",
            "reference-time reference-delays",
            [rtcp.ExtendedReport(9, [clock, rtcp.ReferenceDelays([one])])],
        ),
        ("no blocks", "extended-block-lengths", [rtcp.ExtendedReport(9)]),
    ]


def _extended(blocks: str, count: int = 0) -> bytes:
    content = bytes.fromhex(f"00000007 {blocks}")
    return rtcp.header.pack(0x80 | count, 207, len(content) // 4) + content


def _passed_over(cases: Cases) -> None:
    clock = rtcp.ReferenceTime(0xE5B0A1B2_80000000)
    written, wanted = "04000002 e5b0a1b2 80000000", values([rtcp.ExtendedReport(7, [clock])])
    losses = "01000003 00000009 00640066 c0000000"
    calls = "07000008 00000009 00000000 00000000 00000000 00000000 7f7f7f7f 7f100000 00000000"
    future, reqs = "ff000001 00000000", "extended-unknown-blocks"
    cases.valid("a block of a type of the future in front", reqs, _extended(f"{future} {written}"), wanted)
    cases.valid("an empty one in front", reqs, _extended(f"ff000000 {written}"), wanted)
    cases.valid("a run of losses in front", reqs, _extended(f"{losses} {written}"), wanted)
    cases.valid("figures of a telephone behind", reqs, _extended(f"{written} {calls}"), wanted)
    cases.valid("nothing else", reqs, _extended(future), values([rtcp.ExtendedReport(7)]))
    reserved = "extended-reserved-bits"
    cases.valid("reserved bits of the packet", reserved, _extended(written, 31), wanted)
    cases.valid("reserved bits of a block", reserved, _extended(f"04ff{written[4:]}"), wanted)


def _broken_blocks(cases: Cases) -> None:
    lengths, time, delays = "extended-block-lengths", "reference-time", "reference-delays"
    cases.invalid("without an SSRC", lengths, bytes.fromhex("80cf0000"), ["Truncated"])
    cases.invalid("half a clock", time, _extended("04000001 e5b0a1b2"), ["Truncated"])
    cases.invalid("no clock", time, _extended("04000000"), ["Truncated"])
    cases.invalid("a delay without its time", delays, _extended("05000002 00000007 a1b28000"), ["Truncated"])
    half = _extended("05000004 00000007 a1b28000 00008000 00000008")
    cases.invalid("half a second delay", delays, half, ["Truncated"])


def _long_blocks(cases: Cases) -> None:
    """What Pion's library 1.2.20 cuts, and takes."""
    lengths = "extended-block-lengths"
    cases.invalid("block longer than its packet", lengths, _extended("04000003 e5b0a1b2 80000000"), ["Truncated"])
    cases.invalid("unknown block longer than its packet", lengths, _extended("ff00ffff"), ["Truncated"])
    cases.invalid("a clock and more", "reference-time", _extended("04000003 e5b0a1b2 80000000 00000000"))
