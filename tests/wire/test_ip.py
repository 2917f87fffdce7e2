"""Whole IP packets around anything."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.address import canonical_host
from meetref.wire.ip import MAXIMUM_PAYLOAD, SCTP, Packet, checksum, parse, serialize
from meetref.wire.reader import Malformed
from tests.wire.strangers import read


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    version = draw(st.sampled_from([4, 6]))
    hosts = st.ip_addresses(v=version).map(str)  # type: ignore[arg-type]
    if version == 6:  # a mapped address reads as the IPv4 one that it stands for
        hosts = hosts.filter(lambda host: ipaddress.IPv6Address(host).ipv4_mapped is None)
    ends = hosts.map(canonical_host)
    return Packet(draw(ends), draw(ends), draw(st.integers(0, 255)), draw(st.binary(max_size=100)))


@given(packets())
def test_round_trip(packet: Packet) -> None:
    assert parse(serialize(packet)) == packet


@given(st.binary(max_size=100) | packets().map(serialize))
def test_any_octets_are_a_packet_or_malformed(octets: bytes) -> None:
    packet = read(parse, octets)
    assert packet is None or parse(serialize(packet)) == packet


def test_known_octets() -> None:
    """The numbers are those of RFC 791 and 8200, computed by hand; tshark reads such packets in tests/peers."""
    four = Packet("192.0.2.1", "192.0.2.2", SCTP, b"\1\2")
    assert serialize(four).hex() == "4500001600004000" + "4084" + "b660" + "c0000201c0000202" + "0102"
    six = Packet("2001:db8::1", "2001:db8::2", SCTP, b"\1\2")
    ends = "20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02"
    assert serialize(six).hex() == "60000000" + "0002" + "84" + "40" + ends + "0102"


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "IP version 0"),
        (b"\x75" + bytes(30), "IP version 7"),
        (b"\x46" + bytes(30), "IPv4 options"),
        (b"\x45\0\0\x15" + bytes(16), "IPv4 length 21 of a packet of 20"),
        (b"\x45\0\0\x14\0\0\x20\0" + bytes(12), "fragment"),
        (b"\x45\0\0\x14" + bytes(16), "IPv4 checksum"),
        (b"\x60\0\0\0\0\1" + bytes(34), "IPv6 length 1 of a packet with 0"),
        (b"\x60" + bytes(38), "IPv6 header"),
    ],
)
def test_what_is_wrong_is_told(octets: bytes, what: str) -> None:
    with pytest.raises(Malformed, match=what):
        parse(octets)


def test_what_no_packet_can_be() -> None:
    with pytest.raises(ValueError, match="one family"):
        serialize(Packet("192.0.2.1", "2001:db8::1", SCTP, b""))
    with pytest.raises(ValueError, match="65,515"):
        serialize(Packet("192.0.2.1", "192.0.2.2", SCTP, bytes(MAXIMUM_PAYLOAD + 1)))


def test_the_sum_is_that_of_the_document() -> None:
    """RFC 1071 section 3: the words 0001, f203, f4f5 and f6f7 give ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum(b"\xff\xff") == 0
    assert checksum(b"\1") == 0x0100, "an odd octet is the first of its word"
