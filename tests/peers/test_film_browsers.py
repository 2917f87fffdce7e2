"""From browsers to the film: what was shown and heard at known times is seen and heard in it then, and together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.peers.claps import CLAPS_EVERY, CLAPS_FOR, Claps, in_film, loudness, said
from tests.peers.test_laptop import laptop

ROOT = Path(__file__).parents[2]
TOGETHER = 0.040
"""Seconds by which the film may move a beep from its flash. What a browser says wrong of its own is not the film's."""
APART = 0.25
"""Seconds by which a flash in the film may be from when the page drew it: there are a camera, an encoder and a way."""


@dataclass
class Seen:
    """The film. `means` are red, green and blue of a picture's left, its right, and all of it; a row a picture."""

    at: NDArray[np.float64]
    means: NDArray[np.float64]
    beeps: NDArray[np.float64]
    """How loud the beep is, a hundred times a second."""

    def during(self, begins: float, ends: float) -> NDArray[np.float64]:
        return self.means[(self.at >= begins) & (self.at < ends)]

    def beeping(self, begins: float, ends: float) -> NDArray[np.float64]:
        return self.beeps[round(begins * 100) : round(ends * 100)]

    @cached_property
    def claps(self) -> Claps:
        return in_film(self.at, self.means[:, 0].mean(axis=1), self.beeps)


def look(path: Path) -> Seen:
    at, means = [], []
    with av.open(str(path), "r") as film:
        for frame in film.decode(video=0):
            picture = frame.to_ndarray(format="rgb24", width=64, height=36).astype(np.float64)
            parts = picture[15:21, 5:27], picture[15:21, 37:59], picture
            at.append(frame.time)
            means.append([part.mean(axis=(0, 1)) for part in parts])
    with av.open(str(path), "r") as film:
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in film.decode(audio=0)])
    return Seen(np.array(at), np.array(means), loudness(sound))


@pytest.mark.peer("chromium", "chromedriver", "firefox", "ip-netns", "nftables", "ffmpeg")
@pytest.mark.slow
@pytest.mark.spec("composer/one-offset-a-person")
def test_a_meeting_becomes_a_film(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    check_film(tmp_path, 1.0, record_property)


@pytest.mark.peer("chromium", "chromedriver", "firefox", "ip-netns", "nftables", "ffmpeg")
@pytest.mark.slow
@pytest.mark.soak(ci=0, full=1)
def test_a_meeting_of_two_minutes_becomes_a_film(
    seed: int, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    check_film(tmp_path, 4.0, record_property)


def check_film(tmp_path: Path, stretch: float, record_property: pytest.RecordProperty) -> None:
    program = [sys.executable, "-m", "tests.peers.filmed_meeting", str(tmp_path), str(stretch)]
    with laptop() as name:
        done = subprocess.run(
            ["ip", "netns", "exec", name, *program], cwd=ROOT, capture_output=True, text=True, timeout=540
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    films = Path(told["films"])
    index: dict[str, Any] = json.loads((films / "index.json").read_text())
    at = {what: moment - index["began_at"] for what, moment in told["times"].items()}
    assert at["ends"] - 0.5 < probe("film.mp4", films) < at["stopped"] + 0.5
    seen = look(films / "film.mp4")

    alone = seen.during(at["alone"] + 1, at["joins"])[:, 2]
    assert alone.max() > 150 > 50 > alone.min(), "Ada has the whole picture"
    whole = lips(seen, told, index, (at["alone"] + 1, at["muted"]))
    record_property("lips", whole.told)
    assert whole.count > 4 * stretch
    assert abs(whole.added) < TOGETHER, whole
    late = [lateness(flash + index["began_at"] - told["clapping"]) for flash in seen.claps.flashes]
    record_property("late", f"{1000 * median(late):.0f} ms of {len(late)}")
    assert abs(median(late)) < APART, late

    together = median_colour(seen.during(at["together"], at["muted"])[:, 1])
    assert together[1] > together[2], f"Ben's picture is beside hers: {together}"
    assert seen.beeping(at["alone"] + 1, at["muted"]).max() > 0.1
    assert seen.beeping(at["muted"] + 0.7, at["unmutes"]).max() < 0.01, "she is muted"
    shared = median_colour(seen.during(at["screen"] + 1, at["unshares"])[:, 2])
    assert shared[0] > 80, f"the screen is large: {shared}"
    lossy = lips(seen, told, index, (at["lossy"] + 1, at["whole"]))
    record_property("lips_lossy", lossy.told)
    assert lossy.count >= 2 * stretch, "claps come through losses"
    assert abs(lossy.added) < TOGETHER, lossy
    assert [person["name"] for person in index["people"]] == ["Ada", "Ben"]
    assert {file["holds"] for file in index["files"]} >= {"film", "person", "screen", "poster"}


@dataclass
class Lips:
    """How far beeps are behind their flashes, in seconds: as the browser said, and in the film. An entry a clap."""

    said: list[float]
    shown: list[float]

    @property
    def count(self) -> int:
        return len(self.shown)

    @property
    def added(self) -> float:
        """What is the film's own doing."""
        return median(shown - said for shown, said in zip(self.shown, self.said, strict=True))

    @property
    def told(self) -> str:
        said, shown = (1000 * median(each) if each else nan for each in (self.said, self.shown))
        return f"{said:+.0f} ms said, {shown:+.0f} in the film, of {self.count}"


def lips(seen: Seen, told: dict[str, Any], index: dict[str, Any], during: tuple[float, float]) -> Lips:
    began_at = index["began_at"]
    found = Lips([], [])
    shown = seen.claps.pairs(during[0] - 1, during[1] + 1)
    for flash, beep in said(Path(told["recording"]), "Ada").pairs(began_at + during[0], began_at + during[1]):
        for its_flash, its_beep in shown:
            if abs(its_flash + began_at - flash) < CLAPS_EVERY / 3:
                found.said.append(beep - flash)
                found.shown.append(its_beep - its_flash)
    return found


def lateness(since: float) -> float:
    """How long after the middle of a clap of the page this is, its first one having begun at 0."""
    return (since - CLAPS_FOR / 2 + CLAPS_EVERY / 2) % CLAPS_EVERY - CLAPS_EVERY / 2


def median_colour(pictures: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.median(pictures, axis=0))


def probe(name: str, folder: Path) -> float:
    """How long ffprobe says the film is."""
    words = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(folder / name)]
    said = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)
    streams = {stream["codec_type"]: stream for stream in said["streams"]}
    assert (streams["video"]["codec_name"], streams["audio"]["codec_name"]) == ("h264", "aac")
    assert (streams["video"]["width"], streams["video"]["height"]) == (1280, 720)
    return float(said["format"]["duration"])
