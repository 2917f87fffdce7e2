"""tshark reads every session: no packet is malformed, and the secrets in the capture open the records of DTLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meetref.wire import rtcp, rtp, udp
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Packet, parse
from meetref.wire.transportfeedback import TransportFeedback
from tests.confirm.sessions import PLAIN, SESSIONS, fields, finished, in_the_clear, malformed, readable

pytestmark = pytest.mark.peer("tshark")
FOLDERS = sorted(path.parent for path in SESSIONS.glob("*/manifest.json"))
sessions = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
with_media = pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if in_the_clear(folder) is not None], ids=lambda folder: folder.name
)


@sessions
def test_no_packet_is_malformed(folder: Path) -> None:
    assert malformed(folder) == []


@sessions
def test_the_secrets_open_every_handshake(folder: Path) -> None:
    assert finished(folder) >= 2 * readable(folder)


@with_media
def test_it_sees_the_same_media_as_we_do(folder: Path) -> None:
    path = in_the_clear(folder)
    assert path is not None
    seen = fields(path, PLAIN, "rtp.payload", "frame.number", "rtp.ssrc", "rtp.seq", "rtp.timestamp")
    expected = []
    packets = [block for block in parse(path.read_bytes()) if isinstance(block, Packet)]
    for number, block in enumerate(packets, 1):
        data = udp.parse(block.data).data
        if classify_datagram(data[0]) == "rtp" and not is_rtcp(data):
            packet = rtp.parse(data)
            if not packet.payload:
                continue  # the first probe, which is padding alone
            expected.append([str(number), f"{packet.ssrc:#010x}", str(packet.sequence), str(packet.timestamp)])
    assert seen == expected


def reports(name: str, kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """The RTCP packets of one kind in a session, each with the number of its frame, as we read them."""
    packets = [block for block in parse((SESSIONS / name / "plain.pcapng").read_bytes()) if isinstance(block, Packet)]
    for number, block in enumerate(packets, 1):
        data = udp.parse(block.data).data
        if classify_datagram(data[0]) == "rtp" and is_rtcp(data):
            yield from ((str(number), packet) for packet in rtcp.parse(data) if isinstance(packet, kind))


def test_it_reads_the_requests_of_a_burst_as_we_do() -> None:
    seen = fields(
        SESSIONS / "nack-burst" / "plain.pcapng", PLAIN, "rtcp.rtpfb.nack_pid",
        "frame.number", "rtcp.rtpfb.nack_pid", "rtcp.rtpfb.nack_blp",
    )  # fmt: skip
    ours = [[number, ",".join(map(str, nack.lost))] for number, nack in reports("nack-burst", rtcp.Nack)]
    assert [row[:2] for row in seen] == ours
    assert max(masks.count(",") for *_, masks in seen) == 3, "four entries"


def test_it_reads_the_feedback_about_a_line_as_we_do() -> None:
    names = (f"rtcp.rtpfb.transportcc.{name}" for name in ("baseseq", "statuscount", "pktcount", "recv_delta"))
    path = SESSIONS / "bandwidth-step" / "plain.pcapng"
    seen = fields(path, PLAIN, "rtcp.rtpfb.fmt == 15", "frame.number", *names)
    ours = [
        (number, each.base_sequence, len(each.arrivals), each.count, len(each.arrivals) - each.arrivals.count(None))
        for number, each in reports("bandwidth-step", TransportFeedback)
    ]
    assert [
        (number, int(base), int(statuses), int(count), deltas.count(",") + 1)
        for number, base, statuses, count, deltas in seen
    ] == ours
    assert len(ours) > 50
