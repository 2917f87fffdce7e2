"""From the words of vectors/ice/checks to octets: a connectivity check, whole or with something wrong about it.

Stands below `app/replay/ice`, which asks a running agent, and tests/generate/icechecks.py, which writes the octets for
everybody else. Specification: RFC 8445 section 7.2.2; vectors/ice/README.md for the words.
Read next: `app/replay/ice.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from meetref.protocol.check import Credentials
from meetref.wire import attribute, stun
from meetref.wire.attribute import Attribute

KINDS = {kind.name.lower(): kind for kind in stun.Class}
ROLES = {"controlling": attribute.ICE_CONTROLLING, "controlled": attribute.ICE_CONTROLLED}
USERNAME = "{asked}:{asking}"
PRIORITY = 110 << 24 | 65535 << 8 | 255  # of a peer-reflexive candidate with one component
TIE_BREAKER = "8000000000000000"
FINGERPRINT_MASK = 0x5354554E  # RFC 8489 section 14.7
GUESS = "guessguessguessguessguess"


def octets(told: Mapping[str, Any], asked: Credentials, asking: Credentials, transaction: bytes) -> bytes:
    """The message that `told` describes, from `asking` to `asked`. What is not told is as it must be."""
    message = stun.Message(
        KINDS[told.get("kind", "request")],
        told.get("method", stun.BINDING),
        transaction,
        _attributes(told, asked, asking),
    )
    keys = {"asked": asked.password, "asking": asking.password, "guess": GUESS}
    key = told.get("key", "asked")
    data = bytearray(
        stun.serialize(
            message,
            integrity_key=None if key is None else keys[key].encode(),
            fingerprint=told.get("fingerprint", True),
        )
    )
    for place, flipped in told.get("changed", ()):
        data[place] ^= flipped
    if told.get("marked_anew"):
        data[-4:] = (zlib.crc32(data[:-8]) ^ FINGERPRINT_MASK).to_bytes(4, "big")
    return bytes(data[: told.get("cut", len(data))])


def _attributes(told: Mapping[str, Any], asked: Credentials, asking: Credentials) -> list[Attribute]:
    given = []
    username = told.get("username", USERNAME)
    if username is not None:
        given.append(Attribute(attribute.USERNAME, username.format(asked=asked.ufrag, asking=asking.ufrag)))
    given.append(Attribute(attribute.PRIORITY, told.get("priority", PRIORITY)))
    role = ROLES[told.get("role", "controlling")]
    given.append(Attribute(role, int(told.get("tie_breaker", TIE_BREAKER), 16)))
    if told.get("use_candidate"):
        given.append(Attribute(attribute.USE_CANDIDATE, True))
    if told.get("nomination"):
        given.append(Attribute(attribute.NOMINATION, told["nomination"]))
    if "software" in told:
        given.append(Attribute(attribute.SOFTWARE, told["software"]))
    return given + [
        Attribute(int(name, 16), bytes.fromhex(value)) for name, value in told.get("attributes", {}).items()
    ]
