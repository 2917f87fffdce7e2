"""A UDP datagram inside an IPv4 or IPv6 packet, headers and checksums included.

    source port, destination port, length, checksum

Stands on `wire/ip` and below `net/capture`: a capture file wants whole packets, and the kernel hands out only what is
inside them.
Specification: RFC 768, RFC 8200 section 8.1 (the checksum, and that it must be there).
Leaves out: what `wire/ip` does. Read next: `net/capture.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from meetref.wire import ip
from meetref.wire.address import Address, pack_host
from meetref.wire.reader import Malformed, Reader

UDP = Struct("!HHHH")
PSEUDO_END = Struct("!HH")  # length and protocol, which the pseudo-headers of both versions end with, but for zeros

MAXIMUM_DATA = 65_507


@dataclass(slots=True, frozen=True)
class Packet:
    """`data` from `source` to `destination`, which are of one family."""

    source: Address
    destination: Address
    data: bytes


def parse(octets: bytes) -> Packet:
    """Read one whole packet. Raises `Malformed`, also for a wrong checksum."""
    packet = ip.parse(octets)
    start = len(octets) - len(packet.payload)
    if packet.protocol != ip.UDP:
        raise Malformed(f"protocol {packet.protocol} is not UDP", start)
    reader = Reader(packet.payload)
    source_port, destination_port, length, checksum = reader.struct(UDP, "UDP header")
    if length != len(packet.payload):
        raise Malformed(f"UDP length {length} in a packet with {len(packet.payload)}", start + 4)
    hosts = packet.source, packet.destination
    unchecked = checksum == 0 and octets[0] >> 4 == 4  # RFC 768 allows it; RFC 8200 does not
    if not unchecked and ip.checksum(_pseudo_header(*hosts, length) + packet.payload):
        raise Malformed("UDP checksum is wrong", start + 6)
    return Packet(Address(hosts[0], source_port), Address(hosts[1], destination_port), reader.rest())


def serialize(packet: Packet) -> bytes:
    """The whole packet. Raises `ValueError` when the families differ or there is too much data."""
    if len(packet.data) > MAXIMUM_DATA:
        raise ValueError("a datagram has at most 65,507 octets")
    hosts, length = (packet.source.host, packet.destination.host), UDP.size + len(packet.data)
    ports = packet.source.port, packet.destination.port
    unsummed = UDP.pack(*ports, length, 0) + packet.data
    checksum = 0xFFFF - ip.checksum(_pseudo_header(*hosts, length) + unsummed)
    return ip.serialize(ip.Packet(*hosts, ip.UDP, UDP.pack(*ports, length, checksum) + packet.data))


def _pseudo_header(source: str, destination: str, length: int) -> bytes:
    """What UDP's checksum covers beside the datagram; the order of its 16-bit words and its zeros do not matter."""
    return pack_host(source) + pack_host(destination) + PSEUDO_END.pack(length, ip.UDP)
