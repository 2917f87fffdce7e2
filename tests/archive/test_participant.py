"""Files of single people: every frame in them is the one that was sent, at its time, and nothing is encoded anew."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from meetref.archive.frames import Frame, Sound
from meetref.archive.participant import MOST_FILES, PersonFile, write_files
from meetref.media.joining import JOININGS, START_CODE
from tests.archive.recorded import _sounds
from tests.archive.test_frames import payloads_of

CODECS = ("VP8", "VP9", "H264", "AV1")


def pictures(codec: str, begins: float = 0.0, count: int = 40, rid: str = "h") -> list[Frame]:
    joined = [JOININGS[codec].join(payloads_of(codec, number, rid)) for number in range(count)]
    return [Frame(begins + number / 30, codec, data, number % 20 == 0) for number, data in enumerate(joined)]


def sounds(begins: float = 0.0, count: int = 100) -> list[Sound]:
    return [Sound(begins + number * 0.02, data) for number, data in enumerate(_sounds(440, 250)[:count])]


def written(folder: Path, frames: list[Frame], said: list[Sound]) -> list[PersonFile]:
    told: list[str] = []
    made = write_files(folder / "01-ada", lambda: iter(frames), lambda: iter(said), told)
    assert told == []
    return made


def contents(path: Path) -> dict[str, list[tuple[float, bytes]]]:
    """What is in a file, by `video` and `audio`, with the times that players see."""
    with av.open(str(path)) as container:
        found: dict[str, list[tuple[float, bytes]]] = {"video": [], "audio": []}
        for packet in container.demux():
            if packet.size:
                found[packet.stream.type].append((float(Fraction(packet.pts) * packet.time_base), bytes(packet)))
        return found


def plain(codec: str, data: bytes) -> Any:
    """MP4 has lengths instead of start codes."""
    return [unit for unit in data.split(START_CODE) if unit] if codec == "H264" else data


def units(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4])
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


@pytest.mark.spec("composer/not-encoded-again")
@pytest.mark.parametrize("codec", CODECS)
def test_what_was_sent_is_in_the_file_and_nothing_else(codec: str, tmp_path: Path) -> None:
    frames, said = pictures(codec, 0.5), sounds()
    [made] = written(tmp_path, frames, said)
    assert made.path.name == ("01-ada-1.mp4" if codec == "H264" else "01-ada-1.webm")
    assert made.begins == 0.0
    assert made.ends == pytest.approx(1.98)
    found = contents(made.path)
    assert [data for _, data in found["audio"]] == [sound.data for sound in said]
    assert [units(data) if codec == "H264" else data for _, data in found["video"]] == [
        plain(codec, frame.data) for frame in frames
    ]
    for (at, _), frame in zip(found["video"], frames, strict=True):
        assert abs(at - frame.at) < 0.0011
    first = found["audio"][0][0]
    for (at, _), sound in zip(found["audio"], said, strict=True):
        assert abs(at - first - sound.at) < 0.0011
    assert abs(first) < 0.01


@pytest.mark.parametrize("codec", CODECS)
def test_the_file_is_decoded(codec: str, tmp_path: Path) -> None:
    [made] = written(tmp_path, pictures(codec), sounds())
    with av.open(str(made.path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 40
    with av.open(str(made.path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 90_000


@pytest.mark.spec("composer/new-file")
def test_another_codec_needs_another_file(tmp_path: Path) -> None:
    frames = [*pictures("VP8", 0.0), *pictures("H264", 2.0), *pictures("AV1", 4.0)]
    made = written(tmp_path, frames, sounds(0.0, 250))
    assert [file.path.name for file in made] == ["01-ada-1.webm", "01-ada-2.mp4", "01-ada-3.webm"]
    assert [round(file.begins, 2) for file in made] == [0.0, 2.0, 4.0]
    counts = [(len(contents(file.path)["video"]), len(contents(file.path)["audio"])) for file in made]
    assert [pictures for pictures, _ in counts] == [40, 40, 40]
    assert sum(sounds for _, sounds in counts) == 250


@pytest.mark.spec("composer/new-file")
@pytest.mark.parametrize(("codec", "files"), [("VP8", 1), ("VP9", 1), ("H264", 2), ("AV1", 2)])
def test_another_size_needs_another_file_where_the_header_says_it(codec: str, files: int, tmp_path: Path) -> None:
    made = written(tmp_path, [*pictures(codec), *pictures(codec, 2.0, rid="f")], [])
    assert len(made) == files
    sizes = []
    for file in made:
        with av.open(str(file.path)) as container:
            sizes += [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes == [(96, 64)] * 40 + [(192, 128)] * 40


@pytest.mark.spec("composer/turned", "composer/new-file")
@pytest.mark.parametrize("codec", CODECS)
def test_a_telephone_that_is_turned_needs_another_file(codec: str, tmp_path: Path) -> None:
    """From the next keyframe on, of which there is one every twenty pictures; players are told how to turn them."""
    frames = [replace(frame, turned=0 if number < 15 else 3) for number, frame in enumerate(pictures(codec))]
    rotations = []
    for file in written(tmp_path, frames, sounds()):
        with av.open(str(file.path)) as container:
            rotations.append([frame.rotation for frame in container.decode(video=0)])
    assert rotations == [[0] * 20, [90] * 20]


@pytest.mark.spec("composer/bounded")
def test_who_turns_all_the_time_does_not_get_a_file_each_time(tmp_path: Path) -> None:
    first, *_ = pictures("VP8", count=1)
    frames = [replace(first, at=number / 10, turned=number % 4) for number in range(MOST_FILES + 20)]
    made = written(tmp_path, frames, [])
    assert len(made) == MOST_FILES
    assert len(contents(made[-1].path)["video"]) == 21
    told: list[str] = []
    others = [replace(frame, at=10 + frame.at) for frame in pictures("H264", count=1)]
    write_files(tmp_path / "02-ben", lambda: iter([*frames, *others, *others]), lambda: iter([]), told)
    assert len(told) == 1


def test_sound_alone_and_pictures_alone(tmp_path: Path) -> None:
    [made] = written(tmp_path, [], sounds(3.0))
    assert (made.path.name, made.begins) == ("01-ada-1.webm", 3.0)
    assert len(contents(made.path)["audio"]) == 100
    [other] = written(tmp_path, pictures("VP8"), [])
    assert contents(other.path)["audio"] == []
    assert written(tmp_path / "nothing", [], []) == []


def test_a_pause_stays_a_pause(tmp_path: Path) -> None:
    [made] = written(tmp_path, [], [*sounds(0.0), *sounds(30.0)])
    times = [at for at, _ in contents(made.path)["audio"]]
    assert times[100] - times[99] == pytest.approx(30.0 - 1.98, abs=0.002)


def test_pictures_that_nobody_can_read_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    broken = [Frame(0.0, "H264", START_CODE + b"\x67broken", True), Frame(0.1, "H264", START_CODE + b"\x61x", False)]
    frames = [*broken, *pictures("VP8", 1.0)]
    made = write_files(tmp_path / "a", lambda: iter(frames), lambda: iter(sounds()), told)
    assert len(told) == 1
    assert "nobody can read them" in told[0]
    assert len(contents(made[-1].path)["video"]) == 40


def test_the_same_frames_make_the_same_octets(tmp_path: Path) -> None:
    for codec in CODECS:
        made = []
        for name in ("one", "other"):
            (tmp_path / codec / name).mkdir(parents=True)
            made.append(written(tmp_path / codec / name, pictures(codec), sounds())[0].path.read_bytes())
        assert made[0] == made[1]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_a_stranger_sends_raises(codec: str, seed: int, tmp_path: Path) -> None:
    dice, told, frames = random.Random(seed), list[str](), list[Frame]()
    for frame in pictures(codec):
        data = bytearray(frame.data)
        for _ in range(dice.randrange(6) if seed else 0):
            data[dice.randrange(min(60, len(data)))] = dice.randrange(256)
        if dice.random() < 0.2:
            data = bytearray(dice.choice([b"x", bytes(data[: dice.randrange(1, 30)]), dice.randbytes(40)]))
        frames.append(Frame(frame.at, codec, bytes(data), frame.is_key or dice.random() < 0.1))
    frames[0] = Frame(frames[0].at, codec, frames[0].data, True)
    said = [Sound(sound.at, dice.choice([sound.data, b"x", dice.randbytes(9)])) for sound in sounds()]
    made = write_files(tmp_path / "a", lambda: iter(frames), lambda: iter(said), told)
    assert made
    assert all(file.path.stat().st_size for file in made)


@pytest.mark.spec("composer/bounded")
def test_keyframes_that_nobody_can_read_fill_no_index(tmp_path: Path) -> None:
    told: list[str] = []
    broken = [
        Frame(number / 100, "H264", START_CODE + b"\x67" + bytes([number % 250, 9]), True) for number in range(400)
    ]
    write_files(tmp_path / "a", lambda: iter(broken), lambda: iter([]), told)
    assert 0 < len(told) <= MOST_FILES + 1
