"""What can still be played of a recording whose writer died: four kinds of file, the same pictures, the same moments.

A file counts with what its writer had handed to the system when it was killed; nothing is closed. The journal is
written twice a second, as `archive/recorder` does it, and read as `archive/recovery` leaves it. In memory and from a
seed: the figures have no machine in them.
Stands on `archive/journal` and `media/codec/growing`. Specification: docs/measurements.md, "Recordings".
Leaves out: a machine that loses its power, which costs files that nobody syncs far more; sound.
Read next: `lab/recording.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import mean

from meetref.app import frames
from meetref.archive.journal import Record, Unbegun, Writing, read
from meetref.archive.recorder import SYNC_EVERY
from meetref.media.assembly import Assembly
from meetref.media.codec import Picture, VideoDecoder, packetize
from meetref.media.codec.growing import FILES, grown, playable
from meetref.wire import rtp

FRAME_RATE = frames.FRAME_RATE
LASTS = 30.0  # seconds of each recording
JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Rest:
    """What a kill left: of the frames that had come, how many can be decoded."""

    came: int
    decoded: int

    @property
    def fraction(self) -> float:
        return self.decoded / self.came

    @property
    def lost_seconds(self) -> float:
        return (self.came - self.decoded) / FRAME_RATE


def rests(kills: int, seed: int) -> dict[str, list[Rest]]:
    """For each kind of file, what each of so many kills leaves of it."""
    pictures = list(_pictures())
    dice = Random(seed)
    moments = [dice.randrange(1, len(pictures)) for _ in range(kills)]
    files = {kind: grown(kind, pictures, frames.WIDTH, frames.HEIGHT, FRAME_RATE) for kind in FILES}
    count: dict[str, Callable[[bytes], int]] = dict.fromkeys(files, playable)
    files[JOURNAL], count[JOURNAL] = _journal(), _read_and_decoded
    return {kind: [Rest(at + 1, count[kind](stages[at])) for at in moments] for kind, stages in files.items()}


def figures(left: dict[str, list[Rest]]) -> dict[str, float]:
    """Of each kind the mean fraction, and the most seconds that a kill cost."""
    fractions = {f"playable_fraction_{kind}": mean(rest.fraction for rest in rests) for kind, rests in left.items()}
    lost = {f"lost_s_{kind}": max(rest.lost_seconds for rest in rests) for kind, rests in left.items()}
    return {name: round(value, 4) for name, value in (fractions | lost).items()}


def _frames() -> Iterator[bytes]:
    """VP8, for as long as a recording lasts."""
    ready = frames.load().pictures
    for number in range(round(LASTS * FRAME_RATE)):
        yield ready[number % len(ready)]


def _pictures() -> Iterator[Picture]:
    decoder = VideoDecoder()
    for frame in _frames():
        picture = decoder.decode(frame)
        assert picture is not None
        yield picture


def _journal() -> list[bytes]:
    """What is written comes twice a second; until then it waits in memory, and dies with the server."""
    writing = Writing()
    file = writing.begin({"holds": "packets"})
    waiting: list[Record] = []
    stages, sequence, written_at = [], 0, 0.0
    for number, frame in enumerate(_frames()):
        at, timestamp = number / FRAME_RATE, number * 90_000 // FRAME_RATE
        payloads = packetize(frame, number)
        for place, payload in enumerate(payloads, 1):
            packet = rtp.Packet(96, sequence, timestamp, 1, payload, marker=place == len(payloads))
            waiting.append(Record(round(at * 1e6), rtp.serialize(packet)))
            sequence += 1
        if at - written_at >= SYNC_EVERY:
            file += writing.add(waiting)
            waiting, written_at = [], at
        stages.append(file)
    return stages


def _read_and_decoded(file: bytes) -> int:
    try:
        journal = read(file)
    except Unbegun:
        return 0
    assembly, decoder, found = Assembly(), VideoDecoder(), 0

    def show(frame: bytes, timestamp: int) -> None:
        nonlocal found
        found += decoder.decode(frame) is not None

    assembly.on_frame = show
    for record in journal.records:
        assembly.take(rtp.parse(record.content))
    return found
