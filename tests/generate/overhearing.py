"""Keeps what passes the signaling channels while a story is told: descriptions, and of some people who sees whom.

Stands beside `tests/generate/told.py`. Signaling is TCP and not in the captures. Read next: tests/generate/sessions.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
import trio

from meetref.app.channel import ClientChannel
from meetref.wire import signaling
from tests.generate.told import Told

DESCRIPTIONS = signaling.UpOffer | signaling.UpAnswer | signaling.DownOffer | signaling.DownAnswer
OTHERS = signaling.Look | signaling.Layers | signaling.Seats | signaling.Speaker | signaling.Video


class Ear:
    """Hears the channels of all clients of one story."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self._names: dict[ClientChannel, str] = {}

    def hear(self, channel: ClientChannel, message: object, way: str) -> None:
        """A message, just as the client sends or gets it; `way` is `to` or `from` the server."""
        match message:
            case signaling.Join(name=name):
                self._names[channel] = name
            case signaling.Joined(people=people):
                self.told.people |= {person.id: person.name for person in people}
            case signaling.PersonChanged(person=person):
                self.told.people[person.id] = person.name
        follows, client = self.told.follows, self._names[channel]
        at_ms = round(trio.current_time() * 1000)
        if isinstance(message, DESCRIPTIONS) and (follows is None or client in follows):
            kind = message.__struct_config__.tag
            self.told.descriptions.append(
                {"at_ms": at_ms, "client": client, "message": kind, "number": message.number, "sdp": message.sdp}
            )
        if client in self.told.listens and isinstance(message, OTHERS):
            kept = {"at_ms": at_ms, "client": client, "way": f"{way} the server"}
            self.told.messages.append(kept | {"message": msgspec.to_builtins(message)})
            who = f"{client} > server" if way == "to" else f"server > {client}"
            self.told.remark("signaling", who, said(message, self.told.people))


def said(message: Any, people: Mapping[str, str]) -> str:
    """A message in a few words; `people` are names by identity."""
    match message:
        case signaling.Look(layout=layout, tiles=tiles, large=large):
            size = f" of {large} lines" if large else ""
            return f"look: {layout}, {tiles} {'tile' if tiles == 1 else 'tiles'}{size}"
        case signaling.Layers(active=active):
            return f"layers: {' '.join(name or 'the only one' for name in active) or 'none'}"
        case signaling.Seats(seats=seats, large=large):
            taken = [f"{each.seat} {people[each.person]}" for each in seats if each.person is not None]
            return f"seats: {', '.join(taken) or 'empty'}" + ("" if large is None else f"; {large} is large")
        case signaling.Speaker(person=person):
            return f"speaker: {people[person] if person is not None else 'nobody'}"
        case signaling.Video(seats=shown):
            return "video: " + ", ".join(f"{each.seat} {each.layer or each.reason or each.state}" for each in shown)
    return type(message).__name__


@contextmanager
def overheard(told: Told) -> Iterator[None]:
    """Keep what passes the signaling channels of clients."""
    ear = Ear(told)
    send, receive = ClientChannel.send, ClientChannel.receive

    def heard_send(channel: ClientChannel, message: Any) -> Any:
        ear.hear(channel, message, "to")
        return send(channel, message)

    async def heard_receive(channel: ClientChannel) -> Any:
        message = await receive(channel)
        ear.hear(channel, message, "from")
        return message

    with patch.object(ClientChannel, "send", heard_send), patch.object(ClientChannel, "receive", heard_receive):
        yield
