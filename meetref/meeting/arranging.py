"""What all viewers of one room see by the same rules: who sits where, who speaks, how well connections do.

Everything that changes what somebody could see ends in `arrange` or `connection_changed`. A small room is looked at on
the spot; in a larger one, where a thousand may come and go, a task looks once a tick, and at so many viewers at most.
Other tasks look at voices, at what each viewer's connection carries, and at how well it does.
Stands above `meeting/seating` (whom one viewer sees), `meeting/seats`, `meeting/portions`, `meeting/listening` and
`meeting/quality`; below `meeting/room`. Specification: none; docs/architecture.md, "Seats".
Leaves out: who is in the room, and what they write. Read next: `meeting/seating.py`, `meeting/portions.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial

import trio

from meetref.meeting.company import Way
from meetref.meeting.down import Down
from meetref.meeting.listening import Listening
from meetref.meeting.participant import Participant
from meetref.meeting.portions import Offers, Portions
from meetref.meeting.quality import Gauge
from meetref.meeting.seating import Content, Scene, choose
from meetref.meeting.seats import VOICES, Seats
from meetref.meeting.track import Track
from meetref.wire import signaling

ON_THE_SPOT = 25
"""Rooms of so many people are looked at whenever something changes: they can all see each other, and nobody waits."""

ARRANGE_EVERY = 0.04
"""Seconds between two looks at who sits where in larger rooms."""

LOOKS_AT_A_TIME = 100
"""Viewers whose seats are looked at in one go, a few milliseconds of work; the others have their turn a tick later."""

LISTEN_EVERY = 0.3
"""Seconds between two looks at who speaks."""

PORTION_EVERY = 0.2
"""Seconds between two looks at what everybody's connection carries."""

GET_TO_KNOW_EVERY = 0.05
"""The same for connections of which nothing is known yet: their viewers wait for pictures."""

GAUGE_EVERY = 2.0
"""Seconds between two looks at how well everybody's connections do."""


class Arranging:
    """For the `people` of one room, whoever is there; `tell` says something to all of them.

    `read_aside` gives connections what their viewers told of bandwidth (`Exchange.read_aside`); `note_speaker` hears
    who led the conversation and who does now.
    """

    def __init__(
        self,
        people: Mapping[str, Participant],
        tell: Callable[[signaling.ServerMessage], None],
        read_aside: Callable[[float], None],
        note_speaker: Callable[[str | None, str | None], None],
    ) -> None:
        self.listening = Listening(VOICES)
        self.gauges: dict[str, Gauge] = {}
        self.portions: dict[str, Portions] = {}
        self._people = people
        self._tell = tell
        self._read_aside = read_aside
        self._note_speaker = note_speaker
        self._scene = Scene(())
        self._heard: list[Content] = []
        self._is_stale = False  # whether the scene may have become another one
        self._sending: set[str] = set()  # whose *up* connection carries something else
        self._waiting: dict[Participant, None] = {}  # viewers to be looked at, in this order
        self._wake = trio.Event()
        self._has_newcomers = trio.Event()

    def welcome(self, participant: Participant) -> None:
        """Tell somebody who came, perhaps again, what the others know."""
        participant.tell(self.listening.message())
        participant.tell(self._bars(self.gauges))

    def changed(self, participant: Participant) -> None:
        """Somebody's devices are others."""
        if participant.person.microphone != "on":
            self.listening.mute(Content(participant.id, "camera"))
        if not participant.person.screen:
            self.listening.mute(Content(participant.id, "screen"))
        self.arrange()

    def leave(self, participant: Participant) -> None:
        """Somebody has left."""
        before = self.listening.message()
        self.listening.leave(participant.id)
        self.gauges.pop(participant.id, None)
        self.portions.pop(participant.id, None)
        self._waiting.pop(participant, None)
        self._tell_speaker(before)
        self.arrange()

    # --- who sits where -----------------------------------------------------------------------------

    def arrange(self) -> None:
        """Somebody came, went, spoke or shows something else: look at everybody's seats."""
        self._is_stale = True
        self._look_soon()

    def connection_changed(self, participant: Participant, way: Way) -> None:
        """Somebody sends or can be shown something else: look at the seats of those whom it concerns."""
        if way == "up":
            self._sending.add(participant.id)
        else:
            self._waiting[participant] = None
            self._has_newcomers.set()
        self._look_soon()

    def _look_soon(self) -> None:
        if len(self._people) <= ON_THE_SPOT:
            self.look_around(trio.current_time())
        else:
            self._wake.set()

    def contents_for(self, viewer: Participant) -> int:
        """How many people and screens one viewer could see."""
        self._refresh()
        return self._scene.count(viewer.id)

    def arrange_for(self, viewer: Participant) -> None:
        """Look now at the seats of one who looks at something else."""
        self._refresh()
        self._arrange_for(viewer, trio.current_time())

    async def seat(self) -> None:
        """Look once a tick at the seats of those for whom something may have changed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            self.look_around(trio.current_time())
            await trio.sleep(ARRANGE_EVERY)

    def look_around(self, now: float) -> None:
        """Look at those who wait for it, or at the first of them where there are many."""
        self._refresh()
        self._find_concerned()
        looks = 0
        while self._waiting and looks < LOOKS_AT_A_TIME:
            viewer = next(iter(self._waiting))
            del self._waiting[viewer]
            self._arrange_for(viewer, now)
            looks += 1
        if self._waiting:
            self._wake.set()

    def _refresh(self) -> None:
        """Make the scene anew if need be; where it is another one it concerns everybody, and so do other voices."""
        if not self._is_stale:
            return
        self._is_stale = False
        scene, heard = self._make_scene(), list(self.listening.loudest)
        if heard != self._heard or not scene.equals(self._scene):
            self._waiting |= dict.fromkeys(self._people.values())
        self._scene, self._heard = scene, heard

    def _find_concerned(self) -> None:
        """Who sends something else concerns those in whose seats they are."""
        if self._sending:
            for viewer in self._people.values():
                if viewer.seats is not None and viewer.seats.has_any(self._sending):
                    self._waiting[viewer] = None
            self._sending.clear()

    def _arrange_for(self, viewer: Participant, now: float) -> None:
        seats, scene = viewer.seats, self._scene
        if seats is None:
            return
        grown = seats.grow(scene.count(viewer.id), viewer.look.tiles)
        moved = seats.seat(choose(scene, viewer.look, viewer.id), scene.for_viewer(viewer.id))
        if seats.voices:
            moved |= seats.hear([content for content in self.listening.loudest if content.person != viewer.id])
        if seats.show(self._find, now) or moved or grown:
            viewer.tell(seats.message())
            if viewer.id in self.portions:
                self.portions[viewer.id].changed()
        if grown:
            viewer.offer_down()

    def _make_scene(self) -> Scene:
        people = (person.id for person in self._people.values() if person.is_shown)
        screens = (person.id for person in self._people.values() if person.person.screen)
        return Scene(people, screens, self.listening.speaker, self.listening.recent)

    def _find(self, person: str, source: signaling.Source) -> Track | None:
        participant = self._people.get(person)
        return participant.track(source) if participant is not None else None

    # --- who speaks ---------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Follow the voices until cancelled."""
        while True:
            await trio.sleep(LISTEN_EVERY)
            for participant in self._people.values():
                self._listen_to(participant)
            before = self.listening.message()
            if self.listening.decide(trio.current_time()):
                self._tell_speaker(before)
                self.arrange()

    def _tell_speaker(self, before: signaling.Speaker) -> None:
        message = self.listening.message()
        if message != before:
            self._tell(message)
        if message.person != before.person:
            self._note_speaker(before.person, message.person)

    def _listen_to(self, participant: Participant) -> None:
        for content in (Content(participant.id, "camera"), Content(participant.id, "screen")):
            track = participant.track(content.sound)
            if track is not None and track.on_level is None:
                track.on_level = partial(self.listening.hear, content)

    # --- what each connection carries ---------------------------------------------------------------

    async def portion(self) -> None:
        """Divide what everybody's connection carries among their seats, until cancelled."""
        while True:
            await trio.sleep(PORTION_EVERY)
            self._read_aside(trio.current_time())
            async for viewer in self._in_turn():
                if viewer.down is not None:
                    _guarded(viewer.down, viewer.down.tend, trio.current_time())
            offers: Offers = {}
            async for viewer in self._in_turn():
                self._portion_for(viewer, offers)

    async def get_to_know(self) -> None:
        """Look more often at connections that have just begun, until cancelled: what one carries is known soon."""
        while True:
            await self._has_newcomers.wait()
            self._has_newcomers = trio.Event()
            while newcomers := [viewer for viewer in self._people.values() if _is_new(viewer.down)]:
                await trio.sleep(GET_TO_KNOW_EVERY)
                self._read_aside(trio.current_time())
                for viewer in newcomers:
                    if viewer.down is not None:
                        _guarded(viewer.down, viewer.down.tend, trio.current_time())
                        self._portion_for(viewer, {})

    async def _in_turn(self) -> AsyncIterator[Participant]:
        """Everybody; where there are many, media have their turn in between."""
        for number, participant in enumerate(list(self._people.values()), 1):
            if participant.id in self._people:
                yield participant
            if number % LOOKS_AT_A_TIME == 0:
                await trio.lowlevel.checkpoint()

    def _portion_for(self, viewer: Participant, offers: Offers) -> None:
        if viewer.down is not None and viewer.seats is not None:
            _guarded(viewer.down, partial(self._divide, viewer, viewer.seats, offers), trio.current_time())

    def _divide(self, viewer: Participant, seats: Seats, offers: Offers, now: float) -> None:
        portions = self.portions.get(viewer.id)
        if portions is None or portions.seats is not seats:
            portions = self.portions[viewer.id] = Portions(seats, self.listening.loudness)
        news = portions.look(offers, now)
        if news is not None:
            viewer.tell(news)

    # --- how well the connections do ----------------------------------------------------------------

    async def gauge(self) -> None:
        """Look at the connections until cancelled, and tell whose bars have changed."""
        while True:
            await trio.sleep(GAUGE_EVERY)
            others = [participant.id for participant in self._people.values() if self._gauge_one(participant)]
            if others:
                self._tell(self._bars(others))

    def _gauge_one(self, participant: Participant) -> bool:
        gauge = self.gauges.setdefault(participant.id, Gauge())
        states = participant.seats.video.seats if participant.seats is not None else []
        return gauge.look(participant.up, participant.down, any(each.state == "paused" for each in states))

    def _bars(self, people: Iterable[str]) -> signaling.Quality:
        known = ((person, self.gauges[person].bars) for person in people)
        return signaling.Quality([signaling.PersonQuality(person, few) for person, few in known if few is not None])


def _is_new(down: Down | None) -> bool:
    return down is not None and down.connected and not down.capacity.is_known


def _guarded(down: Down, work: Callable[[float], None], now: float) -> None:
    """Do something for one viewer, by what that one told: a mistake of ours ends one connection, and not the room."""
    try:
        work(now)
    except Exception as error:
        down.fail(error)
