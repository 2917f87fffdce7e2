"""Every message that the page (or a bot) and the server exchange over the signaling WebSocket.

One text frame is one JSON object; its `type` names one of the structs below, and a field that is not
in the struct is an error. This file, with the values in `wire/signalingvalues`, is the only definition: validation,
encoding, the protocol page in the docs and the bounds all come from it.
Stands below `app/signaling` (the WebSocket) and `meeting/participant` (what the messages do).
Leaves out: SDP and candidates are text here; `wire/sdp` and `wire/candidate` read them.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from meetref.wire.reader import Malformed
from meetref.wire.signalingvalues import MAXIMUM_OWN_RECORDINGS as MAXIMUM_OWN_RECORDINGS
from meetref.wire.signalingvalues import MAXIMUM_PINNED as MAXIMUM_PINNED
from meetref.wire.signalingvalues import MAXIMUM_RECENT as MAXIMUM_RECENT
from meetref.wire.signalingvalues import MAXIMUM_VISIBLE as MAXIMUM_VISIBLE
from meetref.wire.signalingvalues import SDP, Identity, Layout, Name, Pixels, RecordingWay, Sequence
from meetref.wire.signalingvalues import CameraState as CameraState
from meetref.wire.signalingvalues import IceServer as IceServer
from meetref.wire.signalingvalues import Message as Message
from meetref.wire.signalingvalues import MicrophoneState as MicrophoneState
from meetref.wire.signalingvalues import OwnRecording as OwnRecording
from meetref.wire.signalingvalues import Person as Person
from meetref.wire.signalingvalues import PersonQuality as PersonQuality
from meetref.wire.signalingvalues import Pin as Pin
from meetref.wire.signalingvalues import Resume as Resume
from meetref.wire.signalingvalues import RoomName as RoomName
from meetref.wire.signalingvalues import Seat as Seat
from meetref.wire.signalingvalues import SeatVideo as SeatVideo
from meetref.wire.signalingvalues import Shown as Shown
from meetref.wire.signalingvalues import Source as Source

MAXIMUM_MESSAGE_SIZE = 256 * 1024  # octets; an SDP with 25 seats has about 60,000
MAXIMUM_CHAT_LENGTH = 4000  # characters
MAXIMUM_CAPTION_LENGTH = 300  # characters

# --- what a client says ---------------------------------------------------------------------------


class Join(Message, tag="join"):
    """The first message on a WebSocket. With `resume`, a participant whose WebSocket broke comes back as itself.

    `last_sequence` is the number of the last chat message the client has; exactly the later ones follow.
    `token` is needed where the server was given a room secret.
    """

    room: RoomName
    name: Name
    token: Annotated[str, Meta(max_length=4096)] | None = None
    resume: Resume | None = None
    last_sequence: Sequence = 0
    microphone: MicrophoneState = "none"
    camera: CameraState = "none"
    bot: bool = False


class Leave(Message, tag="leave"):
    """The person leaves for good; the others are told at once."""


class UpOffer(Message, tag="up-offer"):
    """The SDP offer of the client's *up* connection. `tracks` says what each `mid` carries.

    `connection` counts the client's *up* connections: another number means that this is a new one, which replaces
    the old one. `number` counts the offers.
    """

    connection: Sequence
    number: Sequence
    sdp: SDP
    tracks: Annotated[dict[Annotated[str, Meta(max_length=16)], Source], Meta(max_length=16)]


class UpCandidate(Message, tag="up-candidate"):
    """A trickled candidate of *up*; the empty text says that there are no more."""

    candidate: Annotated[str, Meta(max_length=512)]


class DownAnswer(Message, tag="down-answer"):
    """The SDP answer to the server's offer `number` for *down*."""

    number: Sequence
    sdp: SDP


class DownCandidate(Message, tag="down-candidate"):
    """A trickled candidate of *down*; the empty text says that there are no more."""

    candidate: Annotated[str, Meta(max_length=512)]


class DownRestart(Message, tag="down-restart"):
    """The client lost its *down* connection and asks for a new offer with new ICE credentials."""


class Devices(Message, tag="devices"):
    """What the person sends now: shown to the others as muted microphone or closed camera."""

    microphone: MicrophoneState
    camera: CameraState
    screen: bool = False


class SayChat(Message, tag="say"):
    """A chat message. `client_id` is the client's own name for it: said twice, it is stored once."""

    client_id: Identity
    text: Annotated[str, Meta(min_length=1, max_length=MAXIMUM_CHAT_LENGTH)]


class WriteCaption(Message, tag="write-caption"):
    """A line of what is being said, written down for everybody; `caption` tells it to all, its writer too.

    `person` is whose words they are, somebody in the room. Line ends and double blanks become single ones.
    """

    text: Annotated[str, Meta(min_length=1, max_length=MAXIMUM_CAPTION_LENGTH)]
    person: Identity | None = None


class Look(Message, tag="look"):
    """What the client shows now; the server seats people accordingly. Without it: a grid with room for all.

    `tiles` is how many people and screens fit on the client's stage, the large one included; when there are more, they
    come in pages, and `page` is the one that is wanted (`seats` answers). The first that is pinned is large, else a
    screen, and in the layout `speaker` else who speaks. `pinned` is seen on every page, first comes first; who is not
    there is passed over. `large` and `small` are the heights of the large tile and of the others in pixels of the
    screen; 0 is not told.
    """

    layout: Layout = "grid"
    page: Annotated[int, Meta(ge=0, le=9999)] = 0
    pinned: Annotated[tuple[Pin, ...], Meta(max_length=MAXIMUM_PINNED)] = ()
    tiles: Annotated[int, Meta(ge=0, le=MAXIMUM_VISIBLE)] = MAXIMUM_VISIBLE
    large: Pixels = 0
    small: Pixels = 0


class Record(Message, tag="record"):
    """Record the room from now on, or stop. `recording` tells everybody; `joined` said whether one may.

    `way` is who does it: the `server`, for all; or oneself, in one's `browser` or as a `bot`: then nothing is recorded
    before one stands in the `others` of `recording`. A browser is told by `upload` where its recording goes.
    """

    on: bool
    way: RecordingWay = "server"


class Admit(Message, tag="admit"):
    """Let somebody in who watches and raised a hand, or say no; `audience` tells everybody whose hands are left."""

    hand: Identity
    yes: bool


class Pong(Message, tag="pong"):
    """The answer to `ping`, with its number."""

    number: Sequence


ClientMessage = (
    Join
    | Leave
    | UpOffer
    | UpCandidate
    | DownAnswer
    | DownCandidate
    | DownRestart
    | Devices
    | Look
    | SayChat
    | WriteCaption
    | Record
    | Admit
    | Pong
)


# --- what the server says -------------------------------------------------------------------------


class Joined(Message, tag="joined"):
    """The answer to `join`: who you are, the secret to resume with, and everybody in the room, yourself included.

    `resumed` tells a returning client that its connections are still alive; otherwise it builds new ones.
    `sequence` is the number of the room's last chat message; those after the client's `last_sequence` follow as `chat`.
    Numbers grow from message to message, and may leave some out.
    `ice_servers` are for both connections; each answer to `join` has new credentials. `may_record` tells whether one
    may start and stop a recording here. `visit` is a ticket for `POST /api/visits`: it proves afterwards, to this
    server, that one was in the room, and so opens its recordings.
    """

    participant: Identity
    secret: Identity
    room: RoomName
    resumed: bool
    people: list[Person]
    sequence: Sequence
    ice_servers: Annotated[list[IceServer], Meta(max_length=8)]
    may_record: bool = False
    visit: Annotated[str, Meta(max_length=2000)] | None = None


class PersonChanged(Message, tag="person"):
    """Somebody is new in the room, or changed: the whole of what is known about them."""

    person: Person


class PersonLeft(Message, tag="person-left"):
    """Somebody is gone. `reason` is `left`, `lost` (the connection died) or `removed`."""

    id: Identity
    reason: Literal["left", "lost", "removed"]


class UpAnswer(Message, tag="up-answer"):
    """The SDP answer to the client's *up* offer `number`. The server's candidates are in it."""

    connection: Sequence
    number: Sequence
    sdp: SDP


class Layers(Message, tag="layers"):
    """Which encodings of the section `mid` of *up* anybody uses: the client sends these and no others.

    They are named by their RIDs; the only one of a section without simulcast is called by the empty text. At first all
    are used.
    """

    mid: Annotated[str, Meta(max_length=16)]
    active: Annotated[list[Annotated[str, Meta(max_length=16)]], Meta(max_length=4)]


class DownOffer(Message, tag="down-offer"):
    """The SDP offer of the server's *down* connection. The server's candidates are in it.

    `connection` counts the server's *down* connections: at another number the client closes the old one and makes a
    new one. An offer with other ICE credentials is a restart: the client asked for it, or the server hears nothing.
    """

    connection: Sequence
    number: Sequence
    sdp: SDP


class Seats(Message, tag="seats"):
    """Who sits where from now on: always the whole list, one entry a seat.

    `large` is the seat that should be the large one, or null where all are alike. `page`, from 0, is the page that is
    seen, of `pages`; it is the one that `look` asked for, or the last one there is.
    """

    seats: list[Seat]
    large: int | None = None
    page: int = 0
    pages: int = 1


class Video(Message, tag="video"):
    """What comes in the video slots from now on: always the whole list. A seat that is not in it plays what comes."""

    seats: Annotated[list[SeatVideo], Meta(max_length=MAXIMUM_VISIBLE)]


class Speaker(Message, tag="speaker"):
    """Who leads the conversation (null: nobody speaks), and who did before, the latest first."""

    person: Identity | None = None
    recent: Annotated[tuple[Identity, ...], Meta(max_length=MAXIMUM_RECENT)] = ()


class Quality(Message, tag="quality"):
    """The people whose bars have changed; a newcomer is told of all that are known."""

    people: list[PersonQuality]


class Chat(Message, tag="chat"):
    """A chat message as it stands in the room's log. To its author it is the acknowledgement too."""

    sequence: Sequence
    client_id: Identity
    person: Identity
    name: Name
    text: str
    sent_at: float
    """Seconds since 1970 by the server's clock."""


class Caption(Message, tag="caption"):
    """A line of what is being said. `by` wrote it; `person` and `name` are whose words they are, if that is known.

    Who comes later is not told it again.
    """

    by: Identity
    text: str
    person: Identity | None = None
    name: Name | None = None


class Recording(Message, tag="recording"):
    """Whether the room is being recorded. Told to everybody before it begins and when it ends, and to who comes later.

    `by` and `name` are who started it, or, once it is over, who stopped it (null: nobody did). `trouble` is what is
    wrong with it, in a sentence for everybody: the disk is slow or full. `recording` is said once it is over, where it
    can be seen afterwards: at `/recordings/` and this. All of that is the server's own recording; `others` are those
    who record for themselves, always all of them.
    """

    on: bool
    by: Identity | None = None
    name: Name | None = None
    since: float | None = None
    """Seconds since 1970 by the server's clock."""
    trouble: Annotated[str, Meta(max_length=200)] | None = None
    recording: Annotated[str, Meta(max_length=128)] | None = None
    others: Annotated[tuple[OwnRecording, ...], Meta(max_length=MAXIMUM_OWN_RECORDINGS)] = ()


class Audience(Message, tag="audience"):
    """The room has an audience, which sees and hears everybody; `hands` are those of it who would like to speak."""

    hands: Annotated[dict[Identity, Name], Meta(max_length=50)]


class Upload(Message, tag="upload"):
    """Where `recording`, that of one's browser, goes: octets to `/api/uploads/ID`, with `token` as the bearer's.

    It is `maximum` octets long at most; `chunk` is how many go there at a time.
    """

    recording: Annotated[str, Meta(max_length=120)]
    id: Identity
    token: Identity
    maximum: int
    chunk: int


class Ping(Message, tag="ping"):
    """Are you there? Sent every few seconds; a client that hears none for `timeout` seconds should reconnect."""

    number: Sequence
    timeout: float


class Error(Message, tag="error"):
    """Something could not be done. The connection goes on, except for the codes marked with *.

    `code` is one of the fixed words below, `message` says in a sentence what happened and what to do, `about` is the
    `type` of the message it answers, where that could be read.
    """

    code: Literal[
        "malformed",  # not JSON, an unknown type, or a wrong field
        "too-large",
        "too-fast",  # more messages, or captions, in a short time than a person makes
        "not-joined",
        "already-joined",
        "not-allowed",  # * the token is missing, wrong or expired
        "room-full",  # *
        "server-full",  # *
        "server-slow",  # * its log did not answer in time
        "bad-sdp",
        "bad-candidate",
        "wrong-state",
        "chat-unavailable",  # the log cannot take it now; say it again later
        "recording-refused",  # you may not, or this server does not record
        "recording-unavailable",  # it cannot begin now
        "replaced",  # * the same participant resumed on another WebSocket
        "closing",  # * the server stops
    ]
    message: str
    about: str | None = None


ServerMessage = (
    Joined
    | PersonChanged
    | PersonLeft
    | UpAnswer
    | Layers
    | DownOffer
    | Seats
    | Video
    | Speaker
    | Quality
    | Chat
    | Caption
    | Recording
    | Audience
    | Upload
    | Ping
    | Error
)

_from_client = msgspec.json.Decoder(ClientMessage)
_from_server = msgspec.json.Decoder(ServerMessage)
M = TypeVar("M")

_encoder = msgspec.json.Encoder()


def parse_client(text: str | bytes) -> ClientMessage:
    """What a client said. Raises `Malformed` with words for its author."""
    message: ClientMessage = _parse(_from_client, text)
    return message


def parse_server(text: str | bytes) -> ServerMessage:
    """What the server said. Raises `Malformed`."""
    message: ServerMessage = _parse(_from_server, text)
    return message


def serialize(message: ClientMessage | ServerMessage) -> str:
    """The one JSON text of a message."""
    return _encoder.encode(message).decode()


def _parse(decoder: msgspec.json.Decoder[M], text: str | bytes) -> M:
    octets = text.encode() if isinstance(text, str) else text
    if len(octets) > MAXIMUM_MESSAGE_SIZE:
        raise Malformed(f"message of {len(octets)} octets, at most {MAXIMUM_MESSAGE_SIZE} are read")
    try:
        return decoder.decode(octets)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
