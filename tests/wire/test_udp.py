"""Whole IP packets around datagrams."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed
from meetref.wire.udp import MAXIMUM_DATA, Packet, parse, serialize
from tests.wire.strangers import read

PORTS = st.integers(0, 65535)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    version = draw(st.sampled_from([4, 6]))
    hosts = st.ip_addresses(v=version).map(str)  # type: ignore[arg-type]
    if version == 6:  # a mapped address reads as the IPv4 one that it stands for
        hosts = hosts.filter(lambda host: ipaddress.IPv6Address(host).ipv4_mapped is None)
    ends = st.builds(Address, hosts.map(canonical_host), PORTS)
    return Packet(draw(ends), draw(ends), draw(st.binary(max_size=200)))


@given(packets())
def test_round_trip(packet: Packet) -> None:
    assert parse(serialize(packet)) == packet


@given(st.binary(max_size=100) | packets().map(serialize))
def test_any_octets_are_a_packet_or_malformed(octets: bytes) -> None:
    packet = read(parse, octets)
    assert packet is None or parse(serialize(packet)) == packet


@given(packets(), st.data())
def test_a_flipped_bit_is_noticed_where_a_checksum_stands(packet: Packet, data: st.DataObject) -> None:
    octets = bytearray(serialize(packet))
    covered = 0 if octets[0] >> 4 == 4 else 8  # IPv6 has no checksum over its own header
    position = data.draw(st.integers(covered, len(octets) - 1))
    octets[position] ^= 1 << data.draw(st.integers(0, 7))
    unchecked = octets[0] == 0x45 and octets[26:28] == b"\0\0"
    if (position == 7 and covered == 8) or unchecked:
        return
    with pytest.raises(Malformed):
        parse(bytes(octets))


def test_known_octets() -> None:
    """The checksums were found right by tshark; Wireshark's own reading is asked again in tests/peers."""
    packet = Packet(Address("192.0.2.1", 1000), Address("192.0.2.2", 2000), b"hello")
    assert serialize(packet).hex() == "45000021000040004011b6c8c0000201c0000202" + "03e807d0000d2c4668656c6c6f"


@pytest.mark.parametrize("filler", range(3))
def test_a_checksum_of_zero_is_sent_as_ones(filler: int) -> None:
    """RFC 768: 0 means that there is none, so the other zero of ones' complement goes out."""
    ends = Address("2001:db8::1", 5), Address("2001:db8::2", 6)
    first = serialize(Packet(*ends, bytes(2 * filler) + b"\0\0"))
    checksum = first[46:48]
    second = serialize(Packet(*ends, bytes(2 * filler) + checksum))
    assert second[46:48] == b"\xff\xff"
    assert parse(second).data.endswith(checksum)


def test_no_checksum_is_fine_for_ipv4_alone() -> None:
    four = bytearray(serialize(Packet(Address("192.0.2.1", 1), Address("192.0.2.2", 2), b"x")))
    four[26:28] = b"\0\0"
    assert parse(bytes(four)).data == b"x"
    six = bytearray(serialize(Packet(Address("2001:db8::1", 1), Address("2001:db8::2", 2), b"x")))
    six[46:48] = b"\0\0"
    with pytest.raises(Malformed):
        parse(bytes(six))


def test_what_no_packet_can_be() -> None:
    four, six = Address("192.0.2.1", 1), Address("2001:db8::1", 1)
    with pytest.raises(ValueError, match="one family"):
        serialize(Packet(four, six, b""))
    with pytest.raises(ValueError, match="65,507"):
        serialize(Packet(four, four, bytes(MAXIMUM_DATA + 1)))
