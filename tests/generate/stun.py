"""Makes vectors/stun: published messages, messages of every attribute, and messages that must not be believed.

The published octets are copied from their documents; canonical messages are written by `wire/stun`; whatever a
serializer would not write is put together here. Who else reads them so is found out by tests/confirm/stun.py.
Read next: tests/vectors/test_stun.py, which replays them.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import Any

from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import ATTRIBUTES, Attribute, ErrorCode, PasswordAlgorithm
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing `out` with `in.key` gives `in.hex` again"),
    "Padding": ("Padding or reserved bits that are not zero", "they are not looked at"),
    "Unprotected": ("Attributes that the integrity does not cover", "they do not count"),
    "Forged": ("Integrity or fingerprint does not fit", "it is dropped where they are required"),
    "Defective": ("Wrong as it was published", "`corrected_by` names the case that says it right"),
}
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
KEY = b"VOkJxbRl1RmTxUk/WvJxBt"
CLASSES = ["request", "indication", "success", "error"]

# RFC 5769 sections 2.1 to 2.3: a short-term password. Section 2.4: the MD5 of user, realm and password.
SAMPLE_REQUEST = """
    000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1
    51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"""
SAMPLE_IPV4 = """
    0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599
    fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"""
SAMPLE_IPV6 = """
    010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5
    bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"""
SAMPLE_LONG_TERM = """
    000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b39
    353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a2
    8ca89666"""
# RFC 8489 appendix B.1: its length field says 156, which is the whole datagram and not what follows the header.
SAMPLE_SHA256 = """
    0001009c2112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
    001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c394653547679363473410000000014000b6578616d
    706c652e6f726700001c0020e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01"""
USER, REALM, PASSWORD = "マトリックス", "example.org", "TheMatrIX"
ACCOUNT = f"{USER}:{REALM}:{PASSWORD}".encode()


def value_of(kind: int, value: Any) -> Any:
    """An attribute's value as JSON has it."""
    if isinstance(value, Address):
        return {"host": value.host, "port": value.port}
    if isinstance(value, ErrorCode):
        return {"code": value.code, "reason": value.reason}
    if isinstance(value, PasswordAlgorithm):
        return {"number": value.number, "parameters": {"hex": value.parameters.hex()}}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [value_of(kind, each) for each in value]
    return str(value) if kind in (attribute.ICE_CONTROLLED, attribute.ICE_CONTROLLING) else value


def fields(
    message: stun.Message, integrity: bool | None, fingerprint: bool | None, sha256: bool | None = None
) -> dict[str, Any]:
    """A message as JSON has it; integrities and fingerprint are null when absent, else whether they fit."""
    return {
        "class": CLASSES[message.kind],
        "method": message.method,
        "transaction": message.transaction.hex(),
        "attributes": [
            {
                "type": kind,
                "name": ATTRIBUTES[kind].name if kind in ATTRIBUTES else None,
                "value": value_of(kind, value),
            }
            for kind, value in message.attributes
        ],
        "integrity": integrity,
        "integrity_sha256": sha256,
        "fingerprint": fingerprint,
    }


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def given(data: bytes, key: bytes | None = None) -> dict[str, Any]:
    return {"hex": data.hex()} if key is None else {"hex": data.hex(), "key": {"hex": key.hex()}}


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"stun/published": _published(), "stun/messages": _messages(), "stun/invalid": _invalid()}


def _published() -> dict[str, Any]:
    cases = Cases("stun-published", {name: NOTES[name] for name in ("Padding", "Defective")})
    cases.group("parse", "RFC 5769 sections 2.1 to 2.4")
    md5 = hashlib.md5(ACCOUNT, usedforsecurity=False).digest()
    for comment, text, key, reqs, flags in (
        (
            "request of an ICE agent",
            SAMPLE_REQUEST,
            KEY,
            "padding integrity-mismatch fingerprint-mismatch",
            ["Padding"],
        ),
        ("answer with an IPv4 address", SAMPLE_IPV4, KEY, "mapped-address padding", ["Padding"]),
        ("answer with an IPv6 address", SAMPLE_IPV6, KEY, "mapped-address padding", ["Padding"]),
        ("request with long-term credentials", SAMPLE_LONG_TERM, md5, "integrity-mismatch", []),
    ):
        data = octets(text)
        fingerprint = None if key == md5 else True
        cases.valid(comment, reqs, given(data, key), fields(stun.parse(data), True, fingerprint), flags)
    cases.group("parse", "RFC 8489 appendix B.1")
    sha256 = hashlib.sha256(ACCOUNT).digest()
    cases.invalid(
        "request with MESSAGE-INTEGRITY-SHA256", "length", given(octets(SAMPLE_SHA256), sha256), ["Defective"]
    )
    cases.group("parse", "RFC 8489 appendix B.1, corrected")
    right = _corrected(octets(SAMPLE_SHA256), sha256)
    cases.valid(
        "the same with the right length and HMAC",
        "length integrity-sha256-mismatch userhash",
        given(right, sha256),
        fields(stun.parse(right), None, None, True),
    )
    data = cases.finish()
    for number, provenance in enumerate(("published", "published", "mutated")):
        data["groups"][number]["provenance"] = provenance
    data["groups"][1]["tests"][0]["defects"] = [
        "the length field counts the header too: 0x009c instead of 0x0088",
        "there is no PASSWORD-ALGORITHM, although the key is made with SHA-256",
        "the cookie of the nonce counts its feature bits from the other end: AAAC is bit 22, which means nothing",
    ]
    data["groups"][1]["tests"][0]["corrected_by"] = data["groups"][2]["tests"][0]["id"]
    return data


def _corrected(data: bytes, key: bytes) -> bytes:
    """RFC 8489 appendix B.1 with a length field that counts what follows the header."""
    covered = data[:2] + (len(data) - 20).to_bytes(2, "big") + data[4:-36]
    return covered + data[-36:-32] + hmac.digest(key, covered, "sha256")


def _messages() -> dict[str, Any]:
    cases = Cases("stun-messages", {name: NOTES[name] for name in ("Canonical", "Padding", "Unprotected")})
    cases.group("parse", "RFC 8489 section 14, RFC 8445 section 16.1")
    for comment, reqs, message in _of_checks():
        _canonical(cases, comment, reqs, message, KEY)
    for comment, kind in (("request", 0), ("indication", 1), ("success", 2), ("error", 3)):
        _canonical(cases, f"bare {comment}, fingerprint alone", "leading-zero-bits", _message(kind=kind), None)
    cases.group("parse", "RFC 8489 section 14")
    old, new = _of_servers()[:8], _of_servers()[8:]
    for comment, reqs, message in old:
        _canonical(cases, comment, reqs, message, KEY)
    cases.group("parse", "RFC 8489 section 14, and what is newer than RFC 5389")
    for comment, reqs, message in new:
        _canonical(cases, comment, reqs, message, KEY)
    cases.group("parse", "RFC 8489 sections 14 and 14.1")
    address = bytes.fromhex("ff01a147e112a643")
    _odd(cases, "padding of ones", "padding", _raw((attribute.USERNAME, b"evtj:h6vY"), padding=b"\xff"))
    _odd(cases, "padding of spaces", "padding", _raw((attribute.USERNAME, b"evtj:h6vYz"), padding=b" "))
    mapped = _raw((attribute.XOR_MAPPED_ADDRESS, address), head="0101")
    _odd(cases, "the octet before the family is not zero", "address-family", mapped)
    cases.group("parse", "RFC 8489 section 14.8")
    refused = _raw((attribute.ERROR_CODE, bytes.fromhex("ffff fc57") + b"No"), head="0111")
    _odd(cases, "the bits before the error class are not zero", "error-code-range", refused)
    cases.group("parse", "RFC 8489 section 14")
    _canonical(cases, "unknown and required", "unknown-required-request", _message((0x7ABC, b"?")), KEY)
    cases.group("parse", "RFC 8489 section 14")
    _uncounted(cases)
    return cases.finish()


def _message(*attributes: tuple[int, Any], kind: int = 0, method: int = stun.BINDING) -> stun.Message:
    return stun.Message(stun.Class(kind), method, TRANSACTION, [Attribute(*each) for each in attributes])


def _canonical(cases: Cases, comment: str, reqs: str, message: stun.Message, key: bytes | None) -> None:
    data = stun.serialize(message, integrity_key=key)
    out = fields(message, None if key is None else True, True)
    cases.valid(comment, reqs, given(data, key), out, ["Canonical"])


def _of_checks() -> list[tuple[str, str, stun.Message]]:
    names = (attribute.USERNAME, "evtj:h6vY")
    priority = (attribute.PRIORITY, 0x6E0001FF)
    made = [
        (
            "check of the controlling side",
            "integrity-mismatch",
            _message(names, priority, (attribute.ICE_CONTROLLING, 2**64 - 1)),
        ),
        (
            "check that nominates",
            "integrity-mismatch",
            _message(names, priority, (attribute.ICE_CONTROLLING, 1), (attribute.USE_CANDIDATE, True)),
        ),
        (
            "check of the controlled side",
            "integrity-mismatch",
            _message(names, priority, (attribute.ICE_CONTROLLED, 0)),
        ),
        (
            "role conflict",
            "error-code-range",
            _message((attribute.ERROR_CODE, ErrorCode(487, "Role Conflict")), kind=3),
        ),
        ("error without a reason", "error-code-range", _message((attribute.ERROR_CODE, ErrorCode(300, "")), kind=3)),
        ("the highest error code", "error-code-range", _message((attribute.ERROR_CODE, ErrorCode(699, "ö")), kind=3)),
    ]
    for host in ("192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "33.18.164.66"):
        answer = _message((attribute.XOR_MAPPED_ADDRESS, Address(host, 0x2112)), kind=2)
        made.append((f"answer that maps {host}, port 8466", "mapped-address address-family", answer))
    for size in range(5):
        made.append((f"user name of {size} octets", "padding text-length", _message((attribute.USERNAME, "x" * size))))
    made.append(("user name of 508 octets", "text-length", _message((attribute.USERNAME, "é" * 254))))
    return made


def _of_servers() -> list[tuple[str, str, stun.Message]]:
    rows: list[tuple[str, str, int, Any]] = [
        ("plain address, IPv4", "address-family", attribute.MAPPED_ADDRESS, Address("192.0.2.1", 65535)),
        ("plain address, IPv6", "address-family", attribute.MAPPED_ADDRESS, Address("2001:db8::ffff", 0)),
        ("another server", "address-family", attribute.ALTERNATE_SERVER, Address("192.0.2.7", 3478)),
        ("unknown attributes, one", "unknown-required-request", attribute.UNKNOWN_ATTRIBUTES, (0x7ABC,)),
        ("unknown attributes, three", "unknown-required-request", attribute.UNKNOWN_ATTRIBUTES, (1, 2, 0x7FFF)),
        ("realm", "text-length", attribute.REALM, "example.org"),
        ("nonce", "text-length", attribute.NONCE, "obMatJos2AAAC"),
        ("software", "text-length", attribute.SOFTWARE, "テスト"),
        ("name of another server", "text-length", attribute.ALTERNATE_DOMAIN, "example.net"),
        ("hash of a user name", "padding", attribute.USERHASH, bytes(range(32))),
        ("password algorithm", "padding", attribute.PASSWORD_ALGORITHM, PasswordAlgorithm(2)),
        (
            "password algorithms",
            "padding",
            attribute.PASSWORD_ALGORITHMS,
            (PasswordAlgorithm(1), PasswordAlgorithm(2)),
        ),
        ("an unknown optional attribute", "unknown-optional-ignored", 0xC057, bytes.fromhex("00000032")),
    ]
    return [(comment, reqs, _message((kind, value))) for comment, reqs, kind, value in rows]


def _raw(*attributes: tuple[int, bytes], head: str = "0001", padding: bytes = b"\0") -> bytes:
    """A message written by hand, without protections."""
    body = b"".join(
        kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + padding * (-len(value) % 4)
        for kind, value in attributes
    )
    return bytes.fromhex(head) + len(body).to_bytes(2, "big") + attribute.COOKIE + TRANSACTION + body


def _finish(data: bytes, key: bytes | None = KEY) -> bytes:
    """Add integrity and fingerprint to a message written by hand."""
    length = len(data) + 24 - 20
    if key is not None:
        covered = data[:2] + length.to_bytes(2, "big") + data[4:]
        data = covered + bytes.fromhex("00080014") + hmac.digest(key, covered, "sha1")
    covered = data[:2] + (len(data) + 8 - 20).to_bytes(2, "big") + data[4:]
    return covered + bytes.fromhex("80280004") + (zlib.crc32(covered) ^ 0x5354554E).to_bytes(4, "big")


def _odd(cases: Cases, comment: str, reqs: str, data: bytes) -> None:
    whole = _finish(data)
    cases.valid(comment, reqs, given(whole, KEY), fields(stun.parse(whole), True, True), ["Padding"])


def _uncounted(cases: Cases) -> None:
    signed = _finish(_raw((attribute.PRIORITY, bytes(4))))[:-8]
    behind = signed + _raw((attribute.USE_CANDIDATE, b""))[20:]
    whole = _finish(behind, None)
    expected = _message((attribute.PRIORITY, 0))
    # The integrity was made before the attribute was put behind it, and still fits.
    cases.valid(
        "an attribute behind the integrity",
        "after-integrity-ignored",
        given(whole, KEY),
        fields(expected, True, True),
        ["Unprotected"],
    )
    twice = _finish(_raw((attribute.PRIORITY, b"\0\0\0\1"), (attribute.PRIORITY, b"\0\0\0\2")))
    cases.valid(
        "an attribute twice: the first counts",
        "first-occurrence",
        given(twice, KEY),
        fields(stun.parse(twice), True, True),
    )


def _invalid() -> dict[str, Any]:
    cases = Cases("stun-invalid", {"Forged": NOTES["Forged"]})
    cases.group("parse", "RFC 8489 section 5")
    good = stun.serialize(_message((attribute.PRIORITY, 1)), integrity_key=KEY)
    for size in (0, 1, 19, 20, 21, len(good) - 8, len(good) - 1):
        cases.invalid(f"cut to {size} octets", "length", good[:size])
    cases.invalid("four octets more than the length says", "length", good + bytes(4))
    cases.invalid("one octet more than the length says", "length", good + bytes(1))
    cases.group("parse", "RFC 8489 section 5")
    plain = _raw((attribute.PRIORITY, bytes(4)))
    for first in ("40", "80", "c0"):
        cases.invalid(f"first octet {first}", "leading-zero-bits", _finish(octets(first) + plain[1:]))
    cases.invalid("another magic cookie", "magic-cookie", _finish(plain[:4] + bytes(4) + plain[8:]))
    cases.group("parse", "RFC 8489 section 5")
    cases.invalid("length not a multiple of four", "length", _length(_raw((attribute.PRIORITY, bytes(4))) + b"\0"))
    _broken(cases)
    cases.group("parse", "RFC 8489 section 14.7")
    _wrong_fingerprints(cases, good)
    cases.group("parse", "RFC 8489 section 14.5")
    for place in (0, 4, 19):
        damaged = bytearray(good[:-8])
        damaged[place - 20] ^= 1
        cases.invalid(
            f"octet {place} of the integrity",
            "integrity-mismatch",
            given(_finish(bytes(damaged), None), KEY),
            ["Forged"],
        )
    cases.invalid("another password", "integrity-mismatch", given(good, b"another"), ["Forged"])
    bare = stun.serialize(_message((attribute.PRIORITY, 1)))
    cases.invalid("no integrity at all", "integrity-mismatch", given(bare, KEY), ["Forged"])
    data = cases.finish()
    for group in data["groups"]:
        group["provenance"] = "mutated"
    return data


def _length(data: bytes) -> bytes:
    return data[:2] + (len(data) - 20).to_bytes(2, "big") + data[4:]


BROKEN: dict[str, list[tuple[str, str, int, str, str]]] = {
    "RFC 8489 section 14, RFC 8445 section 16.1": [
        ("priority of three octets", "length", attribute.PRIORITY, "000001", "0001"),
        ("priority of five octets", "length", attribute.PRIORITY, "0000000001", "0001"),
        ("tie-breaker of four octets", "length", attribute.ICE_CONTROLLING, "00000001", "0001"),
        ("IPv4 address of 16 octets", "address-family", attribute.XOR_MAPPED_ADDRESS, "00010000" + "00" * 16, "0101"),
        ("IPv6 address of 4 octets", "address-family", attribute.XOR_MAPPED_ADDRESS, "0002000000000000", "0101"),
        ("address of family 3", "address-family", attribute.XOR_MAPPED_ADDRESS, "0003000000000000", "0101"),
        ("address of three octets", "address-family", attribute.XOR_MAPPED_ADDRESS, "000100", "0101"),
        ("user name that is not UTF-8", "text-length", attribute.USERNAME, "c328", "0001"),
    ],
    "RFC 8489 sections 14.3, 14.8 and 14.13, RFC 8445 section 7.1.2": [
        ("error class 2", "error-code-range", attribute.ERROR_CODE, "00000200", "0111"),
        ("error class 7", "error-code-range", attribute.ERROR_CODE, "00000700", "0111"),
        ("error number 100", "error-code-range", attribute.ERROR_CODE, "00000464", "0111"),
        ("user name of 764 octets", "text-length", attribute.USERNAME, "78" * 764, "0001"),
        ("half an attribute type", "length", attribute.UNKNOWN_ATTRIBUTES, "000102", "0111"),
        ("nomination with a value", "length", attribute.USE_CANDIDATE, "00", "0001"),
    ],
}


def _broken(cases: Cases) -> None:
    for source, rows in BROKEN.items():
        cases.group("parse", source)
        for comment, reqs, kind, value, head in rows:
            cases.invalid(comment, reqs, _finish(_raw((kind, octets(value)), head=head)))
    cases.group("parse", "RFC 8489 section 14")
    long = _raw((attribute.PRIORITY, bytes(4)))
    cases.invalid("an attribute longer than the message", "length", long[:22] + b"\0\x05" + long[24:])
    cases.invalid("half an attribute's header", "length", _length(long[:-6]))


def _wrong_fingerprints(cases: Cases, good: bytes) -> None:
    for place in (8, 24, len(good) - 1):
        damaged = bytearray(good)
        damaged[place] ^= 1
        cases.invalid(
            f"octet {place} changed on the way", "fingerprint-mismatch", given(bytes(damaged), KEY), ["Forged"]
        )
    plain = int.from_bytes(good[-4:], "big") ^ 0x5354554E
    unmasked = good[:-4] + plain.to_bytes(4, "big")
    cases.invalid("a plain CRC-32", "fingerprint-mismatch", given(unmasked, KEY), ["Forged"])
