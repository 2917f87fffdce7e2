"""The film of the recording in vectors/journal/sample: what is to be seen and heard at which moment.

The robots' pictures carry a tag with a counter, fifteen a second, so each picture of the film says which one it shows.
The landmarks stand in vectors/journal/README.md, too, for whoever composes the sample with another program.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from meetref.app.picture import read_pattern
from meetref.archive.composer import compose
from meetref.archive.film import FRAME_RATE, HEIGHT, WIDTH
from meetref.media.layout import fitted, grid

SAMPLE = Path(__file__).parents[2] / "vectors" / "journal" / "sample"
ALONE = {0.2: 2, 0.6: 8, 1.0: 14, 5.8: 65, 6.2: 71, 6.6: 2}
TOGETHER = {2.2: (11, 1), 3.0: (23, 13), 3.8: (35, 25), 4.6: (47, 37), 5.6: (62, 52)}
HEARD = [(0.1, 0.9), (1.8, 3.1), (4.0, 5.9)]
SILENT = [(1.1, 1.5), (3.3, 3.8), (6.15, 6.6)]


@pytest.mark.spec("composer/lips-together", "composer/index")
def test_what_the_sample_shows_and_says(tmp_path: Path) -> None:
    index = compose(SAMPLE, tmp_path / "out")
    assert (index["duration"], index["told"]) == (6.65, [])
    assert [(person["name"], person["present"]) for person in index["people"]] == [
        ("alice", [[0.0, 6.65]]), ("bob", [[1.2, 5.7]])
    ]  # fmt: skip
    with av.open(str(tmp_path / "out" / "film.mp4")) as film:
        pictures = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    for at, counter in ALONE.items():
        assert counters(pictures[round(at * FRAME_RATE)], 1) == (counter,), at
    for at, both in TOGETHER.items():
        assert counters(pictures[round(at * FRAME_RATE)], 2) == both, at
    with av.open(str(tmp_path / "out" / "film.mp4")) as film:
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in film.decode(audio=0)])
    for begins, ends in HEARD:
        assert loudest(samples, begins, ends) > 0.01
    for begins, ends in SILENT:
        assert loudest(samples, begins, ends) < 0.001


def counters(picture: np.ndarray, count: int) -> tuple[int | None, ...]:
    """What the tags say in a grid of so many tiles."""
    found = []
    for place in grid(count, WIDTH, HEIGHT):
        inside = fitted(320, 180, place)
        read = read_pattern(picture[inside.top :][: inside.height, inside.left : inside.left + inside.width])
        found.append(read[1] if read is not None else None)
    return tuple(found)


def loudest(samples: np.ndarray, begins: float, ends: float) -> float:
    return float(np.abs(samples[round(begins * 48000) : round(ends * 48000)]).max())
