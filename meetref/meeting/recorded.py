"""Whether a room is being recorded: who may begin and end it, and that everybody knows, also afterwards.

The event log keeps who began and who ended each recording, the people are told by `recording`. The server makes one
recording at a time; it goes on when who began it leaves, and ends with the room.
Stands on `meeting/recording`, `meeting/ownrecordings` and the callables of `Archive`, which `app` hands in;
`meeting/room` has one.
Specification: docs/recording.md, spec/recorder.toml.
Leaves out: people without signaling (WHIP, WHEP): they are recorded like others, and who gives them the address has to
tell them. Read next: `meeting/recording.py`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import trio

from meetref.meeting.arranging import Arranging
from meetref.meeting.chat import Log
from meetref.meeting.ownrecordings import KIND, Deliveries, OwnRecordings, refuse
from meetref.meeting.participant import Participant
from meetref.meeting.recording import Event, Recorder, Recording
from meetref.wire import signaling

logger = logging.getLogger("meetref.meeting")

MOST_BEGUN, MOST_WITHIN = 30, 300.0
"""Recordings that may be asked for in a room within so many seconds: each is a folder, and work for a composer."""


@dataclass(slots=True, frozen=True)
class Archive:
    """Where recordings go. `open` begins one of a room and raises one of `errors`, a sentence for people.

    `deliveries` takes those that browsers make, and raises the same. `visit` makes a ticket for somebody in a room,
    which proves afterwards that they were there; without it nobody is shown a recording.
    """

    open: Callable[[str], AbstractAsyncContextManager[Recorder]]
    errors: tuple[type[Exception], ...]
    deliveries: Deliveries | None = None
    may_record: Callable[[signaling.Join], bool] = lambda join: True
    visit: Callable[[str, str], str] | None = None


class Recorded:
    """See the module. `tell` says something to everybody in `room`; without an archive nothing is recorded."""

    def __init__(
        self,
        room: str,
        people: Mapping[str, Participant],
        arranging: Arranging,
        tell: Callable[[signaling.ServerMessage], None],
        log: Log,
        log_errors: tuple[type[Exception], ...],
        archive: Archive | None,
        wall_offset: float,
    ) -> None:
        self.recording: Recording | None = None
        self._room = room
        self._people = people
        self._arranging = arranging
        self._tell = tell
        self._log = log
        self._log_errors = log_errors
        self._archive = archive
        self._wall_offset = wall_offset
        self._begins = False
        self._asked: deque[float] = deque(maxlen=MOST_BEGUN)
        deliveries, errors = (archive.deliveries, archive.errors) if archive is not None else (None, ())
        self._own = OwnRecordings(
            room, people, log, log_errors, deliveries, errors, lambda: tell(self.message()), wall_offset
        )

    def message(self, last: signaling.Recording | None = None) -> signaling.Recording:
        """What there is to know, beginning with what was said `last` of the server's own recording."""
        if last is None:
            last = self.recording.message() if self.recording is not None else signaling.Recording(on=False)
        last.others = self._own.all
        return last

    def welcome(self, participant: Participant, *, resumed: bool) -> None:
        """Tell somebody who comes, perhaps again."""
        self._own.meet(participant)
        if self.recording is not None or self._own.all or resumed:
            participant.tell(self.message())  # spec: recorder/everybody-knows

    def visit(self, participant: Participant) -> str | None:
        """The ticket of somebody who is in."""
        if self._archive is None or self._archive.visit is None:
            return None
        return self._archive.visit(self._room, participant.id)

    def left(self, participant: Participant) -> None:
        """Somebody is gone, and with them what they recorded for themselves."""
        self._own.end(participant)

    def note(self, event: Event, now: float) -> None:
        """Something happened, for the recording that runs."""
        if self.recording is not None:
            self.recording.note(event, now)

    def ask(self, participant: Participant, message: signaling.Record, nursery: trio.Nursery) -> None:
        """Somebody wants to record the room, or not any more. `nursery` is the room's."""
        if self._archive is None or not participant.may_record:  # spec: recorder/permission
            why = "does not record" if self._archive is None else "did not give you the right to record"
            refuse(participant, "recording-refused", f"This server {why}.")
        elif message.on and self._is_too_often(trio.current_time()):  # spec: recorder/begun-bounded
            refuse(participant, "recording-unavailable", "Recordings began too often in this room. Try again later.")
        elif message.way == "server":
            self._ask_server(participant, self._archive, message.on, nursery)
        elif not (self._own.begin(participant, message.way, nursery) if message.on else self._own.end(participant)):
            participant.tell(self.message())

    def _is_too_often(self, now: float) -> bool:
        if len(self._asked) == MOST_BEGUN and now - self._asked[0] < MOST_WITHIN:
            return True
        self._asked.append(now)
        return False

    def _ask_server(self, participant: Participant, archive: Archive, on: bool, nursery: trio.Nursery) -> None:
        if on and self.recording is None and not self._begins:
            self._begins = True
            nursery.start_soon(self._live, participant, archive, name="recording")
        elif not on and self.recording is not None:
            self.recording.finish()
            self._over(self.recording, participant)  # nothing is taken any more, though the disk has still to do
        elif not self._begins:
            participant.tell(self.message())

    async def _live(self, participant: Participant, archive: Archive) -> None:
        try:
            async with archive.open(self._room) as recorder:
                try:
                    recording = await self._begin(recorder, participant)
                finally:
                    self._begins = False
                if recording is not None:
                    await self._record(recording)
        except archive.errors as error:
            self._begins = False
            refuse(participant, "recording-unavailable", str(error))
        except Exception:  # a mistake of ours ends the recording, and not the meeting
            logger.exception("the recording of %s failed", self._room)

    async def _begin(self, recorder: Recorder, participant: Participant) -> Recording | None:
        since = self._wall_offset + trio.current_time()
        by, name = participant.id, participant.person.name
        recording = Recording(recorder, by, name, since, self._people, self._arranging, self._changed)
        try:
            await self._log.append(*self._word(recorder, "began", participant))  # spec: recorder/logged
        except self._log_errors as error:
            refuse(participant, "recording-unavailable", f"It cannot be said in the room's log: {error}.")
            return None
        self.recording = recording
        self._changed()  # spec: recorder/told-before
        return recording

    async def _record(self, recording: Recording) -> None:
        try:
            await recording.run()
        finally:
            if self.recording is recording:
                self._over(recording, None)
            # Not appended: what has ended it, a full disk, may keep the log from taking anything for a while, too.
            self._log.note(*self._word(recording.recorder, "ended", recording.ended_by, recording))

    def _over(self, recording: Recording, by: Participant | None) -> None:
        """Say that it is over, and who wanted it."""
        self.recording, recording.ended_by = None, by
        who = (by.id, by.person.name) if by is not None else (None, None)
        at = recording.recorder.name if self._archive is not None and self._archive.visit is not None else None
        over = signaling.Recording(on=False, by=who[0], name=who[1], trouble=recording.trouble, recording=at)
        self._tell(self.message(over))

    def _word(
        self, recorder: Recorder, what: str, by: Participant | None, over: Recording | None = None
    ) -> tuple[str, str, str, dict[str, object]]:
        """What the log is to keep of it: room, kind, key, body."""
        trouble = over.trouble if over is not None else None
        body: dict[str, object] = {"recording": recorder.name, "what": what, "way": "server", "trouble": trouble}
        if over is not None:
            body["people"] = list(over.witnesses)
        if by is not None:
            body |= {"person": by.id, "name": by.person.name}
        return self._room, KIND, f"{recorder.name}-{what}", body

    def _changed(self) -> None:
        if self.recording is not None:
            self._tell(self.message())
