"""A recording's end of a track: it gets every packet as it came, before anything is rewritten.

It counts as a viewer: the publisher sends the encoding that it wants, keyframes are asked for, and it goes over to
another encoding where viewers would. But it is no seat: nobody's place depends on it.
Stands on `meeting/viewing`; `meeting/recording` has one for each track.
Specification: docs/recording.md, spec/recorder.toml.
Leaves out: where the packets go. Packets that were lost on the way here and sent again come out of their turn.
Read next: `meeting/recording.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meetref.media.rewriting import Incoming
from meetref.meeting.track import Encoding, Track
from meetref.meeting.viewing import Viewing

Take = Callable[[bytes, float], None]


class Tap(Viewing):
    """Gives `take` each packet of `track`, and each control packet that tells its clock, with the moment it came.

    `failed` is told of a mistake of ours; nobody else's stream is disturbed by it.
    """

    __slots__ = ("_failed", "_first", "_reported", "_take")

    def __init__(self, track: Track, take: Take, failed: Callable[[Exception], None], now: float) -> None:
        super().__init__(track.kind)
        self.link = self
        self._take = take
        self._failed = failed
        self._first = 0
        self._reported = b""
        track.on_report = self._on_report
        self.show(track, now)  # spec: recorder/counts-as-viewer, recorder/no-seat

    def close(self, now: float) -> None:
        """Let go of the track."""
        if self.track is not None:
            self.track.on_report = None
        self.show(None, now)

    def send(self, packets: Sequence[Incoming], now: float) -> None:
        for packet in packets:
            if packet.whole and packet.sequence >= self._first:  # what only RED brought is in the packet that did
                self._take(packet.whole, now)  # spec: recorder/as-received

    def _start(self, encoding: Encoding, packet: Incoming, now: float) -> None:
        self._first = packet.sequence  # what came before this keyframe is no use without the one before
        super()._start(encoding, packet, now)

    def _on_report(self, control: bytes, now: float) -> None:
        if control is not self._reported:  # one packet may have reports of several encodings
            self._reported = control
            self._take(control, now)  # spec: recorder/sender-reports

    def fail(self, error: Exception) -> None:
        self._failed(error)
