"""The sender's half of a negotiation: write an offer of tracks, read what the answer takes of it.

On *up* this is the client, on *down* the server with its slots. Stands above `protocol/description`.
Specification: RFC 9429 sections 5.2 (offers) and 5.11 (answers), RFC 9143 section 7,
RFC 5576 section 4 (ssrc, FID). Leaves out: removing a section. A track that is over becomes inactive, its section is
kept for the next one, so sections only ever grow. Read next: `protocol/answering.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from meetref.protocol.description import (
    REPAIRED,
    ROUND_TRIP,
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
    write_section,
    write_session,
)
from meetref.protocol.negotiation import (
    DEPENDENCY_DESCRIPTOR,
    EXTENSIONS,
    RED,
    TRANSPORT_SEQUENCE,
    ULPFEC,
    VIDEO_RED,
    VP8,
    AcceptedTrack,
    Codec,
    Fec,
    Kind,
    SentTrack,
    Setup,
    TakenAnswer,
    Transport,
)
from meetref.protocol.videocodecs import DESCRIBED, rtx_of
from meetref.wire import sdp
from meetref.wire.sdp import Attribute, Section, Session
from meetref.wire.sdpattributes import (
    Extension,
    Source,
    SourceGroup,
    StreamTrack,
    serialize_msid,
    serialize_source,
    serialize_source_group,
)


def offer(
    tracks: Sequence[SentTrack],
    local: Transport,
    *,
    session_id: int,
    version: int,
    setup: Setup = "actpass",
    video: Sequence[Codec] = (VP8,),
    fec: bool = False,
) -> str:
    """The offer of all `tracks`, one section each, in their order: appended to, never removed from or reordered.

    `video` are the codecs that pictures may have; with `fec` they may be protected. Raises `Malformed` when a
    name holds a line break.
    """
    sections = [  # spec: sdp/sections-never-removed
        _offered_section(track, () if index else tuple(candidate_attributes(local)), codecs_of(track.kind, video), fec)
        for index, track in enumerate(tracks)
    ]
    mids = [track.mid for track in tracks]
    offering = replace(local, setup=setup)
    return sdp.serialize(write_session(sections, offering, session_id=session_id, version=version, bundle=mids))


def _offered_section(
    track: SentTrack, candidates: tuple[Attribute, ...], codecs: Sequence[Codec], fec: bool
) -> Section:
    # Pictures that are lost are sent again, sounds may be said twice.
    # spec: red/offered
    formats = [each for codec in codecs for each in (codec, rtx_of(codec) if codec.name in REPAIRED else RED)]
    if fec and track.kind == "video":
        formats += [VIDEO_RED, ULPFEC]
    return write_section(
        track.kind,
        track.mid,
        formats,
        [Extension(number, uri) for uri, number in _extensions(track.kind, codecs).items()],
        "sendonly" if track.active else "inactive",
        candidates=candidates,
        more=(*ROUND_TRIP, *source_attributes(track)),  # spec: rtcp/round-trip-agreed
    )


def _extensions(kind: Kind, codecs: Sequence[Codec]) -> Mapping[str, int]:
    """The header extensions that packets of one of these codecs may have, under our ids."""
    ours = EXTENSIONS[kind]
    if any(codec.name in DESCRIBED for codec in codecs):
        return ours
    return {uri: number for uri, number in ours.items() if uri != DEPENDENCY_DESCRIPTOR}


def source_attributes(track: SentTrack) -> Iterator[Attribute]:
    """What is known beforehand about the SSRCs, so that a receiver can sort the very first packet."""
    msid = serialize_msid(StreamTrack(track.stream, track.track or f"{track.stream}-{track.kind}"))
    yield Attribute("msid", msid)  # spec: sdp/msid
    ssrcs = [track.ssrc]
    if track.rtx_ssrc is not None:
        ssrcs.append(track.rtx_ssrc)
        yield Attribute("ssrc-group", serialize_source_group(SourceGroup("FID", tuple(ssrcs))))  # spec: sdp/fid
    for ssrc in ssrcs:
        yield Attribute("ssrc", serialize_source(Source(ssrc, "cname", track.cname)))  # spec: sdp/ssrc-cname
        yield Attribute("ssrc", serialize_source(Source(ssrc, "msid", msid)))


def read_answer(answer_sdp: str, tracks: Sequence[SentTrack], video: Sequence[Codec] = (VP8,)) -> TakenAnswer:
    """Read the answer to the offer of `tracks` and `video`. Raises `Malformed` when it does not fit the offer."""
    session = sdp.parse(answer_sdp)
    if len(session.sections) != len(tracks):  # spec: sdp/answer-same-sections
        unusable(f"the answer has {len(session.sections)} sections, the offer {len(tracks)}")
    for mid, section, track in zip(read_mids(session), session.sections, tracks, strict=True):
        if mid != track.mid or section.kind != track.kind:  # spec: sdp/answer-same-sections
            unusable(f"the answer has {section.kind} {mid!r} where {track.kind} {track.mid!r} was offered")
    bundle = read_bundle(session)
    accepted = [section for section in session.sections if not is_rejected(section)]
    outside = [section.mid for section in accepted if section.mid not in bundle]
    if outside:  # spec: sdp/bundle-required
        unusable(f"section {outside[0]!r} of the answer is not in the BUNDLE group")
    tagged = next((section for mid in bundle for section in accepted if section.mid == mid), None)
    if tagged is None:
        unusable("the answer accepts none of the offered sections")
    remote = read_transport(session, [tagged])
    if remote.setup == "actpass":  # spec: sdp/answer-setup
        unusable("the answer leaves the DTLS role open: it must say active or passive")
    pairs = zip(session.sections, tracks, strict=True)
    return TakenAnswer(remote, tuple(_read_section(session, section, track, video) for section, track in pairs))


def _read_section(session: Session, section: Section, track: SentTrack, video: Sequence[Codec]) -> AcceptedTrack:
    if is_rejected(section):
        return AcceptedTrack(mid=track.mid, kind=track.kind, receiving=False)
    offered = read_codecs(section)
    codecs = choose_codecs(offered, codecs_of(track.kind, video), sent_by_us=True)
    if not codecs:
        unusable(f"the answer takes {track.mid!r} with no codec that was offered")
    codec = codecs[0]
    repairs = {each.name: choose_rtx(offered, each) for each in codecs}
    rtx, red = repairs[codec.name], choose_red(offered, codec)
    fec = choose_fec(offered, codecs) if track.kind == "video" else None
    ours = _extensions(track.kind, codecs)
    extensions = {
        uri: extension.id
        for uri, extension in choose_extensions(session, section, track.kind, "receives").items()
        if extension.id == ours.get(uri)  # spec: sdp/extension-ids-kept
    }
    feedback = codec.feedback
    if TRANSPORT_SEQUENCE not in extensions or "transport-cc" not in feedback:
        extensions.pop(TRANSPORT_SEQUENCE, None)
        feedback = tuple(name for name in feedback if name != "transport-cc")
    return AcceptedTrack(
        mid=track.mid,
        kind=track.kind,
        receiving=sdp.direction(session, section) in ("sendrecv", "recvonly"),
        payload_type=codec.payload_type,
        rtx_payload_type=rtx.payload_type if rtx is not None and track.rtx_ssrc is not None else None,
        red_payload_type=red.payload_type if red is not None else None,
        fec=Fec(*(each.payload_type for each in fec)) if fec is not None else None,
        codecs={name: found.payload_type if found is not None else None for name, found in repairs.items()},
        extensions=extensions,
        feedback=feedback,
    )
