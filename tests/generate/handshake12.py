"""Makes vectors/handshake12: key schedule, messages, whole handshakes with their dice, and what hellos must lead to.

Whole handshakes are played by two endpoints of ours; everything that was random is told beside the octets.
Read next: tests/vectors/test_handshake12.py, which replays them; tests/confirm/handshake12.py, who else agrees.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meetref.protocol import keyschedule
from meetref.protocol.certificate import Certificate
from meetref.protocol.handshake12 import Connected, Endpoint
from meetref.protocol.keyschedule import Session
from meetref.protocol.machine import Datagram
from meetref.protocol.reassembly import Message, Reassembly
from meetref.wire import dtls, extension, tls
from meetref.wire import handshake12 as wire
from meetref.wire.address import Address
from tests.generate.dtlslies import Tell, instead, put, teach, without
from tests.generate.mediacases import Cases

CLIENT, SERVER = Address("192.0.2.1", 5000), Address("198.51.100.2", 6000)
NOW_WALL = 1_800_000_000.0
MASTER, CLIENT_RANDOM, SERVER_RANDOM = bytes(range(48)), bytes(range(64, 96)), bytes(range(128, 160))
SESSION = Session(MASTER, CLIENT_RANDOM, SERVER_RANDOM)
LABEL = keyschedule.SRTP_LABEL.decode()


def sets() -> dict[str, dict[str, Any]]:
    """Every set of the stem."""
    return {
        "handshake12/keyschedule": _keyschedule(),
        "handshake12/messages": _messages(),
        "handshake12/sessions": _sessions(),
        "handshake12/hellos": _hellos(),
    }


# --- the key schedule -----------------------------------------------------------------------------


def _keyschedule() -> dict[str, Any]:
    cases = Cases("handshake12-keyschedule", {"NoContext": ("No context", "not the same as an empty one")})
    cases.group("pseudorandom", "RFC 5246 section 5")
    for secret, label, seed, size in (
        (bytes(range(16)), b"test label", bytes(range(32, 48)), 100),
        (b"", b"label", b"", 32),
        (bytes(200), b"a longer secret than a block of the hash", bytes(64), 33),
    ):
        given = {"secret": secret.hex(), "label": label.decode(), "seed": seed.hex(), "size": size}
        out = {"octets": keyschedule.pseudorandom(secret, label, seed, size).hex()}
        cases.valid(f"{size} octets from a secret of {len(secret)}", "master-secret", given, out)
    randoms = {"client_random": CLIENT_RANDOM.hex(), "server_random": SERVER_RANDOM.hex()}
    premaster, hashed = bytes(range(200, 232)), hashlib.sha256(b"all messages up to ClientKeyExchange").digest()
    cases.group("master_secret", "RFC 5246 section 8.1")
    master = keyschedule.master_secret(premaster, CLIENT_RANDOM, SERVER_RANDOM)
    given = {"premaster": premaster.hex(), **randoms}
    cases.valid("from the randoms", "master-secret", given, {"octets": master.hex()})
    cases.group("extended_master_secret", "RFC 7627 section 4")
    master = keyschedule.extended_master_secret(premaster, hashed)
    given = {"premaster": premaster.hex(), "session_hash": hashed.hex()}
    cases.valid("from the hash of the handshake", "extended-master-secret", given, {"octets": master.hex()})
    cases.group("key_block", "RFC 5246 section 6.3, RFC 5288 section 3")
    keys, names = keyschedule.key_block(SESSION), ("client_key", "server_key", "client_salt", "server_salt")
    given = {"master": MASTER.hex(), **randoms}
    cases.valid("AES-128-GCM", "key-block", given, {name: getattr(keys, name).hex() for name in names})
    cases.group("verify_data", "RFC 5246 section 7.4.9")
    for role in ("client", "server"):
        given = {"master": MASTER.hex(), "sender": role, "messages": b"everything said so far".hex()}
        octets = keyschedule.verify_data(SESSION, role, b"everything said so far")
        cases.valid(f"the {role}'s Finished", "finished-wrong", given, {"octets": octets.hex()})
    cases.group("export", "RFC 5705 section 4")
    for context in (None, b"", b"context"):
        given = {"master": MASTER.hex(), **randoms, "label": "EXPORTER-meetref", "size": 48}
        given["context"] = None if context is None else context.hex()
        octets = keyschedule.export(SESSION, b"EXPORTER-meetref", 48, context)
        flags = ["NoContext"] if context is None else []
        cases.valid(f"context {context!r}", "exporter-no-context", given, {"octets": octets.hex()}, flags)
    cases.group("srtp_keys", "RFC 5764 section 4.2, RFC 7714 section 12")
    for profile, name in tls.SRTP_PROFILES.items():
        keys_of = keyschedule.srtp_keys(SESSION, "client", profile)
        out = {"client_key": keys_of.local_key.hex(), "server_key": keys_of.remote_key.hex()}
        out |= {"client_salt": keys_of.local_salt.hex(), "server_salt": keys_of.remote_salt.hex()}
        given = {"master": MASTER.hex(), **randoms, "profile": profile}
        cases.valid(name, "srtp-key-order exporter-no-context", given, out)
    _other_suites(cases, randoms, premaster)
    return cases.finish() | {"schema": "crypto"}


def _other_suites(cases: Cases, randoms: dict[str, str], premaster: bytes) -> None:
    """What depends on the suite, which `suite` tells: its hash, and the sizes of keys and salts."""
    larger = keyschedule.SUITES[tls.ECDHE_ECDSA_AES_256_GCM]
    session = replace(SESSION, suite=larger)
    hashed = hashlib.sha384(b"all messages up to ClientKeyExchange").digest()
    cases.group("extended_master_secret", "RFC 7627 section 4, RFC 5289 section 3.2")
    master = keyschedule.extended_master_secret(premaster, hashed, "sha384")
    given: dict[str, Any] = {"premaster": premaster.hex(), "session_hash": hashed.hex(), "suite": larger.number}
    cases.valid("with SHA-384", "extended-master-secret suites", given, {"octets": master.hex()})
    cases.group("master_secret", "RFC 5246 section 8.1, RFC 5289 section 3.2")
    master = keyschedule.master_secret(premaster, CLIENT_RANDOM, SERVER_RANDOM, "sha384")
    given = {"premaster": premaster.hex(), **randoms, "suite": larger.number}
    cases.valid("with SHA-384", "master-secret suites", given, {"octets": master.hex()})
    cases.group("key_block", "RFC 5246 section 6.3, RFC 5289 section 3.2, RFC 7905 section 2")
    names = ("client_key", "server_key", "client_salt", "server_salt")
    for number in (tls.ECDHE_ECDSA_AES_256_GCM, tls.ECDHE_ECDSA_CHACHA20_POLY1305):
        keys = keyschedule.key_block(replace(SESSION, suite=keyschedule.SUITES[number]))
        given = {"master": MASTER.hex(), **randoms, "suite": number}
        out = {name: getattr(keys, name).hex() for name in names}
        cases.valid(tls.CIPHER_SUITES[number], "key-block suites", given, out)
    cases.group("verify_data", "RFC 5246 section 7.4.9, RFC 5289 section 3.2")
    for role in ("client", "server"):
        given = {"master": MASTER.hex(), "sender": role, "messages": b"everything said so far".hex()}
        octets = keyschedule.verify_data(session, role, b"everything said so far")
        given |= {"suite": larger.number}
        cases.valid(f"the {role}'s Finished with SHA-384", "finished-wrong suites", given, {"octets": octets.hex()})
    cases.group("srtp_keys", "RFC 5764 section 4.2, RFC 7714 section 12, RFC 5289 section 3.2")
    for profile, name in tls.SRTP_PROFILES.items():
        found = keyschedule.srtp_keys(session, "client", profile)
        out = {"client_key": found.local_key.hex(), "server_key": found.remote_key.hex()}
        out |= {"client_salt": found.local_salt.hex(), "server_salt": found.remote_salt.hex()}
        given = {"master": MASTER.hex(), **randoms, "profile": profile, "suite": larger.number}
        cases.valid(f"{name} with SHA-384", "srtp-key-order exporter-no-context suites", given, out)


# --- messages -------------------------------------------------------------------------------------


def extension_values(extensions: tuple[extension.Extension, ...]) -> list[dict[str, Any]]:
    """Extensions as number and body, in their order."""
    return [
        {"type": extension.extension_number(each), "body": extension.serialize_extensions((each,))[6:].hex()}
        for each in extensions
    ]


def message_values(message: wire.Handshake) -> dict[str, Any]:
    """A message as JSON has it: octets in hexadecimal, extensions by number."""
    values: dict[str, Any] = {"name": type(message).__name__}
    for name in message.__dataclass_fields__:
        value = getattr(message, name)
        if name == "extensions":
            value = extension_values(value)
        elif isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, tuple):
            value = [each.hex() if isinstance(each, bytes) else each for each in value]
        values[name] = value
    return values


def _messages() -> dict[str, Any]:
    cases = Cases(
        "handshake12-messages", {"Canonical": ("Written as a serializer writes it", "it is written so again")}
    )
    cases.group("message", "RFC 5246 section 7.4, RFC 8422 section 5, RFC 6347 section 4.2.1")
    played = Played(seed=1, server_settings={"address_verified": False})
    seen: set[str] = set()
    for message in played.plain_messages():
        body, name = wire.serialize(message), type(message).__name__
        comment = f"{name}, {'again' if name in seen else 'as an endpoint of ours says it'}"
        seen.add(name)
        given = {"type": wire.message_number(message), "hex": body.hex()}
        cases.valid(comment, "flights", given, message_values(message), ["Canonical"])
    cases.group("message", "RFC 5246 section 7.2.2")
    hello = wire.serialize(played.hello)
    twice = wire.serialize(replace(played.hello, extensions=(extension.PointFormats(), extension.PointFormats())))
    for comment, number, body in (
        ("a hello that ends within its random", 1, hello[:20]),
        ("a hello that ends within its extensions", 1, hello[:-1]),
        ("a hello with octets behind its extensions", 1, hello + b"\x00"),
        ("a hello with an extension twice", 1, twice),
        ("a Finished of eleven octets", 20, bytes(11)),
        ("a ServerHelloDone with a body", 14, b"\x00"),
        ("a chain whose certificate reaches beyond it", 11, bytes.fromhex("000004000002aa")),
        ("a share by the curve's parameters", 12, bytes.fromhex("01") + bytes(20)),
    ):
        cases.invalid(comment, "decode-error", {"type": number, "hex": body.hex()})
    data = cases.finish()
    for case in data["groups"][1]["tests"]:
        case["reaction"] = "alert:decode_error"
        case["reqs"] += ["handshake12/extension-twice"] if "twice" in case["comment"] else []
    return data


# --- whole handshakes -----------------------------------------------------------------------------


@dataclass
class Played:
    """A handshake of two endpoints with the dice of `seed`, and one datagram of data from each side."""

    seed: int
    client_settings: dict[str, Any] | None = None
    server_settings: dict[str, Any] | None = None
    hello_tells: Tell | None = None
    """How the client's hello is changed before it is said."""

    def __post_init__(self) -> None:
        self.certificates: dict[str, dict[str, str]] = {}
        self.dice: dict[str, list[bytes]] = {"client": [], "server": []}
        self.datagrams: list[tuple[str, bytes]] = []
        self.key_log: list[str] = []
        self.client = self._endpoint("client", CLIENT, SERVER, self.client_settings or {})
        self.server = self._endpoint("server", SERVER, CLIENT, self.server_settings or {})
        if self.hello_tells is not None:
            teach(self.client, "1.2", self.hello_tells)
        self.client.start(0.0)
        self._exchange()
        self.client.send(b"from the client", 0.0)
        self.server.send(b"from the server", 0.0)
        self._exchange()

    def _endpoint(self, role: Any, local: Address, remote: Address, settings: dict[str, Any]) -> Endpoint:
        source = random.Random(f"{role} {self.seed}").randbytes
        certificate = Certificate.generate(source, now_wall=NOW_WALL)
        key = certificate._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.certificates[role] = {"der": certificate.der.hex(), "key": key.hex()}

        def dice(size: int) -> bytes:
            self.dice[role].append(source(size))
            return self.dice[role][-1]

        return Endpoint(
            role=role,
            certificate=certificate,
            dice=dice,
            local=local,
            remote=remote,
            key_log=self.key_log.append,
            **({"address_verified": True} | settings),
        )

    def _exchange(self) -> None:
        for _ in range(4):
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                for datagram in sender.transmits():
                    self.datagrams.append((sender.role, datagram.data))
                    receiver.receive_datagram(Datagram(datagram.data, receiver.local, receiver.remote), 0.0)

    def plain_messages(self) -> list[wire.Handshake]:
        """What both said in epoch 0, in the order of saying; wants datagrams in which messages stay whole."""
        return [
            wire.parse(fragment.type, fragment.body)
            for _, data in self.datagrams
            for record in dtls.parse(data)
            if record.content_type == dtls.HANDSHAKE and record.epoch == 0
            for fragment in dtls.fragments(record.payload)
        ]

    @property
    def hello(self) -> tls.ClientHello:
        first = self.plain_messages()[0]
        assert isinstance(first, tls.ClientHello)
        return first

    def outcome(self) -> dict[str, Any]:
        """What somebody who has the octets and the client's secret key must find."""
        connected = next(event for event in self.client.events() if isinstance(event, Connected))
        _, client_random, master = self.key_log[0].split()
        keys = connected.srtp_keys
        assert keys is not None
        return {
            "master": master,
            "client_random": client_random,
            "exported": self.client.export(keyschedule.SRTP_LABEL, 88).hex(),
            "srtp_profile": connected.srtp_profile,
            "client_key": keys.local_key.hex(),
            "server_key": keys.remote_key.hex(),
            "client_salt": keys.local_salt.hex(),
            "server_salt": keys.remote_salt.hex(),
            "data": {"client": b"from the client".hex(), "server": b"from the server".hex()},
        }


SETTINGS: tuple[tuple[Any, ...], ...] = (
    ("behind a verified address", {}, {}),
    ("with a cookie", {}, {"address_verified": False}),
    ("in small fragments", {"maximum_datagram": 200}, {"maximum_datagram": 160}),
    ("with AES-CM for the media", {"srtp_profiles": (1,)}, {"srtp_profiles": (8, 1)}),
)


def _only_suite(number: int) -> Tell:
    return put(tls.ClientHello, cipher_suites=(number,))


def _only_group(number: int) -> Tell:
    return instead(tls.ClientHello, extension.SupportedGroups((number,)))


OTHERS: tuple[tuple[str, str, Tell], ...] = (
    ("with AES-256-GCM and SHA-384", "suites", _only_suite(tls.ECDHE_ECDSA_AES_256_GCM)),
    ("with ChaCha20-Poly1305", "suites dtls/chacha-nonce", _only_suite(tls.ECDHE_ECDSA_CHACHA20_POLY1305)),
    ("with P-256", "group-preference", _only_group(tls.P_256)),
    ("with P-384", "group-preference", _only_group(tls.P_384)),
    ("without extended master secret", "master-secret", without(tls.ClientHello, extension.ExtendedMasterSecret)),
    ("with SRTP_AES128_CM_HMAC_SHA1_32", "srtp-key-order", instead(tls.ClientHello, extension.UseSRTP((2,)))),
)


def _sessions() -> dict[str, Any]:
    cases = Cases("handshake12-sessions", {})
    cases.group("session", "RFC 6347 section 4.2, RFC 7627 section 4, RFC 5764 section 4.2")
    reqs = "flights extended-master-secret share-signed client-proof exporter-no-context"
    for seed, (comment, client, server) in enumerate(SETTINGS, 1):
        played = Played(seed, client, server)
        cases.valid(f"a whole handshake {comment}", reqs, _session_given(played), played.outcome())
    cases.group("session", "RFC 5289 section 3.2, RFC 7905 section 2, RFC 8422 section 5, RFC 5246 section 8.1")
    for seed, (comment, reqs, tells) in enumerate(OTHERS, len(SETTINGS) + 1):
        profiles = (2,) if "SHA1_32" in comment else (8, 7, 1)
        played = Played(seed, *[{"srtp_profiles": profiles}] * 2, hello_tells=tells)
        cases.valid(f"a whole handshake {comment}", f"flights {reqs}", _session_given(played), played.outcome())
    return cases.finish() | {"schema": "crypto"}


def _session_given(played: Played) -> dict[str, Any]:
    """`client_secret` is the X25519 key, or what the key of another group is made of (see the README)."""
    return {
        "datagrams": [{"from": role, "hex": data.hex()} for role, data in played.datagrams],
        "client_secret": played.dice["client"][1].hex(),  # the first was the random of the hello
        "label": LABEL,
        "dice": {role: [each.hex() for each in dice] for role, dice in played.dice.items()},
        "certificates": played.certificates,
    }


# --- hellos and what they lead to -----------------------------------------------------------------

Change = Callable[[tls.ClientHello], tls.ClientHello]


def _with(hello: tls.ClientHello, kind: type[extension.Extension], *new: extension.Extension) -> tls.ClientHello:
    return replace(hello, extensions=(*(each for each in hello.extensions if not isinstance(each, kind)), *new))


MLKEM, GREASE = 0x11EC, 0x8A8A
REFUSED: tuple[tuple[str, str, str, Change], ...] = (
    ("no cipher suite in common", "no-common-cipher", "handshake_failure",
     lambda h: replace(h, cipher_suites=(0xC02F,))),
    ("only 1.3 in supported_versions", "version-not-offered", "protocol_version",
     lambda h: _with(h, extension.SupportedVersions, extension.SupportedVersions((tls.DTLS_1_3,)))),
    ("version 1.0", "version-not-offered", "protocol_version", lambda h: replace(h, version=tls.DTLS_1_0)),
    ("no group in common", "group-preference", "handshake_failure",
     lambda h: _with(h, extension.SupportedGroups, extension.SupportedGroups((MLKEM, 0x001E)))),
    ("no signature that we can make", "signature-schemes", "handshake_failure",
     lambda h: _with(h, extension.SignatureAlgorithms, extension.SignatureAlgorithms((0x0804,)))),
    ("no way without compression", "choice-not-offered", "illegal_parameter",
     lambda h: replace(h, compression_methods=b"\x01")),
    ("point formats without the uncompressed", "point-formats", "illegal_parameter",
     lambda h: _with(h, extension.PointFormats, extension.PointFormats(b"\x01"))),
    ("renegotiation where there was nothing", "renegotiation-info-empty", "handshake_failure",
     lambda h: _with(h, extension.RenegotiationInfo, extension.RenegotiationInfo(bytes(12)))),
    ("an extension twice", "extension-twice", "decode_error",
     lambda h: replace(h, extensions=(*h.extensions, extension.PointFormats()))),
)  # fmt: skip
ANSWERED: tuple[tuple[str, str, Change], ...] = (
    ("as an endpoint of ours says it", "flights", lambda h: h),
    ("greased, with unknown extensions and a session id", "unknown-extensions-ignored browser-hello no-resumption",
     lambda h: replace(h, session_id=bytes(32), cipher_suites=(GREASE, 0x1301, 0xC02B, 0xC02F),
                       extensions=(extension.UnknownExtension(GREASE, b""), *h.extensions,
                                   extension.UnknownExtension(28, b"\x40\x01")))),
    ("prefers 1.3 and a post-quantum group", "browser-hello no-sentinel",
     lambda h: _with(_with(h, extension.SupportedGroups, extension.SupportedGroups((GREASE, MLKEM, 0x1D, 0x17))),
                     extension.SupportedVersions, extension.SupportedVersions((GREASE, tls.DTLS_1_3, tls.DTLS_1_2)))),
    ("renegotiation signalled by a suite", "renegotiation-signalled",
     lambda h: _with(replace(h, cipher_suites=(0xC02B, 0x00FF)), extension.RenegotiationInfo)),
    ("without extended master secret", "extended-master-secret answers-only-what-was-asked",
     lambda h: _with(h, extension.ExtendedMasterSecret)),
    ("without SRTP", "answers-only-what-was-asked", lambda h: _with(h, extension.UseSRTP)),
    ("no groups named", "group-preference", lambda h: _with(h, extension.SupportedGroups)),
    ("P-256 only", "group-preference",
     lambda h: _with(h, extension.SupportedGroups, extension.SupportedGroups((0x17,)))),
)  # fmt: skip
# OpenSSL passes these over: its DTLS server looks at neither.
STRICT = {"only 1.3 in supported_versions", "point formats without the uncompressed"}
ALLOWED = {"an extension twice": "alert:illegal_parameter", "no groups named": "alert:handshake_failure"}


def _datagram(hello: tls.ClientHello) -> str:
    body = wire.serialize(hello)
    payload = Message(wire.CLIENT_HELLO, 0, body).octets()
    return dtls.serialize(dtls.Record(dtls.HANDSHAKE, tls.DTLS_1_0, 0, 0, payload)).hex()


def answer_to(datagram: str) -> dict[str, Any]:
    """What a server of ours sends back: an alert by name, or the parts of its answer that others must share."""
    played = Played(1)
    server = played._endpoint("server", SERVER, CLIENT, {"maximum_datagram": 8000})
    server.receive_datagram(Datagram(bytes.fromhex(datagram), SERVER, CLIENT), 0.0)
    return summary([sent.data for sent in server.transmits()])


def summary(datagrams: list[bytes]) -> dict[str, Any]:
    """The alert, or version, suite, extensions and group of a server's answer."""
    found: dict[str, Any] = {}
    reassembly = Reassembly()
    for record in (record for data in datagrams for record in dtls.parse(data)):
        if record.content_type == dtls.ALERT:
            return {"alert": tls.parse_alert(record.payload).name}
        for fragment in dtls.fragments(record.payload):
            reassembly.add(fragment)
        while (whole := reassembly.take()) is not None:
            message = wire.parse(whole.type, whole.body)
            if isinstance(message, tls.ServerHello):
                found |= {"version": message.version, "cipher_suite": message.cipher_suite}
                found["extensions"] = sorted(extension.extension_number(each) for each in message.extensions)
                found["sentinel"] = message.random.startswith(b"DOWNGRD", 24)
            elif isinstance(message, wire.ServerKeyExchange):
                found["group"] = message.group
    return found


def _hellos() -> dict[str, Any]:
    hello = Played(1).hello
    rows = [(comment, reqs, "invalid", change) for comment, reqs, _, change in REFUSED]
    rows += [(comment, reqs, "valid", change) for comment, reqs, change in ANSWERED]
    alerts = {comment: alert for comment, _, alert, _ in REFUSED}
    groups: dict[str, list[dict[str, Any]]] = {"refused": [], "answered": [], "judged otherwise by some": []}
    for number, (comment, reqs, result, change) in enumerate(rows, 1):
        datagram = _datagram(change(hello))
        case: dict[str, Any] = {"id": f"handshake12-hellos-{number:04d}", "comment": comment, "result": result}
        case |= {"init": {"role": "server"}, "reqs": [f"handshake12/{name}" for name in reqs.split()]}
        if result == "invalid":
            case["reaction"] = f"alert:{alerts[comment]}"
        if comment in ALLOWED:
            case["allowed"] = [ALLOWED[comment]]
            case["result"] = "acceptable" if result == "valid" else result
        steps = [{"at_ms": 0, "receive": {"hex": datagram}}, {"at_ms": 0, "expect": {"send": answer_to(datagram)}}]
        name = "answered" if result == "valid" else "refused"
        groups["judged otherwise by some" if comment in STRICT else name].append(case | {"steps": steps})
    common = {"params": {"operation": "hello"}, "provenance": "generated", "source": "RFC 5246 sections 7.4.1, 7.2.2"}
    return {
        "schema": "machine",
        "set": "handshake12-hellos",
        "version": "1.0.0",
        "notes": {},
        "groups": [{**common, "verified_by": [], "provisional": True, "tests": tests} for tests in groups.values()],
    }
