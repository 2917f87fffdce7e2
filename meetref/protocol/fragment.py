"""What a fragment of SDP tells of one end's ICE, between descriptions: more candidates, or new credentials.

Stands above `wire/sdpfragment` and beside `protocol/answering`, whose offer and answer a fragment is about.
Specification: RFC 8840 section 4.4 (what is where), RFC 9725 section 4.3 (over HTTP), RFC 9143 section 7.1 (the tagged
section has what counts for all of them).
Leaves out: sections with a transport of their own; there is one BUNDLE group here.
Read next: `protocol/oneway.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meetref.protocol.answering import Offer, agreed_transport
from meetref.protocol.description import DISCARD_PORT, candidate_attributes, check_credentials, read_candidates
from meetref.protocol.ice import Credentials
from meetref.protocol.negotiation import Transport
from meetref.wire import sdpfragment
from meetref.wire.candidate import Candidate
from meetref.wire.sdp import Attribute
from meetref.wire.sdpattributes import Group, serialize_group
from meetref.wire.sdpfragment import Fragment, PseudoSection


@dataclass(slots=True, frozen=True)
class Update:
    """What is new of the other end. `credentials` are None where the fragment does not say whose candidates it has."""

    credentials: Credentials | None = field(repr=False)
    candidates: tuple[Candidate, ...]
    end_of_candidates: bool


def read_fragment(text: str, offer: Offer) -> Update:
    """Read what the author of `offer` adds to it. Raises `Malformed`.

    A candidate that cannot be read, or of a section that is not there, is passed over.
    """
    fragment = sdpfragment.parse(text)
    sections = [section for section in fragment.sections if section.mid in offer.bundle]  # spec: whip/fragment-mid
    places = [fragment, *fragment.sections]
    ufrag, password = (
        next((value for place in places if (value := place.value(name)) is not None), None)
        for name in ("ice-ufrag", "ice-pwd")
    )
    credentials = None
    if ufrag is not None or password is not None:
        check_credentials(ufrag or "", password or "")
        credentials = Credentials(ufrag or "", password or "")
    ended = any(place.has("end-of-candidates") for place in (fragment, *sections))
    return Update(credentials, tuple(read_candidates(sections)), ended)


def write_fragment(offer: Offer, local: Transport) -> str:
    """Our new end after a restart, in the form of the answer to `offer`: all that it says of ICE, and nothing else."""
    ours = agreed_transport(offer, local)  # spec: whip/restart-same-options
    options = [Attribute("ice-options", " ".join(ours.ice_options))] if ours.ice_options else []
    tagged = offer.tagged
    section = PseudoSection(
        media=f"{tagged.kind} {DISCARD_PORT} {tagged.protocol} {' '.join(tagged.formats)}",
        attributes=(Attribute("mid", tagged.mid), *candidate_attributes(ours)),
    )
    return sdpfragment.serialize(
        Fragment(
            attributes=(
                Attribute("group", serialize_group(Group("BUNDLE", offer.bundle))),
                *options,
                Attribute("ice-ufrag", ours.ufrag),  # spec: whip/fragment-level
                Attribute("ice-pwd", ours.password),
            ),
            sections=(section,),
        )
    )
