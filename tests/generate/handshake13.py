"""Makes vectors/handshake13: key schedule, records, messages, key shares, and whole handshakes with their dice.

Whole handshakes are played by two endpoints of ours; everything that was random is told beside the octets. The one
part of the library that takes no dice, ML-KEM's encapsulation, is done by kyber-py with dice of the server's.
Read next: tests/vectors/test_handshake13.py, tests/confirm/handshake13.py.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meetref.protocol import keyschedule13
from meetref.protocol.association import Connected
from meetref.protocol.certificate import Certificate
from meetref.protocol.conversation13 import Policy, proof
from meetref.protocol.handshake13 import Endpoint
from meetref.protocol.keyschedule13 import SUITES, Suite
from meetref.protocol.machine import Datagram
from meetref.protocol.reassembly import Message
from meetref.protocol.recordlayer13 import RecordLayer13, mask_of
from meetref.wire import tls
from meetref.wire.address import Address
from tests.generate.dtlslies import encapsulating
from tests.generate.mediacases import Cases

CLIENT, SERVER = Address("192.0.2.1", 5000), Address("198.51.100.2", 6000)
NOW_WALL = 1_800_000_000.0
POLICY = Policy(srtp_profiles=(8, 7, 1))
SHARE_DICE = {tls.X25519_ML_KEM_768: 2}
"""How often dice are thrown for a share, if more than once."""

RECORDED = Path(__file__).parent.parent / "captured" / "secrets13.json"
NOTES = {
    "Logged": (
        "The browser's own key log has the secrets of both sides for handshake and application, and the exporter's",
        "what comes out is the browser's, not ours alone",
    )
}

PATIENCE = 5.0
"""Seconds that are waited for what is still to come; nothing after that but giving up."""


def sets() -> dict[str, dict[str, Any]]:
    """Every set of the stem."""
    return {
        "handshake13/keyschedule": _keyschedule(),
        "handshake13/protection": _protection(),
        "handshake13/sessions": _sessions(),
    }


def _octets(seed: str, size: int) -> bytes:
    return random.Random(f"handshake13 {seed}").randbytes(size)


# --- the key schedule -----------------------------------------------------------------------------


def _keyschedule() -> dict[str, Any]:
    cases = Cases("handshake13-keyschedule", NOTES)
    cases.group("expand_label", "RFC 9846 section 7.1, RFC 9147 section 5.9")
    for suite in SUITES.values():
        for label, size in ((b"key", suite.key_size), (b"iv", 12), (b"sn", suite.key_size), (b"test", 100)):
            secret, context = _octets("secret", suite.hash_size), _octets("context", 32) if size == 100 else b""
            given = {"hash": suite.hash_name, "secret": secret.hex(), "label": label.decode(), "size": size}
            out = keyschedule13.expand_label(suite.hash_name, secret, label, context, size)
            given |= {"context": context.hex()}
            cases.valid(f"{label.decode()}, {size} octets", "label-prefix", given, {"octets": out.hex()})
    cases.group("secrets", "RFC 9846 section 7.1")
    for suite in SUITES.values():
        cases.valid(f"all secrets of suite {suite.number:#06x}", "key-schedule", *_secrets(suite))
    cases.group("verify_data", "RFC 9846 section 4.5.3")
    for suite in SUITES.values():
        secret, digest = _octets("traffic", suite.hash_size), _octets("transcript", suite.hash_size)
        given = {"hash": suite.hash_name, "secret": secret.hex(), "transcript": digest.hex()}
        octets = keyschedule13.verify_data(suite, secret, digest)
        cases.valid(f"Finished with {suite.hash_name}", "finished-wrong", given, {"octets": octets.hex()})
    cases.group("export", "RFC 9846 section 7.5")
    for suite in SUITES.values():
        for size in (56, 60, 88):
            secret = _octets("exporter", suite.hash_size)
            given = {"hash": suite.hash_name, "secret": secret.hex(), "label": "EXTRACTOR-dtls_srtp", "size": size}
            octets = keyschedule13.export(suite, secret, b"EXTRACTOR-dtls_srtp", size)
            cases.valid(f"{size} octets with {suite.hash_name}", "exporter", given, {"octets": octets.hex()})
    cases.group("proof", "RFC 9846 section 4.5.2")
    for role in ("client", "server"):
        given = {"role": role, "transcript": bytes(range(32)).hex()}
        cases.valid(f"what the {role} signs", "proof-context", given, {"octets": proof(role, bytes(range(32))).hex()})
    cases.group("ladder", "RFC 9846 sections 7.1 to 7.3, RFC 9147 sections 4.2.3 and 5.9")
    for suite in SUITES.values():
        given = _secrets(suite)[0] | {"suite": suite.number}
        out = {name: octets.hex() for name, octets in ladder(suite, given).items()}
        cases.valid(f"every step of suite {suite.number:#06x}", "key-schedule label-prefix", given, out)
    cases.group("srtp_keys", "RFC 9846 section 7.5, RFC 5764 section 4.2, RFC 7714 section 12")
    for suite in SUITES.values():
        for profile, name in tls.SRTP_PROFILES.items():
            secret = _octets("exporter", suite.hash_size)
            given = {"hash": suite.hash_name, "secret": secret.hex(), "profile": profile}
            keys = keyschedule13.srtp_keys(suite, secret, "client", profile)
            out = {"client_key": keys.local_key.hex(), "server_key": keys.remote_key.hex()}
            out |= {"client_salt": keys.local_salt.hex(), "server_salt": keys.remote_salt.hex()}
            cases.valid(f"{name} with {suite.hash_name}", "exporter handshake12/srtp-key-order", given, out)
    for browser in ("Chromium", "Firefox"):
        _add_recorded(cases, browser)
    return cases.finish() | {"schema": "crypto"}


def _add_recorded(cases: Cases, browser: str) -> None:
    """A group of handshakes that a browser had with us; what it logged must be what comes out."""
    cases.group("ladder", f"handshakes of {browser}, tests/captured/record_secrets.py", "captured")
    for each in json.loads(RECORDED.read_text(encoding="utf-8")):
        if each["browser"] != browser:
            continue
        out = {name: octets.hex() for name, octets in ladder(SUITES[each["in"]["suite"]], each["in"]).items()}
        assert {name: out[name] for name in each["logged"]} == each["logged"], "the browser computes otherwise"
        how = f"{tls.GROUPS[each['group']]}, suite {each['in']['suite']:#06x}"
        comment = f"{browser} {each['version']} as {each['role']}, {how}"
        cases.valid(comment, "key-schedule label-prefix", each["in"], out, ("Logged",) if each["logged"] else ())


def ladder(suite: Suite, given: dict[str, Any]) -> dict[str, bytes]:
    """Every value from the shared secret to the keys of the records, in the order in which they are computed."""
    name, nothing = suite.hash_name, hashlib.new(suite.hash_name).digest()
    zeros, shared = bytes(suite.hash_size), bytes.fromhex(given["shared_secret"])
    hellos, finished = (bytes.fromhex(given[f"transcript_to_server_{end}"]) for end in ("hello", "finished"))
    derive = functools.partial(keyschedule13.derive_secret, name)
    out = {"early_secret": keyschedule13.extract(name, b"", zeros)}
    out["early_derived"] = derive(out["early_secret"], b"derived", nothing)
    out["handshake_secret"] = keyschedule13.extract(name, out["early_derived"], shared)
    for role, letter in (("client", b"c"), ("server", b"s")):
        secret = out[f"{role}_handshake"] = derive(out["handshake_secret"], letter + b" hs traffic", hellos)
        out |= _record_keys(suite, f"{role}_handshake", secret)
        out[f"{role}_finished_key"] = keyschedule13.expand_label(name, secret, b"finished", b"", suite.hash_size)
    out["handshake_derived"] = derive(out["handshake_secret"], b"derived", nothing)
    out["main_secret"] = keyschedule13.extract(name, out["handshake_derived"], zeros)
    for role, letter in (("client", b"c"), ("server", b"s")):
        secret = out[f"{role}_application"] = derive(out["main_secret"], letter + b" ap traffic", finished)
        out |= _record_keys(suite, f"{role}_application", secret)
        out[f"{role}_application_next"] = keyschedule13.next_secret(suite, secret)
    out["exporter"] = derive(out["main_secret"], b"exp master", finished)
    out["exporter_derived"] = derive(out["exporter"], b"EXTRACTOR-dtls_srtp", nothing)
    return out


def _record_keys(suite: Suite, name: str, secret: bytes) -> dict[str, bytes]:
    keys = keyschedule13.traffic_keys(suite, secret)
    return {f"{name}_key": keys.key, f"{name}_iv": keys.iv, f"{name}_sequence_key": keys.sequence_key}


def _secrets(suite: Suite) -> tuple[dict[str, Any], dict[str, str]]:
    shared, hellos = _octets("shared", 64), _octets("hellos", suite.hash_size)
    finished = _octets("finished", suite.hash_size)
    handshake = keyschedule13.handshake_secrets(suite, shared, hellos)
    application = keyschedule13.application_secrets(suite, handshake, finished)
    given = {"hash": suite.hash_name, "shared_secret": shared.hex()}
    given |= {"transcript_to_server_hello": hellos.hex(), "transcript_to_server_finished": finished.hex()}
    out = {
        "client_handshake": handshake.client,
        "server_handshake": handshake.server,
        "client_application": application.client,
        "server_application": application.server,
        "exporter": application.exporter,
        "client_application_next": keyschedule13.next_secret(suite, application.client),
    }
    return given, {name: octets.hex() for name, octets in out.items()}


# --- records --------------------------------------------------------------------------------------


def _protection() -> dict[str, Any]:
    cases = Cases("handshake13-protection", {})
    cases.group("seal", "RFC 9147 sections 4 and 4.2.3")
    for suite in SUITES.values():
        for epoch, sequence, kind, plaintext in ((2, 0, 22, b"hello"), (3, 1, 23, b""), (7, 70_000, 23, bytes(100))):
            secret = _octets(f"epoch {epoch}", suite.hash_size)
            given = {"suite": suite.number, "secret": secret.hex(), "epoch": epoch, "sequence": sequence}
            given |= {"content_type": kind, "plaintext": plaintext.hex()}
            record = sealer(suite, secret, epoch, sequence).seal(epoch, kind, plaintext)
            reqs = "dtls/unified-protection dtls/sequence-nearest"
            cases.valid(f"epoch {epoch}, sequence {sequence}", reqs, given, {"record": record.hex()})
    cases.group("open", "RFC 9147 section 4.5.2")
    for suite in SUITES.values():
        secret = _octets("epoch 3", suite.hash_size)
        good = sealer(suite, secret, 3, 0).seal(3, 23, b"hello")
        changed = {
            "its length": good[:4] + bytes((good[4] ^ 1,)) + good[5:],
            "its sequence": good[:2] + bytes((good[2] ^ 1,)) + good[3:],
            "its ciphertext": good[:-1] + bytes((good[-1] ^ 1,)),
            "its epoch": bytes((good[0] ^ 1,)) + good[1:],
        }
        given = {"suite": suite.number, "secret": secret.hex(), "epoch": 3}
        out = {"content_type": 23, "plaintext": b"hello".hex(), "sequence": 0}
        cases.valid("as it was sealed", "dtls/unified-protection", given | {"record": good.hex()}, out)
        for what, record in changed.items():
            cases.invalid(f"changed: {what}", "dtls/bad-record-dropped", given | {"record": record.hex()})
    cases.group("sequence_mask", "RFC 9147 section 4.2.3")
    for suite in SUITES.values():
        for sample in (bytes(16), bytes(range(16)), b"\xff" * 16):
            keys = keyschedule13.traffic_keys(suite, _octets("mask", suite.hash_size))
            given = {"suite": suite.number, "sequence_key": keys.sequence_key.hex(), "sample": sample.hex()}
            comment = f"suite {suite.number:#06x}, from {sample.hex()[:4]}..."
            cases.valid(comment, "dtls/unified-protection", given, {"mask": mask_of(keys)(sample)[:2].hex()})
    return cases.finish() | {"schema": "crypto"}


def sealer(suite: Suite, secret: bytes, epoch: int, sequence: int) -> RecordLayer13:
    """Records that come from that secret, the next one with that number."""
    layer = RecordLayer13()
    layer.install_sealer(epoch, keyschedule13.traffic_keys(suite, secret))
    layer._next_sequence[epoch] = sequence
    return layer


# --- whole handshakes -----------------------------------------------------------------------------


@dataclass
class Played:
    """A handshake of two endpoints with the dice of `seed`, one datagram of data from each side, and new keys."""

    seed: int
    client_settings: dict[str, Any] = field(default_factory=dict)
    server_settings: dict[str, Any] = field(default_factory=dict)
    lost: tuple[int, ...] = ()
    """Which of the datagrams, counted from 0, never arrive."""
    updates: bool = False

    def __post_init__(self) -> None:
        self.sent_at: list[tuple[float, bool]] = []
        self.dice: dict[str, list[bytes]] = {"client": [], "server": []}
        self.datagrams: list[tuple[str, bytes]] = []
        self.key_log: list[str] = []
        self.certificates: dict[str, dict[str, str]] = {}
        self.now = 0.0
        self.client = self._endpoint("client", CLIENT, SERVER, self.client_settings)
        self.server = self._endpoint("server", SERVER, CLIENT, self.server_settings)
        self.messages: list[Message] = []
        self._listen(self.client._talk)
        self.client.start(0.0)
        self._exchange()
        self._say_data()
        if self.updates:
            self.client.update_keys(self.now, both=True)
            self._exchange()
            self._say_data()

    def _listen(self, talk: Any) -> None:
        """Keep every message of the handshake, as the client says it or hears it."""
        hear = talk.hear

        def say(message: Any, epoch: int = 2) -> None:
            before = len(talk.turn)
            type(talk).say(talk, message, epoch)
            self.messages += [said for _, said in talk.turn[before:]]

        def heard(message: Message) -> None:
            self.messages.append(message)
            hear(message)

        talk.say, talk.hear = say, heard

    def _say_data(self) -> None:
        self.client.send(b"from the client", self.now)
        self.server.send(b"from the server", self.now)
        self._exchange()

    def _endpoint(self, role: Any, local: Address, remote: Address, settings: dict[str, Any]) -> Endpoint:
        source = random.Random(f"{role} {self.seed}").randbytes
        certificate = Certificate.generate(source, now_wall=NOW_WALL)
        key = certificate._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.certificates[role] = {"der": certificate.der.hex(), "key": key.hex()}

        def dice(size: int) -> bytes:
            self.dice[role].append(source(size))
            return self.dice[role][-1]

        given = {"address_verified": True, "policy": POLICY, "key_log": self.key_log.append} | settings
        given["encapsulate"] = encapsulating(dice)
        return Endpoint(role=role, certificate=certificate, dice=dice, local=local, remote=remote, **given)

    def _exchange(self) -> None:
        """Until both are silent; then time passes, if it brings anything."""
        ends = ((self.client, self.server), (self.server, self.client))
        while True:
            moved = [self._carry(sender, receiver) for sender, receiver in ends]
            if any(moved):
                continue
            due = min(self.client.next_timeout(), self.server.next_timeout())
            if due > self.now + PATIENCE:
                return
            self.now = due
            for each, _ in ends:
                if each.next_timeout() <= due:
                    each.handle_timeout(due)

    def _carry(self, sender: Endpoint, receiver: Endpoint) -> bool:
        sent = [datagram.data for datagram in sender.transmits()]
        for data in sent:
            lost = len(self.datagrams) in self.lost
            self.datagrams.append((sender.role, data))
            self.sent_at.append((self.now, lost))
            if not lost:
                receiver.receive_datagram(Datagram(data, receiver.local, receiver.remote), self.now)
        return bool(sent)

    def given(self) -> dict[str, Any]:
        """All that is needed to play it once more, or to read along."""
        datagrams: list[dict[str, Any]] = []
        for (role, data), (at, lost) in zip(self.datagrams, self.sent_at, strict=True):
            timed = {"at_ms": round(1000 * at), "lost": lost} if self.lost else {}
            datagrams.append({"from": role, "hex": data.hex(), **timed})
        return {
            "datagrams": datagrams,
            "client_dice": self._share_dice().hex(),
            "dice": {role: [each.hex() for each in dice] for role, dice in self.dice.items()},
            "certificates": self.certificates,
        }

    def _share_dice(self) -> bytes:
        """The key of the share that was used. The client drew: a secret of cookies, its shares, a random, a share."""
        drawn = self.dice["client"]
        offered = self.client_settings["policy"].groups[:2]
        random_at = 1 + sum(SHARE_DICE.get(group, 1) for group in offered)
        return b"".join(drawn[random_at + 1 :] or drawn[1 : 1 + SHARE_DICE.get(offered[0], 1)])

    def outcome(self) -> dict[str, Any]:
        """What somebody who has the octets and the client's secret must find."""
        connected = next(event for event in self.client.events() if isinstance(event, Connected))
        keys = connected.srtp_keys
        assert keys is not None
        secrets = {line.split()[0]: line.split()[2] for line in self.key_log}
        return {
            "cipher": connected.cipher,
            "group": connected.group,
            "secrets": secrets,
            "srtp_profile": connected.srtp_profile,
            "client_key": keys.local_key.hex(),
            "server_key": keys.remote_key.hex(),
            "client_salt": keys.local_salt.hex(),
            "server_salt": keys.remote_salt.hex(),
            "data": {"client": b"from the client".hex(), "server": b"from the server".hex()},
        }


def settings_of(*groups: int, suite: int = tls.AES_128_GCM, **more: Any) -> dict[str, Any]:
    return {"policy": Policy(groups=groups, suites=(suite,), srtp_profiles=(8, 7, 1))} | more


CURVES = (tls.X25519, tls.P_256, tls.P_384)
SETTINGS: tuple[tuple[Any, ...], ...] = (
    ("X25519, AES-128-GCM", settings_of(tls.X25519), {}),
    ("P-256, AES-256-GCM", settings_of(tls.P_256, suite=tls.AES_256_GCM), {}),
    ("P-384, ChaCha20-Poly1305", settings_of(tls.P_384, suite=tls.CHACHA20_POLY1305), {}),
    ("a cookie is asked for", settings_of(tls.X25519), {"address_verified": False}),
    ("X25519MLKEM768", settings_of(tls.X25519_ML_KEM_768), {}),
    ("in small fragments", settings_of(tls.X25519, maximum_datagram=200), {"maximum_datagram": 160}),
    ("P-384 is asked for", settings_of(*CURVES), settings_of(tls.P_384)),
    (
        "P-384 and a cookie are asked for, with SHA-384",
        settings_of(*CURVES, suite=tls.AES_256_GCM),
        settings_of(tls.P_384, suite=tls.AES_256_GCM, address_verified=False),
    ),
    ("X25519MLKEM768 is asked for", settings_of(tls.X25519, tls.P_256, tls.X25519_ML_KEM_768), {}),
    (
        "X25519MLKEM768 in small fragments, and a cookie",
        settings_of(tls.X25519_ML_KEM_768, maximum_datagram=300),
        {"maximum_datagram": 300, "address_verified": False},
    ),
    (
        "parts of both flights are lost",
        settings_of(tls.X25519, maximum_datagram=300),
        {"maximum_datagram": 300},
        {"lost": (2, 7)},
    ),
    ("everything is lost once", settings_of(tls.X25519), {}, {"lost": (0, 2, 4, 5)}),
    ("new keys for both sides", settings_of(tls.X25519), {}, {"updates": True}),
)


def _sessions() -> dict[str, Any]:
    cases = Cases("handshake13-sessions", {})
    cases.group("session", "RFC 9147, RFC 9846, RFC 5764 section 4.2")
    for seed, (comment, client, server, *more) in enumerate(SETTINGS, 1):
        played = Played(seed, client, server, **(more[0] if more else {}))
        given = played.given() | {"settings": {"client": told_settings(client), "server": told_settings(server)}}
        reqs = "key-schedule transcript-header epochs proof-context exporter srtp-in-encrypted-extensions"
        cases.valid(f"a whole handshake: {comment}", reqs, given, played.outcome())
    return cases.finish() | {"schema": "crypto"}


def told_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of an endpoint as JSON has them, and `dtlslies.endpoint` takes them."""
    policy = settings.get("policy", POLICY)
    told = {"groups": list(policy.groups), "suites": list(policy.suites), "srtp_profiles": list(policy.srtp_profiles)}
    return told | {key: value for key, value in settings.items() if key != "policy"}
