"""What all connections of a server have in common, and so what each one says of itself.

Stands above `meeting/exchange` and `protocol/peer`; below `meeting/participant`. `app/server` makes the one place.
Specification: none.
Read next: `meeting/participant.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from meetref.meeting.exchange import Exchange
from meetref.protocol import negotiation
from meetref.protocol.certificate import Certificate
from meetref.protocol.dtls import Versions
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Dice
from meetref.protocol.peer import Peer, Remote
from meetref.protocol.srtp import Engine
from meetref.protocol.videocodecs import VIDEO
from meetref.wire import signaling
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate


class Handshakes(Protocol):
    """Connections whose handshake is not finished, bounded in all and for one source; `app/limits.Places` is one.

    `enter` says None, or which bound forbids it.
    """

    def enter(self, remote: Address) -> str | None: ...
    def leave(self, remote: Address) -> None: ...


@dataclass(slots=True, frozen=True)
class Place:
    """What every connection of this server has in common."""

    exchange: Exchange
    certificate: Callable[[], Certificate]
    """For a new connection; see `protocol.certificate.Certificates`."""
    dice: Dice
    wall_offset: float
    candidates: tuple[Candidate, ...]
    may_check: Callable[[Address], bool]
    handshakes: Handshakes
    dtls_versions: Versions = "1.3 preferred"
    srtp_engine: Engine | None = None
    hides_headers: bool = False
    embeds_handshake: bool = True
    key_log: Callable[[str], None] | None = None
    ice_servers: Callable[[str], list[signaling.IceServer]] = lambda participant: []
    video: tuple[negotiation.Codec, ...] = VIDEO
    """The codecs of pictures, the preferred one first."""
    fec: bool = False
    """Whether pictures may come, and be sent, with FEC."""

    def peer(self, *, controlling: bool) -> Peer:
        """A new connection, with our candidates."""
        peer = Peer(
            controlling=controlling,
            certificate=self.certificate(),
            dice=self.dice,
            dtls_role="server",
            dtls_versions=self.dtls_versions,
            embeds_handshake=self.embeds_handshake,
            srtp_engine=self.srtp_engine,
            hides_headers=self.hides_headers,
            key_log=self.key_log,
            may_check=self.may_check,
        )
        peer.add_local_candidates(self.candidates, trio.current_time())
        return peer

    def transport(self, peer: Peer, setup: negotiation.Setup) -> negotiation.Transport:
        """What our description of a connection says of its way and its keys."""
        return negotiation.Transport(
            ufrag=peer.credentials.ufrag,
            password=peer.credentials.password,
            fingerprints=(("sha-256", peer.certificate.fingerprint("sha-256")),),
            setup=setup,
            candidates=self.candidates,
            ice_options=negotiation.ICE_OPTIONS if self.embeds_handshake else negotiation.PLAIN_ICE_OPTIONS,
            end_of_candidates=True,
            hides_headers=self.hides_headers,
        )


def describe(peer: Peer, theirs: negotiation.Transport, now: float) -> None:
    """Tell a connection what the other side's description says."""
    credentials = Credentials(theirs.ufrag, theirs.password)
    remote = Remote(
        credentials,
        theirs.fingerprints,
        theirs.setup,
        lite=theirs.ice_lite,
        renominates=theirs.renominates,
        embeds_handshake=theirs.embeds_handshake,
        hides_headers=theirs.hides_headers,
    )
    peer.set_remote(remote, now)
    for candidate in theirs.candidates:
        peer.add_remote_candidate(candidate, now)
    if theirs.end_of_candidates:
        peer.end_of_remote_candidates(now)
