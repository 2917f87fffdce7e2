"""Connections with keys but without a network: what `up` and `down` do with packets, seen packet by packet."""

from __future__ import annotations

import random
from typing import Any

from meetref.meeting.down import Down
from meetref.meeting.track import Encoding
from meetref.meeting.up import Up
from meetref.protocol.negotiation import AUDIO_LEVEL, MID, TRANSPORT_SEQUENCE, ReceivedTrack
from meetref.protocol.peer import Connected, Peer
from meetref.wire import rtcp, rtp
from tests.protocol.peer_pairs import Peers, connected

KEY, DELTA = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xb4\x00key", b"\x11\x02\x00delta"
VIDEO, REPAIR, AUDIO = 1000, 1001, 2000
LEVEL_ID, TRANSPORT_ID, MID_ID = 1, 3, 4


def received_track(mid: str, kind: Any, ssrcs: tuple[int, ...], rtx_of: dict[int, int] | None = None) -> ReceivedTrack:
    return ReceivedTrack(
        mid=mid,
        kind=kind,
        codecs={},
        ssrcs=ssrcs,
        rtx_of=rtx_of or {},
        extensions={MID: MID_ID, TRANSPORT_SEQUENCE: TRANSPORT_ID, AUDIO_LEVEL: LEVEL_ID},
    )


class Publisher:
    """The far end of an `Up` with one camera and one microphone, and the `Up` itself."""

    def __init__(self, seed: int = 1) -> None:
        self.peers: Peers = connected(seed)
        self.now = self.peers.now
        self.far: Peer = self.peers.client
        self.touched = 0
        self.arrived: list[Encoding] = []
        self.up = Up(self.peers.server, "alice", random.Random(seed).randbytes, self._touch, self.arrived)
        self.up.connected = True
        self.up._report_at = self.now + 1000
        self.up.describe(
            [received_track("v", "video", (VIDEO,), {REPAIR: VIDEO}), received_track("a", "audio", (AUDIO,))],
            {"v": "camera", "a": "microphone"},
            self.now,
        )

    def _touch(self) -> None:
        self.touched += 1

    def lock(self, packet: rtp.Packet) -> bytes:
        assert self.far.srtp is not None
        return self.far.srtp.lock(rtp.serialize(packet))

    def send(self, packet: rtp.Packet) -> None:
        """A batch of one."""
        self.up.receive_media(self.lock(packet), self.now)
        for encoding in self.arrived:
            encoding.forward(self.now)
        self.arrived.clear()

    def send_control(self, *packets: rtcp.Packet) -> None:
        assert self.far.srtp is not None
        self.up.receive_media(self.far.srtp.lock_control(rtcp.serialize(list(packets))), self.now)

    def hears(self) -> list[rtcp.Packet]:
        """What the publisher is told by now."""
        found: list[rtcp.Packet] = []
        for datagram in self.up.transmits():
            plain = self.far.unlock_control(datagram.data) if 128 <= datagram.data[0] <= 191 else None
            found += rtcp.parse(plain) if plain is not None else []
        return found


class Viewer:
    """A `Down` and its far end, which opens what comes out."""

    def __init__(self, seed: int = 2, *, rtx: bool = True) -> None:
        self.peers: Peers = connected(seed)
        self.far: Peer = self.peers.client
        self.left: list[list[bytes]] = []
        """What has left, a list for each call."""
        self.started: list[str] = []
        self.failures: list[Exception] = []
        self.woken = 0
        self.down = Down(
            self.peers.server,
            dice=random.Random(seed).randbytes,
            cname="bob",
            wall_offset=1e9,
            transmit=lambda packets, local, remote: self.left.append(list(packets)),
            on_start=lambda slot, now: self.started.append(slot.mid),
            on_failure=self.failures.append,
            wake=self._wake,
        )
        assert self.peers.server.srtp is not None
        self.down.connected = True
        self.down.is_begun = True  # nobody looks what the line carries
        self.down.lock = self.peers.server.srtp.lock_run
        self.down.offer_slot("v0", "video", "seat-0")
        self.down.offer_slot("a0", "audio", "seat-0")
        self.down._accepted |= {"v0", "a0"}

    def _wake(self) -> None:
        self.woken += 1

    def locked(self) -> list[bytes]:
        """The ciphertexts that have left since the last time."""
        found = [packet for packets in self.left for packet in packets]
        self.left.clear()
        return found

    def gets(self) -> list[rtp.Packet]:
        """What the viewer can open of them."""
        plain = [self.far.unlock(data) for data in self.locked()]
        return [rtp.parse(data) for data in plain if data is not None]

    def says(self, *packets: rtcp.Packet, now: float) -> None:
        assert self.far.srtp is not None
        self.down.receive_media(self.far.srtp.lock_control(rtcp.serialize(list(packets))), now)

    def hears(self) -> list[rtcp.Packet]:
        found: list[rtcp.Packet] = []
        for datagram in self.down.transmits():
            plain = self.far.unlock_control(datagram.data) if 128 <= datagram.data[0] <= 191 else None
            found += rtcp.parse(plain) if plain is not None else []
        return found


def picture(sequence: int, *, key: bool = False, ssrc: int = VIDEO, mid: str = "") -> rtp.Packet:
    extensions = {TRANSPORT_ID: (sequence & 0xFFFF).to_bytes(2)} | ({MID_ID: mid.encode()} if mid else {})
    return rtp.Packet(
        payload_type=96, sequence=sequence & 0xFFFF, timestamp=sequence * 3000 & 0xFFFFFFFF, ssrc=ssrc,
        payload=KEY if key else DELTA, marker=True, extensions=extensions,
    )  # fmt: skip


def repair(sequence: int, number: int, *, key: bool = False) -> rtp.Packet:
    """`picture(sequence)` once more, on the repair stream."""
    original = picture(sequence, key=key)
    original.payload = (sequence & 0xFFFF).to_bytes(2) + original.payload
    original.ssrc, original.payload_type, original.sequence = REPAIR, 97, number
    return original


def sound(sequence: int, level: int = 40, ssrc: int = AUDIO) -> rtp.Packet:
    return rtp.Packet(
        payload_type=111, sequence=sequence, timestamp=sequence * 960, ssrc=ssrc, payload=b"hum",
        extensions={LEVEL_ID: bytes([0x80 | level])},
    )  # fmt: skip


def connected_event(peer: Peer) -> Connected:
    assert peer.negotiated is not None
    return Connected(peer.negotiated)
