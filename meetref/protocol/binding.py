"""A basic STUN server in one function: tells whoever asks where the question came from, and remembers nobody.

Stands above `wire/stun`, below `protocol/relay`, which gives it what is no business of its own.
Specification: RFC 8489 sections 6.3 and 12. An answer has what it must have and nothing else, because its receiver
may not be who asked: 32 octets to 20, 44 over IPv6.
Leaves out: RFC 3489's messages without a cookie, SOFTWARE, credentials (section 12 advises against them here).
Read next: `protocol/authenticator.py`.
"""

from __future__ import annotations

from meetref.protocol.authenticator import refuse
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.reader import Malformed


def answer_binding(data: bytes, remote: Address) -> bytes | str:
    """The octets that answer what came from `remote`, or a short fixed phrase that says why nothing does."""
    try:
        message = stun.parse_header(data)
    except Malformed:
        return "malformed"
    if message.method != stun.BINDING:  # spec: stun/supported-method
        return "another method"
    if message.kind is not stun.Class.REQUEST:  # spec: stun/indication-unanswered
        return "no request"
    try:
        message = stun.parse(data)
    except Malformed:  # spec: stun/bad-request
        return refuse(message, 400).data
    if message.fingerprint is not None and not stun.verify_fingerprint(data):  # spec: stun/fingerprint-mismatch
        return "fingerprint"
    unknown = tuple(dict.fromkeys(message.unknown_required))
    if unknown:  # spec: stun/unknown-required-request
        return refuse(message, 420, Attribute(attribute.UNKNOWN_ATTRIBUTES, unknown)).data
    # spec: stun/mapped-address, stun/bare-server
    mapped = [Attribute(attribute.XOR_MAPPED_ADDRESS, remote)]
    answer = stun.Message(stun.Class.SUCCESS, stun.BINDING, message.transaction, mapped)
    return stun.serialize(answer, fingerprint=False)
