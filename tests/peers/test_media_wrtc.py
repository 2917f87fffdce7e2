"""libwebrtc (PyPI wrtc) sends layers, RED and FEC, which we read; and we send RED and FEC, with which it fills gaps."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.app import frames
from meetref.media import fec as correction
from meetref.media.codec import packetize
from meetref.media.fec import Protector, Recoverer, without_mutable
from meetref.media.redundancy import Redundancy, Unwrapping
from meetref.media.shielding import Shield
from meetref.wire import av1, fec, red, rtp, sdp, vp9
from meetref.wire import dependencydescriptor as dd
from meetref.wire.sdpattributes import parse_extension
from tests.peers.bare_peer import NOTHING, BarePeer, listening, speaking
from tests.peers.whole_peer import Theirs, theirs

HERE = Path(__file__).parent
VP8, RED_VIDEO, ULPFEC, OPUS, RED_AUDIO = 96, 102, 104, 111, 63
TRANSPORT = 5  # id of the transport-wide number where we offer
SSRC = 7
FAST = f"a=fmtp:{VP8} x-google-start-bitrate=2000;x-google-min-bitrate=2000"
VIDEO_SECTION = [
    f"m=video 9 UDP/TLS/RTP/SAVPF {RED_VIDEO} {VP8} {ULPFEC}", f"a=rtpmap:{VP8} VP8/90000",
    f"a=rtpmap:{RED_VIDEO} red/90000", f"a=rtpmap:{ULPFEC} ulpfec/90000", f"a=rtcp-fb:{VP8} nack pli",
    f"a=rtcp-fb:{VP8} transport-cc", f"a=extmap:{TRANSPORT} {rtp.EXTENSIONS['transport-sequence']}",
    f"a=ssrc:{SSRC} cname:c", "a=msid:s t",
]  # fmt: skip
SOUND_SECTION = [
    f"m=audio 9 UDP/TLS/RTP/SAVPF {RED_AUDIO} {OPUS}", f"a=rtpmap:{OPUS} opus/48000/2",
    f"a=rtpmap:{RED_AUDIO} red/48000/2", f"a=fmtp:{RED_AUDIO} {OPUS}/{OPUS}", f"a=ssrc:{SSRC} cname:c", "a=msid:s t",
]  # fmt: skip


def sender(*words: str) -> AbstractAsyncContextManager[Theirs]:
    return theirs(sys.executable, str(HERE / "wrtc_sender.py"), *words)


def watcher() -> AbstractAsyncContextManager[Theirs]:
    return theirs(sys.executable, str(HERE / "wrtc_watcher.py"))


def extension_ids(ours: BarePeer) -> dict[str, int]:
    section = sdp.parse(ours.offer).sections[0]
    return {each.uri: each.id for each in map(parse_extension, section.values("extmap"))}


async def received(
    words: str, count: int, without: str = NOTHING, more: str = "", lost: int = 0
) -> tuple[list[bytes], dict[str, int]]:
    """The first packets of a stream that are not padding alone, and the ids of its extensions."""
    async with sender(*words.split()) as other, listening(other, without, more, fraction_lost=lost) as ours:
        packets = await ours.until(lambda packets: len(packets) >= count, 60)
    return [packet for packet in packets if rtp.parse(packet).payload], extension_ids(ours)


def described(packets: list[bytes], number: int) -> Iterator[tuple[rtp.Packet, bytes, dd.Descriptor, dd.Frame]]:
    """Every packet, its dependency descriptor, and what that says of the frame."""
    held: dd.Structure | None = None
    for packet in map(rtp.parse, packets):
        octets = packet.extensions[number]
        descriptor = dd.parse(octets, held)
        held = descriptor.structure or held
        assert held is not None
        yield packet, octets, descriptor, dd.frame_of(descriptor, held)


@pytest.mark.peer("wrtc")
@pytest.mark.spec("av1/structure-at-sequence-start", "av1/extended-fields", "vp9/layers-present")
async def test_both_descriptors_of_layered_vp9_say_the_same() -> None:
    packets, ids = await received("video VP9 L3T3_KEY", 120)
    seen = set()
    for packet, octets, descriptor, frame in described(packets, ids[dd.URI]):
        read = vp9.parse(packet.payload)
        assert (read.start, read.end) == (descriptor.start, descriptor.end)
        assert read.layers in ((frame.temporal_layer, frame.spatial_layer), None)
        assert dd.begins_sequence(octets) == vp9.is_keyframe(packet.payload)
        seen.add(read.layers)
    assert len(seen) >= 3


@pytest.mark.peer("wrtc")
@pytest.mark.spec("av1/sequence-begins-with-keyframe", "av1/structure-at-sequence-start")
@pytest.mark.parametrize("mode", ["L1T3", "L3T3_KEY"])
async def test_layered_av1_is_described_and_begins_with_a_sequence(mode: str) -> None:
    packets, ids = await received(f"video AV1 {mode}", 120)
    assert av1.is_keyframe(rtp.parse(packets[0]).payload)
    goes_on, layers, former, followed = False, set(), (-1, -1), 0
    for packet, octets, descriptor, frame in described(packets, ids[dd.URI]):
        payload = av1.parse(packet.payload)
        # On a busy machine the rest of a frame may be left out, without a gap in the sequence.
        if (packet.sequence, packet.timestamp) == (former[0] + 1 & 0xFFFF, former[1]):
            assert payload.continues == goes_on
            followed += 1
        former = packet.sequence, packet.timestamp
        assert payload.begins_sequence == dd.begins_sequence(octets)
        assert (av1.size_of_keyframe(packet.payload) is not None) == payload.begins_sequence
        assert not (payload.continues and descriptor.start)
        goes_on = payload.continued
        layers.add((frame.spatial_layer, frame.temporal_layer))
    assert len(layers) >= 3
    assert followed > len(packets) // 4


@pytest.mark.peer("wrtc")
@pytest.mark.spec("red/timestamps", "red/follow-bit", "red/primary-last")
async def test_what_is_lost_of_its_red_is_heard_all_the_same() -> None:
    packets, _ = await received("audio red", 120)
    sent = [rtp.parse(packet) for packet in packets]
    assert {packet.payload_type for packet in sent} == {RED_AUDIO}
    whole, lossy = Unwrapping(), Unwrapping()
    said = {sound.timestamp: sound.data for each in sent for sound in whole.receive(each.payload, each.timestamp)}
    kept = [each for place, each in enumerate(sent[:-1]) if place % 3 != 1] + sent[-1:]
    heard = {sound.timestamp: sound.data for each in kept for sound in lossy.receive(each.payload, each.timestamp)}
    assert heard == said
    assert lossy.recovered == len(sent) - len(kept)


@pytest.mark.peer("wrtc")
@pytest.mark.slow
@pytest.mark.spec("fec/virtual-packets", "fec/mutable-octets-zero", "fec/recovered-header", "fec/one-missing")
async def test_what_is_lost_of_its_protected_video_comes_back_octet_for_octet() -> None:
    """It protects only when loss is reported, and less is sent when much is: 23 of 256 are said to be lost."""
    packets, ids = await received("video ulpfec", 500, "nack|rtx", FAST, lost=23)
    mutable = {ids[uri]: first for uri, first in correction.MUTABLE.items() if uri in ids}
    inside = [red.unwrap_packet(packet) for packet in packets]
    media = [packet for packet in inside if packet[1] & 0x7F == VP8]
    parities = [packet for packet in inside if packet[1] & 0x7F == ULPFEC]
    assert len(parities) > 20
    dice = random.Random(1)
    lost = {packet for packet in media if dice.random() < 0.1}
    receiver, back = Recoverer(mutable=mutable), list[bytes]()
    for packet in inside:
        if packet in lost:
            continue
        if packet[1] & 0x7F == ULPFEC:
            read = rtp.parse(packet)
            back += receiver.receive_parity(fec.parse(read.payload), read.ssrc)
        else:
            back += receiver.receive(packet)
    wanted = {without_mutable(packet, mutable) for packet in media}
    assert set(back) <= wanted
    assert receiver.recovered == len(back) == len(set(back))
    assert len({without_mutable(packet, mutable) for packet in lost} & set(back)) > len(lost) // 3


async def show(ours: BarePeer, row: int) -> int:
    """Five seconds of pictures in RED, every sixth packet lost, and FEC for every so many; gives how many are lost."""
    begun = trio.current_time()
    protector = Protector(row=row, mutable={TRANSPORT: 0})
    sequence, lost = 100, 0
    for number, frame in enumerate(frames.load().pictures):
        payloads = packetize(frame, number)
        for place, payload in enumerate(payloads):
            packet = rtp.Packet(VP8, sequence & 0xFFFF, 1000 + number * 6000, SSRC, payload, place == len(payloads) - 1)
            packet.extensions = {TRANSPORT: (sequence & 0xFFFF).to_bytes(2)}
            octets = rtp.serialize(packet)
            sequence += 1
            if sequence % 6 == 0 and number > 3:
                lost += 1
            else:
                ours.send(red.wrap_packet(octets, RED_VIDEO))
            for parity in protector.add(octets):
                payload = red.serialize(red.Payload(ULPFEC, fec.serialize(parity)))
                ours.send(rtp.serialize(rtp.Packet(RED_VIDEO, sequence & 0xFFFF, packet.timestamp, SSRC, payload)))
                sequence += 1
        await trio.sleep_until(begun + (number + 1) / frames.FRAME_RATE)
    return lost


async def counted(other: Theirs, holds: Any) -> dict[str, Any]:
    """Its statistics, once they are as wanted or do not change any more."""
    said = await other.do("stats")
    for _ in range(20):
        if holds(said):
            break
        await trio.sleep(0.1)
        said = await other.do("stats")
    return said


@pytest.mark.peer("wrtc")
@pytest.mark.slow
@pytest.mark.spec("fec/protected-string", "fec/mask", "fec/protection-length", "fec/mutable-octets-zero")
async def test_it_sees_every_picture_with_our_fec_and_few_without() -> None:
    pictures = len(frames.load().pictures)
    for row in (3, 0):
        async with watcher() as other, speaking(other, VIDEO_SECTION) as ours:
            lost = await show(ours, row)
            said = await counted(other, lambda said: said["frames_decoded"] >= pictures)
        assert lost > 8
        if row:
            assert said["frames_decoded"] == pictures
        else:
            assert said["frames_decoded"] < pictures // 2


@pytest.mark.peer("wrtc")
@pytest.mark.slow
@pytest.mark.spec("fec/one-line", "fec/behind-its-picture", "fec/virtual-packets")
async def test_it_sees_every_picture_that_a_shield_covers() -> None:
    """As viewers get them from the server: FEC moves the numbers on, and every sixth packet of all is lost."""
    pictures = frames.load().pictures
    async with watcher() as other, speaking(other, VIDEO_SECTION) as ours:
        shield = Shield(RED_VIDEO, ULPFEC, transport_id=TRANSPORT, newest=99, row=3)
        begun, sequence, sent, lost = trio.current_time(), 100, 0, 0
        for number, frame in enumerate(pictures):
            payloads = packetize(frame, number)
            run = []
            for place, payload in enumerate(payloads):
                packet = rtp.Packet(VP8, sequence, 1000 + number * 6000, SSRC, b"", place == len(payloads) - 1)
                packet.extensions = {TRANSPORT: bytes(2)}
                run.append((rtp.serialize(packet), payload[:1], payload[1:]))
                sequence += 1
            for parts in shield.cover(run, sent).leaving:
                sent += 1
                if sent % 6 == 0 and number > 3:
                    lost += 1
                else:
                    ours.send(b"".join(parts))
            await trio.sleep_until(begun + (number + 1) / frames.FRAME_RATE)
        said = await counted(other, lambda said: said["frames_decoded"] >= len(pictures))
    assert lost > 8
    assert said["frames_decoded"] == len(pictures)


async def say(ours: BarePeer, *, redundant: bool) -> None:
    """Five seconds of a voice, every fifth packet lost."""
    maker, begun = Redundancy(OPUS), trio.current_time()
    for number, (sound, _) in enumerate(frames.load().sounds):
        timestamp = 1000 + number * 960
        payload = maker.wrap(timestamp, sound) if redundant else sound
        packet = rtp.Packet(RED_AUDIO if redundant else OPUS, number & 0xFFFF, timestamp, SSRC, payload)
        if number % 5 != 2:
            ours.send(rtp.serialize(packet))
        await trio.sleep_until(begun + 0.02 * (number + 1))


@pytest.mark.peer("wrtc")
@pytest.mark.slow
@pytest.mark.spec("red/block-header", "red/primary-last")
async def test_it_conceals_less_with_our_red() -> None:
    concealed = {}
    for redundant in (True, False):
        async with watcher() as other, speaking(other, SOUND_SECTION) as ours:
            await say(ours, redundant=redundant)
            said = await other.do("stats")
        assert said["total_samples_received"] > 48_000
        concealed[redundant] = said["concealed_samples"] - said["silent_concealed_samples"]
    assert concealed[False] > 24_000
    assert concealed[True] < concealed[False] / 2
