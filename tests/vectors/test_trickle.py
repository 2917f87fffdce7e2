"""Replays vectors/trickle: tests/generate/trickle.py has the cases, tests/vectors/machinesteps.py plays them."""

from __future__ import annotations

import pytest

from tests.vectors.machinesteps import Case, Player, parameters

SETS = ("trickle/orders",)


@pytest.mark.parametrize("case", parameters(*SETS))
def test_steps(case: Case) -> None:
    Player(case["init"]).play(case["steps"])
