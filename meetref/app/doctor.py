"""Find out whether a meeting could connect from here, and what is in the way.

    meetref doctor --server stun:192.0.2.1 --server turn:192.0.2.1 --user ada --password secret

Asks each server as a participant would, over every transport that it names, and says in plain words what came of it:
own addresses, what kind of NAT is on the way, what is blocked, and which relay works. Up to 80 seconds where servers
are silent. Exit code 0 when a meeting could connect, 1 when not.
Stands on `net/gathering` and `net/natprobe`. Leaves out: trying a call; `meetref bot` does that.
Read next: docs/connecting.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import trio

from meetref.app.command import Exit, print_json
from meetref.app.servers import add_server_arguments, servers_of
from meetref.net.gathering import open_gathering
from meetref.net.natprobe import Behaviour, classify, observe
from meetref.net.network import KernelNetwork, Network
from meetref.net.news import Complete, Found, Seen, Server, Trouble
from meetref.wire.address import Address

TRANSPORTS = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
NATS: dict[Behaviour, str] = {
    "no NAT": "There is no NAT: servers see this machine's own address.",
    "endpoint-independent": "The NAT keeps one mapping for all destinations (endpoint-independent): direct paths work "
    "with most others.",
    "address-dependent": "The NAT makes a mapping for each host (address-dependent): direct paths work with those who "
    "have a friendlier NAT; the others need a relay.",
    "address-and-port-dependent": "The NAT makes a mapping for each address and port (address-and-port-dependent): "
    "many others are reached through a relay only.",
    "address-dependent or worse": "The NAT makes a mapping for each host, or for each port, too: a relay is needed for "
    "many others.",
    "unknown": "What kind of NAT is on the way is not known: that takes answers over UDP from two servers.",
}


@dataclass(slots=True)
class Findings:
    """What was found out. `nat` has the local address and the behaviour for each base that a server has answered."""

    addresses: list[str]
    default_addresses: list[str]
    asked: int = 0
    seen: list[Seen] = field(default_factory=list)
    relayed: list[Found] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    nat: dict[str, tuple[Behaviour, dict[Address, Address]]] = field(default_factory=dict)

    @property
    def works(self) -> set[str]:
        """The transports over which a server has answered, be it with a refusal."""
        return {seen.over for seen in self.seen} | {trouble.over for trouble in self.troubles if trouble.code}

    @property
    def is_seen(self) -> bool:
        """Whether a server told how one of our UDP ports looks from outside."""
        return any(seen.over == "udp" for seen in self.seen)

    @property
    def udp_is_blocked(self) -> bool:
        """No answer came over UDP, though somebody was asked, and others came."""
        silent = any(trouble.over == "udp" and not trouble.code for trouble in self.troubles)
        return "udp" not in self.works and bool(self.works) and silent

    @property
    def can_connect(self) -> bool:
        """Whether others could reach us: by UDP as a server saw it, through a relay, or, asking nobody, from nearby."""
        return bool(self.relayed) or self.is_seen or (not self.asked and bool(self.default_addresses))


async def diagnose(network: Network, servers: list[Server]) -> Findings:
    """Ask all servers, then compare how they see one socket. Raises `OSError` where no port can be had."""
    findings = Findings(network.addresses(), network.default_addresses(), asked=len(servers))
    async with open_gathering(network, servers) as gathering:
        async for news in gathering.news:
            match news:
                case Seen():
                    findings.seen.append(news)
                case Found(candidate) if candidate.type == "relay":
                    findings.relayed.append(news)
                case Trouble():
                    findings.troubles.append(news)
                case Complete():
                    break
    for base, destinations in _destinations(findings.seen).items():
        local, seen = await observe(network, base, destinations)
        if seen:
            findings.nat[base] = (classify(local, seen), seen)
    return findings


def _destinations(answers: Iterable[Seen]) -> dict[str, list[Address]]:
    """Whom to ask from each of our hosts: who answered there, and where else they say that they would."""
    found: dict[str, list[Address]] = {}
    for seen in answers:
        if seen.over == "udp":
            there = found.setdefault(seen.base.host, [])
            there.append(seen.address)
            if seen.other is not None:  # RFC 5780 section 4.3: both hosts, at both ports
                there += [Address(seen.other.host, seen.address.port), seen.other]
    return found


def describe(findings: Findings) -> list[str]:
    """What a person is told, a line each."""
    default = ", ".join(findings.default_addresses) or "none"
    lines = [f"Own addresses: {', '.join(findings.addresses)}", f"Of the default routes: {default}", ""]
    told = {seen.server: None for seen in findings.seen} | {trouble.server: None for trouble in findings.troubles}
    for server in told:
        lines += [server, *(f"  {line}" for line in _lines_of(findings, server))]
    if findings.asked:
        lines += ["", *(f"{NATS[behaviour]} (asked from {base})" for base, (behaviour, _) in findings.nat.items())]
    return [*lines, *verdict(findings)]


def _lines_of(findings: Findings, server: str) -> list[str]:
    """A server's answers and failures; what several sockets heard alike is told once."""
    lines = [
        f"over {TRANSPORTS[seen.over]}: answers; it sees {seen.base.host} as {seen.mapped.host}"
        for seen in findings.seen
        if seen.server == server
    ]
    lines += [
        f"relayed address: {Address(found.candidate.host, found.candidate.port)}"
        for found in findings.relayed
        if found.server == server
    ]
    lines += [f"over {TRANSPORTS[each.over]}: {each.why}" for each in findings.troubles if each.server == server]
    return list(dict.fromkeys(lines))


def verdict(findings: Findings) -> list[str]:
    """The last lines: what works, and whether that is enough."""
    if not findings.asked:
        lines = ["No server was asked: nothing is known about the way out of this network."]
    elif findings.udp_is_blocked:
        lines = ["UDP is blocked: no server answered over it, and one did over TCP or TLS."]
    elif not findings.works:
        lines = ["No server answered, over any transport."]
    else:
        names = [name for over, name in TRANSPORTS.items() if over in findings.works]
        lines = [f"{' and '.join(names)} {'works' if len(names) == 1 else 'work'}."]
    if not findings.can_connect:
        return [*lines, "A meeting could not connect from here."]
    if findings.relayed:
        how = "directly or through a relay" if findings.is_seen else "through a relay"
    else:
        how = "directly, where the other side's NAT allows it" if findings.asked else "with others in this network"
    return [*lines, f"A meeting could connect: {how}."]


def as_json(findings: Findings) -> dict[str, Any]:
    """The same for programs."""
    return {
        "addresses": findings.addresses,
        "default_addresses": findings.default_addresses,
        "answers": [
            {"server": each.server, "over": each.over, "base": str(each.base), "mapped": str(each.mapped)}
            for each in findings.seen
        ],
        "relayed": [
            {"server": each.server, "address": str(Address(each.candidate.host, each.candidate.port))}
            for each in findings.relayed
        ],
        "troubles": [
            {"server": each.server, "over": each.over, "why": each.why, "code": each.code} for each in findings.troubles
        ],
        "nat": {
            base: {"behaviour": behaviour, "mapped": {str(there): str(mapped) for there, mapped in seen.items()}}
            for base, (behaviour, seen) in findings.nat.items()
        },
        "udp_is_blocked": findings.udp_is_blocked,
        "can_connect": findings.can_connect,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_server_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    findings = trio.run(diagnose, KernelNetwork(), servers_of(arguments))
    if arguments.json:
        print_json(as_json(findings))
    else:
        print("\n".join(describe(findings)))
    return Exit.DONE if findings.can_connect else Exit.DOES_NOT_HOLD
