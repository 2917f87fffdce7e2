"""Who else reads vectors/rtp as we do: aiortc's RTP module and tshark.

A witness confirms a group when it agrees with every case of it. Stands above `tests/confirm/dissection.py` (tshark) and
`witness.py` (what an entry is).
Read next: tests/generate/rtp.py.
"""

from __future__ import annotations

from typing import Any

from tests.confirm import dissection
from tests.confirm.witness import Case, Witness, asked, one_by_one, package

AIORTC = {
    "parse": "RtpPacket.parse and unpack_header_extensions give the same fields, or refuse an invalid packet",
    "retransmission": "wrap_rtx gives the same octets, extensions aside",
    "original": "unwrap_rtx gives the same octets, extensions aside",
}
TSHARK = {"parse": "dissected as RTP: same fields, nothing malformed"}
FIELDS = (
    *("rtp.p_type", "rtp.marker", "rtp.seq", "rtp.timestamp", "rtp.ssrc", "rtp.csrc.item", "rtp.payload"),
    *("rtp.padding.count", "rtp.ext.profile", "rtp.ext.rfc5285.id", "rtp.ext.rfc5285.data", "rtp.hdr_ext"),
)


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
    )


def _ask_aiortc(operation: str, case: Case) -> None:
    from aiortc import rtp

    given = case["in"]
    data = bytes.fromhex(given["hex"])
    if operation == "parse" and case["result"] == "invalid":
        assert _aiortc_refuses(data), f"aiortc takes {case['id']}"
    elif operation == "parse":
        assert _aiortc_fields(data, case["out"]) == case["out"], f"aiortc reads {case['id']} otherwise"
    elif operation == "retransmission":
        repeated = rtp.wrap_rtx(rtp.RtpPacket.parse(data), given["payload_type"], given["sequence"], given["ssrc"])
        _same_but_extension(repeated, case)
    else:
        assert case["result"] != "invalid", "aiortc does not look"
        _same_but_extension(rtp.unwrap_rtx(rtp.RtpPacket.parse(data), given["payload_type"], given["ssrc"]), case)


def _same_but_extension(packet: Any, case: Case) -> None:
    """aiortc keeps only extensions that it was told of, so those are left out on both sides."""
    from meetref.wire import rtp

    wanted = rtp.parse(bytes.fromhex(case["out"]["hex"]))
    wanted.extension_profile, wanted.extensions = None, {}
    assert packet.serialize() == rtp.serialize(wanted), f"aiortc makes {case['id']} otherwise"


def _aiortc_refuses(data: bytes) -> bool:
    from aiortc import rtp

    try:
        rtp.RtpPacket.parse(data)
        if data[0] & 0x10:
            rtp.unpack_header_extensions(int.from_bytes(data[12:14]), data[16 : 16 + int.from_bytes(data[14:16]) * 4])
    except ValueError:
        return True
    return False


def _aiortc_fields(data: bytes, wanted: dict[str, Any]) -> dict[str, Any]:
    from aiortc import rtp

    packet = rtp.RtpPacket.parse(data)
    seen = {
        "payload_type": packet.payload_type,
        "marker": bool(packet.marker),
        "sequence": packet.sequence_number,
        "timestamp": packet.timestamp,
        "ssrc": packet.ssrc,
        "csrcs": packet.csrc,
        "payload": packet.payload.hex(),
        "padding_size": packet.padding_size,
        "extension_body": wanted["extension_body"],  # of which it says nothing
    }
    profile, extensions = None, []
    if data[0] & 0x10:
        at = 12 + 4 * len(packet.csrc)
        profile = int.from_bytes(data[at : at + 2])
        body = data[at + 4 : at + 4 + int.from_bytes(data[at + 2 : at + 4]) * 4]
        extensions = [[number, value.hex()] for number, value in rtp.unpack_header_extensions(profile, body)]
    return {**seen, "extension_profile": profile, "extensions": extensions}


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    assert all("out" in case for case in cases), "tshark refuses nothing"
    rows = dissection.dissect([bytes.fromhex(case["in"]["hex"]) for case in cases], "rtp", FIELDS)
    for case, row in zip(cases, rows, strict=True):
        assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
        seen, wanted = _tshark_fields(row), case["out"]
        # An empty element has no data field, so values are compared only as a sequence.
        expected = {**wanted, "extensions": [value for _, value in wanted["extensions"] if value]}
        assert seen == {**expected, "ids": [number for number, _ in wanted["extensions"]]}, case["id"]


def _tshark_fields(row: dissection.Row) -> dict[str, Any]:
    number = dissection.numbers
    return {
        "payload_type": number(row["rtp.p_type"])[0],
        "marker": bool(number(row["rtp.marker"])[0]),
        "sequence": number(row["rtp.seq"])[0],
        "timestamp": number(row["rtp.timestamp"])[0],
        "ssrc": number(row["rtp.ssrc"])[0],
        "csrcs": number(row["rtp.csrc.item"]),
        "payload": "".join(row["rtp.payload"]).replace(":", ""),
        "padding_size": sum(number(row["rtp.padding.count"])),
        "extension_profile": number(row["rtp.ext.profile"])[0] if row["rtp.ext.profile"] else None,
        "extensions": [value.replace(":", "") for value in row["rtp.ext.rfc5285.data"]],
        "ids": number(row["rtp.ext.rfc5285.id"]),
        "extension_body": "".join(f"{word:08x}" for word in number(row["rtp.hdr_ext"])),
    }
