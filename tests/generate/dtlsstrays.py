"""Makes vectors/dtls/strays: datagrams that anybody can send, at any moment, and that must change nothing at all.

A group has one honest association: `prefix` leads to the moment, `continuation` goes on after it, to data that arrive.
Between them each case puts one datagram, and wants silence.
Stands above `dtlslies.py`. Read next: tests/vectors/test_dtlsstrays.py; tests/confirm/strays.py, who else agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from meetref.protocol.machine import Datagram
from meetref.wire import dtls, tls
from meetref.wire.dtls import Fragment, Record
from meetref.wire.tls import P_256, X25519
from tests.generate.dtlsdiffering import differing_about
from tests.generate.dtlslies import Lie, Scene, certificate_values, flipped
from tests.generate.dtlsrefusals import notes

MOMENTS = {"server": ("hello expected", "flight sent", "connected"), "client": ("hello sent", "connected")}
WAITING = ("hello expected", "hello sent")
DURING = ("flight sent", "hello sent")
BEFORE = ("hello expected",)
AFTER = ("connected",)
SETTINGS: dict[str, dict[str, Any]] = {"1.2": {}, "1.3": {"groups": [X25519, P_256]}}
ALWAYS = ("hello expected", "hello sent", "flight sent", "connected")
OLDER, NEWER = ("1.2",), ("1.3",)
AGAIN, EMPTY = "data that came before", "a datagram without an octet"
UNSEEN = (AGAIN, EMPTY)
"""What a program that plays one handshake, and reads from a socket, cannot show its mind about."""
SAID, LATER = b"from the other side", b"and once more"


@dataclass(frozen=True)
class Stray:
    """`make` gets the last datagram that the victim had, and the next it will have: both with data, if connected."""

    comment: str
    reqs: str
    make: Callable[[bytes, bytes], bytes]
    moments: tuple[str, ...] = ALWAYS
    versions: tuple[str, ...] = ("1.2", "1.3")


def _fixed(text: str) -> Callable[[bytes, bytes], bytes]:
    return lambda last, following: bytes.fromhex(text)


def _plain(kind: int, payload: bytes, sequence: int = 9) -> Callable[[bytes, bytes], bytes]:
    return lambda last, following: dtls.serialize(Record(kind, tls.DTLS_1_2, 0, sequence, payload))


def _message(kind: int, body: bytes, number: int = 0, length: int | None = None) -> Callable[[bytes, bytes], bytes]:
    size = len(body) if length is None else length
    return _plain(dtls.HANDSHAKE, dtls.serialize_fragment(Fragment(kind, size, number, 0, body)))


def _forged(at: int) -> Callable[[bytes, bytes], bytes]:
    """The next datagram, with one bit of it changed."""
    return lambda last, following: flipped(following, at)


RECORD, PLAIN, DROPPED = "dtls/record-header-invalid", "handshake{v}/{plain}", "dtls/bad-record-dropped"
STRAYS: tuple[Stray, ...] = (
    Stray(EMPTY, "dtls/record-within-datagram", _fixed("")),
    Stray("a STUN message", RECORD, _fixed("000100002112a442" + "00" * 12)),
    Stray("an RTP packet", RECORD, _fixed("806f0001000000010000000100")),
    Stray("octets without sense", RECORD, _fixed("ff" * 40)),
    Stray("a record of TLS over TCP", RECORD, _fixed("16030300050100000100")),
    Stray("a record with the version of TLS", RECORD, _fixed("160303000000000000000500020100")),
    Stray("a content type that nobody has", RECORD, _fixed("18fefd000000000000000500020100")),
    Stray("half the header of a record", "dtls/record-within-datagram", _fixed("16fefd000000")),
    Stray("a payload cut short", "dtls/record-within-datagram", _fixed("16fefd000000000000000500400102")),
    Stray("a record longer than any may be", "dtls/record-too-long", _fixed("16fefd00000000000000054801" + "00" * 100)),
    Stray("data without protection", "handshake12/plain-data-dropped", _plain(23, b"data"), versions=OLDER),
    Stray("data without protection", "dtls/unified-header-demultiplexed", _plain(23, b"data"), versions=NEWER),
    Stray("an alert of one octet", "dtls/bad-record-dropped", _plain(21, b"\2")),
    Stray("an empty alert", "dtls/bad-record-dropped", _plain(21, b"")),
    Stray("a ChangeCipherSpec of another value", "dtls/bad-record-dropped", _plain(20, b"\2"), BEFORE + AFTER),
    Stray("a warning that nobody knows", "handshake12/fatal-alert-ends", _plain(21, b"\1\xfa"), versions=OLDER),
    Stray("half the header of a fragment", "dtls/fragments-agree", _plain(22, bytes(5))),
    Stray("a fragment that reaches beyond its message", "dtls/fragments-agree",
          _fixed("16fefd0000000000000005000f010000040000000000000500000000")),
    Stray("a fragment cut short", "dtls/fragments-agree", _fixed("16fefd0000000000000005000d0100000400000000000004aa")),
    Stray("a fragment of a message far ahead", "dtls/reassembly-bounds", _message(11, b"far", 60), DURING + AFTER),
    Stray("a fragment of a message of 2^24 - 1 octets", "dtls/reassembly-bounds",
          _message(11, b"huge", 1, 2**24 - 1), DURING + AFTER),
    Stray("a plain Finished", "handshake12/finished-protected", _message(20, bytes(12)), versions=OLDER),
    Stray("a plain Finished", "handshake13/epochs", _message(20, bytes(32)), versions=NEWER),
    Stray("a certificate before the hello", "handshake12/unexpected-message", _message(11, bytes(3)), BEFORE, OLDER),
    Stray("a plain certificate", "handshake13/epochs", _message(11, bytes(4)), versions=NEWER),
    Stray("an alert before the hello", "handshake12/fatal-alert-ends", _plain(21, b"\2\x28"), BEFORE, OLDER),
    Stray("an alert before the hello", "handshake13/every-alert-ends", _plain(21, b"\2\x28"), BEFORE, NEWER),
    Stray("a protected record before the hello", "handshake12/early-bounded",
          _fixed("16fefd00010000000000000018" + "5a" * 24), BEFORE, OLDER),
    Stray("a protected record before the hello", "handshake13/early-bounded",
          _fixed("2e00000018" + "5a" * 24), BEFORE, NEWER),
    Stray("a protected record before its keys", "handshake12/early-bounded",
          _fixed("16fefd00010000000000000018" + "5a" * 24), ("hello sent", "flight sent"), OLDER),
    Stray("protected data before their keys", "handshake12/early-bounded",
          _fixed("17fefd00010000000000000018" + "5a" * 24), ("hello sent", "flight sent"), OLDER),
    Stray("a record of an epoch that does not come", "dtls/bad-record-dropped",
          _fixed("16fefd00050000000000000018" + "5a" * 24), versions=OLDER),
    Stray("an authentic-looking record of the handshake", "dtls/bad-record-dropped",
          _fixed("2e00000018" + "5a" * 24), ("flight sent", "connected"), NEWER),
    Stray("a record with a connection id", "dtls/unified-header-connection-id",
          _fixed("3f0102030405060018" + "5a" * 24), versions=NEWER),
    Stray("a protected record that is cut short", "dtls/record-within-datagram", _fixed("2f00000040" + "5a" * 24),
          versions=NEWER),
    Stray("a protected record of 15 octets", "dtls/ciphertext-too-short", _fixed("2f0000000f" + "5a" * 15),
          ("connected",), NEWER),
    Stray("a protected record without payload", "dtls/ciphertext-too-short", _fixed("2f00000000"), AFTER, NEWER),
    Stray("a record of epoch 1", "dtls/epoch-bits", _fixed("2d00000018" + "5a" * 24), AFTER, NEWER),
    Stray("a plain ACK of protected records", "handshake13/ack-epoch",
          _plain(26, dtls.serialize_ack([dtls.RecordNumber(2, 0), dtls.RecordNumber(3, 0)])),
          ("flight sent", "connected"), NEWER),
    Stray("a plain ACK that cannot be read", "handshake13/ack-epoch", _plain(26, b"\0\x10\0"), versions=NEWER),
    Stray("a plain fatal alert", "handshake12/plain-after-finished", _plain(21, b"\2\x28"), AFTER, OLDER),
    Stray("a plain close_notify", "handshake12/plain-after-finished", _plain(21, b"\1\0"), AFTER, OLDER),
    Stray("a plain hello", "handshake12/plain-after-finished", _message(1, bytes(40), 7), AFTER, OLDER),
    Stray("a plain HelloRequest", "handshake12/plain-after-finished", _message(0, b"", 7), AFTER, OLDER),
    Stray("a plain HelloVerifyRequest", "handshake12/plain-after-finished", _message(3, b"\xfe\xff\0", 7),
          AFTER, OLDER),
    Stray("a plain fatal alert", "handshake13/plain-after-protected", _plain(21, b"\2\x28"), AFTER, NEWER),
    Stray("a plain close_notify", "handshake13/plain-after-protected", _plain(21, b"\1\0"), AFTER, NEWER),
    Stray("a plain hello", "handshake13/plain-after-protected", _message(1, bytes(40), 20), AFTER, NEWER),
    Stray("a plain ServerHello", "handshake13/plain-after-protected", _message(2, bytes(40), 20), AFTER, NEWER),
    Stray(AGAIN, "dtls/replay", lambda last, following: last, AFTER, OLDER),
    Stray(AGAIN, "dtls/unified-replay", lambda last, following: last, AFTER, NEWER),
    Stray("data with another content type", DROPPED, lambda last, following: b"\x16" + following[1:], AFTER, OLDER),
    Stray("data with another version", DROPPED, _forged(2), AFTER, OLDER),
    Stray("data with another sequence number", DROPPED, _forged(10), AFTER, OLDER),
    Stray("data with another explicit nonce", DROPPED, _forged(20), AFTER, OLDER),
    Stray("data with another ciphertext", DROPPED, _forged(21), AFTER, OLDER),
    Stray("data with another tag", DROPPED, _forged(-1), AFTER, OLDER),
    Stray("data cut short", "dtls/record-within-datagram", lambda last, following: following[:-1], AFTER),
    Stray("data in another epoch", "dtls/epoch-bits", _forged(0), AFTER, NEWER),
    Stray("data with another sequence number", DROPPED, _forged(2), AFTER, NEWER),
    Stray("data with another length", "dtls/record-within-datagram", _forged(4), AFTER, NEWER),
    Stray("data with another ciphertext", DROPPED, _forged(5), AFTER, NEWER),
    Stray("data with another tag", DROPPED, _forged(-1), AFTER, NEWER),
    Stray("data with a shorter sequence number", DROPPED,
          lambda last, following: bytes((following[0] & ~8,)) + following[1:2] + following[3:], AFTER, NEWER),
)  # fmt: skip


@dataclass
class Honest:
    """One association without a lie: its steps, where its moments are, and the two datagrams with data."""

    scene: Scene
    moments: dict[str, int]
    last: bytes
    following: bytes


@cache
def honest(version: str, role: str) -> Honest:
    """Of which `role` is the victim of strays."""
    scene = Scene(version, role, Lie("", "", "", victim=SETTINGS[version], liar=SETTINGS[version])).play()
    assert scene.is_connected
    steps = scene.steps
    if role == "client":
        moments = {"hello sent": 1}
    else:
        moments = {
            "hello expected": 0,
            "flight sent": next(at for at, step in enumerate(steps) if "expect" in step) + 1,
        }
    first, second = _say(scene, SAID), _say(scene, LATER)
    moments["connected"] = len(steps) - 2
    return Honest(scene, moments, first, second)


def _say(scene: Scene, data: bytes) -> bytes:
    """The liar says it, and the victim hears it."""
    scene.liar.send(data, 0.0)
    (sent,) = [datagram.data for datagram in scene.liar.transmits()]
    scene.victim.receive_datagram(Datagram(sent, scene.victim.local, scene.victim.remote), 0.0)
    scene.events += scene.victim.events()
    scene.steps += [{"at_ms": 0, "receive": {"hex": sent.hex()}}, {"at_ms": 0, "expect": {"data": data.hex()}}]
    return sent


def sets() -> dict[str, dict[str, Any]]:
    """The set of the strays."""
    groups: list[dict[str, Any]] = []
    number = 0
    witnesses: set[str] = set()
    for version in ("1.2", "1.3"):
        for role, moments in MOMENTS.items():
            for moment in moments:
                parts: dict[str, list[dict[str, Any]]] = {}
                for stray in strays_of(version, moment):
                    number += 1
                    differing = differing_about(version, f"{role}, {moment}", stray.comment)
                    witnesses |= set(differing)
                    case = {"id": f"dtls-strays-{number:04d}", **_case(stray, version, role, moment, differing)}
                    parts.setdefault(" ".join(differing), []).append(case)
                groups += [_group(version, role, moment) | {"tests": part} for part in parts.values()]
    data = {"schema": "machine", "set": "dtls-strays", "version": "1.0.0", "notes": notes(witnesses), "groups": groups}
    return {"dtls/strays": data}


def strays_of(version: str, moment: str) -> list[Stray]:
    """Those that there are for that version at that moment."""
    return [stray for stray in STRAYS if version in stray.versions and moment in stray.moments]


def _group(version: str, role: str, moment: str) -> dict[str, Any]:
    played = honest(version, role)
    at = played.moments[moment]
    params = {
        "operation": "stray",
        "version": version,
        "role": role,
        "moment": moment,
        "certificate": certificate_values(role),
        "settings": SETTINGS[version],
        "dice": [each.hex() for each in played.scene.dice],
        "prefix": played.scene.steps[:at],
        "continuation": played.scene.steps[at:],
    }
    source = "RFC 6347 sections 4.1 and 4.2" if version == "1.2" else "RFC 9147 sections 4 and 5, RFC 9846 section 5"
    return {"params": params, "provenance": "generated", "source": source, "verified_by": [], "provisional": True}


def _case(stray: Stray, version: str, role: str, moment: str, differing: list[str]) -> dict[str, Any]:
    played = honest(version, role)
    data = stray.make(played.last, played.following)
    wanted = {"send": None, "connected": moment == "connected", "ended": False}
    # Of what nobody can have authenticated the documents say that it SHOULD be dropped.
    room = {} if moment == "connected" else {"level": "SHOULD", "allowed": ["abort"]}
    return room | {
        "comment": f"{stray.comment}, {version} {role}, {moment}",
        "flags": [f"{each}Differs" for each in differing],
        "reqs": stray.reqs.split(),
        "init": {},
        "result": "invalid",
        "reaction": "drop",
        "steps": [{"at_ms": 0, "receive": {"hex": data.hex()}}, {"at_ms": 0, "expect": wanted}],
    }
