"""Writes vectors/composer: what is seen and heard in the film of vectors/journal/sample, and in its people's files.

Pictures are told by the hash of what comes out of a decoder of VP8, which leaves no room, so before anything is scaled
or encoded; sound by whether anything is heard. Times are such that a picture's neighbours are not near.
Read next: tests/vectors/test_composer.py, which looks at a film; tests/confirm/composer.py has FFmpeg look.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from meetref.app.picture import read_pattern
from meetref.archive.film import FRAME_RATE, HEIGHT, NEAREST, WIDTH
from meetref.archive.frames import pictures_of, sounds_of
from meetref.archive.reading import Recording, open_recording
from meetref.archive.situation import people_of
from meetref.archive.timing import clocks_of
from meetref.media.codec.pictures import PictureDecoder
from meetref.media.layout import fitted, grid
from tests.generate.mediacases import Cases

NAME = "journal/sample"
SAMPLE = Path(__file__).parents[2] / "vectors" / NAME
SOURCE = "docs/recording.md, films"
DURATION = 6.65  # seconds: until the last event
STEADY = (-0.002, 0.031)  # seconds around a moment in which no picture changes
MOMENTS = (0.2, 0.6, 1.0, 2.2, 3.0, 3.8, 4.6, 5.4, 6.0, 6.4)
HEARD = [("alice and bob", 0.1, 0.9, True), ("alice pauses", 1.1, 1.5, False), ("they speak", 1.8, 3.1, True),
         ("alice is muted and bob pauses", 3.3, 3.8, False), ("they speak", 4.0, 5.9, True),
         ("alice pauses, bob has gone", 6.15, 6.6, False)]  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A picture as it was sent: from when it is to be seen, and what is in it."""

    at: float
    width: int
    height: int
    sha256: str
    colour: list[float]
    counter: int | None


@dataclass(frozen=True)
class Sample:
    """The recording, and of each name the pictures, and the octets of all pictures and all sounds."""

    recording: Recording
    pictures: dict[str, list[Shown]]
    octets: dict[tuple[str, str], list[tuple[float, bytes]]]


@cache
def sample() -> Sample:
    """All of it, decoded once."""
    recording = open_recording(SAMPLE)
    found = Sample(recording, {}, {})
    by_name = {stream.person_name: stream.person for stream in recording.streams}
    for name, person in sorted(by_name.items()):
        streams = [stream for stream in recording.streams if stream.person == person]
        clocks = clocks_of(streams)
        for stream in streams:
            if stream.kind == "audio":
                found.octets[name, "sound"] = [(sound.at, sound.data) for sound in sounds_of(stream, clocks)]
                continue
            frames = list(pictures_of(stream, clocks))
            found.octets[name, "pictures"] = [(frame.at, frame.data) for frame in frames]
            decoder = PictureDecoder("VP8")
            found.pictures[name] = [_decoded(decoder, frame.at, frame.data) for frame in frames]
    return found


def _decoded(decoder: PictureDecoder, at: float, data: bytes) -> Shown:
    decoded = decoder.decode(data)
    assert decoded is not None
    width, height = decoded.width, decoded.height
    planes = decoded.scaled(width, height)
    luma, halves = planes[:height], planes[height:].reshape(2, -1)
    read = read_pattern(luma)
    colour = [round(float(np.mean(plane)), 1) for plane in (luma, *halves)]
    return Shown(at, width, height, hashlib.sha256(planes.tobytes()).hexdigest(), colour, read[1] if read else None)


def shown(name: str, at: float) -> Shown | None:
    """What somebody's picture is at a moment; None before the first one."""
    before = [picture for picture in sample().pictures[name] if picture.at <= at]
    return before[-1] if before else None


def present(duration: float) -> dict[str, list[list[float]]]:
    """From when to when everybody is there."""
    return {
        person.name: [[round(begins, 3), round(ends, 3)] for begins, ends in person.present]
        for person in people_of(sample().recording, duration)
    }


def tiles(at: float) -> list[dict[str, Any]]:
    """Of everybody who is there, where their picture is and what it is."""
    there = [name for name, times in present(DURATION).items() if any(begins <= at < ends for begins, ends in times)]
    found = []
    for name, tile in zip(there, grid(len(there), WIDTH, HEIGHT), strict=True):
        picture = shown(name, at + NEAREST)
        assert picture is not None
        place = fitted(picture.width, picture.height, tile)
        found.append(
            {
                "name": name,
                "place": [place.left, place.top, place.width, place.height],
                "size": [picture.width, picture.height],
                "sha256": picture.sha256,
                "colour": picture.colour,
                "counter": picture.counter,
            }
        )
    return found


def _steady(near: float) -> float:
    """The film's moment next to this one around which nobody's picture changes."""
    moments = (near + step / FRAME_RATE for step in (0, 1, -1, 2, -2, 3, -3, 4, -4))
    for at in (round(moment * FRAME_RATE) / FRAME_RATE for moment in moments):
        around = [[shown(name, at + off) for off in STEADY] for name in sample().pictures]
        if all(before is after for before, after in around):
            return at
    raise AssertionError(f"pictures change all the time around {near}")


def sets() -> dict[str, Any]:
    """The set by its name."""
    cases = Cases("composer-sample", {})
    for add in (_add_meeting, _add_pictures, _add_sound, _add_files):
        add(cases)
    return {"composer/sample": cases.finish()}


def _add_meeting(cases: Cases) -> None:
    cases.group("meeting", SOURCE)
    people = [{"name": name, "present": times} for name, times in present(DURATION).items()]
    out = {"duration": DURATION, "people": people}
    cases.valid("how long it is, and who was there", "index", {"recording": NAME}, out)


def _add_pictures(cases: Cases) -> None:
    cases.group("picture", SOURCE)
    for number, near in enumerate(MOMENTS):
        at = _steady(near)
        given = {"recording": NAME, "layout": "grid", "size": [WIDTH, HEIGHT], "at": round(at, 3)}
        out = tiles(at)
        comment = f"moment {number + 1}: {' and '.join(tile['name'] for tile in out)}"
        cases.valid(comment, "lips-together one-offset-a-person", given, {"tiles": out})


def _add_sound(cases: Cases) -> None:
    cases.group("sound", SOURCE)
    for comment, begins, ends, heard in HEARD:
        given = {"recording": NAME, "from": begins, "to": ends}
        cases.valid(comment, "lips-together", given, {"heard": heard})


def _add_files(cases: Cases) -> None:
    cases.group("person", SOURCE)
    for (name, kind), items in sorted(sample().octets.items()):
        joined = b"".join(data for _, data in items)
        out = {
            "count": len(items),
            "begins": round(items[0][0], 3),
            "ends": round(items[-1][0], 3),
            "sha256": hashlib.sha256(joined).hexdigest(),
        }
        cases.valid(f"{kind} of {name}", "not-encoded-again", {"recording": NAME, "name": name, "kind": kind}, out)
