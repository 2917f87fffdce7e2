"""Session descriptions: nothing lost, nothing raised but `Malformed`, nothing without a bound."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import sdp
from meetref.wire import sdpattributes as attributes
from meetref.wire.reader import Malformed
from meetref.wire.sdp import Attribute, Line, Origin, Section, Session, direction, parse, serialize
from tests.wire.strangers import read

SMALLEST = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
SECTION = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"

# --- round trips ----------------------------------------------------------------------------------

tokens = st.text(string.ascii_letters + string.digits + "-._!#", min_size=1, max_size=12)
texts = st.text(st.characters(blacklist_characters="\0\r\n", blacklist_categories=("Cs",)), max_size=40)
attribute_lines = st.builds(Attribute, tokens, st.none() | texts)
media_lines = st.sampled_from(
    [
        (),
        (Line("c", "IN IP4 0.0.0.0"),),
        (Line("i", "x"), Line("c", "IN IP6 ::"), Line("b", "AS:1"), Line("b", "TIAS:9")),
    ]
)
session_lines = st.sampled_from(
    [
        (Line("t", "0 0"),),
        (Line("e", "a@b"), Line("p", "1"), Line("b", "CT:7"), Line("t", "1 2"), Line("r", "7d 1h 0"), Line("t", "3 4")),
    ]
)
sections = st.builds(
    Section,
    kind=tokens,
    port=st.integers(0, 65535),
    ports=st.integers(1, 9),
    protocol=tokens,
    formats=st.lists(tokens, min_size=1, max_size=4).map(tuple),
    lines=media_lines,
    attributes=st.lists(attribute_lines, max_size=5).map(tuple),
)
sessions = st.builds(
    Session,
    origin=st.builds(Origin, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), username=tokens),
    name=texts,
    lines=session_lines,
    attributes=st.lists(attribute_lines, max_size=4).map(tuple),
    sections=st.lists(sections, max_size=4).map(tuple),
)


@given(sessions)
def test_what_is_written_reads_the_same(session: Session) -> None:
    assert parse(serialize(session)) == session


def _sdp_like() -> st.SearchStrategy[str]:
    line = st.builds(lambda letter, value: f"{letter}={value}", st.sampled_from("vosiuepcbtrzkamx"), texts)
    good = st.sampled_from([*SMALLEST.split("\r\n")[:4], *SECTION.split("\r\n")[:3]])
    return st.lists(line | good, max_size=12).map("\r\n".join)


@pytest.mark.spec("sdp/malformed-refused")
@given(st.text(max_size=200) | _sdp_like())
def test_any_text_is_a_description_or_malformed(text: str) -> None:
    try:
        session = parse(text)
    except Malformed:
        return
    assert parse(serialize(session)) == session


@pytest.mark.spec("sdp/unknown-attributes-kept")
def test_unknown_attributes_are_kept_in_their_order() -> None:
    text = SMALLEST + "a=zeta:1\r\na=alpha\r\na=zeta:\r\n" + SECTION + "a=x-more:2 3\r\n"
    assert serialize(parse(text)) == text


# --- what is tolerated, what is not ---------------------------------------------------------------


@pytest.mark.spec("sdp/line-ends")
def test_bare_line_feeds_and_no_last_one_are_tolerated() -> None:
    assert parse((SMALLEST + SECTION).replace("\r\n", "\n").rstrip()) == parse(SMALLEST + SECTION)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", marks=pytest.mark.spec("sdp/required-lines")),
        pytest.param(SMALLEST.replace("t=0 0\r\n", ""), marks=pytest.mark.spec("sdp/required-lines")),
        pytest.param(SMALLEST.replace("v=0\r\n", ""), marks=pytest.mark.spec("sdp/required-lines")),
        pytest.param(SMALLEST.replace("v=0", "v=1"), marks=pytest.mark.spec("sdp/version-zero")),
        pytest.param(SMALLEST.replace("s=-", "s=-\r\ns=-"), marks=pytest.mark.spec("sdp/line-order")),
        pytest.param(SMALLEST + "c=IN IP4 0.0.0.0\r\n", marks=pytest.mark.spec("sdp/line-order")),
        pytest.param(SMALLEST + SECTION + "b=AS:9\r\n", marks=pytest.mark.spec("sdp/line-order")),
        pytest.param(SMALLEST + "x=1\r\n", marks=pytest.mark.spec("sdp/unknown-letter")),
        pytest.param(SMALLEST + SECTION + "t=0 0\r\n", marks=pytest.mark.spec("sdp/unknown-letter")),
        SMALLEST.replace("o=- 1 2 IN IP4 0.0.0.0", "o=- 1 2 IN IP4"),
        SMALLEST.replace("o=- 1 2", "o=- -1 2"),
        SMALLEST.replace("t=0 0", "t=now later"),
        SMALLEST + "a=\r\n",
        SMALLEST + "a =x\r\n",
        SMALLEST + "a=b\rc\r\n",
        SMALLEST + "\r\n" + SECTION,
        SMALLEST + "m=audio 65536 RTP/AVP 0\r\n",
        SMALLEST + "m=audio 9 RTP/AVP\r\n",
        SMALLEST + "m=audio\r\n",
        SMALLEST + "m=audio 9\r\n",
        SMALLEST + "m=audio x RTP/AVP 0\r\n",
        SMALLEST + SECTION.replace("c=IN IP4 0.0.0.0", "c=IN IP4"),
    ],
)
def test_a_broken_description_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


def test_the_offset_is_that_of_the_wrong_line() -> None:
    with pytest.raises(Malformed) as caught:
        parse(SMALLEST + "a=(\r\n")
    assert caught.value.offset == len(SMALLEST)


@pytest.mark.spec("sdp/bounded")
@pytest.mark.parametrize(
    "text",
    [
        SMALLEST + "a=x\n" * (sdp.MAXIMUM_SIZE // 4),
        SMALLEST + "a=x\n" * (sdp.MAXIMUM_LINES + 1),
        SMALLEST + "a=" + "x" * sdp.MAXIMUM_LINE_LENGTH,
        SMALLEST + "m=audio 9 x 0\n" * (sdp.MAXIMUM_SECTIONS + 1),
    ],
)
def test_every_table_has_a_bound(text: str) -> None:
    with pytest.raises(Malformed, match=r"at most|more than"):
        parse(text)


@pytest.mark.spec("sdp/no-injection")
@pytest.mark.parametrize("evil", ["a\r\na=inactive", "a\nb", "a\0b", "a\rb"])
def test_a_value_never_becomes_a_line_of_its_own(evil: str) -> None:
    session = parse(SMALLEST + SECTION)
    for wrong in (
        replace(session, name=evil),
        replace(session, attributes=(Attribute("msid", evil),)),
        replace(session, attributes=(Attribute(evil),)),
        replace(session, lines=(Line("t", evil),)),
    ):
        with pytest.raises(Malformed):
            serialize(wrong)


@pytest.mark.spec("sdp/direction-default")
def test_direction_of_the_section_wins_over_that_of_the_session() -> None:
    plain = parse(SMALLEST + SECTION)
    assert direction(plain, plain.sections[0]) == "sendrecv"
    session = parse(SMALLEST + "a=recvonly\r\n" + SECTION + SECTION + "a=inactive\r\n")
    assert [direction(session, section) for section in session.sections] == ["recvonly", "inactive"]


# --- attributes -----------------------------------------------------------------------------------

numbers = st.integers(0, 127)
words = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
ssrcs = st.integers(0, 2**32 - 1)


@given(st.builds(attributes.RTPMap, numbers, words, st.integers(0, 2**32 - 1), st.integers(1, 255)))
def test_rtpmap_reads_as_written(mapping: attributes.RTPMap) -> None:
    assert attributes.parse_rtpmap(attributes.serialize_rtpmap(mapping)) == mapping


@given(numbers, st.dictionaries(words, words | st.just(""), max_size=4))
def test_fmtp_reads_as_written(payload_type: int, parameters: dict[str, str]) -> None:
    text = attributes.serialize_fmtp(payload_type, parameters)
    assert attributes.parse_fmtp(text) == (payload_type, parameters)


@given(st.none() | numbers, st.lists(words, min_size=1, max_size=3).map(" ".join))
def test_feedback_reads_as_written(payload_type: int | None, kind: str) -> None:
    assert attributes.parse_feedback(attributes.serialize_feedback(payload_type, kind)) == (payload_type, kind)


ways = st.none() | st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"])


@given(st.builds(attributes.Extension, st.integers(0, 4351), words, ways, st.just("") | words))
def test_extension_reads_as_written(extension: attributes.Extension) -> None:
    assert attributes.parse_extension(attributes.serialize_extension(extension)) == extension


@given(st.builds(attributes.Source, ssrcs, words, st.none() | words))
def test_source_reads_as_written(source: attributes.Source) -> None:
    assert attributes.parse_source(attributes.serialize_source(source)) == source


@given(st.builds(attributes.SourceGroup, words, st.lists(ssrcs, max_size=4).map(tuple)))
def test_source_group_reads_as_written(group: attributes.SourceGroup) -> None:
    assert attributes.parse_source_group(attributes.serialize_source_group(group)) == group


@given(st.builds(attributes.Group, words, st.lists(words, max_size=4).map(tuple)))
def test_group_reads_as_written(group: attributes.Group) -> None:
    assert attributes.parse_group(attributes.serialize_group(group)) == group


@given(st.builds(attributes.StreamTrack, words, st.none() | words))
def test_msid_reads_as_written(msid: attributes.StreamTrack) -> None:
    assert attributes.parse_msid(attributes.serialize_msid(msid)) == msid


@given(st.binary(min_size=32, max_size=32))
def test_fingerprint_reads_as_written(octets: bytes) -> None:
    fingerprint = ("sha-256", octets.hex(":").upper())
    assert attributes.parse_fingerprint(attributes.serialize_fingerprint(fingerprint).lower()) == fingerprint


@pytest.mark.parametrize(
    ("parser", "writer"),
    [
        (attributes.parse_rtpmap, attributes.serialize_rtpmap),
        (attributes.parse_fmtp, lambda value: attributes.serialize_fmtp(*value)),
        (attributes.parse_feedback, lambda value: attributes.serialize_feedback(*value)),
        (attributes.parse_extension, attributes.serialize_extension),
        (attributes.parse_source, attributes.serialize_source),
        (attributes.parse_source_group, attributes.serialize_source_group),
        (attributes.parse_group, attributes.serialize_group),
        (attributes.parse_msid, attributes.serialize_msid),
        (attributes.parse_fingerprint, attributes.serialize_fingerprint),
        (attributes.parse_rid, attributes.serialize_rid),
        (attributes.parse_simulcast, attributes.serialize_simulcast),
    ],
)
@given(text=st.text(max_size=60) | st.text("0123456789 /:;=*abc", max_size=30))
def test_any_value_is_read_or_malformed(parser: Callable[[str], Any], writer: Callable[[Any], str], text: str) -> None:
    value = read(parser, text)
    assert value is None or parser(writer(value)) == value


@pytest.mark.spec("sdp/fingerprint-length")
@pytest.mark.parametrize(
    "text", ["sha-256 AB:CD", "sha-256", "sha-256 ABCD", "sha-1 " + ":".join(["AA"] * 32), "sha-256 "]
)
def test_a_fingerprint_has_the_length_of_its_hash(text: str) -> None:
    with pytest.raises(Malformed):
        attributes.parse_fingerprint(text)


@pytest.mark.parametrize("text", ["128 opus/48000", "1 opus", "x opus/48000", "1 /48000", "1 a/1/2/3", "1 a/١"])
def test_rtpmap_out_of_range(text: str) -> None:
    with pytest.raises(Malformed):
        attributes.parse_rtpmap(text)
