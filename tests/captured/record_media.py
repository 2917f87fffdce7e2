"""Records what libwebrtc sends: `python -m tests.captured.record_media` writes media-libwebrtc.json here.

The sender is tests/peers/wrtc_sender.py, the listener tests/peers/bare_peer.py. Packets are kept opened, those that are
nothing but padding are left out, and pictures are cut off behind what a forwarder reads of them. Run it when a new
version of wrtc comes out, and look at the difference: vectors/vp9, av1, red and fec are made from this file.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import trio

from meetref.wire import rtp, sdp
from meetref.wire.sdpattributes import parse_extension
from tests.peers.bare_peer import NOTHING, listening
from tests.peers.whole_peer import theirs

HERE = Path(__file__).parent
SENDER = HERE.parent / "peers" / "wrtc_sender.py"
READ = 64  # octets of a picture's payload
PACKETS = 40
FAST = "a=fmtp:96 x-google-start-bitrate=2000;x-google-min-bitrate=2000"

CASES = [
    ("VP9 in one layer", "video VP9", NOTHING, ""),
    ("VP9 L3T3_KEY", "video VP9 L3T3_KEY", NOTHING, ""),
    ("AV1 in one layer", "video AV1", NOTHING, ""),
    ("AV1 L1T3", "video AV1 L1T3", NOTHING, ""),
    ("AV1 L3T3_KEY", "video AV1 L3T3_KEY", NOTHING, ""),
    ("Opus in RED", "audio red", NOTHING, ""),
    ("VP8 with ULPFEC", "video ulpfec", "nack|rtx", FAST),
]


async def record(name: str, words: str, without: str, more: str) -> dict[str, Any]:
    """The first packets of a stream; with FEC those from the first FEC packet's group on."""
    protected = "ULPFEC" in name
    count = 600 if protected else 4 * PACKETS
    async with theirs(sys.executable, str(SENDER), *words.split()) as other:
        lost = 23 if protected else 0  # of 256: what makes libwebrtc protect, and not send less
        async with listening(other, without, more, fraction_lost=lost) as ours:
            packets = await ours.until(lambda packets: len(packets) >= count, 60)
    sections = sdp.parse(ours.offer).sections
    extensions = {each.uri: each.id for each in map(parse_extension, sections[0].values("extmap"))}
    kept = full(packets)
    kept = around_fec(kept) if protected else [cut(packet, name) for packet in kept[:PACKETS]]
    return {"case": name, "extensions": extensions, "packets": [packet.hex() for packet in kept]}


def full(packets: list[bytes]) -> list[bytes]:
    return [packet for packet in packets if rtp.parse(packet).payload]


def cut(packet: bytes, name: str) -> bytes:
    return packet if "RED" in name else packet[: rtp.payload_bounds(packet)[0] + READ]


def around_fec(packets: list[bytes]) -> list[bytes]:
    """Two frames with their FEC: what follows the FEC of a frame, to that of the second frame behind it."""
    is_fec = [packet[rtp.payload_offset(packet)] == 104 for packet in packets]
    ends = [place for place in range(1, len(packets)) if is_fec[place - 1] and not is_fec[place]]
    return packets[ends[5] : ends[7]]


async def main() -> None:
    cases = [await record(*case) for case in CASES]
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    version = f"M152 (wrtc {importlib.metadata.version('wrtc')})"
    data = {"provenance": "recorded", "implementation": "libwebrtc", "version": version, "date": date, "cases": cases}
    (HERE / "media-libwebrtc.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    trio.run(main)
