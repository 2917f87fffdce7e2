"""What a server knows of its rooms now, as plain JSON: who is there, what comes of them and what goes to them, and why.

    GET /api/rooms            the rooms            GET /api/rooms/NAME       one of them, person by person

It reads what rooms, connections and slots keep for themselves anyway, and keeps nothing but the counts of the last
look, to make rates of them. What is not known is null. The page shows it as "X-ray" (`app/page/xray.js`).
Stands above `meeting`; `app/server` hands it to `app/http`, which answers it on this machine or to the admin token.
Specification: none; docs/xray.md says what each field means. Leaves out: history; whoever looks keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import trio

from meetref.app.rates import Rates
from meetref.meeting.capacity import Capacity
from meetref.meeting.down import Down
from meetref.meeting.forwarder import Slot
from meetref.meeting.participant import Participant
from meetref.meeting.room import Room
from meetref.meeting.seating import Content
from meetref.meeting.seats import Seats
from meetref.meeting.track import Encoding, Track
from meetref.meeting.up import Stream, Up
from meetref.meeting.viewing import Viewing
from meetref.protocol.peer import Peer
from meetref.wire.address import StreamAddress

OCTET = 8  # bits


class XRay:
    """Looks into the rooms of a server. `wall_clock` gives seconds since 1970."""

    def __init__(self, rooms: Mapping[str, Room], wall_clock: Callable[[], float]) -> None:
        self._rooms = rooms
        self._wall_clock = wall_clock
        self._rates = Rates()

    def look(self, name: str | None) -> dict[str, Any] | None:
        """The room of that name, or None where there is none; without a name all rooms in short."""
        if name is None:
            return {"at": self._wall_clock(), "rooms": [_in_short(room) for room in self._rooms.values()]}
        room = self._rooms.get(name)
        if room is None:
            return None
        now = trio.current_time()
        return {
            "at": self._wall_clock(),
            "room": room.name,
            "speaker": room.arranging.listening.speaker,
            "recent": room.arranging.listening.recent,
            "people": [self._person(room, participant, now) for participant in room.people.values()],
        }

    def _person(self, room: Room, participant: Participant, now: float) -> dict[str, Any]:
        person, gauge = participant.person, room.arranging.gauges.get(participant.id)
        return {
            "id": person.id,
            "name": person.name,
            "bot": person.bot,
            "microphone": person.microphone,
            "camera": person.camera,
            "screen": person.screen,
            "bars": gauge.bars if gauge is not None else None,
            "loudness": round(room.arranging.listening.loudness(Content(person.id, "camera"))),
            "up": self._up(participant.up, now) if participant.up is not None else None,
            "down": self._down(room, participant, participant.down, now) if participant.down is not None else None,
        }

    # --- what comes of somebody ---------------------------------------------------------------------

    def _up(self, up: Up, now: float) -> dict[str, Any]:
        streams = {stream.encoding: stream for stream in up.streams.values()}
        sources = [self._source(up.owner, mid, track, streams, now) for mid, track in up.tracks.items()]
        return {**_connection(up.peer), "ignored": up.ignored.total(), "sources": sources}

    def _source(
        self, owner: str, mid: str, track: Track, streams: Mapping[Encoding, Stream], now: float
    ) -> dict[str, Any]:
        active = track.active
        encodings = [
            {**self._encoding(owner, mid, each, streams.get(each), now), "active": each.rid in active}
            for each in track.encodings
        ]
        return {
            "mid": mid,
            "source": track.source,
            "kind": track.kind,
            "seats": len(_seats(track.slots)),
            "encodings": encodings,
        }

    def _encoding(self, owner: str, mid: str, encoding: Encoding, stream: Stream | None, now: float) -> dict[str, Any]:
        width, height = encoding.size or (None, None)
        layers = [{"bitrate_bps": rate.bitrate_bps, "frame_rate": rate.frame_rate} for rate in encoding.rates(now)]
        reception = stream.reception if stream is not None else None
        name = (owner, mid, encoding.rid, encoding.ssrc)
        loss = self._rates.share(name, reception.lost, reception.expected, now) if reception is not None else None
        if layers:
            bitrate: float | None = layers[-1]["bitrate_bps"]
        else:  # of sound it is counted what its first listener gets
            first = next(iter(_seats(encoding.slots)), None)
            bitrate = self._bitrate((*name, id(first)), first, now) if first is not None else None
        return {
            "rid": encoding.rid,
            "ssrc": encoding.ssrc,
            "living": encoding.activity.living or (reception is not None and encoding.track.kind == "audio"),
            "width": width,
            "height": height,
            "frame_rate": layers[-1]["frame_rate"] if layers else None,
            "bitrate_bps": bitrate,
            "layers": layers,
            "packets": reception.received if reception is not None else 0,
            "lost": reception.lost if reception is not None else 0,
            "loss": loss,
            "jitter": reception.jitter if reception is not None else None,
            "recovered": stream.losses.recovered if stream is not None else 0,
            "mended": stream.recovered if stream is not None else 0,
            "seats": len(_seats(encoding.slots)),
            "waiting": len(_seats(encoding.waiting)),
        }

    # --- what goes to somebody ----------------------------------------------------------------------

    def _down(self, room: Room, participant: Participant, down: Down, now: float) -> dict[str, Any]:
        octets = sum(slot.rewriter.octets for slot in down.slots.values())
        bitrate = self._rates.rate((participant.id, "down"), octets, now)
        look, seats = participant.look, participant.seats
        return {
            **_connection(down.peer),
            "ignored": down.ignored.total(),
            "bitrate_bps": bitrate and bitrate * OCTET,
            "loss": down.capacity.estimator.loss if down.capacity.feedbacks else None,
            "estimate": _estimate(down.capacity) if down.capacity.feedbacks else None,
            "protection": down.fec.protection.reason if any(slot.fec for slot in down.slots.values()) else None,
            "pacer": {"queue_bytes": down.pacer.octets} if down.pacer.rate_bps < math.inf else None,
            "layout": look.layout,
            "tiles": look.tiles,
            "pinned": [{"person": pin.person, "source": pin.source} for pin in look.pinned],
            "page": seats.seating.page if seats is not None else 0,
            "pages": seats.seating.pages if seats is not None else 1,
            "seats": self._seats(room, participant.id, seats, now) if seats is not None else [],
        }

    def _seats(self, room: Room, viewer: str, seats: Seats, now: float) -> list[dict[str, Any]]:
        """One entry for each seat where somebody is seen or heard, and in a large room for each voice."""
        portions = room.arranging.portions.get(viewer)
        reasons = {name: choice.explanation for name, choice in portions.choices.items()} if portions else {}
        slots = {mid: self._slot(viewer, slot, reasons.get(mid), now) for mid, slot in seats.down.slots.items()}
        found = [
            _seat(seats, index, content, slots[f"v{index}"], None if seats.voices else slots.get(f"a{index}"))
            for index, content in enumerate(seats.contents)
            if content is not None
        ]
        voices = [
            _seat(seats, len(seats.contents) + index, content, None, slots.get(f"a{index}"))
            for index, content in enumerate(seats.voices)
            if content is not None
        ]
        return found + voices

    def _slot(self, viewer: str, slot: Slot, reason: str | None, now: float) -> dict[str, Any]:
        selection, awaited = slot.selection, slot.selection.awaited
        return {
            "mid": slot.mid,
            "layer": _layer(selection.shown, slot.size),
            "awaited": _layer(awaited, None if awaited is None else awaited.size),
            "why": _why(slot, reason),
            "bitrate_bps": self._bitrate((viewer, slot.mid), slot, now),
            "packets": slot.rewriter.packets,
            "row": slot.row if slot.shield is not None else 0,
        }

    def _bitrate(self, name: tuple[object, ...], slot: Slot, now: float) -> float | None:
        rate = self._rates.rate(name, slot.rewriter.octets, now)
        return rate and rate * OCTET


def _in_short(room: Room) -> dict[str, Any]:
    return {"room": room.name, "people": len(room.people), "speaker": room.arranging.listening.speaker}


def _seats(viewers: Iterable[Viewing]) -> list[Slot]:
    """Those that people look through; the tap of a recording is none."""
    return [each for each in viewers if isinstance(each, Slot)]


def _connection(peer: Peer) -> dict[str, Any]:
    """What both directions have: the path and how long it takes there and back, in seconds."""
    remote = peer.path[1] if peer.path is not None else None
    return {
        "state": peer.state,
        "path": None if remote is None else "tcp" if isinstance(remote, StreamAddress) else "udp",
        "round_trip_time": peer.round_trip_time,
    }


def _layer(encoding: Encoding | None, size: tuple[int, int] | None) -> str | None:
    """An encoding in words, shown in some size."""
    if encoding is None:
        return None
    return " ".join(filter(None, (encoding.rid, f"{size[1]}p" if size is not None else ""))) or "single"


def _why(slot: Slot, reason: str | None) -> str:
    """Why it is this layer, in a few words; `reason` is the allocation's."""
    if slot.track is None:
        return "nothing is sent"
    awaited, thinning = slot.selection.awaited, slot.rewriter.thinning
    if awaited is not None:
        return f"waiting for a keyframe of {_layer(awaited, awaited.size)}"
    if thinning is not None and thinning.waits:
        return "waiting for a keyframe to be larger"
    return reason or "as it comes"


def _seat(
    seats: Seats, seat: int, content: Content, video: dict[str, Any] | None, audio: dict[str, Any] | None
) -> dict[str, Any]:
    sight = seats.sights[seat] if seat < len(seats.sights) else None
    state = next((each for each in seats.video.seats if each.seat == seat), None)
    return {
        "seat": seat,
        "person": content.person,
        "source": content.source,
        "rank": sight.rank if sight is not None else None,
        "tile_height": sight.height or None if sight is not None else None,
        "state": state.state if state is not None else "playing",
        "reason": state.reason if state is not None else None,
        "video": video if sight is not None else None,
        "audio": audio,
    }


def _estimate(capacity: Capacity) -> dict[str, Any]:
    """What the way to a viewer is taken to carry, and what keeps it from being more."""
    estimator = capacity.estimator
    return {
        "target_bps": round(estimator.target_bps),
        "state": estimator.state,
        "acknowledged_bps": estimator.acknowledged_bps,
        "loss_limited": estimator.loss_limited,
        "application_limited": estimator.application_limited,
    }
