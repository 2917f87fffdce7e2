"""Somebody in a room without a WebSocket and with one connection: who only publishes (WHIP), or only watches (WHEP).

To the others this is a person like any other. The stay is as long as the connection: it has the patience of every
handshake, and when its path fails or the client says goodbye, the person leaves. What signaling tells other clients
these are told as answers to what they ask (`app/whip`).
Stands above `meeting/participant` and `protocol/oneway`; below `app/whip`.
Specification: RFC 9725 sections 4.2 and 4.3, draft-ietf-wish-whep-03 sections 4.3 to 4.5.
Leaves out: chat, devices that change, coming back: whoever was lost offers anew.
Read next: `meeting/requestedseats.py`.
"""

from __future__ import annotations

import hmac
from dataclasses import replace

import trio

from meetref.meeting.company import Company, Way
from meetref.meeting.down import Down
from meetref.meeting.participant import MAXIMUM_CANDIDATES, Participant
from meetref.meeting.place import Place, describe
from meetref.meeting.requestedseats import RequestedSeats
from meetref.meeting.up import Up
from meetref.protocol.answering import Offer
from meetref.protocol.description import Unusable
from meetref.protocol.fragment import Update, write_fragment
from meetref.protocol.negotiation import TRANSPORT_SEQUENCE, SentTrack
from meetref.protocol.oneway import answer_once
from meetref.wire import signaling
from meetref.wire.address import Address
from meetref.wire.reader import Malformed


class OneWay(Participant):
    """See the module. `offer` is what the client asked for; `session` is the secret name of this stay."""

    def __init__(
        self,
        identity: str,
        secret: str,
        join: signaling.Join,
        place: Place,
        company: Company,
        *,
        session: str,
        offer: Offer,
        remote: Address,
    ) -> None:
        super().__init__(identity, secret, join, place, company)
        self.join = join
        self.session = session
        self.offer = offer
        self.is_shown = offer.way == "recvonly"
        self._remote = remote
        self._theirs = offer.transport

    @property
    def remote(self) -> Address:
        return self._remote

    def is_session(self, name: str) -> bool:
        """Whether this stay is called so, and goes on; compared in constant time."""
        return not self._gone.is_set() and hmac.compare_digest(self.session.encode(), name.encode())

    @property
    def tag(self) -> str:
        """What names the ICE session of now: another one after each restart."""
        return self._connection.peer.credentials.ufrag

    @property
    def _connection(self) -> Up | Down:
        connection = self.up or self.down
        assert connection is not None, "who has no connection has left"
        return connection

    async def _wait_for_return(self) -> None:
        """There is nothing that could come back."""

    # --- the connection -------------------------------------------------------------------------------

    async def answer(self) -> str:
        """Open the connection; the answer to the offer. Raises `Malformed`, and `Full` when no more fit."""
        try:
            slots = await (self._publish() if self.offer.way == "recvonly" else self._watch())
            peer = self._connection.peer
            ours = self._place.transport(peer, "passive")  # spec: whip/all-candidates whip/full-ice
            answer = answer_once(self.offer, ours, slots)
        except Malformed:
            self.leave("left")
            raise
        self.offer = self.offer.without_text()
        describe(peer, answer.remote, trio.current_time())
        self._place.exchange.touch(self._connection)
        self._company.changed(self)
        return answer.sdp

    async def _publish(self) -> dict[str, SentTrack]:
        up = await self._open_up(1)
        sources: dict[str, signaling.Source] = {
            track.mid: "microphone" if track.kind == "audio" else "camera" for track in self.offer.tracks
        }
        up.describe(self.offer.tracks, sources, trio.current_time())
        return {}

    async def _watch(self) -> dict[str, SentTrack]:
        self.down = self._make_down(controlling=False)
        slots: dict[str, SentTrack] = {}
        for kind, letter in (("video", "v"), ("audio", "a")):
            sections = [track for track in self.offer.tracks if track.kind == kind]
            for seat, section in enumerate(sections):
                slots[section.mid] = self.down.fill_slot(f"{letter}{seat}", section, f"seat-{seat}")
        if not any(TRANSPORT_SEQUENCE in section.extensions for section in self.offer.tracks):
            self.down.capacity.expect_silence()
        self.seats = RequestedSeats(self.down)
        await self._start("down", self.down)
        return slots

    def _close(self, way: Way) -> None:
        connection = self.up or self.down
        super()._close(way)
        if connection is not None:  # spec: whip/teardown whip/consent-ends whip/restart-in-vain whip/handshake-patience
            self.leave("left" if connection.peer.state == "closed" else "lost")

    # --- ICE, later on --------------------------------------------------------------------------------

    def take(self, update: Update) -> str | None:
        """Take what the client tells later. After a restart the answer is a fragment with our new end.

        Raises `Unusable` for far more candidates than anybody has.
        """
        connection = self._connection
        is_restart = update.credentials not in (None, connection.peer.remote_credentials)  # spec: whip/restart-asked
        answer = None
        if is_restart:
            answer = self._renew(connection, update)
        else:
            self._trickle(connection, update)
        self._place.exchange.touch(connection)
        return answer

    def _trickle(self, connection: Up | Down, update: Update) -> None:
        self._candidates += len(update.candidates)
        if self._candidates > 2 * MAXIMUM_CANDIDATES:  # spec: whip/candidates-bounded
            raise Unusable(f"more than {2 * MAXIMUM_CANDIDATES} candidates")
        now = trio.current_time()
        for candidate in update.candidates:
            connection.peer.add_remote_candidate(candidate, now)  # spec: whip/candidate-discarded
        if update.end_of_candidates:
            connection.peer.end_of_remote_candidates(now)

    def _renew(self, connection: Up | Down, update: Update) -> str:
        """All that was agreed on stays but for ICE, on both sides."""
        assert update.credentials is not None
        self._restart(connection)
        self._theirs = replace(
            self._theirs,
            ufrag=update.credentials.ufrag,
            password=update.credentials.password,
            candidates=update.candidates,  # spec: whip/restart-replaces
            end_of_candidates=update.end_of_candidates,
        )
        describe(connection.peer, self._theirs, trio.current_time())
        return write_fragment(self.offer, self._place.transport(connection.peer, "passive"))
