"""Replays vectors/jitter against media/jitter. Read next: tests/generate/jitter.py, where the cases come from."""

from __future__ import annotations

import pytest

from tests.generate.jitter import released
from tests.vectors.codeccases import Vector, load


@pytest.mark.parametrize("vector", load("jitter/packets"), ids=str)
def test_packets(vector: Vector) -> None:
    assert released(vector.given) == vector.out["released"]
