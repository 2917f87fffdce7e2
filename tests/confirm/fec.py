"""Who else makes and uses FEC as vectors/fec: GStreamer, and libwebrtc, whose stream it is.

Stands above `tests/confirm/mediareaders.py` and `witness.py`; see `tests/confirm/rtp.py` for when a witness confirms.
No implementation here gives out the fields of an FEC packet, so the format is confirmed by what is made of it; none
speaks FlexFEC as RFC 8627 has it (Pion's FlexEncoder20 leaves the header out).
Read next: tests/generate/fec.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import fec, rtp
from tests.confirm import mediareaders as readers
from tests.confirm.witness import Case, Witness, asked, one_by_one, package
from tests.generate import fec as generate

GSTREAMER = {
    "protect": "rtpulpfecenc makes the same FEC packet for the same packets, the last one with a marker",
    "recover": "rtpulpfecdec gives the same packets back, each asked for as lost, or none",
}
LIBWEBRTC = {"recover": "it sent these; what comes back is what it had sent, but for octets that links write anew"}
MARKER = 0x80


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("GStreamer", readers.gstreamer_version, GSTREAMER, _ask_gstreamer),
        Witness("libwebrtc", package("wrtc"), LIBWEBRTC, one_by_one(_ask_libwebrtc)),
    )


def _ask_gstreamer(operation: str, cases: list[Case]) -> None:
    for case in cases:
        if operation == "protect":
            _protected(case)
        else:
            _recovered(case)


def _protected(case: Case) -> None:
    """It protects whole frames, which end with a marker: one such, and as much FEC as makes one packet of it."""
    packets, out = case["in"]["packets"], bytes.fromhex(case["out"]["hex"])
    markers = [bytes.fromhex(packet)[1] & MARKER for packet in packets]
    assert not any(markers[:-1]), f"GStreamer takes {case['id']} for several frames"
    assert markers[-1], f"GStreamer waits for the end of the frame in {case['id']}"
    question = {"what": "protect", "packets": packets, "percentage": -(-100 // len(packets))}
    [said] = readers.ask_gstreamer([question])
    assert [bytes.fromhex(packet)[12:] for packet in said["packets"]] == [out], (
        f"GStreamer makes {case['id']} otherwise"
    )


def _recovered(case: Case) -> None:
    """FEC follows the media in one row of sequence numbers, as senders of both have it."""
    given = case["in"]
    packets = [bytes.fromhex(packet) for packet in given["packets"]]
    repairs = [bytes.fromhex(payload) for payload in given["repairs"]]
    covered = {
        parity.base_sequence + place & 0xFFFF for parity in map(fec.parse, repairs) for place in parity.levels[0].covers
    }
    arrived = {int.from_bytes(packet[2:4]) for packet in packets}
    first = int.from_bytes(packets[0][2:4])
    following = max((number - first + 0x8000 & 0xFFFF for number in covered | arrived), default=0) - 0x8000 + first + 1
    sent = [
        rtp.serialize(
            rtp.Packet(104, following + number & 0xFFFF, int.from_bytes(packets[-1][4:8]), given["ssrc"], each)
        )
        for number, each in enumerate(repairs)
    ]
    question: dict[str, Any] = {
        "what": "recover",
        "packets": given["packets"],
        "repairs": [each.hex() for each in sent],
    }
    question["type"] = bytes.fromhex((case["out"]["packets"] or given["packets"])[0])[1] & 0x7F
    questions = [{**question, "missing": missing} for missing in sorted(covered - arrived)]
    back = [packet for said in readers.ask_gstreamer(questions) for packet in said["packets"]] if questions else []
    assert sorted(back) == case["out"]["packets"], f"GStreamer gives other packets back for {case['id']}"


def _ask_libwebrtc(operation: str, case: Case) -> None:
    """Its packets as they arrived, with zeros where a link wrote, are all that may be there or come back."""
    assert case["comment"].startswith(generate.CAPTURED), "not a stream of libwebrtc"
    sent = {packet.hex() for packet in generate.captured_media()}
    assert set(case["in"]["packets"]) | set(case["out"]["packets"]) <= sent, f"libwebrtc never sent that: {case['id']}"
    assert len(case["out"]["packets"]) == 1, case["id"]
    assert case["out"]["packets"][0] not in case["in"]["packets"], case["id"]
    made = {payload.hex() for _, payload in generate.captured_parities()}
    assert set(case["in"]["repairs"]) <= made, f"libwebrtc never made that: {case['id']}"
