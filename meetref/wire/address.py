"""A transport address: a host in its canonical text form and a port.

Stands below everything that names a place on the network: STUN attributes, candidates, datagrams.
Hosts are text so that an address prints as people write it, and canonical so that two spellings of
one place compare equal (RFC 5952 for IPv6; an IPv4-mapped IPv6 address becomes the IPv4 one).
UDP and TCP number their ports apart: an `Address` is UDP's, unless it is a `StreamAddress`.
Leaves out: names. What must be resolved is not an address yet.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Literal, NamedTuple

from meetref.wire.reader import Malformed


class Address(NamedTuple):
    """`host` is a canonical IPv4 or IPv6 address, `port` a number from 0 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    @property
    def transport(self) -> Literal["udp", "tcp"]:
        return "udp"


class StreamAddress(Address):
    """One end of a TCP stream: never equal to the UDP address of the same host and port (RFC 8445 section 4)."""

    __slots__ = ()

    @property
    def transport(self) -> Literal["udp", "tcp"]:
        return "tcp"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamAddress) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("tcp", *self))


def canonical_host(text: str) -> str:
    """The one spelling of an IP address. Raises `Malformed` when `text` is not an IP address."""
    try:
        host = ip_address(text)
    except ValueError:
        raise Malformed(f"not an IP address: {text[:64]!r}") from None
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(host)


def pack_host(host: str) -> bytes:
    """The 4 or 16 octets of an IP address."""
    return ip_address(host).packed


def unpack_host(octets: bytes) -> str:
    """The canonical text of 4 or 16 octets. Raises `Malformed` for any other number of them."""
    if len(octets) not in (4, 16):
        raise Malformed(f"an IP address has 4 or 16 octets, not {len(octets)}")
    return canonical_host(str(ip_address(octets)))
