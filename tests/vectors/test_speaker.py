"""Replays vectors/speaker against media/dominance. Read next: tests/generate/speaker.py, where the cases come from."""

from __future__ import annotations

import pytest

from tests.generate.speaker import changes
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("speaker/dominant"), ids=str)
def test_dominant(vector: Vector) -> None:
    levels = {who: list(unhex(text)) for who, text in vector.given["levels"].items()}
    assert changes(levels, vector.given["silence_after_ms"]) == vector.out["changes"]
