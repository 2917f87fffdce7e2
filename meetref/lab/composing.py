"""What does a film cost? CPU time to compose a recorded meeting of four people in 720p, and how much of it is our own.

The meeting is made first: four robots, painted and encoded as bots are, with voices said twice (RED), in journals as
the server writes them. It is composed twice by turns, on one thread: once as it is, for the time, and once under a
profiler that counts what calls into FFmpeg take. `own_cpu_share` is what FFmpeg did not take of the undisturbed run; to
free FFmpeg's pictures counts as ours. `compose_speed_x` is seconds of film for a second of CPU.
Stands on `archive/composer`. Specification: docs/measurements.md.
Leaves out: reading from a slow disk, and what else a server does meanwhile.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from meetref.app.command import CommandFailed, Exit
from meetref.app.picture import PERIOD, Painter
from meetref.app.sound import Voice
from meetref.archive.composer import compose
from meetref.archive.journal import Record
from meetref.archive.recorder import MANIFEST, SEGMENT_FOR
from meetref.archive.segment import Segment
from meetref.lab.report import Report
from meetref.media.clock import to_ntp
from meetref.media.codec import SoundEncoder, VideoEncoder, packetize
from meetref.media.redundancy import Redundancy
from meetref.wire import rtcp, rtp

PEOPLE = 4
WIDTH, HEIGHT, FRAME_RATE, BITRATE_BPS = 1280, 720, 30, 1_500_000
VP8, OPUS, RED = 96, 111, 63
ON_THE_WAY = 0.03  # seconds
CODECS = {"video": {VP8: ("VP8", 90_000)}, "audio": {OPUS: ("opus", 48_000), RED: ("red", 48_000)}}
NAMES = ("Ada", "Emmy", "Grace", "Mary")


@dataclass
class Result:
    """CPU seconds, an entry a round."""

    seconds: float
    cpu: list[float] = field(default_factory=list)
    ffmpeg: list[float] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """Seconds of film for a CPU second."""
        return self.seconds / median(self.cpu)

    @property
    def own_share(self) -> float:
        """Of all CPU time, from 0 to 1: the median of the rounds, for what others do meanwhile changes both times."""
        return 1 - median(ffmpeg / cpu for ffmpeg, cpu in zip(self.ffmpeg, self.cpu, strict=True))


def make_recording(folder: Path, seconds: float) -> None:
    """Write a meeting of four people, who are there from the beginning to the end."""
    folder.mkdir(parents=True)
    about = {"recording": folder.name, "room": "lab", "began_at": 1_700_000_000.0}
    events = []
    for number, name in enumerate(NAMES[:PEOPLE]):
        devices = {"microphone": "on", "camera": "on", "screen": False}
        events.append({"event": "joined", "person": name, "name": name, "bot": True, "devices": devices})
        for kind, source, make in (("video", "camera", _pictures), ("audio", "microphone", _sound)):
            codecs = {str(each): {"name": codec, "clock_rate": rate} for each, (codec, rate) in CODECS[kind].items()}
            stream = {"stream": f"{name}-{kind}", "person": name, "name": name, "kind": kind, "source": source}
            header = {**about, **stream, "holds": "packets", "mid": "0", "codecs": codecs, "extensions": {}}
            _write(folder, f"{name}-{kind}", header, make(number, seconds))
    texts = [Record(0, msgspec.json.encode(event)) for event in events]
    texts.append(Record(round(seconds * 1e6), b'{"event":"ended"}'))
    _write_one(folder / MANIFEST, {**about, "holds": "events"}, texts)


def _pictures(number: int, seconds: float) -> list[Record]:
    """A period of movement, again and again; it begins with a keyframe."""
    painter = Painter(NAMES[number], number, width=WIDTH, height=HEIGHT)
    encoder = VideoEncoder(WIDTH, HEIGHT, frame_rate=FRAME_RATE, bitrate_bps=BITRATE_BPS)
    frames = [encoder.encode(painter.paint(count, "12:00", mouth=count // 4 % 3)) for count in range(PERIOD)]
    sent, sequence = list[Record](), 0
    for count in range(int(seconds * FRAME_RATE)):
        at, timestamp = count / FRAME_RATE, count * 90_000 // FRAME_RATE
        payloads = packetize(frames[count % PERIOD], count)
        for place, payload in enumerate(payloads):
            packet = rtp.Packet(VP8, sequence & 0xFFFF, timestamp, number + 1, payload, place == len(payloads) - 1)
            sent.append(_record(at, rtp.serialize(packet)))
            sequence += 1
        if count % FRAME_RATE == 0:
            sent.append(_report(at, number + 1, timestamp))
    return sent


def _sound(number: int, seconds: float) -> list[Record]:
    voice, encoder, redundancy, sent = Voice(number), SoundEncoder(), Redundancy(OPUS), list[Record]()
    for count in range(int(seconds * 50)):
        at, timestamp = count * 0.02, count * 960
        payload = redundancy.wrap(timestamp, encoder.encode(voice.speak()))
        sent.append(_record(at, rtp.serialize(rtp.Packet(RED, count & 0xFFFF, timestamp, 100 + number, payload))))
        if count % 250 == 0:
            sent.append(_report(at, 100 + number, timestamp))
    return sent


def _record(at: float, packet: bytes) -> Record:
    return Record(round((at + ON_THE_WAY) * 1e6), packet)


def _report(at: float, ssrc: int, timestamp: int) -> Record:
    return _record(at, rtcp.serialize([rtcp.SenderReport(ssrc, to_ntp(1_700_000_000 + at), timestamp, 0, 0)]))


def _write(folder: Path, stream: str, header: dict[str, object], records: list[Record]) -> None:
    """In journals of ten seconds."""
    parts: dict[int, list[Record]] = {}
    for record in records:
        parts.setdefault(int(record.at / 1e6 / SEGMENT_FOR), []).append(record)
    for number, part in parts.items():
        _write_one(folder / f"{stream}-{number + 1:06d}.mrj", {**header, "segment": number + 1}, part)


def _write_one(path: Path, header: dict[str, object], records: list[Record]) -> None:
    segment = Segment(path, header)
    segment.add(records)
    segment.end(records[-1].at)
    segment.close()


def measure(folder: Path, seconds: float, rounds: int) -> Result:
    """Compose it, by turns undisturbed and under the profiler."""
    result = Result(seconds)
    for number in range(rounds):
        began = time.thread_time()
        compose(folder, folder.parent / f"plain-{number}")
        result.cpu.append(time.thread_time() - began)
        profile = cProfile.Profile(time.thread_time)
        profile.enable()
        compose(folder, folder.parent / f"profiled-{number}")
        profile.disable()
        result.ffmpeg.append(in_ffmpeg(pstats.Stats(profile)))
    return result


def in_ffmpeg(stats: pstats.Stats) -> float:
    """Seconds within calls into PyAV, which does nothing but hand over to FFmpeg."""
    entries: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = stats.stats  # type: ignore[attr-defined]
    return sum(entry[2] for (_, _, name), entry in entries.items() if " of 'av." in name or "{av." in name)


def show(result: Result) -> None:
    """The figures, and a verdict."""
    print(f"{PEOPLE} people in {WIDTH} x {HEIGHT}, {result.seconds:.0f} s: {median(result.cpu):.1f} s of CPU")
    print(f"compose_speed_x  {result.speed:.2f}   (goal: 1 or more)")
    print(f"own_cpu_share    {result.own_share:.2f}   (goal: a third or less; the rest is FFmpeg)")
    holds = result.speed >= 1 and result.own_share <= 1 / 3
    print("Both goals are met." if holds else "Not both goals are met on this machine, as busy as it is.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab composing`."""
    parser.add_argument("--quick", action="store_true", help="a film of five seconds, once")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="without effect: nothing is left to chance")
    parser.add_argument("--seconds", type=int, metavar="S", help="how long the meeting lasts (30)")
    parser.add_argument("--rounds", type=int, metavar="R", help="how often it is composed in each way (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    seconds = arguments.seconds if arguments.seconds is not None else (5 if arguments.quick else 30)
    rounds = arguments.rounds if arguments.rounds is not None else (1 if arguments.quick else 3)
    if not (1 <= seconds <= 3600 and 1 <= rounds <= 100):
        raise CommandFailed("--seconds go from 1 to 3600, --rounds from 1 to 100", Exit.WRONG_COMMAND_LINE)
    with tempfile.TemporaryDirectory(prefix="meetref-composing-") as folder:
        recording = Path(folder) / "recording"
        make_recording(recording, seconds)
        result = measure(recording, seconds, rounds)
    show(result)
    if arguments.json is not None:
        Report(
            lab="composing",
            seed=arguments.seed,
            settings={"people": PEOPLE, "width": WIDTH, "height": HEIGHT, "seconds": seconds, "rounds": rounds},
            figures={
                "compose_speed_x": round(result.speed, 3),
                "own_cpu_share": round(result.own_share, 3),
                "cpu_s": round(median(result.cpu), 3),
            },
        ).write(arguments.json)
    return Exit.DONE
