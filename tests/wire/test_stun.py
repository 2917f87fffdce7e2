"""STUN messages as octets and as values, and what protects them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import attribute, stun
from meetref.wire.address import Address, unpack_host
from meetref.wire.attribute import ATTRIBUTES, Attribute, ErrorCode
from meetref.wire.reader import Malformed

TRANSACTION = bytes(range(12))
KEY = b"VOkJxbRl1RmTxUk/WvJxBt"

addresses = st.builds(
    Address,
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)).map(unpack_host),
    st.integers(0, 65535),
)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=127)
values: dict[int, st.SearchStrategy[Any]] = {
    attribute.MAPPED_ADDRESS: addresses,
    attribute.USERNAME: texts,
    attribute.ERROR_CODE: st.builds(ErrorCode, st.integers(300, 699), texts),
    attribute.UNKNOWN_ATTRIBUTES: st.lists(st.integers(0, 0xFFFF), max_size=9).map(tuple),
    attribute.REALM: texts,
    attribute.NONCE: texts,
    attribute.PASSWORD_ALGORITHM: st.binary(max_size=30),
    attribute.USERHASH: st.binary(max_size=32),
    attribute.XOR_MAPPED_ADDRESS: addresses,
    attribute.PRIORITY: st.integers(0, 2**32 - 1),
    attribute.USE_CANDIDATE: st.just(True),
    attribute.PASSWORD_ALGORITHMS: st.binary(max_size=30),
    attribute.ALTERNATE_DOMAIN: texts,
    attribute.SOFTWARE: texts,
    attribute.ALTERNATE_SERVER: addresses,
    attribute.ICE_CONTROLLED: st.integers(0, 2**64 - 1),
    attribute.ICE_CONTROLLING: st.integers(0, 2**64 - 1),
}
unknown = st.integers(0, 0xFFFF).filter(lambda kind: kind not in ATTRIBUTES)
attributes = st.one_of(
    *(st.builds(Attribute, st.just(kind), value) for kind, value in values.items()),
    st.builds(Attribute, unknown, st.binary(max_size=40)),
)
messages = st.builds(
    stun.Message,
    st.sampled_from(stun.Class),
    st.integers(0, 0xFFF),
    st.binary(min_size=12, max_size=12),
    st.lists(attributes, max_size=8),
)


def message(*given: Attribute, kind: stun.Class = stun.Class.REQUEST) -> stun.Message:
    return stun.Message(kind, stun.BINDING, TRANSACTION, list(given))


def raw(kind: int, value: bytes, *, length: int | None = None, head: bytes = b"\x00\x01") -> bytes:
    """A message with one attribute, written by hand."""
    body = kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
    size = len(body) if length is None else length
    return head + size.to_bytes(2, "big") + attribute.COOKIE + TRANSACTION + body


def test_every_row_of_the_table_but_the_protections_has_a_strategy() -> None:
    protections = {attribute.MESSAGE_INTEGRITY, attribute.MESSAGE_INTEGRITY_SHA256, attribute.FINGERPRINT}
    assert set(values) | protections == set(ATTRIBUTES)


@given(messages, st.booleans(), st.one_of(st.none(), st.binary(max_size=64)))
def test_a_message_survives_its_octets(given_message: stun.Message, fingerprint: bool, key: bytes | None) -> None:
    data = stun.serialize(given_message, integrity_key=key, fingerprint=fingerprint)
    assert stun.parse(data) == given_message
    assert stun.verify_fingerprint(data) is fingerprint
    assert key is None or stun.verify_integrity(data, key)
    assert stun.peek_username(data) == given_message.get(attribute.USERNAME)


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_malformed(data: bytes) -> None:
    for octets in (
        data,
        stun.HEADER.pack(1, len(data) & 0xFFFC, attribute.COOKIE, TRANSACTION) + data[: len(data) & ~3],
    ):
        try:
            stun.parse(octets)
        except Malformed:
            pass
        stun.verify_fingerprint(octets)
        stun.verify_integrity(octets, KEY)
        stun.peek_username(octets)


@given(st.sampled_from(sorted(ATTRIBUTES)), st.binary(max_size=40))
def test_any_value_of_a_known_attribute_is_read_or_malformed(kind: int, value: bytes) -> None:
    try:
        stun.parse(raw(kind, value))
    except Malformed:
        pass


@given(messages, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_octet_never_stays_unnoticed(given_message: stun.Message, where: int, change: int) -> None:
    data = bytearray(stun.serialize(given_message, integrity_key=KEY))
    data[where % len(data)] ^= change
    assert not stun.verify_fingerprint(bytes(data))


def test_the_class_stands_between_the_bits_of_the_method() -> None:
    for kind, method, expected in ((0, 1, 0x0001), (2, 1, 0x0101), (3, 1, 0x0111), (1, 1, 0x0011), (3, 0xFFF, 0x3FFF)):
        given_message = stun.Message(stun.Class(kind), method, TRANSACTION)
        data = stun.serialize(given_message)
        assert int.from_bytes(data[:2], "big") == expected
        assert stun.parse(data) == given_message


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(raw(0x24, bytes(4), head=b"\x40\x01"), marks=pytest.mark.spec("stun/leading-zero-bits")),
        pytest.param(
            raw(0x24, bytes(4)).replace(attribute.COOKIE, bytes(4)), marks=pytest.mark.spec("stun/magic-cookie")
        ),
        pytest.param(raw(0x24, bytes(4), length=4), marks=pytest.mark.spec("stun/length")),
        pytest.param(raw(0x24, bytes(4), length=12), marks=pytest.mark.spec("stun/length")),
        pytest.param(raw(0x24, bytes(4)) + b"\x00", marks=pytest.mark.spec("stun/length")),
        pytest.param(raw(0x24, bytes(4), length=9) + b"\x00", marks=pytest.mark.spec("stun/length")),
        pytest.param(raw(0x24, b"")[:-1] + b"\x04", id="attribute past the end"),
        pytest.param(raw(0x24, bytes(5)), id="priority of five octets"),
        pytest.param(raw(0x25, bytes(1)), id="use-candidate with a value"),
        pytest.param(raw(0x08, bytes(19)), id="integrity of 19 octets"),
        pytest.param(raw(0x20, b"\x00\x01\x00\x00" + bytes(16)), marks=pytest.mark.spec("stun/address-family")),
        pytest.param(raw(0x20, b"\x00\x03\x00\x00" + bytes(4)), marks=pytest.mark.spec("stun/address-family")),
        pytest.param(raw(0x06, bytes(764)), marks=pytest.mark.spec("stun/text-length")),
        pytest.param(raw(0x06, b"\xff"), id="username is not UTF-8"),
        pytest.param(raw(0x09, b"\x00\x00\x02\x00"), marks=pytest.mark.spec("stun/error-code-range")),
        pytest.param(raw(0x09, b"\x00\x00\x04\x64"), marks=pytest.mark.spec("stun/error-code-range")),
        pytest.param(raw(0x0A, bytes(3)), id="half an attribute type"),
        pytest.param(
            stun.HEADER.pack(1, 65 * 4, attribute.COOKIE, TRANSACTION) + bytes.fromhex("7fff0000") * 65, id="65"
        ),
        pytest.param(stun.HEADER.pack(1, 0, attribute.COOKIE, TRANSACTION)[:-1], id="nineteen octets"),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        stun.parse(data)


@pytest.mark.spec("stun/fingerprint-last")
def test_nothing_may_stand_behind_the_fingerprint() -> None:
    data = bytearray(stun.serialize(message()))
    data += raw(0x24, bytes(4))[20:]
    data[2:4] = (len(data) - 20).to_bytes(2, "big")
    with pytest.raises(Malformed):
        stun.parse(bytes(data))
    assert not stun.verify_fingerprint(bytes(data))


@pytest.mark.spec("stun/after-integrity-ignored")
def test_what_stands_behind_the_integrity_does_not_count() -> None:
    data = bytearray(stun.serialize(message(), integrity_key=KEY, fingerprint=False))
    data += raw(attribute.USE_CANDIDATE, b"")[20:]
    data[2:4] = (len(data) - 20).to_bytes(2, "big")
    assert stun.parse(bytes(data)).attributes == []
    assert stun.verify_integrity(bytes(data), KEY)


@pytest.mark.spec("stun/padding")
def test_padding_is_zeros_and_is_not_looked_at() -> None:
    data = stun.serialize(message(Attribute(attribute.USERNAME, "abcde")), fingerprint=False)
    assert data[-8:] == b"abcde\0\0\0"
    assert stun.parse(data[:-3] + b"xyz").get(attribute.USERNAME) == "abcde"


@pytest.mark.spec("stun/first-occurrence")
def test_the_first_of_two_attributes_counts() -> None:
    twice = message(Attribute(attribute.PRIORITY, 1), Attribute(attribute.PRIORITY, 2))
    assert stun.parse(stun.serialize(twice)).get(attribute.PRIORITY) == 1


@pytest.mark.spec("stun/unknown-optional-ignored")
def test_only_the_lower_half_of_unknown_types_must_be_understood() -> None:
    given_message = message(*(Attribute(kind, b"") for kind in (0x7FFF, 0x8001, 0x0003, 0x0006, 0xFFFF)))
    assert given_message.unknown_required == (0x7FFF, 0x0003)


@pytest.mark.spec("stun/integrity-mismatch", "stun/fingerprint-mismatch")
def test_a_wrong_key_and_a_missing_protection() -> None:
    data = stun.serialize(message(), integrity_key=KEY)
    assert not stun.verify_integrity(data, b"another")
    bare = stun.serialize(message(), fingerprint=False)
    assert not stun.verify_integrity(bare, KEY)
    assert not stun.verify_fingerprint(bare)


@pytest.mark.spec("stun/mapped-address")
def test_the_masked_address_of_rfc_5769() -> None:
    data = raw(attribute.XOR_MAPPED_ADDRESS, bytes.fromhex("0001a147e112a643"), head=b"\x01\x01")
    assert stun.parse(data).get(attribute.XOR_MAPPED_ADDRESS) == Address("192.0.2.1", 32853)


def test_values_that_do_not_fit_are_refused() -> None:
    for given_attribute in (
        Attribute(attribute.PRIORITY, 2**32),
        Attribute(attribute.PRIORITY, -1),
        Attribute(attribute.USERNAME, "x" * 509),
        Attribute(attribute.ERROR_CODE, ErrorCode(299, "")),
        Attribute(0x7FFF, bytes(65536)),
    ):
        with pytest.raises(Malformed):
            stun.serialize(message(given_attribute))


def test_a_username_is_peeked_at_without_reading_the_rest() -> None:
    data = stun.serialize(message(Attribute(attribute.PRIORITY, 1), Attribute(attribute.USERNAME, "ours:theirs")))
    assert stun.peek_username(data) == "ours:theirs"
    assert stun.peek_username(raw(0x06, b"\xff")) is None
    assert stun.peek_username(b"\x80" * 40) is None
    assert stun.peek_username(b"") is None
