"""Who else carries the handshake as vectors/sped says: so far nobody who can be asked about one step.

libwebrtc does, as a whole, in Chromium and in wrtc; tests/peers/test_sped_{browsers,wrtc}.py talk with both. Its
machine cannot be driven from outside, so every group stays provisional. Stands above `tests/confirm/witness.py`.
Read next: tests/generate/sped.py.
"""

from __future__ import annotations

from typing import Any


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group with which somebody agrees."""
    return []
