"""One place, one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.address import Address, StreamAddress, canonical_host, pack_host, unpack_host
from meetref.wire.reader import Malformed


def test_as_people_write_it() -> None:
    assert str(Address("192.0.2.1", 80)) == "192.0.2.1:80"
    assert str(Address("2001:db8::1", 80)) == "[2001:db8::1]:80"
    assert Address("2001:db8::1", 80).is_ipv6
    assert not Address("192.0.2.1", 80).is_ipv6


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("::1", "::1"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert canonical_host(text) == canonical


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4.5", "192.0.2.01", "::g", "x.local", "1" * 999])
def test_not_an_address(text: str) -> None:
    with pytest.raises(Malformed):
        canonical_host(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    try:
        assert canonical_host(canonical_host(text)) == canonical_host(text)
    except Malformed:
        pass


@given(st.ip_addresses())
def test_an_address_survives_its_octets(host: object) -> None:
    canonical = canonical_host(str(host))
    assert unpack_host(pack_host(canonical)) == canonical


@given(st.binary(max_size=20).filter(lambda octets: len(octets) not in (4, 16)))
def test_other_numbers_of_octets(octets: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_host(octets)


def test_the_end_of_a_stream_is_no_datagram_address() -> None:
    """TCP and UDP number their ports apart, whatever a dictionary is asked."""
    udp, tcp = Address("192.0.2.1", 80), StreamAddress("192.0.2.1", 80)
    assert tcp == StreamAddress("192.0.2.1", 80)
    assert hash(tcp) == hash(StreamAddress("192.0.2.1", 80))
    assert udp != tcp
    assert tcp != udp
    assert {udp: 1, tcp: 2} == {tcp: 2, udp: 1}
    assert (udp.transport, tcp.transport) == ("udp", "tcp")
    assert tcp._replace(port=81).transport == "tcp"
    assert tcp != ("192.0.2.1", 80)
    assert str(tcp) == str(udp)
