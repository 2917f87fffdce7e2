"""What two ends of a connection agree on by offer and answer: the values, and our own numbers for them.

A participant has two connections: on *up* the client offers what it sends, on *down* the server offers its slots.
So on both the sender offers and the receiver answers: `offering.py` is the one half, `answering.py` the other.
Specification: RFC 9429 (JSEP), RFC 9143 (BUNDLE), RFC 4588 (RTX), RFC 2198 (RED), RFC 8853 (simulcast), the uris of
each header extension below. Leaves out: data channels, other codecs of pictures (`protocol/videocodecs`).
Read next: `protocol/description.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from meetref.wire.candidate import Candidate

Kind = Literal["audio", "video"]
Setup = Literal["active", "passive", "actpass"]

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TRANSPORT_SEQUENCE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
DEPENDENCY_DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

RENOMINATION = "renomination"
SPED_OPTIONS = ("sped", "googspedv1", "goog-sped-v1")
"""The DTLS handshake in connectivity checks: libwebrtc has the last two names, of its newer and older versions."""

PLAIN_ICE_OPTIONS = ("trickle", "ice2", RENOMINATION)
ICE_OPTIONS = (*PLAIN_ICE_OPTIONS, *SPED_OPTIONS)  # spec: sped/options-offered

AUDIO_LEVEL_ID = 1
TRANSPORT_SEQUENCE_ID = 3
MID_ID = 4
DEPENDENCY_DESCRIPTOR_ID = 12


@dataclass(slots=True, frozen=True)
class Transport:
    """One end of the connection that all sections share: ICE credentials, DTLS fingerprints and role, candidates."""

    ufrag: str
    password: str = field(repr=False)
    fingerprints: tuple[tuple[str, str], ...] = ()
    setup: Setup = "actpass"
    candidates: tuple[Candidate, ...] = ()
    ice_options: tuple[str, ...] = ("trickle", "ice2")
    end_of_candidates: bool = False
    ice_lite: bool = False
    """Read of peers (media servers say so); never written (RFC 9429 section 5.2.1)."""
    hides_headers: bool = False
    """Whether RTP headers may come hidden (RFC 9335): in both descriptions, or in neither."""

    @property
    def renominates(self) -> bool:
        """Whether the peer takes the newest of several nominations."""
        return RENOMINATION in self.ice_options

    @property
    def embeds_handshake(self) -> bool:
        """Whether the peer takes the DTLS handshake in connectivity checks."""
        return not set(SPED_OPTIONS).isdisjoint(self.ice_options)


@dataclass(slots=True, frozen=True)
class Codec:
    """A codec under a payload type; `feedback` names what the receiver may send, as in `rtcp-fb` lines."""

    name: str
    clock_rate: int
    channels: int
    payload_type: int
    parameters: dict[str, str] = field(default_factory=dict)
    feedback: tuple[str, ...] = ()


OPUS_PAYLOAD_TYPE = 111
VP8_PAYLOAD_TYPE = 96
RTX_PAYLOAD_TYPE = 97
RED_PAYLOAD_TYPE = 63
VIDEO_RED_PAYLOAD_TYPE = 116
ULPFEC_PAYLOAD_TYPE = 117

OPUS = Codec("opus", 48000, 2, OPUS_PAYLOAD_TYPE, {"minptime": "10", "useinbandfec": "1"}, ("transport-cc",))
VP8 = Codec("VP8", 90000, 1, VP8_PAYLOAD_TYPE, {}, ("transport-cc", "ccm fir", "nack", "nack pli"))
RTX = Codec("rtx", 90000, 1, RTX_PAYLOAD_TYPE, {"apt": str(VP8_PAYLOAD_TYPE)})
RED = Codec("red", 48000, 2, RED_PAYLOAD_TYPE, {f"{OPUS_PAYLOAD_TYPE}/{OPUS_PAYLOAD_TYPE}": ""})
"""Sound that is said twice: Opus, and Opus of before."""
VIDEO_RED = Codec("red", 90000, 1, VIDEO_RED_PAYLOAD_TYPE)
"""What parts of pictures come in where FEC comes among them."""
ULPFEC = Codec("ulpfec", 90000, 1, ULPFEC_PAYLOAD_TYPE)
"""Never the type of a packet, only of what is in RED."""

CODECS: dict[Kind, Codec] = {"audio": OPUS, "video": VP8}
"""The codec of each kind that every end of ours knows; `protocol/videocodecs` has the others of pictures."""

EXTENSIONS: dict[Kind, dict[str, int]] = {  # spec: sdp/mid-extension
    "audio": {AUDIO_LEVEL: AUDIO_LEVEL_ID, TRANSPORT_SEQUENCE: TRANSPORT_SEQUENCE_ID, MID: MID_ID},
    "video": {
        TRANSPORT_SEQUENCE: TRANSPORT_SEQUENCE_ID,
        MID: MID_ID,
        DEPENDENCY_DESCRIPTOR: DEPENDENCY_DESCRIPTOR_ID,
    },
}
"""The header extensions of each kind, under the ids of our own offers: one meaning per id in the whole BUNDLE group."""

RECEIVED_EXTENSIONS: dict[Kind, frozenset[str]] = {  # spec: simulcast/rid-extension
    "audio": frozenset(EXTENSIONS["audio"]),
    "video": frozenset({*EXTENSIONS["video"], RID, REPAIRED_RID}),
}
"""Those that are taken of what others send; none of our own streams has a RID."""


class Fec(NamedTuple):
    """The payload types where pictures are protected: of all their packets, and of FEC in there."""

    red: int
    ulpfec: int


@dataclass(slots=True, frozen=True, kw_only=True)
class SentTrack:
    """A section that the offerer fills: on *up* a client's track, on *down* a slot, whoever sits there.

    `ssrc` and `rtx_ssrc` are the section's own for as long as the connection lives. Tracks of one `stream` are played
    in sync. With `active` false the section stays where it is and sends nothing.
    """

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None = None
    cname: str
    stream: str
    track: str = ""
    active: bool = True


Slot = SentTrack
"""On *down* a track that is sent is a slot: the section stays, the people change."""


@dataclass(slots=True, frozen=True, kw_only=True)
class AcceptedTrack:
    """What the answerer takes of one offered section. `payload_type` is None where the section was rejected.

    `receiving` is false while the answerer wants nothing (rejected, or inactive). `extensions` maps uri to id, `codecs`
    the name of each codec that it reads to the payload type of its retransmissions, where there are any.
    """

    mid: str
    kind: Kind
    receiving: bool
    payload_type: int | None = None
    rtx_payload_type: int | None = None
    red_payload_type: int | None = None
    fec: Fec | None = None
    codecs: dict[str, int | None] = field(default_factory=dict)
    extensions: dict[str, int] = field(default_factory=dict)
    feedback: tuple[str, ...] = ()

    @property
    def rtx(self) -> bool:
        """Whether lost packets are resent on a stream of their own."""
        return self.rtx_payload_type is not None

    @property
    def transport_sequence(self) -> bool:
        """Whether packets carry the transport-wide number and the answerer reports on it."""
        return TRANSPORT_SEQUENCE in self.extensions and "transport-cc" in self.feedback


@dataclass(slots=True, frozen=True)
class TakenAnswer:
    """What the peer's answer says: its end of the connection, and one entry a section, in the order of the offer."""

    remote: Transport
    tracks: tuple[AcceptedTrack, ...]

    @property
    def accepted(self) -> dict[str, AcceptedTrack]:
        """The tracks that are wanted now, by mid."""
        return {track.mid: track for track in self.tracks if track.receiving}


@dataclass(slots=True, frozen=True, kw_only=True)
class ReceivedTrack:
    """What arrives on one accepted section.

    `codecs` maps payload types, the preferred one first, `rtx` the payload type of retransmissions to the one they
    repair, `extensions` uri to id, `rtx_of` the SSRC of retransmissions to the SSRC they repair; `red` is the payload
    type of sound that is said twice. `active` tells whether anything is sent now.
    `rids` are the names of its encodings, the sender's preferred one first; none: there is one, and it has no name.
    `answers_clock`: who only receives may send its clock in extended reports, and gets an answer to measure by.
    With `fec` pictures may come protected.
    """

    mid: str
    kind: Kind
    codecs: dict[int, Codec]
    rtx: dict[int, int] = field(default_factory=dict)
    red: int | None = None
    extensions: dict[str, int] = field(default_factory=dict)
    ssrcs: tuple[int, ...] = ()
    rtx_of: dict[int, int] = field(default_factory=dict)
    cname: str | None = None
    streams: tuple[str, ...] = ()
    track: str | None = None
    active: bool = True
    rids: tuple[str, ...] = ()
    answers_clock: bool = False
    fec: Fec | None = None

    @property
    def ssrc(self) -> int | None:
        """The first SSRC of the media itself, where the description tells one."""
        return self.ssrcs[0] if self.ssrcs else None

    @property
    def rtx_ssrc(self) -> int | None:
        """The SSRC on which the first one is repaired."""
        return next((repair for repair, media in self.rtx_of.items() if media == self.ssrc), None)
