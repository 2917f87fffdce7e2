"""A room with an audience: what is shown to it, that everybody in the room knows, and hands that the audience raises.

While the room is open its tracks are tapped as for a recording and go to a studio, which `app` hands in; one that dies
is followed by another. Whoever watches has no place in the room; who would like to speak raises a hand, and anybody in
the room may let them in.
Stands on `meeting/recording`; `meeting/room` has one where the server says so.
Specification: docs/webinar.md.
Leaves out: who watches, and how: that is `app/watch`, and caches in front of it.
Read next: `archive/broadcast.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import trio

from meetref.meeting.arranging import Arranging
from meetref.meeting.participant import Participant
from meetref.meeting.recording import Event, Recorder, Recording, Stream
from meetref.wire import signaling

logger = logging.getLogger("meetref.meeting")

MOST_HANDS: Final = 50
FORGOTTEN_AFTER: Final = 30.0  # seconds without a word of who raised it
AGAIN_AFTER: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds until the next studio, of one that died, two, ...
STEADY_AFTER: Final = 60.0  # seconds on the air after which no earlier studio counts
ANSWERED_FOR: Final = 60.0  # seconds that an answer can be asked for

Answer = Literal["waiting", "admitted", "declined"]


class Broadcast(Recorder, Protocol):
    """Where a room's tracks go; see `archive/broadcast.Broadcast`."""

    keyframe_wanted: Callable[[Stream], None]


@dataclass(slots=True, frozen=True)
class Stage:
    """What webinars are made with. `open` begins a show of a room, or goes on with it after a studio has died.

    It raises one of `errors`, a sentence for people. `over` ends the show. `has` tells which rooms have an audience.
    """

    open: Callable[[str], AbstractAsyncContextManager[Broadcast]]
    over: Callable[[str], None]
    errors: tuple[type[Exception], ...]
    has: Callable[[str], bool]


@dataclass(slots=True, eq=False)
class Hand:
    """Somebody in the audience who would like to speak. `seen_at` is when they said so last."""

    id: str
    name: str
    seen_at: float
    answer: Answer = "waiting"
    answered: trio.Event = field(default_factory=trio.Event)


class Webinar:
    """See the module. `tell` says something to everybody in the room."""

    def __init__(
        self,
        room: str,
        people: Mapping[str, Participant],
        arranging: Arranging,
        tell: Callable[[signaling.ServerMessage], None],
        stage: Stage,
        dice: Callable[[int], bytes],
    ) -> None:
        self._room = room
        self._people = people
        self._arranging = arranging
        self._tell = tell
        self._stage = stage
        self._dice = dice
        self._hands: dict[str, Hand] = {}
        self._recording: Recording | None = None

    async def run(self) -> None:
        """Be on the air until cancelled; a studio that dies is followed by another, but not too often."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._forget, name="hands")
                deaths = 0
                while True:
                    began = trio.current_time()
                    await self._try_show()
                    deaths = deaths + 1 if trio.current_time() - began < STEADY_AFTER else 1
                    await trio.sleep(AGAIN_AFTER[min(deaths, len(AGAIN_AFTER)) - 1])
        finally:
            self._stage.over(self._room)

    async def _try_show(self) -> None:
        try:
            await self._show()
        except self._stage.errors as error:
            logger.warning("the webinar %s is not on the air: %s", self._room, error)
        except Exception:  # a mistake of ours interrupts a show, and not the meeting
            logger.exception("the show of %s failed", self._room)

    async def _show(self) -> None:
        async with self._stage.open(self._room) as broadcast:
            recording = Recording(broadcast, "", "", 0.0, self._people, self._arranging, lambda: None)
            broadcast.keyframe_wanted = recording.want_keyframe
            self._recording = recording
            await recording.run()

    def note(self, event: Event, now: float) -> None:
        """Something happened, for the show that is on the air; before the first, or between two, for nobody."""
        if self._recording is not None:
            self._recording.note(event, now)

    def welcome(self, participant: Participant) -> None:
        """Tell somebody who comes that there is an audience, and whose hands are up."""
        participant.tell(self.message())

    def message(self) -> signaling.Audience:
        """What everybody is told."""
        return signaling.Audience({hand.id: hand.name for hand in self._hands.values() if hand.answer == "waiting"})

    # --- the audience -----------------------------------------------------------------------------------

    def raise_hand(self, name: str, now: float) -> Hand | None:
        """Somebody would like to speak; None where too many do."""
        if len(self._hands) >= MOST_HANDS:
            return None
        hand = Hand(self._dice(16).hex(), name, now)
        self._hands[hand.id] = hand
        self._tell(self.message())
        return hand

    def hand(self, identity: str, now: float) -> Hand | None:
        """A hand, whose owner is still there."""
        hand = self._hands.get(identity)
        if hand is not None and hand.answer == "waiting":
            hand.seen_at = now
        return hand

    def lower(self, identity: str) -> None:
        """Whoever raised it does not want to speak any more."""
        if self._hands.pop(identity, None) is not None:
            self._tell(self.message())

    def admit(self, message: signaling.Admit, now: float) -> None:
        """Somebody in the room lets who raised a hand in, or not."""
        hand = self._hands.get(message.hand)
        if hand is None or hand.answer != "waiting":
            return  # somebody else was faster
        hand.answer, hand.seen_at = ("admitted" if message.yes else "declined"), now
        hand.answered.set()
        self._tell(self.message())

    async def _forget(self) -> None:
        """Hands of those who went away sink."""
        while True:
            await trio.sleep(1.0)
            self.forget(trio.current_time())

    def forget(self, now: float) -> None:
        """Let hands sink of which nobody has asked for a while, and answers that were not fetched."""
        for identity, hand in list(self._hands.items()):
            if now - hand.seen_at > (FORGOTTEN_AFTER if hand.answer == "waiting" else ANSWERED_FOR):
                self.lower(identity)
