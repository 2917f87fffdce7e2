"""Offers and answers: our two halves meet, recorded browsers are understood, and nothing a peer writes can raise."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import description
from meetref.protocol.answering import MAXIMUM_SOURCES, GivenAnswer, answer, read_offer
from meetref.protocol.negotiation import (
    AUDIO_LEVEL,
    MID,
    OPUS_PAYLOAD_TYPE,
    RED_PAYLOAD_TYPE,
    RTX_PAYLOAD_TYPE,
    TRANSPORT_SEQUENCE,
    VP8,
    VP8_PAYLOAD_TYPE,
    SentTrack,
    Slot,
    Transport,
)
from meetref.protocol.offering import offer, read_answer
from meetref.protocol.videocodecs import H264
from meetref.wire import sdp
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed

CAPTURED = Path(__file__).parent.parent / "captured"
FINGERPRINT = ("sha-256", bytes(range(32)).hex(":").upper())
SERVER = Transport("serv", "s" * 22, (FINGERPRINT,), "passive", (Candidate("1", 1, "udp", 9, "192.0.2.1", 80, "host"),))
CLIENT = Transport("clie", "c" * 22, (FINGERPRINT,), "active")


def slots(count: int, audios: int | None = None) -> list[Slot]:
    found = []
    for seat in range(count):
        if audios is None or seat < audios:
            found.append(Slot(mid=f"a{seat}", kind="audio", ssrc=100 + seat, cname="m", stream=f"s{seat}"))
        found.append(
            Slot(mid=f"v{seat}", kind="video", ssrc=200 + seat, rtx_ssrc=300 + seat, cname="m", stream=f"s{seat}")
        )
    return found


def recorded(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((CAPTURED / f"sdp-{name}.json").read_text())["cases"]
    return cases


def answered(text: str, local: Transport = SERVER) -> GivenAnswer:
    return answer(read_offer(text), local, session_id=1, version=1)


def offered(tracks: list[SentTrack] | None = None, local: Transport = CLIENT) -> str:
    return offer(slots(1) if tracks is None else tracks, local, session_id=2, version=1)


# --- our two halves -------------------------------------------------------------------------------

kinds = st.lists(st.sampled_from(["audio", "video"]), min_size=1, max_size=12)


@given(kinds, st.data())
@pytest.mark.spec("sdp/mid-unique", "sdp/ssrc-cname", "sdp/fid", "sdp/msid")
def test_the_receiver_reads_what_the_sender_offers(chosen: list[Any], data: st.DataObject) -> None:
    tracks = []
    for number, kind in enumerate(chosen):
        rtx = number + 1000 if kind == "video" and data.draw(st.booleans()) else None
        stream = data.draw(st.sampled_from(["one", "two"]))
        active = data.draw(st.booleans())
        tracks.append(
            SentTrack(
                mid=str(number), kind=kind, ssrc=number + 1, rtx_ssrc=rtx, cname="c", stream=stream, active=active
            )
        )
    given_answer = answered(offered(tracks))
    assert given_answer.remote == replace(CLIENT, setup="actpass")
    assert given_answer.mids == tuple(track.mid for track in tracks)
    for track, received in zip(tracks, given_answer.tracks, strict=True):
        assert (received.mid, received.kind, received.active) == (track.mid, track.kind, track.active)
        assert received.streams == (track.stream,)
        if track.active:
            assert (received.ssrc, received.rtx_ssrc, received.cname) == (track.ssrc, track.rtx_ssrc, track.cname)
    taken = read_answer(given_answer.sdp, tracks)
    assert taken.remote == SERVER
    assert list(taken.accepted) == [track.mid for track in tracks if track.active]
    for track, accepted in zip(tracks, taken.tracks, strict=True):
        assert accepted.rtx == (track.rtx_ssrc is not None)
        assert accepted.transport_sequence


@pytest.mark.spec(
    "sdp/rtx-apt", "sdp/rtcp-mux-written", "sdp/setup-required", "sdp/mid-extension", "sdp/bundle-attributes-once"
)
def test_a_down_offer_says_what_browsers_need() -> None:
    session = sdp.parse(offer(slots(25, 9), SERVER, session_id=3, version=4))
    assert len(sdp.serialize(session)) < 60_000
    assert (session.origin.session_id, session.origin.version) == (3, 4)
    assert session.value("setup") == "actpass"
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        assert [described.has(name) for described in (session, *session.sections)] == [True] + [False] * 34
    assert session.value("ice-options") == "trickle ice2"
    assert session.value("group") == "BUNDLE " + " ".join(slot.mid for slot in slots(25, 9))
    assert len(session.sections) == 34
    for section, slot in zip(session.sections, slots(25, 9), strict=True):
        assert all(section.has(name) for name in ("rtcp-mux", "rtcp-rsize", "sendonly", "msid"))
        assert section.port == 9
        assert section.protocol == "UDP/TLS/RTP/SAVPF"
        extensions = set(section.values("extmap"))
        assert {f"3 {TRANSPORT_SEQUENCE}", f"4 {MID}"} <= extensions
        assert (f"1 {AUDIO_LEVEL}" in extensions) == (slot.kind == "audio")
        if slot.kind == "video":
            assert section.formats == (str(VP8_PAYLOAD_TYPE), str(RTX_PAYLOAD_TYPE))
            feedback = {"96 nack", "96 nack pli", "96 ccm fir", "96 transport-cc"}
            assert set(section.values("rtcp-fb")) == feedback
            assert section.value("fmtp") == "97 apt=96"
            assert section.value("ssrc-group") == f"FID {slot.ssrc} {slot.rtx_ssrc}"
        else:
            assert section.formats == (str(OPUS_PAYLOAD_TYPE), str(RED_PAYLOAD_TYPE))
            assert list(section.values("rtcp-fb")) == ["111 transport-cc"]
            assert list(section.values("fmtp")) == ["111 minptime=10;useinbandfec=1", "63 111/111"]
    assert [section.has("candidate") for section in session.sections] == [True] + [False] * 33


@pytest.mark.spec("rtcp/round-trip-agreed")
@pytest.mark.parametrize(
    ("session", "section", "answers"),
    [
        (None, None, False),
        (None, "rcvr-rtt=all", True),
        (None, "rcvr-rtt=sender", True),
        (None, "stat-summary=loss,dup rcvr-rtt=all:10000 voip-metrics", True),
        (None, "stat-summary=loss,dup voip-metrics", False),
        (None, "", False),
        ("rcvr-rtt=all", None, True),
        ("rcvr-rtt=all", "", False),
        ("", "rcvr-rtt=all", True),
    ],
)
def test_extended_reports_are_agreed_on(session: str | None, section: str | None, answers: bool) -> None:
    offered_text = offered()
    assert "a=rtcp-xr:rcvr-rtt=all\r\n" in offered_text
    (read,) = {track.answers_clock for track in answered(offered_text).tracks}
    assert read
    rows = [row for row in offered_text.split("\r\n") if not row.startswith("a=rtcp-xr")]
    for said, places in ((section, [at for at, row in enumerate(rows) if row == "a=rtcp-mux"]), (session, [5])):
        for at in reversed(places):
            rows[at:at] = [] if said is None else [f"a=rtcp-xr:{said}"]
    given_answer = answered("\r\n".join(rows))
    assert {track.answers_clock for track in given_answer.tracks} == {answers}
    taken = sdp.parse(given_answer.sdp).sections
    assert [list(each.values("rtcp-xr")) for each in taken] == [["rcvr-rtt=all"] if answers else []] * len(taken)


@pytest.mark.spec("sdp/no-prohibited", "sdp/no-address-leak", "sdp/origin-version")
def test_nothing_prohibited_is_written() -> None:
    for text in (offered(), answered(offered()).sdp):
        assert "o=- " in text
        assert " IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" in text
        for name in ("crypto", "key-mgmt", "ice-lite", "identity"):
            assert f"a={name}" not in text
        assert "\r\nk=" not in text


@pytest.mark.spec("sdp/sections-never-removed")
def test_a_larger_step_begins_with_the_smaller_one() -> None:
    small, large = (sdp.parse(offered(slots(count))).sections for count in (4, 9))
    assert large[: len(small)] == small


def test_secrets_are_not_shown() -> None:
    assert SERVER.password not in repr(SERVER)
    assert SERVER.password not in repr(read_offer(offered(local=SERVER)))


@pytest.mark.spec("red/offered", "red/preferred", "red/format-named")
def test_sound_said_twice_is_offered_and_taken_before_opus() -> None:
    given_answer = answered(offered())
    (section,) = [section for section in sdp.parse(given_answer.sdp).sections if section.kind == "audio"]
    assert section.formats == ("63", "111")
    (sound,) = [track for track in given_answer.tracks if track.kind == "audio"]
    assert (sound.red, list(sound.codecs)) == (63, [111])
    taken = read_answer(given_answer.sdp, slots(1)).tracks
    assert [(track.payload_type, track.red_payload_type) for track in taken] == [(111, 63), (96, None)]


@pytest.mark.spec("red/agreed-only", "red/format-named")
@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("a=fmtp:63 111/111", "a=fmtp:63 111/0"),
        ("a=fmtp:63 111/111", "a=fmtp:63 0/0"),
        ("a=fmtp:63 111/111\r\n", ""),
        ("a=rtpmap:63 red/48000/2", "a=rtpmap:63 red/8000"),
        ("a=rtpmap:63 red/48000/2\r\n", ""),
    ],
)
def test_red_of_anything_but_opus_is_not_taken(line: str, other: str) -> None:
    assert line in offered()
    given_answer = answered(offered().replace(line, other))
    assert [track.red for track in given_answer.tracks] == [None, None]
    assert "red/" not in given_answer.sdp
    assert [track.red_payload_type for track in read_answer(given_answer.sdp, slots(1)).tracks] == [None, None]


def test_three_blocks_of_opus_are_opus_too() -> None:
    given_answer = answered(offered().replace("111/111", "111/111/111"))
    assert [track.red for track in given_answer.tracks] == [63, None]


@pytest.mark.spec("sdp/bundle-payload-types")
def test_reds_number_means_nothing_else_in_the_bundle() -> None:
    with pytest.raises(Malformed, match="payload type 63 means two things"):
        read_offer(offered().replace(" 96 97\r\n", " 63 97\r\n").replace(":96 VP8", ":63 VP8"))


@pytest.mark.spec("fec/both-or-none", "fec/beside-vp8")
def test_protected_pictures_are_offered_and_taken_where_both_want_it() -> None:
    with_fec = offer(slots(1), CLIENT, session_id=2, version=1, fec=True)
    given_answer = answer(read_offer(with_fec, fec=True), SERVER, session_id=1, version=1)
    assert [track.fec for track in given_answer.tracks] == [None, (116, 117)]
    assert sdp.parse(given_answer.sdp).sections[1].formats == ("96", "97", "116", "117")
    taken = read_answer(given_answer.sdp, slots(1)).tracks
    assert [(track.payload_type, track.red_payload_type, track.fec) for track in taken] == [
        (111, 63, None),
        (96, None, (116, 117)),
    ]
    for text, wanted in ((with_fec, False), (offered(), True)):
        without = answer(read_offer(text, fec=wanted), SERVER, session_id=1, version=1)
        assert [track.fec for track in without.tracks] == [None, None]
        assert "ulpfec" not in without.sdp


@pytest.mark.spec("fec/both-or-none", "fec/beside-vp8")
@pytest.mark.parametrize(
    ("line", "other"), [("116 red/90000", "116 red/8000"), ("117 ulpfec", "117 parity"), ("96 VP8", "96 H264")]
)
def test_half_a_protection_is_none(line: str, other: str) -> None:
    text = offer(slots(1), CLIENT, session_id=2, version=1, fec=True).replace(line, other)
    video = (VP8, H264)
    given_answer = answer(read_offer(text, video=video, fec=True), SERVER, session_id=1, version=1)
    assert [track.fec for track in given_answer.tracks] == [None, None]
    assert "ulpfec" not in given_answer.sdp


# --- recorded browsers ----------------------------------------------------------------------------

each_browser = pytest.mark.parametrize("name", ["chromium", "firefox"])


@each_browser
@pytest.mark.spec("fec/both-or-none")
def test_protection_in_recorded_up_offers_is_taken_with_its_repair(name: str) -> None:
    texts = [case["offer"] for case in recorded(name) if "offer" in case]
    found = 0
    for text in texts:
        given_answer = answer(read_offer(text, fec=True), SERVER, session_id=1, version=1)
        for track in given_answer.tracks:
            assert (track.fec is None) == (track.kind == "audio" or "ulpfec" not in text)
            if track.fec is not None:
                found += 1
                assert set(track.rtx.values()) <= {*track.codecs, track.fec.red}
                assert (track.fec.red in track.rtx.values()) == (f"apt={track.fec.red}" in text)
    assert found, "browsers offer it"


@each_browser
@pytest.mark.spec("sdp/reject-section", "sdp/answer-direction", "sdp/codec-name-case", "sdp/session-level")
def test_recorded_up_offers_are_answered(name: str) -> None:
    offers = [case["offer"] for case in recorded(name) if "offer" in case]
    assert len(offers) == 5
    for text in offers:
        found = answered(text)
        session, asked = sdp.parse(found.sdp), sdp.parse(text)
        assert [section.kind for section in session.sections] == [section.kind for section in asked.sections]
        assert session.value("setup") == "passive"
        for section in session.sections:
            assert (section.port == 0) == (section.kind == "application")
            assert not section.has("bundle-only")
            assert not section.has("rid")
            assert not any("goog-remb" in line or "ccfb" in line for line in section.values("rtcp-fb"))
            codecs = [line.split(" ")[1].split("/")[0] for line in section.values("rtpmap")]
            sound = {"chromium": ["red", "opus"], "firefox": ["opus"]}[name]  # what stands first is sent
            assert codecs == {"audio": sound, "video": ["VP8", "rtx"], "application": []}[section.kind]
        for track in found.tracks:
            assert MID in track.extensions
            assert (AUDIO_LEVEL in track.extensions) == (track.kind == "audio")
            assert not track.active or track.ssrc is not None
            assert len(track.rtx_of) == (1 if track.kind == "video" and track.active else 0)


@each_browser
def test_recorded_candidates_are_read(name: str) -> None:
    text = next(case["offer"] for case in recorded(name) if "candidates" in case["case"])
    found = read_offer(text).transport.candidates
    assert {candidate.transport for candidate in found} == {"udp", "tcp"}


@each_browser
def test_the_second_recorded_offer_is_answered_like_the_first(name: str) -> None:
    cases = [case["offer"] for case in recorded(name) if "balanced" in case["case"]]
    first, second = (read_offer(text) for text in cases)
    assert second.mids[: len(first.mids)] == first.mids
    assert first.transport.ufrag != second.transport.ufrag
    assert second.tracks[0] == first.tracks[0]
    assert second.tracks[1].codecs == first.tracks[1].codecs
    assert not second.tracks[1].active


@each_browser
@pytest.mark.spec("sdp/extension-ids-kept", "sdp/answer-same-sections")
def test_recorded_down_answers_are_read(name: str) -> None:
    for case in recorded(name):
        if "answer" in case:
            offered_slots = slots(case["videos"])
            taken = read_answer(case["answer"], offered_slots)
            assert taken.remote.setup == "active"
            assert list(taken.accepted) == [slot.mid for slot in offered_slots]
            assert [track.rtx for track in taken.tracks] == [slot.kind == "video" for slot in offered_slots]
            assert all(track.transport_sequence for track in taken.tracks)


# --- offers that cannot be used -------------------------------------------------------------------


def _swap(old: str, new: str) -> str:
    text = offered()
    assert old in text
    return text.replace(old, new)


def _in_video(old: str, new: str) -> str:
    audio, video = offered().split("m=video")
    assert old in video
    return f"{audio}m=video{video.replace(old, new)}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(_swap("a=ice-ufrag:clie\r\n", ""), "ufrag", marks=pytest.mark.spec("sdp/ice-credentials")),
        pytest.param(_swap(":clie\r\n", ":cli\r\n"), "ufrag", marks=pytest.mark.spec("sdp/ice-credentials")),
        pytest.param(_swap("c" * 22, "c" * 21), "password", marks=pytest.mark.spec("sdp/ice-credentials")),
        pytest.param(_swap("c" * 22, "c" * 257), "password", marks=pytest.mark.spec("sdp/ice-credentials")),
        pytest.param(_swap("clie", "cl=e"), "ufrag", marks=pytest.mark.spec("sdp/ice-credentials")),
        pytest.param(
            _swap("a=fingerprint", "a=x"), "no fingerprint", marks=pytest.mark.spec("sdp/fingerprint-required")
        ),
        pytest.param(
            _swap("sha-256 ", "md5 "), "no fingerprint", marks=pytest.mark.spec("sdp/fingerprint-not-md5")
        ),
        pytest.param(_swap("a=setup:actpass\r\n", ""), "setup", marks=pytest.mark.spec("sdp/setup-required")),
        pytest.param(_swap("actpass", "holdconn"), "setup", marks=pytest.mark.spec("sdp/setup-required")),
        pytest.param(_swap("actpass", "passive"), "passive", marks=pytest.mark.spec("sdp/answer-setup")),
        pytest.param(_swap("a=group:BUNDLE", "a=group:LS"), "BUNDLE", marks=pytest.mark.spec("sdp/bundle-required")),
        pytest.param(_swap("BUNDLE a0 v0", "BUNDLE a0 a0"), "BUNDLE", marks=pytest.mark.spec("sdp/bundle-mids")),
        pytest.param(_swap("BUNDLE a0 v0", "BUNDLE a0 zz"), "BUNDLE", marks=pytest.mark.spec("sdp/bundle-mids")),
        pytest.param(_swap("BUNDLE a0 v0", "BUNDLE"), "nothing", marks=pytest.mark.spec("sdp/bundle-required")),
        pytest.param(_swap("a=mid:a0\r\n", ""), "a=mid", marks=pytest.mark.spec("sdp/mid-required")),
        pytest.param(_swap("a=mid:a0", "a=mid:" + "m" * 17), "a=mid", marks=pytest.mark.spec("sdp/mid-required")),
        pytest.param(_swap("a=mid:v0", "a=mid:a0"), "two sections", marks=pytest.mark.spec("sdp/mid-unique")),
        pytest.param(
            _swap("a=rtcp-mux\r\n", ""), "multiplex RTCP", marks=pytest.mark.spec("sdp/rtcp-mux-required")
        ),
        pytest.param(
            _in_video(f"extmap:4 {MID}", f"extmap:1 {MID}"),
            "means two things", marks=pytest.mark.spec("sdp/bundle-extension-ids"),
        ),
        pytest.param(
            _in_video(f"extmap:4 {MID}", f"extmap:5 {MID}"),
            "means two things", marks=pytest.mark.spec("sdp/bundle-extension-ids"),
        ),
        pytest.param(
            offered().replace("SAVPF 111", "SAVPF 96").replace(":111 ", ":96 "),
            "means two things", marks=pytest.mark.spec("sdp/bundle-payload-types"),
        ),
        pytest.param(_swap("a=ssrc:100 ", "a=ssrc:200 "), "announced twice", marks=pytest.mark.spec("sdp/ssrc-unique")),
        pytest.param(
            offered().replace("VP8/90000", "H264/90000").replace("opus/48000/2", "PCMU/8000"),
            "nothing in the offer", marks=pytest.mark.spec("sdp/reject-section"),
        ),
        (offered([]), "nothing in the offer"),
        ("", "not a line"),
    ],
)  # fmt: skip
def test_an_unusable_offer_is_malformed_with_a_clear_sentence(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        answered(text)


@pytest.mark.spec("sdp/bounded")
def test_ssrcs_and_candidates_have_bounds() -> None:
    many = "".join(f"a=ssrc:{number} cname:x\r\n" for number in range(1000, 1001 + MAXIMUM_SOURCES))
    with pytest.raises(Malformed, match="announces more than"):
        answered(offered() + many)
    candidates = "".join(f"a=candidate:{n} 1 udp 9 192.0.2.1 {n} typ host\r\n" for n in range(1, 300))
    text = offered().replace("a=mid:a0", candidates + "a=mid:a0")
    assert len(read_offer(text).transport.candidates) == description.MAXIMUM_CANDIDATES


@pytest.mark.spec("sdp/candidate-unknown")
def test_candidates_of_unknown_kinds_are_skipped() -> None:
    lines = "a=candidate:1 1 ssltcp 9 192.0.2.1 1 typ host\r\na=candidate:2 1 udp 9 a.local 1 typ host\r\n"
    found = read_offer(offered().replace("a=mid:a0", lines + "a=mid:a0")).transport.candidates
    assert [candidate.host for candidate in found] == ["a.local"]


# --- sections -------------------------------------------------------------------------------------


@pytest.mark.spec("sdp/reject-section", "sdp/tagged-section")
@pytest.mark.parametrize(
    "change",
    [
        ("m=audio 9", "m=audio 0"),
        ("BUNDLE a0 v0", "BUNDLE v0"),
        ("SAVPF 111", "SAVP 111"),
        ("opus/48000/2", "opus/8000"),
    ],
)
def test_a_section_is_rejected_and_the_next_one_is_tagged(change: tuple[str, str]) -> None:
    found = answered(offered().replace(*change))
    session = sdp.parse(found.sdp)
    assert [section.port for section in session.sections] == [0, 9]
    assert session.value("group") == "BUNDLE v0"
    assert [section.has("candidate") for section in session.sections] == [False, True]
    assert [track.mid for track in found.tracks] == ["v0"]
    taken = read_answer(found.sdp, slots(1))
    assert list(taken.accepted) == ["v0"]
    assert taken.tracks[0].payload_type is None


@pytest.mark.spec("sdp/bundle-only")
def test_port_zero_with_bundle_only_is_accepted() -> None:
    text = offered().replace("m=video 9", "m=video 0").replace("a=mid:v0", "a=mid:v0\r\na=bundle-only")
    found = answered(text)
    assert [track.mid for track in found.tracks] == ["a0", "v0"]
    assert "bundle-only" not in found.sdp
    old_style = found.sdp.replace("m=video 9", "m=video 0").replace("a=mid:v0", "a=mid:v0\r\na=bundle-only")
    assert list(read_answer(old_style, slots(1)).accepted) == ["a0", "v0"]


@pytest.mark.spec("sdp/tagged-section")
def test_a_rejected_first_section_still_tells_the_transport() -> None:
    transport = "a=ice-ufrag:clie\r\na=ice-pwd:" + "c" * 22 + "\r\na=setup:actpass\r\n"
    fingerprint = f"a=fingerprint:{' '.join(FINGERPRINT)}\r\n"
    bare = offered().replace(fingerprint, "").replace(transport, "")
    assert "setup" not in bare
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=rtcp-mux\r\n"
    data += transport + fingerprint
    text = bare.replace("BUNDLE ", "BUNDLE d ").replace("m=audio 9", data + "m=audio 9")
    found = answered(text)
    assert found.remote.ufrag == "clie"
    assert found.mids == ("d", "a0", "v0")
    assert sdp.parse(found.sdp).sections[0].port == 0


@pytest.mark.spec("sdp/transport-wide-both")
@pytest.mark.parametrize("missing", ["a=rtcp-fb:96 transport-cc\r\n", f"a=extmap:3 {TRANSPORT_SEQUENCE}\r\n"])
def test_transport_wide_feedback_needs_line_and_extension(missing: str) -> None:
    found = answered(offered().replace(missing, ""))
    video = found.tracks[1]
    assert TRANSPORT_SEQUENCE not in video.extensions
    assert "transport-cc" not in video.codecs[VP8_PAYLOAD_TYPE].feedback
    taken = read_answer(answered(offered()).sdp.replace(missing, ""), slots(1))
    assert not taken.tracks[1].transport_sequence


def test_who_will_not_tell_of_arrivals_promises_nothing_though_packets_have_their_numbers() -> None:
    unwilling = read_offer(offered()).without_arrivals()
    given_answer = answer(unwilling, SERVER, session_id=2, version=1)
    assert "transport-cc" not in given_answer.sdp
    taken = read_answer(given_answer.sdp, slots(1))
    assert TRANSPORT_SEQUENCE in given_answer.sdp
    assert not any(track.transport_sequence for track in taken.tracks)


@pytest.mark.spec("sdp/extension-direction")
def test_an_extension_of_one_direction_is_answered_by_the_other() -> None:
    text = offered().replace(f"extmap:1 {AUDIO_LEVEL}", f"extmap:1/sendonly {AUDIO_LEVEL} vad=on")
    text = text.replace(f"extmap:4 {MID}", f"extmap:4/recvonly {MID}")
    found = answered(text)
    assert f"a=extmap:1/recvonly {AUDIO_LEVEL}\r\n" in found.sdp
    assert MID not in found.sdp
    assert read_answer(found.sdp, slots(1)).tracks[0].extensions[AUDIO_LEVEL] == 1


@pytest.mark.spec("srtp/cryptex-negotiated")
def test_headers_are_hidden_where_both_say_so() -> None:
    hiding, server = replace(CLIENT, hides_headers=True), replace(SERVER, hides_headers=True)
    text = offered(local=hiding)
    session = sdp.parse(text)
    assert session.has("cryptex")
    assert not any(section.has("cryptex") for section in session.sections), "once for the whole bundle"
    for theirs, ours, agreed in (
        (text, server, True),
        (text, SERVER, False),
        (offered(), server, False),
        (offered(), SERVER, False),
    ):
        given_answer = answered(theirs, ours)
        assert given_answer.remote.hides_headers == (theirs is text)
        assert ("a=cryptex\r\n" in given_answer.sdp) == agreed
        assert read_answer(given_answer.sdp, slots(1)).remote.hides_headers == agreed
    in_sections = offered().replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=cryptex\r\n")
    assert "a=cryptex\r\n" in answered(in_sections, server).sdp, "or in every section of the bundle"


@pytest.mark.spec("sdp/ice-options-echoed")
def test_ice_options_are_those_of_both() -> None:
    assert "a=ice-options:trickle\r\n" in answered(offered().replace(" ice2", " renomination")).sdp
    assert "ice-options" not in answered(offered().replace("a=ice-options:trickle ice2\r\n", "")).sdp


@pytest.mark.spec("sdp/rtx-apt")
def test_rtx_counts_only_for_the_codec_it_repairs() -> None:
    found = answered(offered().replace("apt=96", "apt=98"))
    assert found.tracks[1].rtx == {}
    assert found.tracks[1].rtx_of == {}
    assert "rtx" not in found.sdp


@pytest.mark.spec("sdp/msid-ignored")
def test_an_msid_that_cannot_be_read_is_ignored() -> None:
    text = offered().replace("a=msid:s0 s0-audio", "a=msid:one two three\r\na=msid:four")
    assert answered(text).tracks[0].streams == ("four",)


def test_feedback_for_all_formats_counts() -> None:
    text = offered().replace("a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:* nack\r\n")
    assert "nack" in answered(text).tracks[1].codecs[96].feedback


# --- answers that do not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        pytest.param("a=mid:v0", "a=mid:zz", "was offered", marks=pytest.mark.spec("sdp/answer-same-sections")),
        pytest.param("m=video", "m=audio", "was offered", marks=pytest.mark.spec("sdp/answer-same-sections")),
        pytest.param("setup:passive", "setup:actpass", "DTLS role", marks=pytest.mark.spec("sdp/answer-setup")),
        pytest.param("BUNDLE a0 v0", "BUNDLE a0", "not in the BUNDLE", marks=pytest.mark.spec("sdp/bundle-required")),
        ("VP8/90000", "VP9/90000", "no codec"),
        (" 9 UDP", " 0 UDP", "accepts none"),
    ],
)
def test_an_answer_that_does_not_fit_is_malformed(old: str, new: str, why: str) -> None:
    text = answered(offered()).sdp
    assert old in text
    with pytest.raises(Malformed, match=why):
        read_answer(text.replace(old, new), slots(1))


@pytest.mark.spec("sdp/answer-same-sections")
def test_an_answer_has_as_many_sections_as_the_offer() -> None:
    with pytest.raises(Malformed, match="2 sections, the offer 4"):
        read_answer(answered(offered()).sdp, slots(2))


@pytest.mark.spec("sdp/extension-ids-kept")
def test_an_extension_under_another_id_is_not_accepted() -> None:
    text = answered(offered()).sdp.replace(f"extmap:4 {MID}", f"extmap:5 {MID}")
    assert MID not in read_answer(text, slots(1)).tracks[0].extensions


def test_an_answer_may_use_its_own_payload_types() -> None:
    text = answered(offered()).sdp.replace("96", "120").replace("97", "121")
    track = read_answer(text, slots(1)).tracks[1]
    assert (track.payload_type, track.rtx_payload_type) == (120, 121)


# --- strangers cannot raise -----------------------------------------------------------------------


def _mutated(text: str, seed: int) -> str:
    """Some lines gone, doubled, moved, swapped or damaged, as no honest browser would."""
    dice = random.Random(seed)
    rows = text.split("\r\n")
    for _ in range(dice.randint(1, 6)):
        at, other = dice.randrange(len(rows)), dice.randrange(len(rows))
        match dice.randrange(5):
            case 0:
                rows.pop(at)
            case 1:
                rows.insert(other, rows[at])
            case 2:
                rows[at], rows[other] = rows[other], rows[at]
            case 3:
                cut = dice.randrange(len(rows[at]) + 1)
                rows[at] = rows[at][:cut] + dice.choice(["", " ", ":", "0", "99999999999", "/", "\x00", "é"])
            case _:
                words = rows[at].split(" ")
                dice.shuffle(words)
                rows[at] = " ".join(words)
        rows = rows or [""]
    return "\r\n".join(rows)


@each_browser
@pytest.mark.spec("sdp/malformed-refused")
@given(st.integers(0, 2**32))
def test_damaged_descriptions_are_read_or_malformed(name: str, seed: int) -> None:
    case = recorded(name)[seed % len(recorded(name))]
    try:
        if "offer" in case:
            given_answer = answered(_mutated(case["offer"], seed))
        else:
            taken = read_answer(_mutated(case["answer"], seed), slots(case["videos"]))
    except Malformed:
        return
    if "offer" in case:
        assert {track.mid for track in given_answer.tracks} <= set(given_answer.mids)
    else:
        assert set(taken.accepted) <= {slot.mid for slot in slots(case["videos"])}
