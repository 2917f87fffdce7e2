"""Replays vectors/handshake12. Read next: tests/generate/handshake12.py, where the cases come from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from meetref.protocol import keyschedule
from meetref.protocol.certificate import read_public_key, verify_signature
from meetref.protocol.keyschedule import SUITES, Session
from meetref.protocol.keyshare import combine, make_share
from meetref.protocol.reassembly import Message, Reassembly
from meetref.protocol.recordlayer import RecordLayer
from meetref.wire import dtls, tls
from meetref.wire import handshake12 as wire
from meetref.wire.extension import ExtendedMasterSecret, find_extension
from meetref.wire.reader import Malformed
from tests.generate.handshake12 import answer_to, message_values
from tests.vectors.codeccases import VECTORS, Vector, load, unhex


def _session(given: dict[str, Any]) -> Session:
    suite = SUITES[given.get("suite", tls.ECDHE_ECDSA_AES_128_GCM)]
    return Session(*(unhex(given.get(name, "")) for name in ("master", "client_random", "server_random")), suite)


def _computed(operation: str, given: dict[str, Any]) -> dict[str, Any]:
    match operation:
        case "pseudorandom":
            label = given["label"].encode()
            return {
                "octets": keyschedule.pseudorandom(unhex(given["secret"]), label, unhex(given["seed"]), given["size"])
            }
        case "master_secret":
            names = ("premaster", "client_random", "server_random")
            octets = [unhex(given[name]) for name in names]
            return {"octets": keyschedule.master_secret(*octets, _session(given).suite.hash_name)}
        case "extended_master_secret":
            premaster, hashed = unhex(given["premaster"]), unhex(given["session_hash"])
            return {"octets": keyschedule.extended_master_secret(premaster, hashed, _session(given).suite.hash_name)}
        case "key_block":
            keys = keyschedule.key_block(_session(given))
            return {name: getattr(keys, name) for name in ("client_key", "server_key", "client_salt", "server_salt")}
        case "verify_data":
            return {"octets": keyschedule.verify_data(_session(given), given["sender"], unhex(given["messages"]))}
        case "export":
            context = None if given["context"] is None else unhex(given["context"])
            return {"octets": keyschedule.export(_session(given), given["label"].encode(), given["size"], context)}
        case _:
            mine = keyschedule.srtp_keys(_session(given), "client", given["profile"])
            theirs = keyschedule.srtp_keys(_session(given), "server", given["profile"])
            assert (mine.local_key, mine.local_salt) == (theirs.remote_key, theirs.remote_salt)
            keys_of = {"client_key": mine.local_key, "server_key": mine.remote_key}
            return keys_of | {"client_salt": mine.local_salt, "server_salt": mine.remote_salt}


@pytest.mark.parametrize("vector", load("handshake12/keyschedule"), ids=str)
def test_keyschedule(vector: Vector) -> None:
    computed = _computed(vector.operation, vector.given)
    assert {name: octets.hex() for name, octets in computed.items()} == vector.out


@pytest.mark.parametrize("vector", load("handshake12/messages"), ids=str)
def test_messages(vector: Vector) -> None:
    number, body = vector.given["type"], unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            wire.parse(number, body)
        return
    message = wire.parse(number, body)
    assert message_values(message) == vector.out
    assert wire.serialize(message) == body


class Reader:
    """Somebody who has the datagrams of a handshake and the client's secret, and no endpoint."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.said: list[tuple[Message, wire.Handshake]] = []
        self.protected: list[tuple[str, dtls.Record]] = []
        parts = {"client": Reassembly(), "server": Reassembly()}
        for each in given["datagrams"]:
            for record in dtls.parse(unhex(each["hex"])):
                if record.epoch:
                    self.protected.append((each["from"], record))
                elif record.content_type == dtls.HANDSHAKE:
                    self._read(parts[each["from"]], record.payload)
        secret = unhex(given["client_secret"])
        self.secret, self.share = make_share(self.the(wire.ServerKeyExchange).group, lambda size: secret)

    def _read(self, reassembly: Reassembly, payload: bytes) -> None:
        for fragment in dtls.fragments(payload):
            reassembly.add(fragment)
        while (message := reassembly.take()) is not None:
            if message.type == wire.HELLO_VERIFY_REQUEST:
                self.said.clear()  # nor does the hello before it count
            else:
                self.said.append((message, wire.parse(message.type, message.body)))

    def the(self, kind: type[Any], which: int = 0) -> Any:
        return [message for _, message in self.said if isinstance(message, kind)][which]

    def octets_before(self, kind: type[Any], *, included: bool = False) -> bytes:
        at = next(at for at, (_, message) in enumerate(self.said) if isinstance(message, kind))
        return b"".join(message.octets() for message, _ in self.said[: at + included])


@pytest.mark.parametrize("vector", load("handshake12/sessions"), ids=str)
def test_sessions(vector: Vector) -> None:
    reader, out = Reader(vector.given), vector.out
    client, server = reader.said[0][1], reader.said[1][1]
    share = reader.the(wire.ServerKeyExchange)
    randoms = client.random + server.random  # type: ignore[union-attr]
    server_key = read_public_key(reader.the(wire.CertificateChain, 0).certificates[0])
    client_key = read_public_key(reader.the(wire.CertificateChain, 1).certificates[0])
    assert server_key is not None
    assert client_key is not None
    signed = randoms + wire.server_share(share.group, share.share)
    assert verify_signature(server_key, share.scheme, share.signature, signed)
    proof = reader.the(wire.CertificateVerify)
    assert verify_signature(client_key, proof.scheme, proof.signature, reader.octets_before(wire.CertificateVerify))
    premaster = combine(reader.secret, share.share)
    assert reader.share == reader.the(wire.ClientKeyExchange).share
    suite = SUITES[server.cipher_suite]  # type: ignore[union-attr]
    if find_extension(server.extensions, ExtendedMasterSecret) is None:  # type: ignore[union-attr]
        master = keyschedule.master_secret(premaster, randoms[:32], randoms[32:], suite.hash_name)
    else:
        hashed = hashlib.new(suite.hash_name, reader.octets_before(wire.ClientKeyExchange, included=True)).digest()
        master = keyschedule.extended_master_secret(premaster, hashed, suite.hash_name)
    assert (master.hex(), randoms[:32].hex()) == (out["master"], out["client_random"])
    session = Session(master, randoms[:32], randoms[32:], suite)
    assert keyschedule.export(session, vector.given["label"].encode(), 88).hex() == out["exported"]
    keys = keyschedule.srtp_keys(session, "client", out["srtp_profile"])
    assert keys.local_key.hex() == out["client_key"]
    assert keys.remote_salt.hex() == out["server_salt"]
    _check_protected(reader, session, out["data"])


def _check_protected(reader: Reader, session: Session, data: dict[str, str]) -> None:
    openers = {"client": RecordLayer(), "server": RecordLayer()}
    openers["client"].install(keyschedule.key_block(session), "server")
    openers["server"].install(keyschedule.key_block(session), "client")
    heard = b"".join(message.octets() for message, _ in reader.said)
    for role, record in reader.protected:
        plaintext = openers[role].open(record)
        assert isinstance(plaintext, bytes)
        if record.content_type == dtls.APPLICATION_DATA:
            assert plaintext.hex() == data[role]
        else:
            assert plaintext[12:] == keyschedule.verify_data(session, role, heard)  # type: ignore[arg-type]
            heard += plaintext


_HELLOS = json.loads((VECTORS / "handshake12" / "hellos.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "case", [each for group in _HELLOS["groups"] for each in group["tests"]], ids=lambda c: c["id"]
)
def test_hellos(case: dict[str, Any]) -> None:
    given, wanted = case["steps"]
    answer = answer_to(given["receive"]["hex"])
    assert answer == wanted["expect"]["send"]
    assert (case["result"] == "invalid") == ("alert" in answer)
    if case["result"] == "invalid":
        assert case["reaction"] == f"alert:{answer['alert']}"
