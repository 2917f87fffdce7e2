"""The answerer's half of a negotiation: read an offer, take what we handle, write the answer.

On *up* this is the server, on *down* the client, and both receive. Where a client offers to watch (`protocol/oneway`)
the answerer sends. Stands above `protocol/description`.
Specification: RFC 9429 section 5.3, RFC 9143 section 7.3, RFC 3264 section 6.
Leaves out: sections that go both ways, and memory of earlier offers: the same section always gets the same answer, so
that a second offer keeps what the first one agreed on. Read next: `protocol/peer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from meetref.protocol.description import (
    ROUND_TRIP,
    answers_clock,
    candidate_attributes,
    choose_codecs,
    choose_extensions,
    choose_fec,
    choose_red,
    choose_rtx,
    codecs_of,
    is_rejected,
    read_bundle,
    read_codecs,
    read_mids,
    read_transport,
    unusable,
    write_rejection,
    write_section,
    write_session,
)
from meetref.protocol.negotiation import (
    DEPENDENCY_DESCRIPTOR,
    TRANSPORT_SEQUENCE,
    VP8,
    Codec,
    Fec,
    Kind,
    ReceivedTrack,
    Setup,
    Transport,
)
from meetref.protocol.simulcast import ENCODING_EXTENSIONS, choose_encodings, encoding_attributes
from meetref.protocol.videocodecs import DESCRIBED
from meetref.wire import sdp
from meetref.wire import sdpattributes as attributes
from meetref.wire.reader import Malformed
from meetref.wire.sdp import Attribute, Section, Session
from meetref.wire.sdpattributes import RID, Extension, StreamTrack

MAXIMUM_SOURCES = 16
"""SSRCs that one section may announce."""

_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF"})
_FITTING_ROLES: dict[Setup, frozenset[Setup]] = {
    "actpass": frozenset({"active", "passive"}),
    "active": frozenset({"passive"}),
    "passive": frozenset({"active"}),
}
_REVERSED = {"sendonly": "recvonly", "recvonly": "sendonly"}

Way = Literal["recvonly", "sendonly"]
"""What the answerer does."""


@dataclass(slots=True, frozen=True)
class _Taken:
    """One section that is taken, on its way into the answer."""

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]
    """Where we receive there is one."""
    rtx: dict[int, Codec]
    """What repairs each, by the payload type of that one."""
    red: Codec | None
    fec: tuple[Codec, Codec] | None
    extensions: tuple[Extension, ...]
    active: bool
    encodings: tuple[RID, ...]
    answers_clock: bool

    @property
    def formats(self) -> Iterator[Codec]:
        """The codecs and what protects them, each with what repairs it behind it."""
        for codec in (*self.codecs, *(self.fec or ())):
            yield codec
            if codec.payload_type in self.rtx:
                yield self.rtx[codec.payload_type]


@dataclass(slots=True, frozen=True)
class Offer:
    """An offer that can be answered: the peer's end, and what will flow on each section that is taken.

    `mids` names every section, `tracks` has an entry for each that is taken; `way` is ours. `bundle` has the mids of
    those in the order of the answer, first the section `tagged`, which has the candidates.
    """

    transport: Transport
    tracks: tuple[ReceivedTrack, ...]
    mids: tuple[str, ...]
    way: Way
    tagged: Section = field(repr=False)
    bundle: tuple[str, ...]
    _session: Session = field(repr=False)
    _taken: dict[str, _Taken] = field(repr=False)

    def without_arrivals(self) -> Offer:
        """The same to somebody who will not tell when packets arrive, though they have their numbers."""
        taken = {mid: replace(each, codecs=_without_clock(each.codecs)) for mid, each in self._taken.items()}
        return replace(self, _taken=taken)

    def without_text(self) -> Offer:
        """What is worth keeping of it once it is answered: a browser's attributes fill 30 kB."""
        tagged = replace(self.tagged, lines=(), attributes=(Attribute("mid", self.tagged.mid),))
        session = replace(self._session, lines=(), attributes=(), sections=())
        return replace(self, tagged=tagged, _session=session, _taken={})


@dataclass(slots=True, frozen=True)
class GivenAnswer:
    """Our answer, and what it agrees on: see `Offer`."""

    sdp: str
    remote: Transport
    tracks: tuple[ReceivedTrack, ...]
    mids: tuple[str, ...]


def read_offer(offer_sdp: str, way: Way = "recvonly", video: Sequence[Codec] = (VP8,), *, fec: bool = False) -> Offer:
    """Read an offer and decide what to take of it: Opus, also said twice (RED), one codec of `video`, and its repair.

    That is the first one of `video` that is offered, whatever the offerer prefers. With `way` `sendonly` it is we who
    send, and may send all of `video` that the offerer reads. With `fec` protection of VP8 is taken, too. Payload types
    and extension ids stay the offerer's own.
    Raises `Malformed`, in words for the offerer, when nothing can come of the offer.
    """
    session = sdp.parse(offer_sdp)
    mids = read_mids(session)
    bundle = read_bundle(session)
    taken = {
        found.mid: found for section in session.sections if (found := _take(session, section, bundle, way, video, fec))
    }
    if not taken:
        unusable(f"nothing in the offer can be taken: {takeable(video)} are")
    tagged, remote = _read_remote(session, [mid for mid in bundle if mid in taken], bundle[0])
    _check_meanings(list(taken.values()))
    tracks = [_received_track(section, taken[section.mid]) for section in session.sections if section.mid in taken]
    _check_sources(tracks)
    kept = sorted((mid for mid in bundle if mid in taken), key=lambda mid: mid != tagged.mid)
    return Offer(remote, tuple(tracks), mids, way, tagged, tuple(kept), session, taken)


def takeable(video: Sequence[Codec]) -> str:
    """What can be taken, in words for an offerer."""
    *others, last = (codec.name for codec in video)
    return f"Opus audio and {', '.join(others)} or {last} video" if others else f"Opus audio and {last} video"


def answer(
    offer: Offer,
    local: Transport,
    *,
    session_id: int,
    version: int,
    more: Mapping[str, Sequence[Attribute]] | None = None,
) -> GivenAnswer:
    """Answer an offer in the DTLS role `local.setup`: `passive` for the server, `active` for clients.

    `more` are further attributes of sections, by mid. Raises `Malformed` when the offerer insists on the same role.
    """
    if local.setup not in _FITTING_ROLES[offer.transport.setup]:  # spec: sdp/answer-setup
        unusable(f"the offer wants to be {offer.transport.setup} in DTLS, and this end {local.setup}")
    candidates = tuple(candidate_attributes(local))
    sections = [
        _answered_section(
            section,
            offer._taken.get(mid),
            offer.way,
            candidates if section is offer.tagged else (),
            (more or {}).get(mid, ()),
        )
        for mid, section in zip(offer.mids, offer._session.sections, strict=True)
    ]
    answering = agreed_transport(offer, local)
    described = write_session(sections, answering, session_id=session_id, version=version, bundle=offer.bundle)
    return GivenAnswer(sdp.serialize(described), offer.transport, offer.tracks, offer.mids)


def agreed_transport(offer: Offer, local: Transport) -> Transport:
    """Our end, with those ICE options that the offerer has, too."""
    theirs = offer.transport.ice_options
    options = tuple(option for option in local.ice_options if option in theirs)  # spec: sdp/ice-options-echoed
    hides_headers = local.hides_headers and offer.transport.hides_headers  # spec: srtp/cryptex-negotiated
    return replace(local, ice_options=options, hides_headers=hides_headers)


def _read_remote(session: Session, taken: Sequence[str], first: str) -> tuple[Section, Transport]:
    """The section whose transport counts for all, and that transport.

    It is the first taken one with a port (RFC 9143 section 7.3.1). Where it says nothing about the transport, the
    group's first section does, even if that one (say, of a data channel) is rejected itself.
    """
    sections = {section.mid: section for section in session.sections}
    tagged = sections[next((mid for mid in taken if sections[mid].port), taken[0])]  # spec: sdp/tagged-section
    places = [tagged] if tagged.mid == first else [tagged, sections[first]]
    if not any(section.has("rtcp-mux") for section in places):  # spec: sdp/rtcp-mux-required
        unusable("the offer does not multiplex RTCP with RTP: there is one port for both")
    return tagged, read_transport(session, places)


def _take(
    session: Session, section: Section, bundle: Sequence[str], way: Way, video: Sequence[Codec], fec: bool
) -> _Taken | None:
    """What is taken of an offered section; None when it is rejected."""
    kind: Kind | None = "audio" if section.kind == "audio" else "video" if section.kind == "video" else None
    mid = section.mid
    if kind is None or mid is None or mid not in bundle or is_rejected(section) or section.protocol not in _PROTOCOLS:
        return None  # spec: sdp/reject-section
    offered = read_codecs(section)
    codecs: Sequence[Codec] = choose_codecs(offered, codecs_of(kind, video), sent_by_us=way == "sendonly")
    if not codecs:
        return None  # spec: sdp/reject-section
    if way == "recvonly":
        codecs = codecs[:1]
    extensions = choose_extensions(session, section, kind, "sends" if way == "recvonly" else "receives")
    without_clock = any("transport-cc" not in codec.feedback for codec in codecs)
    if TRANSPORT_SEQUENCE not in extensions or without_clock:  # spec: sdp/transport-wide-both
        extensions.pop(TRANSPORT_SEQUENCE, None)
        codecs = _without_clock(codecs)
    mixed = session.has("extmap-allow-mixed") or section.has("extmap-allow-mixed")
    if not mixed or not any(codec.name in DESCRIBED for codec in codecs):  # spec: sdp/mixed-extensions
        extensions.pop(DEPENDENCY_DESCRIPTOR, None)
    active = sdp.direction(session, section) in ("sendrecv", _REVERSED[way])
    encodings = choose_encodings(section, codecs[0], tuple(extensions.values())) if way == "recvonly" else ()
    if not encodings:
        for uri in ENCODING_EXTENSIONS:
            extensions.pop(uri, None)
    red = choose_red(offered, codecs[0]) if way == "recvonly" else None
    protection = choose_fec(offered, codecs) if fec and kind == "video" else None
    repaired = (*codecs, *(protection or ()))
    rtx = {codec.payload_type: found for codec in repaired if (found := choose_rtx(offered, codec))}
    measured = answers_clock(session, section)
    return _Taken(
        mid, kind, tuple(codecs), rtx, red, protection, tuple(extensions.values()), active, encodings, measured
    )


def _without_clock(codecs: Iterable[Codec]) -> tuple[Codec, ...]:
    return tuple(
        replace(codec, feedback=tuple(name for name in codec.feedback if name != "transport-cc")) for codec in codecs
    )


def _answered_section(
    section: Section, taken: _Taken | None, way: Way, candidates: Sequence[Attribute], more: Sequence[Attribute]
) -> Section:
    if taken is None:
        return write_rejection(section)
    return write_section(
        section.kind,
        taken.mid,
        # A browser sends what stands first.
        # spec: red/preferred
        [*([taken.red] if taken.red is not None else []), *taken.formats],
        [
            Extension(extension.id, extension.uri, _REVERSED.get(extension.direction or "", extension.direction))
            for extension in taken.extensions
        ],
        way if taken.active else "inactive",  # spec: sdp/answer-direction
        protocol=section.protocol,
        candidates=candidates,
        # spec: rtcp/round-trip-agreed
        more=(*encoding_attributes(taken.encodings), *(ROUND_TRIP if taken.answers_clock else ()), *more),
    )


def _check_meanings(taken: Sequence[_Taken]) -> None:
    """One payload type and one extension id mean one thing in the whole BUNDLE group (RFC 9143 sections 9.1, 9.2)."""
    formats: dict[int, str] = {}
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for one in taken:
        meanings = [(codec.payload_type, codec.name) for codec in (*one.codecs, *(one.fec or ()))]
        meanings += [(rtx.payload_type, f"repair of {repaired}") for repaired, rtx in one.rtx.items()]
        if one.red is not None:
            meanings.append((one.red.payload_type, f"{one.codecs[0].payload_type} said twice"))
        for payload_type, meaning in meanings:
            if formats.setdefault(payload_type, meaning) != meaning:  # spec: sdp/bundle-payload-types
                unusable(f"payload type {payload_type} means two things in the BUNDLE group")
        for extension in one.extensions:
            same = names.setdefault(extension.id, extension.uri) == extension.uri
            same = same and ids.setdefault(extension.uri, extension.id) == extension.id
            if not same:  # spec: sdp/bundle-extension-ids
                unusable(f"extension id {extension.id} means two things in the BUNDLE group")


def _received_track(section: Section, taken: _Taken) -> ReceivedTrack:
    """What is known about the SSRCs of a section (RFC 5576), and to which streams it belongs (RFC 8830)."""
    msids = list(islice(_read_msids(section), 4))
    sources = [attributes.parse_source(value) for value in section.values("ssrc")] if taken.active else []
    groups = [attributes.parse_source_group(value) for value in section.values("ssrc-group")] if taken.active else []
    ssrcs = tuple(dict.fromkeys(source.ssrc for source in sources))
    if len(ssrcs) > MAXIMUM_SOURCES or len(groups) > MAXIMUM_SOURCES:  # spec: sdp/bounded
        unusable(f"section {taken.mid!r} announces more than {MAXIMUM_SOURCES} SSRCs")
    pairs = [group.ssrcs for group in groups if group.semantics == "FID" and len(group.ssrcs) == 2]
    repairs = {group.ssrcs[-1] for group in groups if group.semantics in ("FID", "FEC-FR")}
    rtx_of = {repair: media for media, repair in pairs if media in ssrcs} if taken.rtx else {}
    return ReceivedTrack(
        mid=taken.mid,
        kind=taken.kind,
        codecs={codec.payload_type: codec for codec in taken.codecs},
        rtx={rtx.payload_type: repaired for repaired, rtx in taken.rtx.items()},
        red=taken.red.payload_type if taken.red is not None else None,
        extensions={extension.uri: extension.id for extension in taken.extensions},
        ssrcs=tuple(ssrc for ssrc in ssrcs if ssrc not in repairs),
        rtx_of=rtx_of,
        cname=next((source.value for source in sources if source.name == "cname"), None),
        streams=tuple(msid.stream for msid in msids if msid.stream != "-"),
        track=next((msid.track for msid in msids if msid.track is not None), None),
        active=taken.active,
        rids=tuple(rid.id for rid in taken.encodings),
        answers_clock=taken.answers_clock,
        fec=Fec(*(codec.payload_type for codec in taken.fec)) if taken.fec is not None else None,
    )


def _read_msids(section: Section) -> Iterator[StreamTrack]:
    for value in section.values("msid"):
        try:
            yield attributes.parse_msid(value)
        except Malformed:
            continue  # spec: sdp/msid-ignored


def _check_sources(tracks: Sequence[ReceivedTrack]) -> None:
    seen: set[int] = set()
    for track in tracks:
        for ssrc in (*track.ssrcs, *track.rtx_of):
            if ssrc in seen:  # spec: sdp/ssrc-unique
                unusable(f"SSRC {ssrc} is announced twice")
            seen.add(ssrc)
