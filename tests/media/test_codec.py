"""VP8 and Opus there and back, payloads that fit, and nothing that a stranger sends raises."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.media import codec
from meetref.media.codec import SoundDecoder, SoundEncoder, VideoDecoder, VideoEncoder, packetize
from meetref.wire import vp8


def gradient(shift: int = 0, width: int = 320, height: int = 180) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([(x + shift) % 256, y % 256, (x + y) % 256]).astype(np.uint8)


def is_keyframe(frame: bytes) -> bool:
    return vp8.is_keyframe(packetize(frame, 0)[0])


def test_a_picture_there_and_back() -> None:
    encoder = VideoEncoder(320, 180, frame_rate=30, bitrate_bps=1_000_000)
    decoder = VideoDecoder()
    for number in range(10):
        y, x = np.mgrid[0:180, 0:320]
        picture = np.dstack([x / 2 + number, y, (x + y) / 3]).astype(np.uint8)
        decoded = decoder.decode(encoder.encode(picture))
        assert decoded is not None
        assert decoded.shape == picture.shape
        assert np.abs(decoded.astype(int) - picture).mean() < 8
    assert decoder.failures == 0


def test_yuv_is_taken_as_it_is() -> None:
    encoder, decoder = VideoEncoder(64, 48, frame_rate=10, bitrate_bps=500_000), VideoDecoder()
    picture = np.full((72, 64), 128, dtype=np.uint8)
    picture[:48] = 235
    decoded = decoder.decode(encoder.encode(picture))
    assert decoded is not None
    assert decoded.min() > 245


def test_keyframes_come_first_and_when_asked() -> None:
    encoder = VideoEncoder(320, 180, frame_rate=30, bitrate_bps=300_000)
    frames = [encoder.encode(gradient(number), keyframe=number in (4, 5)) for number in range(40)]
    assert [number for number, frame in enumerate(frames) if is_keyframe(frame)] == [0, 4, 5]
    assert vp8.size_of_keyframe(packetize(frames[4], 0)[0]) == (320, 180)


def test_the_bitrate_is_what_was_asked_for() -> None:
    dice = np.random.default_rng(1)
    for bitrate in (200_000, 800_000):
        encoder = VideoEncoder(320, 180, frame_rate=30, bitrate_bps=bitrate)
        noise = dice.integers(0, 40, (180, 320, 3), dtype=np.uint8)
        frames = [
            encoder.encode(np.roll(gradient(), 5 * n, axis=1) // 2 + np.roll(noise, n, axis=0)) for n in range(90)
        ]
        measured = sum(len(frame) for frame in frames[30:]) * 8 / 2
        assert 0.4 * bitrate < measured < 1.6 * bitrate


def test_a_decoder_starts_at_a_keyframe() -> None:
    encoder, decoder = VideoEncoder(320, 180, frame_rate=30, bitrate_bps=300_000), VideoDecoder()
    frames = [encoder.encode(gradient(number), keyframe=number == 3) for number in range(5)]
    pictures = [decoder.decode(frame) for frame in frames[1:]]
    assert [picture is not None for picture in pictures] == [False, False, True, True]
    assert decoder.failures == 2


def test_pictures_may_change_their_size() -> None:
    decoder = VideoDecoder()
    for width, height in ((320, 180), (640, 360), (64, 48)):
        frame = VideoEncoder(width, height, frame_rate=30, bitrate_bps=300_000).encode(gradient(0, width, height))
        picture = decoder.decode(frame)
        assert picture is not None
        assert picture.shape == (height, width, 3)


def test_a_keyframe_that_claims_too_much_is_not_decoded() -> None:
    frame = bytearray(VideoEncoder(320, 180, frame_rate=30, bitrate_bps=300_000).encode(gradient()))
    decoder = VideoDecoder()
    for width, height in ((16383, 16383), (4096, 2305), (0, 180)):
        frame[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        assert decoder.decode(bytes(frame)) is None
    assert decoder.failures == 3


def test_no_octets_break_the_decoders() -> None:
    dice = random.Random(11)
    encoder, video = VideoEncoder(320, 180, frame_rate=30, bitrate_bps=300_000), VideoDecoder()
    sound_encoder, sound = SoundEncoder(), SoundDecoder()
    samples = (np.sin(np.arange(960) / 10) * 3000).astype(np.int16)
    for number in range(150):
        frame = bytearray(encoder.encode(gradient(number), keyframe=number % 3 == 0))
        packet = bytearray(sound_encoder.encode(samples))
        for octets in (frame, packet):
            for _ in range(dice.randrange(6)):
                octets[dice.randrange(min(40, len(octets)))] = dice.randrange(256)
        video.decode(bytes(frame[: dice.randrange(len(frame)) if number % 5 == 0 else None]))
        video.decode(dice.randbytes(dice.randrange(40)))
        sound.decode(bytes(packet))
        sound.decode(dice.randbytes(dice.randrange(40)))
    assert video.failures > 0
    assert sound.failures > 0
    good = VideoEncoder(320, 180, frame_rate=30, bitrate_bps=300_000).encode(gradient())
    assert video.decode(good) is not None
    assert sound.decode(sound_encoder.encode(samples)).shape == (960,)
    assert video.decode(b"") is None
    assert sound.decode(b"").size == sound.decode(bytes(5000)).size == 0


def test_sound_there_and_back() -> None:
    encoder, decoder = SoundEncoder(), SoundDecoder()
    at = np.arange(960 * 50)
    samples = (np.sin(2 * np.pi * 440 * at / 48000) * 3000).astype(np.int16)
    packets = [encoder.encode(samples[start : start + 960]) for start in range(0, len(samples), 960)]
    assert all(0 < len(packet) < 300 for packet in packets)
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert heard.shape == samples.shape
    assert int(np.abs(np.fft.rfft(heard)).argmax()) == 440
    assert 2500 < np.abs(heard[4800:]).max() < 3500
    assert decoder.failures == 0


def test_a_packet_has_960_samples() -> None:
    with pytest.raises(ValueError, match="960"):
        SoundEncoder().encode(np.zeros(480, dtype=np.int16))


@given(st.integers(0, 20_000), st.integers(0, 2**40))
@settings(max_examples=60)
def test_payloads_fit_and_make_the_frame_again(size: int, number: int) -> None:
    frame = random.Random(size).randbytes(size)
    payloads = packetize(frame, number)
    descriptors = [vp8.parse(payload) for payload in payloads]
    assert b"".join(p[d.size :] for p, d in zip(payloads, descriptors, strict=True)) == frame
    assert all(len(payload) <= 1100 for payload in payloads)
    assert len(payloads) == -(-size // 1096)
    assert [descriptor.start for descriptor in descriptors] == [place == 0 for place in range(len(payloads))]
    assert {(d.picture_id, d.long_picture_id, d.partition) for d in descriptors} <= {(number & 0x7FFF, True, 0)}
    assert len({len(payload) for payload in payloads[:-1]}) <= 1
    assert not payloads or len(payloads[-1]) <= len(payloads[0])


def test_the_limit_of_a_payload_is_the_one_that_is_documented() -> None:
    assert codec.MAXIMUM_PAYLOAD_SIZE == 1100
