"""What our own candidates are called and how they rank: foundations, priorities, and the two address families mixed.

Stands above `wire/candidate`, below whoever gathers (`app/server`, `app/clientlink`, `net/gathering`).
Specification: RFC 8445 sections 5.1.1.3 and 5.1.2, RFC 8421 section 4 (dual stack), RFC 6544 section 4.2 (TCP).
Departs from RFC 6544 in one number: TCP ranks below UDP by its type preference for every type but relayed, because
media over TCP waits behind each loss; the document leaves the choice to the application.
Leaves out: NAT-assisted and UDP-tunneled candidates, which nobody offers. Read next: `protocol/checklist.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from itertools import islice
from typing import Literal

from meetref.wire.address import Address, StreamAddress
from meetref.wire.candidate import Candidate, CandidateType, TCPType

Transport = Literal["udp", "tcp"]

TYPE_PREFERENCES: dict[tuple[Transport, CandidateType], int] = {  # spec: ice/type-preferences
    ("udp", "host"): 126,
    ("udp", "prflx"): 110,
    ("udp", "srflx"): 100,
    ("udp", "relay"): 2,
    ("tcp", "host"): 90,
    ("tcp", "prflx"): 80,
    ("tcp", "srflx"): 70,
    ("tcp", "relay"): 0,
}
RELAYED_OVER = {"udp": 2, "tcp": 1, "tls": 0}
"""Type preferences of a relayed candidate by how its datagrams reach the relay."""

DIRECTIONS: dict[TCPType, int] = {"active": 6, "passive": 4, "so": 2}
REFLEXIVE_DIRECTIONS: dict[TCPType, int] = {"so": 6, "active": 4, "passive": 2}

HIGHEST_PREFERENCE = 65535
HIGHEST_OTHER_PREFERENCE = 8191  # of the 13 bits that the direction of a TCP candidate leaves
DISCARD_PORT = 9  # an active candidate opens streams from any port (RFC 6544 section 4.5)


def priority(type_preference: int, local_preference: int, component: int = 1) -> int:
    """The 32-bit number of RFC 8445 section 5.1.2.1."""
    return type_preference << 24 | local_preference << 8 | (256 - component)  # spec: ice/priority-formula


def interleave(hosts: Iterable[str]) -> list[str]:
    """Own addresses in the order in which they should be tried: families mixed, link-local and loopback ones last.

    IPv6 gets a head start of (N4 + N6) / N4 addresses before each IPv4 one, so that a broken family costs little.
    """
    groups: list[list[str]] = [[], [], []]
    for host in dict.fromkeys(hosts):
        address = ip_address(host)
        groups[2 if address.is_loopback else 1 if address.is_link_local else 0].append(host)
    return [host for group in groups for host in _mixed(group)]


def _mixed(hosts: list[str]) -> list[str]:
    sixes = [host for host in hosts if ":" in host]
    fours = [host for host in hosts if ":" not in host]
    if not fours:
        return sixes
    head_start = (len(fours) + len(sixes)) // len(fours)  # spec: ice/dual-stack
    rest, mixed = iter(sixes), list[str]()
    for four in fours:
        mixed += [*islice(rest, head_start), four]
    return mixed + list(rest)


class Candidacy:
    """Makes the candidates of one machine. `hosts` are its addresses (the bases), in any order."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._ranks = {host: rank for rank, host in enumerate(interleave(hosts))}
        self._foundations: dict[tuple[str, ...], str] = {}

    def host(self, address: Address) -> Candidate:
        """A socket's own address."""
        return self._make("host", address, address.host)

    def passive(self, address: StreamAddress) -> Candidate:
        """Where streams are accepted."""
        return self._make("host", address, address.host, tcp_type="passive")

    def active(self, host: str) -> Candidate:
        """A host from which streams can be opened."""
        return self._make("host", StreamAddress(host, DISCARD_PORT), host, tcp_type="active")

    def reflexive(self, address: Address, base: Address, server: str) -> Candidate:
        """How `server` sees what is sent from `base`."""
        # spec: ice/reflexive-candidates
        return self._make("srflx", address, base.host, server=server, related=base)

    def relayed(
        self, address: Address, mapped: Address, base: Address, server: str, over: Literal["udp", "tcp", "tls"] = "udp"
    ) -> Candidate:
        """An address at the relay `server`, which sees us as `mapped`; it is its own base."""
        return self._make("relay", address, base.host, server=server, related=mapped, over=over)

    def _make(
        self,
        kind: CandidateType,
        address: Address,
        base: str,
        *,
        server: str = "",
        related: Address | None = None,
        tcp_type: TCPType | None = None,
        over: str = "",
    ) -> Candidate:
        # Same kind, base, server and transport: likely to work, or not, together (RFC 8445 section 5.1.1.3).
        key = (kind, base, server, address.transport, tcp_type or "", over)  # spec: ice/foundations
        foundation = self._foundations.setdefault(key, str(len(self._foundations) + 1))
        preferred = RELAYED_OVER[over] if over else TYPE_PREFERENCES[address.transport, kind]
        return Candidate(
            foundation=foundation,
            component=1,
            transport=address.transport,
            priority=priority(preferred, self._local_preference(base, kind, tcp_type)),
            host=address.host,
            port=address.port,
            type=kind,
            related=None if related is None else (related.host, related.port),
            tcp_type=tcp_type,
        )

    def _local_preference(self, base: str, kind: CandidateType, tcp_type: TCPType | None) -> int:
        rank = self._ranks.setdefault(base, len(self._ranks))
        if tcp_type is None:
            return HIGHEST_PREFERENCE - rank
        directions = REFLEXIVE_DIRECTIONS if kind == "srflx" else DIRECTIONS
        return directions[tcp_type] << 13 | HIGHEST_OTHER_PREFERENCE - rank  # spec: ice/tcp-preference
