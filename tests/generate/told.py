"""What a story of tests/generate/sessions.py leaves behind while it is told: packets, descriptions, secrets, names.

Read next: tests/generate/sessions.py, tests/generate/pathsessions.py (the stories).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import trio

from meetref.net.capture import Capture
from meetref.net.datagram import Direction
from meetref.net.virtualhost import VirtualHost, is_loopback
from meetref.protocol.machine import Datagram
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Block

# What a packet is, for its comment: the step, and the requirement that one may look up first.
STEPS = {
    "stun": ("check", "ice/check-protected"),
    "dtls": ("handshake", "handshake12/flights"),
    "rtp": ("media", "handshake12/srtp-key-order"),
    "rtcp": ("report", "multiplex/rtcp-packet-types"),
    "turn-channel": ("relay", "multiplex/first-octet"),
    "quic": ("data", "ice/valid-pair-carries-data"),  # what is no protocol of ours: a greeting
}


@dataclass(frozen=True)
class Remark:
    """A line of the page that is no packet: at `at` (seconds), seen at `where`."""

    at: float
    where: str
    who: str
    words: str


@dataclass
class Told:
    """A story while it is told: its blocks, and what was said in the signaling beside it.

    `listens` names those of whose signaling more is kept than descriptions: who sits where, what is shown. Where there
    are many people, `follows` names those whose descriptions are kept. `unprotected` media are RTP and not SRTP.
    """

    blocks: list[Block] = field(default_factory=list)
    descriptions: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=dict)  # name by identity in the signaling
    remarks: list[Remark] = field(default_factory=list)
    listens: frozenset[str] = frozenset()
    follows: frozenset[str] | None = None
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # host to name
    unprotected: bool = False
    steps: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STEPS)
    shared_secret: bytes = b""  # of the key agreement, where a story keeps it

    def __post_init__(self) -> None:
        self.capture = Capture(self.blocks.append)

    def watch(self, host: VirtualHost, ports: frozenset[int] | None = None) -> None:
        """Show all that leaves and enters a host, or these ports of it, but for what it says to itself."""
        tap = self.capture.tap(host.name, self.describe)

        def show(datagram: Datagram, direction: Direction, now: float) -> None:
            if not is_loopback(datagram.local.host) and (ports is None or datagram.local.port in ports):
                tap(datagram, direction, now)

        host.tap = show

    def know(self, host: VirtualHost) -> VirtualHost:
        self.names.update(dict.fromkeys(host.own_addresses, host.name))
        return host

    def remark(self, where: str, who: str, words: str) -> None:
        """Say something on the page, at this moment of the story."""
        self.remarks.append(Remark(trio.current_time(), where, who, words))

    def describe(self, datagram: Datagram, direction: Direction) -> str:
        ends = datagram.local, datagram.remote
        sender, receiver = ends if direction == "out" else ends[::-1]
        kind = "rtcp" if is_rtcp(datagram.data) and datagram.data[0] > 127 else classify_datagram(datagram.data[0])
        step, requirement = self.steps[kind]
        return f"step={step} from={self.names[sender.host]} to={self.names[receiver.host]} req={requirement}"


@dataclass(frozen=True)
class Story:
    """`stems` are the subjects it belongs to, `requirements` what one may look up in spec/."""

    tell: Callable[[Told, int], Awaitable[None]]
    seed: int
    title: str
    stems: tuple[str, ...]
    requirements: tuple[str, ...]
