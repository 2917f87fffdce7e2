"""wire/mp4: what is written is read again, by us and by FFmpeg; any octets are boxes or `Malformed`."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import mp4
from meetref.wire.h264 import PICTURE_PARAMETERS, SEQUENCE_PARAMETERS, TYPE, byte_stream_units
from meetref.wire.mp4 import Fragment, Sample
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

SAMPLES = st.builds(Sample, st.binary(max_size=50), st.integers(0, 2**32 - 1), st.booleans())
FRAGMENTS = st.builds(Fragment, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.lists(SAMPLES, max_size=5))
FRAME_TICKS = 3600


@given(FRAGMENTS)
def test_a_fragment_is_read_as_it_was_written(fragment: Fragment) -> None:
    assert mp4.parse_fragment(mp4.serialize_fragment(fragment)) == fragment


@given(st.binary(max_size=200) | FRAGMENTS.map(mp4.serialize_fragment), st.data())
def test_any_octets_are_boxes_or_malformed(octets: bytes, data: st.DataObject) -> None:
    octets = octets[: data.draw(st.integers(0, len(octets)))]
    boxes = read(mp4.boxes, octets)
    assert boxes is None or sum(len(each.content) for each in boxes) <= len(octets)
    fragment = read(mp4.parse_fragment, octets)
    assert fragment is None or mp4.parse_fragment(mp4.serialize_fragment(fragment)) == fragment


def test_boxes_within_boxes_have_an_end() -> None:
    octets = b""
    for _ in range(mp4.DEEPEST + 2):
        octets = mp4.box(b"moof", octets)
    with pytest.raises(Malformed, match="without an end"):
        mp4.boxes(octets)


def test_sizes_of_every_form_are_read() -> None:
    long = b"\x00\x00\x00\x01free" + (18).to_bytes(8, "big") + b"ab"
    endless = b"\x00\x00\x00\x00mdatrest"
    assert [(each.kind, each.content) for each in mp4.boxes(long + endless)] == [("free", b"ab"), ("mdat", b"rest")]
    with pytest.raises(Malformed):
        mp4.boxes(b"\x00\x00\x00\x07free")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Malformed):
        mp4.serialize_fragment(Fragment(1, -1))
    with pytest.raises(Malformed):
        mp4.serialize_fragment(Fragment(1, 0, [Sample(b"", 2**32)]))
    with pytest.raises(Malformed):
        mp4.avc_configuration(b"\x67\x42", b"\x68")
    with pytest.raises(Malformed):
        mp4.initialization(mp4.Sound(48_000, 1, bytes(200)), 48_000)


# --- FFmpeg reads it --------------------------------------------------------------------------------


def encoded_pictures() -> tuple[mp4.Video, list[Sample]]:
    """Fifteen frames of a moving edge, a keyframe every five."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 64, 48, "yuv420p"
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5", "keyint_min": "5"}
    units: list[list[bytes]] = []
    for number in range(15):
        picture = np.zeros((72, 64), np.uint8)
        picture[:, : number * 4] = 200
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        units += [list(byte_stream_units(bytes(packet))) for packet in context.encode(frame)]
    sets = {unit[0] & TYPE: unit for unit in units[0]}
    configuration = mp4.avc_configuration(sets[SEQUENCE_PARAMETERS], sets[PICTURE_PARAMETERS])
    samples = [
        Sample(mp4.length_prefixed([unit for unit in frame if unit[0] & TYPE in (1, 5)]), FRAME_TICKS, number % 5 == 0)
        for number, frame in enumerate(units)
    ]
    return mp4.Video(64, 48, configuration), samples


def file_of(description: mp4.Description, timescale: int, samples: list[Sample]) -> bytes:
    """Fragments of five samples each."""
    octets = mp4.initialization(description, timescale)
    at = 0
    for number in range(len(samples) // 5):
        fragment = Fragment(number + 1, at, samples[number * 5 : number * 5 + 5])
        at += fragment.duration
        octets += mp4.serialize_fragment(fragment)
    return octets


def test_ffmpeg_shows_the_pictures() -> None:
    video, samples = encoded_pictures()
    with av.open(io.BytesIO(file_of(video, 90_000, samples)), format="mp4") as file:
        (stream,) = file.streams.video
        assert (stream.codec_context.width, stream.codec_context.height) == (64, 48)
        packets = [packet for packet in file.demux(stream) if packet.size]
        assert [(each.pts, each.duration, each.is_keyframe) for each in packets] == [
            (number * FRAME_TICKS, FRAME_TICKS, number % 5 == 0) for number in range(15)
        ]
        file.seek(0)
        pictures = [frame.to_ndarray(format="gray") for frame in file.decode(stream)]
    assert len(pictures) == 15
    for number, picture in enumerate(pictures):
        bright = (picture[24] > 100).sum()
        assert abs(int(bright) - number * 4) <= 2
    assert mp4.avc_codec(video.configuration).startswith("avc1.42")


def encoded_sound() -> Iterator[bytes | Sample]:
    """First the configuration, then packets of a tone."""
    context = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = 48_000, "mono", "fltp"
    context.open()
    yield bytes(context.extradata)
    tone = np.sin(np.arange(1024) * 2 * np.pi * 440 / 48_000).astype(np.float32)[None, :]
    for number in range(20):
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, number * 1024
        for packet in context.encode(frame):
            yield Sample(bytes(packet), 1024)


def test_ffmpeg_plays_the_sound() -> None:
    configuration, *samples = encoded_sound()
    assert isinstance(configuration, bytes)
    octets = file_of(
        mp4.Sound(48_000, 1, configuration), 48_000, [each for each in samples if isinstance(each, Sample)]
    )
    with av.open(io.BytesIO(octets), format="mp4") as file:
        (stream,) = file.streams.audio
        assert (stream.codec_context.name, stream.codec_context.sample_rate) == ("aac", 48_000)
        frames = [frame.to_ndarray() for frame in file.decode(stream)]
    assert np.concatenate(frames, axis=1)[0, 2048:].max() > 0.8


@pytest.mark.peer("ffmpeg")
def test_ffprobe_knows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    video, samples = encoded_pictures()
    path.write_bytes(file_of(video, 90_000, samples))
    shown = ["-show_entries", "stream=codec_name,nb_read_frames", "-of", "csv=p=0"]
    command = ["ffprobe", "-v", "warning", "-count_frames", *shown]
    run = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True, timeout=60)
    assert (run.stdout.strip(), run.stderr) == ("h264,15", "")
