"""The addresses under which people write down servers: `stun:`, `stuns:`, `turn:` and `turns:`.

    turns:relay.example.org:5349?transport=tcp

Stands below gathering and the page's configuration. Specification: RFC 7064 (STUN), RFC 7065 (TURN), RFC 3986 section
3.2.2 (hosts). Leaves out: resolving names (RFC 5928), and percent-encoded names, which no DNS has.
Read next: `protocol/stun.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

Scheme = Literal["stun", "stuns", "turn", "turns"]
Transport = Literal["udp", "tcp"]

PLAIN_PORT = 3478
SECURE_PORT = 5349
MAXIMUM_SIZE = 512  # characters; a name has at most 253

# These are no hierarchical URIs: no //, no user, no path. What follows the scheme is taken apart here and nowhere else.
SHAPE = re.compile(r"(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[^\[\]:?/@#]+)(?::([0-9]*))?(?:\?transport=([^&?#]+))?", re.I)
NAME = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)


@dataclass(slots=True, frozen=True)
class ServerUri:
    """One server. `host` is a name in lower case or a canonical IP address.

    `transport` is what a `turn` or `turns` address says; None where it says nothing (then: UDP first, for `turn`).
    """

    scheme: Scheme
    host: str
    port: int
    transport: Transport | None = None

    @property
    def secure(self) -> bool:
        """Whether TLS (over `tcp`) or DTLS (over `udp`) protects the way to the server."""
        return self.scheme in ("stuns", "turns")

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server."""
        return self.scheme in ("turn", "turns")

    @property
    def address(self) -> Address | None:
        """Where the server is; None if that must be asked of DNS."""
        try:
            return Address(canonical_host(self.host), self.port)
        except Malformed:
            return None


def parse(text: str) -> ServerUri:
    """Read one address. Raises `Malformed`; a transport that is not known here is malformed too."""
    found = SHAPE.fullmatch(text) if len(text) <= MAXIMUM_SIZE else None
    if found is None:  # spec: stun/uri-not-hierarchical
        raise Malformed(f"not the address of a server: {text[:64]!r}")
    scheme, host, port, transport = found.groups()
    known = _SCHEMES[scheme.lower()]
    # spec: stun/uri-transport
    if transport is not None and (not known.startswith("turn") or transport.lower() not in _TRANSPORTS):
        raise Malformed(f"{known}: has no transport {transport[:16]!r}")
    # spec: stun/uri-default-port
    number = int(port) if port else SECURE_PORT if known.endswith("s") else PLAIN_PORT
    if not 0 < number < 65536 or len(port or "") > 5:
        raise Malformed(f"port {port[:16]}")
    return ServerUri(known, _host(host), number, None if transport is None else _TRANSPORTS[transport.lower()])


def serialize(uri: ServerUri) -> str:
    """The shortest text of an address: without the port that its scheme implies."""
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    implied = SECURE_PORT if uri.secure else PLAIN_PORT
    port = "" if uri.port == implied else f":{uri.port}"
    return f"{uri.scheme}:{host}{port}" + ("" if uri.transport is None else f"?transport={uri.transport}")


def _host(text: str) -> str:
    if text.startswith("["):
        if ":" not in text:
            raise Malformed(f"not an IPv6 address: {text[:64]}")
        return canonical_host(text[1:-1])
    try:
        return canonical_host(text)
    except Malformed:
        pass
    if NAME.fullmatch(text) is None or len(text) > 254 or text.replace(".", "").isdigit():
        raise Malformed(f"not the name of a host: {text[:64]!r}")
    return text.lower()


_SCHEMES: dict[str, Scheme] = {"stun": "stun", "stuns": "stuns", "turn": "turn", "turns": "turns"}
_TRANSPORTS: dict[str, Transport] = {"udp": "udp", "tcp": "tcp"}
