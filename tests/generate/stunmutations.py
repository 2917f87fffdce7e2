"""Makes vectors/stun/mutated and vectors/stun/requests: good messages spoilt octet by octet, and what must follow.

`mutated` is about reading: whoever demands integrity and fingerprint drops every one of these messages. `requests` is
about a basic server: which datagrams it answers, and with what. The latter are what a live replay sends.
Read next: tests/generate/stun.py, tests/vectors/test_stunserver.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from meetref.wire import attribute, stun
from meetref.wire.attribute import Attribute, PasswordAlgorithm
from tests.generate.mediacases import Cases
from tests.generate.stun import KEY, NOTES, TRANSACTION, given

MUTATED_NOTES = {"Forged": NOTES["Forged"]}
REQUEST_NOTES = {
    "Reflected": ("The answer carries the transaction id of the request", "compare octets 4 to 19"),
    "Classic": (
        "Without the cookie it is a message of before 2008",
        "a server that still speaks that may answer so (RFC 8489 section 12): the word for it is ignore-part",
    ),
    "Header": ("The datagram has no header of STUN", "it may belong to another protocol"),
}
STRONG = {"demands": ["integrity_sha256", "fingerprint"]}
SUCCESS = {"class": "success", "attributes": ["XOR-MAPPED-ADDRESS"]}


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"stun/mutated": _mutated(), "stun/requests": _requests()}


def message(*attributes: tuple[int, Any], kind: int = 0, method: int = stun.BINDING) -> stun.Message:
    return stun.Message(stun.Class(kind), method, TRANSACTION, [Attribute(*each) for each in attributes])


CHECK = message((attribute.USERNAME, "evtj:h6vY"), (attribute.PRIORITY, 0x6E0001FF), (attribute.ICE_CONTROLLING, 1))
MODERN = message(
    (attribute.USERHASH, bytes(range(32))),
    (attribute.REALM, "example.org"),
    (attribute.NONCE, "obMatJos2wAAAsome"),
    (attribute.PASSWORD_ALGORITHMS, (PasswordAlgorithm(2), PasswordAlgorithm(1))),
    (attribute.PASSWORD_ALGORITHM, PasswordAlgorithm(2)),
)


def flipped(data: bytes, place: int) -> bytes:
    """One bit changed; which one depends on the place, so that every bit has its turn."""
    return data[:place] + bytes([data[place] ^ 1 << place * 3 % 8]) + data[place + 1 :]


def marked(data: bytes) -> bytes:
    """With a fingerprint made anew: whoever spoilt the message knew how."""
    covered = data[:-8]
    return covered + data[-8:-4] + (zlib.crc32(covered) ^ 0x5354554E).to_bytes(4, "big")


def _mutated() -> dict[str, Any]:
    cases = Cases("stun-mutated", MUTATED_NOTES)
    good = stun.serialize(CHECK, integrity_key=KEY)
    strong = stun.serialize(MODERN, sha256_key=KEY)
    mark_head = range(len(good) - 8, len(good) - 4)  # the head of the fingerprint itself
    cases.group("parse", "RFC 8489 sections 5 and 14.7")
    for place in (place for place in range(len(good)) if place not in mark_head):
        _forged(cases, f"octet {place} of a check changed on the way", "fingerprint-mismatch", flipped(good, place))
    cases.group("parse", "RFC 8489 section 14.7")
    for place in mark_head:
        _forged(cases, f"octet {place} of a check changed on the way", "fingerprint-mismatch", flipped(good, place))
    cases.group("parse", "RFC 8489 section 14.5")
    for place in range(20, len(good) - 8):
        spoilt = marked(flipped(good, place))
        _forged(cases, f"octet {place} of a check changed, fingerprint made anew", "integrity-mismatch", spoilt)
    cases.group("parse", "RFC 8489 section 14.6")
    for place in range(20, len(strong) - 8, 2):
        spoilt = marked(flipped(strong, place))
        comment = f"octet {place} of a request with the newer integrity changed, fingerprint made anew"
        _forged(cases, comment, "integrity-sha256-mismatch", spoilt, STRONG)
    cases.group("parse", "RFC 8489 section 14.6")
    for size in (0, 4, 8, 12, 15, 17, 18, 31, 33, 36, 64):
        _sized(cases, size)
    for size in (16, 20, 24, 28):
        short = stun.serialize(MODERN, sha256_key=KEY, sha256_size=size)
        comment = f"the newer integrity cut to {size} octets, where all are demanded"
        _forged(cases, comment, "integrity-sha256-size", short, STRONG)
    cases.group("parse", "RFC 8489 section 5")
    for wrong in (*range(0, len(good) - 20, 12), len(good), len(good) - 19, len(good) - 16, 0x7FFC, 0xFFFC, 0xFFFF):
        lying = good[:2] + wrong.to_bytes(2, "big") + good[4:]
        cases.invalid(f"a check of {len(good)} octets whose length says {wrong}", "length", given(marked(lying), KEY))
    data = cases.finish()
    for group in data["groups"]:
        group["provenance"] = "mutated"
    return data


def _forged(cases: Cases, comment: str, reqs: str, data: bytes, more: dict[str, Any] | None = None) -> None:
    cases.invalid(comment, reqs, given(data, KEY) | (more or {}), ["Forged"])


def _sized(cases: Cases, size: int) -> None:
    plain = stun.serialize(MODERN, fingerprint=False)
    value = attribute.MESSAGE_INTEGRITY_SHA256.to_bytes(2, "big") + size.to_bytes(2, "big") + bytes(size + -size % 4)
    whole = plain + value + bytes.fromhex("8028000400000000")
    whole = marked(whole[:2] + (len(whole) - 20).to_bytes(2, "big") + whole[4:])
    cases.invalid(f"a newer integrity of {size} octets", "integrity-sha256-size", given(whole, KEY) | STRONG)


# --- what a basic server makes of it -------------------------------------------------------------------


def _requests() -> dict[str, Any]:
    cases = Cases("stun-requests", REQUEST_NOTES)
    bare = stun.serialize(message(), fingerprint=False)
    whole = stun.serialize(message((attribute.SOFTWARE, "test")), fingerprint=True)
    cases.group("answer", "RFC 8489 sections 6.3.1 and 12")
    _answered(cases, bare, whole)
    cases.group("answer", "RFC 8489 section 5")
    for size in range(len(whole)):
        cases.invalid(f"a request cut to {size} octets", "length", whole[:size], ["Header"])
    cases.group("answer", "RFC 8489 section 5")
    for first in (0x40, 0x80, 0xC0):
        cases.invalid(f"first octet {first:02x}", "leading-zero-bits", bytes([first]) + bare[1:], ["Header"])
    for place in range(4, 8):
        for bit in range(8):
            spoilt = bare[:place] + bytes([bare[place] ^ 1 << bit]) + bare[place + 1 :]
            comment = f"bit {bit} of octet {place}, in the cookie"
            cases.invalid(comment, "magic-cookie", spoilt, ["Header", "Classic"], allowed=["ignore-part"])
    for length in (1, 2, 3, 4, 8, 20, 0x8000, 0xFFFC):
        lying = bare[:2] + length.to_bytes(2, "big") + bare[4:]
        cases.invalid(f"nothing behind the header, and a length of {length}", "length", lying, ["Header"])
    cases.group("answer", "RFC 8489 sections 6.3 and 6.3.2")
    for kind, name in ((1, "an indication"), (2, "a success answer"), (3, "an error answer")):
        data = stun.serialize(message(kind=kind), fingerprint=False)
        cases.invalid(f"{name} instead of a request", "indication-unanswered", data)
    _unknown(cases)
    _broken(cases)
    cases.group("answer", "RFC 8489 section 14.7")
    for place in range(20, len(whole), 3):
        comment = f"octet {place} changed under a fingerprint"
        spoilt = flipped(whole, place)
        cases.acceptable(comment, "fingerprint-mismatch", spoilt, SUCCESS, allowed=["drop", "error:400", "error:420"])
    data = cases.finish()
    for group in data["groups"][1:]:
        group["provenance"] = "mutated"
    return data


def _answered(cases: Cases, bare: bytes, whole: bytes) -> None:
    def good(comment: str, reqs: str, data: bytes) -> None:
        cases.valid(comment, reqs, data, SUCCESS, ["Reflected"])

    good("a bare request", "bare-server mapped-address", bare)
    good("with SOFTWARE and a fingerprint", "bare-server", whole)
    for place in range(8, 20):
        spoilt = bare[:place] + bytes([bare[place] ^ 0xFF]) + bare[place + 1 :]
        good(f"another transaction id, in octet {place}", "bare-server", spoilt)
    for kind in (0x8FFE, 0x8FFF, 0xC057, 0xDEAD, 0xFFFF):
        unknown = stun.serialize(message((kind, b"odd")), fingerprint=False)
        good(f"with the unknown optional attribute {kind:#06x}", "unknown-optional-ignored", unknown)
    padded = stun.serialize(message((attribute.SOFTWARE, "five!")), fingerprint=False)
    good("padding of ones", "padding", padded[:-3] + b"\xff\xff\xff")
    good("with a priority, which only ICE expects", "bare-server", stun.serialize(message((attribute.PRIORITY, 1))))


def _unknown(cases: Cases) -> None:
    def refused(*kinds: int) -> None:
        data = stun.serialize(message(*((kind, b"odd!") for kind in kinds)), fingerprint=False)
        names = " and ".join(f"{kind:#06x}" for kind in kinds)
        cases.invalid(f"with {names}", "unknown-required-request", data, ["Reflected"], reaction="error:420")

    cases.group("answer", "RFC 8489 section 6.3.1")
    for kind in (0x0031, 0x0050, 0x00FF, 0x0100, 0x07FF, 0x1234, 0x3FFF, 0x4001, 0x5A5A, 0x7ABC, 0x7FFE, 0x7FFF):
        refused(kind)
    refused(0x7ABC, 0x7ABD)
    refused(0x7ABC, 0xC057)
    refused(0x7ABC, 0x7ABC)
    refused(*range(0x7000, 0x7010))


def _broken(cases: Cases) -> None:
    """Attributes that cannot be read: the header is good, so a 400 can be said, or nothing."""
    rows: list[tuple[str, str, Callable[[], bytes]]] = [
        ("an attribute longer than the message", "length", lambda: _tail("80220009 74657374")),
        ("an attribute of 65535 octets in a small message", "length", lambda: _tail("8022ffff 74657374")),
        ("a user name that is not UTF-8", "text-length", lambda: _tail("00060002 c3280000")),
        ("a user name of 764 octets", "text-length", lambda: _tail("000602fc" + "78" * 764)),
        ("an attribute behind the fingerprint", "fingerprint-last", _behind),
    ]
    cases.group("answer", "RFC 8489 sections 6.3 and 14")
    for comment, reqs, make in rows:
        cases.invalid(comment, reqs, make(), reaction="error:400", allowed=["drop", "ignore-part"])


def _tail(text: str) -> bytes:
    body = bytes.fromhex(text)
    return stun.HEADER.pack(1, len(body), attribute.COOKIE, TRANSACTION) + body


def _behind() -> bytes:
    marked_message = stun.serialize(message())
    behind = bytes.fromhex("8022000474657374")
    return marked_message[:2] + (len(marked_message) - 20 + 8).to_bytes(2, "big") + marked_message[4:] + behind
