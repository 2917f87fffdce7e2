"""Wireshark's own programs read what we write: packets, checksums, comments, directions, interfaces, secrets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from meetref.net.capture import Capture, in_order
from meetref.net.datagram import Direction
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from meetref.wire.pcapng import Block, serialize

ALICE, SERVER = Address("192.0.2.1", 1000), Address("192.0.2.9", 2000)
ALICE6, SERVER6 = Address("2001:db8::1", 1000), Address("2001:db8::9", 2000)
KEY = "CLIENT_RANDOM " + "00" * 32 + " " + "11" * 48


def describe(datagram: Datagram, direction: Direction) -> str:
    return f"step={len(datagram.data)} {direction}"


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    alice, server = capture.tap("alice", describe), capture.tap("server")
    alice(Datagram(b"hello", ALICE, SERVER), "out", 0.5)
    server(Datagram(b"hello", SERVER, ALICE), "in", 0.55)
    server(Datagram(b"answer", SERVER6, ALICE6), "out", 0.6)
    alice(Datagram(b"answer", ALICE6, SERVER6), "in", 0.650000001)
    capture.key_log(KEY)
    path = tmp_path / "session.pcapng"
    path.write_bytes(serialize(in_order(blocks)))
    return path


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.peer("tshark")
def test_tshark_reads_packets_and_finds_their_checksums_right(captured: Path) -> None:
    fields = (
        "frame.time_epoch frame.interface_name frame.comment frame.packet_flags_direction "
        "ip.src ipv6.dst udp.srcport udp.dstport udp.checksum.status ip.checksum.status data.data"
    )
    checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    chosen = [argument for field in fields.split() for argument in ("-e", field)]
    lines = run("tshark", "-r", captured, *checks, "-T", "fields", "-E", "separator=,", *chosen).splitlines()
    hello, answer = b"hello".hex(), b"answer".hex()
    assert [line.split(",") for line in lines] == [
        ["0.500000000", "alice", "step=5 out", "0x00000002", "192.0.2.1", "", "1000", "2000", "1", "1", hello],
        ["0.550000000", "server", "", "0x00000001", "192.0.2.1", "", "1000", "2000", "1", "1", hello],
        ["0.600000000", "server", "", "0x00000002", "", "2001:db8::1", "2000", "1000", "1", "", answer],
        ["0.650000001", "alice", "step=6 in", "0x00000001", "", "2001:db8::1", "2000", "1000", "1", "", answer],
    ]


@pytest.mark.peer("tshark")
def test_capinfos_and_the_secrets(captured: Path, tmp_path: Path) -> None:
    about = run("capinfos", captured)
    assert "Number of packets:   4" in about
    assert "Number of interfaces in file: 2" in about
    without = tmp_path / "without.pcapng"
    run("editcap", "--discard-all-secrets", captured, without)
    assert KEY.encode() in captured.read_bytes()
    assert KEY.encode() not in without.read_bytes()
