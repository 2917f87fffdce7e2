"""The header of an IPv4 or IPv6 packet, around whatever it carries.

    IPv4  version+length 0x45, traffic class, total length, identification, flags+fragment, hops, protocol, checksum,
          source, destination
    IPv6  version+class+flow, payload length, next header, hops, source, destination

Stands below `wire/udp`, and below `net/decrypt`, which writes SCTP as if nothing stood around it: a capture file wants
whole packets, and the kernel hands out only what is inside them.
Specification: RFC 791 section 3.1, RFC 8200 section 3, RFC 1071 (the checksum).
Leaves out: fragments, IPv4 options and IPv6 extension headers. Whoever captured those wants another tool.
Read next: `wire/udp.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from meetref.wire.address import pack_host, unpack_host
from meetref.wire.reader import Malformed, Reader

IPV4 = Struct("!BBHHHBBH4s4s")
IPV6 = Struct("!IHBB16s16s")

UDP, SCTP = 17, 132
"""Protocols that are carried (IANA, Assigned Internet Protocol Numbers)."""

DO_NOT_FRAGMENT = 0x4000
HOPS = 64
MAXIMUM_PAYLOAD = 65_515


@dataclass(slots=True, frozen=True)
class Packet:
    """`payload` of that `protocol` between two hosts of one family, in their canonical form."""

    source: str
    destination: str
    protocol: int
    payload: bytes


def parse(octets: bytes) -> Packet:
    """Read one whole packet. Raises `Malformed`, also for a wrong checksum of IPv4."""
    reader = Reader(octets)
    version = octets[0] >> 4 if octets else 0
    if version not in (4, 6):
        raise Malformed(f"IP version {version}")
    source, destination, protocol = _parse_ipv4(reader) if version == 4 else _parse_ipv6(reader)
    return Packet(unpack_host(source), unpack_host(destination), protocol, reader.rest())


def _parse_ipv4(reader: Reader) -> tuple[bytes, bytes, int]:
    first, _, length, _, fragment, _, protocol, _, source, destination = reader.struct(IPV4, "IPv4 header")
    if first != 0x45:
        raise Malformed("IPv4 options are not read", 0)
    if length != len(reader.data):
        raise Malformed(f"IPv4 length {length} of a packet of {len(reader.data)}", 2)
    if fragment & ~DO_NOT_FRAGMENT:
        raise Malformed("an IPv4 fragment", 6)
    if checksum(reader.data[: IPV4.size]):
        raise Malformed("IPv4 checksum is wrong", 10)
    return source, destination, protocol


def _parse_ipv6(reader: Reader) -> tuple[bytes, bytes, int]:
    _, length, protocol, _, source, destination = reader.struct(IPV6, "IPv6 header")
    if length != reader.remaining:
        raise Malformed(f"IPv6 length {length} of a packet with {reader.remaining}", 4)
    return source, destination, protocol


def serialize(packet: Packet) -> bytes:
    """The whole packet. Raises `ValueError` when the families differ or there is too much in it."""
    source, destination = pack_host(packet.source), pack_host(packet.destination)
    size = len(packet.payload)
    if len(source) != len(destination) or size > MAXIMUM_PAYLOAD:
        raise ValueError("a packet has addresses of one family and at most 65,515 octets in it")
    if len(source) == 16:
        return IPV6.pack(6 << 28, size, packet.protocol, HOPS, source, destination) + packet.payload
    fields = (0x45, 0, IPV4.size + size, 0, DO_NOT_FRAGMENT, HOPS, packet.protocol)
    summed = (0xFFFF - checksum(IPV4.pack(*fields, 0, source, destination))) % 0xFFFF
    return IPV4.pack(*fields, summed, source, destination) + packet.payload


def checksum(octets: bytes) -> int:
    """The ones' complement sum of 16-bit words, with 0 for its other zero, 0xFFFF.

    2**16 is 1 modulo 0xFFFF, so a whole packet read as one number leaves the sum of its words as the remainder.
    """
    return int.from_bytes(octets + b"\0" * (len(octets) % 2), "big") % 0xFFFF
