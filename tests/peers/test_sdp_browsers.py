"""Chromium and Firefox read our offers and answers and answer them as we expect; we read what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meetref.protocol.answering import answer, read_offer
from meetref.protocol.negotiation import AUDIO_LEVEL, MID, TRANSPORT_SEQUENCE
from meetref.protocol.offering import offer, read_answer
from tests.peers.browsers import BROWSERS
from tests.peers.sdp_conversations import (
    ANSWER,
    LOCAL,
    OFFER,
    OPEN,
    TAKE_ANSWER,
    TRANSCEIVERS,
    make_slots,
    served_page,
)

each_browser = pytest.mark.parametrize(
    "name",
    [
        pytest.param("chromium", marks=pytest.mark.peer("chromium", "chromedriver")),
        pytest.param("firefox", marks=pytest.mark.peer("firefox")),
    ],
)


@each_browser
@pytest.mark.spec(
    "sdp/answer-same-sections", "sdp/extension-ids-kept", "sdp/sections-never-removed", "sdp/bundle-attributes-once"
)
async def test_down_grows_through_its_steps(name: str) -> None:
    async with BROWSERS[name]() as browser, served_page() as url:
        await browser.open(url)
        for version, (videos, audios) in enumerate([(2, 2), (4, 4), (9, 9), (25, 9)], start=1):
            slots = make_slots(videos, audios)
            text = offer(slots, LOCAL, session_id=7, version=version)
            assert len(text) < 60_000
            said = await browser.call(ANSWER, text)
            taken = read_answer(said, slots)
            assert taken.remote.setup == "active"
            assert list(taken.accepted) == [slot.mid for slot in slots]
            for track in taken.tracks:
                assert track.payload_type == (111 if track.kind == "audio" else 96)
                assert track.rtx == (track.kind == "video")
                assert track.extensions[MID] == 4
                assert track.transport_sequence
                assert track.kind == "audio" or {"nack", "nack pli", "ccm fir"} <= set(track.feedback)
            transceivers = await browser.call(TRANSCEIVERS)
            assert [one["mid"] for one in transceivers] == [slot.mid for slot in slots]
            assert {one["direction"] for one in transceivers} == {"recvonly"}


@each_browser
async def test_a_slot_that_is_inactive_stays(name: str) -> None:
    async with BROWSERS[name]() as browser, served_page() as url:
        await browser.open(url)
        slots = make_slots(2, 2)
        await browser.call(ANSWER, offer(slots, LOCAL, session_id=7, version=1))
        slots[3] = replace(slots[3], active=False)
        taken = read_answer(await browser.call(ANSWER, offer(slots, LOCAL, session_id=7, version=2)), slots)
        assert list(taken.accepted) == ["a0", "v0", "a1"]
        slots[3] = replace(slots[3], active=True)
        taken = read_answer(await browser.call(ANSWER, offer(slots, LOCAL, session_id=7, version=3)), slots)
        assert list(taken.accepted) == ["a0", "v0", "a1", "v1"]


@each_browser
@pytest.mark.spec("sdp/answer-direction", "sdp/reject-section", "sdp/tagged-section", "sdp/answer-setup")
async def test_up_is_answered_and_grows(name: str) -> None:
    async with BROWSERS[name]() as browser, served_page() as url:
        await browser.open(url)
        await browser.call(OPEN, ["microphone", "camera"], "max-bundle")
        first = read_offer(await browser.call(OFFER, False))
        taken = await browser.call(TAKE_ANSWER, answer(first, LOCAL, session_id=7, version=1).sdp)
        audio, video = first.tracks
        assert taken == {"state": "stable", "directions": {audio.mid: "sendonly", video.mid: "sendonly"}}
        assert audio.ssrc
        assert audio.kind == "audio"
        assert AUDIO_LEVEL in audio.extensions
        assert list(video.rtx.values()) == list(video.codecs)
        assert video.rtx_of == {video.rtx_ssrc: video.ssrc}
        assert {MID, TRANSPORT_SEQUENCE} <= set(video.extensions)
        assert set(video.codecs[next(iter(video.codecs))].feedback) == {"transport-cc", "nack", "nack pli", "ccm fir"}

        await browser.evaluate("[add('data'), add('screen'), senders.camera.direction = 'inactive'].length")
        second = read_offer(await browser.call(OFFER, True))
        taken = await browser.call(TAKE_ANSWER, answer(second, LOCAL, session_id=7, version=2).sdp)
        assert second.transport.ufrag != first.transport.ufrag
        assert [track.mid for track in second.tracks[:2]] == [audio.mid, video.mid]
        assert second.tracks[0] == audio
        assert second.tracks[1].codecs == video.codecs
        assert [track.active for track in second.tracks] == [True, False, True]
        assert len(second.mids) == 4
        assert taken["directions"][video.mid] == "inactive"
        assert taken["directions"][second.tracks[2].mid] == "sendonly"


@each_browser
@pytest.mark.parametrize("policy", ["balanced", "max-bundle"])
@pytest.mark.spec("sdp/tagged-section")
async def test_a_data_channel_first_is_rejected_and_the_rest_works(name: str, policy: str) -> None:
    async with BROWSERS[name]() as browser, served_page() as url:
        await browser.open(url)
        await browser.call(OPEN, ["data"], policy)
        await browser.evaluate("[add('microphone'), add('camera')].length")
        said = read_offer(await browser.call(OFFER, False))
        taken = await browser.call(TAKE_ANSWER, answer(said, LOCAL, session_id=7, version=1).sdp)
        assert taken["state"] == "stable"
        assert set(taken["directions"].values()) == {"sendonly"}
