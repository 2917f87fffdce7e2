"""What those who only publish or only watch may offer, and how they are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meetref.protocol.description import Unusable
from meetref.protocol.negotiation import AUDIO_LEVEL, MID, TRANSPORT_SEQUENCE, SentTrack
from meetref.protocol.oneway import MAXIMUM_SECTIONS, answer_once, read_publication, read_request
from meetref.wire import sdp
from meetref.wire.reader import Malformed
from tests.protocol.oneway_offers import publication, request
from tests.protocol.test_negotiation import SERVER

SLOTS = {
    "0": SentTrack(mid="0", kind="audio", ssrc=11, cname="c", stream="seat-0"),
    "1": SentTrack(mid="1", kind="video", ssrc=12, rtx_ssrc=13, cname="c", stream="seat-0"),
}


@pytest.mark.spec("whip/answer-recvonly", "whip/rtcp-mux-only", "whip/all-candidates")
def test_a_publication_is_received() -> None:
    offer = read_publication(publication())
    assert {track.mid: track.kind for track in offer.tracks} == {"0": "audio", "1": "video"}
    answer = sdp.parse(answer_once(offer, replace(SERVER, end_of_candidates=True)).sdp)
    assert [sdp.direction(answer, section) for section in answer.sections] == ["recvonly", "recvonly"]
    assert all(section.has("rtcp-mux") and section.has("rtcp-mux-only") for section in answer.sections)
    first, second = answer.sections
    assert first.has("candidate")
    assert first.has("end-of-candidates")
    assert not second.has("candidate")


@pytest.mark.spec("whip/answer-sendonly", "whip/rtcp-mux-only")
def test_a_request_is_filled() -> None:
    offer = read_request(request())
    answer = sdp.parse(answer_once(offer, SERVER, SLOTS).sdp)
    assert [sdp.direction(answer, section) for section in answer.sections] == ["sendonly", "sendonly"]
    audio, video = answer.sections
    assert audio.value("msid") == "seat-0 seat-0-audio"
    assert list(video.values("ssrc-group")) == ["FID 12 13"]
    assert {value.split()[0] for value in video.values("ssrc")} == {"12", "13"}
    assert all(section.has("rtcp-mux-only") for section in answer.sections)


@pytest.mark.spec("whip/extensions-as-offered")
def test_a_player_keeps_its_own_numbers() -> None:
    text = request().replace("a=rtpmap:96", "a=rtpmap:120").replace("SAVPF 96 97", "SAVPF 120 121")
    text = text.replace("a=rtpmap:97", "a=rtpmap:121").replace("a=fmtp:97 apt=96", "a=fmtp:121 apt=120")
    text = text.replace("a=rtcp-fb:96", "a=rtcp-fb:120")
    for uri, number in ((MID, 9), (TRANSPORT_SEQUENCE, 5), (AUDIO_LEVEL, 14)):
        text = "\r\n".join(f"a=extmap:{number} {uri}" if line.endswith(uri) else line for line in text.split("\r\n"))
    audio, video = read_request(text).tracks
    assert list(video.codecs) == [120]
    assert video.extensions == {MID: 9, TRANSPORT_SEQUENCE: 5}
    assert audio.extensions == {MID: 9, TRANSPORT_SEQUENCE: 5, AUDIO_LEVEL: 14}


def test_an_extension_that_a_player_does_not_take_is_left_out() -> None:
    text = request("audio").replace(f" {AUDIO_LEVEL}", f"/sendonly {AUDIO_LEVEL}")
    text = "\r\n".join(line for line in text.split("\r\n") if not line.endswith(TRANSPORT_SEQUENCE))
    (audio,) = read_request(text).tracks
    assert set(audio.extensions) == {MID}


@pytest.mark.spec("whip/publishing-direction")
@pytest.mark.parametrize(("way", "fine"), [("sendonly", 1), ("sendrecv", 1), ("recvonly", 0), ("inactive", 0)])
def test_which_way_a_publication_goes(way: str, fine: bool) -> None:
    text = publication("video").replace("a=sendonly", f"a={way}")
    if fine:
        assert read_publication(text).tracks[0].active
        return
    with pytest.raises(Unusable, match="must be sendonly"):
        read_publication(text)


@pytest.mark.spec("whip/watching-direction")
@pytest.mark.parametrize(("way", "fine"), [("recvonly", 1), ("sendrecv", 1), ("sendonly", 0), ("inactive", 0)])
def test_which_way_a_request_goes(way: str, fine: bool) -> None:
    text = request("video").replace("a=recvonly", f"a={way}")
    if fine:
        assert read_request(text).tracks[0].active
        return
    with pytest.raises(Unusable, match="must be recvonly"):
        read_request(text)


@pytest.mark.spec("whip/no-partial-answer")
@pytest.mark.parametrize("read", [read_publication, read_request])
@pytest.mark.parametrize("change", [("VP8/90000", "H265/90000"), ("m=video 9", "m=video 0"), ("m=video", "m=text")])
def test_everything_is_taken_or_nothing(read: object, change: tuple[str, str]) -> None:
    make = publication if read is read_publication else request
    with pytest.raises(Unusable, match="section '1' cannot be taken"):
        read(make().replace(*change))  # type: ignore[operator]


@pytest.mark.spec("whip/one-track-a-kind")
def test_one_track_of_a_kind_is_published_and_as_many_are_watched_as_there_are_seats() -> None:
    with pytest.raises(Unusable, match="2 sections of video"):
        read_publication(publication("video", "audio", "video"))
    assert len(read_request(request(*["video"] * MAXIMUM_SECTIONS, "audio")).tracks) == MAXIMUM_SECTIONS + 1  # type: ignore[arg-type]
    with pytest.raises(Unusable, match=f"at most {MAXIMUM_SECTIONS}"):
        read_request(request(*["video"] * (MAXIMUM_SECTIONS + 1)))  # type: ignore[arg-type]


@pytest.mark.spec("whip/client-may-be-active")
@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_we_are_the_server_in_the_handshake(setup: str) -> None:
    text = publication().replace("a=setup:actpass", f"a=setup:{setup}")
    assert "a=setup:passive" in answer_once(read_publication(text), replace(SERVER, setup="actpass")).sdp


def test_who_wants_to_be_that_itself_is_refused() -> None:
    with pytest.raises(Unusable, match="passive in DTLS"):
        answer_once(read_publication(publication().replace("a=setup:actpass", "a=setup:passive")), SERVER)


def test_what_is_no_description_is_malformed_and_not_unusable() -> None:
    for text in ("", "hello", publication().replace("v=0", "v=1"), publication()[:300] + "x"):
        with pytest.raises(Malformed) as caught:
            read_publication(text)
        assert not isinstance(caught.value, Unusable)
