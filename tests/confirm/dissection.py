"""Asks tshark what it sees in UDP payloads: one capture, one run, one row of fields a payload.

Stands below `tests/confirm/{rtp,rtcp,vp8}.py`. The capture is a classic pcap of raw IPv4 packets, made here so that
nothing of ours but the payload is judged.
Read next: `tests/confirm/rtp.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from struct import Struct
from typing import Any

from tests.confirm.witness import Absent

PORT = 5004
RAW_IP = 101
file_head = Struct("<IHHiIII")
packet_head = Struct("<IIII")
ip_head = Struct("!BBHHHBBH4s4s")
udp_head = Struct("!HHHH")

Row = dict[str, list[str]]


@cache
def version() -> str:
    """The version of tshark, such as 4.0.17. Raises `Absent`."""
    path = shutil.which("tshark")
    if path is None:
        raise Absent
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
    return said.stdout.split()[2]


def dissect(payloads: Sequence[bytes], protocol: str, fields: Sequence[str], options: Sequence[str] = ()) -> list[Row]:
    """What tshark calls each payload's `fields`, every occurrence as text; `protocol` is what it is told to decode.

    `fields` gets two companions: `_ws.malformed` and `_ws.expert.message`. Raises `Absent`.
    """
    version()
    wanted = [*fields, "_ws.malformed", "_ws.expert.message"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payloads.pcap"
        path.write_bytes(_capture(payloads))
        command = ["tshark", "-r", str(path), "-d", f"udp.port=={PORT},{protocol}", "-T", "json", *options]
        for field in wanted:
            command += ["-e", field]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    frames: list[dict[str, Any]] = json.loads(said.stdout)
    if len(frames) != len(payloads):
        raise ValueError(f"tshark saw {len(frames)} packets of {len(payloads)}")
    return [{field: frame["_source"].get("layers", {}).get(field, []) for field in wanted} for frame in frames]


def numbers(texts: Sequence[str]) -> list[int]:
    """Fields as numbers, whether tshark prints them in decimal, in hexadecimal or as a boolean."""
    return [{"True": 1, "False": 0}[text] if text in ("True", "False") else int(text, 0) for text in texts]


def _capture(payloads: Sequence[bytes]) -> bytes:
    parts = [file_head.pack(0xA1B2C3D4, 2, 4, 0, 0, 0x40000, RAW_IP)]
    for number, payload in enumerate(payloads):
        datagram = udp_head.pack(PORT, PORT, 8 + len(payload), 0) + payload
        here, there = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
        packet = ip_head.pack(0x45, 0, 20 + len(datagram), number & 0xFFFF, 0, 64, 17, 0, here, there) + datagram
        parts += [packet_head.pack(number, 0, len(packet), len(packet)), packet]
    return b"".join(parts)
