"""Replays vectors/fec/shielding and vectors/fec/mending. Read next: tests/generate/shielding.py."""

from __future__ import annotations

import pytest

from tests.generate.shielding import mended, shielded
from tests.vectors.codeccases import Vector, load


@pytest.mark.parametrize("vector", load("fec/shielding"), ids=str)
def test_shielding(vector: Vector) -> None:
    assert shielded(vector.given) == vector.out


@pytest.mark.parametrize("vector", load("fec/mending"), ids=str)
def test_mending(vector: Vector) -> None:
    assert mended(vector.given) == vector.out
