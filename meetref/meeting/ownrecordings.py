"""Who records a meeting for themselves, in their browser or as a bot: everybody knows before it begins.

The server can neither see nor stop what others do with what they are sent; it keeps their word in the event log, and
then tells the people. Who asked may begin once they stand there. It ends when they say so, or leave.
Stands beside `meeting/recording`, the server's own; `meeting/recorded` has one, and tells of both.
Specification: docs/ways.md, spec/recorder.toml.
Leaves out: who does not ask. A program that records and says nothing breaks its word, and no server notices.
Read next: `meeting/recorded.py`, `app/onlooker.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import trio

from meetref.meeting.chat import Log
from meetref.meeting.participant import Participant
from meetref.meeting.recording import MAXIMUM_WITNESSES
from meetref.wire import signaling

KIND = "recording"
OwnWay = Literal["browser", "bot"]


class NoDeliveries(Exception):
    """The server takes no recordings from browsers."""


class Delivery(Protocol):
    """Where the recording of somebody's browser goes; see `app/uploads`."""

    people: set[str]
    """Everybody who was there meanwhile."""

    @property
    def told(self) -> signaling.Upload: ...


class Deliveries(Protocol):
    """Takes recordings from browsers. `open` raises what the archive raises, with a sentence for people."""

    async def open(self, room: str, person: signaling.Person) -> Delivery: ...
    async def discard(self, delivery: Any) -> None:
        """Nothing comes of it."""


@dataclass(slots=True, eq=False)
class _Own:
    """Somebody's own recording; `told` is what the others know of it, None until the log has it."""

    way: OwnWay
    key: str
    delivery: Delivery | None = None
    told: signaling.OwnRecording | None = None


class OwnRecordings:
    """Of one room. `changed` is called whenever `all` is another one.

    `deliveries` takes what browsers record; `errors` are what it raises, `log_errors` those of the log.
    """

    def __init__(
        self,
        room: str,
        people: Mapping[str, Participant],
        log: Log,
        log_errors: tuple[type[Exception], ...],
        deliveries: Deliveries | None,
        errors: tuple[type[Exception], ...],
        changed: Callable[[], None],
        wall_offset: float,
    ) -> None:
        self._room = room
        self._people = people
        self._log = log
        self._log_errors = log_errors
        self._deliveries = deliveries
        self._errors: tuple[type[Exception], ...] = (*errors, NoDeliveries)
        self._changed = changed
        self._wall_offset = wall_offset
        self._own: dict[str, _Own] = {}
        self._count = 0

    @property
    def all(self) -> tuple[signaling.OwnRecording, ...]:
        """Those that everybody knows of."""
        return tuple(own.told for own in self._own.values() if own.told is not None)

    def meet(self, participant: Participant) -> None:
        """Somebody came in: they may see what is recorded from now on."""
        for own in self._own.values():
            if own.delivery is not None and len(own.delivery.people) < MAXIMUM_WITNESSES:
                own.delivery.people.add(participant.id)

    def begin(self, participant: Participant, way: OwnWay, nursery: trio.Nursery) -> bool:
        """Somebody wants to record. False when they do already."""
        if participant.id in self._own:
            return False
        if len(self._own) >= signaling.MAXIMUM_OWN_RECORDINGS:  # spec: recorder/own-bounded
            most = signaling.MAXIMUM_OWN_RECORDINGS
            refuse(participant, "recording-unavailable", f"{most} people record here already; more cannot.")
            return True
        self._count += 1
        own = self._own[participant.id] = _Own(way, f"{participant.id}-{self._count}")
        nursery.start_soon(self._begin, participant, own, name=f"recording of {participant.person.name}")
        return True

    def end(self, participant: Participant) -> bool:
        """They do not record any more. False when they did not."""
        own = self._own.pop(participant.id, None)
        if own is not None and own.told is not None:
            self._log.note(self._room, KIND, f"{own.key}-ended", self._body("ended", participant, own))
            self._changed()  # spec: recorder/own-ends
        return own is not None

    async def _begin(self, participant: Participant, own: _Own) -> None:
        trouble = await self._prepare(participant, own)
        if trouble is not None:
            if self._own.get(participant.id) is own:
                del self._own[participant.id]
            refuse(participant, "recording-unavailable", trouble)
        elif self._own.get(participant.id) is not own:  # they thought better of it, or left
            self._log.note(self._room, KIND, f"{own.key}-ended", self._body("ended", participant, own))
            await self._discard(own)
        else:
            since = self._wall_offset + trio.current_time()
            name = participant.person.name
            own.told = signaling.OwnRecording(by=participant.id, name=name, way=own.way, since=since)
            if own.delivery is not None:
                own.delivery.people |= self._people.keys()
                participant.tell(own.delivery.told)
            self._changed()  # spec: recorder/own-told-before

    async def _prepare(self, participant: Participant, own: _Own) -> str | None:
        """Have the log keep that it begins, and a place for what a browser sends; the sentence why not."""
        try:
            if own.way == "browser":
                own.delivery = await self._open(participant)
            body = self._body("began", participant, own)
            await self._log.append(self._room, KIND, f"{own.key}-began", body)  # spec: recorder/logged
        except self._errors as error:
            return str(error)
        except self._log_errors as error:
            await self._discard(own)
            return f"It cannot be said in the room's log: {error}."
        return None

    async def _open(self, participant: Participant) -> Delivery:
        if self._deliveries is None:
            raise NoDeliveries("This server takes no recordings from browsers.")
        return await self._deliveries.open(self._room, participant.person)

    async def _discard(self, own: _Own) -> None:
        if own.delivery is not None and self._deliveries is not None:
            await self._deliveries.discard(own.delivery)

    def _body(self, what: str, participant: Participant, own: _Own) -> dict[str, object]:
        """`recording` is its name on this server, where there is one; it ends there when all of it has come."""
        name = own.delivery.told.recording if own.delivery is not None and what == "began" else None
        about = {"person": participant.id, "name": participant.person.name}
        return {"recording": name, "what": what, "way": own.way, **about}


def refuse(
    participant: Participant, code: Literal["recording-refused", "recording-unavailable"], sentence: str
) -> None:
    """Tell somebody that they cannot record, and why."""
    participant.tell(signaling.Error(code=code, message=sentence, about="record"))
