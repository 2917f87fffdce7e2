"""STUN messages as octets and as values, and what protects them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import attribute, stun
from meetref.wire.address import Address, unpack_host
from meetref.wire.attribute import ATTRIBUTES, AddressError, Attribute, ErrorCode, PasswordAlgorithm, Trouble
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

TRANSACTION = bytes(range(12))
KEY = b"VOkJxbRl1RmTxUk/WvJxBt"

addresses = st.builds(
    Address,
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)).map(unpack_host),
    st.integers(0, 65535),
)
algorithms = st.builds(PasswordAlgorithm, st.integers(0, 0xFFFF), st.binary(max_size=9))
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=127)
values: dict[int, st.SearchStrategy[Any]] = {
    attribute.MAPPED_ADDRESS: addresses,
    attribute.USERNAME: texts,
    attribute.CHANNEL_NUMBER: st.integers(0, 0xFFFF),
    attribute.LIFETIME: st.integers(0, 2**32 - 1),
    attribute.XOR_PEER_ADDRESS: addresses,
    attribute.DATA: st.binary(max_size=40),
    attribute.XOR_RELAYED_ADDRESS: addresses,
    attribute.REQUESTED_ADDRESS_FAMILY: st.integers(0, 255),
    attribute.EVEN_PORT: st.booleans(),
    attribute.REQUESTED_TRANSPORT: st.integers(0, 255),
    attribute.DONT_FRAGMENT: st.just(True),
    attribute.RESERVATION_TOKEN: st.binary(min_size=8, max_size=8),
    attribute.ADDITIONAL_ADDRESS_FAMILY: st.integers(0, 255),
    attribute.ADDRESS_ERROR_CODE: st.builds(AddressError, st.integers(0, 255), st.integers(300, 699), texts),
    attribute.ICMP: st.builds(Trouble, st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1)),
    attribute.OTHER_ADDRESS: addresses,
    attribute.NOMINATION: st.integers(0, 2**32 - 1),
    attribute.DTLS_IN_STUN: st.binary(max_size=60),
    attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT: st.lists(st.integers(0, 2**32 - 1), max_size=6).map(tuple),
    attribute.ERROR_CODE: st.builds(ErrorCode, st.integers(300, 699), texts),
    attribute.UNKNOWN_ATTRIBUTES: st.lists(st.integers(0, 0xFFFF), max_size=9).map(tuple),
    attribute.REALM: texts,
    attribute.NONCE: texts,
    attribute.PASSWORD_ALGORITHM: algorithms,
    attribute.USERHASH: st.binary(min_size=32, max_size=32),
    attribute.XOR_MAPPED_ADDRESS: addresses,
    attribute.PRIORITY: st.integers(0, 2**32 - 1),
    attribute.USE_CANDIDATE: st.just(True),
    attribute.PASSWORD_ALGORITHMS: st.lists(algorithms, max_size=4).map(tuple),
    attribute.ALTERNATE_DOMAIN: st.text(alphabet=st.characters(max_codepoint=127), max_size=255),
    attribute.SOFTWARE: texts,
    attribute.ALTERNATE_SERVER: addresses,
    attribute.ICE_CONTROLLED: st.integers(0, 2**64 - 1),
    attribute.ICE_CONTROLLING: st.integers(0, 2**64 - 1),
}
unknown = st.integers(0, 0xFFFF).filter(lambda kind: kind not in ATTRIBUTES)
keys = st.one_of(st.none(), st.binary(max_size=64))
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


@given(messages, st.booleans(), keys, keys)
def test_a_message_survives_its_octets(
    given_message: stun.Message, fingerprint: bool, key: bytes | None, sha256_key: bytes | None
) -> None:
    data = stun.serialize(given_message, integrity_key=key, sha256_key=sha256_key, fingerprint=fingerprint)
    read = stun.parse(data)
    assert read == given_message
    assert stun.verify_fingerprint(data) is fingerprint
    assert (read.integrity is None) is (key is None)
    assert (read.integrity_sha256 is None) is (sha256_key is None)
    assert key is None or stun.verify_integrity(data, key)
    assert sha256_key is None or stun.verify_integrity_sha256(data, sha256_key)
    assert stun.peek_username(data) == given_message.get(attribute.USERNAME)
    assert stun.message_size(data) == len(data)


@pytest.mark.spec("stun/integrity-sha256-size")
@given(messages, st.sampled_from([16, 20, 24, 28, 32]))
def test_a_truncated_integrity_counts_only_where_it_is_allowed(given_message: stun.Message, size: int) -> None:
    data = stun.serialize(given_message, sha256_key=KEY, sha256_size=size)
    assert len(stun.parse(data).integrity_sha256 or b"") == size
    assert stun.verify_integrity_sha256(data, KEY, shortest=16)
    assert stun.verify_integrity_sha256(data, KEY) is (size == 32)
    assert not stun.verify_integrity_sha256(data, KEY + b"!", shortest=16)


@pytest.mark.parametrize("size", [0, 4, 12, 15, 17, 30, 31, 33, 36])
@pytest.mark.spec("stun/integrity-sha256-size")
def test_an_integrity_of_any_other_size_is_malformed(size: int) -> None:
    with pytest.raises(Malformed):
        stun.parse(raw(attribute.MESSAGE_INTEGRITY_SHA256, bytes(size)))


@pytest.mark.spec("stun/integrity-sha256-mismatch")
def test_both_integrities_cover_what_stands_before_them() -> None:
    data = stun.serialize(message(Attribute(attribute.PRIORITY, 1)), integrity_key=KEY, sha256_key=KEY)
    for place in range(len(data) - 8):
        damaged = bytearray(data)
        damaged[place] ^= 1
        spoilt = bytes(damaged)
        # The older integrity does not cover the newer one behind it; the length field is set anew for both.
        assert place in (2, 3) or not stun.verify_integrity_sha256(spoilt, KEY)
        assert place in (2, 3) or place >= 52 or not stun.verify_integrity(spoilt, KEY)


@pytest.mark.spec("stun/after-integrity-ignored")
def test_nothing_behind_the_newer_integrity_counts_but_the_fingerprint() -> None:
    signed = stun.serialize(message(Attribute(attribute.PRIORITY, 1)), sha256_key=KEY, fingerprint=False)
    behind = raw(attribute.USE_CANDIDATE, b"")[20:] + raw(attribute.MESSAGE_INTEGRITY, bytes(20))[20:]
    data = signed[:2] + (len(signed) + len(behind) - 20).to_bytes(2, "big") + signed[4:] + behind
    read = stun.parse(data)
    assert read.attributes == [Attribute(attribute.PRIORITY, 1)]
    assert read.integrity is None
    assert read.integrity_sha256 is not None
    assert stun.verify_integrity_sha256(data, KEY)
    assert not stun.verify_integrity(data, KEY)


@pytest.mark.spec("stun/userhash", "stun/alternate-domain", "stun/password-algorithm-format")
def test_values_of_credentials_have_their_shapes() -> None:
    for kind, value in (
        (attribute.USERHASH, bytes(31)),
        (attribute.USERHASH, bytes(33)),
        (attribute.ALTERNATE_DOMAIN, b"a" * 256),
        (attribute.ALTERNATE_DOMAIN, "ö.example".encode()),
        (attribute.PASSWORD_ALGORITHM, bytes.fromhex("000200")),
        (attribute.PASSWORD_ALGORITHM, bytes.fromhex("00020001")),
        (attribute.PASSWORD_ALGORITHM, bytes.fromhex("0002000000010000")),
        (attribute.PASSWORD_ALGORITHMS, bytes.fromhex("0001000000")),
        (attribute.PASSWORD_ALGORITHMS, bytes.fromhex("00010005") + bytes(4)),
    ):
        with pytest.raises(Malformed):
            stun.parse(raw(kind, value))
    padded = bytes.fromhex("0007 0003 616263ff 0001 0000")
    assert stun.parse(raw(attribute.PASSWORD_ALGORITHMS, padded)).get(attribute.PASSWORD_ALGORITHMS) == (
        PasswordAlgorithm(7, b"abc"),
        PasswordAlgorithm(1),
    )


def test_more_password_algorithms_than_anybody_has_are_malformed() -> None:
    most = attribute.MAXIMUM_ALGORITHMS
    assert stun.parse(raw(attribute.PASSWORD_ALGORITHMS, bytes.fromhex("00010000") * most))
    with pytest.raises(Malformed):
        stun.parse(raw(attribute.PASSWORD_ALGORITHMS, bytes.fromhex("00010000") * (most + 1)))


@pytest.mark.spec("stun/over-tcp")
def test_the_length_of_a_message_is_known_from_its_first_octets() -> None:
    data = stun.serialize(message(Attribute(attribute.USERNAME, "evtj:h6vY")), integrity_key=KEY)
    assert [stun.message_size(data[:size]) for size in range(4)] == [None] * 4
    assert {stun.message_size(data[:size] + b"more") for size in range(4, len(data))} == {len(data)}


def test_a_broken_attribute_leaves_the_header_readable() -> None:
    data = raw(attribute.PRIORITY, bytes(3))
    assert stun.parse_header(data) == message()
    with pytest.raises(Malformed):
        stun.parse(data)


def test_every_occurrence_can_be_had() -> None:
    there = [Attribute(attribute.PRIORITY, 1), Attribute(attribute.REALM, "r"), Attribute(attribute.PRIORITY, 2)]
    assert message(*there).every(attribute.PRIORITY) == (1, 2)


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_malformed(data: bytes) -> None:
    for octets in (
        data,
        stun.HEADER.pack(1, len(data) & 0xFFFC, attribute.COOKIE, TRANSACTION) + data[: len(data) & ~3],
    ):
        found = read(stun.parse, octets)
        assert found is None or stun.parse(stun.serialize(found, fingerprint=False)) == found
        assert not stun.verify_fingerprint(octets)
        assert not stun.verify_integrity(octets, KEY)
        assert not stun.verify_integrity_sha256(octets, KEY)
        size = stun.message_size(octets)
        assert (size is None) == (len(octets) < 4)
        username = stun.peek_username(octets)
        assert username is None or username.encode() in octets


@given(st.sampled_from(sorted(ATTRIBUTES)), st.binary(max_size=40))
def test_any_value_of_a_known_attribute_is_read_or_malformed(kind: int, value: bytes) -> None:
    found = read(stun.parse, raw(kind, value))
    assert found is None or stun.parse(stun.serialize(found, fingerprint=False)) == found


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


@pytest.mark.spec("sped/acknowledgement-format")
def test_a_ragged_list_of_acknowledgements_names_nothing_and_costs_nobody_the_check() -> None:
    read = stun.parse(raw(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT, bytes(7)))
    assert read.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT) == ()
    read = stun.parse(raw(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT, bytes(7) + b"\x01"))
    assert read.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT) == (0, 1)
