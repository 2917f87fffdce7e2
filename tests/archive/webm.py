"""A WebM file as a browser streams it: without a duration, without an index, in clusters one after the other."""

from __future__ import annotations

from fractions import Fraction

import av

from meetref.app import frames


class _Pipe:
    """A file that cannot be sought."""

    def __init__(self) -> None:
        self.octets = bytearray()

    def write(self, octets: bytes) -> int:
        self.octets += octets
        return len(octets)


def streamed(seconds: float) -> bytes:
    """So much of the checked-in robot, picture and sound."""
    pipe, given = _Pipe(), frames.load()
    with av.open(pipe, "w", format="webm", options={"live": "1", "cluster_time_limit": "1000"}) as made:
        video = made.add_stream("libvpx", rate=frames.FRAME_RATE)
        video.width, video.height = frames.WIDTH, frames.HEIGHT
        audio = made.add_stream("libopus", rate=48000)
        clock = Fraction(1, 1000)
        packets = [
            (index * 1000 // frames.FRAME_RATE, video, given.pictures[index % len(given.pictures)])
            for index in range(int(seconds * frames.FRAME_RATE))
        ]
        packets += [
            (index * 20, audio, given.sounds[index % len(given.sounds)][0]) for index in range(int(seconds * 50))
        ]
        for at, stream, octets in sorted(packets, key=lambda each: each[0]):
            packet = av.Packet(octets)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, clock, at, at
            packet.is_keyframe = stream is audio or not octets[0] & 1
            made.mux(packet)
    return bytes(pipe.octets)


def played(octets_or_path: object) -> dict[str, int]:
    """How many frames of picture and of sound can be decoded; raises what PyAV raises."""
    with av.open(octets_or_path) as given:
        found = {"video": 0, "audio": 0}
        for stream in given.streams:
            given.seek(0)
            found[stream.type] = sum(1 for _ in given.decode(stream))
        return found


def duration_of(path: object) -> float:
    """What the file itself says."""
    with av.open(path) as given:
        return (given.duration or 0) / 1e6
