"""The cases of vectors/ice/checks: what an agent that only answers gets, and how it must react.

The octets come from `app/replay/icechecks`, out of the words that stand beside them; no agent of ours runs while they
are written. Reactions are the documents': RFC 8445 section 7.3, RFC 8489 sections 6.3, 7 and 9.1.3.
Stands below tests/generate/ice.py. Read next: tests/vectors/test_ice.py.
"""

from __future__ import annotations

from typing import Any

from meetref.app.replay.icechecks import octets
from meetref.protocol.check import Credentials
from tests.generate.mediacases import Cases
from tests.generate.stepcases import HIGH, OWN, PEER, B

NOTES = {
    "Unauthentic": (
        "The sender does not know the password, or does not show it",
        "refused with 400 or 401, or dropped: an answer may hit somebody else",
    ),
    "Broken": ("No STUN message of the peer's", "dropped"),
}
REFUSALS = ("drop", "error:400", "error:401")
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

VALID: list[tuple[str, str, dict[str, Any]]] = [
    ("a check", "ice/check-username ice/check-protected", {}),
    ("a check that nominates", "ice/nomination-accepted", {"use_candidate": True}),
    ("a check that nominates with a number", "ice/renomination-number", {"nomination": 1}),
    ("the largest priority", "ice/check-priority", {"priority": 2**31 - 1}),
    ("the smallest priority", "ice/check-priority", {"priority": 1}),
    ("the smallest tie-breaker", "ice/role-attribute", {"tie_breaker": "0000000000000000"}),
    ("the largest tie-breaker", "ice/role-attribute", {"tie_breaker": "ffffffffffffffff"}),
    ("an attribute that nobody needs", "stun/unknown-optional-ignored", {"attributes": {"0xf00d": "0102"}}),
    ("the name of a program", "stun/software", {"software": "test"}),
]
UNAUTHENTIC: list[tuple[str, str, dict[str, Any]]] = [
    ("another password", "ice/unauthentic-request", {"key": "guess"}),
    ("the asking side's own password", "ice/unauthentic-request", {"key": "asking"}),
    ("no integrity", "ice/unauthentic-request", {"key": None}),
    ("no user name", "ice/username-checked", {"username": None}),
    ("the user name of an answer, the wrong way round", "ice/username-checked", {"username": "{asking}:{asked}"}),
    ("somebody else's user fragment", "ice/username-checked", {"username": "stranger:{asking}"}),
    ("a user fragment that only begins like ours", "ice/username-checked", {"username": "{asked}x:{asking}"}),
    ("the beginning of our user fragment", "ice/username-checked", {"username": "{asked:.3}:{asking}"}),
    ("no colon", "ice/username-checked", {"username": "{asked}"}),
    ("an empty user name", "ice/username-checked", {"username": ""}),
    ("another password, and it nominates", "ice/unauthentic-request", {"key": "guess", "use_candidate": True}),
]
FINGERPRINTS: list[tuple[str, str, dict[str, Any]]] = [
    ("a fingerprint that does not fit", "stun/fingerprint-mismatch ice/fingerprint-required", {"changed": [[-1, 1]]}),
]
NOT_CHECKS: list[tuple[str, str, dict[str, Any]]] = [
    ("an indication", "stun/indication-unanswered", {"kind": "indication"}),
    ("a success answer that nobody waits for", "stun/unknown-transaction", {"kind": "success"}),
    ("an error answer that nobody waits for", "stun/unknown-transaction", {"kind": "error"}),
]
HEADERS: list[tuple[str, str, dict[str, Any]]] = [
    ("the first bit set", "stun/leading-zero-bits", {"changed": [[0, 0x80]], "marked_anew": True}),
    ("the magic cookie changed", "stun/magic-cookie", {"changed": [[4, 0x01]], "marked_anew": True}),
]
LENGTHS: list[tuple[str, str, dict[str, Any]]] = [
    ("a length that is not a multiple of four", "stun/length", {"changed": [[3, 0x01]], "marked_anew": True}),
    ("cut to a header", "stun/length", {"cut": 20}),
    ("cut to 19 octets", "stun/length", {"cut": 19}),
    ("cut behind the integrity", "stun/length", {"cut": -8}),
    ("nothing but an octet", "stun/length", {"cut": 1}),
]
UNKNOWN: list[tuple[str, str, dict[str, Any]]] = [
    ("an attribute that everybody must know", "stun/unknown-required-request", {"attributes": {"0x7abc": ""}}),
    ("two of them", "stun/unknown-required-request", {"attributes": {"0x7abc": "01020304", "0x7abd": ""}}),
]


def checks() -> dict[str, Any]:
    """The whole set."""
    cases = Cases("ice-checks", NOTES)
    cases.group("check", "RFC 8445 section 7.3")
    for comment, reqs, told in VALID:
        cases.valid(comment, reqs, _given(told), {"kind": "success", "mapped": B})
    for rows, source, flag, allowed in (
        (UNAUTHENTIC, "RFC 8445 section 7.3, RFC 8489 section 9.1.3", "Unauthentic", REFUSALS[1:]),
        (FINGERPRINTS, "RFC 8489 section 7", "Broken", ()),
        (NOT_CHECKS, "RFC 8489 section 6.3", "Broken", ()),
        (HEADERS, "RFC 8489 sections 5 and 6.3", "Broken", ()),
        (LENGTHS, "RFC 8489 sections 5 and 6.3", "Broken", ()),
    ):
        cases.group("check", source)
        for comment, reqs, told in rows:
            cases.invalid(comment, reqs, _given(told), [flag], allowed=allowed)
    cases.group("check", "RFC 8489 section 6.3.1")
    for comment, reqs, told in UNKNOWN:
        cases.invalid(comment, reqs, _given(told), reaction="error:420")
    cases.group("check", "RFC 8445 sections 6.1.1 and 7.3.1.1")
    told = {"role": "controlled", "tie_breaker": HIGH.replace("0", "f")}
    cases.invalid("two that are controlled", "ice/role-conflict ice/lite", _given(told), reaction="error:487")
    cases.group("check", "RFC 8445 section 7.2.4")
    told = {"fingerprint": False}
    cases.invalid("no fingerprint", "ice/fingerprint-required", _given(told), ["Broken"], allowed=["ignore-part"])
    return cases.finish()


def _given(told: dict[str, Any]) -> dict[str, Any]:
    asked, asking = (Credentials(each["ufrag"], each["password"]) for each in (OWN, PEER))
    data = octets(told, asked, asking, TRANSACTION)
    return {"hex": data.hex(), "check": told, "asked": OWN, "asking": PEER, "from": B}
