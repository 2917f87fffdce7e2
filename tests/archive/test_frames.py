"""Whole pictures of every codec, each at its time; what cannot be decoded is left out, and RED brings lost sound."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meetref.archive.frames import Frame, Sound, pictures_of, sounds_of
from meetref.archive.reading import open_recording
from meetref.archive.timing import clocks_of
from meetref.media.codec.pictures import PictureDecoder
from meetref.media.joining import JOININGS
from tests.archive.recorded import (
    AV1,
    H264,
    OPUS,
    ORIENTATION_ID,
    VP8,
    VP9,
    Person,
    Recorded,
    Source,
    _sounds,
    jittery,
    send_pictures,
    send_tone,
    steady,
)  # fmt: skip
from tests.media import layered, layeredformats

ADA = Person("Ada", off=-3.0)
PAYLOAD_TYPES = {"VP8": VP8, "VP9": VP9, "H264": H264, "AV1": AV1}


def read(folder: Path, source: str, *parts: Source) -> list[Frame] | list[Sound]:
    recorded = Recorded(folder)
    recorded.add(source, *parts)
    streams = open_recording(recorded.write(100)).streams
    reader: Callable[..., object] = pictures_of if source == "camera" else sounds_of
    return list(reader(streams[0], clocks_of(streams)))  # type: ignore[call-overload,no-any-return]


def payloads_of(codec: str, number: int, rid: str = "h") -> list[bytes]:
    """Picture `number` of the source in its payloads, with descriptors."""
    if codec == "VP8":
        stream = layered.Stream(rid, 1, 0, 0, number, 0)
        return [data[12:] for _, data in stream.packets(number)]
    other = layeredformats.Stream(codec, rid, 1, 0, 0, number, 0)
    packets = [data for _, data in other.packets(number)]
    return [data[12 if not data[0] & 0x10 else 16 + 4 * data[15] :] for data in packets]


def shows(codec: str, number: int, rid: str = "h") -> np.ndarray:
    return layered.coded(rid)[number].shows if codec == "VP8" else layeredformats.coded(codec, rid)[number].shows


def camera(delay: object = None, ssrc: int = 7) -> Source:
    return Source(ADA, 90000, ssrc, delay or steady())  # type: ignore[arg-type]


def send(source: Source, codec: str, numbers: range, rid: str = "h") -> None:
    for number in numbers:
        source.send(number / 30, payloads_of(codec, number, rid), PAYLOAD_TYPES[codec])


@pytest.mark.parametrize("codec", PAYLOAD_TYPES)
def test_every_picture_comes_out_with_its_time(codec: str, tmp_path: Path) -> None:
    source = camera(jittery(1))
    send(source, codec, range(60))
    source.packets.sort()
    frames = read(tmp_path / "r", "camera", source)
    assert len(frames) == 60
    decoder = PictureDecoder(codec)
    for number, frame in enumerate(frames):
        assert isinstance(frame, Frame)
        assert abs(frame.at - number / 30 - 0.02) < 0.005
        assert frame.is_key == (number % 20 == 0)
        decoded = decoder.decode(frame.data)
        assert decoded is not None
        assert np.array_equal(decoded.scaled(decoded.width, decoded.height), shows(codec, number))


@pytest.mark.spec("composer/nothing-broken-shown")
@pytest.mark.parametrize("codec", PAYLOAD_TYPES)
@pytest.mark.parametrize("seed", [1, 2])
def test_with_loss_only_pictures_are_given_that_can_be_decoded(codec: str, seed: int, tmp_path: Path) -> None:
    source = camera(jittery(seed, loss=0.02))
    send(source, codec, range(120))
    source.packets.sort()
    frames = read(tmp_path / "r", "camera", source)
    assert 5 < len(frames) < 120
    decoder = PictureDecoder(codec)
    for frame in frames:
        assert isinstance(frame, Frame)
        number = round((frame.at - 0.02) * 30)
        decoded = decoder.decode(frame.data)
        assert decoded is not None
        assert np.array_equal(decoded.scaled(decoded.width, decoded.height), shows(codec, number)), number


@pytest.mark.parametrize("codec", ["VP8", "VP9"])
def test_what_is_missing_between_two_pictures_was_nothing(codec: str, tmp_path: Path) -> None:
    """Numbers are used up by padding, which is not recorded; picture numbers tell that no picture is missing."""
    source = camera()
    for number in range(15):
        source.send(number / 30, payloads_of(codec, number), PAYLOAD_TYPES[codec])
        source.sequence += number % 3
    assert len(read(tmp_path / "r", "camera", source)) == 15


def test_padding_is_no_part_of_a_picture(tmp_path: Path) -> None:
    source = camera()
    for number in range(15):
        source.send(number / 30, payloads_of("H264", number), H264)
        source.send(number / 30, [b""], H264)
    assert len(read(tmp_path / "r", "camera", source)) == 15


@pytest.mark.spec("composer/timestamps-begin-anew")
def test_another_size_comes_under_another_ssrc_and_goes_on_in_time(tmp_path: Path) -> None:
    large, small = camera(ssrc=7), camera(ssrc=8)
    small.base = 12345
    send(large, "VP8", range(40), "f")
    send(small, "VP8", range(40, 80), "q")
    frames = read(tmp_path / "r", "camera", large, small)
    assert [round((frame.at - 0.02) * 30) for frame in frames] == list(range(80))
    assert JOININGS["VP8"].size(b"\x10" + frames[40].data) == layered.SIZES["q"]


def test_codecs_follow_each_other(tmp_path: Path) -> None:
    one, other = camera(ssrc=7), camera(ssrc=8)
    send(one, "VP8", range(20))
    send(one, "H264", range(20, 40))
    send(other, "AV1", range(40, 60))
    frames = read(tmp_path / "r", "camera", one, other)
    assert [frame.codec for frame in frames if isinstance(frame, Frame)] == ["VP8"] * 20 + ["H264"] * 20 + ["AV1"] * 20


def test_parameters_of_h264_that_travel_alone_belong_to_the_picture_behind_them(tmp_path: Path) -> None:
    source = camera()
    for number in range(3):
        parameters, *rest = payloads_of("H264", 0)
        source.send(number / 30 - 0.001, [parameters], H264)
        source.send(number / 30, rest, H264)
    frames = read(tmp_path / "r", "camera", source)
    assert [(round(frame.at, 2), frame.is_key) for frame in frames if isinstance(frame, Frame)] == [
        (0.02, True), (0.05, True), (0.09, True)
    ]  # fmt: skip
    assert all(PictureDecoder("H264").decode(frame.data) is not None for frame in frames)


@pytest.mark.spec("composer/turned")
def test_pictures_know_how_they_are_held(tmp_path: Path) -> None:
    source = camera()
    send_pictures(source, 0, 1, lambda at: 100, extensions={ORIENTATION_ID: b"\x01"})
    send_pictures(source, 1, 2, lambda at: 100)
    frames = read(tmp_path / "r", "camera", source)
    assert {frame.turned for frame in frames if isinstance(frame, Frame)} == {1}
    assert len(frames) == 30


@pytest.mark.spec("composer/older-blocks")
def test_sound_that_was_lost_is_taken_from_the_packet_behind_it(tmp_path: Path) -> None:
    dice, lost = random.Random(4), list[float]()

    def delay(at: float) -> float | None:
        if at > 0.1 and dice.random() < 0.2 and (not lost or at - lost[-1] > 0.03):
            lost.append(at)
            return None
        return 0.02

    source = Source(ADA, 48000, 9, delay)
    send_tone(source, 0, 4, 440, red=True)
    sounds = read(tmp_path / "r", "microphone", source)
    assert len(lost) > 20
    assert [round(sound.at - 0.02, 3) for sound in sounds] == [round(number * 0.02, 3) for number in range(200)]
    assert [sound.data for sound in sounds] == _sounds(440, 250)[:200]


def test_without_red_what_is_lost_is_missing_and_the_rest_is_at_its_time(tmp_path: Path) -> None:
    source = Source(ADA, 48000, 9, jittery(3, loss=0.2))
    send_tone(source, 0, 4, 440)
    source.packets.sort()
    sounds = read(tmp_path / "r", "microphone", source)
    assert 130 < len(sounds) < 190
    for sound in sounds:
        place = round((sound.at - 0.02) / 0.02)
        assert abs(sound.at - 0.02 - place * 0.02) < 0.004
        assert sound.data == _sounds(440, 250)[place]


def test_what_is_no_sound_is_passed_over(tmp_path: Path) -> None:
    source = Source(ADA, 48000, 9, steady())
    send_tone(source, 0, 1, 440)
    source.send(1.0, [b"tone"], 126)
    source.send(1.02, [b""], OPUS)
    source.packets.append((1.1, b"\x80"))
    assert len(read(tmp_path / "r", "microphone", source)) == 50


def test_no_octets_raise(tmp_path: Path) -> None:
    dice, source = random.Random(6), camera()
    for number in range(400):
        codec = dice.choice(list(PAYLOAD_TYPES))
        payloads = [
            payload if dice.random() < 0.7 else dice.randbytes(dice.randrange(30))
            for payload in payloads_of(codec, number % 60)
        ]
        source.send(number / 30, payloads, PAYLOAD_TYPES[codec])
    assert len(read(tmp_path / "r", "camera", source)) > 0
