"""The vectors of handshake13, replayed: every key computed again, every record opened, from the octets alone."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from meetref.protocol import keyschedule13
from meetref.protocol.association import Connected
from meetref.protocol.certificate import read_public_key, verify_signature
from meetref.protocol.conversation13 import proof
from meetref.protocol.keyschedule13 import SUITES, HandshakeSecrets, Suite
from meetref.protocol.keyshare import combine, make_share
from meetref.protocol.machine import Datagram
from meetref.protocol.reassembly import Reassembly
from meetref.protocol.recordlayer13 import Opened, RecordLayer13, mask_of
from meetref.wire import dtls, tls
from meetref.wire import handshake13 as wire
from meetref.wire.dtls import Ciphertext
from meetref.wire.extension import ServerShare, UseSRTP, find_extension
from meetref.wire.reader import Malformed
from meetref.wire.reader import vector as behind_length
from tests.generate.dtlslies import endpoint, read_certificate
from tests.generate.handshake13 import ladder, sealer
from tests.vectors.codeccases import Vector, load, unhex

BY_HASH = {suite.hash_name: suite for suite in SUITES.values()}


def _computed(operation: str, given: dict[str, Any]) -> dict[str, str]:
    if operation == "proof":
        return {"octets": proof(given["role"], unhex(given["transcript"])).hex()}
    suite = BY_HASH[given["hash"]]
    if operation == "secrets":
        return _secrets(suite, given)
    if operation == "srtp_keys":
        return _srtp_keys(suite, unhex(given["secret"]), given["profile"])
    secret = unhex(given["secret"])
    match operation:
        case "expand_label":
            label, context = given["label"].encode(), unhex(given["context"])
            octets = keyschedule13.expand_label(suite.hash_name, secret, label, context, given["size"])
        case "verify_data":
            octets = keyschedule13.verify_data(suite, secret, unhex(given["transcript"]))
        case _:
            octets = keyschedule13.export(suite, secret, given["label"].encode(), given["size"])
    return {"octets": octets.hex()}


def _srtp_keys(suite: Suite, secret: bytes, profile: int) -> dict[str, str]:
    mine = keyschedule13.srtp_keys(suite, secret, "client", profile)
    theirs = keyschedule13.srtp_keys(suite, secret, "server", profile)
    assert (mine.local_key, mine.local_salt) == (theirs.remote_key, theirs.remote_salt)
    keys = {"client_key": mine.local_key.hex(), "server_key": mine.remote_key.hex()}
    return keys | {"client_salt": mine.local_salt.hex(), "server_salt": mine.remote_salt.hex()}


def _secrets(suite: Suite, given: dict[str, Any]) -> dict[str, str]:
    hellos, finished = unhex(given["transcript_to_server_hello"]), unhex(given["transcript_to_server_finished"])
    handshake = keyschedule13.handshake_secrets(suite, unhex(given["shared_secret"]), hellos)
    application = keyschedule13.application_secrets(suite, handshake, finished)
    return {
        "client_handshake": handshake.client.hex(),
        "server_handshake": handshake.server.hex(),
        "client_application": application.client.hex(),
        "server_application": application.server.hex(),
        "exporter": application.exporter.hex(),
        "client_application_next": keyschedule13.next_secret(suite, application.client).hex(),
    }


@pytest.mark.parametrize("vector", load("handshake13/keyschedule"), ids=str)
def test_keyschedule(vector: Vector) -> None:
    if vector.operation != "ladder":
        assert _computed(vector.operation, vector.given) == vector.out
        return
    suite = SUITES[vector.given["suite"]]
    assert {name: octets.hex() for name, octets in ladder(suite, vector.given).items()} == vector.out
    assert _secrets(suite, vector.given).items() <= vector.out.items()


@pytest.mark.parametrize("vector", load("handshake13/protection"), ids=str)
def test_protection(vector: Vector) -> None:
    given = vector.given
    if vector.operation == "sequence_mask":
        keys = keyschedule13.TrafficKeys(SUITES[given["suite"]], b"", b"", unhex(given["sequence_key"]))
        assert mask_of(keys)(unhex(given["sample"]))[:2].hex() == vector.out["mask"]
        return
    suite, secret = SUITES[given["suite"]], unhex(given["secret"])
    if vector.operation == "seal":
        layer = sealer(suite, secret, given["epoch"], given["sequence"])
        assert (
            layer.seal(given["epoch"], given["content_type"], unhex(given["plaintext"])).hex() == vector.out["record"]
        )
        return
    opener = RecordLayer13()
    opener.install_opener(given["epoch"], keyschedule13.traffic_keys(suite, secret))
    found = [opener.open(record) for record in _records(unhex(given["record"])) if isinstance(record, Ciphertext)]
    if vector.invalid:
        assert all(isinstance(each, str) for each in found)
    else:
        (opened,) = found
        assert isinstance(opened, Opened)
        assert (opened.content_type, opened.plaintext.hex()) == (vector.out["content_type"], vector.out["plaintext"])


def _records(data: bytes) -> list[Any]:
    try:
        return list(dtls.mixed_records(data))
    except Malformed:
        return []


class Reader:
    """Somebody who has the datagrams of a handshake and the client's dice, and no endpoint."""

    def __init__(self, given: dict[str, Any], group: int) -> None:
        self.transcript: list[bytes] = []
        self.said: list[tuple[str, Any]] = []
        self.data: dict[str, str] = {}
        self.acknowledged: list[dtls.RecordNumber] = []
        dice = unhex(given["client_dice"])
        self.at = 0
        self.secret, _ = make_share(group, lambda size: self._dice(dice, size))
        self.openers = {"client": RecordLayer13(), "server": RecordLayer13()}
        self.parts = {"client": Reassembly(), "server": Reassembly()}
        self.handshake: HandshakeSecrets | None = None
        self.application: keyschedule13.ApplicationSecrets | None = None
        for each in given["datagrams"]:
            for record in dtls.mixed_records(unhex(each["hex"])):
                self._read(each["from"], record)

    def _dice(self, dice: bytes, size: int) -> bytes:
        self.at += size
        return dice[self.at - size : self.at]

    def _read(self, role: str, record: Any) -> None:
        kind, content = getattr(record, "content_type", 0), record.payload
        if isinstance(record, Ciphertext):
            opened = self.openers[role].open(record)
            assert isinstance(opened, Opened)
            kind, content = opened.content_type, opened.plaintext
        if kind == dtls.APPLICATION_DATA:
            self.data[role] = content.hex()
        elif kind == dtls.ACK:
            self.acknowledged += dtls.parse_ack(content)
        elif kind == dtls.HANDSHAKE:
            for fragment in dtls.fragments(content):
                self.parts[role].add(fragment)
            while (message := self.parts[role].take()) is not None:
                self._hear(role, message.type, message.body)

    def _hear(self, role: str, kind: int, body: bytes) -> None:
        message = wire.parse(kind, body)
        if isinstance(message, tls.ServerHello) and message.is_retry:
            name = SUITES[message.cipher_suite].hash_name
            self.transcript = [b"\xfe" + behind_length(3, hashlib.new(name, self.transcript[0]).digest())]
        if isinstance(message, wire.CertificateVerify):
            self._check_proof(role, message)
        if isinstance(message, wire.Finished):
            assert self.handshake is not None
            secret = self.handshake.client if role == "client" else self.handshake.server
            assert keyschedule13.verify_data(self.suite, secret, self.digest()) == message.verify_data
        self.said.append((role, message))
        self.transcript.append(bytes((kind,)) + behind_length(3, body))
        if isinstance(message, tls.ServerHello) and not message.is_retry:
            self._agree(message)
        if isinstance(message, wire.KeyUpdate):
            self._change_keys(role)
        if isinstance(message, wire.Finished) and role == "server":
            assert self.handshake is not None
            self.application = keyschedule13.application_secrets(self.suite, self.handshake, self.digest())
            self.traffic = {"client": self.application.client, "server": self.application.server}
            self._install(3, self.application.client, self.application.server)

    def _change_keys(self, role: str) -> None:
        self.traffic[role] = keyschedule13.next_secret(self.suite, self.traffic[role])
        opener = self.openers[role]
        opener.install_opener(opener.read_epoch + 1, keyschedule13.traffic_keys(self.suite, self.traffic[role]))

    def _agree(self, hello: tls.ServerHello) -> None:
        self.suite = SUITES[hello.cipher_suite]
        share = find_extension(hello.extensions, ServerShare)
        assert share is not None
        shared = combine(self.secret, share.share.octets)
        self.handshake = keyschedule13.handshake_secrets(self.suite, shared, self.digest())
        self._install(2, self.handshake.client, self.handshake.server)

    def _install(self, epoch: int, client: bytes, server: bytes) -> None:
        self.openers["client"].install_opener(epoch, keyschedule13.traffic_keys(self.suite, client))
        self.openers["server"].install_opener(epoch, keyschedule13.traffic_keys(self.suite, server))

    def _check_proof(self, role: str, message: wire.CertificateVerify) -> None:
        chain = next(said for who, said in self.said if who == role and isinstance(said, wire.CertificateChain))
        key = read_public_key(chain.entries[0].certificate)
        assert key is not None
        assert verify_signature(key, message.scheme, message.signature, proof(role, self.digest()))  # type: ignore[arg-type]

    def digest(self) -> bytes:
        return hashlib.new(self.suite.hash_name, b"".join(self.transcript)).digest()


@pytest.mark.parametrize("vector", load("handshake13/sessions"), ids=str)
def test_sessions(vector: Vector) -> None:
    out = vector.out
    group = next(number for number, name in tls.GROUPS.items() if name == out["group"])
    reader = Reader(vector.given, group)
    assert tls.CIPHER_SUITES[reader.suite.number] == out["cipher"]
    assert reader.data == out["data"]
    assert reader.acknowledged
    assert reader.handshake is not None
    assert reader.application is not None
    assert {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET": reader.handshake.client.hex(),
        "SERVER_HANDSHAKE_TRAFFIC_SECRET": reader.handshake.server.hex(),
        "CLIENT_TRAFFIC_SECRET_0": reader.application.client.hex(),
        "SERVER_TRAFFIC_SECRET_0": reader.application.server.hex(),
        "EXPORTER_SECRET": reader.application.exporter.hex(),
    } == out["secrets"]
    extensions = next(said for _, said in reader.said if isinstance(said, wire.EncryptedExtensions))
    assert find_extension(extensions.extensions, UseSRTP) == UseSRTP((out["srtp_profile"],))
    keys = keyschedule13.srtp_keys(reader.suite, reader.application.exporter, "client", out["srtp_profile"])
    assert (keys.local_key.hex(), keys.remote_key.hex()) == (out["client_key"], out["server_key"])
    assert (keys.local_salt.hex(), keys.remote_salt.hex()) == (out["client_salt"], out["server_salt"])


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("vector", load("handshake13/sessions"), ids=str)
def test_the_same_dice_give_the_same_session(vector: Vector, role: str) -> None:
    """One side alone, which hears what arrived of the other's words, says its own up to its first data."""
    given, log = vector.given, list[str]()
    dice = [unhex(each) for each in given["dice"][role]]
    own = read_certificate(given["certificates"][role])
    machine = endpoint("1.3", role, lambda size: dice.pop(0), own, given["settings"][role], log)
    machine.start(0.0)
    sent: list[bytes] = []
    for each in given["datagrams"]:
        now = each.get("at_ms", 0) / 1000
        while machine.next_timeout() <= now + 0.0005:
            machine.handle_timeout(now)
        if each["from"] != role:
            if not each.get("lost"):
                machine.receive_datagram(Datagram(unhex(each["hex"]), machine.local, machine.remote), now)
            continue
        sent += [datagram.data for datagram in machine.transmits()]
        if not sent:
            break  # now its owner speaks
        assert sent.pop(0).hex() == each["hex"]
    assert any(isinstance(event, Connected) for event in machine.events())
    assert {line.split()[0]: line.split()[2] for line in log} == vector.out["secrets"]
    assert not dice
