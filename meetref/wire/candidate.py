"""One ICE candidate, as it stands in an `a=candidate` line and in a trickled message.

    candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY HOST PORT typ TYPE [raddr HOST rport PORT] [NAME VALUE]...

Stands above nothing; used by `wire/sdp`, `wire/signaling` and `protocol/ice`.
Specification: RFC 8839 section 5.1 (grammar), RFC 6544 section 4.5 (tcptype), RFC 8838 section 4 (ufrag).
Leaves out: resolving `.local` names (a browser's mDNS name stays text; the agent skips it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from meetref.wire.reader import Malformed

CandidateType = Literal["host", "srflx", "prflx", "relay"]
TCPType = Literal["active", "passive", "so"]

MAXIMUM_LENGTH = 512


@dataclass(slots=True, frozen=True)
class Candidate:
    """`host` is an IP address or a name; `priority` is the number of RFC 8445 section 5.1.2."""

    foundation: str
    component: int
    transport: Literal["udp", "tcp"]
    priority: int
    host: str
    port: int
    type: CandidateType
    related: tuple[str, int] | None = None
    tcp_type: TCPType | None = None
    ufrag: str | None = None


def parse(text: str) -> Candidate:
    """Read `candidate:...` (with or without `a=` in front). Raises `Malformed`."""
    if len(text) > MAXIMUM_LENGTH:
        raise Malformed(f"candidate of {len(text)} characters, at most {MAXIMUM_LENGTH} are read")
    words = text.removeprefix("a=").removeprefix("candidate:").split()
    if len(words) < 8 or words[6] != "typ":
        raise Malformed(f"not a candidate: {text[:80]!r}")
    foundation, component, transport, priority, host, port, _, kind = words[:8]
    if transport.lower() not in ("udp", "tcp"):
        raise Malformed(f"candidate transport {transport[:16]!r} is neither udp nor tcp")
    if kind not in ("host", "srflx", "prflx", "relay"):
        raise Malformed(f"candidate type {kind[:16]!r} is unknown")
    more = dict(zip(words[8::2], words[9::2], strict=False))
    related = (more["raddr"], _number(more.get("rport", "0"), 65535, "related port")) if "raddr" in more else None
    tcp_type = more.get("tcptype")
    if tcp_type not in (None, "active", "passive", "so"):
        raise Malformed(f"tcptype {tcp_type[:16]!r} is unknown")
    return Candidate(
        foundation=foundation[:32],
        component=_number(component, 256, "component"),
        transport=cast(Literal["udp", "tcp"], transport.lower()),
        priority=_number(priority, 2**32 - 1, "priority"),
        host=host,
        port=_number(port, 65535, "port"),
        type=cast(CandidateType, kind),
        related=related,
        tcp_type=cast(TCPType | None, tcp_type),
        ufrag=more.get("ufrag"),
    )


def serialize(candidate: Candidate) -> str:
    """The text `candidate:...`, without `a=`."""
    words = [
        f"candidate:{candidate.foundation}",
        str(candidate.component),
        candidate.transport,
        str(candidate.priority),
        candidate.host,
        str(candidate.port),
        "typ",
        candidate.type,
    ]
    if candidate.related is not None:
        words += ["raddr", candidate.related[0], "rport", str(candidate.related[1])]
    if candidate.tcp_type is not None:
        words += ["tcptype", candidate.tcp_type]
    if candidate.ufrag is not None:
        words += ["ufrag", candidate.ufrag]
    return " ".join(words)


def _number(text: str, most: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > most:
        raise Malformed(f"candidate {what} {text[:16]!r} is not a number up to {most}")
    return int(text)
