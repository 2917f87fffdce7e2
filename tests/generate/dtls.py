"""Makes vectors/dtls: records and fragments as octets and values, protected records, and fragments put together.

Whatever a serializer would not write is put together here octet by octet.
Read next: tests/vectors/test_dtls.py, which replays them; tests/confirm/dtls.py, who else agrees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meetref.protocol.keyschedule import SUITES, KeyBlock, Suite
from meetref.protocol.recordlayer import RecordLayer
from meetref.wire import dtls
from meetref.wire.dtls import Fragment, Record
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the values gives these octets again"),
    "DamagedTail": ("What follows the last record is none", "the records in front of it count"),
}
PROTECTION_NOTES = {"Forged": ("One part of an authentic record was changed", "it is dropped without an answer")}
KEY, SALT = bytes(range(16)), bytes(range(16, 20))
DONE = Fragment(14, 0, 5, 0, b"")


def record_values(records: list[Record]) -> list[dict[str, Any]]:
    """Records as JSON has them; a sequence number has 48 bits, which fits."""
    return [
        {
            "content_type": record.content_type,
            "version": record.version,
            "epoch": record.epoch,
            "sequence": record.sequence,
            "payload": record.payload.hex(),
        }
        for record in records
    ]


def fragment_values(fragments: list[Fragment]) -> list[dict[str, Any]]:
    """Fragments as JSON has them."""
    return [
        {
            "type": fragment.type,
            "length": fragment.length,
            "number": fragment.number,
            "offset": fragment.offset,
            "body": fragment.body.hex(),
        }
        for fragment in fragments
    ]


def sets() -> dict[str, dict[str, Any]]:
    """Every set of the stem."""
    return {"dtls/records": _records(), "dtls/protection": _protection(), "dtls/reassembly": _reassembly()}


def _records() -> dict[str, Any]:
    cases = Cases("dtls-records", NOTES)
    alert = Record(dtls.ALERT, 0xFEFD, 0, 3, b"\x02\x28")
    done = Record(dtls.HANDSHAKE, 0xFEFD, 0, 4, dtls.serialize_fragment(DONE))
    change = Record(dtls.CHANGE_CIPHER_SPEC, 0xFEFD, 0, 5, b"\x01")
    data = Record(dtls.APPLICATION_DATA, 0xFEFD, 1, 2**48 - 1, bytes(range(40)))
    cases.group("records", "RFC 6347 section 4.1")
    for comment, records in (
        ("a fatal alert", [alert]),
        ("a hello may have version 1.0", [replace(done, version=0xFEFF)]),
        ("the highest sequence number, and protected octets", [data]),
        ("three records in one datagram", [done, change, data]),
        ("a record without payload", [replace(data, payload=b"", sequence=0)]),
    ):
        reqs = "record-header-invalid record-within-datagram"
        cases.valid(comment, reqs, b"".join(map(dtls.serialize, records)), record_values(records), ["Canonical"])
    cases.group("records", "RFC 6347 sections 4.1, 4.1.1 and 4.1.2.7")
    whole = dtls.serialize(alert)
    tail = whole * 2 + whole[:5]
    cases.valid("a cut record", "record-within-datagram", tail, record_values([alert, alert]), ["DamagedTail"])
    for comment, reqs, text in (
        ("a content type that nobody has", "record-header-invalid", "18fefd000000000000000000020228"),
        ("TLS over TCP, not DTLS", "record-header-invalid", "15030300000000000000000000020228"),
        ("a header cut short", "record-within-datagram", "16fefd0000000000000000"),
        ("a payload cut short", "record-within-datagram", "15fefd000000000000000000030228"),
        ("more than 2^14 + 2048 octets announced", "record-too-long", "17fefd00010000000000004801"),
    ):
        cases.invalid(comment, reqs, bytes.fromhex(text))
    cases.group("fragments", "RFC 6347 section 4.2.2")
    first = Fragment(11, 300, 2, 0, bytes(range(100)))
    for comment, fragments in (
        ("a whole message without body", [DONE]),
        ("the first part of a message", [first]),
        ("a part from the middle", [replace(first, offset=150)]),
        ("two messages in one record", [DONE, replace(first, length=100)]),
    ):
        octets = b"".join(map(dtls.serialize_fragment, fragments))
        cases.valid(comment, "fragments-agree", octets, fragment_values(fragments), ["Canonical"])
    cases.group("fragments", "RFC 6347 section 4.2.2")
    cases.invalid(
        "reaches beyond the end of its message", "fragments-agree", bytes.fromhex("0b0000040000000002000003aabbcc")
    )
    cases.invalid("ends before its own length", "fragments-agree", bytes.fromhex("0b0000040000000000000004aabb"))
    cases.invalid("half a header", "fragments-agree", bytes.fromhex("0b000004"))
    return cases.finish()


def _protection() -> dict[str, Any]:
    cases = Cases("dtls-protection", PROTECTION_NOTES)
    cases.group("seal", "RFC 5288 section 3, RFC 6347 section 4.1.2.1")
    layer = RecordLayer()
    layer.install(KeyBlock(KEY, KEY, SALT, SALT), "client")
    sealed = []
    for sequence, (kind, plaintext) in enumerate([(22, bytes(24)), (23, b"hello"), (23, b""), (21, b"\x01\x00")]):
        sealed.append(layer.seal(1, kind, plaintext))
        given = {"key": KEY.hex(), "salt": SALT.hex(), "epoch": 1, "sequence": sequence, "content_type": kind}
        given |= {"plaintext": plaintext.hex()}
        comment = f"record {sequence} of epoch 1, {dtls.CONTENT_TYPES[kind]} of {len(plaintext)} octets"
        cases.valid(comment, "protection", given, {"record": sealed[-1].hex()})
    cases.group("open", "RFC 5288 section 3, RFC 6347 sections 4.1.2.1 and 4.1.2.7")
    key = {"key": KEY.hex(), "salt": SALT.hex()}
    good = sealed[1]
    cases.valid("as it was sealed", "protection", {**key, "record": good.hex()}, {"plaintext": b"hello".hex()})
    for comment, at in (
        ("another content type", 0),
        ("another version", 2),
        ("another sequence number", 10),
        ("another explicit nonce", 14),
        ("another ciphertext", 22),
        ("another tag", len(good) - 1),
    ):
        forged = good[:at] + bytes((good[at] ^ 2,)) + good[at + 1 :]
        cases.invalid(comment, "bad-record-dropped protection", {**key, "record": forged.hex()}, ["Forged"])
    short = bytes.fromhex("17fefd00010000000000010017") + bytes(23)
    cases.invalid("too short for a nonce and a tag", "bad-record-dropped", {**key, "record": short.hex()}, ["Forged"])
    for suite in list(SUITES.values())[1:]:
        _other_protection(cases, suite)
    return cases.finish() | {"schema": "crypto"}


def _other_protection(cases: Cases, suite: Suite) -> None:
    """Records of another suite, the last one that there can be among them."""
    key, salt = bytes(range(suite.key_size)), bytes(range(64, 64 + suite.salt_size))
    reqs = "protection handshake12/suites" + (" chacha-nonce" if suite.salt_size > 4 else "")
    given: dict[str, Any] = {"key": key.hex(), "salt": salt.hex(), "suite": suite.number, "epoch": 1}
    layer = RecordLayer()
    layer.install(KeyBlock(key, key, salt, salt, suite), "client")
    cases.group("seal", "RFC 5289 section 3.2, RFC 7905 section 2, RFC 6347 section 4.1.2.1")
    sealed = b""
    rows = ((0, 22, bytes(24)), (1, 23, b"hello"), (2**40 + 1, 23, b""), (2**48 - 1, 21, b"\1\0"))
    for sequence, kind, plaintext in rows:
        layer._next_sequence[1] = sequence
        record = layer.seal(1, kind, plaintext)
        sealed = record if sequence == 1 else sealed
        told = given | {"sequence": sequence, "content_type": kind, "plaintext": plaintext.hex()}
        comment = f"record {sequence} of epoch 1, suite {suite.number:#06x}, {len(plaintext)} octets"
        cases.valid(comment, reqs, told, {"record": record.hex()})
    cases.group("open", "RFC 5289 section 3.2, RFC 7905 section 2, RFC 6347 section 4.1.2.7")
    cases.valid("as it was sealed", reqs, given | {"record": sealed.hex()}, {"plaintext": b"hello".hex()})
    for comment, at in (("another content type", 0), ("another sequence number", 10), ("another tag", len(sealed) - 1)):
        forged = sealed[:at] + bytes((sealed[at] ^ 2,)) + sealed[at + 1 :]
        cases.invalid(comment, f"bad-record-dropped {reqs}", given | {"record": forged.hex()}, ["Forged"])


def _reassembly() -> dict[str, Any]:
    body = bytes(range(200))
    a, b, c = (Fragment(11, 200, 0, start, body[start:end]) for start, end in ((0, 80), (80, 150), (150, 200)))
    whole, later = Fragment(11, 200, 0, 0, body), Fragment(14, 0, 1, 0, b"")
    wanted = [{"type": 11, "number": 0, "body": body.hex()}]
    done = {"type": 14, "number": 1, "body": ""}
    rows: list[tuple[str, str, list[Fragment], list[dict[str, Any]]]] = [
        ("in order", "dtls/any-order", [a, b, c], wanted),
        ("backwards", "dtls/any-order", [c, b, a], wanted),
        ("each part twice", "dtls/any-order", [b, b, a, a, c, c], wanted),
        (
            "overlapping parts",
            "dtls/overlaps",
            [replace(a, body=body[:120]), replace(c, offset=100, body=body[100:])],
            wanted,
        ),
        ("a repetition that was cut otherwise", "dtls/overlaps", [b, whole], wanted),
        ("a later message waits for the earlier", "dtls/message-order", [later, a, b, c], [*wanted, done]),
        ("a message comes again", "dtls/message-order", [whole, later, whole, later], [*wanted, done]),
        ("one part is missing", "dtls/any-order", [a, c], []),
        ("a part of another length is ignored", "dtls/fragments-agree", [a, replace(b, length=199), b, c], wanted),
        ("a part of another type is ignored", "dtls/fragments-agree", [a, replace(b, type=12), b, c], wanted),
        ("a message too large to be true", "dtls/reassembly-bounds", [replace(whole, length=2**24 - 1)], []),
    ]
    tests = []
    for number, (comment, req, fragments, messages) in enumerate(rows, 1):
        steps: list[dict[str, Any]] = [
            {"at_ms": 0, "receive": {"hex": dtls.serialize_fragment(fragment).hex()}} for fragment in fragments
        ]
        steps.append({"at_ms": 0, "expect": {"messages": messages}})
        case = {"id": f"dtls-reassembly-{number:04d}", "comment": comment, "reqs": [req]}
        tests.append({**case, "init": {"next_message": 0}, "steps": steps})
    group = {"params": {"operation": "reassembly"}, "provenance": "generated", "source": "RFC 6347 section 4.2.3"}
    return {
        "schema": "machine",
        "set": "dtls-reassembly",
        "version": "1.0.0",
        "notes": {},
        "groups": [{**group, "verified_by": [], "provisional": True, "tests": tests}],
    }
