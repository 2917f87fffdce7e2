"""The messages of a 1.2 handshake: what is written can be read, and nothing else than `Malformed` escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import handshake12 as wire
from meetref.wire.reader import Malformed

two_octets = st.integers(0, 0xFFFF)
messages = st.one_of(
    st.just(wire.HelloRequest()),
    st.just(wire.ServerHelloDone()),
    st.builds(wire.HelloVerifyRequest, two_octets, st.binary(max_size=255)),
    st.builds(wire.CertificateChain, st.lists(st.binary(max_size=40), max_size=3).map(tuple)),
    st.builds(wire.ServerKeyExchange, two_octets, st.binary(max_size=255), two_octets, st.binary(max_size=80)),
    st.builds(
        wire.CertificateRequest,
        st.binary(max_size=4),
        st.lists(two_octets, max_size=5).map(tuple),
        st.lists(st.binary(max_size=10), max_size=3).map(tuple),
    ),
    st.builds(wire.ClientKeyExchange, st.binary(max_size=255)),
    st.builds(wire.CertificateVerify, two_octets, st.binary(max_size=80)),
    st.builds(wire.Finished, st.binary(min_size=12, max_size=12)),
)


@given(messages)
def test_round_trip(message: wire.Handshake) -> None:
    assert wire.parse(wire.message_number(message), wire.serialize(message)) == message


@given(st.integers(0, 255), st.binary(max_size=80))
def test_any_octets_are_a_message_or_malformed(number: int, body: bytes) -> None:
    try:
        message = wire.parse(number, body)
    except Malformed:
        return
    assert wire.message_number(message) == number


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (4, ""),  # a session ticket: never asked for
        (14, "00"),
        (20, "00" * 11),
        (20, "00" * 13),
        (12, "010017" + "00" * 8),  # a curve by its parameters
        (13, "0140" + "000104" + "0000"),  # half a scheme
        (11, "000003" + "000001"),
        (16, "20" + "00" * 31),
    ],
)
def test_malformed(number: int, body: str) -> None:
    with pytest.raises(Malformed):
        wire.parse(number, bytes.fromhex(body))
