"""A basic STUN server: short answers to whoever asks, and none to what is no question."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.binding import answer_binding
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute

ALICE, ALICE6 = Address("192.0.2.1", 5000), Address("2001:db8::1", 5000)
TRANSACTION = bytes(range(12))


def question(*attributes: tuple[int, Any], kind: int = 0, method: int = 1, fingerprint: bool = False) -> bytes:
    message = stun.Message(stun.Class(kind), method, TRANSACTION, [Attribute(*each) for each in attributes])
    return stun.serialize(message, fingerprint=fingerprint)


def answer(data: bytes, remote: Address = ALICE) -> stun.Message:
    said = answer_binding(data, remote)
    assert isinstance(said, bytes)
    message = stun.parse(said)
    assert (message.method, message.transaction) == (stun.BINDING, TRANSACTION)
    assert message.get(attribute.SOFTWARE) is None
    return message


@pytest.mark.spec("stun/mapped-address", "stun/bare-server")
def test_whoever_asks_is_told_how_he_looks_and_nothing_else() -> None:
    for remote, size in ((ALICE, 32), (ALICE6, 44)):
        said = answer_binding(question(), remote)
        assert len(said) == size
        assert answer(question(), remote).attributes == [Attribute(attribute.XOR_MAPPED_ADDRESS, remote)]
    signed = stun.serialize(stun.parse(question((attribute.USERNAME, "a"))), integrity_key=b"anything")
    assert answer(signed).kind is stun.Class.SUCCESS


@pytest.mark.spec("stun/unknown-required-request", "stun/unknown-optional-ignored")
def test_what_must_be_understood_and_is_not_is_named() -> None:
    message = answer(question((0x7ABC, b"?"), (0x7FF0, b""), (0x7ABC, b"!"), (0xC057, b"")))
    assert message.get(attribute.ERROR_CODE).code == 420
    assert message.get(attribute.UNKNOWN_ATTRIBUTES) == (0x7ABC, 0x7FF0)
    assert answer(question((0xC057, b""))).kind is stun.Class.SUCCESS


@pytest.mark.spec("stun/bad-request")
def test_a_question_with_broken_attributes_is_bad() -> None:
    for body in ("0024000300000100", "00240004", "0024000800000001", "0006000200c32800"):
        octets = bytes.fromhex(body)
        data = stun.HEADER.pack(1, len(octets), attribute.COOKIE, TRANSACTION) + octets
        message = answer(data)
        assert message.get(attribute.ERROR_CODE).code == 400
        assert len(stun.serialize(message, fingerprint=False)) <= len(data) + 4


@pytest.mark.spec("stun/indication-unanswered", "stun/supported-method", "stun/fingerprint-mismatch")
def test_what_is_no_question_gets_no_answer() -> None:
    for kind, why in ((1, "no request"), (2, "no request"), (3, "no request")):
        assert answer_binding(question(kind=kind), ALICE) == why
    assert answer_binding(question(method=3), ALICE) == "another method"
    damaged = bytearray(question(fingerprint=True))
    assert answer(bytes(damaged)).kind is stun.Class.SUCCESS
    damaged[-1] ^= 1
    assert answer_binding(bytes(damaged), ALICE) == "fingerprint"
    for data in (b"", question()[:19], question() + bytes(4), b"\x40" + question()[1:], question()[:4] + bytes(16)):
        assert answer_binding(data, ALICE) == "malformed"


@given(st.binary(max_size=120))
def test_no_question_makes_it_stumble_or_shout(data: bytes) -> None:
    for octets in (data, stun.HEADER.pack(1, len(data) & ~3, attribute.COOKIE, TRANSACTION) + data[: len(data) & ~3]):
        said = answer_binding(octets, ALICE)
        assert isinstance(said, str) or len(said) <= max(32, len(octets) + 12)
