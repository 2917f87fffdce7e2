"""Offers of clients whose connection has one way, for good: one that only publishes (WHIP) or only watches (WHEP).

Stands above `protocol/answering`, which reads every offer; here is what these two kinds of client may not offer, and
the answer that fills the sections of a watcher with our slots.
Specification: RFC 9725 sections 4.2 and 4.4, draft-ietf-wish-whep-03 sections 4.3 and 4.6.
Leaves out: a counter-offer to a watcher (the draft's 406). Several sections of a kind are more than the draft has: a
watcher gets as many seats. Read next: `protocol/fragment.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from meetref.protocol.answering import GivenAnswer, Offer, Way, answer, read_offer, takeable
from meetref.protocol.description import unusable
from meetref.protocol.negotiation import Codec, SentTrack, Transport
from meetref.protocol.offering import source_attributes
from meetref.protocol.videocodecs import VIDEO
from meetref.wire.sdp import Attribute

MAXIMUM_SECTIONS = 25
"""Sections of one kind in the offer of a watcher: as many as there are seats at most."""

SESSION_ID = VERSION = 1  # there is one answer: nothing is negotiated again
_MUX_ONLY = Attribute("rtcp-mux-only")
"""RFC 9725 section 4.4.1 wants it in the answer, too, where RFC 8858 section 4.3 forbids it. Nobody minds."""
_PASSIVE = Attribute("setup", "passive")
"""The session says so, too; but Pion 4.2 looks only into sections, and GStreamer's webrtcbin into every single one."""


def read_publication(offer_sdp: str, video: Sequence[Codec] = VIDEO, fec: bool = False) -> Offer:
    """The offer of a client that publishes: one track of each kind at most. Raises `Malformed`."""
    return _read(offer_sdp, "recvonly", video, fec, maximum=1)  # spec: whip/answer-recvonly


def read_request(offer_sdp: str, video: Sequence[Codec] = VIDEO, fec: bool = False) -> Offer:
    """The offer of a client that watches: its sections are the seats it has. Raises `Malformed`."""
    return _read(
        offer_sdp, "sendonly", video, fec, maximum=MAXIMUM_SECTIONS
    )  # spec: whip/answer-sendonly whip/sections-are-seats


def _read(offer_sdp: str, way: Way, video: Sequence[Codec], fec: bool, maximum: int) -> Offer:
    offer = read_offer(offer_sdp, way, video, fec=fec)
    taken = {track.mid for track in offer.tracks}
    refused = [mid for mid in offer.mids if mid not in taken]
    if refused:  # spec: whip/no-partial-answer
        unusable(f"section {refused[0]!r} cannot be taken: {takeable(video)} are")
    for kind, count in Counter(track.kind for track in offer.tracks).items():
        if count > maximum:  # spec: whip/one-track-a-kind
            unusable(f"{count} sections of {kind}, at most {maximum} can be taken")
    idle = [track.mid for track in offer.tracks if not track.active]
    if idle:  # spec: whip/publishing-direction whip/watching-direction
        unusable(f"section {idle[0]!r} must be {'sendonly' if way == 'recvonly' else 'recvonly'} or sendrecv")
    return offer


def answer_once(offer: Offer, local: Transport, slots: Mapping[str, SentTrack] | None = None) -> GivenAnswer:
    """Answer, and fill each section of a watcher with the slot of its mid.

    Raises `Malformed` where the offerer wants to be the server in DTLS.
    """
    more = {mid: [_MUX_ONLY, _PASSIVE] for mid in offer.mids}  # spec: whip/rtcp-mux-only
    for mid, slot in (slots or {}).items():
        more[mid] += source_attributes(slot)
    ours = replace(local, setup="passive")  # spec: whip/client-may-be-active
    return answer(offer, ours, session_id=SESSION_ID, version=VERSION, more=more)
