"""TURN's octets: attributes, channel data, indications the quick way, and what a stream is cut into."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import ATTRIBUTES, AddressError, Attribute, Trouble
from meetref.wire.reader import Malformed

octets = st.integers(0, 255)
hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda host: host.ipv4_mapped is None)).map(str)
addresses = st.builds(Address, hosts, st.integers(0, 65535))
channels = st.integers(turn.FIRST_CHANNEL, turn.LAST_CHANNEL)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    attribute.CHANNEL_NUMBER: st.integers(0, 0xFFFF),
    attribute.LIFETIME: st.integers(0, 2**32 - 1),
    attribute.XOR_PEER_ADDRESS: addresses,
    attribute.DATA: st.binary(max_size=2000),
    attribute.XOR_RELAYED_ADDRESS: addresses,
    attribute.REQUESTED_ADDRESS_FAMILY: octets,
    attribute.EVEN_PORT: st.booleans(),
    attribute.REQUESTED_TRANSPORT: octets,
    attribute.DONT_FRAGMENT: st.just(True),
    attribute.RESERVATION_TOKEN: st.binary(min_size=8, max_size=8),
    attribute.ADDITIONAL_ADDRESS_FAMILY: octets,
    attribute.ADDRESS_ERROR_CODE: st.builds(
        AddressError, octets, st.integers(300, 699), st.text(st.characters(codec="utf-8"), max_size=127)
    ),
    attribute.ICMP: st.builds(Trouble, octets, octets, st.integers(0, 2**32 - 1)),
}


def pairs(kind: int) -> st.SearchStrategy[Attribute]:
    return st.builds(Attribute, st.just(kind), VALUES[kind])


@given(st.lists(st.sampled_from(sorted(VALUES)).flatmap(pairs), max_size=12), st.binary(min_size=12, max_size=12))
def test_every_attribute_comes_back_as_it_was_sent(attributes: list[Attribute], transaction: bytes) -> None:
    message = stun.Message(stun.Class.REQUEST, turn.ALLOCATE, transaction, attributes)
    assert stun.parse(stun.serialize(message)) == message


@given(st.sampled_from(sorted(VALUES)), st.binary(max_size=40))
def test_any_octets_are_a_value_or_malformed(kind: int, data: bytes) -> None:
    try:
        ATTRIBUTES[kind].parse(data, bytes(12))
    except Malformed:
        return
    assert kind in VALUES


@pytest.mark.spec("turn/reserved-bits")
def test_reserved_bits_are_not_looked_at_and_are_written_as_zeros() -> None:
    for kind, data, value, written in (
        (attribute.CHANNEL_NUMBER, "4001ffff", 0x4001, "40010000"),
        (attribute.REQUESTED_TRANSPORT, "11ffffff", 17, "11000000"),
        (attribute.REQUESTED_ADDRESS_FAMILY, "02ffffff", 2, "02000000"),
        (attribute.ADDITIONAL_ADDRESS_FAMILY, "02000001", 2, "02000000"),
        (attribute.EVEN_PORT, "ff", True, "80"),
        (attribute.EVEN_PORT, "7f", False, "00"),
        (attribute.ICMP, "ffff030400000578", Trouble(3, 4, 1400), "0000030400000578"),
        (attribute.ADDRESS_ERROR_CODE, "02fffc28", AddressError(2, 440, ""), "02000428"),
    ):
        assert ATTRIBUTES[kind].parse(bytes.fromhex(data), bytes(12)) == value
        assert ATTRIBUTES[kind].serialize(value, bytes(12)).hex() == written


# --- channel data ---------------------------------------------------------------------------------


@given(channels, st.binary(max_size=3000), st.booleans())
@pytest.mark.spec("turn/channel-data-padding")
def test_channel_data_comes_back(channel: int, data: bytes, padded: bool) -> None:
    message = turn.serialize_channel_data(channel, data, padded=padded)
    assert turn.parse_channel_data(message) == turn.ChannelData(channel, data)
    assert len(message) == 4 + len(data) + (-len(data) % 4 if padded else 0)


@given(st.binary(max_size=100))
def test_any_octets_are_channel_data_or_malformed(data: bytes) -> None:
    try:
        read = turn.parse_channel_data(data)
    except Malformed:
        return
    assert turn.is_channel(read.channel)


@pytest.mark.spec("turn/channel-data-short", "turn/channel-range", "turn/channel-reserved-dropped")
def test_what_is_no_channel_data() -> None:
    for data in ("", "400000", "40000001", "3fff0000", "50000000", "ffff0000"):
        with pytest.raises(Malformed):
            turn.parse_channel_data(bytes.fromhex(data))
    for channel, size in ((0x3FFF, 0), (0x5000, 0), (0x4000, 65536)):
        with pytest.raises(Malformed):
            turn.serialize_channel_data(channel, bytes(size))


# --- indications ----------------------------------------------------------------------------------


@given(addresses, st.binary(max_size=1500), st.binary(min_size=12, max_size=12))
def test_the_quick_way_writes_what_the_long_way_writes(peer: Address, data: bytes, transaction: bytes) -> None:
    given_attributes = [Attribute(attribute.XOR_PEER_ADDRESS, peer), Attribute(attribute.DATA, data)]
    message = stun.Message(stun.Class.INDICATION, turn.SEND, transaction, given_attributes)
    quick = turn.serialize_indication(turn.SEND_TYPE, transaction, peer, data)
    assert quick == stun.serialize(message, fingerprint=False)
    assert stun.parse(quick) == message
    peeked = turn.peek_send(quick)
    where = ATTRIBUTES[attribute.XOR_PEER_ADDRESS].serialize(peer, transaction)
    assert peeked == (None if peer.is_ipv6 else (where, data))
    message.attributes.reverse()
    assert turn.peek_send(stun.serialize(message, fingerprint=False)) == peeked


@given(st.binary(max_size=80))
def test_peeking_never_raises(tail: bytes) -> None:
    for data in (tail, b"\0\x16" + tail, b"\0\x16\0\x10" + attribute.COOKIE + bytes(12) + tail):
        peeked = turn.peek_send(data)
        assert peeked is None or peeked[1] in data


@given(st.data())
def test_peeking_agrees_with_parsing(choice: st.DataObject) -> None:
    """Whatever the quick way accepts, the long way reads alike."""
    good = turn.serialize_indication(turn.SEND_TYPE, bytes(12), Address("192.0.2.1", 9), b"abcde")
    data = bytearray(good)
    for _ in range(choice.draw(st.integers(0, 3))):
        data[choice.draw(st.integers(0, len(data) - 1))] = choice.draw(octets)
    peeked = turn.peek_send(bytes(data))
    if peeked is not None and peeked[0][1] == turn.IPV4:  # where it says another family, nobody has such an address
        message = stun.parse(bytes(data))
        assert (message.kind, message.method) == (stun.Class.INDICATION, turn.SEND)
        assert message.get(attribute.DATA) == peeked[1]
        codec = ATTRIBUTES[attribute.XOR_PEER_ADDRESS]
        assert codec.serialize(message.get(attribute.XOR_PEER_ADDRESS), message.transaction)[1:] == peeked[0][1:]


def test_more_data_than_an_attribute_holds() -> None:
    with pytest.raises(Malformed):
        turn.serialize_indication(turn.DATA_TYPE, bytes(12), Address("192.0.2.1", 9), bytes(65536))


# --- streams --------------------------------------------------------------------------------------

frames = st.one_of(
    st.builds(turn.serialize_channel_data, channels, st.binary(max_size=50)),
    st.builds(
        lambda peer, data: turn.serialize_indication(turn.SEND_TYPE, bytes(12), peer, data),
        addresses,
        st.binary(max_size=50),
    ),
)


@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 60), max_size=40))
@pytest.mark.spec("turn/stream-framing")
def test_a_stream_is_cut_alike_whatever_pieces_it_comes_in(messages: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(message + bytes(-len(message) % 4) for message in messages)
    assert turn.split_stream(whole) == (messages, len(whole))
    found: list[bytes] = []
    rest, position = b"", 0
    for size in [*sizes, len(whole)]:
        rest += whole[position : position + size]
        position += size
        some, consumed = turn.split_stream(rest)
        found += some
        rest = rest[consumed:]
    assert (found, rest) == (messages, b"")


@given(st.binary(max_size=200))
def test_any_stream_is_cut_or_malformed_and_its_rest_is_bounded(data: bytes) -> None:
    try:
        messages, position = turn.split_stream(data)
    except Malformed:
        return
    assert sum(map(len, messages)) <= position <= len(data)
    assert len(data) - position < turn.MAXIMUM_FRAME


@pytest.mark.spec("turn/stream-framing")
def test_a_stream_of_something_else_is_noticed() -> None:
    for data in (b"\x90\x60\0\0", b"\x16\x03\x01\x02\0\x01", b"\x80\x01\0\0", bytes(20)):
        with pytest.raises(Malformed):
            turn.split_stream(data + bytes(8))
    old = turn.CHANNEL_HEADER.pack(0x7FFF, 1) + b"x\0\0\0"
    assert turn.split_stream(old) == ([old[:5]], 8)  # to be dropped by whoever knows no such channel
