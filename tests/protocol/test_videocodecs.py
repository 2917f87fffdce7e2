"""Which codec of pictures a section gets, and what is said of it in descriptions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.answering import answer, read_offer
from meetref.protocol.negotiation import DEPENDENCY_DESCRIPTOR, VP8, Codec
from meetref.protocol.offering import offer, read_answer
from meetref.protocol.oneway import read_publication, read_request
from meetref.protocol.videocodecs import AV1, H264, VIDEO, VP9, fitting, rank
from meetref.wire import sdp
from tests.protocol.oneway_offers import publication
from tests.protocol.test_negotiation import CLIENT, SERVER, recorded, slots

NAMES = [codec.name for codec in VIDEO]


def offered(video: Sequence[Codec]) -> str:
    return offer(slots(1), CLIENT, session_id=2, version=1, video=video)


def answered(text: str, ours: Sequence[Codec]) -> str:
    return answer(read_offer(text, video=ours), SERVER, session_id=1, version=1).sdp


def codecs_in(text: str) -> list[str]:
    return re.findall(r"a=rtpmap:\d+ (\w+)/90000", text)


@given(st.lists(st.sampled_from(VIDEO), min_size=1, unique_by=lambda codec: codec.name), st.permutations(VIDEO))
@pytest.mark.spec("sdp/codec-preference")
def test_a_publisher_is_taken_with_the_first_of_our_own_that_it_has(theirs: list[Codec], ours: list[Codec]) -> None:
    said = answered(offered(theirs), ours)
    first = next(codec for codec in ours if codec in theirs)
    assert codecs_in(said) == [first.name, "rtx"]
    (track,) = [track for track in read_offer(offered(theirs), video=ours).tracks if track.kind == "video"]
    assert track.codecs == {first.payload_type: first}
    assert track.rtx == {first.payload_type + 1: first.payload_type}


@given(st.lists(st.sampled_from(VIDEO), min_size=1, unique_by=lambda codec: codec.name))
@pytest.mark.spec("sdp/codec-preference", "simulcast/codec-that-is-read")
def test_a_viewer_says_which_it_reads(theirs: list[Codec]) -> None:
    """Whoever answers takes one or several of those that we offer; WHEP's viewers offer theirs, and get all of them."""
    text = offered(VIDEO)
    taken = answer(read_offer(text, "recvonly", theirs), SERVER, session_id=1, version=1).sdp
    (video,) = [track for track in read_answer(taken, slots(1), VIDEO).tracks if track.kind == "video"]
    assert video.codecs == {theirs[0].name: theirs[0].payload_type + 1}
    watching = offer(slots(1), CLIENT, session_id=1, version=1, video=theirs).replace("a=sendonly", "a=recvonly")
    (section,) = [track for track in read_request(watching).tracks if track.kind == "video"]
    assert sorted(section.codecs) == sorted(codec.payload_type for codec in theirs)
    assert {section.codecs[repaired].name for repaired in section.rtx.values()} == {codec.name for codec in theirs}


@pytest.mark.spec("sdp/codec-preference")
@pytest.mark.parametrize("codec", VIDEO, ids=lambda codec: codec.name)
def test_every_browser_is_taken_with_what_it_has(codec: Codec) -> None:
    """Chromium has all four, Firefox as it was recorded may lack some and falls to the next."""
    for name in ("chromium", "firefox"):
        for case in recorded(name):
            if "offer" not in case:
                continue
            text = case["offer"]
            has = {each for each in NAMES if re.search(rf" {each}/90000", text)}
            if not has or "m=video" not in text:
                continue
            for track in read_offer(text, video=rank([codec.name])).tracks:
                if track.kind == "video":
                    (got,) = track.codecs.values()
                    assert got.name == next(each.name for each in rank([codec.name]) if each.name in has)


def h264(**parameters: str) -> Codec:
    named = {name.replace("_", "-"): value for name, value in parameters.items()}
    return Codec("h264", 90000, 1, 99, named)


@pytest.mark.spec("h264/baseline", "h264/mode-two-refused", "h264/mode-of-receiver")
@pytest.mark.parametrize(
    ("parameters", "received", "sent"),
    [
        ({"packetization_mode": "1", "profile_level_id": "42e01f"}, True, True),
        ({"packetization_mode": "1", "profile_level_id": "42001f"}, True, True),
        ({"packetization_mode": "1", "profile_level_id": "42C034"}, True, True),
        ({"packetization_mode": "0", "profile_level_id": "42e01f"}, True, False),
        ({"packetization_mode": "2", "profile_level_id": "42e01f"}, False, False),
        ({"packetization_mode": "1", "profile_level_id": "640028"}, False, False),
        ({"packetization_mode": "1", "profile_level_id": "4d001f"}, False, False),
        ({}, True, False),
    ],
)
def test_which_h264_is_taken(parameters: dict[str, str], received: bool, sent: bool) -> None:
    one = {99: h264(**parameters)}
    assert bool(list(fitting(one, H264, sent_by_us=False))) is received
    assert bool(list(fitting(one, H264, sent_by_us=True))) is sent


@pytest.mark.spec("h264/mode-one-preferred", "h264/answer-symmetric")
def test_the_answer_has_the_better_mode_and_the_parameters_that_were_offered() -> None:
    said = "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    text = offered([H264])
    assert said in text
    single = "a=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=42001f\r\n"
    both = text.replace("SAVPF 102 103", "SAVPF 99 102 103").replace("a=rtpmap:102", f"{single}a=rtpmap:102", 1)
    assert said in answered(both, VIDEO)
    assert "H264/90000\r\na=fmtp:99 " not in answered(both, VIDEO)
    alone = both.replace("SAVPF 99 102 103", "SAVPF 99")
    assert single in answered(alone, VIDEO), "nothing is said that was not offered"
    assert "a=fmtp:102" not in answered(alone, VIDEO)


@pytest.mark.spec("vp9/profile-zero", "av1/profile-main")
@pytest.mark.parametrize(("ours", "name"), [(VP9, "profile-id"), (AV1, "profile")])
def test_other_profiles_are_left_alone(ours: Codec, name: str) -> None:
    for value, fits in (({}, True), ({name: "0"}, True), ({name: "2"}, False)):
        theirs = {40: Codec(ours.name, 90000, 1, 40, value)}
        assert bool(list(fitting(theirs, ours, sent_by_us=True))) is fits


@pytest.mark.spec("sdp/mixed-extensions")
def test_dependency_descriptors_come_with_headers_of_both_forms() -> None:
    for video in ([VP8], [VP9], [VP8, VP9]):
        assert DEPENDENCY_DESCRIPTOR not in offered(video)
        assert "extmap-allow-mixed" not in offered(video)
    for video in ([AV1], [H264], VIDEO):
        text = offered(video)
        section = sdp.parse(text).sections[1]
        assert section.has("extmap-allow-mixed")
        assert not sdp.parse(text).sections[0].has("extmap-allow-mixed"), "sound needs none"
        said = answered(text, video)
        assert (DEPENDENCY_DESCRIPTOR in said) is (video is not VIDEO), "VP8 tells its layers itself"
        without = answered(text.replace("a=extmap-allow-mixed\r\n", ""), video)
        assert DEPENDENCY_DESCRIPTOR not in without
        (track,) = [track for track in read_answer(said, slots(1), video).tracks if track.kind == "video"]
        assert (DEPENDENCY_DESCRIPTOR in track.extensions) is (video is not VIDEO)


def test_who_has_none_of_them_is_told_which_there_are() -> None:
    with pytest.raises(sdp.Malformed, match="Opus audio and VP8, H264, VP9 or AV1 video are"):
        read_publication(publication("video").replace("VP8/90000", "H263/90000"))


@given(st.lists(st.sampled_from([name.lower() for name in NAMES]), max_size=4, unique=True))
def test_the_order_of_preference_has_them_all(names: list[str]) -> None:
    ranked = [codec.name.lower() for codec in rank(names)]
    assert ranked[: len(names)] == names
    assert sorted(ranked) == sorted(name.lower() for name in NAMES)
