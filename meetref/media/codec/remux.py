"""A WebM file as a browser streams it, made into one that can be sought: nothing is encoded anew.

What a browser writes piece by piece has neither a duration nor an index, and a crash cuts it anywhere. Reading stops at
the first damage; all whole packets before it are written into a new file, with both.
Stands on PyAV alone; `archive/assembling` calls it. Specification: WebM (Matroska), by FFmpeg.
Leaves out: mending what is damaged in the middle. What is uploaded is checked against its place, so only ends are cut.
Read next: `archive/assembling.py`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import av

from meetref.media.codec import READING

KINDS = ("audio", "video")
MOST_STREAMS = 64  # a browser writes two


class Unreadable(Exception):
    """There is nothing in the file that could be played; the text says why."""


@dataclass(slots=True)
class Remuxed:
    """`duration` in seconds; how many `packets` of each kind."""

    duration: float = 0.0
    packets: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def remux(source: str, target: str) -> Remuxed:
    """Write what is whole of `source` to `target`, a new file. Raises `Unreadable`, and `OSError` of the disk."""
    try:
        given = av.open(source, format="matroska", options=READING)
    except av.FFmpegError as error:
        raise Unreadable(f"it is no WebM: {error.strerror}") from None
    with given:
        if len(given.streams) > MOST_STREAMS:
            raise Unreadable(f"it has {len(given.streams)} streams")
        streams = [stream for stream in given.streams if stream.type in KINDS]
        if not streams:
            raise Unreadable("it has neither sound nor pictures")
        try:
            with av.open(target, "w", format="webm") as made:
                result = _copy(given, made, streams)
        except OSError:
            raise
        except (av.FFmpegError, ValueError) as error:  # of a codec, or in an order, that no WebM has
            raise Unreadable(f"no WebM can be made of it: {error}") from None
    if not result.packets:
        raise Unreadable("it ends before its first packet")
    return result


def _copy(
    given: av.container.InputContainer, made: av.container.OutputContainer, streams: list[av.stream.Stream]
) -> Remuxed:
    outputs = {stream.index: made.add_stream_from_template(stream) for stream in streams}
    result, latest = Remuxed(), dict[int, int]()
    packets = given.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):  # spec: recorder/upload-cut
            return result
        stream = packet.stream
        if packet.dts is None or packet.dts <= latest.get(stream.index, -1) or packet.is_corrupt:
            continue
        latest[stream.index] = packet.dts
        result.packets[stream.type] += 1
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            result.duration = max(result.duration, end)
        packet.stream = outputs[stream.index]
        made.mux(packet)
