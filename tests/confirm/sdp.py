"""Who else reads vectors/sdp as we do: Chromium and Firefox, which must take or refuse them, and aiortc's parser.

A browser is given every offer by setRemoteDescription. It confirms a group when it refuses what must be refused and
accepts, in its answer, exactly the sections and payload types that are expected.
Stands above `tests/peers/browsers.py` and `tests/confirm/witness.py`. Read next: tests/generate/sdp.py.
"""

from __future__ import annotations

import re
from typing import Any

import trio

from meetref.protocol.answering import Offer, read_offer
from meetref.protocol.negotiation import EXTENSIONS
from meetref.protocol.offering import offer
from tests.confirm.witness import Case, Witness, asked, one_by_one, package
from tests.generate.sdp import SERVER, slots_from
from tests.peer_registry import why_absent
from tests.peers.browsers import BROWSERS, Browser, BrowserError
from tests.peers.sdp_conversations import TRANSCEIVERS, served_page

AIORTC = {
    "read-offer": "SessionDescription.parse gives the same mids, directions, payload types, ids, SSRCs and transport",
    "read-answer": "SessionDescription.parse gives the same mids, directions, payload types, ids and transport",
}
BROWSER = {
    "read-offer": "setRemoteDescription refuses it, or its answer accepts the same sections and payload types",
    "read-answer": "setRemoteDescription refuses it, or its transceivers have the same directions and payload types",
}
NEW_ANSWER = """async (sdp) => {
  if (window.pc) pc.close();
  window.pc = new RTCPeerConnection();
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}"""

NEW_OFFER = """async () => {
  if (window.pc) pc.close();
  window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  for (const kind of ['audio', 'video']) pc.addTransceiver(kind, {direction: 'sendonly'});
  window.both = pc.getTransceivers();
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}"""
DIRECTIONS_AFTER = """async (sdp) => {
  await pc.setRemoteDescription({type: 'answer', sdp});
  return both.map(one => one.currentDirection || 'stopped');
}"""


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(data, Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)))
    for name in BROWSERS:
        if why_absent(name) is None:
            entries += trio.run(_ask_browser, name, data)
    return entries


# --- browsers -------------------------------------------------------------------------------------


async def _ask_browser(name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """One browser for all groups: first it says everything, then it is judged as every witness is."""
    said: dict[str, Any] = {}
    async with BROWSERS[name]() as browser, served_page() as url:
        await browser.open(url)
        for group in data["groups"]:
            for case in group["tests"]:
                if group["params"]["operation"] == "read-offer":
                    said[case["id"]] = await _answer_of(browser, case["in"]["sdp"])
                elif name in group["source"]:
                    text = offer(slots_from(case["in"]["slots"]), SERVER, session_id=7, version=1)
                    await browser.call(NEW_ANSWER, text)
                    said[case["id"]] = await browser.call(TRANSCEIVERS)
                elif group["provenance"] == "mutated":
                    said[case["id"]] = await _directions_after(browser, case["in"]["sdp"])
        version = browser.version

    def judge(operation: str, case: Case) -> None:
        _compare(operation, case, said[case["id"]])

    return asked(data, Witness(name.capitalize(), lambda: version, BROWSER, one_by_one(judge)))


async def _answer_of(browser: Browser, sdp: str) -> str | None:
    try:
        answer: str = await browser.call(NEW_ANSWER, sdp)
    except BrowserError:
        return None
    return answer


async def _directions_after(browser: Browser, answer: str) -> list[str] | None:
    """What becomes of the two sections of the browser's own offer by an answer that is translated to its numbers."""
    found = read_offer(await browser.call(NEW_OFFER))
    translated = _translated(answer, found)
    try:
        directions: list[str] = await browser.call(DIRECTIONS_AFTER, translated)
    except BrowserError:
        return None
    return directions


def _translated(answer: str, found: Offer) -> str:
    """The answer with the mids, payload types and extension ids of another offer of an audio and a video section."""
    audio, video = found.tracks
    words = {"a0": audio.mid, "v0": video.mid}
    numbers = {"111": next(iter(audio.codecs)), "96": next(iter(video.codecs)), "97": next(iter(video.rtx))}
    text = re.sub(r"\b(?:a0|v0)\b", lambda match: words[match[0]], answer)
    formats = re.compile(r"(?<=[ :=])(?:111|96|97)(?=[ \r\n])")
    text = formats.sub(lambda match: str(numbers[match[0]]), text)
    ids = video.extensions | audio.extensions
    for uri, own in EXTENSIONS["audio"].items():
        text = text.replace(f"extmap:{own} {uri}", f"extmap:{ids[uri]} {uri}")
    return text


def _compare(operation: str, case: Case, said: Any) -> None:
    if operation == "read-offer":
        _compare_answer(case, said)
    elif case["result"] == "invalid":
        assert said is None, f"{case['id']} is taken"
    elif case["result"] == "acceptable" and said is None:
        pass
    elif said and isinstance(said[0], str):
        wanted = ["sendonly" if track["receiving"] else "inactive" for track in case["out"]["tracks"]]
        rejected = [track["payload_type"] is None for track in case["out"]["tracks"]]
        for way, direction, gone in zip(wanted, said, rejected, strict=True):
            assert direction == ("stopped" if gone else way), f"{case['id']}: {said}"
    else:
        assert said is not None, f"{case['id']} is refused"
        _compare_transceivers(case, said)


def _compare_answer(case: Case, answer: str | None) -> None:
    if case["result"] == "acceptable" and answer is None:
        return
    if case["result"] == "invalid":
        assert answer is None, f"{case['id']} is taken"
        return
    assert answer is not None, f"{case['id']} is refused"
    tracks = {track["mid"]: track for track in case["out"]["tracks"]}
    mids = []
    for section in answer.split("\r\nm=")[1:]:
        kind, port, _, *formats = section.split("\r\n")[0].split(" ")
        found = re.search(r"a=mid:(\S+)", section)
        mid = found.group(1) if found else ""
        mids.append(mid)
        if mid in tracks:
            way = "recvonly" if tracks[mid]["active"] else "inactive"
            assert int(port), f"{case['id']}: {mid} is rejected"
            assert str(tracks[mid]["payload_type"]) in formats, f"{case['id']}: {mid} has formats {formats}"
            assert f"\r\na={way}\r\n" in section, f"{case['id']}: {mid} is not {way}"
        else:
            assert kind == "application" or port == "0", f"{case['id']}: {mid} is accepted"
    assert mids == case["out"]["mids"], f"{case['id']}: sections {mids}"


def _compare_transceivers(case: Case, transceivers: list[dict[str, Any]]) -> None:
    assert [one["mid"] for one in transceivers] == [track["mid"] for track in case["out"]["tracks"]]
    for one, track in zip(transceivers, case["out"]["tracks"], strict=True):
        assert one["kind"] == track["kind"]
        assert (one["direction"] == "recvonly") == track["receiving"]
        codecs = {kind.lower(): payload_type for payload_type, kind in one["codecs"]}
        main = "audio/opus" if track["kind"] == "audio" else "video/vp8"
        assert codecs[main] == track["payload_type"], f"{case['id']}: {track['mid']} has {codecs}"
        assert codecs.get("video/rtx") == track["rtx_payload_type"], f"{case['id']}: {track['mid']} has {codecs}"


# --- aiortc ---------------------------------------------------------------------------------------


def _ask_aiortc(operation: str, case: Case) -> None:
    from aiortc.sdp import SessionDescription

    assert case["result"] != "invalid", "aiortc's parser refuses hardly anything"
    session = SessionDescription.parse(case["in"]["sdp"])
    media = {one.rtp.muxId: one for one in session.media}
    tracks = case["out"]["tracks"]
    if operation == "read-offer":
        assert list(media) == case["out"]["mids"], case["id"]
    else:
        assert list(media) == [track["mid"] for track in tracks], case["id"]
    for track in tracks:
        _compare_media(case["id"], track, media[track["mid"]])
    first = media[tracks[0]["mid"]]
    transport = case["out"]["transport"]
    assert (first.ice.usernameFragment, first.ice.password) == (transport["ufrag"], transport["password"])
    seen = [[one.algorithm.lower(), one.value.upper()] for one in first.dtls.fingerprints]
    assert seen == transport["fingerprints"], case["id"]


def _compare_media(identity: str, track: Case, seen: Any) -> None:
    assert seen.kind == track["kind"], identity
    if track["payload_type"] is None:
        return
    codecs = {codec.payloadType: codec.mimeType.lower() for codec in seen.rtp.codecs}
    wanted = "audio/opus" if track["kind"] == "audio" else "video/vp8"
    assert codecs[track["payload_type"]] == wanted, identity
    if track["rtx_payload_type"] is not None:
        assert codecs[track["rtx_payload_type"]] == "video/rtx", identity
    ids = {extension.uri: extension.id for extension in seen.rtp.headerExtensions}
    assert all(ids[uri] == number for uri, number in track["extensions"].items()), identity
    if "receiving" in track:
        assert (seen.direction in ("recvonly", "sendrecv")) == track["receiving"], identity
        return
    assert (seen.direction in ("sendonly", "sendrecv")) == track["active"], identity
    if track["ssrc"] is not None:
        assert {one.ssrc: one.cname for one in seen.ssrc}[track["ssrc"]] == track["cname"], identity
    if track["rtx_ssrc"] is not None:
        pairs = [one.items for one in seen.ssrc_group if one.semantic == "FID"]
        assert pairs == [[track["ssrc"], track["rtx_ssrc"]]], identity
