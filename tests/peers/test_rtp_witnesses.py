"""aiortc and tshark read what we write, and confirm the vectors as far as the vectors say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetref.wire import rtcp, rtp, vp8
from tests.confirm import dissection
from tests.confirm import rtcp as confirm_rtcp
from tests.confirm import rtp as confirm_rtp
from tests.confirm import vp8 as confirm_vp8

VECTORS = Path(__file__).parent.parent.parent / "vectors"
SETS = [
    ("rtp/packets", confirm_rtp.confirm),
    ("rtp/retransmission", confirm_rtp.confirm),
    ("rtcp/compounds", confirm_rtcp.confirm),
    ("rtcp/transport-feedback", confirm_rtcp.confirm),
    ("vp8/descriptors", confirm_vp8.confirm),
    ("vp8/keyframes", confirm_vp8.confirm),
    ("vp8/picture-ids", confirm_vp8.confirm),
]


@pytest.mark.peer("aiortc", "tshark")
@pytest.mark.parametrize(("name", "confirm"), SETS, ids=[name for name, _ in SETS])
def test_whoever_is_said_to_have_confirmed_still_does(
    name: str, confirm: Callable[[str, dict[str, Any]], list[dict[str, Any]]]
) -> None:
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    said = {
        (number, witness["implementation"])
        for number, group in enumerate(data["groups"])
        for witness in group["verified_by"]
    }
    assert said
    assert said <= {(entry["group"], entry["implementation"]) for entry in confirm(name, data)}


@pytest.mark.peer("aiortc")
def test_aiortc_reads_our_packet_and_we_read_its() -> None:
    from aiortc import RTCRtpHeaderExtensionParameters, RTCRtpParameters
    from aiortc.rtp import HeaderExtensionsMap, RtpPacket

    ids = {"mid": 1, "audio-level": 2, "transport-sequence": 5}
    known = HeaderExtensionsMap()
    known.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=number, uri=rtp.EXTENSIONS[name]) for name, number in ids.items()
            ]
        )
    )
    ours = rtp.Packet(111, 1, 2, 3, b"sound", marker=True, extension_profile=rtp.ONE_BYTE)
    ours.extensions = {1: b"0", 2: b"\x9e", 5: b"\x12\x34"}
    theirs = RtpPacket.parse(rtp.serialize(ours), known)
    assert theirs.extensions.mid == "0"
    assert theirs.extensions.audio_level == rtp.audio_level(0x9E) == (True, 30)
    assert theirs.extensions.transport_sequence_number == 0x1234
    assert rtp.parse(theirs.serialize(known)) == ours


@pytest.mark.peer("tshark")
def test_tshark_follows_a_video_stream_with_its_control() -> None:
    frame = vp8.Descriptor(start=True, picture_id=1, long_picture_id=True, tl0_picture_index=0, temporal_layer=0)
    packets = []
    for number in range(5):
        frame.picture_id = 32765 + number & 0x7FFF
        payload = vp8.serialize(frame) + bytes.fromhex("d104000000000000")
        packets.append(rtp.serialize(rtp.Packet(96, 65533 + number & 0xFFFF, number * 3000, 7, payload, marker=True)))
    options = ("-o", "vp8.dynamic.payload.type:96")
    rows = dissection.dissect(packets, "rtp", ["rtp.seq", "vp8.pld.pictureid"], options)
    assert [row["rtp.seq"] for row in rows] == [["65533"], ["65534"], ["65535"], ["0"], ["1"]]
    assert [row["vp8.pld.pictureid"] for row in rows] == [["32765"], ["32766"], ["32767"], ["0"], ["1"]]
    assert not any(row["_ws.malformed"] for row in rows)
    compound: list[rtcp.Packet] = [
        rtcp.SenderReport(7, 1 << 63, 3000, 5, 60),
        rtcp.named(7, "alice"),
        rtcp.Nack(1, 7, [65535, 0, 40]),
        rtcp.PictureLoss(1, 7),
        rtcp.TransportFeedback(1, 7, 65530, 5, 6, [0, 3, None, 700, None, 701, 702, None, 3000]),
    ]
    [row] = dissection.dissect([rtcp.serialize(compound)], "rtcp", ["rtcp.pt", "rtcp.length_check"])
    assert row["rtcp.pt"] == ["200", "202", "205", "206", "205"]
    assert not row["_ws.malformed"]
    assert dissection.numbers(row["rtcp.length_check"]) == [1]
