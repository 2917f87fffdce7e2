"""Replays vectors/composer: a film of the sample is made, and looked at. Read next: tests/generate/composer.py."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from meetref.app.picture import read_pattern
from meetref.archive.composer import compose
from meetref.archive.film import FRAME_RATE, HEIGHT
from tests.vectors.codeccases import VECTORS, Vector, load

COLOUR_WITHIN = 3.0
"""Of 255: a film's pictures were scaled and encoded."""
HEARD, SILENT = 0.01, 0.001
"""The loudest sample of what is heard is above, and of silence below, where 1 is full scale."""


@dataclass
class Film:
    folder: Path
    index: dict[str, Any]
    pictures: list[np.ndarray]
    samples: np.ndarray


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("composer") / "out"
    index = compose(VECTORS / "journal" / "sample", folder)
    with av.open(str(folder / "film.mp4")) as file:
        pictures = [frame.to_ndarray(format="yuv420p") for frame in file.decode(video=0)]
    with av.open(str(folder / "film.mp4")) as file:
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
    return Film(folder, index, pictures, samples)


@pytest.mark.parametrize("vector", load("composer/sample"), ids=str)
def test_sample(vector: Vector, film: Film) -> None:
    CHECKS[vector.operation](vector, film)


def check_meeting(vector: Vector, film: Film) -> None:
    people = [{"name": person["name"], "present": person["present"]} for person in film.index["people"]]
    assert {"duration": film.index["duration"], "people": people} == vector.out
    assert film.index["told"] == []


def check_picture(vector: Vector, film: Film) -> None:
    planes = film.pictures[round(vector.given["at"] * FRAME_RATE)]
    for tile in vector.out["tiles"]:
        left, top, width, height = tile["place"]
        inside = planes[:HEIGHT][top : top + height, left : left + width]
        read = read_pattern(inside)
        assert read is not None
        assert read[1] == tile["counter"]
        halves = planes[HEIGHT:].reshape(2, HEIGHT // 2, -1)
        chroma = halves[:, top // 2 : (top + height) // 2, left // 2 : (left + width) // 2].mean(axis=(1, 2))
        assert np.abs(np.array([inside.mean(), *chroma]) - tile["colour"]).max() < COLOUR_WITHIN


def check_sound(vector: Vector, film: Film) -> None:
    begins, ends = (round(vector.given[word] * 48000) for word in ("from", "to"))
    loudest = float(np.abs(film.samples[begins:ends]).max())
    assert loudest > HEARD if vector.out["heard"] else loudest < SILENT


def check_person(vector: Vector, film: Film) -> None:
    """In the files of people each picture and each sound is what was sent."""
    [person] = [each["person"] for each in film.index["people"] if each["name"] == vector.given["name"]]
    [entry] = [each for each in film.index["files"] if each.get("person") == person]
    with av.open(str(film.folder / entry["name"])) as file:
        stream = file.streams.video[0] if vector.given["kind"] == "pictures" else file.streams.audio[0]
        packets = [
            (float(packet.pts * packet.time_base), bytes(packet)) for packet in file.demux(stream) if packet.size
        ]
    digest = hashlib.sha256(b"".join(octets for _, octets in packets)).hexdigest()
    begins, ends = (round(entry["begins"] + packets[place][0], 3) for place in (0, -1))
    assert {"count": len(packets), "sha256": digest} == {key: vector.out[key] for key in ("count", "sha256")}
    assert (begins, ends) == pytest.approx((vector.out["begins"], vector.out["ends"]), abs=0.002)


CHECKS = {"meeting": check_meeting, "picture": check_picture, "sound": check_sound, "person": check_person}
