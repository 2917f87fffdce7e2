"""The recording of one room: which tracks are taken, and what is noted beside them.

While it runs, a task looks ten times a second at who is there: it taps new tracks, lets go of those that are gone, and
notes in the manifest who joined, left, muted, shared, spoke, and looked at what.
Stands on `meeting/tap` and on a `Recorder` that `app` hands in: `archive/recorder` for a recording, which
`meeting/recorded` has begun, `archive/broadcast` for the show of a `meeting/webinar`.
Specification: docs/recording.md, spec/recorder.toml.
Leaves out: who may, and that everybody knows before the first packet is taken: `meeting/recorded`. Where it all goes:
the archive. Read next: `archive/recorder.py`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import trio

from meetref.meeting.arranging import Arranging
from meetref.meeting.participant import Participant
from meetref.meeting.tap import Tap
from meetref.meeting.track import Track
from meetref.protocol.negotiation import RED, ReceivedTrack
from meetref.wire import signaling

logger = logging.getLogger("meetref.meeting")

LOOK_EVERY = 0.1  # seconds
MAXIMUM_STREAMS = 500  # of one person: who goes from one codec to the other and back makes files with it
MAXIMUM_WITNESSES = 10_000  # people of whom it is remembered that they were there
FAILED = "The recording failed by a mistake of the server's: it has ended."

Event = dict[str, Any]


class Stream(Protocol):
    """A place for the packets of one track."""

    def take(self, packet: bytes, now: float) -> None: ...
    def close(self) -> None: ...


class Recorder(Protocol):
    """Where a recording goes; see `archive/recorder.Recorder`."""

    @property
    def name(self) -> str: ...
    @property
    def trouble(self) -> str | None: ...
    @property
    def is_over(self) -> bool: ...
    def open_stream(self, name: str, about: Event) -> Stream | None: ...
    def note(self, event: Event, now: float) -> None: ...
    def finish(self) -> None: ...
    async def run(self, changed: Callable[[], None]) -> None: ...


@dataclass(slots=True)
class _Tapped:
    """A track that is recorded."""

    track: Track
    tap: Tap
    stream: Stream


class Recording:
    """One recording, from `run` to its end. `changed` is called whenever `message` says something else.

    `by` and `name` are who wanted it, the id and the name.
    """

    def __init__(
        self,
        recorder: Recorder,
        by: str,
        name: str,
        since: float,
        people: Mapping[str, Participant],
        arranging: Arranging,
        changed: Callable[[], None],
    ) -> None:
        self.recorder = recorder
        self.by = by
        self.name = name
        self.since = since
        self.ended_by: Participant | None = None
        self.witnesses: dict[str, None] = {}
        """Everybody who was there, in the order in which they came."""
        self._people = people
        self._arranging = arranging
        self._changed = changed
        self._tapped: dict[tuple[str, str], _Tapped] = {}
        self._known: dict[str, dict[str, Any]] = {}
        self._speaker: str | None = None
        self._count = 1
        self._streams: Counter[str] = Counter()
        self._failure: str | None = None
        self._is_over = False

    def message(self) -> signaling.Recording:
        """What everybody is told."""
        return signaling.Recording(on=True, by=self.by, name=self.name, since=self.since, trouble=self.trouble)

    @property
    def trouble(self) -> str | None:
        """Why it is over, or what is wrong."""
        return self._failure or self.recorder.trouble

    async def run(self) -> None:
        """Record until the recorder ends, or until cancelled."""
        self.recorder.note({"event": "started", "person": self.by, "name": self.name}, trio.current_time())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_on, name="looks")
            try:
                await self.recorder.run(self._changed)
            finally:
                self._let_go(trio.current_time())
                nursery.cancel_scope.cancel()

    def note(self, event: Event, now: float) -> None:
        """Something happened that cannot be seen by looking."""
        self.recorder.note(event, now)

    def finish(self) -> None:
        """End it: from now on nothing is taken."""
        self._is_over = True
        self._let_go(trio.current_time())
        self.recorder.finish()

    def _let_go(self, now: float) -> None:
        for key in list(self._tapped):
            self._untap(key, now)

    # --- what is recorded -----------------------------------------------------------------------------

    async def _look_on(self) -> None:
        while not self.recorder.is_over and not self._is_over:
            self.look(trio.current_time())
            await trio.sleep(LOOK_EVERY)

    def look(self, now: float) -> None:
        """See who is there and what they send."""
        self._note_people(now)
        self._note_speaker(now)
        tracks = {
            (participant.id, mid): (participant, track)
            for participant in self._people.values()
            if participant.up is not None and participant.up.connected
            for mid, track in participant.up.tracks.items()
        }
        for key, tapped in list(self._tapped.items()):
            if key not in tracks or tracks[key][1] is not tapped.track:
                self._untap(key, now)
        for key, (participant, track) in tracks.items():
            if key not in self._tapped:
                self._tap(key, participant, track, now)

    def _tap(self, key: tuple[str, str], participant: Participant, track: Track, now: float) -> None:
        assert participant.up is not None
        if self._streams[participant.id] >= MAXIMUM_STREAMS:  # spec: recorder/bounded-streams
            return
        about = {
            "person": participant.id,
            "name": participant.person.name,
            "source": track.source,
            "mid": key[1],
            **described(participant.up.described(key[1])),
        }
        # The client's own name for the track, its mid, is no good for a file's.
        stream = self.recorder.open_stream(f"{participant.id}-{track.source}-{self._count}", about)
        if stream is not None:
            self._count += 1
            self._streams[participant.id] += 1
            self._tapped[key] = _Tapped(track, Tap(track, stream.take, partial(self._fail, key), now), stream)

    def want_keyframe(self, stream: Stream) -> None:
        """Who reads a stream cannot go on without one."""
        for tapped in self._tapped.values():
            if tapped.stream is stream:
                tapped.tap.want_keyframe(trio.current_time())

    def _untap(self, key: tuple[str, str], now: float) -> None:
        tapped = self._tapped.pop(key)
        tapped.tap.close(now)
        tapped.stream.close()

    def _fail(self, key: tuple[str, str], error: Exception) -> None:
        """A mistake of ours ends the recording, and nothing else."""
        logger.error("recording %s failed", key, exc_info=error)
        if self._failure is None:
            self._failure = FAILED
            self.recorder.note({"event": "trouble", "what": FAILED}, trio.current_time())
            self._is_over = True
            self.recorder.finish()

    # --- what is noted --------------------------------------------------------------------------------

    def _note_people(self, now: float) -> None:
        present = {participant.id: _state(participant) for participant in self._people.values()}
        for person in self._known.keys() - present.keys():
            self.recorder.note({"event": "left", "person": person}, now)
        for person, state in present.items():
            before = self._known.get(person)
            if before is None:
                if len(self.witnesses) < MAXIMUM_WITNESSES:  # spec: recorder/witnesses
                    self.witnesses[person] = None
                self.recorder.note({"event": "joined", "person": person, **state}, now)
            elif before != state:
                changed = {name: value for name, value in state.items() if before[name] != value}
                for kind in ("devices", "layout"):
                    if kind in changed:
                        self.recorder.note({"event": kind, "person": person, **changed[kind]}, now)
        self._known = present  # spec: recorder/events

    def _note_speaker(self, now: float) -> None:
        content = self._arranging.listening.speaker
        if content != self._speaker:
            self._speaker = content
            self.recorder.note({"event": "speaker", "person": content}, now)


def _state(participant: Participant) -> dict[str, Any]:
    """What a recording should know of somebody."""
    person, look = participant.person, participant.look
    return {
        "name": person.name,
        "bot": person.bot,
        "devices": {"microphone": person.microphone, "camera": person.camera, "screen": person.screen},
        "layout": {
            "layout": look.layout,
            "page": look.page,
            "pinned": [{"person": pin.person, "source": pin.source} for pin in look.pinned],
        },
    }


def described(section: ReceivedTrack) -> Event:
    """What is needed to read the packets of a section."""
    formats = {**section.codecs, **({section.red: RED} if section.red is not None else {})}
    codecs = {
        str(number): {"name": codec.name, "clock_rate": codec.clock_rate, "channels": codec.channels}
        for number, codec in formats.items()
    }
    return {"kind": section.kind, "codecs": codecs, "extensions": dict(section.extensions)}
