"""What a fragment says of ICE, and the one we write after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meetref.protocol.answering import Offer
from meetref.protocol.fragment import read_fragment, write_fragment
from meetref.protocol.ice import Credentials
from meetref.protocol.oneway import answer_once, read_publication
from meetref.wire import sdp, sdpfragment
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed
from tests.protocol.oneway_offers import publication
from tests.protocol.test_negotiation import SERVER

OFFER = read_publication(publication())
CANDIDATE = "a=candidate:1 1 udp 2130706431 192.0.2.1 61764 typ host\r\n"
NAMES = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
SECTION = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
TOLD = Credentials("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
FOUND = Candidate("1", 1, "udp", 2130706431, "192.0.2.1", 61764, "host")


@pytest.mark.parametrize(
    ("text", "credentials", "candidates", "ended"),
    [
        (NAMES + SECTION + CANDIDATE, TOLD, (FOUND,), False),
        (SECTION + NAMES + CANDIDATE, TOLD, (FOUND,), False),
        (SECTION + CANDIDATE + "a=end-of-candidates\r\n", None, (FOUND,), True),
        (NAMES + "a=end-of-candidates\r\n", TOLD, (), True),
        (SECTION.replace("audio", "video").replace("mid:0", "mid:1") + CANDIDATE, None, (FOUND,), False),
        ("", None, (), False),
    ],
)
def test_what_is_read(text: str, credentials: Credentials | None, candidates: object, ended: bool) -> None:
    update = read_fragment(text, OFFER)
    assert (update.credentials, update.candidates, update.end_of_candidates) == (credentials, candidates, ended)


@pytest.mark.spec("whip/fragment-mid")
def test_candidates_of_a_section_that_is_not_there_do_not_count() -> None:
    update = read_fragment(SECTION.replace("mid:0", "mid:9") + CANDIDATE + "a=end-of-candidates\r\n", OFFER)
    assert (update.candidates, update.end_of_candidates) == ((), False)
    assert read_fragment("m=audio 9 RTP/AVP 0\r\n" + CANDIDATE, OFFER).candidates == ()


@pytest.mark.spec("whip/candidate-discarded")
def test_a_candidate_that_cannot_be_read_is_passed_over() -> None:
    odd = "a=candidate:1 1 sctp 1 192.0.2.1 9 typ host\r\na=candidate:x\r\n"
    assert read_fragment(SECTION + odd + CANDIDATE, OFFER).candidates == (FOUND,)


@pytest.mark.parametrize("text", ["a=ice-ufrag:EsAw\r\n", "a=ice-pwd:short\r\na=ice-ufrag:EsAw\r\n", "v=0\r\n"])
def test_half_of_the_credentials_or_other_lines_are_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_fragment(text + SECTION + CANDIDATE, OFFER)


@pytest.mark.spec("whip/fragment-level", "whip/restart-same-options")
@pytest.mark.parametrize("offer", [OFFER, OFFER.without_text()], ids=["whole", "kept"])
def test_after_a_restart_all_of_ice_is_told_as_the_answer_told_it(offer: Offer) -> None:
    local = replace(SERVER, end_of_candidates=True, ice_options=("trickle", "ice2", "renomination", "unheard-of"))
    answer = sdp.parse(answer_once(OFFER, local).sdp)
    renewed = sdpfragment.parse(write_fragment(offer, replace(local, ufrag="new1", password="n" * 24)))
    assert (renewed.value("ice-ufrag"), renewed.value("ice-pwd")) == ("new1", "n" * 24)
    for name in ("group", "ice-options", "ice-lite", "ice-pacing"):
        assert list(renewed.values(name)) == list(answer.values(name))
        assert renewed.has(name) == answer.has(name)
    (section,) = renewed.sections
    assert (section.media.split()[0], section.mid) == ("audio", "0")
    assert list(section.values("candidate")) == list(answer.sections[0].values("candidate"))
    assert section.has("end-of-candidates")


def test_the_password_is_not_shown() -> None:
    assert TOLD.password not in repr(read_fragment(NAMES, OFFER))
