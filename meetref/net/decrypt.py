"""Turns a capture with its secrets into one in the clear: SRTP becomes RTP, SRTCP RTCP, data of DTLS plain SCTP.

    1.2  ClientHello.random --> its CLIENT_RANDOM line --> master secret --+
         ServerHello.random, use_srtp -------------------------------------+--> exporter --> SRTP keys
    1.3  ClientHello.random --> its EXPORTER_SECRET line ------------------+
         use_srtp: in EncryptedExtensions, opened by SERVER_HANDSHAKE_TRAFFIC_SECRET

Nothing but the file is needed: the hellos are in it, plainly or in connectivity checks, and the secrets stand in its
secrets block. A record with data becomes an IP packet of protocol 132 between the same hosts, which every tool takes
for SCTP. The other records of DTLS, which Wireshark decrypts itself, stay as they are, and so do the secrets.
Stands above `wire/pcapng`, `net/decryptdata` and `protocol/srtp`.
Specification: RFC 5764 section 4.2, RFC 8261 section 4; the NSS key log format.
Leaves out: EncryptedExtensions that overtake ServerHello. Read next: `net/decryptdata.py`, `net/capture.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from meetref.net.decryptdata import Direction, NewerDirection, OlderDirection, suite_of
from meetref.protocol import keyschedule, keyschedule13, srtp
from meetref.protocol.reassembly import Reassembly
from meetref.protocol.recordlayer13 import HANDSHAKE_EPOCH, Opened, RecordLayer13
from meetref.wire import attribute, dtls, extension, handshake12, handshake13, ip, stun, tls, udp
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import TLS_KEY_LOG, Block, Packet, Secrets
from meetref.wire.reader import Malformed

Flow = tuple[Address, Address]  # from, to
SERVER_HANDSHAKE, EXPORTER = "SERVER_HANDSHAKE_TRAFFIC_SECRET", "EXPORTER_SECRET"
DATA = ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")
ROLES: tuple[keyschedule.Role, ...] = ("client", "server")


@dataclass(frozen=True)
class Conversation:
    """One handshake that was seen, and the SRTP keys as its client has them, where there are any.

    `session` is None where it was 1.3.
    """

    client: Address
    server: Address
    session: keyschedule.Session | None
    client_keys: keyschedule.SRTPKeys | None


@dataclass
class _Newer:
    """A handshake of 1.3 whose ServerHello was seen; its next message is EncryptedExtensions."""

    suite: keyschedule13.Suite
    client_random: bytes
    records: RecordLayer13
    messages: Reassembly


@dataclass
class Decryption:
    """What has been learned of the conversations so far.

    `opened` and `refused` count media packets, `data` those of SCTP, `sealed` protected records that gave none.
    """

    masters: dict[bytes, bytes] = field(repr=False)  # of 1.2, by client random
    secrets: Mapping[tuple[str, bytes], bytes] = field(default_factory=dict, repr=False)  # of 1.3, by label and random
    opened: int = 0
    refused: int = 0
    data: int = 0
    sealed: int = 0
    conversations: list[Conversation] = field(default_factory=list)
    _hellos: dict[Flow, bytes] = field(default_factory=dict)  # client random, from client to server
    _messages: dict[Flow, Reassembly] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)  # randoms of servers
    _learned: set[tuple[Flow, bytes]] = field(default_factory=set)
    _first_paths: dict[frozenset[str], tuple[Flow, str]] = field(default_factory=dict)  # by both names; and who sent
    _joined: dict[Flow, Flow] = field(default_factory=dict)  # a path, and the first one of the same two agents
    _newer: dict[Flow, _Newer] = field(default_factory=dict)  # from server to client
    _inbound: list[srtp.Session] = field(default_factory=list)  # two for each conversation
    _plain: dict[bytes, bytes] = field(default_factory=dict, repr=False)  # a copy at another interface is no replay
    _directions: list[Direction] = field(default_factory=list)  # two for each conversation
    _data: dict[bytes, list[bytes | None]] = field(default_factory=dict, repr=False)  # of a datagram, record by record

    def plain(self, packet: udp.Packet) -> bytes | None:
        """The datagram in the clear; itself if it is no media, None for media that no key opens."""
        kind = classify_datagram(packet.data[0]) if packet.data else "unknown"
        if kind == "dtls":
            self._learn(packet)
        elif kind == "stun":
            self._learn_inside(packet)
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

    def data_in(self, packet: udp.Packet) -> list[bytes | None]:
        """What a datagram of DTLS carries, once `plain` has seen it: data, or None for each record of another kind."""
        if packet.data not in self._data:
            self._data[packet.data] = [self._open_record_of_data(record) for record in _records(packet.data)]
        found = self._data[packet.data]
        self.data += len(found) - found.count(None)
        return found

    def _open_record_of_data(self, record: dtls.Record | dtls.Ciphertext) -> bytes | None:
        """As `_open`, of a record."""
        opened = (direction.open(record) for direction in reversed(self._directions))
        found = next((each for each in opened if each is not None), None)
        self.sealed += found is None and (isinstance(record, dtls.Ciphertext) or record.epoch > 0)
        return found

    def _open(self, data: bytes) -> bytes | None:
        """Try every key there is: the tag says which one is right, also where packets took another path."""
        for session in reversed(self._inbound):
            found = session.unlock_control(data) if is_rtcp(data) else session.unlock(data)
            if found is not None:
                return found
        return None

    def _learn_inside(self, packet: udp.Packet) -> None:
        """A check may carry a datagram of DTLS (draft-hancke-webrtc-sped), the next one on another path."""
        try:
            check = stun.parse(packet.data)
        except Malformed:
            return
        if (username := check.get(attribute.USERNAME)) is not None:
            self._join((packet.source, packet.destination), username)
        if inside := check.get(attribute.DTLS_IN_STUN):
            self._learn(replace(packet, data=inside))

    def _join(self, there: Flow, username: str) -> None:
        """All paths on which the same two agents check each other are one, the first of them (RFC 8445 7.2.2)."""
        addressee, _, sender = username.partition(":")
        first, its_sender = self._first_paths.setdefault(frozenset((addressee, sender)), (there, sender))
        self._joined[there] = first if sender == its_sender else first[::-1]
        self._joined[there[::-1]] = self._joined[there][::-1]

    def _learn(self, packet: udp.Packet) -> None:
        """Look for the hellos in the plain records of a datagram, and in 1.3 for what follows them."""
        path: Flow = (packet.source, packet.destination)
        there = self._joined.get(path, path)
        if (there, packet.data) in self._learned:
            return  # it rode in several checks, or also went plainly: a hello that comes again begins nothing
        self._learned.add((there, packet.data))
        try:
            for record in dtls.mixed_records(packet.data):
                if isinstance(record, dtls.Ciphertext):
                    self._open_record(there, record)
                elif record.content_type == dtls.HANDSHAKE and not record.epoch:
                    self._read_plain(there, record.payload)
        except Malformed:
            return

    def _read_plain(self, there: Flow, payload: bytes) -> None:
        for fragment in dtls.fragments(payload):
            if fragment.type == handshake12.CLIENT_HELLO and fragment.number == fragment.offset == 0:
                self._begin(there)
            messages = self._messages.setdefault(there, Reassembly())
            messages.add(fragment)
            message = messages.take(fragment.number)
            if message is None:
                continue
            hello = handshake12.parse(message.type, message.body)
            if isinstance(hello, tls.ClientHello):
                self._hellos[there] = hello.random
            elif isinstance(hello, tls.ServerHello) and there[::-1] in self._hellos and not hello.is_retry:
                self._meet(there, hello, message.number)

    def _begin(self, flow: Flow) -> None:
        """A ClientHello with number 0: a handshake begins, perhaps not the first one on this path."""
        self._messages[flow] = Reassembly()
        self._messages[flow[::-1]] = Reassembly()

    def _meet(self, there: Flow, hello: tls.ServerHello, number: int) -> None:
        """A ServerHello; a copy of it, seen at another interface, says nothing new."""
        if hello.random in self._seen:
            return
        client_random = self._hellos[there[::-1]]
        version = extension.find_extension(hello.extensions, extension.SelectedVersion)
        secret = self.secrets.get((SERVER_HANDSHAKE, client_random))
        suite = keyschedule13.SUITES.get(hello.cipher_suite)
        if version is None:
            self._meet_older(there, hello, client_random)
        elif secret is not None and suite is not None:
            self._seen.add(hello.random)
            records, messages = RecordLayer13(), Reassembly()
            records.install_opener(HANDSHAKE_EPOCH, keyschedule13.traffic_keys(suite, secret))
            messages.expected = number + 1
            self._newer[there] = _Newer(suite, client_random, records, messages)
            for label in DATA:
                if (of_data := self.secrets.get((label, client_random))) is not None:
                    self._directions.append(NewerDirection(suite, of_data))

    def _meet_older(self, there: Flow, hello: tls.ServerHello, client_random: bytes) -> None:
        master, suite = self.masters.get(client_random), suite_of(hello.cipher_suite)
        if master is None:
            return
        self._seen.add(hello.random)
        session = keyschedule.Session(master, client_random, hello.random)
        if suite is not None:  # of the others the media open nevertheless: all but a few have the same hash
            session = replace(session, suite=suite)
            block = keyschedule.key_block(session)
            self._directions += [OlderDirection(block, role) for role in ROLES]
        profile = _profile(hello.extensions)
        keys = [] if profile is None else [keyschedule.srtp_keys(session, role, profile) for role in ROLES]
        self._add(Conversation(*there[::-1], session, keys[0] if keys else None), keys)

    def _open_record(self, there: Flow, record: dtls.Ciphertext) -> None:
        """In a handshake of 1.3: is it, or does it complete, the message that names the SRTP profile?"""
        newer = self._newer.get(there)
        opened = newer.records.open(record) if newer is not None else None
        if newer is None or not isinstance(opened, Opened) or opened.content_type != dtls.HANDSHAKE:
            return
        for fragment in dtls.fragments(opened.plaintext):
            newer.messages.add(fragment)
        message = newer.messages.take()
        if message is None:
            return
        del self._newer[there]
        said = handshake13.parse(message.type, message.body)
        if not isinstance(said, handshake13.EncryptedExtensions):
            return
        exporter, profile = self.secrets.get((EXPORTER, newer.client_random)), _profile(said.extensions)
        keys: list[keyschedule.SRTPKeys] = []
        if exporter is not None and profile is not None:
            keys = [keyschedule13.srtp_keys(newer.suite, exporter, role, profile) for role in ROLES]
        self._add(Conversation(*there[::-1], None, keys[0] if keys else None), keys)

    def _add(self, conversation: Conversation, keys: Sequence[keyschedule.SRTPKeys]) -> None:
        self.conversations.append(conversation)
        # Whether headers are hidden was said in SDP, which is not here; each packet tells it itself.
        self._inbound += [srtp.open_session(each, hiding=srtp.Hiding(cryptex=True)) for each in keys]


def _records(data: bytes) -> list[dtls.Record | dtls.Ciphertext]:
    """All records of a datagram, whichever version it is of; none of one that cannot be read."""
    for read in (dtls.mixed_records, dtls.records):
        try:
            return list(read(data))
        except Malformed:
            continue
    return []


def _profile(extensions: Sequence[extension.Extension]) -> int | None:
    """The SRTP profile that a server chose; None where there is none, or one that nobody here knows."""
    use_srtp = extension.find_extension(extensions, extension.UseSRTP)
    profile = use_srtp.profiles[0] if use_srtp is not None and use_srtp.profiles else None
    return profile if profile in keyschedule.SRTP_SIZES else None


def masters_of(blocks: Sequence[Block]) -> dict[bytes, bytes]:
    """The master secrets of TLS 1.2 in the secrets of a capture, by client random. Other lines are passed over."""
    return {random: secret for (label, random), secret in secrets_of(blocks).items() if label == "CLIENT_RANDOM"}


def secrets_of(blocks: Sequence[Block]) -> dict[tuple[str, bytes], bytes]:
    """Every secret of a capture, by its label and the client's random. What is no such line is passed over."""
    found = {}
    for block in blocks:
        if isinstance(block, Secrets) and block.kind == TLS_KEY_LOG:
            for line in block.data.decode("ascii", errors="replace").splitlines():
                words = line.split()
                if len(words) == 3:
                    try:
                        found[words[0], bytes.fromhex(words[1])] = bytes.fromhex(words[2])
                    except ValueError:
                        continue
    return found


def in_the_clear(blocks: Sequence[Block], decryption: Decryption | None = None) -> list[Block]:
    """The same capture with media and data in the clear, same times, same order; what does not open stays locked."""
    decryption = decryption or Decryption(masters_of(blocks), secrets_of(blocks))
    clear: list[Block] = []
    for block in blocks:
        clear += _clear(block, decryption) if isinstance(block, Packet) else [block]
    return clear


def _clear(block: Packet, decryption: Decryption) -> list[Packet]:
    """What stands for one packet: itself, or a packet for each record with data in it, or both."""
    try:
        packet = udp.parse(block.data)
    except Malformed:
        return [block]
    data = decryption.plain(packet)
    if data is not None and data != packet.data:
        return [replace(block, data=udp.serialize(replace(packet, data=data)))]
    if not packet.data or classify_datagram(packet.data[0]) != "dtls":
        return [block]
    found = decryption.data_in(packet)
    hosts = packet.source.host, packet.destination.host
    carried = [ip.serialize(ip.Packet(*hosts, ip.SCTP, each)) for each in found if each is not None]
    kept = [block] if None in found or not found else []
    return kept + [replace(block, data=each) for each in carried]
