"""The parts of a description that offers and answers share: transport, mids, BUNDLE, codecs, header extensions.

Stands above `wire/sdp` and `wire/sdpattributes`, below `protocol/offering` and `protocol/answering`.
Specification: RFC 9429 sections 5.2 and 5.3 (what is written), 5.8 (what is checked), RFC 9143 (BUNDLE), RFC 8839
(ICE), RFC 8842 and 8122 (DTLS). Leaves out: `tls-id` and `rtcp` lines (no browser has the first, rtcp-mux is demanded
instead of the second), sections outside the one BUNDLE group. Read next: `protocol/offering.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal, NoReturn, cast

from meetref.protocol.negotiation import (
    DEPENDENCY_DESCRIPTOR,
    EXTENSIONS,
    OPUS,
    RECEIVED_EXTENSIONS,
    RED,
    RTX,
    ULPFEC,
    VIDEO_RED,
    VP8,
    Codec,
    Kind,
    Setup,
    Transport,
)
from meetref.protocol.videocodecs import VIDEO, answered_parameters, fitting
from meetref.wire import candidate as candidate_lines
from meetref.wire import sdpattributes as attributes
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed
from meetref.wire.sdp import Attribute, Described, Direction, Line, Origin, Section, Session

PROTOCOL = "UDP/TLS/RTP/SAVPF"
DISCARD_PORT = 9  # the real addresses are candidates
MAXIMUM_CANDIDATES = 100
MAXIMUM_MID_LENGTH = 16  # what fits into a one-byte header extension

_ICE_WORD = re.compile(r"[A-Za-z0-9+/]+\Z")
_MID_WORD = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+\Z")
_TRUSTED_HASHES = ("sha-256", "sha-384", "sha-512")  # spec: sdp/fingerprint-not-md5
ROUND_TRIP = (Attribute("rtcp-xr", "rcvr-rtt=all"),)
"""Extended reports by which also who sends nothing learns the round trip; `all`: both ends answer."""
_NO_ADDRESS = Line("c", "IN IP4 0.0.0.0")


class Unusable(Malformed):
    """A description that can be read, and of which nothing can come."""


def unusable(why: str) -> NoReturn:
    """Refuse a description as a whole."""
    raise Unusable(why)


# --- the transport --------------------------------------------------------------------------------


def _transport_attributes(transport: Transport) -> Iterator[Attribute]:
    if transport.ice_options:
        yield Attribute("ice-options", " ".join(transport.ice_options))
    yield Attribute("ice-ufrag", transport.ufrag)
    yield Attribute("ice-pwd", transport.password)
    for fingerprint in transport.fingerprints:
        yield Attribute("fingerprint", attributes.serialize_fingerprint(fingerprint))
    yield Attribute("setup", transport.setup)
    if transport.hides_headers:
        yield Attribute("cryptex")


def candidate_attributes(transport: Transport) -> Iterator[Attribute]:
    """The candidates of a transport, for the one section that carries them."""
    for candidate in transport.candidates:
        yield Attribute("candidate", candidate_lines.serialize(candidate).removeprefix("candidate:"))
    if transport.end_of_candidates:
        yield Attribute("end-of-candidates")


def read_transport(session: Session, sections: Sequence[Section]) -> Transport:
    """The peer's end. What the first of `sections` does not say is looked for in the next, then in the session.

    Raises `Malformed` without usable ICE credentials, a fingerprint by a hash that can be trusted, or a DTLS role.
    """
    places = (*sections, session)  # spec: sdp/session-level

    def find(name: str) -> str:
        return next((value for place in places for value in place.values(name)), "")

    ufrag, password = find("ice-ufrag"), find("ice-pwd")
    check_credentials(ufrag, password)
    lines = next((found for place in places if (found := tuple(place.values("fingerprint")))), ())
    fingerprints = tuple(map(attributes.parse_fingerprint, lines[:16]))
    if not any(name in _TRUSTED_HASHES for name, _ in fingerprints):  # spec: sdp/fingerprint-required
        unusable("no fingerprint by SHA-256, SHA-384 or SHA-512: DTLS could not prove who is there")
    setup = find("setup")
    if setup not in ("active", "passive", "actpass"):  # spec: sdp/setup-required
        unusable(f"a=setup says {setup[:16]!r}, not active, passive or actpass")
    return Transport(
        ufrag=ufrag,
        password=password,
        fingerprints=fingerprints,
        setup=cast(Setup, setup),
        candidates=tuple(read_candidates(sections)),
        ice_options=tuple(find("ice-options").split()[:16]),
        end_of_candidates=any(place.has("end-of-candidates") for place in places),
        ice_lite=session.has("ice-lite"),
        hides_headers=any(place.has("cryptex") for place in places),
    )


def check_credentials(ufrag: str, password: str) -> None:
    """Raises `Malformed` for what cannot be ICE credentials."""
    for what, word, least in (("ufrag", ufrag, 4), ("password", password, 22)):
        if not least <= len(word) <= 256 or not _ICE_WORD.match(word):  # spec: sdp/ice-credentials
            unusable(f"the ICE {what} has {len(word)} characters: {least} to 256 letters, digits, + and / are needed")


def read_candidates(sections: Iterable[Described]) -> list[Candidate]:
    """The candidates that can be read; one of an unknown kind is skipped."""
    found: list[Candidate] = []
    lines = (value for section in sections for value in section.values("candidate"))
    for line in islice(lines, MAXIMUM_CANDIDATES):
        try:
            found.append(candidate_lines.parse(line))
        except Malformed:
            continue  # spec: sdp/candidate-unknown
    return found


# --- mids and the BUNDLE group --------------------------------------------------------------------


def read_mids(session: Session) -> tuple[str, ...]:
    """The mid of every section. Raises `Malformed` when one is missing, too long, or used twice."""
    mids: list[str] = []
    for section in session.sections:
        mid = section.mid
        if mid is None or not 0 < len(mid) <= MAXIMUM_MID_LENGTH or not _MID_WORD.match(mid):  # spec: sdp/mid-required
            unusable(f"section {len(mids)} needs an a=mid of 1 to {MAXIMUM_MID_LENGTH} characters")
        if mid in mids:  # spec: sdp/mid-unique
            unusable(f"two sections are called {mid!r}")
        mids.append(mid)
    return tuple(mids)


def read_bundle(session: Session) -> tuple[str, ...]:
    """The mids of the first BUNDLE group, the tagged one first. Raises `Malformed` when there is no group."""
    groups = map(attributes.parse_group, session.values("group"))
    bundle = next((group.mids for group in groups if group.semantics == "BUNDLE"), None)
    if bundle is None:  # spec: sdp/bundle-required
        unusable("the description has no BUNDLE group: all media share one port here")
    if len(set(bundle)) != len(bundle) or not set(bundle) <= {section.mid for section in session.sections}:
        # spec: sdp/bundle-mids
        unusable("the BUNDLE group names a section twice, or one that is not there")
    return bundle


def is_rejected(section: Section) -> bool:
    """Port 0 says so, except in a section that is only there inside its BUNDLE group (RFC 9143 section 6)."""
    return section.port == 0 and not section.has("bundle-only")  # spec: sdp/bundle-only


# --- writing --------------------------------------------------------------------------------------


def write_session(
    sections: Sequence[Section], transport: Transport, *, session_id: int, version: int, bundle: Sequence[str]
) -> Session:
    """A description with one BUNDLE group. It tells no address in `o=` (RFC 9429 section 5.2.1).

    The transport stands once, at the session's level, for all sections. In the tagged section alone (RFC 9143 section
    7.1.3) it would say the same; but then Chromium 156 rejects the other sections of an offer, Firefox 153 refuses the
    offer, and its process dies of such an answer. Nothing else of what WebRTC prohibits is ever written.
    """  # spec: sdp/bundle-attributes-once sdp/no-prohibited
    group = attributes.Group("BUNDLE", tuple(bundle))
    return Session(
        origin=Origin(session_id, version),  # spec: sdp/origin-version sdp/no-address-leak
        lines=(Line("t", "0 0"),),
        attributes=(
            Attribute("group", attributes.serialize_group(group)),  # spec: sdp/bundle-required
            *_transport_attributes(transport),
        ),
        sections=tuple(sections),
    )


def write_section(
    kind: str,
    mid: str,
    codecs: Sequence[Codec],
    extensions: Iterable[attributes.Extension],
    way: Direction,
    *,
    protocol: str = PROTOCOL,
    candidates: Iterable[Attribute] = (),
    more: Iterable[Attribute] = (),
) -> Section:
    """One section that is offered or accepted."""
    extensions = list(extensions)
    mixed = any(extension.uri in LONG_EXTENSIONS for extension in extensions)
    return Section(
        kind=kind,
        port=DISCARD_PORT,
        protocol=protocol,
        formats=tuple(str(codec.payload_type) for codec in codecs),
        lines=(_NO_ADDRESS,),
        attributes=(
            *candidates,
            Attribute("mid", mid),
            *extension_attributes(extensions),
            *([Attribute("extmap-allow-mixed")] if mixed else ()),  # spec: sdp/mixed-extensions
            Attribute(way),
            Attribute("rtcp-mux"),  # spec: sdp/rtcp-mux-written
            Attribute("rtcp-rsize"),
            *codec_attributes(codecs),
            *more,
        ),
    )


def write_rejection(section: Section) -> Section:
    """The answer to a section that is not taken: its own `m=` line with port 0, and its mid (RFC 3264 section 6)."""
    mid = [Attribute("mid", section.mid)] if section.mid is not None else []
    return Section(
        kind=section.kind,
        port=0,
        protocol=section.protocol,
        formats=section.formats,
        lines=(_NO_ADDRESS,),
        attributes=(*mid, Attribute("inactive")),
    )


def codec_attributes(codecs: Iterable[Codec]) -> Iterator[Attribute]:
    """The `rtpmap`, `rtcp-fb` and `fmtp` lines of some codecs."""
    for codec in codecs:
        mapping = attributes.RTPMap(codec.payload_type, codec.name, codec.clock_rate, codec.channels)
        yield Attribute("rtpmap", attributes.serialize_rtpmap(mapping))
        for kind in codec.feedback:
            yield Attribute("rtcp-fb", attributes.serialize_feedback(codec.payload_type, kind))
        if codec.parameters:
            yield Attribute("fmtp", attributes.serialize_fmtp(codec.payload_type, codec.parameters))


def extension_attributes(extensions: Iterable[attributes.Extension]) -> Iterator[Attribute]:
    """The `extmap` lines of some header extensions."""
    for extension in extensions:
        yield Attribute("extmap", attributes.serialize_extension(extension))


# --- reports, codecs and header extensions --------------------------------------------------------


def answers_clock(session: Session, section: Section) -> bool:
    """Whether the author answers those who ask for the round trip. What a section says replaces what the session says.

    One line has all kinds of extended reports (RFC 3611 section 5.1): `rcvr-rtt=all:100 stat-summary=loss`.
    """
    place = section if section.has("rtcp-xr") else session  # spec: rtcp/round-trip-agreed
    return any(kind.partition("=")[0] == "rcvr-rtt" for value in place.values("rtcp-xr") for kind in value.split())


def read_codecs(section: Section) -> dict[int, Codec]:
    """The codecs of a section by payload type, in the order of its `m=` line. Raises `Malformed`."""
    mappings = {mapping.payload_type: mapping for mapping in map(attributes.parse_rtpmap, section.values("rtpmap"))}
    parameters = dict(map(attributes.parse_fmtp, section.values("fmtp")))
    feedback: dict[int | None, list[str]] = {}
    for payload_type, kind in map(attributes.parse_feedback, section.values("rtcp-fb")):
        feedback.setdefault(payload_type, []).append(kind)
    return {
        number: Codec(
            mapping.name,
            mapping.clock_rate,
            mapping.channels,
            number,
            parameters.get(number, {}),
            tuple(feedback.get(number, []) + feedback.get(None, [])),
        )
        for form in section.formats
        if form.isascii() and form.isdigit() and len(form) < 4
        for number in [int(form)]
        if (mapping := mappings.get(number)) is not None
    }


def codecs_of(kind: Kind, video: Sequence[Codec]) -> Sequence[Codec]:
    """Our codecs of a kind, where those of pictures are `video`."""
    return video if kind == "video" else (OPUS,)


def choose_codecs(offered: Mapping[int, Codec], ours: Sequence[Codec], *, sent_by_us: bool = False) -> list[Codec]:
    """The offered codecs that are ours, in our order, one of each name, with the feedback that both sides know."""
    chosen = []
    for own in ours:
        found = next(fitting(offered, own, sent_by_us=sent_by_us), None)  # spec: sdp/codec-preference
        if found is not None:
            feedback = tuple(name for name in own.feedback if name in found.feedback)
            parameters = own.parameters if own is OPUS else answered_parameters(found, own)
            chosen.append(replace(own, payload_type=found.payload_type, parameters=parameters, feedback=feedback))
    return chosen


def choose_rtx(offered: Mapping[int, Codec], repaired: Codec) -> Codec | None:
    """The offered retransmission format that repairs `repaired`."""
    if repaired.name not in REPAIRED and repaired.name != VIDEO_RED.name:
        return None
    for codec in offered.values():
        if _same_format(codec, RTX) and codec.parameters.get("apt") == str(repaired.payload_type):  # spec: sdp/rtx-apt
            return Codec(RTX.name, RTX.clock_rate, 1, codec.payload_type, {"apt": str(repaired.payload_type)})
    return None


def choose_red(offered: Mapping[int, Codec], repeated: Codec) -> Codec | None:
    """The offered format in which `repeated` is said twice: nothing but it may be in there."""
    number = str(repeated.payload_type)
    for codec in offered.values():
        if _same_format(codec, RED):
            form = next(iter(codec.parameters), "")
            if set(form.split("/")) == {number}:  # spec: red/format-named
                return Codec(RED.name, RED.clock_rate, RED.channels, codec.payload_type, {f"{number}/{number}": ""})
    return None


def choose_fec(offered: Mapping[int, Codec], codecs: Iterable[Codec]) -> tuple[Codec, Codec] | None:
    """The offered formats of pictures that are protected, RED and FEC: both or none, and only beside VP8."""
    if any(codec.name == VP8.name for codec in codecs):  # spec: fec/beside-vp8, fec/both-or-none
        red, ulpfec = (
            next((codec for codec in offered.values() if _same_format(codec, ours)), None)
            for ours in (VIDEO_RED, ULPFEC)
        )
        if red is not None and ulpfec is not None:
            return replace(VIDEO_RED, payload_type=red.payload_type), replace(ULPFEC, payload_type=ulpfec.payload_type)
    return None


REPAIRED = frozenset(codec.name for codec in VIDEO)
"""The codecs that are sent again on a stream of their own when packets are lost."""


LONG_EXTENSIONS = frozenset({DEPENDENCY_DESCRIPTOR})
"""Those whose values may be longer than a one-byte header can say, so that packets have headers of both forms."""


def _same_format(codec: Codec, ours: Codec) -> bool:
    own = (ours.name.lower(), ours.clock_rate, ours.channels)
    return (codec.name.lower(), codec.clock_rate, codec.channels) == own  # spec: sdp/codec-name-case


def choose_extensions(
    session: Session, section: Section, kind: Kind, author: Literal["sends", "receives"]
) -> dict[str, attributes.Extension]:
    """The header extensions of a section that are ours and may flow from sender to receiver, by uri."""
    ways = (None, "sendrecv", "sendonly" if author == "sends" else "recvonly")  # spec: sdp/extension-direction
    ours = RECEIVED_EXTENSIONS[kind] if author == "sends" else EXTENSIONS[kind]
    found: dict[str, attributes.Extension] = {}
    for value in (*section.values("extmap"), *session.values("extmap")):
        extension = attributes.parse_extension(value)
        well = 0 < extension.id <= attributes.MAXIMUM_EXTENSION_ID and extension.direction in ways
        if well and extension.uri in ours:
            found.setdefault(extension.uri, extension)
    return found
