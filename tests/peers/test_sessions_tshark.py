"""tshark reads every session: no packet is malformed, and the secrets in the capture open the records of DTLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetref.wire import rtp, udp
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Packet, parse
from tests.confirm.sessions import PLAIN, SESSIONS, fields, finished, malformed, readable

pytestmark = pytest.mark.peer("tshark")
FOLDERS = sorted(path.parent for path in SESSIONS.glob("*/manifest.json"))
sessions = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
with_media = pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if (folder / "plain.pcapng").exists()], ids=lambda folder: folder.name
)


@sessions
def test_no_packet_is_malformed(folder: Path) -> None:
    assert malformed(folder) == []


@sessions
def test_the_secrets_open_every_handshake(folder: Path) -> None:
    assert finished(folder) >= 2 * readable(folder)


@with_media
def test_it_sees_the_same_media_as_we_do(folder: Path) -> None:
    seen = fields(folder / "plain.pcapng", PLAIN, "rtp.payload", "frame.number", "rtp.ssrc", "rtp.seq", "rtp.timestamp")
    expected = []
    packets = [block for block in parse((folder / "plain.pcapng").read_bytes()) if isinstance(block, Packet)]
    for number, block in enumerate(packets, 1):
        data = udp.parse(block.data).data
        if classify_datagram(data[0]) == "rtp" and not is_rtcp(data):
            packet = rtp.parse(data)
            expected.append([str(number), f"{packet.ssrc:#010x}", str(packet.sequence), str(packet.timestamp)])
    assert seen == expected
