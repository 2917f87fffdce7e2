"""Turns a capture with its secrets into one in the clear: SRTP becomes RTP, SRTCP becomes RTCP.

    ClientHello.random --> the CLIENT_RANDOM line with that number --> master secret --+
    ServerHello.random, use_srtp ------------------------------------------------------+--> exporter --> SRTP keys

Nothing but the file is needed: the two hellos are in it, and the master secret stands in its secrets block.
Stands above `wire/pcapng`, `protocol/keyschedule` and `protocol/srtp`. Wireshark decrypts the records of DTLS itself,
so those stay as they are, and so do the secrets. Specification: RFC 5764 section 4.2; the NSS key log format.
Leaves out: DTLS 1.3, and data channels. Read next: `net/capture.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from meetref.protocol import keyschedule, srtp
from meetref.protocol.reassembly import Reassembly
from meetref.wire import dtls, handshake12, tls, udp
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import TLS_KEY_LOG, Block, Packet, Secrets
from meetref.wire.reader import Malformed

Flow = tuple[Address, Address]  # from, to
ROLES: tuple[keyschedule.Role, ...] = ("client", "server")


@dataclass(frozen=True)
class Conversation:
    """One handshake that was seen, and the SRTP keys as its client has them."""

    client: Address
    server: Address
    session: keyschedule.Session
    client_keys: keyschedule.SRTPKeys


@dataclass
class Decryption:
    """What has been learned of the conversations so far. `opened` and `refused` count media packets."""

    masters: dict[bytes, bytes] = field(repr=False)  # by client random
    opened: int = 0
    refused: int = 0
    conversations: list[Conversation] = field(default_factory=list)
    _hellos: dict[Flow, bytes] = field(default_factory=dict)  # client random, from client to server
    _messages: dict[Flow, Reassembly] = field(default_factory=dict)
    _inbound: list[srtp.Session] = field(default_factory=list)  # two for each conversation
    _plain: dict[bytes, bytes] = field(default_factory=dict, repr=False)  # a copy at another interface is no replay

    def plain(self, packet: udp.Packet) -> bytes | None:
        """The datagram in the clear; itself if it is no media, None for media that no key opens."""
        kind = classify_datagram(packet.data[0]) if packet.data else "unknown"
        if kind == "dtls":
            self._learn(packet)
        if kind != "rtp":
            return packet.data
        if packet.data not in self._plain:
            found = self._open(packet.data)
            if found is None:
                self.refused += 1
                return None
            self._plain[packet.data] = found
        self.opened += 1
        return self._plain[packet.data]

    def _open(self, data: bytes) -> bytes | None:
        """Try every key there is: the tag says which one is right, also where packets took another path."""
        for session in reversed(self._inbound):
            found = session.unlock_control(data) if is_rtcp(data) else session.unlock(data)
            if found is not None:
                return found
        return None

    def _learn(self, packet: udp.Packet) -> None:
        """Look for the hellos in the plain records of a datagram."""
        there: Flow = (packet.source, packet.destination)
        back = there[::-1]
        for message in self._handshake(there, packet.data):
            if isinstance(message, tls.ClientHello):
                self._hellos[there] = message.random
            elif isinstance(message, tls.ServerHello) and back in self._hellos:
                self._derive(back, message)

    def _handshake(self, flow: Flow, data: bytes) -> Iterator[handshake12.Handshake]:
        try:
            for record in dtls.records(data):
                if record.content_type != dtls.HANDSHAKE or record.epoch:
                    continue
                for fragment in dtls.fragments(record.payload):
                    if fragment.type == handshake12.CLIENT_HELLO and fragment.number == fragment.offset == 0:
                        self._begin(flow)
                    messages = self._messages.setdefault(flow, Reassembly())
                    messages.add(fragment)
                    message = messages.take(fragment.number)
                    if message is not None:
                        yield handshake12.parse(message.type, message.body)
        except Malformed:
            return

    def _begin(self, flow: Flow) -> None:
        """A ClientHello with number 0: a handshake begins, perhaps not the first one on this path."""
        self._messages[flow] = Reassembly()
        self._messages[flow[::-1]] = Reassembly()

    def _derive(self, flow: Flow, hello: tls.ServerHello) -> None:
        client_random = self._hellos[flow]
        master = self.masters.get(client_random)
        use_srtp = tls.find_extension(hello.extensions, tls.UseSRTP)
        known = any(each.session.server_random == hello.random for each in self.conversations)
        if master is None or use_srtp is None or known or use_srtp.profiles[0] not in keyschedule.SRTP_SIZES:
            return
        session = keyschedule.Session(master, client_random, hello.random)
        mine, theirs = (keyschedule.srtp_keys(session, role, use_srtp.profiles[0]) for role in ROLES)
        self.conversations.append(Conversation(*flow, session, mine))
        self._inbound += [srtp.open_session(mine), srtp.open_session(theirs)]


def masters_of(blocks: Sequence[Block]) -> dict[bytes, bytes]:
    """The master secrets of TLS 1.2 in the secrets of a capture, by client random. Other lines are passed over."""
    found = {}
    for block in blocks:
        if isinstance(block, Secrets) and block.kind == TLS_KEY_LOG:
            for line in block.data.decode("ascii", errors="replace").splitlines():
                words = line.split()
                if len(words) == 3 and words[0] == "CLIENT_RANDOM":
                    try:
                        found[bytes.fromhex(words[1])] = bytes.fromhex(words[2])
                    except ValueError:
                        continue
    return found


def in_the_clear(blocks: Sequence[Block], decryption: Decryption | None = None) -> list[Block]:
    """The same capture with media in the clear, same times, same order; what does not open stays locked."""
    decryption = decryption or Decryption(masters_of(blocks))
    return [_clear(block, decryption) if isinstance(block, Packet) else block for block in blocks]


def _clear(block: Packet, decryption: Decryption) -> Packet:
    try:
        packet = udp.parse(block.data)
    except Malformed:
        return block
    data = decryption.plain(packet)
    return block if data is None else replace(block, data=udp.serialize(replace(packet, data=data)))
