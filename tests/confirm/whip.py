"""Who else answers the requests of vectors/whip as it says: nobody yet.

The servers of WHIP that others wrote come in no package registry whole, or stand on a media server of their own.
Whether clients of others get along with ours is another question: tests/peers/test_whip_*.py.
Read next: tests/generate/whip.py.
"""

from __future__ import annotations

from typing import Any


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """No entry."""
    return []
