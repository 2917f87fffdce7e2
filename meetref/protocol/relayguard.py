"""Where a relay may send: closed by default, because it stands inside a network whose inside is nobody's business.

An address is brought to the one form that the kernel would make of it, and only then compared with the list of what is
refused. Stands below `protocol/relay`, which asks it before a permission, a channel and a peer.
Specification: RFC 8656 sections 10.2 (403) and 21.4 (tunnels); the networks are those of the IANA special-purpose
address registries (RFC 6890), with the multicast ones, and the metadata services of clouds outside of them.
Leaves out: names; what a client asks for is always a number. Read next: `protocol/permission.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

Network = IPv4Network | IPv6Network

REFUSED: dict[str, str] = {
    "0.0.0.0/8": "this network; Linux takes 0.0.0.0 for itself",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "between a provider and its customers; 100.100.100.200 is metadata",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's host, although the number is public",
    "169.254.0.0/16": "link-local; 169.254.169.254 is metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments; 192.0.0.192 is metadata",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, and broadcast",
    "::/96": "unspecified, loopback, and IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64: IPv4 in another dress",
    "64:ff9b:1::/48": "NAT64 of one's own network",
    "100::/64": "discarded",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "private; fd00:ec2::254 is metadata",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
# Not even an allow-list opens these: what goes in comes out somewhere else, and may come back (RFC 8656 section 21.4).
TUNNELS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
_REFUSED: tuple[Network, ...] = tuple(ip_network(each) for each in REFUSED)
_COMPATIBLE = IPv6Network("::/96")
REMEMBERED = 1024  # hosts about which a verdict is kept


def read_network(text: str) -> Network:
    """A network such as 10.0.0.0/8 or a single address. Raises `Malformed`."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise Malformed(f"not a network: {text[:64]!r}") from None
    return network


def kernel_form(host: str) -> IPv4Address | IPv6Address | None:
    """The address to which the kernel would really send, or None for a tunnel, a disguise, and what is no address."""
    try:
        address = ip_address(canonical_host(host))
    except Malformed:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or any(address in tunnel for tunnel in TUNNELS):  # spec: turn/tunnels-refused
            return None
        if address in _COMPATIBLE and int(address) > 1:
            return None  # not :: or ::1 but IPv4 in disguise: whoever means it can say it
    return address


def is_refused(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address, in kernel form, is in one of the networks that are nobody's peer."""
    return any(address in network for network in _REFUSED)


@dataclass(slots=True, kw_only=True)
class Guard:
    """Decides about peers.

    `is_own` knows this server's hosts. Of what they offer, `media` can be reached (this server's own media port), and
    what `is_live` says is a relayed address here; those are on the hosts `relayed`. `world` lets other public
    addresses be reached at all; `allowed` opens networks that would be refused. `outside` maps an own host to the one
    that a NAT in front of us has.
    """

    is_own: Callable[[str], bool]
    media: frozenset[Address] = frozenset()
    relayed: frozenset[str] = frozenset()
    is_live: Callable[[Address], bool] = lambda address: False
    world: bool = True
    allowed: Sequence[Network] = ()
    outside: Mapping[str, str] = field(default_factory=dict)
    _inside: dict[str, str] = field(init=False, repr=False)
    _verdicts: dict[str, bool] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._inside = {outside: inside for inside, outside in self.outside.items()}

    def destination(self, peer: Address) -> Address | None:
        """Where data for `peer` go, in the form that the kernel gives back as a source; None where nothing may go."""
        address = kernel_form(peer.host)
        if address is None or not 0 < peer.port <= 0xFFFF:
            return None
        host = str(address)
        inner = Address(self._inside.get(host, host), peer.port)
        # spec: turn/peer-restrictions
        if self._is_ours(inner.host) and (inner in self.media or self.is_live(inner)):
            return inner
        return inner if self._may_reach(inner.host) else None

    def permits_host(self, host: str) -> bool:
        """Whether some port of a host can be reached, which is all that a permission says."""
        address = kernel_form(host)
        if address is None:
            return False
        inner = self._inside.get(str(address), str(address))
        offers = inner in self.relayed or any(inner == port.host for port in self.media)
        return (offers and self._is_ours(inner)) or self._may_reach(inner)

    def source_host(self, host: str) -> str:
        """What the kernel calls a host that may be reached."""
        form = str(kernel_form(host))
        return self._inside.get(form, form)

    def told(self, source: Address) -> Address:
        """What a client is told of a source that the kernel named."""
        outside = self.outside.get(source.host)
        return source if outside is None else Address(outside, source.port)

    def _is_ours(self, host: str) -> bool:
        return host in self.outside or self.is_own(host)

    def _may_reach(self, host: str) -> bool:
        """The verdict about a host where neither the media port nor a relayed address is meant."""
        verdict = self._verdicts.get(host)
        if verdict is None:
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            address = ip_address(host)
            verdict = any(address in network for network in self.allowed)
            if not verdict and self.world:
                verdict = not is_refused(address)
            self._verdicts[host] = verdict
        # An own address may be new: only what was allowed by name is reached there.
        if verdict and self._is_ours(host):
            return any(ip_address(host) in network for network in self.allowed)
        return verdict
