"""Fragments of SDP: whatever comes is a value or `Malformed`, and nothing is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import sdpfragment
from meetref.wire.reader import Malformed
from meetref.wire.sdp import Attribute
from meetref.wire.sdpfragment import Fragment, PseudoSection, parse, serialize
from tests.wire.test_sdp import texts, tokens

TRICKLED = (
    "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n"
)

attribute_lists = st.lists(st.builds(Attribute, tokens.map(str.lower), st.none() | texts), max_size=5).map(tuple)
sections = st.builds(PseudoSection, media=texts, attributes=attribute_lists)
fragments = st.builds(Fragment, attributes=attribute_lists, sections=st.lists(sections, max_size=4).map(tuple))


@given(fragments)
def test_what_is_written_reads_the_same(fragment: Fragment) -> None:
    assert parse(serialize(fragment)) == fragment


lines = st.sampled_from(TRICKLED.split("\r\n")) | st.builds("{}={}".format, st.sampled_from("amvc"), texts)


@given(st.text(max_size=200) | st.lists(lines, max_size=9).map("\r\n".join))
@pytest.mark.spec("whip/fragment-malformed")
def test_any_text_is_a_fragment_or_malformed(text: str) -> None:
    try:
        fragment = parse(text)
    except Malformed:
        return
    assert parse(serialize(fragment)) == fragment


def test_what_stands_where() -> None:
    fragment = parse(TRICKLED)
    assert (fragment.value("ice-ufrag"), fragment.value("ice-pwd")) == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    (section,) = fragment.sections
    assert (section.media, section.mid) == ("audio 9 RTP/AVP 0", "0")
    assert section.has("end-of-candidates")
    assert not fragment.has("end-of-candidates")
    assert parse(TRICKLED.replace("\r\n", "\n")) == fragment
    assert parse("") == Fragment()


@pytest.mark.spec("whip/fragment-malformed")
@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("v=0\r\n" + TRICKLED, 0),
        ("\r\n" + TRICKLED, 0),
        (TRICKLED + "c=IN IP4 0.0.0.0\r\n", len(TRICKLED)),
        ("a=:x", 0),
    ],
)
def test_other_lines_have_no_place(text: str, offset: int) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.offset == offset


@pytest.mark.spec("whip/fragment-case")
def test_names_of_attributes_are_written_in_any_case() -> None:
    assert parse("a=Ice-Ufrag:EsAw\r\n").value("ice-ufrag") == "EsAw"


@pytest.mark.spec("whip/fragment-bounded")
def test_there_is_an_end_to_everything() -> None:
    for text in (
        "a=x\r\n" * (sdpfragment.MAXIMUM_SIZE // 5 + 1),
        "a=x:" + "y" * sdpfragment.MAXIMUM_LINE_LENGTH,
        "m=x\r\n" * (sdpfragment.MAXIMUM_SECTIONS + 1),
    ):
        with pytest.raises(Malformed):
            parse(text)


def test_nothing_that_is_written_becomes_a_line_of_its_own() -> None:
    with pytest.raises(Malformed):
        serialize(Fragment(attributes=(Attribute("mid", "0\r\na=candidate:evil"),)))
    with pytest.raises(Malformed):
        serialize(Fragment(sections=(PseudoSection(media="audio\n"),)))
