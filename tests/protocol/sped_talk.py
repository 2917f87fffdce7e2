"""Two peers whose handshake may ride in checks, and all that they say."""

from __future__ import annotations

import random
from typing import Any

from meetref.protocol import dtls
from meetref.protocol.machine import Datagram
from meetref.wire import rtp, stun
from meetref.wire.attribute import DTLS_IN_STUN
from tests.protocol.peer_pairs import Name, Peers

SOUND = rtp.serialize(rtp.Packet(payload_type=111, sequence=1, timestamp=1, ssrc=5, payload=b"hello"))
Sent = tuple[float, Name, Datagram, bytes | None]


class Talk:
    """Two peers that both offer it, and all they sent: with what was inside, None without the attribute."""

    def __init__(
        self,
        versions: dtls.Versions = "1.3 preferred",
        *,
        seed: int = 1,
        loss: float = 0.0,
        offers: tuple[Name, ...] = ("client", "server"),
        reversed_roles: bool = False,
    ) -> None:
        self.peers = Peers(seed)
        self.sent: list[Sent] = []
        self.versions: dtls.Versions = versions
        self._dice = random.Random(seed)
        self._loss = loss
        self._offers = offers
        self._reversed = reversed_roles
        self.peers.passes = self._passes
        for peer in (self.peers.client, self.peers.server):
            peer.dtls_versions = versions

    def _passes(self, name: Name, datagram: Datagram) -> bool:
        inside = None
        if datagram.data[0] < 4:
            inside = stun.parse(datagram.data).get(DTLS_IN_STUN)
        self.sent.append((self.peers.now - 50.0, name, datagram, inside))
        return self._dice.random() >= self._loss

    def remote_of(self, name: Name) -> Any:
        active = (name == "client") != self._reversed
        embeds = name in self._offers
        return self.peers.remote_of(name, setup="active" if active else "passive", embeds_handshake=embeds)

    def run(self, seconds: float = 30.0) -> Talk:
        self.peers.introduce(client=self.remote_of("client"), server=self.remote_of("server"))
        self.peers.run(lambda: self.peers.both_connected, seconds)
        assert self.peers.both_connected, (self.peers.client.state, self.peers.server.state)
        return self

    def plain(self, name: Name) -> list[bytes]:
        return [datagram.data for _, who, datagram, _ in self.sent if who == name and datagram.data[0] >= 20]

    def inside(self, name: Name) -> list[bytes]:
        return [inside for _, who, _, inside in self.sent if who == name and inside]
