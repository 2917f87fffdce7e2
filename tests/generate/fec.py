"""Makes vectors/fec: FEC packets of both formats, what they are made of, and packets that come back.

Read next: tests/vectors/test_fec.py, which replays them; tests/confirm/fec.py, who else reads them so.
"""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from typing import Any

from meetref.media import fec as correction
from meetref.media.fec import Recoverer, protect, repair, without_mutable
from meetref.wire import fec, flexfec, red, rtp
from tests.generate import recordedmedia
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The packet ends too soon", "it is dropped"),
    "Defective": ("Wrong as it was published", "`corrected_by` names the case that says it right"),
}
FORMAT, MADE, BACK = "RFC 5109 section 7", "RFC 5109 section 8", "RFC 5109 section 9"
FLEXIBLE = "RFC 8627 section 4.2.2"


def fields(parity: fec.Parity) -> dict[str, Any]:
    """An FEC packet as JSON has it."""
    told = asdict(parity)
    told["levels"] = [{"covers": list(level.covers), "data": level.data.hex()} for level in parity.levels]
    return told


def parity_of(told: dict[str, Any]) -> fec.Parity:
    """The FEC packet that JSON tells of."""
    levels = [fec.Level(tuple(level["covers"]), bytes.fromhex(level["data"])) for level in told["levels"]]
    return fec.Parity(**{**told, "levels": levels})


def flexible_fields(payload: flexfec.Payload) -> dict[str, Any]:
    """A FlexFEC packet as JSON has it."""
    if isinstance(payload, flexfec.Retransmission):
        return {"kind": "retransmission", "packet": payload.packet.hex()}
    streams = [
        {"base_sequence": each.base_sequence, "covers": list(each.covers)}
        if isinstance(each, flexfec.Masked)
        else {"base_sequence": each.base_sequence, "columns": each.columns, "rows": each.rows}
        for each in payload.streams
    ]
    told = {name: value for name, value in asdict(payload).items() if name.endswith("_recovery")}
    return {"kind": "repair", **told, "streams": streams, "data": payload.data.hex()}


def flexible_of(told: dict[str, Any]) -> flexfec.Payload:
    """The FlexFEC packet that JSON tells of."""
    if told["kind"] == "retransmission":
        return flexfec.Retransmission(bytes.fromhex(told["packet"]))
    streams: list[flexfec.Masked | flexfec.Block] = [
        flexfec.Masked(each["base_sequence"], tuple(each["covers"])) if "covers" in each else flexfec.Block(**each)
        for each in told["streams"]
    ]
    plain = {name: value for name, value in told.items() if name.endswith("_recovery")}
    return flexfec.Repair(**plain, streams=streams, data=bytes.fromhex(told["data"]))


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {
        "fec/parities": _parities(),
        "fec/flexible": _flexible(),
        "fec/protection": _protection(),
        "fec/recovery": _recovery(),
    }


def media(count: int, *, first: int = 100, ssrc: int = 2, seed: int = 1) -> list[bytes]:
    """Packets of one stream, unequal in everything that FEC protects."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        packet = rtp.Packet(96, first + number & 0xFFFF, 90_000 + number // 3 * 3000, ssrc)
        packet.payload = dice.randbytes(dice.randrange(4, 40))
        packet.marker = number % 3 == 2
        if number % 4 == 1:
            packet.extensions = {5: dice.randbytes(2)}
        if number % 5 == 2:
            packet.csrcs = [dice.getrandbits(32)]
        if number % 6 == 3:
            packet.padding_size = 4
        made.append(rtp.serialize(packet))
    return made


# --- the formats ------------------------------------------------------------------------------------


def _parities() -> dict[str, Any]:
    cases = Cases("fec-parities", NOTES)
    corrections = _published(cases)
    cases.group("parse", FORMAT)
    level = fec.Level((0, 1, 3), bytes(range(30)))
    plain = fec.Parity(65530, 0x3F, 0xFF, 0xFFFFFFFF, 0xFFFF, [level])
    for comment, reqs, given in (
        ("all bits of the recovery fields", "mask protection-length", plain),
        ("one packet alone", "mask", fec.Parity(7, 0, 96, 1, 30, [fec.Level((0,), bytes(30))])),
        ("sixteen packets", "mask", replace(plain, levels=[fec.Level(tuple(range(16)), bytes(9))])),
        ("seventeen packets", "long-mask", replace(plain, levels=[fec.Level(tuple(range(17)), bytes(9))])),
        ("the first and the forty-eighth", "long-mask", replace(plain, levels=[fec.Level((0, 47), bytes(9))])),
        ("nothing but headers protected", "protection-length", replace(plain, levels=[fec.Level((0, 1), b"")])),
        ("two levels", "levels", replace(plain, levels=[level, fec.Level((0, 1, 2, 3), bytes(12))])),
        (
            "three levels with long masks",
            "levels long-mask",
            replace(plain, levels=[level, fec.Level((20,), bytes(3)), level]),
        ),
    ):
        cases.valid(comment, reqs, fec.serialize(given), fields(given), ["Canonical"])
    cases.group("parse", FORMAT)
    octets = fec.serialize(plain)
    extended = bytes([octets[0] | 0x80]) + octets[1:]
    cases.valid("the bit of extensions", "extension-bit-ignored", extended, fields(plain))
    long = octets[:1] + octets[1:12] + octets[12:14] + bytes(4) + octets[14:]
    long = bytes([long[0] | fec.LONG_MASK]) + long[1:]
    cases.valid("a long mask where a short one would do", "long-mask", long, fields(plain))
    cases.group("parse", FORMAT)
    cases.invalid("nothing", "header-required", b"", ["Truncated"])
    for size in (1, 9, 10, 13, 14, len(octets) - 1):
        comment = f"{size} of {len(octets)} octets"
        cases.invalid(comment, "header-required protection-length", octets[:size], ["Truncated"])
    for size in (14, 17, 18):
        cases.invalid(f"a long mask, {size} octets", "header-required long-mask", long[:size], ["Truncated"])
    cases.invalid("three octets behind the last level", "header-required", octets + b"\x00\x01\x80", ["Truncated"])
    cases.invalid("an empty mask", "mask-not-empty", octets[:12] + b"\x00\x00" + octets[14:])
    cases.group("parse", recordedmedia.source(FORMAT), "captured")
    for number, (_, parity) in enumerate(captured_parities(), 1):
        read = fec.parse(parity)
        cases.valid(
            f"VP8 with ULPFEC, FEC packet {number}", "mask protection-length", parity, fields(read), ["Canonical"]
        )
    data = cases.finish()
    for wrong, defects, right in corrections:
        wrong["defects"], wrong["corrected_by"] = defects, right["id"]
    return data


def _published(cases: Cases) -> list[tuple[dict[str, Any], list[str], dict[str, Any]]]:
    """RFC 5109 section 10: the fields of its figures. Payloads are not published; those are zeros."""
    cases.group("parse", "RFC 5109 section 10.1, figures 8 and 9", "published")
    first = fec.Parity(
        8, 0, 11 ^ 18 ^ 11 ^ 18, 3 ^ 5 ^ 7 ^ 9, 200 ^ 140 ^ 100 ^ 340, [fec.Level((0, 1, 2, 3), bytes(340))]
    )
    [made] = protect(example_media(), 1)
    assert fec.serialize(made)[:14] == fec.serialize(first)[:14]  # of the figures the header, and that of the level
    comment = "four packets under one level"
    cases.valid(comment, "mask protection-length", fec.serialize(first), fields(first), ["Canonical"])
    figures = [
        ("12 and 13", 3 ^ 5, 200 ^ 140, [fec.Level((0, 1), bytes(70))]),
        ("15 to 17", 7 ^ 9, 100 ^ 340, [fec.Level((2, 3), bytes(70)), fec.Level((0, 1, 2, 3), bytes(90))]),
    ]
    said = []
    for marker in (0, 0x80):
        if marker:
            cases.group("parse", "RFC 5109 section 10.2, with the marker that section 8.1 gives")
        for number, (figure, timestamp, length, levels) in enumerate(figures, 1):
            if not marker:
                cases.group("parse", f"RFC 5109 section 10.2, figures {figure}", "published")
            parity = fec.Parity(8, 0, marker | 11 ^ 18, timestamp, length, levels)
            flags = ["Canonical"] if marker else ["Canonical", "Defective"]
            comment = f"FEC packet {number} of two levels" + ("" if marker else ", as published")
            cases.valid(comment, "mask levels", fec.serialize(parity), fields(parity), flags)
            said.append(cases.last)
    why = [
        "one of the two packets of the first level has its marker set, so M recovery is 1, and the figure says 0: it "
        "takes the exclusive-or of four packets",
        "the RTP header in front, in the figure before, has its marker set, which section 7.2 forbids",
    ]
    return [(said[0], why, said[2]), (said[1], why, said[3])]


def example_media() -> list[bytes]:
    """The packets A to D of RFC 5109 section 10."""
    made = []
    for number, (kind, timestamp, size, marker) in enumerate(
        ((11, 3, 200, 1), (18, 5, 140, 0), (11, 7, 100, 1), (18, 9, 340, 0))
    ):
        payload = random.Random(number).randbytes(size)
        made.append(rtp.serialize(rtp.Packet(kind, 8 + number, timestamp, 2, payload, bool(marker))))
    return made


def _flexible() -> dict[str, Any]:
    cases = Cases("fec-flexible", NOTES)
    cases.group("flexible", FLEXIBLE)
    data = bytes(range(20))
    masks = [(0,), (0, 14), tuple(range(15)), (0, 15), (0, 45), tuple(range(46)), (0, 46), (0, 109), tuple(range(110))]
    for covers in masks:
        given = flexfec.Repair(0x3F, 0xE0, 0xFFFFFFFF, 77, [flexfec.Masked(65000, covers)], data)
        _flexible_case(
            cases, f"a mask of {len(covers)} packets, the last {covers[-1]} behind the first", "flexible-mask", given
        )
    for columns, rows in ((1, 0), (8, 0), (8, 1), (8, 4), (255, 255)):
        given = flexfec.Repair(1, 96, 5, 77, [flexfec.Block(10, columns, rows)], data)
        _flexible_case(cases, f"{columns} columns, {rows} rows", "columns-and-rows", given)
    several = flexfec.Repair(
        1, 96, 5, 77, [flexfec.Masked(10, (0, 2)), flexfec.Masked(9, (0, 60)), flexfec.Masked(8, (0,))], data
    )
    _flexible_case(cases, "three streams by masks", "flexible-streams flexible-mask", several)
    blocks = flexfec.Repair(1, 96, 5, 77, [flexfec.Block(10, 4, 0), flexfec.Block(20, 4, 3)], b"")
    _flexible_case(cases, "two streams by columns and rows", "flexible-streams columns-and-rows", blocks)
    for number, packet in enumerate(media(6), 1):
        _flexible_case(cases, f"packet {number} again", "flexible-retransmission", flexfec.Retransmission(packet))
    cases.group("flexible", FLEXIBLE)
    whole = flexfec.serialize(flexfec.Repair(1, 96, 5, 77, [flexfec.Masked(10, (0, 60))], data))
    for size in (0, 1, 7, 8, 11, 12, 15, 16, 23):
        comment = f"a long mask, {size} of {len(whole)} octets"
        cases.invalid(comment, "flexible-mask", {"hex": whole[:size].hex(), "streams": 1}, ["Truncated"])
    cases.invalid(
        "two streams, and a header of one", "flexible-streams", {"hex": whole[:26].hex(), "streams": 2}, ["Truncated"]
    )
    cases.invalid("no stream", "flexible-streams", {"hex": whole.hex(), "streams": 0})
    reserved = bytes([whole[0] | 0xC0]) + whole[1:]
    cases.invalid("R and F", "flexible-reserved-form", {"hex": reserved.hex(), "streams": 1})
    fixed = flexfec.serialize(flexfec.Repair(1, 96, 5, 77, [flexfec.Block(10, 4, 1)], data))
    no_columns = fixed[:10] + b"\x00\x00" + fixed[12:]
    cases.invalid("no columns and no rows", "flexible-no-columns", {"hex": no_columns.hex(), "streams": 1})
    empty = whole[:10] + b"\x00\x00" + data
    cases.invalid("an empty mask", "mask-not-empty", {"hex": empty.hex(), "streams": 1})
    cases.invalid(
        "a retransmission of seven octets",
        "flexible-retransmission",
        {"hex": "80600001000000", "streams": 0},
        ["Truncated"],
    )
    return cases.finish()


def _flexible_case(cases: Cases, comment: str, reqs: str, given: flexfec.Payload) -> None:
    streams = len(given.streams) if isinstance(given, flexfec.Repair) else 0
    told = {"hex": flexfec.serialize(given).hex(), "streams": streams}
    cases.valid(comment, reqs, told, flexible_fields(given), ["Canonical"])


# --- what they are for ------------------------------------------------------------------------------


def _protection() -> dict[str, Any]:
    cases = Cases("fec-protection", {})
    cases.group("protect", MADE)
    reqs = "protected-string shorter-ones-padded base-is-lowest"
    for count in (2, 3, 5, 16, 17, 48):
        _protected(cases, f"a frame of {count} packets", reqs, one_frame(media(count)))
    _protected(cases, "sequence numbers that wrap", reqs, one_frame(media(6, first=65533)))
    cases.group("protect", MADE)  # GStreamer takes no part of a frame, and no two of them
    for count in (1, 2, 3, 9):
        _protected(cases, f"{count} packets of several frames", reqs, media(count))
    gaps = [packet for place, packet in enumerate(media(14)) if place % 3]
    _protected(cases, "packets with others in between", reqs + " mask", gaps)
    cases.group("protect-flexible", "RFC 8627 section 6.2")
    for count in (1, 2, 3, 15, 16, 46, 47, 110):
        _protected_flexibly(cases, f"{count} packets", reqs + " flexible-mask", media(count))
    two = media(3, first=65534) + media(4, ssrc=9, first=7)
    _protected_flexibly(cases, "two streams", reqs + " flexible-streams", two)
    return cases.finish()


def one_frame(packets: list[bytes]) -> list[bytes]:
    """The same with a marker on the last one only."""
    last = len(packets) - 1
    return [
        packet[:1] + bytes([packet[1] & 0x7F | (0x80 if place == last else 0)]) + packet[2:]
        for place, packet in enumerate(packets)
    ]


def _protected(cases: Cases, comment: str, reqs: str, packets: list[bytes]) -> None:
    [parity] = protect(packets, 1)
    cases.valid(comment, reqs, {"packets": [each.hex() for each in packets]}, {"hex": fec.serialize(parity).hex()})


def _protected_flexibly(cases: Cases, comment: str, reqs: str, packets: list[bytes]) -> None:
    made, ssrcs = repair(packets)
    out = {"hex": flexfec.serialize(made).hex(), "ssrcs": ssrcs}
    cases.valid(comment, reqs, {"packets": [each.hex() for each in packets]}, out)


def _recovery() -> dict[str, Any]:
    notes = {"NotEnough": ("More is missing than can be computed", "nothing comes back, and nothing wrong")}
    cases = Cases("fec-recovery", notes)
    reqs = "one-missing recovered-header recovered-length"
    cases.group("recover", "RFC 5109 section 10.1; the octets of the media are ours", "published")
    example = example_media()
    for lost in range(4):
        _recovered(cases, f"without packet {'ABCD'[lost]}", reqs, example, protect(example, 1), [lost])
    cases.group("recover", BACK)
    sent = media(9, first=65530)
    for repairs in (1, 3):
        for lost in ([0], [4], [8]):
            _recovered(cases, f"{repairs} FEC packets, without {lost}", reqs, sent, protect(sent, repairs), lost)
    _recovered(cases, "three FEC packets, a burst of three", reqs, sent, protect(sent, 3), [3, 4, 5])
    long = media(48, seed=5)
    _recovered(cases, "long masks", reqs + " long-mask", long, protect(long, 2), [11, 46])
    overlapping = [protect([sent[place] for place in places], 1)[0] for places in ((0, 1, 2), (2, 3, 4), (0, 4, 5))]
    comment = "masks that overlap: what one gives, another needs"
    _recovered(cases, comment, reqs + " repeated-until-none", sent[:6], overlapping, [1, 2, 4])
    cases.group("recover", BACK)
    _recovered(cases, "two of one mask", reqs, sent, protect(sent, 3), [1, 4], ["NotEnough"])
    _recovered(cases, "nothing is lost", reqs, sent, protect(sent, 1), [])
    cases.group("recover", BACK)  # GStreamer takes what it gets
    [parity] = protect(sent, 1)
    reaching = replace(parity, levels=[fec.Level(parity.levels[0].covers, parity.levels[0].data[:3])])
    _recovered(cases, "only the beginning is protected", "recovered-length", sent, [reaching], [4], ["NotEnough"])
    wrong = replace(parity, length_recovery=parity.length_recovery ^ 0x8000)
    _recovered(
        cases, "a length that cannot be", "recovered-checked recovered-length", sent, [wrong], [4], ["NotEnough"]
    )
    _flexibly_recovered(cases)
    cases.group("recover", recordedmedia.source(BACK), "captured")
    parities = [fec.parse(octets) for _, octets in captured_parities()]
    parities = [parity for parity in parities if parity.base_sequence == parities[0].base_sequence]
    numbers = {parity.base_sequence + place & 0xFFFF for parity in parities for place in parity.levels[0].covers}
    packets = [packet for packet in captured_media() if int.from_bytes(packet[2:4]) in numbers]
    for lost in range(len(packets)):
        comment = f"VP8 with ULPFEC, without packet {lost + 1}"
        _recovered(cases, comment, reqs + " virtual-packets mutable-octets-zero", packets, parities, [lost])
    return cases.finish()


def _recovered(
    cases: Cases, comment: str, reqs: str, sent: list[bytes], parities: list[fec.Parity], lost: list[int],
    flags: list[str] | None = None,
) -> None:  # fmt: skip
    arrived = [packet for place, packet in enumerate(sent) if place not in lost]
    receiver = Recoverer()
    back = [each for packet in arrived for each in receiver.receive(packet)]
    ssrc = int.from_bytes(sent[0][8:12])
    back += [each for parity in parities for each in receiver.receive_parity(parity, ssrc)]
    assert set(back) == ({sent[place] for place in lost} if not flags else set()), comment
    given = {"ssrc": ssrc, "packets": [each.hex() for each in arrived]}
    given["repairs"] = [fec.serialize(parity).hex() for parity in parities]
    cases.valid(comment, reqs, given, {"packets": sorted(each.hex() for each in back)}, flags or ())


def _flexibly_recovered(cases: Cases) -> None:
    cases.group("recover-flexible", "RFC 8627 section 6.3")
    grid = media(12, seed=3)
    rows = [repair(grid[first : first + 4]) for first in (0, 4, 8)]
    columns = [repair(grid[first::4]) for first in range(4)]
    two = media(3, first=65534) + media(4, ssrc=9, first=7)
    for comment, sent, repairs, lost in (
        ("one of a row", grid[:4], rows[:1], [2]),
        ("one of a column", grid, columns[1:2], [5]),
        ("rows and columns, as in figure 16", grid, rows + columns, [0, 1, 9, 10]),
        ("one of two streams", two, [repair(two)], [5]),
    ):
        arrived = [packet for place, packet in enumerate(sent) if place not in lost]
        receiver = Recoverer()
        back = [each for packet in arrived for each in receiver.receive(packet)]
        back += [each for made, ssrcs in repairs for each in receiver.receive_repair(made, ssrcs)]
        assert set(back) == {sent[place] for place in lost}, comment
        told = [{"hex": flexfec.serialize(made).hex(), "ssrcs": ssrcs} for made, ssrcs in repairs]
        given = {"packets": [each.hex() for each in arrived], "repairs": told}
        out = {"packets": sorted(each.hex() for each in back)}
        cases.valid(comment, "one-missing repeated-until-none recovered-header recovered-length", given, out)


# --- what libwebrtc sent ----------------------------------------------------------------------------

CAPTURED = "VP8 with ULPFEC"
ULPFEC = 104


def captured_media() -> list[bytes]:
    """The packets that FEC protected, with zeros where the link wrote anew."""
    mutable = {
        recordedmedia.extension_id(CAPTURED, uri): first for uri, first in correction.MUTABLE.items()
    }  # fmt: skip
    packets = [red.unwrap_packet(packet) for packet in recordedmedia.packets(CAPTURED)]
    return [without_mutable(packet, mutable) for packet in packets if packet[1] & 0x7F != ULPFEC]


def captured_parities() -> list[tuple[int, bytes]]:
    """Sequence number and payload of every FEC packet."""
    packets = [rtp.parse(red.unwrap_packet(packet)) for packet in recordedmedia.packets(CAPTURED)]
    return [(packet.sequence, packet.payload) for packet in packets if packet.payload_type == ULPFEC]
