"""What one participant needs of the others: the room, seen from one of its people.

Stands beside `meeting/participant`, which is given one; `meeting/room` is it.
Leaves out: all that a room does by itself. Read next: `meeting/room.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from meetref.wire import signaling

if TYPE_CHECKING:
    from meetref.meeting.participant import Participant

Way = Literal["up", "down"]
"""The two connections of a participant."""


class Company(Protocol):
    """Is told of every change, and knows who else is there."""

    def changed(self, participant: Participant) -> None:
        """Somebody is new, or their devices changed: tell the others, and look who sits where."""

    def connection_changed(self, participant: Participant, way: Way) -> None:
        """What somebody sends or can be shown changed: look who sits where."""

    def contents_for(self, viewer: Participant) -> int:
        """How many people and screens one viewer could see."""

    def arrange_for(self, viewer: Participant) -> None:
        """One viewer looks at something else: look who sits where for them."""

    async def say(self, participant: Participant, message: signaling.SayChat) -> None: ...

    def caption(self, participant: Participant, message: signaling.WriteCaption) -> None:
        """Somebody writes down what is being said."""

    def admit(self, message: signaling.Admit) -> None:
        """Somebody in the room answers who would like to come in."""

    def record(self, participant: Participant, message: signaling.Record) -> None:
        """Somebody wants the room recorded, or not any more."""
