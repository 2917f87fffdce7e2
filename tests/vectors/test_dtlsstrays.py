"""Replays vectors/dtls/strays: what anybody can send is dropped in silence, and the association goes on.

Read next: tests/generate/dtlsstrays.py.
"""

from __future__ import annotations

import pytest

from meetref.protocol.association import Connected
from tests.vectors.dtlsplaying import Case, Player, parameters


@pytest.mark.parametrize(("params", "case"), parameters("dtls/strays"))
def test_strays(params: Case, case: Case) -> None:
    player = Player(params, {"dice": params["dice"], "settings": params["settings"]})
    player.play(params["prefix"])
    player.play(case["steps"])
    player.play(params["continuation"])
    assert case["reaction"] == "drop"
    assert player.has(Connected)
    assert len(player.data) == 2
