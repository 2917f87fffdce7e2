"""Replays vectors/allocation. Read next: tests/generate/allocation.py, where the cases come from."""

from __future__ import annotations

import pytest

from meetref.media.ladder import Offer
from tests.generate.allocation import allocated, demanded, layers_of, over_time
from tests.vectors.codeccases import Vector, load


@pytest.mark.parametrize("vector", load("allocation/ladders"), ids=str)
def test_ladders(vector: Vector) -> None:
    offer = Offer(layers_of(vector.given["layers"]), detail=vector.given["detail"])
    assert [list(layer.place) for layer in offer.ladder(vector.given["height"])] == vector.out["ladder"]


@pytest.mark.parametrize("vector", load("allocation/allocations"), ids=str)
def test_allocations(vector: Vector) -> None:
    assert allocated(vector.given) == vector.out["choices"]


@pytest.mark.parametrize("vector", load("allocation/over-time"), ids=str)
def test_over_time(vector: Vector) -> None:
    assert over_time(vector.given) == vector.out["changes"]


@pytest.mark.parametrize("vector", load("allocation/demand"), ids=str)
def test_demand(vector: Vector) -> None:
    assert demanded(vector.given) == vector.out["told"]
