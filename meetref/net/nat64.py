"""NAT64: how hosts that have IPv6 alone reach those that have IPv4 alone, as in the networks of telephones.

A `NAT` whose inner side speaks IPv6: an IPv4 address stands in the last four octets of one below 64:ff9b::/96.
Specification: RFC 6146 (the translator), RFC 6052 section 2.1 (the prefix).
Leaves out: DNS64, which hands such addresses out for names; `in_prefix` does it for a story.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from meetref.net.nat import NAT
from meetref.net.virtualroute import Header
from meetref.wire.address import Address

PREFIX = int(IPv6Address("64:ff9b::"))
SUFFIX_BITS = 32


def in_prefix(host: str) -> str:
    """The IPv6 address under which an IPv4 host is known behind a NAT64."""
    return str(IPv6Address(PREFIX | int(IPv4Address(host))))


def out_of_prefix(host: str) -> str | None:
    """The IPv4 host that an IPv6 address stands for, if it does."""
    if ":" not in host or int(IPv6Address(host)) >> SUFFIX_BITS != PREFIX >> SUFFIX_BITS:
        return None
    return str(IPv4Address(int(IPv6Address(host)) & (1 << SUFFIX_BITS) - 1))


class NAT64(NAT):
    """Made with an IPv4 address; the hosts behind it have public IPv6 ones, with which they also go out as they are."""

    def outward(self, header: Header, now: float) -> Header | None:
        host = out_of_prefix(header.destination.host)
        if host is None:
            return super().outward(header, now)
        return super().outward(header._replace(destination=Address(host, header.destination.port)), now)

    def inward(self, header: Header, now: float) -> Header | None:
        inside = super().inward(header, now)
        if inside is None or inside.source.is_ipv6:
            return inside
        return inside._replace(source=Address(in_prefix(inside.source.host), inside.source.port))
