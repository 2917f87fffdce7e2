"""A UDP datagram inside an IPv4 or IPv6 packet, headers and checksums included.

    IPv4  version+length 0x45, traffic class, total length, identification, flags+fragment, hops, protocol 17, checksum,
          source, destination
    IPv6  version+class+flow, payload length, next header 17, hops, source, destination
    UDP   source port, destination port, length, checksum

Stands below `net/capture`: a capture file wants whole packets, and the kernel hands out only what is inside them.
Specification: RFC 768, RFC 791 section 3.1, RFC 8200 sections 3 and 8.1, RFC 1071 (the checksum).
Leaves out: fragments, IPv4 options and IPv6 extension headers. Whoever captured those wants another tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from meetref.wire.address import Address, pack_host, unpack_host
from meetref.wire.reader import Malformed, Reader

IPV4 = Struct("!BBHHHBBH4s4s")
IPV6 = Struct("!IHBB16s16s")
UDP = Struct("!HHHH")
PSEUDO_END = Struct("!HH")  # length and protocol, which the pseudo-headers of both versions end with, but for zeros

PROTOCOL_UDP = 17
DO_NOT_FRAGMENT = 0x4000
HOPS = 64
MAXIMUM_DATA = 65_507


@dataclass(slots=True, frozen=True)
class Packet:
    """`data` from `source` to `destination`, which are of one family."""

    source: Address
    destination: Address
    data: bytes


def parse(octets: bytes) -> Packet:
    """Read one whole packet. Raises `Malformed`, also for a wrong checksum."""
    reader = Reader(octets)
    version = octets[0] >> 4 if octets else 0
    if version == 4:
        source, destination = _parse_ipv4(reader)
    elif version == 6:
        source, destination = _parse_ipv6(reader)
    else:
        raise Malformed(f"IP version {version}")
    start = reader.offset
    source_port, destination_port, length, checksum = reader.struct(UDP, "UDP header")
    if length != reader.remaining + UDP.size:
        raise Malformed(f"UDP length {length} in a packet with {reader.remaining + UDP.size}", start + 4)
    data = reader.rest()
    unchecked = checksum == 0 and version == 4  # RFC 768 allows it; RFC 8200 does not
    if not unchecked and _sum(_pseudo_header(source, destination, length) + octets[start:]):
        raise Malformed("UDP checksum is wrong", start + 6)
    return Packet(Address(unpack_host(source), source_port), Address(unpack_host(destination), destination_port), data)


def _parse_ipv4(reader: Reader) -> tuple[bytes, bytes]:
    first, _, length, _, fragment, _, protocol, _, source, destination = reader.struct(IPV4, "IPv4 header")
    if first != 0x45:
        raise Malformed("IPv4 options are not read", 0)
    if length != len(reader.data):
        raise Malformed(f"IPv4 length {length} of a packet of {len(reader.data)}", 2)
    if fragment & ~DO_NOT_FRAGMENT:
        raise Malformed("an IPv4 fragment", 6)
    if protocol != PROTOCOL_UDP:
        raise Malformed(f"protocol {protocol} is not UDP", 9)
    if _sum(reader.data[: IPV4.size]):
        raise Malformed("IPv4 checksum is wrong", 10)
    return source, destination


def _parse_ipv6(reader: Reader) -> tuple[bytes, bytes]:
    _, length, protocol, _, source, destination = reader.struct(IPV6, "IPv6 header")
    if length != reader.remaining:
        raise Malformed(f"IPv6 length {length} of a packet with {reader.remaining}", 4)
    if protocol != PROTOCOL_UDP:
        raise Malformed(f"next header {protocol} is not UDP", 6)
    return source, destination


def serialize(packet: Packet) -> bytes:
    """The whole packet. Raises `ValueError` when the families differ or there is too much data."""
    source, destination = pack_host(packet.source.host), pack_host(packet.destination.host)
    length = UDP.size + len(packet.data)
    if len(source) != len(destination) or len(packet.data) > MAXIMUM_DATA:
        raise ValueError("a packet has addresses of one family and at most 65,507 octets")
    ports = packet.source.port, packet.destination.port
    unsummed = UDP.pack(*ports, length, 0) + packet.data
    checksum = 0xFFFF - _sum(_pseudo_header(source, destination, length) + unsummed)
    datagram = UDP.pack(*ports, length, checksum) + packet.data
    if len(source) == 16:
        return IPV6.pack(6 << 28, length, PROTOCOL_UDP, HOPS, source, destination) + datagram
    fields = (0x45, 0, IPV4.size + length, 0, DO_NOT_FRAGMENT, HOPS, PROTOCOL_UDP)
    header_checksum = (0xFFFF - _sum(IPV4.pack(*fields, 0, source, destination))) % 0xFFFF
    return IPV4.pack(*fields, header_checksum, source, destination) + datagram


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """What UDP's checksum covers beside the datagram; the order of its 16-bit words and its zeros do not matter."""
    return source + destination + PSEUDO_END.pack(length, PROTOCOL_UDP)


def _sum(octets: bytes) -> int:
    """The ones' complement sum of 16-bit words, with 0 for its other zero, 0xFFFF.

    2**16 is 1 modulo 0xFFFF, so a whole packet read as one number leaves the sum of its words as the remainder.
    """
    return int.from_bytes(octets + b"\0" * (len(octets) % 2), "big") % 0xFFFF
