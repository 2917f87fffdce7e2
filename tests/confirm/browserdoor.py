"""A browser's data connection whose other end is ours: ICE lite, and behind it any machine that speaks DTLS.

The page makes a connection and is given our answer, which says whose client the browser is; its checks are answered,
and its DTLS goes to the machine. What the machine says is sent to where the last check came from.
SCTP is spoken just enough to hear that data arrive: INIT is answered at any time (RFC 9260 section 5.2.2).
Stands above `protocol/lite` and the browsers of tests/peers; below `browserlies.py`. Specification: RFC 8445, RFC 8842.
Leaves out: DTLS itself. Read next: `tests/confirm/browserlies.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from struct import pack

import trio

from meetref.net.network import KernelNetwork
from meetref.protocol.check import Credentials
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.multiplex import classify_datagram
from tests.peers.browsers import Browser

CREDENTIALS = Credentials("door", "apasswordoftwentyfour24")
DESCRIPTION = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=ice-lite
a=group:BUNDLE 0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:{setup}
a=sctp-port:5000
a=max-message-size:65536
a=candidate:1 1 UDP 2122252543 {host} {port} typ host
a=end-of-candidates
"""

BEGIN = """async (name, answer) => {
  window.doors ??= new Map();
  const door = new RTCPeerConnection();
  doors.set(name, door);
  door.createDataChannel("door");
  await door.setLocalDescription();
  await door.setRemoteDescription({type: "answer", sdp: answer});
}"""
STATE = "(name) => doors.get(name).sctp.transport.state"
END = "(name) => { doors.get(name).close(); doors.delete(name); }"

INIT_ACK = 2
names = count(1)


class Door:
    """One connection. `hear` is called with each datagram of the browser's DTLS, `found` once, when it is there."""

    def __init__(self, socket: trio.socket.SocketType, hear: Callable[[bytes], object]) -> None:
        self.local = Address(*socket.getsockname()[:2])
        self.found = trio.Event()
        self._socket, self._hear = socket, hear
        self._remote: Address | None = None
        self._agent = LiteAgent(credentials=CREDENTIALS, dice=KernelNetwork().dice)
        self._agent.add_local_candidate(
            Candidate("1", 1, "udp", 2122252543, self.local.host, self.local.port, "host"), trio.current_time()
        )

    async def say(self, data: bytes) -> None:
        """Send it to where the last check came from."""
        assert self._remote is not None  # it was found
        await self._socket.sendto(data, tuple(self._remote))

    async def take(self) -> None:
        """Wait for one datagram."""
        data, source = await self._socket.recvfrom(65536)
        kind = classify_datagram(data[0]) if data else "unknown"
        if kind == "stun":
            self._agent.receive_datagram(Datagram(data, self.local, Address(*source[:2])), trio.current_time())
            for answer in self._agent.transmits():
                self._remote = answer.remote
                await self._socket.sendto(answer.data, tuple(answer.remote))
                self.found.set()
        elif kind == "dtls":
            self._hear(data)


@asynccontextmanager
async def open_door(
    browser: Browser, fingerprint: str, setup: str, hear: Callable[[bytes], object]
) -> AsyncIterator[tuple[Door, str]]:
    """A connection of the browser to us, and its name there. `setup` is what we are: active, passive."""
    hosts = [host for host in KernelNetwork().addresses() if "." in host and not host.startswith("127.")]
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(((hosts or ["127.0.0.1"])[0], 0))
        door, name = Door(socket, hear), f"door {next(names)}"
        answer = DESCRIPTION.format(
            ufrag=CREDENTIALS.ufrag,
            password=CREDENTIALS.password,
            fingerprint=fingerprint,
            setup=setup,
            host=door.local.host,
            port=door.local.port,
        ).replace("\n", "\r\n")
        await browser.call(BEGIN, name, answer)
        try:
            yield door, name
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(20):
                await browser.call(END, name)


def init(tag: int) -> bytes:
    """The packet with which an association begins, of which we are called `tag`."""
    chunk = pack("!BBHIIHHI", 1, 0, 20, tag, 65536, 1, 1, 1)
    unsummed = pack("!HHII", 5000, 5000, 0, 0) + chunk
    return unsummed[:8] + pack("<I", checksum(unsummed)) + chunk


def answers(packet: bytes, tag: int) -> bool:
    """Whether it is the answer to that INIT."""
    return len(packet) > 12 and packet[4:8] == tag.to_bytes(4, "big") and packet[12] == INIT_ACK


def checksum(octets: bytes) -> int:
    """CRC-32C (RFC 9260 appendix A), bit by bit: a packet or two of 32 octets."""
    found = 0xFFFFFFFF
    for octet in octets:
        found ^= octet
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF
