"""What tutorial 10 asks for, made of the real thing: without `--module`, test_sfu.py looks at this.

A slot is what `meeting/forwarder` makes of the same parts, without the connection below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meetref.media import rewriting
from meetref.media.keyframes import KeyframeGate
from meetref.media.rewriting import Incoming
from meetref.media.sequence import Unwrapper
from meetref.media.simulcast import Selection
from meetref.media.speaker import Loudest
from meetref.wire import rtp, vp8

__all__ = ["Forwarder", "KeyframeGate", "LastN", "Loudest", "Rewriter", "Slot", "best"]

CLOCK, STEP = 90_000, 3000
Stream = tuple[str, str]


class Rewriter:
    def __init__(
        self, *, ssrc: int, payload_type: int, first_sequence: int, first_timestamp: int, is_video: bool = True
    ) -> None:
        self._is_video = is_video
        self.inner = rewriting.Rewriter(
            ssrc=ssrc, payload_type=payload_type, clock_rate=CLOCK if is_video else 48_000, transport_id=0, level_id=0,
            first_sequence=first_sequence, first_timestamp=first_timestamp,
        )  # fmt: skip

    def begin(self, packet: bytes, timestamp: int, step: int) -> None:
        self._sequences, self._pictures = Unwrapper(), Unwrapper(7)
        self.inner.begin(self._read(packet), timestamp, step)

    def rewrite(self, packet: bytes) -> bytes | None:
        made = self.inner.rewrite([self._read(packet)], 0)
        return b"".join(made[0]) if made else None

    def _read(self, packet: bytes) -> Incoming:
        number = self._sequences.unwrap(int.from_bytes(packet[2:4]))
        if self._is_video:
            return rewriting.read_video(packet, number, self._pictures)
        return rewriting.read_audio(packet, number, None)


def best(encodings: Sequence[str], living: set[str], wanted: str) -> str | None:
    selection: Selection[str] = Selection()
    selection.wanted = wanted
    selection.look(encodings, living, 0.0)
    return selection.awaited


class Slot:
    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._selection: Selection[Stream] = Selection()
        self._sent_at = 0.0

    @property
    def awaited(self) -> Stream | None:
        return self._selection.awaited

    def want(self, stream: Stream | None) -> bool:
        selection = self._selection
        if stream is None or (selection.shown is not None and stream[0] != selection.shown[0]):
            selection.lose()
        selection.wanted = "nothing" if stream is None else stream
        known = [each for each in (stream, selection.shown) if each is not None]
        selection.look(known, known[:1], 0.0)
        return selection.awaited is not None

    def receive(self, stream: Stream, packet: bytes, now: float) -> bytes | None:
        selection = self._selection
        if stream == selection.awaited and vp8.is_keyframe(packet, rtp.payload_offset(packet)):
            passed = round((now - self._sent_at) * CLOCK)
            self._rewriter.begin(packet, self._rewriter.inner.last_timestamp + passed & 0xFFFFFFFF, STEP)
            selection.begin([stream], {stream}, now)
        if stream != selection.shown:
            return None
        self._sent_at = now
        return self._rewriter.rewrite(packet)


class Forwarder:
    def __init__(self, request: Callable[[Stream], None]) -> None:
        self.slots: dict[str, Slot] = {}
        self._request = request
        self._gates: dict[Stream, KeyframeGate] = {}

    def want(self, viewer: str, stream: Stream | None, now: float) -> None:
        if self.slots[viewer].want(stream) and stream is not None:
            gate = self._gates.setdefault(stream, KeyframeGate())
            if gate.ask(now):
                self._request(stream)

    def receive(self, stream: Stream, packet: bytes, now: float) -> list[tuple[str, bytes]]:
        if stream in self._gates and vp8.is_keyframe(packet, rtp.payload_offset(packet)):
            self._gates[stream].arrived(now)
        made = ((viewer, slot.receive(stream, packet, now)) for viewer, slot in self.slots.items())
        return [(viewer, data) for viewer, data in made if data is not None]

    def handle_timeout(self, now: float) -> None:
        awaited = {slot.awaited for slot in self.slots.values()}
        for stream, gate in self._gates.items():
            if stream not in awaited:
                gate.arrived(now)
            elif gate.repeat(now):
                self._request(stream)


class LastN:
    """By the rule of `meeting/seats.fill`: who stays keeps the place, others take what is free."""

    def __init__(self, count: int) -> None:
        self.places: list[str | None] = [None] * count
        self._recent: list[str] = []

    def join(self, who: str) -> None:
        self._set([*self._recent, who])

    def leave(self, who: str) -> None:
        self._set([each for each in self._recent if each != who])

    def lead(self, who: str) -> None:
        self._set([who, *(each for each in self._recent if each != who)])

    def _set(self, recent: list[str]) -> None:
        self._recent, wanted = recent, recent[: len(self.places)]
        self.places = [who if who in wanted else None for who in self.places]
        for who in wanted:
            if who not in self.places:
                self.places[self.places.index(None)] = who
