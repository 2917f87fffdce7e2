"""Asks tshark about the captures in vectors/sessions: no packet is malformed, and the secrets open the records of DTLS.

Used by `meetref vectors confirm` and by tests/peers/test_sessions_tshark.py.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meetref.net.decrypt import masters_of
from meetref.wire import udp
from meetref.wire.pcapng import Packet, parse, serialize
from tests.confirm import dissection
from tests.confirm.witness import Absent, entry

SESSIONS = Path(__file__).parent.parent.parent / "vectors" / "sessions"

# tshark 4.0 takes what is behind the header of SRTCP for reports, encrypted or not.
LOCKED = ["--disable-protocol", "rtcp"]
# The handshake tells tshark that SRTP follows; in the plain capture RTP does.
PLAIN = ["--disable-protocol", "dtls", "-d", "udp.port==8080,rtp"]


def fields(path: Path, options: Sequence[str], wish: str, *names: str) -> list[list[str]]:
    """The values of these fields in each packet that `wish` (a display filter) lets through."""
    command = ["tshark", "-r", str(path), *options, "-Y", wish, "-T", "fields"]
    for name in names:
        command += ["-e", name]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [line.split("\t") for line in said.stdout.splitlines()]


def in_the_clear(folder: Path) -> Path | None:
    """The capture of a session with media in the clear: what was not encrypted has no second one."""
    if (folder / "plain.pcapng").exists():
        return folder / "plain.pcapng"
    figures = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["figures"]
    return folder / "session.pcapng" if "media packets in the clear" in figures else None


def malformed(folder: Path) -> list[str]:
    """The packets that tshark cannot read, in both captures."""
    found = []
    for path, options in ((folder / "session.pcapng", LOCKED), (in_the_clear(folder), PLAIN)):
        if path is not None:
            rows = fields(path, options, "_ws.malformed", "frame.number", "udp.payload")
            found += [f"{path.name} {number}" for number, data in rows if not _is_misread(bytes.fromhex(data), options)]
    return found


def _is_misread(data: bytes, options: Sequence[str]) -> bool:
    """Whether tshark takes the last octet of SRTP's tag for a count of padding: zero, which no count can be."""
    return options is LOCKED and data[0] & 0xE0 == 0xA0 and data[-1] == 0


def finished(folder: Path) -> int:
    """How many Finished messages, which are encrypted, tshark reads with the secrets in the capture.

    tshark is shown one interface and one pair of hosts at a time: to its 4.0 all conversations of a server's port
    that have agreed on SRTP are a single one, and a packet that is seen twice is a retransmission.
    """
    blocks = parse((folder / "session.pcapng").read_bytes())
    count = 0
    with tempfile.TemporaryDirectory() as empty:
        for view in {_view(block) for block in blocks if isinstance(block, Packet)}:
            shown = [block for block in blocks if not isinstance(block, Packet) or _view(block) == view]
            path = Path(empty) / "view.pcapng"
            path.write_bytes(serialize(shown))
            count += len(fields(path, LOCKED, "dtls.handshake.type == 20", "frame.number"))
    return count


def readable(folder: Path) -> int:
    """How many handshakes of a session tshark can read whole: version 4.0 opens nothing of DTLS 1.3."""
    return len(masters_of(parse((folder / "session.pcapng").read_bytes())))


def _view(block: Packet) -> tuple[int, frozenset[str]]:
    packet = udp.parse(block.data)
    return block.interface, frozenset((packet.source.host, packet.destination.host))


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """tshark's entry where it reads every packet of the session and as many Finished messages as there must be."""
    folder = SESSIONS / set_name.split("/")[1]
    try:
        version = dissection.version()
    except Absent:
        return []
    handshakes = int(data["figures"]["handshakes"])
    if malformed(folder) or readable(folder) < handshakes or finished(folder) < 2 * handshakes:
        return []
    how = "read every packet"
    if handshakes:
        how += ", and both Finished of each handshake with the secrets of the capture"
    return [entry("tshark", version, how)]
