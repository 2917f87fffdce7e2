"""Replays vectors/{handshake12,handshake13}/refusals: who hears something wrong says so, and gives no keys out.

Read next: tests/generate/dtlsrefusals.py.
"""

from __future__ import annotations

import pytest

from tests.vectors.dtlsplaying import Case, Player, parameters


@pytest.mark.parametrize(("params", "case"), parameters("handshake12/refusals", "handshake13/refusals"))
def test_refusals(params: Case, case: Case) -> None:
    player = Player(params, case["init"])
    player.play(case["steps"])
    assert player.key_log == case["init"]["secrets"]
    last = case["steps"][-1]["expect"]
    assert case["reaction"] == (f"alert:{last['alert']}" if "alert" in last else "abort")
    before = [step for step in case["steps"] if step.get("expect", {}).get("connected")]
    assert len(before) == (2 if last["connected"] else 0), "connected before the end, or never"
