"""Fragmented MP4: a track's initialization segment, and fragments of samples that follow it, cut wherever we like.

Stands above `wire/reader`. `serialize_fragment` and `parse_fragment` are the pair, `boxes` reads any file's outline.
One track a file, as CMAF has it, so that the same fragments serve HLS and DASH.
Specification: ISO/IEC 14496-12 (boxes), 14496-15 section 5.3.3 (H264), 14496-14 section 5.6 (AAC), 23000-19 (CMAF).
Leaves out: edit lists and frames out of order (a live encoder has none), encryption, 64-bit sizes when writing.
Read next: `archive/playlist.py`, which lists the fragments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from meetref.wire.reader import UINT16, UINT32, UINT64, Malformed, Reader, vector

# |size: 32|kind: 4 letters|      a box; 1 in place of the size: 64 bits of size follow; 0: up to the end of the file
# |version: 8|flags: 24|          in a full box, before its content
CONTAINERS: Final = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"mvex", b"moof", b"traf"))
DEEPEST: Final = 8

UNITY_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
UNDETERMINED: Final = 0x55C4  # the language "und", five bits a letter

# Flags of a track fragment's header and of its run (ISO/IEC 14496-12 sections 8.8.7 and 8.8.8).
BASE_IS_MOOF: Final = 0x020000
HAS_OFFSET, HAS_DURATION, HAS_SIZE, HAS_FLAGS = 0x1, 0x100, 0x200, 0x400
RUN_FLAGS: Final = HAS_OFFSET | HAS_DURATION | HAS_SIZE | HAS_FLAGS
SYNC_SAMPLE: Final = 0x02000000  # depends on no other
OTHER_SAMPLE: Final = 0x01010000  # depends on others, is no sync sample

RUN_ENTRY: Final = struct.Struct(">III")


@dataclass(slots=True, frozen=True)
class Video:
    """H264 of one size; `configuration` is made by `avc_configuration`."""

    width: int
    height: int
    configuration: bytes


@dataclass(slots=True, frozen=True)
class Sound:
    """AAC; `configuration` is the AudioSpecificConfig that its encoder gives."""

    sample_rate: int
    channels: int
    configuration: bytes


Description: TypeAlias = Video | Sound


@dataclass(slots=True)
class Sample:
    """A frame, or a packet of sound: how long it lasts in ticks, and whether a decoder can begin with it."""

    octets: bytes
    duration: int
    is_sync: bool = True


@dataclass(slots=True)
class Fragment:
    """Samples of one track in a row; `decode_at` is the time of the first in ticks, `number` counts from 1."""

    number: int
    decode_at: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def duration(self) -> int:
        """In ticks."""
        return sum(sample.duration for sample in self.samples)


@dataclass(slots=True)
class Box:
    """A box as read: `kind` in letters, `content` behind its header, and the boxes in it, where it is a container."""

    kind: str
    content: bytes
    boxes: list[Box] = field(default_factory=list)

    def find(self, *path: str) -> Box | None:
        """The first box at the end of this path."""
        if not path:
            return self
        return next((found for box in self.boxes if box.kind == path[0] if (found := box.find(*path[1:]))), None)


# --- what is written ------------------------------------------------------------------------------


def box(kind: bytes, *contents: bytes) -> bytes:
    """A box. Raises `Malformed` where 32 bits do not hold its size."""
    size = 8 + sum(map(len, contents))
    if size > 0xFFFFFFFF:
        raise Malformed(f"a box of {size} octets")
    return UINT32.pack(size) + kind + b"".join(contents)


def _full(kind: bytes, flags: int, *contents: bytes, version: int = 0) -> bytes:
    return box(kind, UINT32.pack(version << 24 | flags), *contents)


def initialization(description: Description, timescale: int) -> bytes:
    """The initialization segment of a track, whose ticks are 1/`timescale` of a second."""
    track = box(b"trak", _track_header(description), box(b"mdia", *_media(description, timescale)))
    header = struct.pack(">4I", 0, 0, timescale, 0)  # made when: not told; lasts: as long as fragments come
    header += struct.pack(">IH10x", 0x10000, 0x100) + UNITY_MATRIX + bytes(24) + UINT32.pack(2)
    defaults = _full(b"trex", 0, struct.pack(">5I", 1, 1, 0, 0, 0))
    movie = box(b"moov", _full(b"mvhd", 0, header), track, box(b"mvex", defaults))
    return box(b"ftyp", b"iso6", UINT32.pack(0), b"iso6", b"cmfc", b"mp41") + movie


def _track_header(description: Description) -> bytes:
    visible = isinstance(description, Video)
    size = (description.width << 16, description.height << 16) if isinstance(description, Video) else (0, 0)
    content = struct.pack(">5I8xHHHxx", 0, 0, 1, 0, 0, 0, 0, 0 if visible else 0x100)
    return _full(b"tkhd", 0x7, content, UNITY_MATRIX, struct.pack(">II", *size))


def _media(description: Description, timescale: int) -> Iterator[bytes]:
    visible = isinstance(description, Video)
    yield _full(b"mdhd", 0, struct.pack(">4IHH", 0, 0, timescale, 0, UNDETERMINED, 0))
    yield _full(b"hdlr", 0, bytes(4), b"vide" if visible else b"soun", bytes(12), b"\x00")
    special = _full(b"vmhd", 1, bytes(8)) if visible else _full(b"smhd", 0, bytes(4))
    here = _full(b"dref", 0, UINT32.pack(1), _full(b"url ", 1))  # the samples are in this very file
    yield box(b"minf", special, box(b"dinf", here), _sample_table(description))


def _sample_table(description: Description) -> bytes:
    """What the samples are; the lists of them are empty, because they come in fragments."""
    entry = _video_entry(description) if isinstance(description, Video) else _sound_entry(description)
    empty = UINT32.pack(0)
    lists = [_full(kind, 0, empty) for kind in (b"stts", b"stsc", b"stco")]
    return box(b"stbl", _full(b"stsd", 0, UINT32.pack(1), entry), *lists, _full(b"stsz", 0, empty, empty))


def _video_entry(video: Video) -> bytes:
    head = struct.pack(">6xH16xHHIIIH32sHh", 1, video.width, video.height, 0x480000, 0x480000, 0, 1, b"", 24, -1)
    return box(b"avc1", head, box(b"avcC", video.configuration))


def _sound_entry(sound: Sound) -> bytes:
    head = struct.pack(">6xH8xHHHHHH", 1, sound.channels, 16, 0, 0, sound.sample_rate, 0)
    # Descriptors of MPEG-4 systems: 0x40 is AAC, 0x15 a stream of sound, then buffer and bit rates, which nobody reads.
    decoder = struct.pack(">BB3xII", 0x40, 0x15, 0, 0) + _descriptor(5, sound.configuration)
    stream = UINT16.pack(0) + b"\x00" + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    return box(b"mp4a", head, _full(b"esds", 0, _descriptor(3, stream)))


def _descriptor(tag: int, content: bytes) -> bytes:
    if len(content) > 0x7F:
        raise Malformed(f"a descriptor of {len(content)} octets, where one octet has its size")
    return bytes([tag, len(content)]) + content


def serialize_fragment(fragment: Fragment) -> bytes:
    """The octets of a fragment, a `moof` and its `mdat`. Raises `Malformed` for numbers that do not fit."""
    try:
        entries = b"".join(
            RUN_ENTRY.pack(each.duration, len(each.octets), SYNC_SAMPLE if each.is_sync else OTHER_SAMPLE)
            for each in fragment.samples
        )
        head = _full(b"mfhd", 0, UINT32.pack(fragment.number))
        time = _full(b"tfdt", 0, UINT64.pack(fragment.decode_at), version=1)
    except struct.error:
        raise Malformed("a fragment with a number that does not fit") from None
    traf_head = _full(b"tfhd", BASE_IS_MOOF, UINT32.pack(1))
    run_size = 20 + len(entries)
    offset = 8 + len(head) + 8 + len(traf_head) + len(time) + run_size + 8  # behind the header of `mdat`
    run = _full(b"trun", RUN_FLAGS, UINT32.pack(len(fragment.samples)), UINT32.pack(offset), entries)
    moof = box(b"moof", head, box(b"traf", traf_head, time, run))
    return moof + box(b"mdat", *(sample.octets for sample in fragment.samples))


# --- H264 in it -----------------------------------------------------------------------------------


def avc_configuration(sequence: bytes, picture: bytes) -> bytes:
    """The decoder configuration of one sequence and one picture parameter set, NAL units without start code.

    Raises `Malformed` where the first is too short to name its profile.
    """
    if len(sequence) < 4:
        raise Malformed(f"a sequence parameter set of {len(sequence)} octets")
    head = bytes([1, *sequence[1:4], 0xFF, 0xE1])  # sizes of four octets; one sequence parameter set
    tail = b"\x01" + vector(2, picture)
    if sequence[1] in (100, 110, 122, 144):
        tail += bytes([0xFD, 0xF8, 0xF8, 0])  # 4:2:0, eight bits each: what our encoder makes
    return head + vector(2, sequence) + tail


def avc_codec(configuration: bytes) -> str:
    """What a playlist calls it (RFC 6381 section 3.3)."""
    return f"avc1.{configuration[1:4].hex()}"


def length_prefixed(units: Sequence[bytes]) -> bytes:
    """A frame as MP4 has it: each NAL unit behind its size."""
    return b"".join(vector(4, unit) for unit in units)


# --- what is read ---------------------------------------------------------------------------------


def boxes(data: bytes) -> list[Box]:
    """The boxes of a file, and those in them. Raises `Malformed`."""
    return list(_boxes(Reader(data), 0))


def _boxes(reader: Reader, depth: int) -> Iterator[Box]:
    if depth > DEEPEST:
        raise Malformed("boxes within boxes without an end", reader.offset)
    while reader.remaining:
        start = reader.offset
        size, kind = reader.uint32("a box's size"), reader.bytes(4, "a box's kind")
        if size == 1:
            size = reader.uint64("a box's size")
        elif size == 0:
            size = reader.end - start
        content_at = reader.offset
        content = reader.bytes(size - (content_at - start), f"the box {kind!r}")
        inner = Reader(reader.data, content_at, reader.offset)
        inside = list(_boxes(inner, depth + 1)) if kind in CONTAINERS else []
        yield Box(kind.decode("latin-1"), content, inside)


def parse_fragment(data: bytes) -> Fragment:
    """One fragment as `serialize_fragment` writes it, alone in `data`. Raises `Malformed`, also for another make."""
    parts = boxes(data)
    if [part.kind for part in parts] != ["moof", "mdat"]:
        raise Malformed("a fragment is a moof and an mdat")
    moof, mdat = parts
    found = [moof.find(*path) for path in (("mfhd",), ("traf", "tfhd"), ("traf", "tfdt"), ("traf", "trun"))]
    head, track, time, run = [Reader(each.content) if each is not None else None for each in found]
    if head is None or track is None or time is None or run is None:
        raise Malformed("a fragment without one of its boxes")
    if track.uint32("flags") & 0xFFFFFF != BASE_IS_MOOF or run.uint32("flags") & 0xFFFFFF != RUN_FLAGS:
        raise Malformed("a fragment of another make")
    head.uint32("flags")
    number = head.uint32("the number of a fragment")
    decode_at = time.uint64("a time") if time.uint32("flags") >> 24 else time.uint32("a time")
    return Fragment(number, decode_at, _samples(run, mdat.content, len(data) - len(mdat.content)))


def _samples(run: Reader, octets: bytes, octets_at: int) -> list[Sample]:
    count, offset = run.uint32("how many samples"), run.uint32("where samples begin")
    if offset != octets_at or count * RUN_ENTRY.size != run.remaining:
        raise Malformed("a run of samples that are not where it says")
    rest, samples = Reader(octets), []
    for _ in range(count):
        duration, size, flags = run.struct(RUN_ENTRY, "a sample")
        samples.append(Sample(rest.bytes(size, "a sample"), duration, not flags & 0x10000))
    rest.expect_end("samples")
    return samples
