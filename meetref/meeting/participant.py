"""One person in a room, from `join` to `leave`: their signaling, their two connections, their seats.

The participant's task is a nursery inside the room's; `up` and `down` are tasks in it, so the live task tree reads
`room demo > alice > up`. Their WebSocket may break and come back (`attach`) while the media goes on.
Stands above `meeting/up`, `meeting/down`, `meeting/seats`; below `meeting/room`, which is told of every change.
Leaves out: what the messages look like (`wire/signaling`) and how they travel (`app/signaling`).
Read next: `meeting/up.py`, `meeting/down.py`; `meeting/seats.py`.
"""

from __future__ import annotations

import logging
import math
from typing import Literal

import trio

from meetref.meeting.channel import Channel, ChannelClosed
from meetref.meeting.company import Company, Way
from meetref.meeting.down import Down
from meetref.meeting.exchange import Full
from meetref.meeting.forwarder import Slot
from meetref.meeting.place import Place, describe
from meetref.meeting.seats import Seats
from meetref.meeting.track import Track
from meetref.meeting.up import Up
from meetref.protocol import answering, negotiation, offering
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Event
from meetref.protocol.peer import NOWHERE, Connected, Peer, StateChanged
from meetref.wire import candidate as candidates
from meetref.wire import signaling
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

logger = logging.getLogger("meetref.meeting")

RETURN_WITHIN = 20.0
"""Seconds a person whose WebSocket broke may take to come back, while the others still see them."""

HANDSHAKE_WITHIN = 60.0
"""Seconds from opening a connection to agreed keys: ICE's patience of 39.5 and a handshake of its usual length."""

MAXIMUM_CANDIDATES = 100

Reason = Literal["left", "lost", "removed"]


class Participant:
    """See the module. `person` is what the others are told; `secret` lets the client come back as itself.

    Without `is_shown` nobody gives this person a seat; without `may_record` they start and stop no recording.
    """

    is_shown = True
    may_record = False

    def __init__(self, identity: str, secret: str, join: signaling.Join, place: Place, company: Company) -> None:
        self.id = identity
        self.secret = secret
        self.person = signaling.Person(
            id=identity, name=join.name, microphone=join.microphone, camera=join.camera, bot=join.bot
        )
        self.up: Up | None = None
        self.down: Down | None = None
        self.seats: Seats | None = None
        self.look = signaling.Look()
        self.reason: Reason = "left"
        self._place = place
        self._company = company
        self._channel: Channel | None = None
        self._returned = trio.Event()
        self._gone = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._scopes: dict[Way, trio.CancelScope] = {}
        self._handshakes: dict[Way, Address] = {}
        self._down_number = self._down_answered = 0
        self._down_connection = 0
        self._up_connection = -1
        self._candidates = 0

    @property
    def present(self) -> bool:
        """Whether the client's WebSocket is here now."""
        return self._channel is not None

    @property
    def gone(self) -> bool:
        """Whether the stay has ended, for whatever reason."""
        return self._gone.is_set()

    @property
    def remote(self) -> Address:
        """Where the client is, as far as signaling shows."""
        return self._channel.remote if self._channel is not None else NOWHERE

    # --- lifetime ---------------------------------------------------------------------------------

    async def live(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be in the room until `leave`, or until the WebSocket has been away too long."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._wait_for_return, name="signaling")
            task_status.started()
            await self._gone.wait()
            nursery.cancel_scope.cancel()

    def leave(self, reason: Reason) -> None:
        if not self._gone.is_set():
            self.reason = reason
            self._gone.set()

    def ice_servers(self) -> list[signaling.IceServer]:
        """The relays that this participant may use, with credentials made now."""
        return self._place.ice_servers(self.id)

    def remove(self) -> None:
        """End the stay from our side: a bug of ours, and nobody else's trouble."""
        self.leave("removed")
        if self._channel is not None:
            self._channel.close("removed")

    async def _wait_for_return(self) -> None:
        while True:
            if self._channel is not None:
                self._returned = trio.Event()
                await self._returned.wait()
                continue
            with trio.move_on_after(RETURN_WITHIN):
                await self._returned.wait()
                continue
            self.leave("lost")
            return

    def attach(self, channel: Channel) -> None:
        """The client's WebSocket is here: for the first time, or again, in place of an older one."""
        if self._channel is not None:
            self._channel.send(signaling.Error(code="replaced", message="You came back on another connection."))
            self._channel.close("replaced")
        self._channel = channel
        self._returned.set()
        self._returned = trio.Event()

    def detach(self, channel: Channel) -> None:
        """The WebSocket of `channel` is gone; unless another one has taken its place, wait for the client to return."""
        if self._channel is channel:
            self._channel = None
            self._returned.set()
            self._returned = trio.Event()

    async def converse(self, channel: Channel) -> None:
        """Hear what the client says on `channel` until it closes or leaves."""
        try:
            while self._channel is channel and not self._gone.is_set():
                await self._hear(await channel.receive())
        except ChannelClosed as closed:
            if self._channel is channel and closed.clean:
                self.leave("left")

    def tell(self, message: signaling.ServerMessage) -> None:
        """Say something to the client; while its WebSocket is away, `joined` will tell it all anew."""
        if self._channel is not None:
            self._channel.send(message)

    def tell_again(self) -> None:
        """What may have been lost with the last WebSocket, in either direction."""
        if self.up is not None:
            for mid, track in self.up.tracks.items():
                if track.kind == "video":
                    self._tell_layers(mid, track.active)
        if self._down_answered != self._down_number:
            self.offer_down()
        if self.seats is not None:
            self.tell(self.seats.message())
            self.tell(self.seats.video)

    # --- what the client says -----------------------------------------------------------------------

    async def _hear(self, message: signaling.ClientMessage) -> None:
        try:
            match message:
                case signaling.UpOffer():
                    await self._on_up_offer(message)
                case signaling.DownAnswer():
                    self._on_down_answer(message)
                case signaling.UpCandidate() | signaling.DownCandidate():
                    self._on_candidate(message)
                case signaling.DownRestart():
                    await self._restart_down()
                case signaling.Devices():
                    self._on_devices(message)
                case signaling.Look():
                    self.look = message
                    self._company.arrange_for(self)
                case signaling.SayChat():
                    await self._company.say(self, message)
                case signaling.WriteCaption():
                    self._company.caption(self, message)
                case signaling.Record():
                    self._company.record(self, message)
                case signaling.Admit():
                    self._company.admit(message)
                case signaling.Leave():
                    self.leave("left")
                case signaling.Join():
                    self._refuse("already-joined", "You are in this room already.", message)
                case signaling.Pong():
                    pass
        except Full as full:
            self._refuse("server-full", f"{full}. Try again later.", message)

    def _refuse(self, code: str, sentence: str, about: signaling.ClientMessage) -> None:
        tag = about.__struct_config__.tag
        self.tell(signaling.Error(code=code, message=sentence, about=str(tag)))  # type: ignore[arg-type]

    def _on_devices(self, message: signaling.Devices) -> None:
        person = self.person
        self.person = signaling.Person(
            id=person.id, name=person.name, bot=person.bot,
            microphone=message.microphone, camera=message.camera, screen=message.screen,
        )  # fmt: skip
        self._company.changed(self)

    def _on_candidate(self, message: signaling.UpCandidate | signaling.DownCandidate) -> None:
        connection = self.up if isinstance(message, signaling.UpCandidate) else self.down
        if connection is None:
            self._refuse("wrong-state", "There is no such connection yet; send the description first.", message)
            return
        self._candidates += 1
        if self._candidates > 2 * MAXIMUM_CANDIDATES:
            self._refuse("bad-candidate", f"More than {2 * MAXIMUM_CANDIDATES} candidates.", message)
            return
        now = trio.current_time()
        try:
            if message.candidate.strip():
                connection.peer.add_remote_candidate(candidates.parse(message.candidate), now)
            else:
                connection.peer.end_of_remote_candidates(now)
        except Malformed as error:
            self._refuse("bad-candidate", f"The candidate cannot be read: {error.what}.", message)
        self._place.exchange.touch(connection)

    # --- up -----------------------------------------------------------------------------------------

    async def _on_up_offer(self, message: signaling.UpOffer) -> None:
        """Answer an offer: the first of a connection opens it, a later one changes its sections."""
        now = trio.current_time()
        try:
            offer = answering.read_offer(message.sdp, video=self._place.video, fec=self._place.fec)
            if message.connection == self._up_connection and self.up is None:
                self._refuse("wrong-state", "This connection is over; offer a new one.", message)
                return
            if self.up is None or message.connection != self._up_connection:
                up = await self._open_up(message.connection)
            else:
                up = self.up
                self._restart_if_asked(up.peer, offer.transport)
            answer = answering.answer(
                offer, self._place.transport(up.peer, "passive"), session_id=1, version=message.number
            )
        except Malformed as error:
            self._refuse("bad-sdp", f"The offer cannot be used: {error.what}.", message)
            return
        describe(up.peer, answer.remote, now)
        up.describe(answer.tracks, dict(message.tracks), now)
        self.tell(signaling.UpAnswer(connection=message.connection, number=message.number, sdp=answer.sdp))
        self._place.exchange.touch(up)
        self._company.connection_changed(self, "up")

    async def _open_up(self, connection: int) -> Up:
        self._close("up")
        self._candidates = 0
        peer = self._place.peer(controlling=False)
        exchange = self._place.exchange
        up = Up(peer, self.id, self._place.dice, lambda: exchange.touch(up), exchange.arrived)
        up.on_layers = self._tell_layers
        self.up = up
        await self._start("up", up)
        self._up_connection = connection
        return up

    def _tell_layers(self, mid: str, active: list[str]) -> None:
        self.tell(signaling.Layers(mid=mid, active=active))

    def track(self, source: signaling.Source) -> Track | None:
        """The track that this person publishes as `source`, if it is there."""
        if self.up is None or not self.up.connected:
            return None
        return next((track for track in self.up.tracks.values() if track.source == source), None)

    # --- down ---------------------------------------------------------------------------------------

    async def open_down(self) -> None:
        """Open the connection with as many seats as the room needs, and offer it; an older one is closed."""
        self._close("down")
        self._down_connection += 1
        self.down = self._make_down(controlling=True)
        self.seats = Seats(self.down, self._company.contents_for(self), self.look.tiles)
        await self._start("down", self.down)
        self.offer_down()

    def _make_down(self, *, controlling: bool) -> Down:
        down = Down(
            self._place.peer(controlling=controlling),
            dice=self._place.dice,
            cname=self.id,
            wall_offset=self._place.wall_offset,
            transmit=self._place.exchange.port.send,
            on_start=self._on_slot_started,
            on_failure=lambda error: self._place.exchange.fail(down, error),
            wake=lambda: self._place.exchange.touch(down),
        )
        return down

    async def _restart_down(self) -> None:
        """The client lost its path: look for another one, and open a new connection only where there is none."""
        down = self.down
        if down is None or down.peer.state not in ("connected", "disconnected"):
            await self.open_down()
            return
        self._offer_restart(down)

    def _heal_down(self) -> None:
        """The path has fallen silent: offer a restart, unless the client, which mostly notices first, asked for one."""
        down = self.down
        if down is not None and self.present and not down.peer.is_restarting:
            self._offer_restart(down)

    def _offer_restart(self, down: Down) -> None:
        self._restart(down)
        self.offer_down()
        self._place.exchange.touch(down)

    def offer_down(self) -> None:
        """Offer all slots that there are; the first offer opens the connection, a later one adds to it."""
        if self.down is None:
            return
        self._down_number += 1
        sdp = offering.offer(
            self.down.offered, self._place.transport(self.down.peer, "actpass"),
            session_id=self._down_connection, version=self._down_number, video=self._place.video, fec=self._place.fec,
        )  # fmt: skip
        self.tell(signaling.DownOffer(connection=self._down_connection, number=self._down_number, sdp=sdp))

    def _on_down_answer(self, message: signaling.DownAnswer) -> None:
        if self.down is None or message.number != self._down_number:
            return  # the answer to an offer that a newer one has replaced
        now = trio.current_time()
        try:
            answer = offering.read_answer(message.sdp, self.down.offered, self._place.video)
        except Malformed as error:
            self._refuse("bad-sdp", f"The answer cannot be used: {error.what}.", message)
            return
        describe(self.down.peer, answer.remote, now)
        self._down_answered = message.number
        self.down.answered(answer, now)
        self._place.exchange.touch(self.down)
        self._company.connection_changed(self, "down")

    def _on_slot_started(self, slot: Slot, now: float) -> None:
        if self.seats is not None:
            self.tell(self.seats.message())
        if self.down is not None:
            self._place.exchange.touch(self.down)

    # --- what both have in common -------------------------------------------------------------------

    def _restart_if_asked(self, peer: Peer, theirs: negotiation.Transport) -> None:
        """Other credentials in a later offer ask for an ICE restart (RFC 8839 section 4.4.1.1)."""
        if peer.remote_credentials not in (None, Credentials(theirs.ufrag, theirs.password)) and self.up is not None:
            self._restart(self.up)

    def _restart(self, connection: Up | Down) -> None:
        """New ICE credentials; media stays on the old path until a new one is found (RFC 8445 section 9)."""
        self._candidates = 0
        connection.peer.restart_ice(trio.current_time())
        self._place.exchange.know(connection)

    async def _start(self, way: Way, connection: Up | Down) -> None:
        """Serve a connection as a task; it has so long to finish its handshake. Raises `Full`, and forgets it then."""
        assert self._nursery is not None
        scope = trio.CancelScope(deadline=trio.current_time() + HANDSHAKE_WITHIN)

        def deliver(event: Event) -> None:
            self._log_state(way, connection.peer, event)
            if self._scopes.get(way) is scope:
                if isinstance(event, Connected):
                    self._end_handshake(way)
                    scope.deadline = math.inf
                elif isinstance(event, StateChanged) and event.state in ("failed", "closed"):
                    self._close(way)
                elif event == StateChanged("disconnected") and way == "down":
                    self._heal_down()
            if isinstance(event, Connected | StateChanged):
                self._company.connection_changed(self, way)

        async def task(task_status: trio.TaskStatus[None]) -> None:
            try:
                with scope:
                    await self._place.exchange.serve(connection, deliver, task_status=task_status)
            finally:
                if self._scopes.get(way) is scope:
                    self._close(way)

        try:
            self._begin_handshake(way)
            self._scopes[way] = scope
            await self._nursery.start(task, name=way)
        except Full:
            self._close(way)
            raise

    def _begin_handshake(self, way: Way) -> None:
        """Take one of the places for unfinished handshakes, so that strangers who never finish fill nothing else."""
        remote = self.remote
        refused = self._place.handshakes.enter(remote)
        if refused is not None:
            whose = "your network" if refused == "full-for-source" else "everybody"
            raise Full(f"too many connections of {whose} have been opened and not finished")
        self._handshakes[way] = remote

    def _end_handshake(self, way: Way) -> None:
        remote = self._handshakes.pop(way, None)
        if remote is not None:
            self._place.handshakes.leave(remote)

    def _close(self, way: Way) -> None:
        """Forget a connection now; its task says goodbye when its turn comes."""
        self._end_handshake(way)
        scope = self._scopes.pop(way, None)
        if scope is not None:
            scope.cancel()
        if way == "up":
            self.up = None
            return
        if self.seats is not None:
            self.seats.clear(trio.current_time())
        self.down = self.seats = None

    def _log_state(self, name: str, peer: Peer, event: Event) -> None:
        match event:
            case Connected(dtls):
                logger.info(
                    "%s %s connected: DTLS %s %s %s", self.person.name, name, dtls.version, dtls.cipher, dtls.group
                )
            case StateChanged(state, reason) if state != "connected":
                logger.info("%s %s %s%s", self.person.name, name, state, f": {reason}" if reason else "")
