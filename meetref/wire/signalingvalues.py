"""What the messages of signaling consist of: words with their bounds, and the values that stand inside messages.

Stands below `wire/signaling`, which has the messages and gives these on under the same names.
Specification: our own; the page of the protocol in the docs is made from both.
Leaves out: the messages, and how they are read.
Read next: `wire/signaling.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAXIMUM_VISIBLE = 25  # people and screens that one viewer sees at a time
MAXIMUM_PINNED = 9
MAXIMUM_RECENT = 10  # people who are told to have spoken lately
MAXIMUM_OWN_RECORDINGS = 20  # in one room

# A name stands in the log and in front of other people: no line ends, control characters or reversals of direction.
NAME_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*\Z"
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME_PATTERN)]
RoomName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
Identity = Annotated[str, Meta(min_length=1, max_length=64)]
SDP = Annotated[str, Meta(max_length=200_000)]
Sequence = Annotated[int, Meta(ge=0, lt=2**53)]

Source = Literal["microphone", "camera", "screen", "screen-sound"]
MicrophoneState = Literal["on", "muted", "none"]
CameraState = Literal["on", "off", "none"]
Shown = Literal["camera", "screen"]
Layout = Literal["grid", "speaker"]
RecordingWay = Literal["server", "browser", "bot"]
Pixels = Annotated[int, Meta(ge=0, le=16384)]


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message; the subclasses say which."""


class Resume(Message):
    """Who the client was before its WebSocket broke, and the secret that proves it."""

    participant: Identity
    secret: Identity


class Pin(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A person, or a person's screen, that the viewer wants to see whatever happens."""

    person: Identity
    source: Shown = "camera"


class Person(Message):
    """Somebody in the room, as the others see them."""

    id: Identity
    name: Name
    microphone: MicrophoneState = "none"
    camera: CameraState = "none"
    screen: bool = False
    bot: bool = False


class Seat(Message):
    """Who sits in one seat of the viewer's *down* connection: an audio and a video slot, or one of the two.

    `audio` and `video` are the slots' mids (null: this seat has no such slot, or the person is only heard, because the
    viewer looks at others). `person` is null on an empty seat; `source` says whether the seat shows the person
    (`camera`, with the microphone) or the person's `screen` (with the shared sound). `audio_from` and `video_from` are
    the first RTP timestamps that belong to this person (null until their first packet has gone); the page changes name
    and tile there.
    """

    seat: int
    audio: str | None = None
    video: str | None = None
    person: Identity | None = None
    source: Shown = "camera"
    audio_from: int | None = None
    video_from: int | None = None


class IceServer(msgspec.Struct, forbid_unknown_fields=True):
    """A TURN server, in the words of the browser's `RTCIceServer`. The name says until when it is good."""

    urls: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=16)]
    username: Annotated[str, Meta(max_length=200)]
    credential: Annotated[str, Meta(max_length=200)]


class SeatVideo(msgspec.Struct, forbid_unknown_fields=True):
    """What comes in one seat's video slot: `layer` in words, or why nothing does, in words for the viewer."""

    seat: int
    state: Literal["playing", "paused"] = "playing"
    reason: Annotated[str, Meta(max_length=200)] | None = None
    layer: Annotated[str, Meta(max_length=64)] | None = None


class PersonQuality(msgspec.Struct, forbid_unknown_fields=True):
    """How well a person's connections do: 4 bars are good, 0 is no connection."""

    person: Identity
    bars: Annotated[int, Meta(ge=0, le=4)]


class OwnRecording(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Somebody who records for themselves: in their `browser`, or as a `bot` that writes down what it sees."""

    by: Identity
    name: Name
    way: Literal["browser", "bot"]
    since: float
    """Seconds since 1970 by the server's clock."""
