"""What is taken of an offer in several encodings, and how the answer says so."""

from __future__ import annotations

import pytest

from meetref.protocol.answering import Offer, answer, read_offer
from meetref.protocol.negotiation import MID, REPAIRED_RID, RID
from meetref.protocol.offering import offer
from meetref.protocol.simulcast import MAXIMUM_ENCODINGS
from meetref.wire import sdp
from tests.generate.sdp import SERVER
from tests.generate.simulcast import THREE, with_lines
from tests.peers.sdp_conversations import make_slots


def taken(*lines: str) -> tuple[str, ...]:
    (track,) = read_offer(with_lines(lines)).tracks
    return track.rids


def answered(offered: Offer) -> sdp.Section:
    return sdp.parse(answer(offered, SERVER, session_id=1, version=1).sdp).sections[0]


@pytest.mark.spec("simulcast/answer-reversed", "simulcast/rid-extension")
def test_three_encodings_are_taken_and_named_in_the_answer() -> None:
    offered = read_offer(with_lines([*THREE, "a=simulcast:send q;h;f"]))
    (track,) = offered.tracks
    assert track.rids == ("q", "h", "f")
    assert (track.extensions[RID], track.extensions[REPAIRED_RID]) == (10, 11)
    section = answered(offered)
    assert list(section.values("rid")) == ["q recv", "h recv", "f recv"]
    assert list(section.values("simulcast")) == ["recv q;h;f"]
    assert {f"10/recvonly {RID}", f"11/recvonly {REPAIRED_RID}"} <= set(section.values("extmap"))


@pytest.mark.spec("simulcast/answer-reversed")
def test_a_second_offer_is_answered_alike() -> None:
    text = with_lines([*THREE, "a=simulcast:send q;h;f"])
    assert answered(read_offer(text)) == answered(read_offer(text))


@pytest.mark.spec("simulcast/rid-extension")
def test_without_simulcast_nothing_speaks_of_it() -> None:
    offered = read_offer(with_lines(THREE))
    assert offered.tracks[0].rids == ()
    section = answered(offered)
    assert not section.has("rid")
    assert not section.has("simulcast")
    assert not [value for value in section.values("extmap") if RID in value or REPAIRED_RID in value]


@pytest.mark.spec("simulcast/three-streams")
@pytest.mark.parametrize("count", [1, 3, 4, 12])
def test_what_is_taken_is_bounded(count: int) -> None:
    names = [f"r{number}" for number in range(count)]
    rids = taken(*(f"a=rid:{name} send" for name in names), f"a=simulcast:send {';'.join(names)}")
    assert rids == tuple(names[:MAXIMUM_ENCODINGS])


@pytest.mark.spec("simulcast/malformed-ignored")
@pytest.mark.parametrize(
    "line", ["a=simulcast", "a=simulcast:", "a=simulcast:send", "a=rid", "a=rid:", "a=rid:\u00e9 send"]
)
def test_lines_that_cannot_be_read_do_no_harm(line: str) -> None:
    assert taken(*THREE, line) == ()


def test_our_own_offers_name_no_streams() -> None:
    """A slot is one stream; a name that the browser does not know would make it drop the packets."""
    text = offer(make_slots(2, 2), SERVER, session_id=1, version=1)
    assert MID in text
    assert RID not in text
    assert "a=rid" not in text
