"""Rooms: who is there, who is told what, and the nurseries they live in.

`Rooms.attend` is what a signaling door calls for each WebSocket. A room is a nursery that opens with the first
person and closes after the last; a participant is a task in it.
Stands above `meeting/participant`, `meeting/chat`, `meeting/captions`, `meeting/minutes`, `meeting/recorded` and
`meeting/webinar`; below `app/server`, which hands in the log, the admission, and where recordings go.
Leaves out: more than one machine. Every room of this process is here.
Read next: `meeting/participant.py`; `meeting/arranging.py`, what a room does by itself.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence

import trio

from meetref.meeting.arranging import Arranging
from meetref.meeting.captions import Captions
from meetref.meeting.channel import Channel, ChannelClosed
from meetref.meeting.chat import Chat, Log
from meetref.meeting.company import Way
from meetref.meeting.exchange import Full
from meetref.meeting.minutes import Minutes
from meetref.meeting.oneway import OneWay
from meetref.meeting.participant import Participant
from meetref.meeting.place import Place
from meetref.meeting.recorded import Archive, Recorded
from meetref.meeting.webinar import Stage, Webinar
from meetref.protocol.answering import Offer
from meetref.protocol.negotiation import Codec
from meetref.wire import signaling
from meetref.wire.address import Address

logger = logging.getLogger("meetref.meeting")

JOIN_WITHIN = 15.0
"""Seconds a WebSocket may stay without joining a room."""


class NotAdmitted(Exception):
    """The token does not open this room; the text is a sentence for the person.

    `is_known`: it is a good one, yet for another room or for somebody else.
    """

    def __init__(self, sentence: str, *, is_known: bool = False) -> None:
        super().__init__(sentence)
        self.is_known = is_known


class TooSlow(Exception):
    """What was said before took so long to read that whoever came in counts as lost."""


class Room:
    """The people of one room. Made and closed by `Rooms`; `read_aside` is `Arranging`'s."""

    def __init__(
        self,
        name: str,
        log: Log,
        log_errors: tuple[type[Exception], ...],
        read_aside: Callable[[float], None],
        archive: Archive | None,
        stage: Stage | None,
        place: Place,
    ) -> None:
        self.name = name
        self.people: dict[str, Participant] = {}
        self.chat = Chat(name, log, self._tell_chat)
        self.opened = trio.Event()
        self.closing = False
        """The last person has left; whoever comes now gets a room of their own."""
        self.nursery: trio.Nursery | None = None
        self._log_errors = log_errors
        self._behind: dict[str, Channel] = {}  # who is still being told what was said before
        self.minutes = Minutes(name, log)
        self.arranging = Arranging(self.people, self._tell_everybody, read_aside, self.minutes.speaker)
        self.recorded = Recorded(
            name, self.people, self.arranging, self._tell_everybody, log, log_errors, archive, place.wall_offset
        )
        self.webinar: Webinar | None = None
        """Where the room has an audience."""
        if stage is not None and stage.has(name):
            self.webinar = Webinar(name, self.people, self.arranging, self._tell_everybody, stage, place.dice)
        keepers = [self.recorded.note, *([self.webinar.note] if self.webinar is not None else [])]
        self.captions = Captions(name, self.people, self._tell_everybody, log, keepers)

    async def live(self) -> None:
        """Be there until the last person has left."""
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            nursery.start_soon(self.arranging.seat, name="seats")
            nursery.start_soon(self.arranging.listen, name="listening")
            nursery.start_soon(self.arranging.portion, name="portions")
            nursery.start_soon(self.arranging.get_to_know, name="newcomers")
            nursery.start_soon(self.arranging.gauge, name="quality")
            if self.webinar is not None:
                nursery.start_soon(self.webinar.run, name="webinar")
            self.opened.set()

    async def hold(
        self, participant: Participant, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """A participant's whole stay. What goes wrong in it ends this stay and nobody else's."""
        self.minutes.joined(participant.person)
        try:
            await participant.live(task_status=task_status)
        except* Exception as errors:  # the one place that may end a person's meeting for a bug of ours
            logger.exception("%s in room %s had to leave", participant.person.name, self.name, exc_info=errors)
            participant.remove()
        finally:
            del self.people[participant.id]
            self._tell_everybody(signaling.PersonLeft(id=participant.id, reason=participant.reason))
            self.recorded.left(participant)
            self.captions.left(participant.id)
            self.arranging.leave(participant)
            self.minutes.left(participant.id, participant.reason)
            if not self.people and self.nursery is not None:
                self.closing = True
                self.nursery.cancel_scope.cancel()

    # --- Company: what participants tell ------------------------------------------------------------

    def changed(self, participant: Participant) -> None:
        self._tell_everybody(signaling.PersonChanged(person=participant.person))
        self.arranging.changed(participant)

    async def say(self, participant: Participant, message: signaling.SayChat) -> None:
        """Store, then tell; the author of a message that was stored before is told again, the others are not."""
        try:
            stored, is_new = await self.chat.say(participant.id, participant.person.name, message)
        except self._log_errors as error:
            participant.tell(
                signaling.Error(
                    code="chat-unavailable", message=f"Not stored: {error}. Say it again later.", about="say"
                )
            )
            return
        if not is_new:
            participant.tell(stored)

    def caption(self, participant: Participant, message: signaling.WriteCaption) -> None:
        refusal = self.captions.write(participant, message, trio.current_time())
        if refusal is not None:
            participant.tell(refusal)

    def record(self, participant: Participant, message: signaling.Record) -> None:
        if self.nursery is not None:
            self.recorded.ask(participant, message, self.nursery)

    def admit(self, message: signaling.Admit) -> None:
        if self.webinar is not None:
            self.webinar.admit(message, trio.current_time())

    async def catch_up(self, participant: Participant, channel: Channel, resumed: bool, after: int) -> int | None:
        """Tell who is here, and a first page of the chat since `after`; nothing said meanwhile is missed or told twice.

        `channel` is attached only here, in the order of the chat: what was being said is in the log by now.
        The answer is where `tell_the_rest` has to go on, when there is more.
        """
        async with self.chat.order:
            last, messages, rest, trouble = await self._first_page(after)
            if participant.gone:
                raise TooSlow
            participant.attach(channel)
            participant.tell(
                signaling.Joined(
                    participant=participant.id,
                    secret=participant.secret,
                    room=self.name,
                    resumed=resumed,
                    people=[other.person for other in self.people.values()],
                    sequence=last,
                    ice_servers=participant.ice_servers(),
                    may_record=participant.may_record,
                    visit=self.recorded.visit(participant),
                )
            )
            self.recorded.welcome(participant, resumed=resumed)
            if self.webinar is not None:
                self.webinar.welcome(participant)
            for message in messages:
                participant.tell(message)
            for error in trouble:
                participant.tell(error)
            self.arranging.welcome(participant)
            self._behind.pop(participant.id, None)
            if rest is not None:
                self._behind[participant.id] = channel
            return rest

    async def tell_the_rest(self, participant: Participant, channel: Channel, after: int | None) -> None:
        """Tell a long history, as fast as the client takes it; what is said meanwhile waits for its turn."""
        try:
            while after is not None and self._behind.get(participant.id) is channel:
                await channel.drained()
                async with self.chat.order:
                    messages, after = await self.chat.page(after)
                    if self._behind.get(participant.id) is not channel:
                        return  # the client came back on another channel, and hears it there
                    for message in messages:
                        participant.tell(message)
                    if after is None:
                        del self._behind[participant.id]
        except self._log_errors as error:
            participant.tell(_unreadable(error))
        except ChannelClosed:
            pass  # `converse` finds out why
        finally:
            if self._behind.get(participant.id) is channel:
                del self._behind[participant.id]

    async def _first_page(self, after: int) -> tuple[int, list[signaling.Chat], int | None, list[signaling.Error]]:
        """Without its log a room is still a room, only without what was said before."""
        try:
            last = await self.chat.last()
            messages, rest = await self.chat.page(after)
        except self._log_errors as error:
            return after, [], None, [_unreadable(error)]
        return max(last, after), messages, rest, []

    def _tell_chat(self, message: signaling.Chat) -> None:
        for participant in self.people.values():
            if participant.id not in self._behind:
                participant.tell(message)

    def _tell_everybody(self, message: signaling.ServerMessage) -> None:
        for participant in self.people.values():
            participant.tell(message)

    # --- who sits where -----------------------------------------------------------------------------

    def connection_changed(self, participant: Participant, way: Way) -> None:
        self.arranging.connection_changed(participant, way)

    def contents_for(self, viewer: Participant) -> int:
        return self.arranging.contents_for(viewer)

    def arrange_for(self, viewer: Participant) -> None:
        self.arranging.arrange_for(viewer)


class Rooms:
    """All rooms of this server, and the door to them.

    `admit` raises `NotAdmitted`. `log_errors` are what the log raises when it cannot take a message. Without an
    `archive` nothing can be recorded, without a `stage` no room has an audience.
    """

    def __init__(
        self,
        place: Place,
        log: Log,
        *,
        log_errors: tuple[type[Exception], ...],
        admit: Callable[[signaling.Join], None] = lambda join: None,
        archive: Archive | None = None,
        stage: Stage | None = None,
        maximum_rooms: int = 200,
        maximum_people: int = 100,
    ) -> None:
        self.rooms: dict[str, Room] = {}
        self._place = place
        self._log = log
        self._log_errors = log_errors
        self.admit = admit
        self._archive = archive
        self._stage = stage
        self._maximum_rooms = maximum_rooms
        self._maximum_people = maximum_people
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be open until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    @property
    def video(self) -> Sequence[Codec]:
        """The codecs that pictures may have here, the preferred one first."""
        return self._place.video

    @property
    def fec(self) -> bool:
        """Whether pictures may be protected here."""
        return self._place.fec

    async def attend(self, channel: Channel) -> None:
        """One WebSocket from its first message to its end."""
        try:
            join = await self._hear_join(channel)
        except ChannelClosed:
            return
        if join is None:
            return
        refusal = self._refusal(join)
        if refusal is not None:
            _turn_away(channel, refusal)
            return
        room = await self._room(join.room)
        refusal = self._room_full(room, join)
        if refusal is not None:  # others came in while the room opened
            _turn_away(channel, refusal)
            return
        participant = _returning(room, join)
        resumed = participant is not None
        if participant is None:
            identity, secret = (self._place.dice(size).hex() for size in (8, 16))
            participant = Participant(identity, secret, join, self._place, room)
            participant.may_record = self._archive is not None and self._archive.may_record(join)
            await self._settle(room, participant)
        try:
            rest = await self._welcome(room, participant, channel, join, resumed)
            await room.tell_the_rest(participant, channel, rest)
            await participant.converse(channel)
        except Full as full:
            participant.leave("left")
            _turn_away(channel, signaling.Error(code="server-full", message=f"{full}. Try again later.", about="join"))
        except TooSlow:
            sentence = "The server took too long to let you in. Try again later."
            _turn_away(channel, signaling.Error(code="server-slow", message=sentence, about="join"))
        finally:
            participant.detach(channel)

    async def _hear_join(self, channel: Channel) -> signaling.Join | None:
        with trio.move_on_after(JOIN_WITHIN):
            while True:
                message = await channel.receive()
                if isinstance(message, signaling.Join):
                    return message
                channel.send(
                    signaling.Error(code="not-joined", message="Say `join` first: nobody knows which room you mean.")
                )
        channel.close("no join came")
        return None

    async def visit(self, join: signaling.Join, offer: Offer, remote: Address) -> OneWay:
        """Let in somebody who has no WebSocket. Raises `NotAdmitted`, and `Full` where no place is left."""
        self.admit(join)
        refusal = self._no_place(join)
        if refusal is None:
            room = await self._room(join.room)
            refusal = self._room_full(room, join)
        if refusal is not None:
            raise Full(refusal.message)
        identity, secret, session = (self._place.dice(size).hex() for size in (8, 16, 16))
        visitor = OneWay(identity, secret, join, self._place, room, session=session, offer=offer, remote=remote)
        await self._settle(room, visitor)
        return visitor

    def visitor(self, room: str, session: str) -> OneWay | None:
        """Who came by `visit`, if still there."""
        people = self.rooms[room].people.values() if room in self.rooms else ()
        found = (person for person in people if isinstance(person, OneWay) and person.is_session(session))
        return next(found, None)

    def _refusal(self, join: signaling.Join) -> signaling.Error | None:
        try:
            self.admit(join)
        except NotAdmitted as refused:
            return signaling.Error(code="not-allowed", message=str(refused), about="join")
        return self._no_place(join)

    def _no_place(self, join: signaling.Join) -> signaling.Error | None:
        room = self._open_room(join.room)
        if room is None and len(self.rooms) >= self._maximum_rooms:
            return signaling.Error(
                code="server-full", message="The server has as many rooms as it takes. Try again later.", about="join"
            )
        return self._room_full(room, join) if room is not None else None

    def _room_full(self, room: Room, join: signaling.Join) -> signaling.Error | None:
        if len(room.people) < self._maximum_people or _returning(room, join) is not None:
            return None
        sentence = f"The room has {self._maximum_people} people and takes no more."
        return signaling.Error(code="room-full", message=sentence, about="join")

    def _open_room(self, name: str) -> Room | None:
        room = self.rooms.get(name)
        return room if room is not None and not room.closing else None

    async def _room(self, name: str) -> Room:
        while True:
            room = self._open_room(name)
            if room is None:
                room = Room(
                    name,
                    self._log,
                    self._log_errors,
                    self._place.exchange.read_aside,
                    self._archive,
                    self._stage,
                    self._place,
                )
                self.rooms[name] = room
                assert self._nursery is not None
                self._nursery.start_soon(self._keep, room, name=f"room {name}")
            await room.opened.wait()
            if not room.closing:  # its last person may have left while we waited
                return room

    async def _keep(self, room: Room) -> None:
        try:
            await room.live()
        finally:
            if self.rooms.get(room.name) is room:  # not, when somebody came back in the moment of its closing
                del self.rooms[room.name]

    async def _settle(self, room: Room, participant: Participant) -> None:
        room.people[participant.id] = participant  # from here on the room does not close
        assert room.nursery is not None
        await room.nursery.start(room.hold, participant, name=participant.person.name)

    async def _welcome(
        self, room: Room, participant: Participant, channel: Channel, join: signaling.Join, resumed: bool
    ) -> int | None:
        rest = await room.catch_up(participant, channel, resumed, join.last_sequence)
        if resumed:
            participant.tell_again()
        else:
            await participant.open_down()
            room.changed(participant)
        return rest


def _unreadable(error: Exception) -> signaling.Error:
    return signaling.Error(
        code="chat-unavailable", message=f"What was said before cannot be read: {error}.", about="join"
    )


def _turn_away(channel: Channel, refusal: signaling.Error) -> None:
    channel.send(refusal)
    channel.close(refusal.code)


def _returning(room: Room, join: signaling.Join) -> Participant | None:
    """Whoever proves with the secret to be somebody who is still here."""
    if join.resume is None:
        return None
    participant = room.people.get(join.resume.participant)
    if participant is None or not hmac.compare_digest(participant.secret.encode(), join.resume.secret.encode()):
        return None
    return participant
