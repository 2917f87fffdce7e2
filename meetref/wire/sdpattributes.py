"""What the attributes of a session description say: one small value, one reader and one writer for each.

Stands above `wire/sdp` (lines); `protocol/negotiation` puts the values together.
Specification: RFC 8866 section 6 (rtpmap, fmtp), RFC 4585 section 4.2 (rtcp-fb), RFC 8285 section 5 (extmap),
RFC 5576 (ssrc, ssrc-group), RFC 5888 section 5 (group), RFC 8830 section 2 (msid), RFC 8122 section 5 (fingerprint),
RFC 8851 section 10 (rid), RFC 8853 section 5.1 (simulcast).
Leaves out: candidates (`wire/candidate`), sctp-port (it comes with data channels).
Read next: `protocol/negotiation.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from meetref.wire.reader import Malformed
from meetref.wire.sdp import DIRECTIONS, number

MAXIMUM_PAYLOAD_TYPE = 127
MAXIMUM_SSRC = 2**32 - 1
MAXIMUM_EXTENSION_ID = 255

FINGERPRINT_SIZES = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Octets of each hash by its name in an `a=fingerprint` line; md2 and md5 are never taken (RFC 8122 section 5.1)."""

MAXIMUM_STREAMS = 16
"""Streams, alternatives included, that one simulcast line may list in a direction; three are ever taken."""

_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*\Z")
_RID = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_RESTRICTION = re.compile(r"[A-Za-z0-9-]+\Z")


class RTPMap(NamedTuple):
    """What a payload type carries. `channels` is 1 where the line does not say."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1


class Extension(NamedTuple):
    """A header extension: its number on the wire and its name; `direction` is None where the line does not say."""

    id: int
    uri: str
    direction: str | None = None
    parameters: str = ""


class Source(NamedTuple):
    """One fact about an SSRC."""

    ssrc: int
    name: str
    value: str | None = None


class SourceGroup(NamedTuple):
    """SSRCs that belong together: `FID` pairs a stream with its retransmissions."""

    semantics: str
    ssrcs: tuple[int, ...]


class Group(NamedTuple):
    """Sections that belong together, by their mids."""

    semantics: str
    mids: tuple[str, ...]


class StreamTrack(NamedTuple):
    """The stream (`-`: none) and, where it is told, the track of a section."""

    stream: str
    track: str | None = None


class RID(NamedTuple):
    """One RTP stream of a section: its name, and who sends it (`send`: the author).

    `payload_types` are those it may have (none: all of the section); a restriction without a value has None.
    """

    id: str
    direction: str
    payload_types: tuple[int, ...] = ()
    restrictions: tuple[tuple[str, str | None], ...] = ()


class Simulcast(NamedTuple):
    """The streams of a section that are encodings of one source, the author's preferred one first.

    Each stream is a tuple of alternatives, of which one is sent at a time. `paused` names those with a `~`.
    """

    send: tuple[tuple[str, ...], ...] = ()
    recv: tuple[tuple[str, ...], ...] = ()
    paused: tuple[str, ...] = ()


def parse_rtpmap(value: str) -> RTPMap:
    """Read `111 opus/48000/2`. Raises `Malformed`."""
    payload_type, _, encoding = value.strip().partition(" ")
    parts = encoding.strip().split("/")
    if len(parts) not in (2, 3) or not parts[0]:
        raise Malformed(f"rtpmap cannot say {value[:64]!r}")
    channels = parts[2] if len(parts) == 3 else "1"
    return RTPMap(
        number(payload_type, MAXIMUM_PAYLOAD_TYPE, "payload type"),
        parts[0],
        number(parts[1], 2**32 - 1, "clock rate"),
        number(channels, 255, "number of channels"),
    )


def serialize_rtpmap(mapping: RTPMap) -> str:
    """`111 opus/48000/2`; one channel is not told."""
    channels = f"/{mapping.channels}" if mapping.channels != 1 else ""
    return f"{mapping.payload_type} {mapping.name}/{mapping.clock_rate}{channels}"


def parse_fmtp(value: str) -> tuple[int, dict[str, str]]:
    """Read `97 apt=96;rtx-time=3000`: the payload type and its parameters; one without `=` has an empty value."""
    payload_type, _, text = value.strip().partition(" ")
    parameters: dict[str, str] = {}
    for part in text.split(";"):
        name, _, setting = part.strip().partition("=")
        if name:
            parameters.setdefault(name.strip(), setting.strip())
    return number(payload_type, MAXIMUM_PAYLOAD_TYPE, "payload type"), parameters


def serialize_fmtp(payload_type: int, parameters: Mapping[str, str]) -> str:
    """`97 apt=96`; a parameter without a value is written by its name."""
    parts = (f"{name}={setting}" if setting else name for name, setting in parameters.items())
    return f"{payload_type} {';'.join(parts)}"


def parse_feedback(value: str) -> tuple[int | None, str]:
    """Read `96 nack pli`: the payload type (None: `*`, all of the section) and the kind of feedback."""
    payload_type, _, kind = value.strip().partition(" ")
    if not kind.strip():
        raise Malformed(f"rtcp-fb cannot say {value[:64]!r}")
    words = " ".join(kind.split())
    return (None if payload_type == "*" else number(payload_type, MAXIMUM_PAYLOAD_TYPE, "payload type")), words


def serialize_feedback(payload_type: int | None, kind: str) -> str:
    """`96 nack pli`, or `* nack pli` for all formats."""
    return f"{'*' if payload_type is None else payload_type} {kind}"


def parse_extension(value: str) -> Extension:
    """Read `1 urn:...`, `3/sendonly urn:... parameters`. Raises `Malformed`."""
    words = value.split(maxsplit=2)
    if len(words) < 2:
        raise Malformed(f"extmap cannot say {value[:64]!r}")
    identity, slash, way = words[0].partition("/")
    if slash and way not in DIRECTIONS:
        raise Malformed(f"extmap direction {way[:16]!r} is unknown")
    parameters = words[2].strip() if len(words) == 3 else ""
    return Extension(number(identity, 4351, "extension id"), words[1], way if slash else None, parameters)


def serialize_extension(extension: Extension) -> str:
    """`3/sendonly urn:... parameters`, without what is not there."""
    way = f"/{extension.direction}" if extension.direction is not None else ""
    return f"{extension.id}{way} {extension.uri} {extension.parameters}".rstrip()


def parse_source(value: str) -> Source:
    """Read `1234 cname:abc`. Raises `Malformed`."""
    ssrc, _, fact = value.strip().partition(" ")
    name, colon, said = fact.partition(":")
    if not name:
        raise Malformed(f"ssrc cannot say {value[:64]!r}")
    return Source(number(ssrc, MAXIMUM_SSRC, "SSRC"), name, said if colon else None)


def serialize_source(source: Source) -> str:
    """`1234 cname:abc`."""
    return f"{source.ssrc} {source.name}" if source.value is None else f"{source.ssrc} {source.name}:{source.value}"


def parse_source_group(value: str) -> SourceGroup:
    """Read `FID 1234 5678`. Raises `Malformed`."""
    semantics, *ssrcs = value.split() or [""]
    if not semantics or len(ssrcs) > 32:
        raise Malformed(f"ssrc-group cannot say {value[:64]!r}")
    return SourceGroup(semantics, tuple(number(ssrc, MAXIMUM_SSRC, "SSRC") for ssrc in ssrcs))


def serialize_source_group(group: SourceGroup) -> str:
    """`FID 1234 5678`."""
    return " ".join((group.semantics, *map(str, group.ssrcs)))


def parse_group(value: str) -> Group:
    """Read `BUNDLE 0 1 2`. Raises `Malformed`."""
    semantics, *mids = value.split() or [""]
    if not semantics:
        raise Malformed("a=group has no semantics")
    return Group(semantics, tuple(mids))


def serialize_group(group: Group) -> str:
    """`BUNDLE 0 1 2`."""
    return " ".join((group.semantics, *group.mids))


def parse_msid(value: str) -> StreamTrack:
    """Read `stream`, or `stream track` as browsers write it. Raises `Malformed`."""
    words = value.split()
    if len(words) not in (1, 2):
        raise Malformed(f"msid cannot say {value[:64]!r}")
    return StreamTrack(*words)


def serialize_msid(msid: StreamTrack) -> str:
    """`stream track`, or the stream alone."""
    return msid.stream if msid.track is None else f"{msid.stream} {msid.track}"


def parse_fingerprint(value: str) -> tuple[str, str]:
    """Read `sha-256 AB:CD:...`: the hash in lower and the octets in upper case.

    Raises `Malformed`, also when the length is not that of a hash whose length is known.
    """
    words = value.split()
    if len(words) != 2 or not _FINGERPRINT.match(words[1]):
        raise Malformed(f"fingerprint cannot say {value[:32]!r}")
    name, octets = words[0].lower(), words[1].upper()
    size = len(octets.split(":"))
    if FINGERPRINT_SIZES.get(name, size) != size:  # spec: sdp/fingerprint-length
        raise Malformed(f"a {name} fingerprint has {FINGERPRINT_SIZES[name]} octets, not {size}")
    return name, octets


def serialize_fingerprint(fingerprint: tuple[str, str]) -> str:
    """`sha-256 AB:CD:...`."""
    return " ".join(fingerprint)


def parse_rid(value: str) -> RID:
    """Read `q send`, `1 send pt=96,97;max-width=1280`. Raises `Malformed`."""
    words = value.split(maxsplit=2)
    if len(words) < 2 or words[1] not in ("send", "recv") or not _RID.match(words[0]):
        raise Malformed(f"rid cannot say {value[:64]!r}")
    payload_types: tuple[int, ...] = ()
    restrictions: list[tuple[str, str | None]] = []
    for place, part in enumerate(words[2].strip().split(";") if len(words) == 3 else ()):
        name, equals, setting = part.strip().partition("=")
        if name == "pt" and place == 0:
            payload_types = tuple(number(each, MAXIMUM_PAYLOAD_TYPE, "payload type") for each in setting.split(","))
        elif not _RESTRICTION.match(name):
            raise Malformed(f"rid cannot say {value[:64]!r}")
        else:
            restrictions.append((name, setting if equals else None))
    return RID(words[0], words[1], payload_types, tuple(restrictions))


def serialize_rid(rid: RID) -> str:
    """`q send`, with payload types and restrictions where there are any."""
    parts = [f"pt={','.join(map(str, rid.payload_types))}"] if rid.payload_types else []
    parts += [name if setting is None else f"{name}={setting}" for name, setting in rid.restrictions]
    return " ".join((rid.id, rid.direction, *([";".join(parts)] if parts else [])))


def parse_simulcast(value: str) -> Simulcast:
    """Read `send q;h;f`, `recv 1;~2,3 send 4`. Raises `Malformed`."""
    words = value.split()
    ways = words[::2]
    if not ways or len(words) % 2 or len(set(ways)) != len(ways) or not set(ways) <= {"send", "recv"}:
        # spec: simulcast/direction-once
        raise Malformed(f"simulcast cannot say {value[:64]!r}")
    lists = dict(zip(ways, words[1::2], strict=True))
    marked = [name for text in lists.values() for name in re.split("[;,]", text)]
    names = [name.removeprefix("~") for name in marked]
    if len(names) > 2 * MAXIMUM_STREAMS or not all(map(_RID.match, names)) or len(set(names)) != len(names):
        # spec: simulcast/rid-once
        raise Malformed(f"simulcast cannot say {value[:64]!r}")
    send, recv = (
        tuple(tuple(name.removeprefix("~") for name in stream.split(",")) for stream in text.split(";")) if text else ()
        for text in (lists.get("send", ""), lists.get("recv", ""))
    )
    return Simulcast(send, recv, tuple(name[1:] for name in marked if name.startswith("~")))


def serialize_simulcast(simulcast: Simulcast) -> str:
    """`send q;h;f`, or `send 1 recv 2`: sending comes first."""

    def written(streams: tuple[tuple[str, ...], ...]) -> str:
        marked = ([f"~{name}" if name in simulcast.paused else name for name in stream] for stream in streams)
        return ";".join(map(",".join, marked))

    ways = (("send", simulcast.send), ("recv", simulcast.recv))
    return " ".join(f"{way} {written(streams)}" for way, streams in ways if streams)
