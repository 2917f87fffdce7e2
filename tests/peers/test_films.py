"""Films of recordings: FFmpeg says that they are what they claim."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from meetref.archive.composer import compose
from meetref.wire import mp4
from tests.archive.recorded import AV1, H264, VP9, Person, Recorded, Source, send_pictures, send_tone, steady
from tests.archive.test_frames import payloads_of

CODECS = {"VP8": None, "VP9": VP9, "H264": H264, "AV1": AV1}


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says; and ffmpeg decodes all of it without a complaint."""
    words = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-count_frames", "-of", "json", str(path)]
    said = subprocess.run(words, capture_output=True, check=True)
    assert not said.stderr, said.stderr
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], capture_output=True
    )
    assert (decoded.returncode, decoded.stderr) == (0, b"")
    found: dict[str, Any] = json.loads(said.stdout)
    return found


@pytest.mark.peer("ffmpeg")
@pytest.mark.spec("composer/not-encoded-again")
def test_ffprobe_says_that_films_are_what_they_claim(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "r")
    for number, (codec, payload_type) in enumerate(CODECS.items()):
        person = Person(codec, off=number)
        recorded.join(0.0, person)
        camera, microphone = Source(person, 90000, 10 + number, steady()), Source(person, 48000, 20 + number, steady())
        if payload_type is None:
            send_pictures(camera, 0, 2, lambda at: 100, frame_rate=30)
        else:
            for picture in range(60):
                camera.send(picture / 30, payloads_of(codec, picture), payload_type)
        send_tone(microphone, 0, 2, 440)
        recorded.add("camera", camera)
        recorded.add("microphone", microphone)
    index = compose(recorded.write(2.0), tmp_path / "out")
    assert index["told"] == []
    film = probe(tmp_path / "out" / "film.mp4")
    pictures, sound = film["streams"]
    assert (pictures["codec_name"], pictures["width"], pictures["height"]) == ("h264", 1280, 720)
    assert (pictures["avg_frame_rate"], pictures["nb_read_frames"], pictures["pix_fmt"]) == ("30/1", "60", "yuv420p")
    assert (sound["codec_name"], sound["profile"], sound["sample_rate"]) == ("aac", "LC", "48000")
    assert float(film["format"]["duration"]) == pytest.approx(2.0, abs=0.05)
    outline = [box.kind for box in mp4.boxes((tmp_path / "out" / "film.mp4").read_bytes())]
    assert outline.index("moov") < outline.index("mdat")
    for number, codec in enumerate(CODECS, 1):
        [path] = (tmp_path / "out").glob(f"{number:02d}-*")
        found = {stream["codec_type"]: stream for stream in probe(path)["streams"]}
        assert found["video"]["codec_name"] == codec.lower()
        assert int(found["video"]["nb_read_frames"]) >= 59
        assert found["audio"]["codec_name"] == "opus"
        assert int(found["audio"]["nb_read_frames"]) >= 98
