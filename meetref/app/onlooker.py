"""A participant that records what it sees and hears: the packets of its slots, into the journals of `archive/recorder`.

What the server would send to any viewer is written down, a stream for each person and each time they sit somewhere,
and who came, went, muted and spoke. So the folder is read by whoever reads the server's own recordings.
Stands on `app/client`, whose `Witness` it is, `app/sittings` (whose a packet is) and `app/recordings`; `app/bot` runs
it.
Specification: docs/ways.md, spec/recorder.toml.
Leaves out: who looks at what, which nobody tells a viewer. Read next: `app/sittings.py`, `meeting/recording.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from meetref.app.client import Client
from meetref.app.recordings import open_recording
from meetref.app.sittings import Occupant, Sittings, Stream
from meetref.archive.recorder import CannotRecord, Recorder
from meetref.media.sequence import Unwrapper
from meetref.meeting.recording import described
from meetref.protocol.negotiation import ReceivedTrack
from meetref.wire import rtcp, rtp, signaling
from meetref.wire.reader import Malformed

logger = logging.getLogger("meetref.client")

NAME = "Recorder"
TEND_EVERY = 0.2  # seconds
WINDOW = 2048  # packets among which one that comes again is known

Event = dict[str, Any]


class _Once:
    """The numbers of packets that came: what is repeated to fill a line comes twice."""

    def __init__(self) -> None:
        self._unwrapper = Unwrapper()
        self._seen: set[int] = set()

    def is_new(self, sequence: int) -> bool:
        index = self._unwrapper.unwrap(sequence)
        oldest = (self._unwrapper.highest or 0) - WINDOW
        if index in self._seen or index < oldest:
            return False
        self._seen.add(index)
        if len(self._seen) > 2 * WINDOW:
            self._seen = {each for each in self._seen if each >= oldest}
        return True


class _Slot:
    """One slot of *down*."""

    def __init__(self, mid: str, track: ReceivedTrack, sittings: Sittings) -> None:
        self.mid = mid
        self.track = track
        self.sittings = sittings
        self._once = _Once()

    def take(self, plain: bytes, now: float) -> None:
        """A packet as it came; one that was lost and is repeated is put back in shape."""
        ssrc = self.track.ssrc
        if ssrc is None:
            return
        try:
            if int.from_bytes(plain[8:12]) != ssrc:
                repaired = self.track.rtx.get(plain[1] & 0x7F)
                if repaired is None:
                    return
                plain = rtp.original(plain, repaired, ssrc)
        except Malformed:
            return  # nothing but padding, to fill a line
        if self._once.is_new(int.from_bytes(plain[2:4])):  # spec: recorder/bot-once
            self.sittings.take(plain, int.from_bytes(plain[4:8]), now)

    def report(self, report: rtcp.SenderReport, now: float) -> None:
        octets = rtcp.serialize([report, rtcp.named(report.ssrc, self.track.cname or "seat")])
        self.sittings.take(octets, report.rtp_timestamp, now)


class Onlooker:
    """The `Witness` of a client, writing with a recorder. What `run` does not give away `finish` does."""

    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._slots: dict[str, _Slot] = {}
        self._known: dict[str, Event] = {}
        self._count = 0
        me = client.identity.participant if client.identity is not None else ""
        now = trio.current_time()
        recorder.note({"event": "started", "person": me, "name": NAME}, now)
        self._me = me
        self._note_people(now)
        self._seat(now)
        self._began_at = now
        # What came before the recording is not in it.
        self._awaited = [each for each in client.receivers.values() if each.kind == "video" and each.packets]
        self._ask(now)

    @property
    def strays(self) -> int:
        """Packets that were nobody's."""
        return sum(slot.sittings.strays for slot in self._slots.values())

    async def run(self) -> None:
        """Give to their streams what has waited long enough, until cancelled."""
        while True:
            await trio.sleep(TEND_EVERY)
            self._ask(trio.current_time())
            for slot in self._slots.values():
                slot.sittings.tend(trio.current_time())

    def finish(self) -> None:
        for slot in self._slots.values():
            slot.sittings.finish()

    def _ask(self, now: float) -> None:
        """Ask for keyframes, and once more for those that did not come: a request may be lost."""
        self._awaited = [each for each in self._awaited if each.keyframe_at < self._began_at]
        for receiver in self._awaited:
            receiver.ask_keyframe(now)  # spec: recorder/bot-from-keyframe

    # --- Witness --------------------------------------------------------------------------------------

    def media(self, mid: str, plain: bytes, now: float) -> None:
        slot = self._slot(mid)
        if slot is not None:
            slot.take(plain, now)

    def report(self, mid: str, report: rtcp.SenderReport, now: float) -> None:
        slot = self._slot(mid)
        if slot is not None:
            slot.report(report, now)

    def news(self, message: signaling.ServerMessage, now: float) -> None:
        match message:
            case signaling.Seats():
                self._seat(now)
            case signaling.PersonChanged() | signaling.PersonLeft():
                self._note_people(now)
            case signaling.Speaker(person=person):
                self._recorder.note({"event": "speaker", "person": person}, now)
            case signaling.Caption(by=by, text=text, person=person, name=name):
                self._recorder.note({"event": "caption", "by": by, "person": person, "name": name, "text": text}, now)

    # --- who sits where -------------------------------------------------------------------------------

    def _slot(self, mid: str) -> _Slot | None:
        track = self._client.tracks.get(mid)
        if mid not in self._slots and track is not None:
            self._slots[mid] = _Slot(mid, track, Sittings(partial(self._open_stream, mid, track)))
        return self._slots.get(mid)

    def _seat(self, now: float) -> None:
        """Take the seats as they are now; a slot that no seat names is empty."""
        sitting: dict[str, tuple[Occupant, int | None]] = {}
        for seat in self._client.seats:
            if seat.person is None:
                continue
            sound = "screen-sound" if seat.source == "screen" else "microphone"
            person = self._client.people.get(seat.person)
            name = person.name if person is not None else ""
            if seat.audio is not None:
                sitting[seat.audio] = Occupant(seat.person, name, sound), seat.audio_from
            if seat.video is not None:
                sitting[seat.video] = Occupant(seat.person, name, seat.source), seat.video_from
        for mid in sitting.keys() | self._slots.keys():
            slot = self._slot(mid)
            if slot is not None:
                occupant, since = sitting.get(mid, (None, None))
                slot.sittings.seat(occupant, since, now)

    def _open_stream(self, mid: str, track: ReceivedTrack, occupant: Occupant) -> Stream | None:
        self._count += 1
        about = {
            "person": occupant.person,
            "name": occupant.name,
            "source": occupant.source,
            "mid": mid,
            **described(track),
        }
        return self._recorder.open_stream(f"{occupant.person}-{occupant.source}-{self._count}", about)

    # --- what is noted --------------------------------------------------------------------------------

    def _note_people(self, now: float) -> None:
        """Note who came, went, or has another device on; the recorder itself is nobody."""
        present = {person.id: _devices(person) for person in self._client.people.values() if person.id != self._me}
        for person in self._known.keys() - present.keys():
            self._recorder.note({"event": "left", "person": person}, now)
        for person, devices in present.items():
            about = self._client.people[person]
            if person not in self._known:
                joined = {"event": "joined", "person": person, "name": about.name, "bot": about.bot, "devices": devices}
                self._recorder.note(joined, now)
            elif devices != self._known[person]:
                self._recorder.note({"event": "devices", "person": person, **devices}, now)
        self._known = present


def _devices(person: signaling.Person) -> Event:
    return {"microphone": person.microphone, "camera": person.camera, "screen": person.screen}


async def look_on(
    client: Client, room: str, folder: Path, *, tell: Callable[[str], object], inline: bool = False
) -> None:
    """Record what a client in `room` sees until it is closed or this is cancelled; `tell` is told where, in a line.

    Raises `CannotRecord` when the server does not agree, or when the disk takes no more.
    """
    await _announce(client)
    opening = open_recording(client.network, folder, room, inline=inline, way="bot")
    async with opening as recorder, trio.open_nursery() as nursery:
        client.witness = onlooker = Onlooker(client, recorder)
        tell(f"{NAME} records into {folder / recorder.name}")

        async def write() -> None:
            await recorder.run(lambda: logger.warning("the recording: %s", recorder.trouble))
            nursery.cancel_scope.cancel()

        nursery.start_soon(onlooker.run, name="sittings")
        nursery.start_soon(write, name="recording")
        try:
            await client.closed.wait()
        finally:
            client.witness, failed = None, recorder.is_over
            onlooker.finish()
        nursery.cancel_scope.cancel()
    if failed and recorder.trouble is not None:
        raise CannotRecord(recorder.trouble)


async def _announce(client: Client) -> None:
    """Have everybody told, and wait until they are."""
    me = client.identity.participant if client.identity is not None else ""
    refused = len(client.errors)
    client.say(signaling.Record(on=True, way="bot"))

    def is_settled() -> bool:
        return any(own.by == me for own in client.recording.others) or len(client.errors) > refused

    await client.until(is_settled)  # spec: recorder/own-told-before
    if not any(own.by == me for own in client.recording.others):
        errors = client.errors[refused:]
        raise CannotRecord(errors[0].message if errors else "The server closed the connection.")
