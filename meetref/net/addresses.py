"""Which IP addresses this machine has, read from the kernel without any third party.

Stands below `net/datagram` (which tells own datagrams from foreign ones) and `net/network`.
Source: none; Linux shows its addresses in two text files of /proc, other systems are asked by opening a socket.
Leaves out: IPv6 link-local addresses (they mean nothing without an interface), names, and watching for changes.
Read next: `net/network.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from pathlib import Path

IPV4_TABLE = Path("/proc/net/fib_trie")
IPV6_TABLE = Path("/proc/net/if_inet6")

LINK_SCOPE = 0x20
UNUSABLE_FLAGS = 0x40 | 0x08  # tentative: still being checked for duplicates; dadfailed: it was one

REFRESH_AFTER = 5.0  # seconds

# Documentation addresses: connecting a UDP socket to them sends nothing, but makes the kernel choose a source.
PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def own_addresses() -> list[str]:
    """The addresses of this machine in canonical text, loopback last, each once."""
    found = _ipv4_from_table() + _ipv6_from_table()
    if not found:
        found = _from_sockets()
    return sorted(dict.fromkeys(found), key=lambda host: ip_address(host).is_loopback)


def _ipv4_from_table() -> list[str]:
    """A local address is a leaf `|-- HOST` followed by a line `/32 host LOCAL`."""
    found = []
    leaf = ""
    for line in _lines(IPV4_TABLE):
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words == ["/32", "host", "LOCAL"]:
            found.append(leaf)
    return found


def _ipv6_from_table() -> list[str]:
    """Each line is: 32 hexadecimal digits, interface number, prefix length, scope, flags, interface name."""
    found = []
    for line in _lines(IPV6_TABLE):
        digits, _, _, scope, flags, *_ = line.split()
        if int(scope, 16) != LINK_SCOPE and not int(flags, 16) & UNUSABLE_FLAGS:
            found.append(str(IPv6Address(int(digits, 16))))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError:  # another system, or no IPv6 here
        return []


def _from_sockets() -> list[str]:
    found = []
    for family, probe in PROBES:
        loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asker:
                asker.bind((loopback, 0))
                found.append(loopback)
            with socket.socket(family, socket.SOCK_DGRAM) as asker:
                asker.connect((probe, 9))
                found.append(str(ip_address(asker.getsockname()[0])))
        except OSError:  # no such family, or no route
            continue
    return found


def default_addresses() -> list[str]:
    """The address that the default route of each family sends from, where there is one; nothing is sent."""
    return [host for host in _from_sockets() if not ip_address(host).is_loopback]


class OwnAddresses:
    """Answers whether an address is this machine's; looks again every few seconds, since laptops move."""

    def __init__(self, enumerate_addresses: Callable[[], list[str]] = own_addresses) -> None:
        self._enumerate = enumerate_addresses
        self._hosts = frozenset(enumerate_addresses())
        self._refresh_at = -1.0

    def refresh(self, now: float) -> bool:
        """Look again when it is time (`now` in seconds, monotonic). True when something changed."""
        if now < self._refresh_at:
            return False
        before = self._hosts
        self._hosts = frozenset(self._enumerate())
        self._refresh_at = now + REFRESH_AFTER
        return self._hosts != before

    def holds(self, host: str) -> bool:
        """Whether `host` (canonical text) is an address of this machine; all of 127.0.0.0/8 is."""
        return host in self._hosts or host.startswith("127.")
