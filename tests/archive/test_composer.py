"""Films by their content: who is seen and heard at which time, with lips together, whatever network and clocks did."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from meetref.archive import composer, film
from meetref.archive.composer import LONGEST, Line, compose, read_chat
from meetref.archive.film import FRAME_RATE
from meetref.archive.reading import CannotCompose, open_recording
from meetref.archive.timing import clocks_of
from meetref.media.canvas import Rectangle
from meetref.media.codec import VideoEncoder, packetize
from meetref.media.layout import grid, stage
from meetref.wire import webvtt
from tests.archive.recorded import (
    BEGAN_AT,
    ORIENTATION_ID,
    VP8,
    Person,
    Recorded,
    Source,
    grey,
    jittery,
    send_pictures,
    send_tone,
    steady,
)

TOGETHER = 0.040  # seconds
WIDTH, HEIGHT = 384, 216
ADA, EMMY = Person("Ada", off=100.0), Person("Emmy Noether", off=-7.0)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films of a size that is quickly encoded."""
    for module in (composer, film):
        monkeypatch.setattr(module, "WIDTH", WIDTH)
        monkeypatch.setattr(module, "HEIGHT", HEIGHT)


@dataclass
class Made:
    """A composed recording, and what is in its film."""

    folder: Path
    index: dict[str, Any]

    @cached_property
    def lumas(self) -> list[np.ndarray]:
        """Every picture of the film."""
        with av.open(str(self.folder / "film.mp4")) as film:
            return [frame.to_ndarray(format="yuv420p")[:HEIGHT] for frame in film.decode(video=0)]

    @cached_property
    def samples(self) -> np.ndarray:
        """The sound of the film, from its beginning."""
        with av.open(str(self.folder / "film.mp4")) as film:
            parts = [frame.to_ndarray().reshape(-1) for frame in film.decode(audio=0)]
        return np.concatenate(parts) * 32768

    def luma(self, at: float, place: Rectangle) -> int:
        """In the middle of a tile."""
        picture = self.lumas[min(len(self.lumas) - 1, round(at * FRAME_RATE))]
        return int(
            np.median(picture[place.top + place.height // 2 - 9 :][:18, place.left + place.width // 2 - 9 :][:, :18])
        )

    def loudness(self, at: float, frequency: float, seconds: float = 0.1) -> float:
        """How loud a tone is from a moment on."""
        part = self.samples[round(at * 48000) : round((at + seconds) * 48000)]
        wave = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / 48000)
        return float(np.abs((part * wave).mean()) * 2)


def made(folder: Path, recorded: Recorded, seconds: float, **options: Any) -> Made:
    return Made(folder / "out", compose(recorded.write(seconds), folder / "out", **options))


def meet(folder: Path, people: Sequence[Person] = (ADA, EMMY), seconds: float = 3.0) -> Recorded:
    """Everybody in a grey and with a tone of their own: 60, 120, ... and 400, 700, ... Hz."""
    recorded = Recorded(folder / "20261128T102345Z-algebra-9fe37c")
    for number, person in enumerate(people):
        recorded.join(0.0, person)
        camera = Source(person, 90000, 10 + number, jittery(number))
        microphone = Source(person, 48000, 20 + number, jittery(number + 50))
        send_pictures(camera, 0, seconds, lambda at, number=number: 60 + 60 * number)  # type: ignore[misc]
        send_tone(microphone, 0, seconds, 400 + 300 * number)
        recorded.add("camera", camera)
        recorded.add("microphone", microphone)
    return recorded


def test_everybody_is_seen_and_heard(tmp_path: Path) -> None:
    shown = made(tmp_path, meet(tmp_path), 3.0)
    places = grid(2, WIDTH, HEIGHT)
    assert [abs(shown.luma(1.5, place) - luma) < 6 for place, luma in zip(places, (60, 120), strict=True)] == [True] * 2
    assert min(shown.loudness(1.5, 400), shown.loudness(1.5, 700)) > 5000
    assert shown.loudness(1.5, 1000) < 200
    assert len(shown.lumas) == round(shown.index["duration"] * FRAME_RATE) == 3 * FRAME_RATE


@pytest.mark.spec("composer/lips-together")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_flash_and_a_beep_are_together(seed: int, tmp_path: Path) -> None:
    """Sound and pictures go over networks of their own, 200 ms apart on the average; 20 % of all is lost."""
    recorded = Recorded(tmp_path / "r")
    ada = Person("Ada", off=1000.0, skew=100e-6)
    recorded.join(0.0, ada)
    camera = Source(ada, 90000, 1, jittery(seed, 0.25, 0.4), drift=0.0)
    microphone = Source(ada, 48000, 2, jittery(seed + 9, 0.02, 0.1, loss=0.2), drift=200e-6)
    flashes = [1.0, 2.2, 3.4]
    is_on = lambda at: any(begins <= at < begins + 0.4 for begins in flashes)  # noqa: E731
    send_pictures(camera, 0, 4.2, lambda at: 220 if is_on(at + 0.001) else 40, frame_rate=30)
    send_tone(microphone, 0, 4.2, 1000, sounds=is_on, red=True)
    recorded.add("camera", camera)
    recorded.add("microphone", microphone)
    shown = made(tmp_path, recorded, 4.2)
    [place] = grid(1, WIDTH, HEIGHT)
    lumas = np.array([shown.luma(number / FRAME_RATE, place) for number in range(len(shown.lumas))])
    seen = (np.flatnonzero((lumas[1:] > 130) & (lumas[:-1] <= 130)) + 1) / FRAME_RATE
    loud = np.array([shown.loudness(number * 0.002, 1000, 0.01) > 3000 for number in range(2090)])
    heard = (np.flatnonzero(loud[1:] & ~loud[:-1]) + 1) * 0.002 + 0.005
    first = [heard[np.abs(heard - at).argmin()] for at in seen]  # loss makes holes in a beep that begin it again
    assert len(seen) == len(flashes)
    apart = np.array(first) - seen
    assert np.abs(apart).max() < TOGETHER, (seen, heard, apart)


def test_late_joiners_leavers_and_those_without_a_camera(tmp_path: Path) -> None:
    recorded = meet(tmp_path, [ADA], 4.0)
    late = Person("Emmy", off=3.0)
    recorded.join(1.5, late)
    camera, microphone = Source(late, 90000, 77, steady()), Source(late, 48000, 78, steady())
    send_pictures(camera, 1.5, 3, lambda at: 180)
    send_tone(microphone, 1.5, 3, 700)
    recorded.add("camera", camera)
    recorded.add("microphone", microphone)
    recorded.devices(2.2, ADA, camera="off")
    recorded.note(3.0, "left", person=late.id)
    shown = made(tmp_path, recorded, 4.0)
    [alone], [left, right] = grid(1, WIDTH, HEIGHT), grid(2, WIDTH, HEIGHT)
    assert abs(shown.luma(1.0, alone) - 60) < 6
    assert abs(shown.luma(2.0, left) - 60) < 6
    assert abs(shown.luma(2.0, right) - 180) < 6
    assert abs(shown.luma(2.8, right) - 180) < 6
    flat = shown.lumas[round(2.8 * FRAME_RATE)][left.top + 4 : left.top + 30, left.left + 4 : left.left + 30]
    assert abs(int(np.median(flat)) - 60) > 10  # her colour, no picture any more
    assert shown.loudness(1.0, 700) < 200
    assert shown.loudness(2.0, 700) > 5000
    assert shown.loudness(3.5, 700) < 200
    assert shown.loudness(3.5, 400) > 5000
    assert [person["present"] for person in shown.index["people"]] == [[[0.0, 4.0]], [[1.5, 3.0]]]


@pytest.mark.spec("composer/screen-large")
def test_a_shared_screen_is_large_and_a_file_of_its_own(tmp_path: Path) -> None:
    recorded = meet(tmp_path)
    screen = Source(EMMY, 90000, 90, steady())
    send_pictures(screen, 1, 2, lambda at: 200, width=320, height=180, frame_rate=5)
    recorded.devices(1.0, EMMY, screen=True)
    recorded.devices(2.0, EMMY)
    recorded.add("screen", screen)
    shown = made(tmp_path, recorded, 3.0)
    large, *beside = stage(3, WIDTH, HEIGHT)
    assert abs(shown.luma(1.5, large) - 200) < 6
    assert [round(shown.luma(1.5, place) / 60) for place in beside] == [1, 2]
    assert [round(shown.luma(at, place) / 60) for at in (0.5, 2.5) for place in grid(2, WIDTH, HEIGHT)] == [1, 2, 1, 2]
    kinds = {entry["name"]: entry["holds"] for entry in shown.index["files"]}
    assert kinds["02-emmy-noether-screen-1.webm"] == "screen"
    assert kinds["02-emmy-noether-1.webm"] == "person"


@pytest.mark.spec("composer/speaker-large")
def test_who_speaks_is_large(tmp_path: Path) -> None:
    recorded = meet(tmp_path)
    recorded.note(1.0, "speaker", person=EMMY.id)
    recorded.note(2.0, "speaker", person=ADA.id)
    shown = made(tmp_path, recorded, 3.0, layout="speaker")
    large, *_ = stage(2, WIDTH, HEIGHT)
    assert [round(shown.luma(at, large) / 60) for at in (1.5, 2.5)] == [2, 1]
    assert [(each["begins"], each["name"]) for each in shown.index["chapters"]] == [(1.0, "Emmy Noether")]


def test_sizes_change_and_what_is_muted_is_silent(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "r")
    recorded.join(0.0, ADA)
    large, small = Source(ADA, 90000, 1, steady()), Source(ADA, 90000, 2, steady(), base=99)
    send_pictures(large, 0, 1.5, lambda at: 90, width=320, height=180)
    send_pictures(small, 1.5, 3, lambda at: 150, width=80, height=44)
    before, after = Source(ADA, 48000, 3, steady()), Source(ADA, 48000, 3, steady(), base=4_000_000_000, sequence=500)
    send_tone(before, 0, 1, 400)
    send_tone(after, 2, 3, 400)
    recorded.add("camera", large, small)
    recorded.add("microphone", before, after)
    recorded.devices(1.0, ADA, microphone="muted")
    recorded.devices(2.0, ADA)
    shown = made(tmp_path, recorded, 3.0)
    [place] = grid(1, WIDTH, HEIGHT)
    assert abs(shown.luma(1.0, place) - 90) < 6
    assert abs(shown.luma(2.0, place) - 150) < 6
    assert shown.loudness(0.5, 400) > 5000
    assert shown.loudness(1.5, 400) < 200
    assert shown.loudness(2.5, 400) > 5000


@pytest.mark.spec("composer/index")
def test_the_index_tells_all(tmp_path: Path) -> None:
    chat = [
        Line(BEGAN_AT - 5, "Ada", "before"),
        Line(BEGAN_AT + 1.25, "Emmy", "<b> & so on"),
        Line(BEGAN_AT + 99, "x", "y"),
    ]
    shown = made(tmp_path, meet(tmp_path), 3.0, chat=chat)
    index = json.loads((shown.folder / "index.json").read_bytes())
    assert index == shown.index
    assert (index["version"], index["room"], index["began_at"], index["duration"]) == (1, "algebra", BEGAN_AT, 3.0)
    assert index["recording"] == "20261128T102345Z-algebra-9fe37c"
    assert [(person["name"], person["files"]) for person in index["people"]] == [
        ("Ada", ["01-ada-1.webm"]), ("Emmy Noether", ["02-emmy-noether-1.webm"])
    ]  # fmt: skip
    assert index["chat"] == [{"at": 1.25, "from": "Emmy", "text": "<b> & so on"}]
    assert sorted(path.name for path in shown.folder.iterdir()) == sorted(
        ["index.json", *(entry["name"] for entry in index["files"])]
    )
    for entry in index["files"]:
        octets = (shown.folder / entry["name"]).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(octets), hashlib.sha256(octets).hexdigest())
    cues = webvtt.parse((shown.folder / "chat.vtt").read_text(encoding="utf-8"))
    assert cues == [webvtt.Cue(1.25, 6.25, "<b> & so on", "Emmy")]
    with Image.open(shown.folder / "poster.jpg") as poster:
        assert poster.size == (WIDTH, HEIGHT)


@pytest.mark.spec("captions/film")
def test_captions_are_subtitles(tmp_path: Path) -> None:
    recorded = meet(tmp_path, [ADA], 1.0)
    recorded.note(0.5, "caption", by="ben", person=ADA.id, name="Ada", text="good morning")
    recorded.note(0.9, "caption", by="ben", person=None, name=None, text="1 < 2")
    shown = made(tmp_path, recorded, 1.0)
    assert webvtt.parse((shown.folder / "captions.vtt").read_text()) == [
        webvtt.Cue(0.5, 2.0, "good morning", "Ada"),
        webvtt.Cue(0.9, 5.9, "1 < 2"),
    ]
    assert shown.index["captions"] == [
        {"begins": 0.5, "ends": 2.0, "name": "Ada", "text": "good morning"},
        {"begins": 0.9, "ends": 5.9, "name": None, "text": "1 < 2"},
    ]


@pytest.mark.spec("composer/deterministic")
def test_the_same_recording_makes_the_same_octets(tmp_path: Path) -> None:
    folder = meet(tmp_path, seconds=1.0).write(1.0)
    for name in ("one", "other"):
        compose(folder, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


@pytest.mark.spec("composer/whole-or-nothing")
def test_what_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = meet(tmp_path, seconds=1.0).write(1.0)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(composer, "make_film", fail)
    with pytest.raises(OSError, match="No space left"):
        compose(folder, tmp_path / "out" / "film")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(CannotCompose, match="is there already"):
        compose(meet(tmp_path, seconds=1.0).write(1.0), tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "x"


@pytest.mark.spec("composer/damage-told")
def test_of_a_damaged_recording_the_rest_is_composed(tmp_path: Path) -> None:
    folder = meet(tmp_path, seconds=2.0).write(2.0)
    [victim] = folder.glob("ada-camera-*.mrj")
    victim.write_bytes(victim.read_bytes()[:-200])
    [other] = folder.glob("emmy*-microphone-*.mrj")
    other.write_bytes(b"")
    index = compose(folder, tmp_path / "out")
    assert len(index["told"]) == 2
    assert index["people"][1]["files"] == ["02-emmy-noether-1.webm"]


@pytest.mark.spec("composer/bounded")
def test_a_recording_that_would_last_for_years_is_refused(tmp_path: Path) -> None:
    recorded = meet(tmp_path, [ADA], 1.0)
    recorded.note(LONGEST + 1, "left", person="nobody")
    with pytest.raises(CannotCompose, match="a day is the most"):
        compose(recorded.write(1.0), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recording_without_packets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotCompose, match="no packet"):
        compose(Recorded(tmp_path / "r").write(1.0), tmp_path / "out")


@pytest.mark.parametrize("text", [b"{}", b"[1]", b'[{"at": 1}]', b"\xff", b""])
def test_a_chat_that_is_none_is_told(text: bytes) -> None:
    with pytest.raises(CannotCompose, match="not a list of lines"):
        read_chat(text)


def test_progress_only_grows(tmp_path: Path) -> None:
    told: list[float] = []
    made(tmp_path, meet(tmp_path, seconds=2.0), 2.0, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert all(0 <= done <= 1 for done in told)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_strangers_send_breaks_the_film_of_the_others(seed: int, tmp_path: Path) -> None:
    dice, recorded, mallory = random.Random(seed), meet(tmp_path, [ADA], 2.0), Person("Mallory")
    recorded.join(0.0, mallory, screen=True)
    for source, kind in (("camera", "video"), ("screen", "video"), ("microphone", "audio"), ("screen-sound", "audio")):
        wild = Source(mallory, 90000 if kind == "video" else 48000, 66, steady(), base=dice.getrandbits(32))
        send = send_pictures if kind == "video" else send_tone
        send(wild, 0, 2, (lambda at: 99) if kind == "video" else 500)  # type: ignore[operator]
        for place, (at, packet) in enumerate(wild.packets):
            changed = bytearray(packet)
            for _ in range(dice.choice([0, 0, 1, 3])):
                changed[dice.randrange(min(40, len(changed)))] = dice.randrange(256)
            cut = dice.randrange(1, len(changed)) if dice.random() < 0.05 else len(changed)
            wild.packets[place] = at + dice.choice([0, 0, 0.3]), bytes(changed[:cut])
        recorded.add(source, wild)
    shown = made(tmp_path, recorded, 2.0)
    assert shown.loudness(1.5, 400) > 3000
    assert {"Ada", "Mallory"} == {person["name"] for person in shown.index["people"]}


class Counting:
    """Stands for a decoder."""

    decoded = 0

    def __init__(self, codec: str) -> None:
        self.failures = 0

    def decode(self, frame: bytes, *, turned: int = 0) -> None:
        Counting.decoded += 1


@pytest.mark.spec("composer/bounded")
@pytest.mark.parametrize("keyframe_every", [1, 1_000_000])
def test_a_flood_of_pictures_is_not_decoded(
    keyframe_every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand a second, or all at one moment: a composer would be at work for days, and others wait for it."""
    monkeypatch.setattr(film, "PictureDecoder", Counting)
    Counting.decoded = 0
    recorded, ada = Recorded(tmp_path / "r"), Person("Ada")
    recorded.join(0.0, ada)
    for ssrc, step in ((1, 0.001), (2, 0.0)):
        camera, encoder = Source(ada, 90000, ssrc, steady()), VideoEncoder(64, 64, frame_rate=30, bitrate_bps=50_000)
        key, delta = encoder.encode(grey(90, 64, 64), keyframe=True), encoder.encode(grey(90, 64, 64))
        for number in range(2000):
            is_key = number % keyframe_every == 0
            camera.send(number * step, packetize(key if is_key else delta, number), VP8)
        recorded.add("camera", camera)
    recorded.write(2.5)
    made_of = open_recording(recorded.folder)
    film.make_film(tmp_path / "film.mp4", made_of, clocks_of(made_of.streams), 2.5, "grid", lambda done: None)
    assert 0 < Counting.decoded <= 2 * 2.5 * FRAME_RATE * (1 if keyframe_every == 1 else film.MOST_AT_ONCE)


@pytest.mark.spec("composer/turned")
def test_an_orientation_of_no_octets_turns_nothing(tmp_path: Path) -> None:
    recorded, ada = Recorded(tmp_path / "r"), Person("Ada")
    recorded.join(0.0, ada)
    camera = Source(ada, 90000, 1, steady())
    send_pictures(camera, 0, 1, lambda at: 100, extensions={ORIENTATION_ID: b""})
    recorded.add("camera", camera)
    assert made(tmp_path, recorded, 1.0).index["people"][0]["name"] == "Ada"


@pytest.mark.spec("composer/bounded")
def test_who_floods_costs_nobody_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker gives a recording up that has too many files, and a browser cannot load an index that is too long."""
    monkeypatch.setattr(composer, "MOST_FILES", 1)
    monkeypatch.setattr(composer, "MOST_CHARACTERS", 50)
    recorded = meet(tmp_path, seconds=1.0)
    for number in range(10):
        recorded.note(0.05 * number, "caption", by="x", text="w" * 20)
    chat = [Line(BEGAN_AT + 0.01 * number, "Ada", "c" * 20) for number in range(10)]
    index = made(tmp_path, recorded, 1.0, chat=chat).index
    assert [file["holds"] for file in index["files"]].count("person") == 1
    assert {"film", "poster", "chat", "captions"} <= {file["holds"] for file in index["files"]}
    assert (len(index["chat"]), len(index["captions"])) == (2, 2)
    assert index["told"] == [composer.TOO_MANY]
